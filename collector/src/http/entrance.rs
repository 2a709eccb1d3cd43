//! Logging in and out: a form that needs no script.

use std::sync::Arc;

use axum::body::to_bytes;
use axum::extract::{Query, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use owl_measure::words::Lang;

use super::guard::peer;
use super::query::Pairs;
use super::{Web, language};
use crate::access::{COOKIES, LoggedIn, Peer, is_same_origin};
use crate::page::{self, Entrance, Notice, Said};

/// Octets of a form: a name, a password and an address, percent-encoded.
const FORM_OCTETS_MAX: usize = 8_192;
/// Octets of the address to go on to.
const NEXT_OCTETS_MAX: usize = 2_048;

fn value<'a>(pairs: &'a [(String, String)], wanted: &str) -> &'a str {
    let found = pairs.iter().find(|(name, _)| name == wanted);
    found.map_or("", |(_, value)| value)
}

/// Where to go on: an address of this collector, whatever somebody wrote into a link.
fn next(pairs: &[(String, String)]) -> &str {
    let next = value(pairs, "next");
    let own = next.starts_with('/')
        && !next.starts_with("//")
        && !next.contains('\\')
        // Browsers pass over tabs and line ends, also before a second slash.
        && next.bytes().all(|octet| octet.is_ascii_graphic() || octet == b' ')
        && next.len() <= NEXT_OCTETS_MAX
        && !next.starts_with("/login");
    if own { next } else { "/" }
}

fn form(
    lang: Lang,
    status: StatusCode,
    pairs: &[(String, String)],
    said: Option<Said>,
) -> Response {
    let entrance = Entrance {
        next: next(pairs),
        name: value(pairs, "name"),
        said,
    };
    let page = page::entrance(lang, &entrance).into_string();
    (status, Html(page)).into_response()
}

/// `GET /login`: the form.
pub(super) async fn show(Query(pairs): Query<Pairs>, headers: HeaderMap) -> Response {
    form(language(&pairs, &headers), StatusCode::OK, &pairs, None)
}

/// `POST /login`: `name` and `password`, as a form sends them; goes on to `next`.
pub(super) async fn log_in(State(web): State<Arc<Web>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let (headers, peer) = (parts.headers, peer(&parts.extensions));
    let body = to_bytes(body, FORM_OCTETS_MAX).await.unwrap_or_default();
    let pairs: Pairs = form_urlencoded::parse(&body).into_owned().collect();
    let lang = language(&pairs, &headers);
    let caller = web.gate.caller(peer, &headers);
    if !caller.confidential {
        let page = page::notice(lang, Notice::InTheClear).into_string();
        return (StatusCode::FORBIDDEN, Html(page)).into_response();
    }
    if !is_same_origin(&headers) {
        return form(lang, StatusCode::FORBIDDEN, &pairs, Some(Said::OtherOrigin));
    }
    let password = value(&pairs, "password").to_owned();
    let name = value(&pairs, "name").trim();
    match web.gate.log_in(&caller, name, password).await {
        LoggedIn::Yes(secret) => {
            let headers = [
                (header::LOCATION, next(&pairs).to_owned()),
                (header::SET_COOKIE, cookie(&web, peer, secret.reveal())),
            ];
            (StatusCode::SEE_OTHER, headers).into_response()
        }
        LoggedIn::Wrong => form(lang, StatusCode::UNAUTHORIZED, &pairs, Some(Said::Wrong)),
        LoggedIn::Locked(left) => {
            let seconds = left.0.div_euclid(1_000_000_000) + 1;
            let said = Some(Said::Locked { seconds });
            let mut response = form(lang, StatusCode::TOO_MANY_REQUESTS, &pairs, said);
            if let Ok(after) = seconds.to_string().parse() {
                response.headers_mut().insert(header::RETRY_AFTER, after);
            }
            response
        }
        LoggedIn::Crowded => form(
            lang,
            StatusCode::SERVICE_UNAVAILABLE,
            &pairs,
            Some(Said::Crowded),
        ),
        LoggedIn::StoreFails => form(
            lang,
            StatusCode::SERVICE_UNAVAILABLE,
            &pairs,
            Some(Said::StoreFails),
        ),
    }
}

/// `POST /logout`: the session is over.
pub(super) async fn log_out(State(web): State<Arc<Web>>, request: Request) -> Response {
    let (headers, peer) = (request.headers(), peer(request.extensions()));
    if !is_same_origin(headers) {
        let lang = language(&[], headers);
        return form(lang, StatusCode::FORBIDDEN, &[], Some(Said::OtherOrigin));
    }
    web.gate
        .log_out(&web.gate.caller(peer, headers), headers)
        .await;
    let gone = cookie(&web, peer, "") + "; Max-Age=0";
    let headers = [
        (header::LOCATION, "/login".to_owned()),
        (header::SET_COOKIE, gone),
    ];
    (StatusCode::SEE_OTHER, headers).into_response()
}

/// Of the session alone: no script reads it, no other site has it sent, and it ends with the browser.
fn cookie(web: &Web, peer: Peer, value: &str) -> String {
    let [secure, plain] = COOKIES;
    if web.gate.secures_cookies(peer) {
        format!("{secure}={value}; Path=/; HttpOnly; SameSite=Strict; Secure")
    } else {
        format!("{plain}={value}; Path=/; HttpOnly; SameSite=Strict")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_leads_to_an_address_of_this_collector_and_nowhere_else() {
        for (asked, expected) in [
            ("/paths/a~b?lang=en", "/paths/a~b?lang=en"),
            ("", "/"),
            ("https://evil.example/", "/"),
            ("//evil.example/", "/"),
            ("/\\evil.example/", "/"),
            ("/a\r\nSet-Cookie: x", "/"),
            ("/\t/evil.example/", "/"),
            ("/\x0b/evil.example/", "/"),
            ("/login?next=/login", "/"),
            ("/路径", "/"),
        ] {
            let pairs = [("next".to_owned(), asked.to_owned())];
            assert_eq!(next(&pairs), expected, "{asked}");
        }
    }
}
