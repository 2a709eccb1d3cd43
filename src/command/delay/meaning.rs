//! Options that mean something in some protocols only.
//!
//! One that would change nothing is refused: whoever gives it expects something of it.

use owl_measure::words::Lang;
use owl_protocol::wire::TimestampFormat;

use super::Args;
use super::dialect::Protocol;
use crate::failure::Failure;

const STAMP: &[Protocol] = &[Protocol::Stamp];
/// Without a server that must agree. PTP timestamps need its consent in TWAMP (RFC 8186) and none in TWAMP Light.
const UNASKED: &[Protocol] = &[Protocol::Stamp, Protocol::TwampLight];
const REFLECTED: &[Protocol] = &[Protocol::Stamp, Protocol::TwampLight, Protocol::Twamp];
const SERVED: &[Protocol] = &[Protocol::Twamp, Protocol::Owamp];
const OWAMP: &[Protocol] = &[Protocol::Owamp];

impl Args {
    /// The first option given that says nothing in the chosen protocol, and in which it does.
    fn meaningless(&self) -> Option<(&'static str, &'static [Protocol])> {
        let (asking, spoken) = (&self.asking, &self.spoken);
        let [ask, on_zero_ssid] = asking.of_stamp();
        let ptp = asking.stamp_format.format() == TimestampFormat::Ptp;
        [
            ("--ask", ask, STAMP),
            ("--on-zero-ssid", on_zero_ssid, STAMP),
            ("--key-file", self.authentication.has_keys(), STAMP),
            ("--ssid", self.authentication.has_ssid(), STAMP),
            ("--format ptp", ptp, UNASKED),
            ("--tai-offset", asking.stamp_format.is_offset(), UNASKED),
            ("--flows", self.flows.are_many(), UNASKED),
            ("--member", self.member.is_some(), UNASKED),
            ("--own", self.own, REFLECTED),
            ("--seed", self.seed.is_some(), REFLECTED),
            ("--ecn", asking.ecn != 0, REFLECTED),
            ("--user", spoken.has_user(), SERVED),
            ("--direction", spoken.direction.is_some(), OWAMP),
        ]
        .into_iter()
        .find(|(_, given, protocols)| *given && !protocols.contains(&spoken.protocol))
        .map(|(option, _, protocols)| (option, protocols))
    }

    /// Refuses what the chosen protocol has no use for, before anything is sent.
    ///
    /// # Errors
    /// When such an option was given.
    pub(super) fn refuse_meaningless(&self, lang: Lang) -> Result<(), Failure> {
        let Some((option, protocols)) = self.meaningless() else {
            return Ok(());
        };
        let names: Vec<_> = protocols.iter().map(|protocol| protocol.name()).collect();
        let chosen = self.spoken.protocol.name();
        Err(Failure::usage(lang.pick(
            format!(
                "{option} is for --protocol {}, and says nothing in {chosen}",
                names.join(", ")
            ),
            format!(
                "{option} 只用于 --protocol {}，在 {chosen} 中没有意义",
                names.join("、")
            ),
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser as _;

    #[derive(Debug, clap::Parser)]
    struct Line {
        #[command(flatten)]
        args: Args,
    }

    /// The option that is refused in each of stamp, twamp-light, twamp and owamp.
    #[track_caller]
    fn check(options: &str, refused: [bool; 4]) {
        let protocols = ["stamp", "twamp-light", "twamp", "owamp"];
        for (protocol, refused) in protocols.into_iter().zip(refused) {
            let line = format!("delay h --protocol {protocol} {options}");
            let line = Line::try_parse_from(line.split_whitespace()).unwrap();
            let failure = line.args.refuse_meaningless(Lang::En).err();
            assert_eq!(failure.is_some(), refused, "{protocol} {options}");
            let Some(failure) = failure else { continue };
            let (said, option) = (format!("{failure:?}"), options.split(' ').next().unwrap());
            assert!(said.contains("code: 2"), "{said}");
            assert!(said.contains(option) && said.contains(protocol), "{said}");
        }
    }

    #[test]
    fn an_option_that_says_nothing_in_a_protocol_is_refused_there_and_nowhere_else() {
        for (options, refused) in [
            ("", [false; 4]),
            ("--dscp 46 --poisson --octets 128", [false; 4]),
            ("--format ntp", [false; 4]),
            ("--flows 1", [false; 4]),
            ("--ask location", [false, true, true, true]),
            ("--on-zero-ssid stop", [false, true, true, true]),
            ("--key-file f", [false, true, true, true]),
            ("--ssid 7", [false, true, true, true]),
            ("--format ptp", [false, false, true, true]),
            ("--tai-offset 37", [false, false, true, true]),
            ("--flows 2", [false, false, true, true]),
            ("--member eth1", [false, false, true, true]),
            ("--own", [false, false, false, true]),
            ("--seed 1 --poisson", [false, false, false, true]),
            ("--ecn 1", [false, false, false, true]),
            ("--user u --pass-phrase-file f", [true, true, false, false]),
            ("--direction both", [true, true, true, false]),
        ] {
            check(options, refused);
        }
    }
}
