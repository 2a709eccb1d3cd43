//! What is worth a record.

use serde::Serialize;

/// What somebody did, or was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Deed {
    /// Logged in.
    Login,
    /// Gave a wrong name or password.
    LoginFailed,
    /// Was not heard because of too many failures.
    LockedOut,
    /// Logged out.
    Logout,
    /// Was refused what the role or the carriers do not allow, or showed a token that is none.
    Refused,
    /// Was given what is stored: verdicts of the past, compliance, the audit log.
    Export,
    /// Made a user.
    UserAdded,
    /// Changed a user's password.
    PasswordChanged,
    /// Removed a user.
    UserRemoved,
    /// Made a token.
    TokenAdded,
    /// Made a token void.
    TokenRevoked,
    /// Made a token with which a probe can join.
    ProbeEnrolled,
    /// Shut a probe out.
    ProbeRevoked,
    /// A collector began to follow another plan.
    PlanChanged,
    /// Announced maintenance.
    MaintenanceDeclared,
    /// Ended maintenance before its time, or called it off.
    MaintenanceEnded,
    /// Records were left out, because there were too many of strangers in one minute.
    LeftOut,
}

impl Deed {
    /// Every one.
    pub const ALL: [Self; 17] = [
        Self::Login,
        Self::LoginFailed,
        Self::LockedOut,
        Self::Logout,
        Self::Refused,
        Self::Export,
        Self::UserAdded,
        Self::PasswordChanged,
        Self::UserRemoved,
        Self::TokenAdded,
        Self::TokenRevoked,
        Self::ProbeEnrolled,
        Self::ProbeRevoked,
        Self::PlanChanged,
        Self::MaintenanceDeclared,
        Self::MaintenanceEnded,
        Self::LeftOut,
    ];

    /// The word for it in the log.
    pub fn code(self) -> &'static str {
        match self {
            Self::Login => "login",
            Self::LoginFailed => "login-failed",
            Self::LockedOut => "locked-out",
            Self::Logout => "logout",
            Self::Refused => "refused",
            Self::Export => "export",
            Self::UserAdded => "user-added",
            Self::PasswordChanged => "password-changed",
            Self::UserRemoved => "user-removed",
            Self::TokenAdded => "token-added",
            Self::TokenRevoked => "token-revoked",
            Self::ProbeEnrolled => "probe-enrolled",
            Self::ProbeRevoked => "probe-revoked",
            Self::PlanChanged => "plan-changed",
            Self::MaintenanceDeclared => "maintenance-declared",
            Self::MaintenanceEnded => "maintenance-ended",
            Self::LeftOut => "left-out",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_deed_has_a_word_of_its_own() {
        let mut codes: Vec<_> = Deed::ALL.iter().map(|deed| deed.code()).collect();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), Deed::ALL.len());
        for deed in Deed::ALL {
            assert_eq!(serde_json::to_value(deed).unwrap(), deed.code());
        }
    }
}
