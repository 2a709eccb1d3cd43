//! Server-sent events, read as a listener reads them.

use axum::http::{HeaderName, StatusCode, header};
use owl_measure::time::Timestamp;

use super::EVENTS;
use super::served::{Heard, Served};
use crate::event::Event;
use crate::http::events::LISTENERS_MAX;

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

fn connected(k: usize) -> Event {
    Event::ProbeConnected {
        probe: format!("probe-{k}"),
    }
}

/// The values of one field of the next piece.
async fn field(heard: &mut Heard, name: &str) -> Vec<String> {
    let piece = heard.next().await.unwrap();
    let lines = piece.lines();
    let values = lines.filter_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    values.map(str::to_owned).collect()
}

#[tokio::test(start_paused = true)]
async fn a_listener_hears_what_comes_and_after_a_pause_what_he_missed() {
    let served = Served::new();
    let mut heard = served.listen(EVENTS, &[]).await;
    assert_eq!(field(&mut heard, "retry").await, ["2000"]);
    served.events.tell(Timestamp(5), &[connected(1)]);
    let piece = heard.next().await.unwrap();
    let data = r#"data: {"at_ns":5,"event":"probe-connected","probe":"probe-1"}"#;
    let id = piece.lines().next().unwrap().strip_prefix("id: ").unwrap();
    assert_eq!(
        piece,
        format!("id: {id}\nevent: probe-connected\n{data}\n\n")
    );
    drop(heard);
    served
        .events
        .tell(Timestamp(6), &[connected(2), connected(3)]);
    let after = format!("{EVENTS}?after={id}");
    for mut again in [
        served.listen(EVENTS, &[(LAST_EVENT_ID, id)]).await,
        served.listen(&after, &[]).await,
        // A browser that came by the address says more when it comes again.
        served
            .listen(&format!("{EVENTS}?after=1-1"), &[(LAST_EVENT_ID, id)])
            .await,
    ] {
        assert_eq!(field(&mut again, "id").await.len(), 2);
    }
}

#[tokio::test(start_paused = true)]
async fn who_was_away_too_long_is_told_that_events_are_lost() {
    let served = Served::new();
    served.events.tell(Timestamp(5), &[connected(1)]);
    for unknown in ["1-1", "nonsense", ""] {
        let mut heard = served.listen(EVENTS, &[(LAST_EVENT_ID, unknown)]).await;
        assert_eq!(field(&mut heard, "event").await, ["lost"], "{unknown}");
        served.events.tell(Timestamp(6), &[connected(2)]);
        assert_eq!(
            field(&mut heard, "event").await,
            ["probe-connected"],
            "{unknown}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_quiet_stream_says_that_it_is_still_there() {
    let served = Served::new();
    let mut heard = served.listen(EVENTS, &[]).await;
    heard.next().await.unwrap();
    assert_eq!(heard.next().await.unwrap(), ":\n\n");
    assert_eq!(heard.next().await.unwrap(), ":\n\n");
}

#[tokio::test(start_paused = true)]
async fn a_listener_that_does_not_read_is_cut_off_and_others_are_not() {
    let served = Served::new();
    let (mut slow, mut quick) = (
        served.listen(EVENTS, &[]).await,
        served.listen(EVENTS, &[]).await,
    );
    quick.next().await.unwrap();
    for k in 0..100 {
        served.events.tell(Timestamp(5), &[connected(k)]);
        let name = format!("probe-{k}");
        assert!(quick.next().await.unwrap().contains(&name));
    }
    // So long that it is waited for no more.
    tokio::time::sleep(std::time::Duration::from_secs(60)).await;
    let mut pieces = 0;
    while slow.next().await.is_some() {
        pieces += 1;
    }
    assert!((1..10).contains(&pieces), "{pieces}");
}

#[tokio::test(start_paused = true)]
async fn there_is_room_for_so_many_listeners_and_then_again_for_one_that_goes() {
    let served = Served::new();
    let mut all = Vec::new();
    for _ in 0..LISTENERS_MAX {
        let mut heard = served.listen(EVENTS, &[]).await;
        heard.next().await.unwrap();
        all.push(heard);
    }
    let refused = served.get(EVENTS).await;
    assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(refused.headers.contains_key(header::RETRY_AFTER));
    refused.is_problem("too-many");
    all.pop();
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    assert_eq!(served.get(EVENTS).await.status, StatusCode::OK);
}
