//! Who may call: one record a probe, and the rules by which it changes.
//!
//! Pure: instants are arguments, and files are `registry`'s. A probe without a
//! record may call with a certificate made by hand; once it was revoked, only
//! a certificate that it was given since lets it in.

use std::collections::BTreeMap;

use owl_measure::enrolment::Denial;
use owl_measure::time::{Nanos, Timestamp};
use serde::{Deserialize, Serialize};

/// Certificates of one probe that are let in at once: the newest, the one in use, and two whose answers were lost.
const CERTIFICATES_MAX: usize = 4;
/// Between two renewals of one probe. A probe renews every twenty days; more is a fault, and each costs a write.
const RENEW_AGAIN: Nanos = Nanos::from_secs(60);

/// SHA-256 in hex: of a secret, or of a public key. Nothing here can be turned back into either.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Digest(pub(crate) String);

/// A certificate's serial number in hex.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Serial(pub(crate) String);

/// A token that was made for a probe; the newest only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Ticket {
    pub(crate) secret: Digest,
    #[serde(rename = "expires_ns")]
    pub(crate) expires: Timestamp,
    /// The public key that got a certificate for it. The same key may ask again, because an answer can be lost.
    #[serde(default)]
    pub(crate) used_by: Option<Digest>,
}

/// A certificate that was given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Issued {
    pub(crate) serial: Serial,
    #[serde(rename = "issued_ns")]
    pub(crate) issued: Timestamp,
    #[serde(rename = "until_ns")]
    pub(crate) until: Timestamp,
}

/// What is known of one probe.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Record {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) token: Option<Ticket>,
    /// Those that are let in, the newest last.
    #[serde(default)]
    pub(crate) certificates: Vec<Issued>,
    #[serde(
        default,
        rename = "revoked_ns",
        skip_serializing_if = "Option::is_none"
    )]
    pub(crate) revoked: Option<Timestamp>,
}

/// Every record, by probe.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Roll {
    pub(crate) probes: BTreeMap<String, Record>,
}

/// Who asks for a first certificate.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Joining<'a> {
    pub(crate) probe: &'a str,
    pub(crate) secret: &'a Digest,
    pub(crate) key: &'a Digest,
}

/// Who signed a caller's certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Signer {
    /// This collector's own authority, under this number.
    Own(Serial),
    /// An authority that the configuration names.
    Given,
}

impl Roll {
    /// Makes `token` the one token of a probe.
    pub(crate) fn enroll(&mut self, probe: &str, token: Ticket) {
        self.probes.entry(probe.to_owned()).or_default().token = Some(token);
    }

    /// Whether a probe's newest token has this secret; otherwise why it may not join. Whether it may yet be used, `join`
    /// tells.
    pub(crate) fn knows(&self, probe: &str, secret: &Digest) -> Result<(), Denial> {
        let holds = |record: &Record| {
            let token = record.token.as_ref();
            token.is_some_and(|token| token.secret == *secret)
        };
        if self.probes.get(probe).is_some_and(holds) {
            return Ok(());
        }
        let of_another = self.probes.values().any(holds);
        Err(if of_another {
            Denial::OtherProbe
        } else {
            Denial::UnknownToken
        })
    }

    /// Uses a probe's token up for a key, and writes the certificate down that it gets for it.
    ///
    /// Certificates that it had before are let in no longer: who joins anew may have lost them.
    pub(crate) fn join(
        &mut self,
        who: Joining<'_>,
        now: Timestamp,
        issued: Issued,
    ) -> Result<(), Denial> {
        self.knows(who.probe, who.secret)?;
        let record = self.probes.entry(who.probe.to_owned()).or_default();
        let token = record.token.as_mut().ok_or(Denial::UnknownToken)?;
        // Before the time: a token that was used says so for ever.
        if token.used_by.as_ref().is_some_and(|key| key != who.key) {
            return Err(Denial::UsedToken);
        }
        if now >= token.expires {
            return Err(Denial::ExpiredToken);
        }
        token.used_by = Some(who.key.clone());
        record.certificates = vec![issued];
        Ok(())
    }

    /// Writes down the certificate that replaces the one with which a probe is connected.
    pub(crate) fn renew(
        &mut self,
        probe: &str,
        signer: &Signer,
        now: Timestamp,
        issued: Issued,
    ) -> Result<(), Denial> {
        if *signer == Signer::Given || self.admits(probe, signer).is_err() {
            return Err(Denial::NotOurs);
        }
        let record = self.probes.get_mut(probe).ok_or(Denial::NotOurs)?;
        let latest = record.certificates.last();
        // A clock that was set back must not shut anybody out.
        let recent = |last: &Issued| last.issued <= now && now < last.issued + RENEW_AGAIN;
        if latest.is_some_and(recent) {
            return Err(Denial::TooOften);
        }
        record.certificates.retain(|old| now < old.until);
        // The one in use stays: answer after answer may be lost, and then it is the only one that the probe has.
        let spare = |old: &Issued| *signer != Signer::Own(old.serial.clone());
        while record.certificates.len() >= CERTIFICATES_MAX
            && let Some(oldest) = record.certificates.iter().position(spare)
        {
            record.certificates.remove(oldest);
        }
        record.certificates.push(issued);
        Ok(())
    }

    /// Lets no certificate of a probe in any more, nor its token, whoever signed it.
    pub(crate) fn revoke(&mut self, probe: &str, now: Timestamp) {
        let record = self.probes.entry(probe.to_owned()).or_default();
        *record = Record {
            revoked: Some(now),
            ..Record::default()
        };
    }

    /// Whether a probe with such a certificate may call; otherwise why not.
    pub(crate) fn admits(&self, probe: &str, signer: &Signer) -> Result<(), String> {
        let record = self.probes.get(probe);
        let revoked = record.is_some_and(|record| record.revoked.is_some());
        let listed = match signer {
            Signer::Given => !revoked,
            Signer::Own(serial) => record.is_some_and(|record| {
                let mut given = record.certificates.iter();
                given.any(|issued| issued.serial == *serial)
            }),
        };
        match (listed, revoked) {
            (true, _) => Ok(()),
            (false, true) => Err(format!(
                "the certificate of {probe} was revoked; `owl collector enroll {probe}` lets it join anew"
            )),
            (false, false) => Err(format!(
                "the certificate of {probe} was replaced by a newer one; `owl collector enroll {probe}` lets it join anew"
            )),
        }
    }
}

impl Record {
    /// When its newest certificate runs out; `None` without one.
    pub(crate) fn until(&self) -> Option<Timestamp> {
        self.certificates.last().map(|issued| issued.until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 86_400;

    fn at(s: i64) -> Timestamp {
        Timestamp(0) + Nanos::from_secs(s)
    }

    fn digest(of: &str) -> Digest {
        Digest(of.into())
    }

    fn own(serial: &str) -> Signer {
        Signer::Own(Serial(serial.into()))
    }

    fn issued(serial: &str, s: i64) -> Issued {
        Issued {
            serial: Serial(serial.into()),
            issued: at(s),
            until: at(s + 30 * DAY),
        }
    }

    /// p has a token with the secret `s` until the hundredth second, q one with the secret `t`.
    fn enrolled() -> Roll {
        let mut roll = Roll::default();
        for (probe, secret) in [("p", "s"), ("q", "t")] {
            let token = Ticket {
                secret: digest(secret),
                expires: at(100),
                used_by: None,
            };
            roll.enroll(probe, token);
        }
        roll
    }

    fn join(roll: &mut Roll, probe: &str, secret: &str, key: &str, s: i64) -> Result<(), Denial> {
        let (secret, key) = (&digest(secret), &digest(key));
        let who = Joining { probe, secret, key };
        roll.join(who, at(s), issued(&format!("{key:?}{s}"), s))
    }

    #[test]
    fn a_token_is_for_one_probe_one_key_and_its_time() {
        let mut roll = enrolled();
        for (probe, secret, key, s, expected) in [
            ("p", "x", "k", 1, Err(Denial::UnknownToken)),
            ("nobody", "x", "k", 1, Err(Denial::UnknownToken)),
            ("p", "t", "k", 1, Err(Denial::OtherProbe)),
            ("nobody", "t", "k", 1, Err(Denial::OtherProbe)),
            ("q", "t", "k", 100, Err(Denial::ExpiredToken)),
            ("p", "s", "k", 99, Ok(())),
            ("p", "s", "other", 99, Err(Denial::UsedToken)),
            ("p", "s", "other", 200, Err(Denial::UsedToken)),
            ("p", "s", "k", 99, Ok(())),
            ("p", "s", "k", 100, Err(Denial::ExpiredToken)),
        ] {
            let before = roll.clone();
            let got = join(&mut roll, probe, secret, key, s);
            assert_eq!(got, expected, "{probe} {secret} {key} {s}");
            assert!(got.is_ok() || roll == before, "a refusal changes nothing");
        }
        let certificates = &roll.probes["p"].certificates;
        assert_eq!(certificates.len(), 1, "asked for again, given once");
    }

    #[test]
    fn a_newer_token_takes_the_place_of_the_older() {
        let mut roll = enrolled();
        let token = Ticket {
            secret: digest("new"),
            expires: at(100),
            used_by: None,
        };
        roll.enroll("p", token);
        assert_eq!(join(&mut roll, "p", "s", "k", 1), Err(Denial::UnknownToken));
        assert_eq!(join(&mut roll, "p", "new", "k", 1), Ok(()));
    }

    #[test]
    fn only_what_was_given_is_let_in_and_nothing_after_a_revocation() {
        let mut roll = enrolled();
        assert!(roll.admits("p", &Signer::Given).is_ok(), "made by hand");
        assert!(roll.admits("p", &own("1")).is_err(), "never given");
        let key = digest("k");
        let who = Joining {
            probe: "p",
            secret: &digest("s"),
            key: &key,
        };
        roll.join(who, at(1), issued("1", 1)).unwrap();
        assert!(roll.admits("p", &own("1")).is_ok());
        assert!(roll.admits("q", &own("1")).is_err(), "another's");
        roll.revoke("p", at(2));
        for signer in [own("1"), Signer::Given] {
            assert!(roll.admits("p", &signer).unwrap_err().contains("revoked"));
        }
        assert_eq!(
            roll.join(who, at(3), issued("2", 3)),
            Err(Denial::UnknownToken),
            "its token is gone, too"
        );
        let token = Ticket {
            secret: digest("s"),
            expires: at(100),
            used_by: None,
        };
        roll.enroll("p", token);
        roll.join(who, at(4), issued("3", 4)).unwrap();
        assert!(roll.admits("p", &own("3")).is_ok());
        for signer in [own("1"), Signer::Given] {
            assert!(roll.admits("p", &signer).is_err(), "from before");
        }
    }

    #[test]
    fn a_renewed_certificate_stands_beside_the_one_it_replaces() {
        let mut roll = enrolled();
        let who = Joining {
            probe: "p",
            secret: &digest("s"),
            key: &digest("k"),
        };
        roll.join(who, at(0), issued("0", 0)).unwrap();
        let mut renew = |with: &str, gets: &str, s: i64| {
            roll.renew("p", &own(with), at(s), issued(gets, s))
                .map(|()| {
                    let given = &roll.probes["p"].certificates;
                    given.iter().map(|issued| issued.serial.0.clone()).collect()
                })
        };
        let list =
            |serials: &[&str]| Ok(serials.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>());
        assert_eq!(renew("0", "1", 30), Err(Denial::TooOften));
        assert_eq!(renew("0", "1", 20 * DAY), list(&["0", "1"]));
        assert_eq!(renew("9", "2", 21 * DAY), Err(Denial::NotOurs));
        assert_eq!(renew("1", "2", 40 * DAY), list(&["1", "2"]), "0 ran out");
        for (gets, s) in [("3", 41), ("4", 42), ("5", 43)] {
            renew("2", gets, s * DAY).unwrap();
        }
        assert_eq!(
            renew("2", "6", 44 * DAY),
            list(&["2", "4", "5", "6"]),
            "never more than four, and never without the one in use"
        );
        assert_eq!(
            renew("6", "7", 43 * DAY),
            list(&["4", "5", "6", "7"]),
            "a clock that was set back shuts nobody out"
        );
        let by_hand = roll.renew("p", &Signer::Given, at(60 * DAY), issued("8", 60 * DAY));
        assert_eq!(by_hand, Err(Denial::NotOurs));
    }
}
