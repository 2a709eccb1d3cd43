//! Why a session-sender sent nothing: what its far end, or the way to it, has
//! refused before the first test packet.
//!
//! Only sessions that two hosts agree on beforehand (TWAMP-Control, RFC 5357)
//! can be hindered; a STAMP session-sender sends whoever listens.

use serde::{Deserialize, Serialize};

use crate::words::Lang;

/// Why a session-sender sent nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "what")]
pub enum Hindrance {
    /// No TCP connection to the server comes about.
    Unreachable,
    /// The server has no room, offers no mode that the probe speaks, or does not know the user or the pass-phrase.
    NotLetIn,
    /// The server answers no request in time, or says what makes no sense.
    Silent,
    /// The server refuses the session (Request-TW-Session, RFC 5357, section 3.5).
    Refused {
        /// The Accept value (RFC 4656, section 3.3).
        accept: u8,
    },
    /// The server has accepted the session, and does not start it (Start-Sessions, section 3.7).
    NotStarted {
        /// The Accept value (RFC 4656, section 3.3).
        accept: u8,
    },
    /// The connection ended while the session ran, and with it the session (section 3.8).
    Ended,
    /// The probe has no pass-phrase of the user that its plan names, or no port, or no thread left.
    Unprepared,
}

impl Hindrance {
    /// The numbers of the report: which one, and its Accept value.
    pub(crate) fn to_numbers(self) -> (u32, u32) {
        match self {
            Self::Unreachable => (1, 0),
            Self::NotLetIn => (2, 0),
            Self::Silent => (3, 0),
            Self::Refused { accept } => (4, accept.into()),
            Self::NotStarted { accept } => (5, accept.into()),
            Self::Ended => (6, 0),
            Self::Unprepared => (7, 0),
        }
    }

    /// From the numbers of the report; `None` for none, and for one that this version does not know.
    pub(crate) fn from_numbers(which: u32, accept: u32) -> Option<Self> {
        let accept = u8::try_from(accept).unwrap_or(u8::MAX);
        Some(match which {
            1 => Self::Unreachable,
            2 => Self::NotLetIn,
            3 => Self::Silent,
            4 => Self::Refused { accept },
            5 => Self::NotStarted { accept },
            6 => Self::Ended,
            7 => Self::Unprepared,
            _ => return None,
        })
    }

    /// One sentence for a person about `probe` and the TWAMP server `server`.
    pub fn sentence(self, probe: &str, server: &str, lang: Lang) -> String {
        match self {
            Self::Unreachable => lang.pick(
                format!("the TWAMP server of {server} cannot be reached by TCP from {probe}"),
                format!("{probe} 无法通过 TCP 连接 {server} 的 TWAMP 服务器"),
            ),
            Self::NotLetIn => lang.pick(
                format!("the TWAMP server of {server} does not let {probe} in: no room, no common mode, or another user or pass-phrase"),
                format!("{server} 的 TWAMP 服务器不接纳 {probe}：名额已满、无共同模式，或用户与口令不符"),
            ),
            Self::Silent => lang.pick(
                format!("the TWAMP server of {server} does not answer {probe} as RFC 5357 says"),
                format!("{server} 的 TWAMP 服务器未按 RFC 5357 应答 {probe}"),
            ),
            Self::Refused { accept } => lang.pick(
                format!("the TWAMP server of {server} refuses the session of {probe}: Accept {accept}"),
                format!("{server} 的 TWAMP 服务器拒绝 {probe} 的会话：Accept {accept}"),
            ),
            Self::NotStarted { accept } => lang.pick(
                format!("the TWAMP server of {server} does not start the session of {probe}: Accept {accept}"),
                format!("{server} 的 TWAMP 服务器不启动 {probe} 的会话：Accept {accept}"),
            ),
            Self::Ended => lang.pick(
                format!("the TWAMP server of {server} has ended the session of {probe}"),
                format!("{server} 的 TWAMP 服务器结束了 {probe} 的会话"),
            ),
            Self::Unprepared => lang.pick(
                format!("{probe} cannot ask the TWAMP server of {server}: it has no pass-phrase of that user, or no room; its log says which"),
                format!("{probe} 无法向 {server} 的 TWAMP 服务器发起会话：缺少该用户的口令或资源不足，详见其日志"),
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_hindrance_survives_its_numbers_and_unknown_ones_are_none() {
        for which in 0..20 {
            let read = Hindrance::from_numbers(which, 3);
            assert_eq!(read.is_some(), (1..=7).contains(&which), "{which}");
            let Some(read) = read else { continue };
            let (again, accept) = read.to_numbers();
            assert_eq!(again, which);
            assert_eq!(Hindrance::from_numbers(again, accept), Some(read));
        }
        assert_eq!(
            Hindrance::from_numbers(4, 300),
            Some(Hindrance::Refused { accept: 255 })
        );
    }

    #[test]
    fn a_refusal_is_told_with_its_accept_value_in_both_languages() {
        let refused = Hindrance::Refused { accept: 3 };
        for lang in [Lang::En, Lang::Zh] {
            let said = refused.sentence("yannan", "router", lang);
            for part in ["yannan", "router", "Accept 3"] {
                assert!(said.contains(part), "{said}");
            }
        }
    }
}
