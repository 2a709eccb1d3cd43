//! What somebody is allowed: a role, and the carriers that it is limited to.

use std::collections::BTreeSet;

use super::role::{Right, Role};
use super::scope::{CARRIERS_MAX, Scope};

/// A role with its carriers. Only a regulator has some, and a regulator has at least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    role: Role,
    carriers: BTreeSet<String>,
}

/// A role that cannot have these carriers.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GrantError {
    /// Whom a regulator regulates must be said.
    #[error("a regulator needs the carriers whose paths it sees")]
    NoCarrier,
    /// The others see all of them.
    #[error("a role of {0} sees all carriers; only a regulator is limited to some")]
    NotLimited(Role),
    /// The topology has no such carrier.
    #[error("the topology has no carrier {asked}; there are {known}")]
    UnknownCarrier {
        /// As it was said.
        asked: String,
        /// Those that there are.
        known: String,
    },
    /// There are too many.
    #[error("a regulator is limited to {CARRIERS_MAX} carriers at most")]
    TooMany,
}

impl Grant {
    /// A role with carriers, by their ids.
    ///
    /// # Errors
    /// When the role cannot have them.
    pub fn new(role: Role, carriers: impl IntoIterator<Item = String>) -> Result<Self, GrantError> {
        let carriers: BTreeSet<String> = carriers.into_iter().collect();
        match (role, carriers.len()) {
            (Role::Regulator, 0) => Err(GrantError::NoCarrier),
            (Role::Regulator, 1..=CARRIERS_MAX) | (_, 0) => Ok(Self { role, carriers }),
            (Role::Regulator, _) => Err(GrantError::TooMany),
            _ => Err(GrantError::NotLimited(role)),
        }
    }

    /// Holds the carriers against those of a topology.
    ///
    /// # Errors
    /// Naming the first that it does not have.
    pub fn known_to(&self, topology: &owl_topology::Topology) -> Result<(), GrantError> {
        let known = || topology.carriers.iter().map(|carrier| carrier.id.as_str());
        let unknown = |asked: &&String| !known().any(|id| id == *asked);
        match self.carriers.iter().find(unknown) {
            None => Ok(()),
            Some(asked) => Err(GrantError::UnknownCarrier {
                asked: asked.clone(),
                known: known().collect::<Vec<_>>().join(", "),
            }),
        }
    }

    /// The role.
    pub fn role(&self) -> Role {
        self.role
    }

    /// The carriers that it is limited to; none for a role that is not limited.
    pub fn carriers(&self) -> &BTreeSet<String> {
        &self.carriers
    }

    pub(crate) fn scope(&self) -> Scope {
        match self.role {
            Role::Regulator => Scope::Carriers(self.carriers.clone()),
            _ => Scope::All,
        }
    }

    pub(crate) fn has(&self, right: Right) -> bool {
        self.role.has(right)
    }

    /// The role and the carriers in a few letters, for logs and lists: `regulator of cm, ct`.
    pub(crate) fn words(&self) -> String {
        let carriers: Vec<&str> = self.carriers.iter().map(String::as_str).collect();
        match carriers.as_slice() {
            [] => self.role.code().to_owned(),
            some => format!("{} of {}", self.role.code(), some.join(", ")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_regulator_has_carriers_of_the_topology_and_nobody_else_has_any() {
        let topology = owl_topology::Topology::yancheng();
        let granted = |role, carriers: &[&str]| {
            let grant = Grant::new(role, carriers.iter().map(|&id| id.to_owned()))
                .map_err(|error| error.to_string())?;
            grant
                .known_to(&topology)
                .map_err(|error| error.to_string())?;
            Ok::<_, String>(grant.words())
        };
        assert_eq!(granted(Role::Viewer, &[]), Ok("viewer".into()));
        assert_eq!(
            granted(Role::Regulator, &["ct", "cm"]),
            Ok("regulator of cm, ct".into())
        );
        for (role, carriers, expected) in [
            (Role::Regulator, &[][..], "needs the carriers"),
            (Role::Admin, &["ct"], "a role of admin sees all"),
            (Role::Regulator, &["xx"], "no carrier xx; there are"),
        ] {
            let refused = granted(role, carriers).unwrap_err();
            assert!(refused.contains(expected), "{refused}");
        }
        let many = (0..65).map(|k| k.to_string());
        assert_eq!(Grant::new(Role::Regulator, many), Err(GrantError::TooMany));
    }
}
