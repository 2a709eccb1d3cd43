//! Words of which a key takes one.

use owl_measure::verdict::Population;

/// A value that is written as one of a few words.
pub(crate) trait Choice: Sized + 'static {
    /// Every word with its value, in the order in which help lists them.
    const WORDS: &'static [(&'static str, Self)];
}

impl Choice for Population {
    const WORDS: &'static [(&'static str, Self)] =
        &[("packets", Self::Packets), ("path", Self::Path)];
}

/// Declares an enum whose variants are the words of one key.
macro_rules! choice {
    ($(#[$meta:meta])* pub enum $name:ident { $($(#[$doc:meta])* $variant:ident = $word:literal,)* }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
        pub enum $name {
            $($(#[$doc])* #[serde(rename = $word)] $variant,)*
        }

        impl $name {
            /// The word in the file.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)*
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl $crate::choice::Choice for $name {
            const WORDS: &'static [(&'static str, Self)] = &[$(($word, Self::$variant)),*];
        }
    };
}

pub(crate) use choice;
