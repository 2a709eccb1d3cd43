//! Passwords: what is kept instead of them, and how one is checked.
//!
//! Argon2id with the second recommended option of RFC 9106, section 4: three
//! passes, four lanes, 64 MiB, a salt of 128 bits, a tag of 256. A check takes
//! that memory and a good part of a second of one core, so few run at once and
//! few wait ([`Checker`]); and an unknown name takes one, too, so that the time
//! of an answer does not tell which names there are.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use argon2::password_hash::{PasswordHash, PasswordHasher as _, PasswordVerifier as _, SaltString};
use argon2::{Algorithm, Argon2, Params, Version};
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use crate::identity::random;

/// RFC 9106, section 4, second recommended option: KiB, passes, lanes; the tag has 32 octets.
const MEMORY_KIB: u32 = 65_536;
const PASSES: u32 = 3;
const LANES: u32 = 4;
const TAG_OCTETS: usize = 32;
/// RFC 9106, section 3.1: 16 octets are recommended.
const SALT_OCTETS: usize = 16;

/// A password that is all there is to a login has 15 characters at least (NIST SP 800-63B-4, section 3.1.1.2).
pub const CHARACTERS_MIN: usize = 15;
/// Octets of a password; a longer one is a slip.
pub const OCTETS_MAX: usize = 1_024;

/// Checks at once: 128 MiB.
const CHECKS_MAX: usize = 2;
/// Logins under way at once, those that wait for a check too. Further ones are turned away until one is done.
const LOGINS_MAX: usize = 32;
/// How long a login waits for its check.
const PATIENCE: Duration = Duration::from_secs(8);

/// A password that cannot be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PasswordError {
    /// It can be guessed.
    #[error("a password has {CHARACTERS_MIN} characters at least; this one has {0}")]
    Short(usize),
    /// Nobody types it.
    #[error("a password has {OCTETS_MAX} octets at most")]
    Long,
    /// It holds characters that no keyboard makes, such as a line's end.
    #[error("a password has no control characters")]
    Control,
    /// The system gives no random numbers, or no memory.
    #[error("cannot hash a password")]
    Hash,
}

fn argon2() -> Argon2<'static> {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, Some(TAG_OCTETS))
        .expect("RFC 9106's own recommendation is within its bounds");
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
}

/// What is kept of a password: its hash with salt and parameters, as a PHC string.
///
/// # Errors
/// When it is too short or too long, or cannot be hashed.
pub(crate) fn hash(password: &str) -> Result<String, PasswordError> {
    let characters = password.chars().count();
    if password.len() > OCTETS_MAX {
        return Err(PasswordError::Long);
    }
    if characters < CHARACTERS_MIN {
        return Err(PasswordError::Short(characters));
    }
    if password.chars().any(char::is_control) {
        return Err(PasswordError::Control);
    }
    let octets: [u8; SALT_OCTETS] = random().map_err(|_| PasswordError::Hash)?;
    let salt = SaltString::encode_b64(&octets).map_err(|_| PasswordError::Hash)?;
    let hashed = argon2().hash_password(password.as_bytes(), &salt);
    hashed
        .map(|hash| hash.to_string())
        .map_err(|_| PasswordError::Hash)
}

/// Whether `password` is the one of `kept`; what is no hash is nobody's.
fn verify(password: &str, kept: &str) -> bool {
    PasswordHash::new(kept).is_ok_and(|hash| {
        // The parameters are those of the hash itself.
        argon2().verify_password(password.as_bytes(), &hash).is_ok()
    })
}

/// Kept of no password that anybody knows: what an unknown name's is checked against.
static NOBODYS: LazyLock<String> = LazyLock::new(|| {
    let salt = SaltString::from_b64("bm9ib2R5bm9ib2R5bm9ib2R5").expect("it is base64");
    let secret: [u8; 32] = random().unwrap_or([0; 32]);
    let hashed = argon2().hash_password(&secret, &salt);
    hashed.map(|hash| hash.to_string()).unwrap_or_default()
});

/// No place for a login.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Crowded;

/// Checks passwords off the asynchronous threads, few at once.
#[derive(Debug, Clone)]
pub(crate) struct Checker {
    logins: Arc<Semaphore>,
    checks: Arc<Semaphore>,
}

impl Checker {
    pub(crate) fn new() -> Self {
        Self {
            logins: Arc::new(Semaphore::new(LOGINS_MAX)),
            checks: Arc::new(Semaphore::new(CHECKS_MAX)),
        }
    }

    /// Whether `password` is the one of `kept`. Without `kept`, when there is no such user, it takes as long to say no.
    pub(crate) async fn check(
        &self,
        password: String,
        kept: Option<String>,
    ) -> Result<bool, Crowded> {
        let _place = self.logins.try_acquire().map_err(|_| Crowded)?;
        let turn = timeout(PATIENCE, Arc::clone(&self.checks).acquire_owned());
        let turn = turn.await.map_err(|_| Crowded)?.map_err(|_| Crowded)?;
        let checked = spawn_blocking(move || {
            // Held by the work itself: whoever hangs up meanwhile frees no place before its memory is free.
            let _turn = turn;
            if password.len() > OCTETS_MAX {
                return false;
            }
            match kept {
                Some(kept) => verify(&password, &kept),
                None => {
                    let _ = verify(&password, &NOBODYS);
                    false
                }
            }
        });
        Ok(checked.await.unwrap_or(false))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "correct horse battery";

    #[test]
    fn what_is_kept_is_argon2id_with_the_parameters_of_the_rfc() {
        let kept = hash(GOOD).unwrap();
        assert!(
            kept.starts_with("$argon2id$v=19$m=65536,t=3,p=4$"),
            "{kept}"
        );
        assert!(!kept.contains("horse"));
        assert_ne!(kept, hash(GOOD).unwrap(), "each has a salt of its own");
        assert!(verify(GOOD, &kept));
        assert!(!verify("correct horse batterz", &kept));
    }

    #[test]
    fn a_password_that_can_be_guessed_is_not_taken() {
        for (password, expected) in [
            ("fourteen chars", Err(PasswordError::Short(14))),
            ("一二三四五六七", Err(PasswordError::Short(7))),
            ("a line's end at last\n", Err(PasswordError::Control)),
            (&"x".repeat(1_025), Err(PasswordError::Long)),
        ] {
            assert_eq!(hash(password), expected, "{password}");
        }
        assert!(hash("一二三四五六七八九十甲乙丙丁戊").is_ok());
    }

    #[tokio::test]
    async fn an_unknown_name_and_a_damaged_hash_are_refused_like_a_wrong_password() {
        let checker = Checker::new();
        let kept = hash(GOOD).unwrap();
        for (password, kept, expected) in [
            (GOOD, Some(kept.clone()), true),
            ("wrong", Some(kept), false),
            (GOOD, None, false),
            (GOOD, Some("no hash".to_owned()), false),
        ] {
            let checked = checker.check(password.to_owned(), kept.clone());
            assert_eq!(checked.await, Ok(expected), "{password} {kept:?}");
        }
        assert!(PasswordHash::new(&NOBODYS).is_ok());
    }

    #[tokio::test]
    async fn more_logins_than_there_are_places_for_are_turned_away() {
        let checker = Checker::new();
        let _all = Arc::clone(&checker.logins)
            .acquire_many_owned(LOGINS_MAX as u32)
            .await
            .unwrap();
        assert_eq!(checker.check("x".into(), None).await, Err(Crowded));
    }
}
