//! The pages of those who are not let in: the form, and notices. They tell nothing of the network.

use maud::{DOCTYPE, Markup, html};
use owl_measure::words::Lang;

use super::style_address;

/// What the form knows.
pub(crate) struct Entrance<'a> {
    /// Where a login leads.
    pub(crate) next: &'a str,
    /// The name that was given before.
    pub(crate) name: &'a str,
    /// Why the last attempt was in vain.
    pub(crate) said: Option<Said>,
}

/// Why an attempt was in vain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Said {
    Wrong,
    Locked { seconds: i64 },
    Crowded,
    StoreFails,
    OtherOrigin,
}

/// Why there is no page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Notice {
    NoUsers,
    NotAllowed,
    InTheClear,
}

impl Said {
    fn words(self, lang: Lang) -> String {
        match self {
            Self::Wrong => lang
                .pick("The name or the password is wrong.", "用户名或密码错误。")
                .to_owned(),
            Self::Locked { seconds } => lang.pick(
                format!("Too many attempts were wrong. The next one is possible in {seconds} s."),
                format!("错误次数过多，请在 {seconds} 秒后再试。"),
            ),
            Self::Crowded => lang
                .pick(
                    "Too many log in at this moment. Try again in a few seconds.",
                    "当前登录人数过多，请几秒后再试。",
                )
                .to_owned(),
            Self::StoreFails => lang
                .pick(
                    "The login cannot be written down, because the store refuses. The collector's log says why.",
                    "存储拒绝写入，无法登录。原因见采集器日志。",
                )
                .to_owned(),
            Self::OtherOrigin => lang
                .pick(
                    "The form was not sent by a page of this collector. Log in here.",
                    "该表单并非来自本采集器的页面。请在此登录。",
                )
                .to_owned(),
        }
    }
}

/// A page that knows nothing but its language.
fn bare(lang: Lang, title: &str, translated: Option<String>, body: &Markup) -> Markup {
    let other = lang.pick(Lang::Zh, Lang::En);
    html! {
        (DOCTYPE)
        html lang=(lang.tag()) {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) " · owl" }
                link rel="stylesheet" href=(style_address());
            }
            body {
                header.top {
                    span.brand { "owl" }
                    span.network {}
                    @if let Some(address) = translated {
                        nav aria-label=(lang.pick("Language", "语言")) {
                            a href=(address) lang=(other.tag()) hreflang=(other.tag()) { (other.pick("English", "中文")) }
                        }
                    }
                }
                main { (body) }
            }
        }
    }
}

/// The form.
pub(crate) fn entrance(lang: Lang, entrance: &Entrance<'_>) -> Markup {
    let title = lang.pick("Log in", "登录");
    let said = entrance.said.map(|said| said.words(lang));
    let other = lang.pick(Lang::Zh, Lang::En);
    let translated = form_urlencoded::Serializer::new(String::new())
        .append_pair("next", entrance.next)
        .append_pair("lang", other.tag())
        .finish();
    let body = html! {
        h1 { (title) }
        @if let Some(said) = &said { p.banner.failure role="alert" #said { (said) } }
        form.entrance method="post" action="/login" {
            input type="hidden" name="next" value=(entrance.next);
            input type="hidden" name="lang" value=(lang.tag());
            label for="name" { (lang.pick("Name", "用户名")) }
            input #name name="name" type="text" value=(entrance.name) maxlength="64" required autocomplete="username"
                autocapitalize="none" spellcheck="false" autofocus[entrance.name.is_empty()];
            label for="password" { (lang.pick("Password", "密码")) }
            input #password name="password" type="password" maxlength="1024" required autocomplete="current-password"
                aria-describedby=[said.as_ref().map(|_| "said")] autofocus[!entrance.name.is_empty()];
            button type="submit" { (title) }
        }
    };
    bare(lang, title, Some(format!("/login?{translated}")), &body)
}

/// A notice in the place of a page.
pub(crate) fn notice(lang: Lang, notice: Notice) -> Markup {
    let (title, words) = match notice {
        Notice::NoUsers => (
            lang.pick("Nobody can log in yet", "尚无可登录的用户"),
            lang.pick(
                "This collector is reached from other hosts and has no users. On its host, this makes the first one:",
                "本采集器可从其他主机访问，但尚无用户。请在其主机上创建第一个用户：",
            ),
        ),
        Notice::NotAllowed => (
            lang.pick("Not for your role", "您的角色无权查看"),
            lang.pick(
                "Your role may not see this page. An administrator can give you another one.",
                "您的角色无权查看此页面，请联系管理员。",
            ),
        ),
        Notice::InTheClear => (
            lang.pick("Not without encryption", "须加密访问"),
            lang.pick(
                "Others could read what is said here. Call the collector by https, or through the proxy that stands before it.",
                "此连接的内容可被他人读取。请使用 https，或经由采集器前的代理访问。",
            ),
        ),
    };
    let body = html! {
        h1 { (title) }
        p { (words) }
        @if notice == Notice::NoUsers { pre { "owl collector user add NAME --role admin" } }
        @if notice == Notice::NotAllowed { p { a href=(format!("/?lang={}", lang.tag())) { (lang.pick("Overview", "总览")) } } }
    };
    bare(lang, title, None, &body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_form_works_without_script_and_what_was_typed_cannot_break_out_of_it() {
        for lang in [Lang::En, Lang::Zh] {
            for said in [
                None,
                Some(Said::Wrong),
                Some(Said::Locked { seconds: 8 }),
                Some(Said::Crowded),
                Some(Said::StoreFails),
                Some(Said::OtherOrigin),
            ] {
                let view = Entrance {
                    next: "/paths/a~b?lang=\"><b>",
                    name: "\"><script>x</script>",
                    said,
                };
                let page = entrance(lang, &view).into_string();
                assert!(page.contains("method=\"post\" action=\"/login\""), "{page}");
                for forbidden in ["<script", "style=", "\"><b>", "onsubmit"] {
                    assert!(!page.contains(forbidden), "{forbidden} in {page}");
                }
                assert_eq!(page.contains("role=\"alert\""), said.is_some());
                for id in ["name", "password"] {
                    assert!(page.contains(&format!("<label for=\"{id}\">")));
                }
            }
        }
        let locked = Said::Locked { seconds: 8 }.words(Lang::Zh);
        assert!(locked.contains("8 秒"), "{locked}");
    }

    #[test]
    fn who_comes_to_a_collector_without_users_is_told_the_command() {
        for lang in [Lang::En, Lang::Zh] {
            let page = notice(lang, Notice::NoUsers).into_string();
            assert!(
                page.contains("owl collector user add NAME --role admin"),
                "{page}"
            );
        }
    }
}
