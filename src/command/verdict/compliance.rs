//! `owl verdict compliance [PATH…] --period P`: what the verdicts of a month, or of any span of time, come to.

use std::path::PathBuf;

use owl_collector::{
    AskError, Asked, AskedProfiles, ComplianceAnswer, ComplianceError, compared, read_compliance,
};
use owl_measure::verdict::State;
use owl_measure::verdict::period::{Compliance, PeriodProfile};
use owl_measure::words::Lang;

use super::fetch::{Collector, Refusal, WayIn};
use crate::command::topology::accepted;
use crate::failure::{Failure, Outcome};
use crate::terminal::{Side, Table, print};

/// Judge paths over a day, a month or another period, by one rule or by all known rules side by side
///
/// A share of minutes is an interval: what is met for certain, and what is not missed for certain. What was not measured
/// is neither good nor bad. Nothing is changed, and a collector that uses the store may go on.
/// Exit code 0 when every path that is shown keeps the rule, 1 when one does not, 3 when it cannot be told; with
/// --all-profiles the default rule decides.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Paths to judge, as FROM~TO; all paths when none is given
    #[arg(value_name = "PATH")]
    paths: Vec<String>,
    /// Period in local time: 2026-11, 2026-11-23, 2026-Q4, 2026-W47, 2026, now-24h or now-7d; the running month when it
    /// is not given
    #[arg(long, value_name = "PERIOD")]
    period: Option<String>,
    /// Rule to judge by: plan-2026, acceptance, sla, y1541, miit-interconnect, caict, mef or fcc-caf
    #[arg(long, value_name = "ID", default_value = "plan-2026")]
    profile: String,
    /// Judge by every rule, side by side
    #[arg(long, conflicts_with = "profile")]
    all_profiles: bool,
    /// State directory of the collector
    #[arg(long, value_name = "DIR", default_value = "/var/lib/owl/collector")]
    store: PathBuf,
    /// Topology that the collector judges, as TOML file or directory of *.toml; the built-in Yancheng when it is not given
    #[arg(long, value_name = "FILE")]
    topology: Option<PathBuf>,
    /// Ask a running collector instead, as http://HOST:PORT or https://HOST:PORT
    #[arg(long, value_name = "URL", conflicts_with_all = ["store", "topology"])]
    collector: Option<Collector>,
    #[command(flatten)]
    way_in: WayIn,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: Args, lang: Lang) -> Result<Outcome, Failure> {
    let asked = Asked {
        period: args.period,
        paths: args.paths,
        profiles: if args.all_profiles {
            AskedProfiles::All
        } else {
            AskedProfiles::One(args.profile)
        },
    };
    let answer = match &args.collector {
        Some(collector) => fetch(collector, &args.way_in, &asked, lang)?,
        None => {
            let topology = accepted(args.topology, lang)?;
            read_compliance(&args.store, &topology, &asked).map_err(|error| unread(error, lang))?
        }
    };
    print(&if args.json {
        json(&answer)
    } else {
        told(&answer, lang)
    })?;
    Ok(outcome(&answer))
}

/// The answer of a running collector; paths are asked for one by one, since an address names one.
fn fetch(
    collector: &Collector,
    way_in: &WayIn,
    asked: &Asked,
    lang: Lang,
) -> Result<ComplianceAnswer, Failure> {
    let mut answers = Vec::new();
    let one_by_one = asked.paths.iter().map(|path| Some(path.as_str()));
    let all = asked.paths.is_empty().then_some(None);
    for path in one_by_one.chain(all) {
        let profile = match &asked.profiles {
            AskedProfiles::All => "all",
            AskedProfiles::One(id) => id,
            AskedProfiles::Default => &PeriodProfile::default_profile().id,
        };
        let mut query = vec![("profile", profile)];
        query.extend(asked.period.as_deref().map(|period| ("period", period)));
        query.extend(path.map(|path| ("path", path)));
        answers.push(one(collector, way_in, &query, lang)?);
    }
    let mut answers = answers.into_iter();
    let mut first = answers
        .next()
        .expect("either there are paths, or all of them are asked for at once");
    first.paths.extend(answers.flat_map(|answer| answer.paths));
    Ok(first)
}

fn one(
    collector: &Collector,
    way_in: &WayIn,
    query: &[(&str, &str)],
    lang: Lang,
) -> Result<ComplianceAnswer, Failure> {
    let unable = || Failure::unable(lang.pick("cannot judge the period", "无法判定该周期"));
    let (status, body) = collector.get("/api/v1/compliance", query, way_in).map_err(|error| {
        unable().because(error).hint(lang.pick(
            "--collector takes the address of `http` in the collector's configuration; --store DIR needs no collector",
            "--collector 为采集器配置中 `http` 的地址；--store DIR 不需要运行中的采集器",
        ))
    })?;
    if status == 200 {
        return serde_json::from_str(&body).map_err(|error| unable().because(error));
    }
    let said = serde_json::from_str::<Refusal>(&body)
        .map_or_else(|_| format!("HTTP status {status}"), Refusal::said);
    Err(if (400..500).contains(&status) {
        Failure::usage(lang.pick("cannot judge the period", "无法判定该周期")).because(said)
    } else {
        unable().because(said)
    })
}

fn unread(error: ComplianceError, lang: Lang) -> Failure {
    let what = lang.pick("cannot judge the period", "无法判定该周期");
    match &error {
        ComplianceError::Asked(AskError::Path(_)) => Failure::usage(what).because(error).hint(
            lang.pick(
                "`owl topology show` lists the paths; --topology FILE names the network that the collector judges",
                "`owl topology show` 列出路径；--topology FILE 指定采集器所判定的网络",
            ),
        ),
        ComplianceError::Asked(_) => Failure::usage(what).because(error),
        ComplianceError::NoStore { .. } => Failure::usage(what).because(error).hint(lang.pick(
            "--store names the directory that the collector's configuration calls `state`; --collector URL asks a running one",
            "--store 为采集器配置中 `state` 所指的目录；--collector URL 询问运行中的采集器",
        )),
        ComplianceError::Store(_) => Failure::unable(what).because(error),
    }
}

fn json(answer: &ComplianceAnswer) -> String {
    let text = serde_json::to_string_pretty(answer)
        .expect("our own structs have string keys and finite numbers");
    format!("{text}\n")
}

/// The results that decide the exit code: of several rules the default one.
fn deciding(answer: &ComplianceAnswer) -> impl Iterator<Item = &Compliance> {
    let default = &PeriodProfile::default_profile().id;
    let all = answer.profiles.len() == 1;
    answer
        .paths
        .iter()
        .flat_map(|path| &path.results)
        .filter(move |result| all || result.profile == *default)
}

fn outcome(answer: &ComplianceAnswer) -> Outcome {
    let any = |state| deciding(answer).any(|result| result.state == state);
    if any(State::Missed) {
        Outcome::Missed
    } else if any(State::Undecided) {
        Outcome::Undecided
    } else {
        Outcome::Ok
    }
}

fn told(answer: &ComplianceAnswer, lang: Lang) -> String {
    let mut text = format!("{}\n", answer.heading(lang));
    for profile in &answer.profiles {
        text.push_str(&format!(
            "{}: {}\n",
            profile.id,
            profile.sentence.pick(lang)
        ));
    }
    let mut table = Table::new(&[
        (lang.pick("path", "路径"), Side::Left),
        (lang.pick("rule", "规则"), Side::Left),
        (lang.pick("target", "目标"), Side::Right),
        (lang.pick("result", "结果"), Side::Left),
        ("M/X/U/G", Side::Right),
        (lang.pick("what is compared", "比较的数值"), Side::Left),
    ]);
    for path in &answer.paths {
        for result in &path.results {
            let outcome = result.deciding();
            let tally = &outcome.tally;
            let why = result.why.map(|why| why.sentence(lang));
            let said: Vec<String> = compared(outcome, lang).into_iter().chain(why).collect();
            table.row([
                path.path.clone(),
                result.profile.clone(),
                path.target.to_string(),
                format!("{} {}", result.state.sign(), result.state.word(lang)),
                format!(
                    "{}/{}/{}/{}",
                    tally.met, tally.missed, tally.undecided, tally.gap
                ),
                said.join("; "),
            ]);
        }
    }
    text.push('\n');
    text.push_str(&table.to_string());
    text.push_str(lang.pick(
        "\nM/X/U/G: windows met, missed, undecided, not measured\n",
        "\nM/X/U/G：达标、未达标、无法判定、未测量的窗口数\n",
    ));
    text
}
