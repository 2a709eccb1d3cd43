//! The two languages owl speaks.
//!
//! The texts stand beside what they describe; this file only says which
//! language is meant and how one is chosen.

use std::fmt;
use std::str::FromStr;

/// A language of the texts that a person reads. Machines get codes.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, Default, serde::Serialize, serde::Deserialize,
)]
pub enum Lang {
    /// English
    #[default]
    #[serde(rename = "en")]
    En,
    /// Simplified Chinese
    #[serde(rename = "zh-CN")]
    Zh,
}

impl Lang {
    /// Picks the text of this language.
    pub fn pick<T>(self, en: T, zh: T) -> T {
        match self {
            Self::En => en,
            Self::Zh => zh,
        }
    }

    /// The language of a POSIX locale such as `zh_CN.UTF-8`; English for any other.
    pub fn from_locale(locale: &str) -> Self {
        if locale.to_ascii_lowercase().starts_with("zh") {
            Self::Zh
        } else {
            Self::En
        }
    }

    /// The BCP 47 tag.
    pub fn tag(self) -> &'static str {
        self.pick("en", "zh-CN")
    }
}

impl fmt::Display for Lang {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.tag())
    }
}

/// A language owl does not speak.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot speak \"{0}\"; the languages are en and zh-CN")]
pub struct UnknownLang(String);

impl FromStr for Lang {
    type Err = UnknownLang;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.to_ascii_lowercase().as_str() {
            "en" => Ok(Self::En),
            "zh" | "zh-cn" | "zh_cn" => Ok(Self::Zh),
            _ => Err(UnknownLang(text.into())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_locale_chooses_the_language_and_english_is_the_rest() {
        assert_eq!(Lang::from_locale("zh_CN.UTF-8"), Lang::Zh);
        assert_eq!(Lang::from_locale("C.UTF-8"), Lang::En);
        assert_eq!("zh-CN".parse(), Ok(Lang::Zh));
        assert!("fr".parse::<Lang>().is_err());
    }
}
