//! What a session asks of its reflector beside timestamps, and how its packets are marked and stamped.

use std::net::IpAddr;
use std::str::FromStr;

use clap::ValueEnum;
use owl_probe::reflector::REPLY_OCTETS_MAX;
use owl_protocol::session::sender::{Padding, Question, Retransmission, WantedReturn, ZeroSsid};
use owl_protocol::wire::tlv::{AccessReport, MicroSession};

use crate::command::duration::positive;
use crate::command::stamp_format::StampFormat;

/// What is asked, and how packets look.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct Asking {
    /// Ask more of the reflector by TLVs (RFC 8972), separated by commas; the result has what it told and refused
    ///
    ///   all                   the five that follow
    ///   follow-up             when each reply really left
    ///   location              between which addresses and ports packets arrive
    ///   timestamp-info        what disciplines its clock, and where it takes its stamps
    ///   class-of-service      with which DSCP and ECN packets arrive; replies with the same DSCP
    ///   direct-measurement    how many packets it received and sent
    ///   access-report=ACCESS  tell its operator of an access network: 3gpp, non-3gpp,
    ///                         or with :unavailable behind it; said until a reply repeats it
    ///   access-report-retry=DURATION:TIMES   say it again so often, so long after; 3s:4 without it
    ///   destination-node=ADDR that the node with this address answers
    ///   return-path=same-link replies on the link on which packets arrive
    ///   return-path=ADDR      replies to this address of this host
    ///   micro-session=LINK    check the member links of an aggregation group; LINK:LINK names the far one
    ///   reply-octets=OCTETS   replies of another length than packets
    ///   padding=random        what fills packets up to --octets; zeros without it
    #[arg(long, value_name = "LIST", value_delimiter = ',', verbatim_doc_comment)]
    ask: Vec<Ask>,
    /// ECN of the test packets: 0 not-ECT, 1 ECT(1), 2 ECT(0), 3 CE
    #[arg(long, value_name = "ECN", default_value = "0", value_parser = clap::value_parser!(u8).range(0..4))]
    pub(super) ecn: u8,
    #[command(flatten)]
    pub(super) stamp_format: StampFormat,
    /// What to do when replies carry no session identifier (RFC 8972, section 3)
    #[arg(long, value_name = "ACTION", default_value = "continue")]
    on_zero_ssid: OnZeroSsid,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum OnZeroSsid {
    /// Go on: the reflector knows none
    Continue,
    /// Send no more
    Stop,
}

/// One thing to ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ask {
    All,
    FollowUp,
    Location,
    TimestampInformation,
    ClassOfService,
    DirectMeasurement,
    AccessReport(AccessReport),
    Retransmission(Retransmission),
    DestinationNode(IpAddr),
    ReturnPath(WantedReturn),
    MicroSession(MicroSession),
    ReplyOctets(u16),
    Padding(Padding),
}

/// Any number will do: the filling is no secret, it must only not be compressible.
const PADDING_SEED: u64 = 8_972;

impl FromStr for Ask {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, value) = text.split_once('=').unzip();
        let (name, value) = (name.unwrap_or(text), value);
        match (name, value) {
            ("all", None) => Ok(Self::All),
            ("follow-up", None) => Ok(Self::FollowUp),
            ("location", None) => Ok(Self::Location),
            ("timestamp-info", None) => Ok(Self::TimestampInformation),
            ("class-of-service", None) => Ok(Self::ClassOfService),
            ("direct-measurement", None) => Ok(Self::DirectMeasurement),
            ("access-report", Some(value)) => access_report(value)
                .ok_or("access-report is 3gpp or non-3gpp, with :unavailable behind it if it is"),
            ("access-report-retry", Some(value)) => {
                retransmission(value).ok_or("access-report-retry is a duration and a number of times, such as 3s:4")
            }
            ("destination-node", Some(value)) => value
                .parse()
                .map(Self::DestinationNode)
                .map_err(|_| "destination-node is an IP address of the reflector"),
            ("return-path", Some("same-link")) => Ok(Self::ReturnPath(WantedReturn::SameLink)),
            ("return-path", Some(value)) => value
                .parse()
                .map(|ip| Self::ReturnPath(WantedReturn::Address(ip)))
                .map_err(|_| "return-path is same-link, or an IP address of this host"),
            ("micro-session", Some(value)) => {
                micro_session(value).ok_or("micro-session is a number from 1 to 65535, or two with a colon")
            }
            ("reply-octets", Some(value)) => value
                .parse()
                .ok()
                .filter(|octets| (44..=REPLY_OCTETS_MAX).contains(octets))
                .map(Self::ReplyOctets)
                .ok_or("reply-octets is a number from 44 to 9000"),
            ("padding", Some("random")) => {
                Ok(Self::Padding(Padding::Pseudorandom(PADDING_SEED)))
            }
            ("padding", Some("zeros")) => Ok(Self::Padding(Padding::Zeros)),
            _ => Err(
                "all, follow-up, location, timestamp-info, class-of-service, direct-measurement, access-report=…, access-report-retry=…, destination-node=…, return-path=…, micro-session=…, reply-octets=… and padding=… can be asked",
            ),
        }
        .map_err(str::to_owned)
    }
}

fn access_report(text: &str) -> Option<Ask> {
    let (access, return_code) = match text.split_once(':') {
        None => (text, 1),
        Some((access, "unavailable")) => (access, 2),
        Some(_) => return None,
    };
    let access = match access {
        "3gpp" => 1,
        "non-3gpp" => 2,
        _ => return None,
    };
    Some(Ask::AccessReport(AccessReport {
        access,
        return_code,
    }))
}

fn retransmission(text: &str) -> Option<Ask> {
    let (after, times) = text.split_once(':')?;
    Some(Ask::Retransmission(Retransmission {
        after: positive(after).ok()?,
        times: times.parse().ok()?,
    }))
}

fn micro_session(text: &str) -> Option<Ask> {
    let (sender, reflector) = text.split_once(':').unwrap_or((text, "0"));
    let sender = sender.parse().ok().filter(|&link| link != 0)?;
    let reflector = reflector.parse().ok()?;
    Some(Ask::MicroSession(MicroSession { sender, reflector }))
}

impl Asking {
    /// Whether `--ask` and `--on-zero-ssid` want TLVs and a session identifier, which STAMP alone has.
    pub(super) fn of_stamp(&self) -> [bool; 2] {
        [!self.ask.is_empty(), self.on_zero_ssid == OnZeroSsid::Stop]
    }

    /// What is asked; always for follow-up where the far end is known to do it.
    pub(super) fn question(&self, own: bool) -> Question {
        let mut question = Question {
            follow_up: own,
            ..Question::default()
        };
        for &ask in &self.ask {
            match ask {
                Ask::All => {
                    question.follow_up = true;
                    question.location = true;
                    question.timestamp_information = true;
                    question.class_of_service = true;
                    question.direct_measurement = true;
                }
                Ask::FollowUp => question.follow_up = true,
                Ask::Location => question.location = true,
                Ask::TimestampInformation => question.timestamp_information = true,
                Ask::ClassOfService => question.class_of_service = true,
                Ask::DirectMeasurement => question.direct_measurement = true,
                Ask::AccessReport(report) => question.access_report = Some(report),
                Ask::Retransmission(often) => question.retransmission = often,
                Ask::DestinationNode(ip) => question.destination = Some(ip),
                Ask::ReturnPath(path) => question.return_path = Some(path),
                Ask::MicroSession(links) => question.member_links = Some(links),
                Ask::ReplyOctets(octets) => question.reply_octets = Some(octets),
                Ask::Padding(_) => {}
            }
        }
        question
    }

    pub(super) fn padding(&self) -> Padding {
        let asked = self.ask.iter().rev().find_map(|ask| match ask {
            Ask::Padding(padding) => Some(*padding),
            _ => None,
        });
        asked.unwrap_or(Padding::Zeros)
    }

    pub(super) fn zero_ssid(&self) -> ZeroSsid {
        match self.on_zero_ssid {
            OnZeroSsid::Continue => ZeroSsid::Continue,
            OnZeroSsid::Stop => ZeroSsid::Stop,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser as _;

    #[derive(Debug, clap::Parser)]
    struct Line {
        #[command(flatten)]
        asking: Asking,
    }

    fn asking(list: &str) -> Result<Asking, clap::Error> {
        Line::try_parse_from(["delay", "--ask", list]).map(|line| line.asking)
    }

    #[test]
    fn a_list_asks_for_each_thing_on_it() {
        let question = asking("all").unwrap().question(false);
        assert!(
            question.follow_up
                && question.location
                && question.timestamp_information
                && question.class_of_service
                && question.direct_measurement
        );
        let question = asking(
            "access-report=non-3gpp:unavailable,return-path=same-link,destination-node=::1,micro-session=3:4,reply-octets=100",
        )
        .unwrap()
        .question(false);
        let expected = Question {
            access_report: Some(AccessReport {
                access: 2,
                return_code: 2,
            }),
            return_path: Some(WantedReturn::SameLink),
            destination: Some("::1".parse().unwrap()),
            member_links: Some(MicroSession {
                sender: 3,
                reflector: 4,
            }),
            reply_octets: Some(100),
            ..Question::default()
        };
        assert_eq!(question, expected);
        assert!(asking("location").unwrap().question(true).follow_up, "own");
        let padding = asking("padding=random").unwrap().padding();
        assert!(matches!(padding, Padding::Pseudorandom(_)));
    }

    #[test]
    fn what_cannot_be_asked_is_refused_with_what_can() {
        for (bad, hint) in [
            ("colour", "can be asked"),
            ("location=1", "can be asked"),
            ("return-path", "can be asked"),
            ("return-path=there", "same-link, or an IP address"),
            ("destination-node=x", "IP address of the reflector"),
            ("access-report=5g", "3gpp or non-3gpp"),
            ("access-report=3gpp:gone", "3gpp or non-3gpp"),
            ("access-report-retry=3s", "such as 3s:4"),
            ("access-report-retry=0s:4", "such as 3s:4"),
            ("micro-session=0", "from 1 to 65535"),
            ("micro-session=1:x", "from 1 to 65535"),
            ("reply-octets=43", "44 to 9000"),
            ("padding=ones", "can be asked"),
        ] {
            let error = asking(bad).unwrap_err().to_string();
            assert!(error.contains(hint), "{bad}: {error}");
        }
    }
}
