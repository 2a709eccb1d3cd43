//! `owl topology`: checks a topology, shows what follows from it, and who measures whom.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use clap::Subcommand;
use owl_measure::time::Nanos;
use owl_measure::verdict::{Population, Profile};
use owl_measure::words::Lang;
use owl_topology::{
    Checked, Diagnostic, Diagnostics, ProbeId, Schedule, Severity, Source, TEXT_OCTETS_MAX,
    Topology, YANCHENG,
};
use serde_json::{Value, json};

use crate::failure::{Failure, Outcome};
use crate::terminal::{Side, Table, print};

/// Check a topology, show what physics leaves of its targets, and who measures whom
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Check a topology and say what is wrong with it, where, and how to mend it
    Check {
        /// TOML files, or directories of *.toml, read as one topology; the built-in Yancheng when none is given
        #[arg(value_name = "FILE")]
        files: Vec<PathBuf>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Show sites, probes, path classes, and each path with the delay that light alone takes of its target
    Show {
        /// TOML file, or directory of *.toml; the built-in Yancheng when it is not given
        #[arg(value_name = "FILE")]
        file: Option<PathBuf>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Show who measures whom, how often and with what packets
    Plan {
        /// TOML file, or directory of *.toml; the built-in Yancheng when it is not given
        #[arg(value_name = "FILE")]
        file: Option<PathBuf>,
        /// Show the plan of this probe only
        #[arg(long, value_name = "ID")]
        probe: Option<String>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

pub(crate) fn run(args: Args, lang: Lang) -> Result<Outcome, Failure> {
    match args.action {
        Action::Check { files, json } => check(&texts(&files)?, lang, Form::of(json)),
        Action::Show { file, json } => {
            let topology = accepted(file, lang)?;
            print(&match Form::of(json) {
                Form::Text => shown(&topology, lang),
                Form::Json => pretty(&json!({ "topology": topology, "paths": topology.paths() })),
            })
        }
        Action::Plan { file, probe, json } => {
            plan(&accepted(file, lang)?, probe, lang, Form::of(json))
        }
    }
}

#[derive(Clone, Copy)]
enum Form {
    Text,
    Json,
}

impl Form {
    fn of(json: bool) -> Self {
        if json { Self::Json } else { Self::Text }
    }
}

fn check(texts: &[Text], lang: Lang, form: Form) -> Result<Outcome, Failure> {
    let found = match parse(texts) {
        Ok(checked) => checked.warnings,
        Err(refused) => refused.0,
    };
    let errors = found
        .iter()
        .filter(|d| d.code.severity() == Severity::Error)
        .count();
    let warnings = found.len() - errors;
    print(&match form {
        Form::Text => said(&found, lang),
        Form::Json => {
            let diagnostics: Vec<_> = found.iter().map(|d| d.said(lang)).collect();
            pretty(&json!({ "errors": errors, "warnings": warnings, "diagnostics": diagnostics }))
        }
    })?;
    let count = counted(errors, warnings, lang);
    if errors > 0 {
        let refusal = lang.pick("cannot accept the topology", "不能接受该拓扑");
        return Err(Failure::usage(format!("{refusal}: {count}")));
    }
    match form {
        Form::Text => print(&format!("{count}\n")),
        Form::Json => Ok(Outcome::Ok),
    }
}

fn counted(errors: usize, warnings: usize, lang: Lang) -> String {
    let plural = |count: usize| if count == 1 { "" } else { "s" };
    let (of_errors, of_warnings) = (plural(errors), plural(warnings));
    lang.pick(
        format!("{errors} error{of_errors}, {warnings} warning{of_warnings}"),
        format!("{errors} 个错误，{warnings} 个警告"),
    )
}

fn said(found: &[Diagnostic], lang: Lang) -> String {
    found
        .iter()
        .map(|diagnostic| format!("{}\n", diagnostic.said(lang)))
        .collect()
}

fn shown(topology: &Topology, lang: Lang) -> String {
    let title = format!("{}  {}\n", topology.name, &topology.generation[..12]);
    [
        title,
        sites(topology, lang),
        probes(topology, lang),
        classes(topology, lang),
        paths(topology, lang),
        indicators(topology, lang),
    ]
    .join("\n")
}

fn sites(topology: &Topology, lang: Lang) -> String {
    let mut table = Table::new(&[
        (lang.pick("site", "站点"), Side::Left),
        (lang.pick("name", "名称"), Side::Left),
        (lang.pick("role", "角色"), Side::Left),
        (lang.pick("lat", "纬度"), Side::Right),
        (lang.pick("lon", "经度"), Side::Right),
        ("± km", Side::Right),
    ]);
    for site in &topology.sites {
        table.row([
            site.id.to_string(),
            site.name.pick(lang).to_owned(),
            site.role.clone(),
            format!("{:.4}", site.lat),
            format!("{:.4}", site.lon),
            site.accuracy_km.to_string(),
        ]);
    }
    table.to_string()
}

fn probes(topology: &Topology, lang: Lang) -> String {
    let mut table = Table::new(&[
        (lang.pick("probe", "探针"), Side::Left),
        (lang.pick("site", "站点"), Side::Left),
        (lang.pick("carrier", "运营商"), Side::Left),
        (lang.pick("address", "地址"), Side::Left),
        (lang.pick("clock", "时钟"), Side::Left),
        ("U95", Side::Right),
    ]);
    for probe in &topology.probes {
        let carrier = topology
            .carrier(&probe.carrier)
            .map_or(probe.carrier.as_str(), |carrier| carrier.name.pick(lang));
        let addresses: Vec<_> = probe.addr.iter().map(ToString::to_string).collect();
        table.row([
            probe.id.to_string(),
            probe.site.to_string(),
            carrier.to_owned(),
            addresses.join(" "),
            probe.clock.source.to_string(),
            probe.clock.max_u95.to_string(),
        ]);
    }
    table.to_string()
}

fn classes(topology: &Topology, lang: Lang) -> String {
    let mut table = Table::new(&[
        (lang.pick("path class", "路径类"), Side::Left),
        (lang.pick("target", "目标"), Side::Right),
        (lang.pick("between", "一端"), Side::Left),
        (lang.pick("and", "另一端"), Side::Left),
        (lang.pick("layer", "层"), Side::Left),
        (lang.pick("profile", "统计口径"), Side::Left),
    ]);
    for class in &topology.classes {
        let rule = topology
            .profile(&class.stat)
            .map(|stat| rule(&stat.profile, lang));
        table.row([
            class.id.to_string(),
            class.target.to_string(),
            class.from_role.join(", "),
            class.to_role.join(", "),
            class.layer.to_string(),
            class.stat.clone() + &rule.unwrap_or_default(),
        ]);
    }
    table.to_string()
}

/// What a profile holds against the target, in short.
fn rule(profile: &Profile, lang: Lang) -> String {
    let of = match profile.population {
        Population::Packets => "",
        Population::Path => lang.pick(" of the path", "，就路径而言"),
    };
    format!(" ({} / {}{of})", profile.quantile, profile.interval)
}

fn paths(topology: &Topology, lang: Lang) -> String {
    let mut table = Table::new(&[
        (lang.pick("path", "路径"), Side::Left),
        (lang.pick("target", "目标"), Side::Right),
        (lang.pick("great circle", "大圆距离"), Side::Right),
        (lang.pick("route", "路由"), Side::Right),
        (lang.pick("stretch", "迂回"), Side::Right),
        (lang.pick("floor", "物理下限"), Side::Right),
        (lang.pick("in fibre", "光纤时延"), Side::Right),
        (lang.pick("left", "余量"), Side::Right),
        (lang.pick("possible", "可达"), Side::Left),
        (lang.pick("via", "经由"), Side::Left),
    ]);
    for path in topology.paths() {
        let possible = match path.light {
            _ if path.floor_forward >= path.target => lang.pick("no, proved", "否，已证明"),
            Some(light) if light >= path.target => lang.pick("not on this route", "此路由不可达"),
            Some(_) => lang.pick("yes", "是"),
            None => lang.pick("route unknown", "路由未知"),
        };
        let route = (path.from_carrier == path.to_carrier)
            .then(|| topology.route(&path.from_site, &path.to_site, &path.from_carrier))
            .flatten();
        let via = route.map(|route| {
            route
                .via
                .iter()
                .map(|site| site.as_str())
                .collect::<Vec<_>>()
                .join(", ")
        });
        let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".into());
        let left = path
            .light
            .map(|light| 100.0 * (path.target - light).0 as f64 / path.target.0 as f64);
        table.row([
            path.id.clone(),
            path.target.to_string(),
            format!("{:.1} km", path.great_circle_km),
            or_dash(path.route_km.map(|km| format!("{km:.1} km"))),
            or_dash(path.stretch().map(|stretch| format!("{stretch:.2}"))),
            path.floor_forward.to_string(),
            or_dash(path.light.map(|light| light.to_string())),
            or_dash(left.map(|percent| format!("{percent:.0} %"))),
            possible.to_owned(),
            via.unwrap_or_default(),
        ]);
    }
    table.to_string()
}

fn indicators(topology: &Topology, lang: Lang) -> String {
    let mut table = Table::new(&[
        (lang.pick("indicator", "指标"), Side::Left),
        (lang.pick("sum of", "求和"), Side::Left),
        (lang.pick("declared", "已声明"), Side::Right),
        (lang.pick("target", "目标"), Side::Right),
    ]);
    for indicator in &topology.indicators {
        table.row([
            indicator.id.clone(),
            indicator.sum.to_string(),
            indicator.amount(topology.declared(indicator)),
            indicator.amount(indicator.target),
        ]);
    }
    table.to_string()
}

fn plan(
    topology: &Topology,
    probe: Option<String>,
    lang: Lang,
    form: Form,
) -> Result<Outcome, Failure> {
    let ids: Vec<ProbeId> = match &probe {
        Some(id) => vec![id.as_str().into()],
        None => topology
            .probes
            .iter()
            .map(|probe| probe.id.clone())
            .collect(),
    };
    let mut plans = Vec::new();
    for id in &ids {
        plans.push(
            topology
                .plan(id)
                .ok_or_else(|| unknown(topology, id, lang))?,
        );
    }
    if let Form::Json = form {
        return print(&match (&probe, plans.as_slice()) {
            (Some(_), [plan]) => pretty(&json!(plan)),
            _ => pretty(&json!(plans)),
        });
    }
    let mut table = Table::new(&[
        (lang.pick("path", "路径"), Side::Left),
        (lang.pick("session-reflector", "反射端"), Side::Left),
        (lang.pick("target", "目标"), Side::Right),
        (lang.pick("packets/s", "包/秒"), Side::Right),
        (lang.pick("octets", "字节"), Side::Right),
        ("DSCP", Side::Right),
        (lang.pick("schedule", "发包"), Side::Left),
        (lang.pick("report", "上报"), Side::Right),
    ]);
    for session in plans.iter().flat_map(|plan| &plan.sessions) {
        let span = |ns: u64| Nanos(i64::try_from(ns).unwrap_or(i64::MAX)).to_string();
        let address = match session.address.contains(':') {
            true => format!("[{}]:{}", session.address, session.port),
            false => format!("{}:{}", session.address, session.port),
        };
        table.row([
            session.path.clone(),
            address,
            session
                .target_ns
                .iter()
                .map(|&ns| span(ns))
                .collect::<Vec<_>>()
                .join(", "),
            format!("{}", 1e9 / session.packet_interval_ns as f64),
            session.packet_octets.to_string(),
            session.dscp.to_string(),
            match session.schedule() {
                Schedule::Periodic => lang.pick("periodic", "等间隔").to_owned(),
                Schedule::Poisson => lang.pick("Poisson", "泊松").to_owned(),
            },
            span(session.report_interval_ns),
        ]);
    }
    let planned: BTreeSet<&str> = plans
        .iter()
        .flat_map(|plan| &plan.sessions)
        .map(|session| session.path.as_str())
        .collect();
    print(&format!("{table}{}", impossible(topology, &planned, lang)))
}

/// The planned paths whose target physics does not allow, a line each.
fn impossible(topology: &Topology, planned: &BTreeSet<&str>, lang: Lang) -> String {
    let paths = topology.paths();
    let planned = paths
        .iter()
        .filter(|path| planned.contains(path.id.as_str()));
    planned
        .filter_map(|path| Some((path, path.impossible()?)))
        .map(|(path, impossible)| {
            let (id, target) = (&path.id, path.target);
            let why = impossible.sentence(lang);
            lang.pick(
                format!("{id}: the target is {target}, and {why}\n"),
                format!("{id}：目标为 {target}，{why}\n"),
            )
        })
        .collect()
}

fn unknown(topology: &Topology, probe: &ProbeId, lang: Lang) -> Failure {
    let known: Vec<_> = topology
        .probes
        .iter()
        .map(|probe| probe.id.as_str())
        .collect();
    let known = known.join(" ");
    Failure::usage(lang.pick(
        format!("cannot plan for probe \"{probe}\": the topology has no such probe"),
        format!("无法为探针“{probe}”生成计划：拓扑中没有该探针"),
    ))
    .hint(lang.pick(
        format!("its probes are {known}"),
        format!("拓扑中的探针：{known}"),
    ))
}

/// A file's name and its text.
struct Text {
    name: String,
    text: String,
}

fn parse(texts: &[Text]) -> Result<Checked, Diagnostics> {
    let sources: Vec<_> = texts
        .iter()
        .map(|it| Source {
            name: &it.name,
            text: &it.text,
        })
        .collect();
    Topology::parse(&sources)
}

pub(super) fn accepted(file: Option<PathBuf>, lang: Lang) -> Result<Topology, Failure> {
    match parse(&texts(file.as_slice())?) {
        Ok(checked) => Ok(checked.topology),
        Err(refused) => Err(Failure::usage(
            lang.pick("cannot accept the topology", "不能接受该拓扑"),
        )
        .because(first_error(&refused, lang))
        .hint(lang.pick(
            "`owl topology check FILE` lists everything",
            "`owl topology check FILE` 会列出全部问题",
        ))),
    }
}

fn first_error(refused: &Diagnostics, lang: Lang) -> String {
    let error = refused
        .0
        .iter()
        .find(|diagnostic| diagnostic.code.severity() == Severity::Error);
    error.map_or_else(
        || refused.to_string(),
        |error| {
            // What is said escapes line ends, so its first line is the whole message.
            let said = error.said(lang).to_string();
            said.lines().next().unwrap_or_default().to_owned()
        },
    )
}

/// The texts of files and directories; the built-in topology when there are none.
fn texts(files: &[PathBuf]) -> Result<Vec<Text>, Failure> {
    if files.is_empty() {
        return Ok(vec![Text {
            name: "yancheng.toml".into(),
            text: YANCHENG.into(),
        }]);
    }
    let mut texts = Vec::new();
    let mut left = TEXT_OCTETS_MAX;
    for file in files {
        for path in toml_files(file)? {
            let text = read(&path, left)?;
            left -= text.len();
            texts.push(Text {
                name: path.display().to_string(),
                text,
            });
        }
    }
    Ok(texts)
}

/// The text of a file of at most `most` octets; of a longer one no more than that and one is read.
fn read(path: &Path, most: usize) -> Result<String, Failure> {
    let mut text = Vec::new();
    fs::File::open(path)
        .and_then(|file| file.take(most as u64 + 1).read_to_end(&mut text))
        .map_err(|error| unreadable(path, error))?;
    if text.len() > most {
        return Err(Failure::usage(format!(
            "cannot read {}: more than {} MiB in all files together",
            path.display(),
            TEXT_OCTETS_MAX >> 20
        ))
        .hint("no topology is that long: check that FILE is one"));
    }
    String::from_utf8(text)
        .map_err(|error| unreadable(path, io::Error::new(io::ErrorKind::InvalidData, error)))
}

fn toml_files(path: &Path) -> Result<Vec<PathBuf>, Failure> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let entries = fs::read_dir(path).and_then(Iterator::collect::<io::Result<Vec<_>>>);
    let files: Vec<_> = entries
        .map_err(|error| unreadable(path, error))?
        .into_iter()
        .map(|entry| entry.path())
        .filter(|file| {
            file.extension()
                .is_some_and(|extension| extension == "toml")
                && file.is_file()
        })
        .collect();
    if files.is_empty() {
        return Err(
            Failure::usage(format!("cannot read {}: no *.toml in it", path.display()))
                .hint("without FILE the built-in Yancheng topology is taken"),
        );
    }
    Ok(files)
}

fn unreadable(path: &Path, error: io::Error) -> Failure {
    Failure::usage(format!("cannot read {}", path.display()))
        .because(error)
        .hint("FILE is a TOML file in UTF-8 or a directory of them; without FILE the built-in Yancheng topology is taken")
}

fn pretty(value: &Value) -> String {
    format!("{value:#}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_path_of_the_built_in_topology_is_shown_and_possible() {
        let topology = Topology::yancheng();
        for lang in [Lang::En, Lang::Zh] {
            let text = shown(&topology, lang);
            for path in topology.paths() {
                let line = text
                    .lines()
                    .find(|line| line.starts_with(&path.id))
                    .unwrap();
                assert!(line.contains(lang.pick(" yes", " 是")), "{line}");
            }
        }
    }

    #[test]
    fn findings_are_printed_with_place_code_and_hint() {
        let texts = [Text {
            name: "t.toml".into(),
            text: "schema = \"topology/1\"\nnames = \"x\"\n".into(),
        }];
        let text = said(&parse(&texts).unwrap_err().0, Lang::En);
        assert!(
            text.contains(
                "t.toml:2:1: E002 topology: unknown key \"names\"\nhint: did you mean \"name\"?\n"
            ),
            "{text}"
        );
    }

    #[test]
    fn a_directory_is_read_as_one_topology() {
        let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("topology/examples");
        let texts = texts(&[examples]).unwrap();
        assert_eq!(parse(&texts).unwrap().topology.name, "two-probes");
    }

    #[test]
    fn a_file_that_is_not_there_is_a_failure() {
        assert!(texts(&["no/such/file.toml".into()]).is_err());
    }

    #[test]
    fn no_more_is_read_than_a_topology_may_have() {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("topology/examples/two-probes.toml");
        let length = fs::metadata(&file).unwrap().len() as usize;
        assert_eq!(read(&file, length).unwrap().len(), length);
        assert!(read(&file, length - 1).is_err());
    }

    #[cfg(unix)]
    #[test]
    fn a_file_without_end_is_refused() {
        assert!(texts(&["/dev/zero".into()]).is_err());
    }

    #[test]
    fn one_is_no_plural() {
        for (errors, warnings, said) in [
            (0, 0, "0 errors, 0 warnings"),
            (1, 1, "1 error, 1 warning"),
            (2, 0, "2 errors, 0 warnings"),
        ] {
            assert_eq!(counted(errors, warnings, Lang::En), said);
        }
    }
}
