//! Somebody who is let in: a user, a token, or whoever needs to be neither.

use super::grant::Grant;
use super::role::{Right, Role};
use super::scope::Scope;

/// As what somebody is let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Logged in with a password.
    User { name: String, grant: Grant },
    /// Showed a token.
    Token { name: String, grant: Grant },
    /// On this host, at a collector that has no users yet and is reached from nowhere else.
    Local,
    /// From a network that may read metrics.
    Network,
    /// Nobody known.
    Nobody,
}

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Viewer {
    pub(crate) standing: Standing,
    scope: Scope,
}

impl Viewer {
    pub(crate) fn new(standing: Standing) -> Self {
        let scope = match &standing {
            Standing::User { grant, .. } | Standing::Token { grant, .. } => grant.scope(),
            Standing::Local | Standing::Network => Scope::All,
            Standing::Nobody => Scope::of([]),
        };
        Self { standing, scope }
    }

    pub(crate) fn scope(&self) -> &Scope {
        &self.scope
    }

    /// Whether the right is among those that the role, the place or the network gives.
    pub(crate) fn has(&self, right: Right) -> bool {
        match &self.standing {
            Standing::User { grant, .. } | Standing::Token { grant, .. } => grant.has(right),
            Standing::Local => Role::Admin.has(right),
            Standing::Network => matches!(right, Right::Network | Right::Public),
            Standing::Nobody => right == Right::Public,
        }
    }

    pub(crate) fn is_known(&self) -> bool {
        matches!(
            self.standing,
            Standing::User { .. } | Standing::Token { .. }
        )
    }

    /// The name of a user who logged in.
    pub(crate) fn user(&self) -> Option<&str> {
        match &self.standing {
            Standing::User { name, .. } => Some(name),
            _ => None,
        }
    }

    /// The name in the audit log.
    pub(crate) fn who(&self) -> String {
        match &self.standing {
            Standing::User { name, .. } => name.clone(),
            Standing::Token { name, .. } => format!("token {name}"),
            Standing::Local | Standing::Network | Standing::Nobody => "-".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_needs_no_login_may_what_the_place_gives_and_nobody_may_nothing() {
        use Right::{Audit, Network, Paths, Public, Workings};
        #[track_caller]
        fn check(standing: Standing, rights: &[Right]) {
            let viewer = Viewer::new(standing);
            for right in [Public, Paths, Network, Workings, Audit] {
                assert_eq!(viewer.has(right), rights.contains(&right), "{viewer:?}");
            }
        }
        check(Standing::Local, &[Public, Paths, Network, Workings, Audit]);
        check(Standing::Network, &[Public, Network]);
        check(Standing::Nobody, &[Public]);
        assert!(!Viewer::new(Standing::Nobody).scope().is_all());
        let grant = Grant::new(Role::Regulator, ["ct".to_owned()]).unwrap();
        let name = "grafana".to_owned();
        let viewer = Viewer::new(Standing::Token { name, grant });
        assert!(viewer.scope().sees_carrier("ct") && !viewer.scope().sees_carrier("cm"));
        assert_eq!(
            (viewer.who().as_str(), viewer.user()),
            ("token grafana", None)
        );
    }
}
