//! Whom a reflector answers, with which keys, and which wishes it fulfils.

use std::net::IpAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;

use owl_measure::words::Lang;
use owl_probe::keys::KeyWatch;
use owl_probe::network::Network;
use owl_probe::reflector::{REPLY_COUNT_MAX, REPLY_OCTETS_MAX, ReflectorSettings, sync_source};
use owl_protocol::session::reflector::{Authentication, Dscps};

use crate::command::key_file;
use crate::command::own_clock::OwnClock;
use crate::command::stamp_format::StampFormat;
use crate::failure::Failure;

/// Networks that `--allow` may name: they are looked through for each packet.
const ALLOWED_MAX: usize = 1_024;

/// What an operator tells a reflector.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct Provision {
    /// Keys of the sessions that are protected (docs/keys.md); read again on SIGHUP, and within a second of a change
    #[arg(long, value_name = "FILE")]
    keys: Option<PathBuf>,
    /// Answer nothing but authenticated packets
    #[arg(long, requires = "keys")]
    authenticated_only: bool,
    /// Answer only session-senders in this network, may be repeated; without it everybody is answered
    #[arg(long, value_name = "NETWORK")]
    allow: Vec<Network>,
    /// Let senders have their replies sent to this address, may be repeated; else replies go only where requests came from
    #[arg(long, value_name = "ADDR")]
    return_path_to: Vec<IpAddr>,
    /// Do not tell from and at which addresses and ports packets arrive
    #[arg(long)]
    withhold_location: bool,
    /// DSCPs that a sender may choose for its replies, such as 0,8-14,46
    #[arg(long, value_name = "LIST", default_value = "0-63")]
    reply_dscp: DscpList,
    /// Let senders whose HMAC is right ask for replies of another length than their packets, up to this one
    #[arg(long, value_name = "OCTETS", requires = "keys", value_parser = clap::value_parser!(u16).range(44..=i64::from(REPLY_OCTETS_MAX)))]
    reply_octets_max: Option<u16>,
    /// Let them ask for so many replies to one packet, at a distance between them, 10 Mb/s and 64 KiB at most
    #[arg(long, value_name = "REPLIES", requires = "reply_octets_max", default_value = "1", value_parser = clap::value_parser!(u16).range(1..=i64::from(REPLY_COUNT_MAX)))]
    reply_count_max: u16,
    /// Number of the member link over which packets come, where it is one of a link aggregation group (RFC 9534); a sender
    /// that believes in another gets no reply
    #[arg(long, value_name = "LINK", value_parser = clap::value_parser!(u16).range(1..))]
    member_link: Option<u16>,
    #[command(flatten)]
    stamp_format: StampFormat,
}

/// DSCPs and ranges of them, with commas.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct DscpList(Dscps);

impl FromStr for DscpList {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let dscp = |text: &str| text.trim().parse().ok().filter(|&dscp: &u8| dscp < 64);
        let mut all = Vec::new();
        for part in text.split(',') {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            match (dscp(first), dscp(last)) {
                (Some(first), Some(last)) if first <= last => all.extend(first..=last),
                _ => return Err("numbers from 0 to 63 and ranges are possible, such as 0,8-14,46"),
            }
        }
        Ok(Self(Dscps::of(all)))
    }
}

impl Provision {
    /// What is told to the reflector, and the key file that is to be watched.
    pub(super) fn settings(
        &self,
        own_clock: OwnClock,
        lang: Lang,
    ) -> Result<(ReflectorSettings, Option<KeyWatch>), Failure> {
        if self.allow.len() > ALLOWED_MAX {
            return Err(Failure::usage(lang.pick(
                format!("cannot reflect: --allow is possible {ALLOWED_MAX} times at most"),
                format!("无法反射：--allow 最多可用 {ALLOWED_MAX} 次"),
            )));
        }
        let watch = self
            .keys
            .as_deref()
            .map(|file| key_file::open(file, lang))
            .transpose()?;
        let settings = ReflectorSettings {
            keys: watch.as_ref().map_or_else(Arc::default, KeyWatch::live),
            authentication: if self.authenticated_only {
                Authentication::Required
            } else {
                Authentication::Accepted
            },
            allow: self.allow.iter().map(|network| network.0).collect(),
            return_path_to: self.return_path_to.clone(),
            tell_location: !self.withhold_location,
            dscps: self.reply_dscp.0,
            reply_octets_max: self.reply_octets_max,
            reply_count_max: self.reply_count_max,
            member_link: self.member_link,
            format: self.stamp_format.format(),
            tai_offset: self.stamp_format.tai_offset(),
            sync_source: sync_source(own_clock.declared().source),
        };
        Ok((settings, watch))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dscps_are_numbers_and_ranges_below_64() {
        for (text, dscps) in [
            ("46", Some(vec![46])),
            ("0,8-10, 46", Some(vec![0, 8, 9, 10, 46])),
            ("0-63", Some((0..64).collect())),
            ("64", None),
            ("9-8", None),
            ("", None),
            ("0,", None),
        ] {
            let expected = dscps.map(|dscps| DscpList(Dscps::of(dscps)));
            assert_eq!(text.parse().ok(), expected, "{text}");
        }
    }
}
