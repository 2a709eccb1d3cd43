//! One TOML value as one of the kinds that a topology knows.

use std::net::{IpAddr, SocketAddr};

use owl_measure::time::{Nanos, Timestamp};
use toml::de::DeValue;
use toml::value::Datetime;

use crate::choice::Choice;
use crate::diagnostic::{Code, Text, is_control, shortened, text};
use crate::id::{self, CarrierId, ClassId, LinkId, MeasureId, ProbeId, SiteId};
use crate::quantity::{self, BusyHours, Rate};

/// The longest text of one key, in octets: names are shown in tables and quoted in messages.
const TEXT_MAX: usize = 1_024;

/// Why a value is not of its kind.
pub(super) struct Fault {
    pub(super) code: Code,
    /// What it must be: the end of a sentence that begins "KEY must be".
    pub(super) expected: Text,
    pub(super) hint: Text,
}

impl Fault {
    pub(super) fn expected(expected: Text) -> Self {
        Self {
            code: Code::E003,
            expected,
            hint: text!("correct the value", "请更正该值"),
        }
    }

    fn example(expected: Text, example: &str) -> Self {
        Self {
            hint: text!("for example {example}", "例如 {example}"),
            ..Self::expected(expected)
        }
    }
}

/// A kind of value.
pub(super) trait Value: Sized {
    fn read(value: &DeValue<'_>) -> Result<Self, Fault>;
}

impl Value for String {
    fn read(value: &DeValue<'_>) -> Result<Self, Fault> {
        match value {
            DeValue::String(text) if text.len() > TEXT_MAX => Err(Fault::expected(text!(
                "at most {TEXT_MAX} octets of text",
                "不超过 {TEXT_MAX} 字节的文字"
            ))),
            DeValue::String(text) if text.contains(is_control) => Err(Fault::expected(text!(
                "one line of text without control characters",
                "不含控制字符的一行文字"
            ))),
            DeValue::String(text) if !text.trim().is_empty() => Ok(text.to_string()),
            DeValue::String(_) => Err(Fault {
                hint: text!(
                    "it must not be empty: fill it in, or leave out a key that may be left out",
                    "不得为空：请填写；可省略的键也可省略"
                ),
                ..Fault::expected(text!("text that is not empty", "非空文字"))
            }),
            _ => Err(Fault::expected(text!("text in quotes", "引号内的文字"))),
        }
    }
}

impl Value for bool {
    fn read(value: &DeValue<'_>) -> Result<Self, Fault> {
        value
            .as_bool()
            .ok_or_else(|| Fault::expected(text!("true or false", " true 或 false")))
    }
}

impl Value for f64 {
    fn read(value: &DeValue<'_>) -> Result<Self, Fault> {
        let number = match value {
            DeValue::Float(float) => float.as_str().parse().ok(),
            DeValue::Integer(integer) => i64::from_str_radix(integer.as_str(), integer.radix())
                .ok()
                .map(|n| n as Self),
            _ => None,
        };
        number
            .filter(|number: &Self| number.is_finite())
            .ok_or_else(|| Fault::expected(text!("a number", "数字")))
    }
}

/// Unsigned whole numbers, each up to what its type holds.
macro_rules! whole {
    ($($kind:ty),*) => {$(
        impl Value for $kind {
            fn read(value: &DeValue<'_>) -> Result<Self, Fault> {
                let most = Self::MAX;
                value
                    .as_integer()
                    .and_then(|integer| Self::from_str_radix(integer.as_str(), integer.radix()).ok())
                    .ok_or_else(|| Fault::expected(text!(
                        "a whole number from 0 to {most}",
                        "0 到 {most} 之间的整数",
                    )))
            }
        }
    )*};
}

whole!(u8, u16, u32, u64);

/// Text that must be an id.
macro_rules! ids {
    ($($kind:ty),*) => {$(
        impl Value for $kind {
            fn read(value: &DeValue<'_>) -> Result<Self, Fault> {
                Id::read(value).map(|id| Self::from(id.0.as_str()))
            }
        }
    )*};
}

ids!(CarrierId, SiteId, LinkId, ClassId, ProbeId, MeasureId);

/// An id of a kind that nothing outside its own table refers to.
pub(super) struct Id(pub(super) String);

impl Value for Id {
    fn read(value: &DeValue<'_>) -> Result<Self, Fault> {
        value
            .as_str()
            .filter(|text| id::is_valid(text))
            .map(|text| Self(text.into()))
            .ok_or_else(|| {
                Fault::example(
                    text!(
                        "an id of letters, digits, - _ and . (64 at most)",
                        "由字母、数字及 - _ . 组成的标识（最多 64 个）"
                    ),
                    "\"yc-yannan\"",
                )
            })
    }
}

impl Value for Nanos {
    fn read(value: &DeValue<'_>) -> Result<Self, Fault> {
        let example = "\"1ms\"";
        let span: Option<Self> = value.as_str().and_then(|text| text.parse().ok());
        match span {
            Some(span) if span > Self::ZERO => Ok(span),
            Some(_) => Err(Fault::example(text!("above zero", "大于零的时长"), example)),
            None => Err(Fault::example(
                text!("a duration with a unit", "带单位的时长"),
                example,
            )),
        }
    }
}

impl Value for Rate {
    fn read(value: &DeValue<'_>) -> Result<Self, Fault> {
        value
            .as_str()
            .and_then(|text| text.parse().ok())
            .ok_or_else(|| {
                Fault::example(
                    text!("a rate with k, M, G, T or P", "带 k、M、G、T 或 P 的速率"),
                    "\"400G\"",
                )
            })
    }
}

impl Value for BusyHours {
    fn read(value: &DeValue<'_>) -> Result<Self, Fault> {
        value
            .as_str()
            .and_then(|text| text.parse().ok())
            .ok_or_else(|| {
                Fault::example(text!("hours of one day", "一天内的时段"), "\"09:00-12:00\"")
            })
    }
}

impl Value for IpAddr {
    fn read(value: &DeValue<'_>) -> Result<Self, Fault> {
        value
            .as_str()
            .and_then(|text| text.parse().ok())
            .ok_or_else(|| Fault::example(text!("an IP address", " IP 地址"), "\"192.0.2.10\""))
    }
}

impl Value for SocketAddr {
    fn read(value: &DeValue<'_>) -> Result<Self, Fault> {
        value
            .as_str()
            .and_then(|text| text.parse().ok())
            .ok_or_else(|| {
                Fault::example(
                    text!("an IP address and port", " IP 地址和端口"),
                    "\"192.0.2.10:4455\"",
                )
            })
    }
}

impl Value for Timestamp {
    fn read(value: &DeValue<'_>) -> Result<Self, Fault> {
        let example = "\"2026-11-30T00:00:00+08:00\"";
        let written: Option<Datetime> = match value {
            DeValue::Datetime(written) => Some(*written),
            DeValue::String(text) => text.parse().ok(),
            _ => None,
        };
        let written = written.ok_or_else(|| {
            Fault::example(
                text!("a date and time (RFC 3339)", "日期时间（RFC 3339）"),
                example,
            )
        })?;
        quantity::instant(&written).ok_or_else(|| Fault {
            code: Code::E140,
            ..Fault::example(
                text!(
                    "a date and time with its offset from UTC",
                    "带 UTC 偏移的日期时间"
                ),
                example,
            )
        })
    }
}

impl<T: Choice + Copy> Value for T {
    fn read(value: &DeValue<'_>) -> Result<Self, Fault> {
        let word = value.as_str().unwrap_or_default();
        Self::WORDS
            .iter()
            .find(|(known, _)| *known == word)
            .map(|&(_, choice)| choice)
            .ok_or_else(|| {
                let words: Vec<_> = Self::WORDS.iter().map(|&(word, _)| word).collect();
                let all = words.join(", ");
                let fault = Fault::expected(text!("one of {all}", "以下之一：{all}"));
                match id::nearest(&shortened(word), words) {
                    Some(near) => Fault {
                        hint: text!("did you mean \"{near}\"?", "是否想写“{near}”？"),
                        ..fault
                    },
                    None => fault,
                }
            })
    }
}
