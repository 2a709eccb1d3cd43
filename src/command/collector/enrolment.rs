//! `owl collector enroll|revoke|probes`: who may call.

use std::net::SocketAddr;

use owl_collector::enrolment::{self, Enrolled, EnrolmentError, KnownProbe, Standing};
use owl_collector::{Config, Console, Deed, RegistryError};
use owl_measure::time::{Nanos, ParseNanosError, Timestamp};
use owl_measure::words::Lang;
use serde_json::json;

use super::access;
use crate::failure::{Failure, Outcome};
use crate::terminal::{Side, Table, print};

/// A token that lasts for less cannot be carried; one that lasts for more lies about.
const VALID_MIN: Nanos = Nanos::from_secs(60);
const VALID_MAX: Nanos = Nanos::from_secs(7 * 86_400);

/// Make a token with which one probe can join once
///
/// The token is printed and kept nowhere: the collector keeps its hash. `owl probe join TOKEN` on the probe's host makes a
/// key there, gets a certificate of 30 days for it and writes the configuration; from then on the running probe renews the
/// certificate by itself. An older token of the same probe is void. A running collector need not be told.
#[derive(Debug, clap::Args)]
pub(super) struct Enroll {
    /// The probe, by its id in the topology
    #[arg(value_name = "PROBE")]
    probe: String,
    /// How long the token can be used, one minute to seven days
    #[arg(long, value_name = "DURATION", default_value = "1h", value_parser = valid)]
    valid: Nanos,
    /// Where this probe reaches the collector's intake, when that is not the configuration's `reached_at` or `intake`
    #[arg(long, value_name = "ADDRESS:PORT")]
    reached_at: Option<SocketAddr>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Let a probe in no longer
///
/// Its certificates and its token are refused from now on, also those that were made by hand, and a running collector ends
/// its connection within seconds. `owl collector enroll` lets it join anew.
#[derive(Debug, clap::Args)]
pub(super) struct Revoke {
    /// The probe, by its id
    #[arg(value_name = "PROBE")]
    probe: String,
}

/// List the probes: who is enrolled, until when, and when each was last heard of
#[derive(Debug, clap::Args)]
pub(super) struct Probes {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

fn valid(text: &str) -> Result<Nanos, String> {
    let span: Nanos = text
        .parse()
        .map_err(|error: ParseNanosError| error.to_string())?;
    if (VALID_MIN..=VALID_MAX).contains(&span) {
        Ok(span)
    } else {
        Err("one minute to seven days (168h) is possible".to_owned())
    }
}

impl Enroll {
    pub(super) fn run(self, config: &Config, lang: Lang) -> Result<Outcome, Failure> {
        let made = enrolment::enroll(config, &self.probe, self.valid, self.reached_at);
        let what = format!("{} {}", lang.pick("cannot enroll", "无法登记"), self.probe);
        let Enrolled { token, expires } = made.map_err(|error| explain(what, error, lang))?;
        record(config, Deed::ProbeEnrolled, &self.probe, lang)?;
        if self.json {
            let made = json!({
                "probe": token.probe,
                "token": token.to_string(),
                "collector": token.collector,
                "expires_ns": expires,
            });
            return print(&format!("{made}\n"));
        }
        let until = enrolment::written(config, expires);
        let (probe, collector) = (&token.probe, token.collector);
        print(&lang.pick(
            format!(
                "On the host of {probe}, which must reach {collector} over UDP, until {until} and once:\n\n\
                 owl probe join {token}\n"
            ),
            format!(
                "请在 {probe} 的主机上运行以下命令（须能经 UDP 访问 {collector}），有效至 {until}，仅可使用一次：\n\n\
                 owl probe join {token}\n"
            ),
        ))
    }
}

impl Revoke {
    pub(super) fn run(self, config: &Config, lang: Lang) -> Result<Outcome, Failure> {
        let probe = &self.probe;
        enrolment::revoke(config, probe).map_err(|error| {
            let what = format!("{} {probe}", lang.pick("cannot revoke", "无法吊销"));
            explain(what, error, lang)
        })?;
        record(config, Deed::ProbeRevoked, probe, lang)?;
        print(&lang.pick(
            format!(
                "{probe} is let in no longer. `owl collector enroll {probe}` lets it join anew.\n"
            ),
            format!("{probe} 已被拒之门外。`owl collector enroll {probe}` 可让其重新加入。\n"),
        ))
    }
}

impl Probes {
    pub(super) fn run(self, config: &Config, lang: Lang) -> Result<Outcome, Failure> {
        let known = enrolment::probes(config).map_err(|error| {
            let what = lang.pick("cannot list the probes", "无法列出探针");
            explain(what.to_owned(), error, lang)
        })?;
        if self.json {
            return print(&format!("{}\n", json!({ "probes": known })));
        }
        let mut table = Table::new(&[
            (lang.pick("probe", "探针"), Side::Left),
            (lang.pick("standing", "状态"), Side::Left),
            (lang.pick("until", "有效至"), Side::Left),
            (lang.pick("last heard of", "最近联系"), Side::Left),
        ]);
        let instant = |at: Option<Timestamp>| {
            at.map_or_else(|| "–".to_owned(), |at| enrolment::written(config, at))
        };
        for known in known {
            let until = known.certificate_until.or(known.token_until);
            table.row([
                known.probe.clone(),
                said(&known, lang).to_owned(),
                instant(until),
                instant(known.seen),
            ]);
        }
        print(&table.to_string())
    }
}

/// Writes it into the audit log. A token that cannot be recorded is not shown, and so is of no use.
fn record(config: &Config, deed: Deed, probe: &str, lang: Lang) -> Result<(), Failure> {
    let recorded = Console::new(config, &access::who()).record(deed, probe);
    recorded.map_err(|error| {
        let what = lang.pick("cannot write the audit log", "无法写入审计日志");
        access::explain(what.to_owned(), error, lang)
    })
}

fn said(known: &KnownProbe, lang: Lang) -> &'static str {
    match known.standing {
        Standing::Enrolled => lang.pick("enrolled", "已登记"),
        Standing::Invited => lang.pick("has a token", "持有令牌"),
        Standing::Revoked => lang.pick("revoked", "已吊销"),
        Standing::ByHand => lang.pick("certificate made by hand", "手工证书"),
        Standing::Unknown => lang.pick("never called", "从未联系"),
    }
}

pub(super) fn explain(what: String, error: EnrolmentError, lang: Lang) -> Failure {
    if let EnrolmentError::Registry(RegistryError::Damaged { file, .. }) = &error {
        let file = file.display();
        let hint = lang.pick(
            format!("restore {file} from a backup; probes enrolled since then join anew"),
            format!("请从备份恢复 {file}；此后登记的探针须重新加入"),
        );
        return Failure::unable(what).because(error).hint(hint);
    }
    let hint = match &error {
        EnrolmentError::UnknownProbe { .. } => lang.pick(
            "`owl collector probes` lists those of the topology; a new one is written into its file first",
            "`owl collector probes` 列出拓扑中的探针；新探针须先写入拓扑文件",
        ),
        EnrolmentError::OnlyReflects { .. } => lang.pick(
            "nothing has to be done for it: probes measure to it as it is",
            "无需为它做任何事：探针可直接对其测量",
        ),
        EnrolmentError::NoAddress { .. } => lang.pick(
            "say where probes reach it: `reached_at = \"ADDRESS:PORT\"` in the configuration, or --reached-at",
            "请说明探针从何处访问它：配置中的 `reached_at = \"地址:端口\"`，或 --reached-at",
        ),
        EnrolmentError::Registry(_)
        | EnrolmentError::Signing(_)
        | EnrolmentError::Store(_)
        | EnrolmentError::State { .. } => lang.pick(
            "run it on the collector's host, as the user that the collector runs as, or as root",
            "请在采集器主机上以采集器的运行用户或 root 身份运行",
        ),
    };
    let failure = match &error {
        EnrolmentError::UnknownProbe { .. }
        | EnrolmentError::OnlyReflects { .. }
        | EnrolmentError::NoAddress { .. } => Failure::usage(what),
        _ => Failure::unable(what),
    };
    failure.because(error).hint(hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_damaged_roll_is_to_be_restored_and_no_other_user_is_sent_for() {
        let error = RegistryError::Damaged {
            file: "identity/probes.json".into(),
            source: serde_json::from_str::<u8>("{").unwrap_err(),
        };
        let said = explain("cannot list".into(), error.into(), Lang::En);
        let said = format!("{said:?}");
        let expected = "restore identity/probes.json from a backup";
        assert!(said.contains(expected) && !said.contains("root"), "{said}");
    }

    #[test]
    fn a_token_lasts_a_minute_to_a_week() {
        for (text, good) in [
            ("1m", true),
            ("168h", true),
            ("59s", false),
            ("169h", false),
            ("-1h", false),
            ("soon", false),
        ] {
            assert_eq!(valid(text).is_ok(), good, "{text}");
        }
    }
}
