//! `owl clock audit DIR`: finds the clocks of a recorded mesh that lie, and judges every path with what is left.

mod folder;
mod rows;
mod show;

use std::path::PathBuf;

use owl_measure::clock::audit::audit;
use owl_measure::verdict::{State, judge_run};
use owl_measure::words::Lang;

use self::folder::Folder;
use crate::failure::{Failure, Outcome};
use crate::terminal::print;

/// Find the clocks of a recorded mesh that lie, and judge the p95 of each path with what is left
///
/// DIR holds samples.csv or samples.csv.gz (a,b,seq,T1,T2,T3,T4 in nanoseconds, T1 and T4 on a's clock, T2 and T3 on
/// b's, an empty field for what was lost), claims.csv (probe,t_local,synchronised,bound_ns) and mesh.json (probes,
/// min_km, targets_ns, tx_rx_stamp). Ends with 0 when every target is met, 1 when one is missed, 3 when one is undecided.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Folder with samples.csv[.gz], claims.csv and mesh.json
    #[arg(value_name = "DIR")]
    dir: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: Args, lang: Lang) -> Result<Outcome, Failure> {
    let dir = args.dir.display();
    let cannot = || lang.pick(format!("cannot audit {dir}"), format!("无法审计 {dir}"));
    let folder = Folder::read(&args.dir).map_err(|error| {
        let hint = error.hint(lang);
        let failure = Failure::usage(cannot()).because(error);
        match hint {
            Some(hint) => failure.hint(hint),
            None => failure,
        }
    })?;
    show::complain(&folder, lang);
    let audited = audit(&folder.mesh).map_err(|error| Failure::usage(cannot()).because(error))?;
    let verdicts = judge_run(&audited, &folder.targets);
    print(&if args.json {
        format!("{}\n", show::json(&folder, &audited, &verdicts))
    } else {
        show::text(&folder, &audited, &verdicts, lang)
    })?;
    let any = |state| verdicts.iter().any(|verdict| verdict.state == state);
    Ok(if any(State::Missed) {
        Outcome::Missed
    } else if any(State::Undecided) {
        Outcome::Undecided
    } else {
        Outcome::Ok
    })
}
