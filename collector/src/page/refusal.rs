//! The page in the place of one that cannot be shown. It tells nothing of the network.

use maud::{Markup, html};
use owl_measure::words::Lang;

use super::entrance::bare;

/// Says what is the matter, and leads back.
pub(crate) fn refusal(lang: Lang, title: &str, detail: Option<&str>) -> Markup {
    let body = html! {
        h1 { (title) }
        @if let Some(detail) = detail { p { (detail) } }
        p { a href=(format!("/?lang={}", lang.tag())) { (lang.pick("Overview", "总览")) } }
    };
    bare(lang, title, None, &body)
}
