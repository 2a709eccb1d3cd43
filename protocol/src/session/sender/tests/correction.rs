//! T3 that a later reply corrects.

use super::*;

fn asking(packets: u64) -> SenderConfig {
    SenderConfig {
        question: Question {
            follow_up: true,
            ..Question::default()
        },
        ..config(packets, Reflector::Own)
    }
}

#[test]
fn with_follow_up_t3_is_when_the_reply_really_left() {
    for seed in 0..20 {
        let run = simulate(World {
            far_clock: Clock {
                offset_ns: 3 * MS,
                skew_ppb: 0,
            },
            sender: asking(300),
            ..world(seed, 300)
        });
        assert_eq!(run.samples.len(), 300, "seed {seed}");
        let (last, corrected) = run.samples.split_last().unwrap();
        for sample in corrected {
            let left = run.left[sample.sequence as usize] + 3 * MS;
            assert_eq!(
                (sample.reflector_sent_at, sample.t3),
                (Timestamp(left), StampSource::Kernel),
                "seed {seed}: {sample:?}"
            );
        }
        assert_eq!(last.t3, StampSource::User, "nothing comes after it");
        let early = run.early[299];
        assert_eq!(
            last.reflector_sent_at,
            Timestamp(run.left[299] + 3 * MS - early)
        );
        let seen = run.sender.observations();
        assert_eq!((seen.t3_corrected, seen.t3_uncorrected), (299, 1));
    }
}

#[test]
fn losses_overtaking_and_copies_spoil_no_sample() {
    for seed in 0..40 {
        let bad = Link {
            loss_ppm: 50_000,
            duplicate_ppm: 30_000,
            reorder_ppm: 50_000,
            reorder_hold_ns: 25_000_000,
            ..QUIET
        };
        let run = simulate(World {
            forward: bad,
            backward: bad,
            sender: asking(500),
            ..world(seed, 500)
        });
        let summary = &run.summary;
        assert_eq!(
            summary.received + summary.lost + summary.late,
            500,
            "seed {seed}"
        );
        let corrected = run.samples.iter().filter(|s| s.t3 == StampSource::Kernel);
        let share = corrected.clone().count() as f64 / run.samples.len() as f64;
        assert!(share > 0.6, "seed {seed}: {share}");
        let left = |sample: &&Sample| run.left.contains(&sample.reflector_sent_at.0);
        assert!(
            corrected.clone().all(|sample| left(&sample)),
            "seed {seed}: a corrected T3 is one that was"
        );
    }
}

/// The first reply to each of three packets, with a Follow-Up that says this.
fn answered(follow_ups: [Option<(u8, u32, u64)>; 3]) -> Vec<(i64, u32, Timestamp, StampSource)> {
    let mut sender = SessionSender::new(SenderConfig {
        packets: None,
        ..asking(0)
    });
    let mut given = Vec::new();
    for (k, follow_up) in (0..).zip(follow_ups) {
        let sent = 10 * MS * k;
        let (packet, _) = transmit(&mut sender, sent);
        let mut reply = reply_to(&packet, packet.sequence).encode().to_vec();
        if let Some((flags, sequence, t3)) = follow_up {
            reply.extend([flags, 7, 0, 16]);
            reply.extend(sequence.to_be_bytes());
            reply.extend(t3.to_be_bytes());
            reply.extend([2, 0, 0, 0]);
        }
        let now = sent + MS;
        sender.handle_reply(Monotonic(now), &reply, kernel(now));
        for at in [now, now + 101 * MS] {
            while let Some((sample, _)) = sender.poll_sample(Monotonic(at)) {
                given.push((
                    at - now,
                    sample.sequence,
                    sample.reflector_sent_at,
                    sample.t3,
                ));
            }
            if k < 2 {
                break;
            }
        }
    }
    given
}

fn ntp(at: i64) -> u64 {
    NtpTimestamp::from_timestamp(Timestamp(at)).0
}

const USER: StampSource = StampSource::User;

#[test]
fn without_follow_up_nothing_is_held() {
    let plain = [
        (0, 0, Timestamp(0), USER),
        (0, 1, Timestamp(10 * MS), USER),
        (0, 2, Timestamp(20 * MS), USER),
    ];
    assert_eq!(answered([None; 3]), plain, "no TLV comes back");
    let unknown = Some((0x80, 0, 0));
    assert_eq!(answered([unknown; 3]), plain, "or it is not understood");
    let malformed = Some((0x40, 0, 5));
    assert_eq!(answered([malformed; 3]), plain, "or malformed");
}

#[test]
fn a_stateless_reflector_is_waited_for_once() {
    let nothing = Some((0, 0, 0));
    let given: Vec<_> = answered([nothing; 3]).iter().map(|g| (g.0, g.1)).collect();
    assert_eq!(given, [(0, 0), (0, 1), (0, 2)]);
}

#[test]
fn a_sample_waits_for_its_correction_or_the_loss_threshold() {
    let nothing = Some((0, 0, 0));
    let first = Some((0, 0, ntp(1_000)));
    let given = answered([nothing, first, first]);
    assert_eq!(
        given,
        [
            (0, 0, Timestamp(1_000), StampSource::Kernel),
            (101 * MS, 1, Timestamp(10 * MS), USER),
            (101 * MS, 2, Timestamp(20 * MS), USER),
        ]
    );
}

#[test]
fn a_sample_whose_correction_was_passed_over_waits_no_longer() {
    let other = Some((0, u32::MAX, ntp(1_000)));
    let second = Some((0, 1, ntp(10 * MS + 1_000)));
    assert_eq!(
        answered([other, other, second]),
        [
            (0, 0, Timestamp(0), USER),
            (0, 1, Timestamp(10 * MS + 1_000), StampSource::Kernel),
            (101 * MS, 2, Timestamp(20 * MS), USER),
        ]
    );
}

#[test]
fn a_correction_of_a_reply_that_was_lost_frees_those_before_it() {
    let other = Some((0, u32::MAX, ntp(1_000)));
    let lost = Some((0, 5, ntp(1_000)));
    let given: Vec<_> = answered([other, other, lost])
        .iter()
        .map(|given| (given.0, given.1, given.3))
        .collect();
    assert_eq!(given, [(0, 0, USER), (0, 1, USER), (101 * MS, 2, USER)]);
}

#[test]
fn what_was_not_asked_there_is_not_read() {
    let mut sender = SessionSender::new(asking(2));
    let (packet, _) = transmit(&mut sender, 0);
    let mut reply = reply_to(&packet, 0).encode().to_vec();
    reply.extend([0, 5, 0, 12, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1]);
    reply.extend([0, 7, 0, 16, 0, 0, 0, 9, 9, 9, 9, 9, 9, 9, 9, 9, 2, 0, 0, 0]);
    sender.handle_reply(Monotonic(MS), &reply, kernel(MS));
    assert_eq!(sender.observations().counts, None);
    assert!(sender.poll_sample(Monotonic(MS)).is_some(), "not held");
}

#[test]
fn a_t3_that_cannot_be_is_not_taken() {
    let nothing = Some((0, 0, 0));
    for t3 in [-1, 101 * MS] {
        let given = answered([nothing, Some((0, 0, ntp(t3))), None]);
        assert_eq!(given[0], (0, 0, Timestamp(0), USER), "{t3} ns");
    }
}
