//! Names by which the tables of a topology refer to each other.
//!
//! One type for each kind, so a site can never be asked for by the name of a
//! probe. The characters are limited to those that need no quoting in a path
//! id, a metric label or a URL; [`is_valid`] says which.

use std::fmt;

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// The id as it stands in the file.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(text.into())
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }
    )*};
}

ids! {
    /// The id of a carrier, such as `ct`.
    CarrierId,
    /// The id of a site, such as `yc-yannan`.
    SiteId,
    /// The id of a link.
    LinkId,
    /// The id of a path class, such as `intra-city`.
    ClassId,
    /// The id of a probe, such as `yannan-ct`.
    ProbeId,
    /// The id of a measurement.
    MeasureId,
    /// The id of a device.
    DeviceId,
    /// The id of a device's port.
    PortId,
}

/// Whether `text` can be an id: ASCII letters and digits, `-`, `_` and `.`, at most 64 of them.
pub(crate) fn is_valid(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
}

/// The one of `names` that `wrong` was most likely meant to be, if any is near.
pub(crate) fn nearest<'a>(
    wrong: &str,
    names: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let most = (wrong.chars().count() / 3).clamp(1, 3);
    names
        .into_iter()
        .map(|name| (strsim::damerau_levenshtein(wrong, name), name))
        .filter(|&(distance, _)| distance <= most)
        .min()
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_finger_finds_its_name_and_another_word_does_not() {
        let names = ["yc-yannan", "yc-urban", "sh-core"];
        for (wrong, meant) in [
            ("yc-yanan", Some("yc-yannan")),
            ("sh-croe", Some("sh-core")),
            ("beijing", None),
            ("", None),
        ] {
            assert_eq!(nearest(wrong, names), meant, "{wrong}");
        }
    }

    #[test]
    fn an_id_needs_no_quoting_anywhere() {
        for good in ["ct", "yc-yannan", "ptp-g8275.1", "A_1"] {
            assert!(is_valid(good), "{good}");
        }
        for bad in ["", "a b", "a~b", "盐南", "a/b", &"x".repeat(65)] {
            assert!(!is_valid(bad), "{bad}");
        }
    }
}
