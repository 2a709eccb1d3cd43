//! Who there is: users, tokens and sessions, as they are in the store.
//!
//! A picture of the store in memory, so that no request waits for it. It is
//! taken anew when the store's changes, which one small row tells; so what
//! another process changes counts here within seconds.

use std::collections::HashMap;

use owl_measure::time::{Nanos, Timestamp};

use super::grant::Grant;
use super::lockout::Origin;
use super::secret::SecretHash;
use super::viewer::{Standing, Viewer};

/// Users of a collector.
pub(crate) const USERS_MAX: usize = 1_000;
/// Tokens of a collector that are not void.
pub(crate) const TOKENS_MAX: usize = 1_000;
/// Sessions of one user; at the bound the one that was used longest ago ends.
pub(crate) const SESSIONS_MAX: usize = 16;
/// A session ends this long after its login, whatever is done with it.
pub(crate) const SESSION: Nanos = Nanos::from_secs(12 * 3_600);
/// A session ends when nothing was asked in it for so long. An open page asks for itself every ten seconds.
pub(crate) const IDLE: Nanos = Nanos::from_secs(30 * 60);
/// How exactly the store knows when a session or a token was last used.
pub(crate) const USED: Nanos = Nanos::from_secs(60);
/// Characters of a name.
const NAME_MAX: usize = 64;

/// A name that cannot be a user's or a token's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a name is 1 to {NAME_MAX} letters, digits, `-`, `_`, `.` and `@`, not \"{0}\"")]
pub struct BadName(String);

/// Whether a user or a token may be called so.
///
/// # Errors
/// When it holds anything but letters, digits, `-`, `_`, `.` and `@`, or is empty or too long.
pub(crate) fn check_name(name: &str) -> Result<(), BadName> {
    let fits = |c: char| c.is_alphanumeric() || "-_.@".contains(c);
    if (1..=NAME_MAX).contains(&name.chars().count()) && name.chars().all(fits) {
        Ok(())
    } else {
        Err(BadName(name.chars().take(NAME_MAX).collect()))
    }
}

/// A user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct User {
    pub(crate) grant: Grant,
    /// The hash of the password.
    pub(crate) password: String,
}

/// A token that is not void.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) name: String,
    pub(crate) grant: Grant,
    pub(crate) expires: Timestamp,
    pub(crate) used: Option<Timestamp>,
}

/// A login that goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Session {
    pub(crate) user: String,
    pub(crate) began: Timestamp,
    pub(crate) used: Timestamp,
    /// Where it began; `None` when what is stored is no address.
    pub(crate) origin: Option<Origin>,
}

impl Session {
    fn is_over(&self, now: Timestamp) -> bool {
        // What begins later than now was begun by a clock that has been set back: it ends, too.
        now - self.began >= SESSION || now - self.used >= IDLE || now < self.began - USED
    }
}

/// What is to be written of a use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Use {
    /// The store knows it well enough.
    Known,
    /// The store should be told.
    ToTell,
}

/// All of it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Directory {
    pub(crate) users: HashMap<String, User>,
    pub(crate) tokens: HashMap<SecretHash, Token>,
    pub(crate) sessions: HashMap<SecretHash, Session>,
}

impl Directory {
    /// Who shows a token, if it is one.
    pub(crate) fn by_token(&mut self, shown: &str, now: Timestamp) -> Option<(Viewer, Use)> {
        let token = self.tokens.get_mut(&SecretHash::of(shown))?;
        if now >= token.expires {
            return None;
        }
        let told = token.used.is_some_and(|used| now - used < USED);
        if !told {
            token.used = Some(now);
        }
        let (name, grant) = (token.name.clone(), token.grant.clone());
        let viewer = Viewer::new(Standing::Token { name, grant });
        Some((viewer, if told { Use::Known } else { Use::ToTell }))
    }

    /// Who shows the cookie of a session, if it goes on.
    pub(crate) fn by_session(&mut self, shown: &str, now: Timestamp) -> Option<(Viewer, Use)> {
        let session = self.sessions.get_mut(&SecretHash::of(shown))?;
        if session.is_over(now) {
            return None;
        }
        let grant = self.users.get(&session.user)?.grant.clone();
        let told = now - session.used < USED;
        if !told {
            session.used = now;
        }
        let name = session.user.clone();
        let viewer = Viewer::new(Standing::User { name, grant });
        Some((viewer, if told { Use::Known } else { Use::ToTell }))
    }

    /// Takes over a newer picture; what was used here since it was written stays used.
    pub(crate) fn renew(&mut self, mut newer: Self) {
        for (hash, session) in &mut newer.sessions {
            if let Some(known) = self.sessions.get(hash) {
                session.used = session.used.max(known.used);
            }
        }
        for (hash, token) in &mut newer.tokens {
            if let Some(known) = self.tokens.get(hash) {
                token.used = token.used.max(known.used);
            }
        }
        *self = newer;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::role::Role;

    const BEGAN: Timestamp = Timestamp(1_795_000_000_000_000_000);

    fn directory() -> Directory {
        let grant = Grant::new(Role::Viewer, []).unwrap();
        let mut directory = Directory::default();
        let user = User {
            grant: grant.clone(),
            password: String::new(),
        };
        directory.users.insert("anna".into(), user);
        let session = Session {
            user: "anna".into(),
            began: BEGAN,
            used: BEGAN,
            origin: None,
        };
        directory.sessions.insert(SecretHash::of("cookie"), session);
        let token = Token {
            name: "prometheus".into(),
            grant,
            expires: BEGAN + Nanos::from_secs(3_600),
            used: None,
        };
        directory.tokens.insert(SecretHash::of("owl_x"), token);
        directory
    }

    /// Who a session is after so many minutes of silence.
    fn after(directory: &mut Directory, minutes: i64) -> Option<Use> {
        let at = BEGAN + Nanos::from_secs(60 * minutes);
        let found = directory.by_session("cookie", at)?;
        assert_eq!(found.0.user(), Some("anna"));
        Some(found.1)
    }

    #[test]
    fn a_session_lasts_for_half_an_hour_of_silence_and_for_twelve_hours() {
        assert_eq!(after(&mut directory(), 29), Some(Use::ToTell));
        assert_eq!(after(&mut directory(), 30), None);
        let mut directory = directory();
        for minutes in (0..720).step_by(20) {
            assert!(after(&mut directory, minutes).is_some(), "{minutes}");
        }
        assert_eq!(after(&mut directory, 720), None);
        assert!(directory.by_session("other", BEGAN).is_none());
        let before = BEGAN - Nanos::from_secs(3_600);
        assert!(directory.by_session("cookie", before).is_none());
    }

    #[test]
    fn a_use_is_told_to_the_store_once_a_minute() {
        let mut directory = directory();
        let used = |directory: &mut Directory, seconds| {
            let at = BEGAN + Nanos::from_secs(seconds);
            directory.by_token("owl_x", at).map(|found| found.1)
        };
        assert_eq!(used(&mut directory, 0), Some(Use::ToTell));
        assert_eq!(used(&mut directory, 59), Some(Use::Known));
        assert_eq!(used(&mut directory, 60), Some(Use::ToTell));
        assert_eq!(after(&mut directory, 0), Some(Use::Known));
        assert_eq!(used(&mut directory, 3_600), None, "its time is over");
        assert!(directory.by_token("owl_y", BEGAN).is_none());
    }

    #[test]
    fn who_is_removed_is_nobody_and_what_was_used_meanwhile_stays_used() {
        let mut directory = directory();
        after(&mut directory, 25);
        directory.renew(self::directory());
        assert!(after(&mut directory, 50).is_some());
        let mut newer = self::directory();
        newer.users.clear();
        directory.renew(newer);
        assert_eq!(after(&mut directory, 51), None);
    }

    #[test]
    fn a_name_is_one_word() {
        for name in ["anna", "a.b@c", "省通管局", &"x".repeat(64)] {
            assert_eq!(check_name(name), Ok(()), "{name}");
        }
        for name in ["", "a b", "a\n", "<b>", &"x".repeat(65)] {
            assert!(check_name(name).is_err(), "{name}");
        }
    }
}
