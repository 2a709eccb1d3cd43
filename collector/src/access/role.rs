//! Roles, and what each of them may.
//!
//! One table says it all. A role is what a user or a token has; a right is what
//! an address of the collector asks for.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;

/// What somebody is to this collector.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Everything, the audit log too.
    Admin,
    /// Everything about the network and the collector's own workings.
    Operator,
    /// Everything about the network.
    Viewer,
    /// The paths of some carriers, and nothing of the others.
    Regulator,
}

/// What an address asks of whoever calls it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Right {
    /// Nothing: anybody may, also somebody unknown.
    Public,
    /// To see paths, as far as the caller's carriers go.
    Paths,
    /// To see all carriers at once, as metrics do.
    Network,
    /// To see how the collector itself works.
    Workings,
    /// To read what people did.
    Audit,
}

/// Which role has which right. Nobody needs one for [`Right::Public`].
const RIGHTS: [(Role, &[Right]); 4] = [
    (
        Role::Admin,
        &[Right::Paths, Right::Network, Right::Workings, Right::Audit],
    ),
    (
        Role::Operator,
        &[Right::Paths, Right::Network, Right::Workings],
    ),
    (Role::Viewer, &[Right::Paths, Right::Network]),
    (Role::Regulator, &[Right::Paths]),
];

impl Role {
    /// Every role, the mightiest first.
    pub const ALL: [Self; 4] = [Self::Admin, Self::Operator, Self::Viewer, Self::Regulator];

    /// The word for it on the command line, in JSON and in the store.
    pub fn code(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Operator => "operator",
            Self::Viewer => "viewer",
            Self::Regulator => "regulator",
        }
    }

    pub(crate) fn has(self, right: Right) -> bool {
        right == Right::Public
            || RIGHTS
                .iter()
                .any(|(role, rights)| *role == self && rights.contains(&right))
    }
}

impl Right {
    /// What a refusal calls it.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::Public => "what anybody may see",
            Self::Paths => "paths",
            Self::Network => "what tells of all carriers at once",
            Self::Workings => "the collector's own workings",
            Self::Audit => "the audit log",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.code())
    }
}

/// A word that is no role.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no role is called \"{0}\"; there are admin, operator, viewer and regulator")]
pub struct UnknownRole(String);

impl FromStr for Role {
    type Err = UnknownRole;

    fn from_str(text: &str) -> Result<Self, UnknownRole> {
        let found = Self::ALL.into_iter().find(|role| role.code() == text);
        found.ok_or_else(|| UnknownRole(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_role_may_what_the_table_says_and_nothing_else() {
        use Right::{Audit, Network, Paths, Public, Workings};
        #[track_caller]
        fn check(role: Role, yes: &[Right], no: &[Right]) {
            assert!(yes.iter().all(|right| role.has(*right)), "{role}");
            assert!(!no.iter().any(|right| role.has(*right)), "{role}");
        }
        check(Role::Admin, &[Public, Paths, Network, Workings, Audit], &[]);
        check(
            Role::Operator,
            &[Public, Paths, Network, Workings],
            &[Audit],
        );
        check(Role::Viewer, &[Public, Paths, Network], &[Workings, Audit]);
        check(
            Role::Regulator,
            &[Public, Paths],
            &[Network, Workings, Audit],
        );
    }

    #[test]
    fn a_role_is_read_as_it_is_written() {
        for role in Role::ALL {
            assert_eq!(role.to_string().parse(), Ok(role));
        }
        let unknown = "root".parse::<Role>().unwrap_err().to_string();
        assert!(unknown.contains("\"root\"") && unknown.contains("regulator"));
    }
}
