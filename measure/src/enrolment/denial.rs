//! Why a probe gets no certificate, and what mends it.

use crate::words::Lang;

/// Why a collector gives a probe no certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum Denial {
    /// A reason that this version does not know.
    Unspecified = 0,
    /// The probe has no such token: it was never made, or a newer one took its place.
    UnknownToken = 1,
    /// The time of the token is over.
    ExpiredToken = 2,
    /// Another key got a certificate with it.
    UsedToken = 3,
    /// The token is another probe's.
    OtherProbe = 4,
    /// What was sent is no certificate request that can be used.
    BadRequest = 5,
    /// Too many attempts, of this address or of all.
    TooOften = 6,
    /// The collector cannot read or write what it knows of its probes.
    Unable = 7,
    /// The certificate to be renewed was not signed by this collector.
    NotOurs = 8,
}

impl Denial {
    /// Every one, in the order of its number.
    pub const ALL: [Self; 9] = [
        Self::Unspecified,
        Self::UnknownToken,
        Self::ExpiredToken,
        Self::UsedToken,
        Self::OtherProbe,
        Self::BadRequest,
        Self::TooOften,
        Self::Unable,
        Self::NotOurs,
    ];

    /// Why, in one sentence.
    pub fn said(self, lang: Lang) -> &'static str {
        match self {
            Self::Unspecified => lang.pick(
                "the collector gives no certificate, for a reason that this version does not know",
                "采集器未签发证书，其原因是本版本所不认识的",
            ),
            Self::UnknownToken => lang.pick(
                "the collector knows no such token: a newer one took its place, or the probe was revoked since",
                "采集器不认识该令牌：已有更新的令牌取而代之，或该探针此后已被吊销",
            ),
            Self::ExpiredToken => lang.pick("the time of the token is over", "该令牌已过期"),
            Self::UsedToken => lang.pick(
                "the token was used already, with another key",
                "该令牌已被另一把密钥用过",
            ),
            Self::OtherProbe => lang.pick("the token is another probe's", "该令牌属于另一个探针"),
            Self::BadRequest => lang.pick(
                "the collector cannot use the certificate request",
                "采集器无法使用该证书请求",
            ),
            Self::TooOften => lang.pick(
                "there were too many attempts in the last minute",
                "最近一分钟内尝试次数过多",
            ),
            Self::Unable => lang.pick(
                "the collector cannot read or write what it knows of its probes; its log says why",
                "采集器无法读写其探针登记，原因见其日志",
            ),
            Self::NotOurs => lang.pick(
                "the certificate was not signed by this collector, so it cannot renew it",
                "该证书并非由此采集器签发，故不能由它续签",
            ),
        }
    }

    /// What the person at the probe does about it.
    pub fn hint(self, lang: Lang) -> &'static str {
        match self {
            Self::UnknownToken
            | Self::ExpiredToken
            | Self::UsedToken
            | Self::OtherProbe
            | Self::NotOurs => lang.pick(
                "`owl collector enroll PROBE` on the collector's host makes a new token",
                "在采集器主机上运行 `owl collector enroll PROBE` 可生成新令牌",
            ),
            Self::TooOften => lang.pick("try again in a minute", "一分钟后再试"),
            Self::Unspecified | Self::BadRequest => lang.pick(
                "run the same version of owl on both hosts",
                "请在两台主机上运行同一版本的 owl",
            ),
            Self::Unable => lang.pick(
                "once that is mended, the same command with the same token goes on",
                "排除故障后，用同一令牌再次运行同一命令即可继续",
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_denial_says_why_and_what_to_do_in_both_languages() {
        for denial in Denial::ALL {
            for lang in [Lang::En, Lang::Zh] {
                assert!(!denial.said(lang).is_empty() && !denial.hint(lang).is_empty());
            }
            assert_ne!(denial.said(Lang::En), denial.said(Lang::Zh));
        }
    }
}
