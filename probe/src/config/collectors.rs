//! The intakes of a probe's collectors.

use std::net::SocketAddr;

use serde::Deserialize;

/// Intakes that one probe may name.
pub const COLLECTORS_MAX: usize = 16;

/// Where a probe may report: one intake, or several that share a store and are tried in turn.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "OneOrMore")]
pub struct Collectors(Vec<SocketAddr>);

impl Collectors {
    /// All of them, in the order of the configuration; one at least.
    pub fn all(&self) -> &[SocketAddr] {
        &self.0
    }

    /// The intake that is tried at a turn; turns are counted on for ever.
    pub(crate) fn at(&self, turn: usize) -> SocketAddr {
        self.0[turn % self.0.len()]
    }
}

impl From<SocketAddr> for Collectors {
    fn from(collector: SocketAddr) -> Self {
        Self(vec![collector])
    }
}

#[derive(Deserialize)]
#[serde(
    untagged,
    expecting = "an address and port, like \"192.0.2.1:4455\", or a list of them"
)]
enum OneOrMore {
    One(SocketAddr),
    More(Vec<SocketAddr>),
}

impl TryFrom<OneOrMore> for Collectors {
    type Error = String;

    fn try_from(named: OneOrMore) -> Result<Self, String> {
        Self::of(match named {
            OneOrMore::One(collector) => vec![collector],
            OneOrMore::More(all) => all,
        })
    }
}

impl Collectors {
    /// These, or why they cannot be.
    pub(crate) fn of(all: Vec<SocketAddr>) -> Result<Self, String> {
        if all.is_empty() || all.len() > COLLECTORS_MAX {
            return Err(format!(
                "collector names 1 to {COLLECTORS_MAX} intakes, not {}",
                all.len()
            ));
        }
        Ok(Self(all))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Deserialize)]
    struct File {
        collector: Collectors,
    }

    fn read(value: &str) -> Result<Collectors, String> {
        let text = format!("collector = {value}");
        let file: Result<File, _> = toml::from_str(&text);
        file.map(|file| file.collector)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn one_intake_or_several_are_named_and_tried_in_turn() {
        let one = read("\"192.0.2.1:4455\"").unwrap();
        assert_eq!(
            (one.all().len(), one.at(0), one.at(7)),
            (1, one.at(1), one.at(0))
        );
        let two = read("[\"192.0.2.1:4455\", \"[2001:db8::1]:4455\"]").unwrap();
        let tried: Vec<bool> = (0..4).map(|turn| two.at(turn).is_ipv6()).collect();
        assert_eq!(tried, [false, true, false, true]);
        for (value, why) in [
            ("[]", "1 to 16 intakes, not 0"),
            ("\"collector\"", "an address and port"),
            ("7", "an address and port"),
        ] {
            let said = read(value).unwrap_err();
            assert!(said.contains(why), "{said}");
        }
        let many = format!("[{}]", "\"192.0.2.1:4455\",".repeat(17));
        assert!(read(&many).unwrap_err().contains("not 17"));
    }
}
