//! The state of this host's clock, part by part.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use owl_measure::clock::ClockState;
use owl_measure::time::Nanos;
use owl_measure::words::Lang;
use owl_probe::clock::{Clock, ClockConfig, ClockWatch, Reading};
use owl_probe::config::Config;
use serde_json::{Value, json};

use super::words;
use crate::command::probe;
use crate::failure::{Failure, Outcome};
use crate::terminal::{Side, Table, print};

/// What a one-way delay is judged against (inside the city, to Shanghai's core, to the Delta's key cities).
const TARGETS: [Nanos; 3] = [
    Nanos::from_millis(1),
    Nanos::from_millis(4),
    Nanos::from_millis(6),
];
/// How often the clock is looked at for a step, and how often it is read.
const LOOK_EVERY: Duration = Duration::from_millis(100);
const READ_EVERY: Duration = Duration::from_secs(1);

#[derive(Debug, clap::Args)]
pub(super) struct StateArgs {
    /// Configuration file of a probe, whose [clock] is followed; whoever answers is asked when it is not given
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// How long the clock is watched before it is judged; steps and outliers show only meanwhile
    #[arg(long, value_name = "DURATION", default_value = "3s")]
    watch: Nanos,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: StateArgs, lang: Lang) -> Result<Outcome, Failure> {
    let (clock, settings) = match &args.config {
        None => (Clock::honest(), ClockConfig::default()),
        Some(file) => {
            let config = Config::read(file).map_err(probe::unreadable)?;
            (config.shown_clock(), config.clock)
        }
    };
    let reading = watched(ClockWatch::new(clock, &settings), args.watch.to_std());
    print(&if args.json {
        format!("{:#}\n", as_json(&reading))
    } else {
        text(&reading, lang)
    })?;
    let claims = reading.state.bound_at(reading.state.as_of).is_some();
    Ok(if claims {
        Outcome::Ok
    } else {
        Outcome::Undecided
    })
}

/// The last reading of a while; steps of all of them count.
fn watched(mut watch: ClockWatch, during: Duration) -> Reading {
    let began = Instant::now();
    let mut reading = watch.read();
    let mut next = READ_EVERY;
    while began.elapsed() < during {
        std::thread::sleep(LOOK_EVERY);
        let stepped = watch.look().is_some();
        if stepped || began.elapsed() >= next {
            let steps = reading.state.steps;
            reading = watch.read();
            reading.state.steps = reading.state.steps.saturating_add(steps);
            next += READ_EVERY;
        }
    }
    reading
}

/// Between two clocks as good as this one, the largest delay that is called met and the smallest that is called missed
/// for certain; `None` where no delay at all could be called met.
fn decided(state: &ClockState, target: Nanos) -> Option<(Nanos, Nanos)> {
    let error = state.bound_at(state.as_of)?.times(2);
    let stamps = state.transmit_stamp_error + state.receive_stamp_error;
    (error < target).then(|| (target - error, target + error + stamps))
}

fn text(reading: &Reading, lang: Lang) -> String {
    let state = &reading.state;
    let mut text = words::headline(reading, lang) + "\n";
    if state.bound_at(state.as_of).is_some() {
        let mut parts = Table::new(&[
            (lang.pick("part of the bound", "误差界的组成"), Side::Left),
            ("", Side::Right),
            (lang.pick("from", "来源"), Side::Left),
        ]);
        for part in &reading.parts {
            let [name, from] = words::part(part.kind, lang).map(str::to_owned);
            parts.row([name, part.size.to_string(), from]);
        }
        text += &format!("\n{parts}");
        text += &format!("\n{}", words::beside(reading, lang));
        let mut targets = Table::new(&[
            (lang.pick("target", "目标"), Side::Right),
            (lang.pick("called met up to", "判定达标的上限"), Side::Right),
            (
                lang.pick("called missed above", "判定超标的下限"),
                Side::Right,
            ),
        ]);
        for target in TARGETS {
            let [met, missed] = decided(state, target).map_or(
                [
                    lang.pick("by the round trip only", "仅能由往返时延判定")
                        .to_owned(),
                    "–".to_owned(),
                ],
                |(met, missed)| [met.to_string(), missed.to_string()],
            );
            targets.row([target.to_string(), met, missed]);
        }
        text += &format!(
            "\n{}\n{targets}",
            lang.pick(
                "Between two clocks as good as this one, a one-way delay is",
                "若两端时钟均如此，单向时延可",
            )
        );
    }
    for finding in &reading.findings {
        let (said, mend) = words::finding(finding, lang);
        text += &format!("\n! {said}");
        if let Some(mend) = mend {
            text += &format!("\n  → {mend}");
        }
    }
    text.trim_end().to_owned() + "\n"
}

fn as_json(reading: &Reading) -> Value {
    let state = &reading.state;
    let targets: Vec<_> = TARGETS
        .iter()
        .map(|&target| {
            let (met, missed) = decided(state, target).unzip();
            json!({ "target_ns": target, "met_up_to_ns": met, "missed_above_ns": missed })
        })
        .collect();
    let (low, high) = state.error_at(state.as_of).unzip();
    json!({
        "as_of_ns": state.as_of,
        "source": state.source,
        "status": state.status,
        "teller": reading.teller,
        "bound_ns": state.bound_at(state.as_of),
        "basis": state.bound.map(|(_, basis)| basis),
        "parts": reading.parts,
        "error_ns": { "low": low, "high": high },
        "correction_ns": state.correction,
        "random_ns": state.random,
        "drift_ppb": state.drift_ppb,
        "measured_at_ns": reading.measured_at,
        "void_after_ns": state.void_after,
        "steps": state.steps,
        "stamp_errors_ns": { "transmit": state.transmit_stamp_error, "receive": state.receive_stamp_error },
        "kernel": {
            "synchronised": state.kernel.synchronised,
            "max_error_ns": state.kernel.max_error,
            "estimated_error_ns": state.kernel.estimated_error,
            "tai_offset_s": state.kernel.tai_offset_s,
            "frequency_ppb": state.kernel.frequency_ppb,
        },
        "targets": targets,
        "findings": reading.findings,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use owl_measure::clock::{BoundBasis, ClockSource, ClockStatus};
    use owl_measure::time::Timestamp;
    use owl_probe::clock::{Finding, Part, PartKind, Teller};

    const US: fn(i64) -> Nanos = Nanos::from_micros;

    fn reading(bound: Option<Nanos>, findings: Vec<Finding>) -> Reading {
        Reading {
            state: ClockState {
                as_of: Timestamp(1_795_453_440_000_000_000),
                source: ClockSource::Ntp,
                status: if bound.is_some() {
                    ClockStatus::Synchronised
                } else {
                    ClockStatus::Free
                },
                bound: bound.map(|bound| (bound, BoundBasis::Measured)),
                transmit_stamp_error: US(25),
                receive_stamp_error: US(25),
                ..ClockState::default()
            },
            teller: Some(Teller::Chrony),
            measured_at: Some(Timestamp(1_795_453_430_000_000_000)),
            parts: bound
                .map(|size| Part {
                    kind: PartKind::HalfRootDelay,
                    size,
                })
                .into_iter()
                .collect(),
            findings,
        }
    }

    #[test]
    fn two_clocks_take_twice_the_bound_off_every_target() {
        let decided =
            |bound_us, target| decided(&reading(Some(US(bound_us)), vec![]).state, target);
        assert_eq!(decided(100, TARGETS[0]), Some((US(800), US(1_250))));
        assert_eq!(decided(500, TARGETS[0]), None);
        assert_eq!(decided(500, TARGETS[1]), Some((US(3_000), US(5_050))));
    }

    #[test]
    fn a_person_is_told_the_bound_its_parts_and_the_targets_in_both_languages() {
        let reading = reading(Some(US(600)), vec![Finding::StampedByProcess]);
        for (lang, wanted) in [
            (
                Lang::En,
                [
                    "within 600.000 µs of UTC",
                    "half the root delay",
                    "by the round trip only",
                    "2.800 ms",
                    "→",
                ],
            ),
            (
                Lang::Zh,
                [
                    "与 UTC 相差不超过 600.000 µs",
                    "根时延的一半",
                    "仅能由往返时延判定",
                    "2.800 ms",
                    "→",
                ],
            ),
        ] {
            let text = text(&reading, lang);
            for part in wanted {
                assert!(text.contains(part), "{part} is not in:\n{text}");
            }
        }
    }

    #[test]
    fn who_cannot_claim_says_why_and_what_would_mend_it() {
        let reading = reading(None, vec![Finding::NobodyTells]);
        for (lang, wanted) in [(Lang::En, "nothing is claimed"), (Lang::Zh, "不作声明")] {
            let text = text(&reading, lang);
            assert!(text.contains(wanted) && text.contains("chrony"), "{text}");
            assert!(!text.contains("1.000 ms"), "{text}");
        }
        assert_eq!(as_json(&reading)["bound_ns"], Value::Null);
    }

    #[test]
    fn a_program_is_told_the_same() {
        let told = as_json(&reading(Some(US(100)), vec![Finding::LocalReference]));
        assert_eq!(told["bound_ns"], 100_000);
        assert_eq!(told["teller"], "chrony");
        assert_eq!(told["status"], "synchronised");
        assert_eq!(told["parts"][0]["kind"], "half-root-delay");
        assert_eq!(told["targets"][0]["met_up_to_ns"], 800_000);
        assert_eq!(told["findings"][0]["finding"], "local-reference");
    }
}
