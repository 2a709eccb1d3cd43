//! Answers to requests that get none: RFC 9457 problem details.
//!
//! The `type` of each is an address of this collector, where its meaning is told.

use axum::extract::Path;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use owl_measure::words::Lang;
use serde::Serialize;

use super::json;

/// The media type of RFC 9457, section 6.1.
const MEDIA_TYPE: &str = "application/problem+json";

/// When to ask again, where it is not the asker's fault; a judged window is as long, or a few times longer.
const RETRY_AFTER_S: &str = "10";

/// What is the matter, in kinds that a program tells apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// The address says something that the route does not know, or not in its form.
    BadQuery,
    /// The topology has no such path, site or probe.
    UnknownName,
    /// Nothing is served at this address.
    UnknownAddress,
    /// The address is served, but not by this method.
    UnknownMethod,
    /// There is no such verdict.
    NoVerdict,
    /// The store cannot be read now.
    StoreFails,
    /// What is stored is damaged.
    Damaged,
    /// The answer was not made in time.
    TooSlow,
    /// It is for those who log in, or show a token.
    NotLoggedIn,
    /// It is not for this role.
    NotAllowed,
    /// Others could read it.
    InTheClear,
    /// Nothing that is known is young enough.
    Stale,
    /// As many ask for this as there is room for.
    TooMany,
}

impl Kind {
    /// All of them.
    pub(super) const ALL: [Self; 13] = [
        Self::BadQuery,
        Self::UnknownName,
        Self::UnknownAddress,
        Self::UnknownMethod,
        Self::NoVerdict,
        Self::StoreFails,
        Self::Damaged,
        Self::TooSlow,
        Self::NotLoggedIn,
        Self::NotAllowed,
        Self::InTheClear,
        Self::Stale,
        Self::TooMany,
    ];

    /// The last part of its `type`.
    pub(super) fn code(self) -> &'static str {
        match self {
            Self::BadQuery => "bad-query",
            Self::UnknownName => "unknown-name",
            Self::UnknownAddress => "unknown-address",
            Self::UnknownMethod => "unknown-method",
            Self::NoVerdict => "no-verdict",
            Self::StoreFails => "store-fails",
            Self::Damaged => "damaged",
            Self::TooSlow => "too-slow",
            Self::NotLoggedIn => "not-logged-in",
            Self::NotAllowed => "not-allowed",
            Self::InTheClear => "in-the-clear",
            Self::Stale => "stale",
            Self::TooMany => "too-many",
        }
    }

    fn status(self) -> StatusCode {
        match self {
            Self::BadQuery => StatusCode::BAD_REQUEST,
            Self::UnknownName | Self::UnknownAddress | Self::NoVerdict => StatusCode::NOT_FOUND,
            Self::UnknownMethod => StatusCode::METHOD_NOT_ALLOWED,
            Self::NotLoggedIn => StatusCode::UNAUTHORIZED,
            Self::NotAllowed | Self::InTheClear => StatusCode::FORBIDDEN,
            Self::Damaged => StatusCode::INTERNAL_SERVER_ERROR,
            Self::StoreFails | Self::TooSlow | Self::Stale | Self::TooMany => {
                StatusCode::SERVICE_UNAVAILABLE
            }
        }
    }

    /// The same for every occurrence (RFC 9457, section 3.1.3).
    fn title(self) -> &'static str {
        match self {
            Self::BadQuery => "the address asks for something that is not understood",
            Self::UnknownName => "the topology has nothing of this name",
            Self::UnknownAddress => "nothing is served at this address",
            Self::UnknownMethod => "this address is not served by this method",
            Self::NoVerdict => "there is no such verdict",
            Self::StoreFails => "the store cannot be read",
            Self::Damaged => "what is stored is damaged",
            Self::TooSlow => "the answer took too long",
            Self::NotLoggedIn => "this is for those who log in or show a token",
            Self::NotAllowed => "this is not for the role that asks",
            Self::InTheClear => "this is not told where others could read it",
            Self::Stale => "nothing that is known is young enough",
            Self::TooMany => "as many ask for this as there is room for",
        }
    }

    /// The title for a person.
    fn words(self, lang: Lang) -> &'static str {
        let chinese = match self {
            Self::BadQuery => "无法理解该地址的请求",
            Self::UnknownName => "拓扑中没有此名称",
            Self::UnknownAddress => "此地址没有内容",
            Self::UnknownMethod => "此地址不支持该方法",
            Self::NoVerdict => "没有这样的判定",
            Self::StoreFails => "无法读取存储",
            Self::Damaged => "存储的内容已损坏",
            Self::TooSlow => "应答超时",
            Self::NotLoggedIn => "须登录或出示令牌",
            Self::NotAllowed => "当前角色无权访问",
            Self::InTheClear => "须加密访问",
            Self::Stale => "已知数据均已过期",
            Self::TooMany => "同时请求者过多",
        };
        lang.pick(self.title(), chinese)
    }

    /// What mends it, unless an occurrence knows better.
    fn hint(self) -> &'static str {
        match self {
            Self::BadQuery => "/api/v1/openapi.json tells what each address takes",
            Self::UnknownName => "/api/v1/verdicts names every path, /api/v1/probes every probe",
            Self::UnknownAddress => "/api/v1/openapi.json tells which addresses there are",
            Self::UnknownMethod => "the answer's Allow header names the methods",
            Self::NoVerdict => "/api/v1/verdicts?path=FROM~TO lists those that there are",
            Self::StoreFails => "the collector's log says why; ask again in a minute",
            Self::Damaged => "restore the store from a backup; the log names what is damaged",
            Self::TooSlow => "ask for less at once, or again in a minute",
            Self::NotLoggedIn => {
                "`owl collector token add NAME --role viewer` makes a token; send it as `Authorization: Bearer TOKEN`"
            }
            Self::NotAllowed => {
                "`owl collector token list` and `user list` tell who has which role"
            }
            Self::InTheClear => "call it by https, or through the proxy that speaks it",
            Self::Stale => {
                "/api/v1/latency says for each path since when; /api/v1/probes, which probe is silent"
            }
            Self::TooMany => "come again when Retry-After has passed, or share one connection",
        }
    }
}

/// A request that gets no answer, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Problem {
    kind: Kind,
    detail: Option<String>,
    hint: Option<String>,
}

impl Problem {
    /// Of which the title says everything.
    pub(super) fn plain(kind: Kind) -> Self {
        Self {
            kind,
            detail: None,
            hint: None,
        }
    }

    pub(super) fn of(kind: Kind, detail: impl Into<String>) -> Self {
        Self {
            detail: Some(detail.into()),
            ..Self::plain(kind)
        }
    }

    pub(super) fn query(detail: impl Into<String>) -> Self {
        Self::of(Kind::BadQuery, detail)
    }

    /// What is the matter, for a person.
    pub(super) fn words(&self, lang: Lang) -> &'static str {
        self.kind.words(lang)
    }

    /// The details, which are for programs and so in English, for a person who reads that.
    pub(super) fn detail(&self, lang: Lang) -> Option<&str> {
        self.detail.as_deref().filter(|_| lang == Lang::En)
    }

    /// With a hint of its own.
    pub(super) fn hinting(self, hint: Option<String>) -> Self {
        Self { hint, ..self }
    }
}

#[derive(Serialize)]
struct Body<'a> {
    r#type: String,
    title: &'static str,
    status: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'a str>,
    hint: &'a str,
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = self.kind.status();
        let mut response = json(&Body {
            r#type: format!("/api/v1/problems/{}", self.kind.code()),
            title: self.kind.title(),
            status: status.as_u16(),
            detail: self.detail.as_deref(),
            hint: self.hint.as_deref().unwrap_or(self.kind.hint()),
        });
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
        if self.kind == Kind::NotLoggedIn {
            // RFC 9110, section 15.5.2, asks for one; the scheme is RFC 6750's.
            let scheme = HeaderValue::from_static("Bearer");
            headers.insert(header::WWW_AUTHENTICATE, scheme);
        }
        if status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static(RETRY_AFTER_S));
        }
        response.extensions_mut().insert(self);
        response
    }
}

#[derive(Serialize)]
struct Told {
    code: &'static str,
    title: &'static str,
    status: u16,
    hint: &'static str,
}

/// `GET /api/v1/problems/{code}`: what a kind of problem means.
pub(super) async fn api(Path(code): Path<String>) -> Result<Response, Problem> {
    let kind = Kind::ALL.into_iter().find(|kind| kind.code() == code);
    let kind = kind.ok_or(Problem::plain(Kind::UnknownAddress))?;
    Ok(json(&Told {
        code: kind.code(),
        title: kind.title(),
        status: kind.status().as_u16(),
        hint: kind.hint(),
    }))
}
