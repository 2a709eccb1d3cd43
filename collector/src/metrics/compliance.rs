//! The series of running periods: the day and the month of each path under the default profile, and no other.

use owl_measure::verdict::State;
use owl_measure::verdict::period::{Compliance, Share};

use super::{Page, instant, table};
use crate::live::{LivePath, Table};

pub(super) fn series(page: &mut Page, live: &Table) {
    let periods = || {
        live.paths
            .iter()
            .zip(&live.running.paths)
            .flat_map(|(live, running)| {
                [("day", &running.day), ("month", &running.month)]
                    .map(|(name, period)| (live, name, period))
            })
    };
    let labels = |live: &LivePath, more: &[&str]| {
        let mut labels = vec![live.path.id.clone(), live.path.class.to_string()];
        labels.extend(more.iter().map(|label| (*label).to_owned()));
        labels
    };
    page.series(
        table::COMPLIANCE,
        periods().flat_map(|(live, name, period)| {
            State::ALL.map(|state| {
                let is = f64::from(u8::from(period.state == state));
                (labels(live, &[name, state.code()]), is)
            })
        }),
    );
    page.series(
        table::COMPLIANCE_SHARE,
        periods().flat_map(|(live, name, period)| {
            shares(period)
                .into_iter()
                .filter_map(|(hours, share)| Some((hours, share?)))
                .flat_map(move |(hours, share)| {
                    [("lower", share.lo), ("upper", share.hi)]
                        .map(|(bound, ratio)| (labels(live, &[name, hours, bound]), ratio))
                })
        }),
    );
    page.series(
        table::COMPLIANCE_COVERAGE,
        periods().filter_map(|(live, name, period)| {
            Some((labels(live, &[name]), period.deciding().coverage?))
        }),
    );
    page.series(
        table::COMPLIANCE_AVAILABLE,
        periods()
            .filter_map(|(live, name, period)| {
                Some((live, name, period.deciding().available.share()?))
            })
            .flat_map(|(live, name, (lower, upper))| {
                [("lower", lower), ("upper", upper)]
                    .map(|(bound, ratio)| (labels(live, &[name, bound]), ratio))
            }),
    );
    page.series(
        table::COMPLIANCE_AT,
        live.running.at.map(|at| (vec![], instant(at))),
    );
}

fn shares(period: &Compliance) -> [(&'static str, Option<&Share>); 2] {
    let outcome = period.deciding();
    [
        ("all", outcome.share.as_ref()),
        ("busy", outcome.busy_share.as_ref()),
    ]
}
