//! Who may call which address, and what everybody else is told.

use axum::body::Body;
use axum::http::{Method, Request, StatusCode, header};
use owl_measure::time::Nanos;

use super::super::headers::of_every_answer;
use super::super::routes::{About, Reader, Route, routes};
use super::served::{Got, OUT, Served};
use crate::access::Grant;
use crate::access::act::{Act, Change};
use crate::access::audit::{Deed, read_line, verify};
use crate::access::directory::{Token, User};
use crate::access::password::hash;
use crate::access::role::Role;
use crate::access::secret::Secret;
use crate::finding::{Finding, Kind, Symptom};
use crate::now::now;
use crate::store::Work;

const PASSWORD: &str = "correct horse battery";

fn grant(role: Role, carriers: &[&str]) -> Grant {
    Grant::new(role, carriers.iter().map(|&id| id.to_owned())).unwrap()
}

impl Served {
    async fn change(&self, change: Change) {
        let act = Act {
            change: Some(change),
            records: Vec::new(),
        };
        self.store.write(Work::Access(Box::new(act))).await.unwrap();
        self.gate.look(None).await.unwrap();
    }

    async fn user(&self, name: &str, grant: Grant) {
        let user = User {
            grant,
            password: hash(PASSWORD).unwrap(),
        };
        let (name, at) = (name.to_owned(), now());
        self.change(Change::AddUser { name, user, at }).await;
    }

    /// The value of a new token.
    async fn token(&self, name: &str, grant: Grant, valid: Nanos) -> String {
        let secret = Secret::token().unwrap();
        let now = now();
        let token = Token {
            name: name.to_owned(),
            grant,
            expires: now + valid,
            used: None,
        };
        let hash = secret.hash();
        self.change(Change::AddToken { hash, token, now }).await;
        secret.reveal().to_owned()
    }

    async fn with_token(&self, address: &str, token: &str) -> Got {
        let request = Request::builder().uri(address);
        let request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        self.send(request.body(Body::empty()).unwrap()).await
    }

    async fn with_cookie(&self, address: &str, cookie: &str) -> Got {
        let request = Request::builder()
            .uri(address)
            .header(header::COOKIE, cookie);
        self.send(request.body(Body::empty()).unwrap()).await
    }

    /// As a browser sends a form of one of our pages.
    async fn post(&self, address: &str, body: String, cookie: &str) -> Got {
        let request = Request::builder()
            .method(Method::POST)
            .uri(address)
            .header("sec-fetch-site", "same-origin")
            .header(header::COOKIE, cookie)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        self.send(request.body(Body::from(body)).unwrap()).await
    }

    async fn log_in(&self, name: &str, password: &str) -> Got {
        let body = form_urlencoded::Serializer::new(String::new())
            .append_pair("name", name)
            .append_pair("password", password)
            .append_pair("next", "/findings?lang=en")
            .finish();
        self.post("/login", body, "").await
    }

    /// Of each record who, what and with what.
    fn audit(&self) -> Vec<(String, String, String)> {
        let lines = self.store.reader().unwrap().audit_after(0, 1_000).unwrap();
        let verified = verify(lines.iter().map(|line| Ok::<_, ()>(line.clone())), None);
        assert_eq!(verified.unwrap().faults, []);
        let text = |fields: &serde_json::Map<_, _>, name: &str| {
            let value: &serde_json::Value = &fields[name];
            value.as_str().unwrap().to_owned()
        };
        let records = lines.iter().map(|line| read_line(line).unwrap().1);
        records
            .map(|record| {
                let [who, deed, what] = ["who", "deed", "what"].map(|name| text(&record, name));
                (who, deed, what)
            })
            .collect()
    }
}

fn records<const N: usize>(expected: [(&str, Deed, &str); N]) -> Vec<(String, String, String)> {
    let owned = |(who, deed, what): (&str, Deed, &str)| {
        (who.to_owned(), deed.code().to_owned(), what.to_owned())
    };
    expected.into_iter().map(owned).collect()
}

/// The value of the cookie that an answer sets.
fn cookie(got: &Got) -> String {
    let set = got.headers[header::SET_COOKIE].to_str().unwrap();
    for attribute in ["Path=/", "HttpOnly", "SameSite=Strict"] {
        assert!(set.contains(attribute), "{set}");
    }
    set.split(';').next().unwrap().to_owned()
}

fn asked() -> impl Iterator<Item = Route> {
    routes()
        .into_iter()
        .filter(|route| route.method == Method::GET)
}

const HOUR: Nanos = Nanos::from_secs(3_600);

#[tokio::test]
async fn each_role_may_call_what_its_addresses_are_about() {
    let served = Served::new();
    served.user("anna", grant(Role::Admin, &[])).await;
    for role in Role::ALL {
        let carriers: &[&str] = if role == Role::Regulator {
            &["ct"]
        } else {
            &[]
        };
        let token = served.token(role.code(), grant(role, carriers), HOUR).await;
        for route in asked() {
            let may = match route.about {
                About::Nothing | About::Path | About::Paths | About::Probes => true,
                About::Network => role != Role::Regulator,
                About::Collector => [Role::Admin, Role::Operator].contains(&role),
                About::Deeds => role == Role::Admin,
            };
            let mut address = served.example(route.path);
            if route.path == "/api/v1/revisions" {
                // Without one it is asked of all carriers at once.
                address = format!("{address}?path={OUT}");
            }
            let got = served.with_token(&address, &token).await;
            let expected = if may {
                StatusCode::OK
            } else {
                StatusCode::FORBIDDEN
            };
            assert_eq!(got.status, expected, "{role} {address}: {}", got.text());
            if !may && route.reader == Reader::Program {
                got.is_problem("not-allowed");
            }
        }
    }
}

#[tokio::test]
async fn who_is_not_known_sees_the_form_the_style_and_whether_the_process_is_well() {
    let served = Served::new();
    served.user("anna", grant(Role::Admin, &[])).await;
    served.live.write().store_failure = Some("/var/lib/secret is full".into());
    for route in asked() {
        let address = served.example(route.path);
        let got = served.get(&address).await;
        // This host's own Prometheus needs no token.
        if [About::Nothing, About::Network].contains(&route.about) {
            let open = [StatusCode::OK, StatusCode::SERVICE_UNAVAILABLE];
            assert!(open.contains(&got.status), "{address}: {}", got.status);
            assert!(!got.text().contains("secret"), "{address}");
        } else if route.reader == Reader::Program {
            assert_eq!(got.status, StatusCode::UNAUTHORIZED, "{address}");
            assert_eq!(got.headers[header::WWW_AUTHENTICATE], "Bearer", "{address}");
            got.is_problem("not-logged-in");
        } else {
            assert_eq!(got.status, StatusCode::SEE_OTHER, "{address}");
            let to = got.headers[header::LOCATION].to_str().unwrap();
            assert!(to.starts_with("/login?next=%2F"), "{address}: {to}");
        }
        let tells = got.text().contains("yannan") && route.about != About::Network;
        assert!(!tells, "{address}: {}", got.text());
    }
}

#[tokio::test]
async fn a_regulator_sees_its_carriers_and_nothing_of_the_others() {
    let served = Served::new();
    served.user("anna", grant(Role::Admin, &[])).await;
    let others: Vec<String> = {
        let mut table = served.live.write();
        let subject = OUT.split('~').next().unwrap().to_owned();
        table.findings.push(Finding {
            since: now(),
            seen_until: now(),
            open: true,
            windows: 1,
            last: Symptom {
                kind: Kind::ClockWrong,
                subject,
                size: None,
                within: None,
                evidence: Vec::new(),
                alternatives: Vec::new(),
            },
        });
        let probes = table.probes.values();
        let others = probes.filter(|probe| probe.carrier != "cm");
        others.map(|probe| probe.id.clone()).collect()
    };
    assert!(!others.is_empty());
    let cm = served
        .token("cm", grant(Role::Regulator, &["cm"]), HOUR)
        .await;
    let ct = served
        .token("ct", grant(Role::Regulator, &["ct"]), HOUR)
        .await;
    for route in asked() {
        let address = served.example(route.path);
        let got = served.with_token(&address, &cm).await;
        let names_ct = address.contains(OUT);
        if names_ct && route.about != About::Nothing {
            assert_eq!(got.status, StatusCode::NOT_FOUND, "{address}");
        }
        // What the address itself names may come back in the refusal.
        let text = got.text().replace(OUT, "");
        for other in &others {
            assert!(
                !text.contains(other.as_str()),
                "{other} in {address}: {text}"
            );
        }
        let own = served.with_token(&address, &ct).await;
        if names_ct {
            assert_eq!(own.status, StatusCode::OK, "{address}: {}", own.text());
        }
    }
    let none = served.with_token("/api/v1/verdicts?path=a~b", &cm).await;
    let other = served
        .with_token(&format!("/api/v1/verdicts?path={OUT}"), &cm)
        .await;
    assert_eq!(
        none.text(),
        other.text(),
        "one that is not shown is like one that is not there"
    );
    let past = served.with_token("/api/v1/verdicts?since=0", &ct).await;
    past.is_problem("not-allowed");
    let told = served
        .with_token(&served.example("/api/v1/verdicts/explain"), &ct)
        .await;
    assert!(told.json().get("mesh").is_none(), "{}", told.text());
}

#[tokio::test]
async fn who_logs_in_goes_on_where_he_wanted_to_and_who_logs_out_is_out() {
    let mut served = Served::new();
    served.user("anna", grant(Role::Viewer, &[])).await;
    let got = served.log_in("anna", PASSWORD).await;
    assert_eq!(got.status, StatusCode::SEE_OTHER, "{}", got.text());
    assert_eq!(got.headers[header::LOCATION], "/findings?lang=en");
    let session = cookie(&got);
    assert!(session.starts_with("owl-session="), "{session}");
    let page = served.with_cookie("/", &session).await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.text().contains("<span>anna</span>"), "{}", page.text());
    let left = served.post("/logout", String::new(), &session).await;
    assert_eq!(left.status, StatusCode::SEE_OTHER);
    assert!(
        left.headers[header::SET_COOKIE]
            .to_str()
            .unwrap()
            .contains("Max-Age=0")
    );
    let page = served.with_cookie("/", &session).await;
    assert_eq!(page.status, StatusCode::SEE_OTHER);
    // Over TLS the cookie is kept to it, and no other host can set it.
    served.peer.tls = true;
    let got = served.log_in("anna", PASSWORD).await;
    assert!(cookie(&got).starts_with("__Host-owl-session="));
    assert!(
        got.headers[header::SET_COOKIE]
            .to_str()
            .unwrap()
            .ends_with("; Secure")
    );
    assert_eq!(
        served.audit(),
        records([
            ("anna", Deed::Login, "viewer"),
            ("anna", Deed::Logout, ""),
            ("anna", Deed::Login, "viewer"),
        ])
    );
}

#[tokio::test]
async fn a_wrong_name_is_refused_like_a_wrong_password_and_too_many_of_both_are_locked_out() {
    let served = Served::new();
    served.user("anna", grant(Role::Admin, &[])).await;
    let wrong = served.log_in("anna", "wrong").await;
    let unknown = served.log_in("bert", "wrong").await;
    assert_eq!(wrong.status, StatusCode::UNAUTHORIZED);
    let same = |got: &Got| got.text().replace("anna", "").replace("bert", "");
    assert_eq!(same(&wrong), same(&unknown));
    served.gate.guessed("anna", served.peer.address.ip());
    let locked = served.log_in("anna", PASSWORD).await;
    assert_eq!(
        locked.status,
        StatusCode::TOO_MANY_REQUESTS,
        "{}",
        locked.text()
    );
    assert!(locked.headers.contains_key(header::RETRY_AFTER));
    assert_eq!(
        served.audit(),
        records([
            ("-", Deed::LoginFailed, "anna"),
            ("-", Deed::LoginFailed, "bert"),
            ("-", Deed::LockedOut, "anna"),
        ])
    );
}

#[tokio::test]
async fn a_form_of_another_site_logs_nobody_in_or_out() {
    let served = Served::new();
    served.user("anna", grant(Role::Admin, &[])).await;
    let body = format!("name=anna&password={}", PASSWORD.replace(' ', "+"));
    for address in ["/login", "/logout"] {
        for (name, value) in [("sec-fetch-site", "cross-site"), ("origin", "https://evil")] {
            let request = Request::builder().method(Method::POST).uri(address);
            let request = request.header(name, value).header(header::HOST, "owl:1");
            let request = request.body(Body::from(body.clone())).unwrap();
            let got = served.send(request).await;
            assert_eq!(got.status, StatusCode::FORBIDDEN, "{address} {name}");
            assert!(!got.headers.contains_key(header::SET_COOKIE));
        }
    }
    let long = served.post("/login", "x".repeat(1 << 20), "").await;
    assert_eq!(long.status, StatusCode::UNAUTHORIZED, "{}", long.text());
}

#[tokio::test]
async fn a_password_or_token_of_before_lets_nobody_in() {
    let served = Served::new();
    served.user("anna", grant(Role::Viewer, &[])).await;
    let session = cookie(&served.log_in("anna", PASSWORD).await);
    let old = served
        .token("old", grant(Role::Viewer, &[]), Nanos(0))
        .await;
    let revoked = served.token("t", grant(Role::Viewer, &[]), HOUR).await;
    let name = "t".to_owned();
    served.change(Change::RevokeToken { name }).await;
    for token in [old.as_str(), revoked.as_str(), "owl_x", ""] {
        let got = served.with_token("/api/v1/probes", token).await;
        assert_eq!(got.status, StatusCode::UNAUTHORIZED, "{token}");
    }
    assert_eq!(
        served.with_cookie("/", &session).await.status,
        StatusCode::OK
    );
    let (name, password) = ("anna".to_owned(), hash("another password").unwrap());
    let at = now();
    served
        .change(Change::SetPassword { name, password, at })
        .await;
    let got = served.with_cookie("/", &session).await;
    assert_eq!(got.status, StatusCode::SEE_OTHER);
    let name = "anna".to_owned();
    served.change(Change::RemoveUser { name }).await;
    let got = served.log_in("anna", "another password").await;
    assert_eq!(got.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_collector_without_users_is_open_on_its_own_host_and_to_nobody_else() {
    let mut served = Served::bound_to("127.0.0.1");
    assert_eq!(served.get("/").await.status, StatusCode::OK);
    for (name, value) in [
        ("x-forwarded-for", "192.0.2.1"),
        ("host", "evil.example:8080"),
    ] {
        let request = Request::builder().uri("/").header(name, value);
        let got = served.send(request.body(Body::empty()).unwrap()).await;
        assert_eq!(got.status, StatusCode::FORBIDDEN, "{name}");
    }
    served = Served::bound_to("0.0.0.0");
    let here = served.get("/").await;
    assert_eq!(here.status, StatusCode::FORBIDDEN);
    assert!(
        here.text()
            .contains("owl collector user add NAME --role admin")
    );
    served.peer.address = "192.0.2.7:1024".parse().unwrap();
    served.peer.tls = true;
    for address in ["/", "/findings"] {
        let got = served.get(address).await;
        assert_eq!(got.status, StatusCode::FORBIDDEN, "{address}");
        assert!(
            got.text()
                .contains("owl collector user add NAME --role admin")
        );
    }
    for address in ["/metrics", "/api/v1/verdicts"] {
        let told = served.get(address).await.is_problem("not-logged-in");
        assert!(
            told["hint"].as_str().unwrap().contains("user add"),
            "{told}"
        );
    }
    let token = served.token("t", grant(Role::Viewer, &[]), HOUR).await;
    assert_eq!(
        served.with_token("/metrics", &token).await.status,
        StatusCode::OK
    );
}

#[tokio::test]
async fn what_others_could_read_is_not_told_and_not_taken() {
    let mut served = Served::bound_to("0.0.0.0");
    served.user("anna", grant(Role::Viewer, &[])).await;
    let token = served.token("t", grant(Role::Viewer, &[]), HOUR).await;
    served.peer.address = "192.0.2.7:1024".parse().unwrap();
    let refused = served.with_token("/api/v1/verdicts", &token).await;
    refused.is_problem("in-the-clear");
    assert_eq!(served.get("/").await.status, StatusCode::FORBIDDEN);
    let login = served.log_in("anna", PASSWORD).await;
    assert_eq!(login.status, StatusCode::FORBIDDEN);
    served.peer.tls = true;
    let got = served.with_token("/api/v1/verdicts", &token).await;
    assert_eq!(got.status, StatusCode::OK);
}

#[tokio::test]
async fn an_export_and_a_refusal_are_recorded_once_an_hour() {
    let served = Served::new();
    served.user("anna", grant(Role::Admin, &[])).await;
    let token = served
        .token("grafana", grant(Role::Viewer, &[]), HOUR)
        .await;
    for _ in 0..3 {
        let got = served.with_token("/api/v1/probes?lang=en", &token).await;
        assert_eq!(got.status, StatusCode::OK);
        served.with_token("/api/v1/store", &token).await;
        served.with_token("/api/v1/probes", "owl_x").await;
    }
    assert_eq!(
        served.audit(),
        records([
            ("token grafana", Deed::Export, "/api/v1/probes?lang=en"),
            ("token grafana", Deed::Refused, "/api/v1/store"),
            ("-", Deed::Refused, "a token, /api/v1/probes"),
            ("-", Deed::Refused, "a token, /api/v1/probes"),
            ("-", Deed::Refused, "a token, /api/v1/probes"),
        ])
    );
}

#[tokio::test]
async fn every_answer_tells_browsers_what_our_pages_never_do() {
    let served = Served::new();
    let mut answers = Vec::new();
    for route in routes() {
        let address = served.example(route.path);
        answers.push((address.clone(), served.ask(route.method, &address).await));
        answers.push((address.clone(), served.ask(Method::DELETE, &address).await));
        answers.push((address.clone(), served.with_token(&address, "owl_x").await));
    }
    answers.push(("/nothing".into(), served.get("/nothing").await));
    for (address, got) in answers {
        for (name, value) in of_every_answer() {
            assert_eq!(got.headers[&name], value, "{address} {name}");
        }
        assert!(got.headers.contains_key(header::CACHE_CONTROL), "{address}");
        let policy = got.headers[header::CONTENT_SECURITY_POLICY]
            .to_str()
            .unwrap();
        assert!(policy.starts_with("default-src 'none'"), "{policy}");
        for loose in ["unsafe", "*", "data:", "script-src"] {
            assert!(!policy.contains(loose), "{policy}");
        }
    }
}
