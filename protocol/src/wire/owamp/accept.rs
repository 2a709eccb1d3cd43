//! The Accept field (RFC 4656, section 3.3): what became of a request.

use std::fmt;

/// What became of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accept {
    /// 0: accepted.
    Ok,
    /// 1: refused, no reason given.
    Failure,
    /// 2: internal error.
    InternalError,
    /// 3: some aspect of the request is not supported.
    NotSupported,
    /// 4: more than there ever is room for.
    PermanentLimit,
    /// 5: more than there is room for now.
    TemporaryLimit,
    /// A value without a meaning; refused all the same.
    Other(u8),
}

impl Accept {
    /// Reads the field.
    pub fn from_octet(octet: u8) -> Self {
        match octet {
            0 => Self::Ok,
            1 => Self::Failure,
            2 => Self::InternalError,
            3 => Self::NotSupported,
            4 => Self::PermanentLimit,
            5 => Self::TemporaryLimit,
            other => Self::Other(other),
        }
    }

    /// Writes the field.
    pub fn to_octet(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Failure => 1,
            Self::InternalError => 2,
            Self::NotSupported => 3,
            Self::PermanentLimit => 4,
            Self::TemporaryLimit => 5,
            Self::Other(other) => other,
        }
    }
}

impl fmt::Display for Accept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ok => f.write_str("accepted"),
            Self::Failure => f.write_str("refused without a reason"),
            Self::InternalError => f.write_str("internal error"),
            Self::NotSupported => f.write_str("some aspect of the request is not supported"),
            Self::PermanentLimit => f.write_str("more than it ever has room for"),
            Self::TemporaryLimit => f.write_str("more than it has room for now"),
            Self::Other(other) => write!(f, "refused with the unknown code {other}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_octet_is_read_and_written_back() {
        for octet in 0..=u8::MAX {
            assert_eq!(Accept::from_octet(octet).to_octet(), octet);
        }
        assert_eq!(Accept::from_octet(5), Accept::TemporaryLimit);
        assert_eq!(Accept::from_octet(6), Accept::Other(6));
    }
}
