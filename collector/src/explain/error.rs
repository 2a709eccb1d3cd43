//! Why there is nothing to explain.

use owl_measure::words::Lang;

use super::At;
use crate::rulebook::RulebookError;
use crate::store::StoreError;

/// A verdict that cannot be explained.
#[derive(Debug, thiserror::Error)]
pub enum ExplainError {
    /// The store cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// No window of the path was ever judged, or all are too old to be kept.
    #[error("cannot explain {path}: the store holds no verdict on it")]
    NoPath {
        /// The path.
        path: String,
        /// Some that are judged.
        known: Vec<String>,
    },
    /// No judged window holds the instant.
    #[error("cannot explain {path} at {at}: no judged window holds that instant")]
    NoWindow {
        /// The path.
        path: String,
        /// The instant.
        at: At,
        /// The nearest windows.
        nearby: Vec<String>,
    },
    /// The profile did not judge the instant.
    #[error("cannot explain {path} by profile {profile}: that instant was judged by {}", .judged_by.join(", "))]
    NoProfile {
        /// The path.
        path: String,
        /// The wanted one.
        profile: String,
        /// Those that did.
        judged_by: Vec<String>,
    },
    /// The rulebook that the verdict names is not in the store, or not as it was.
    #[error("cannot recompute the verdict on {path}: its rulebook {hash} is {}", .source.as_ref().map_or("missing", |_| "damaged"))]
    Rulebook {
        /// The path.
        path: String,
        /// The hash that the verdict names.
        hash: String,
        /// What is wrong with it; `None` when it is not there.
        source: Option<RulebookError>,
    },
}

impl ExplainError {
    /// Whether the store is not as a collector left it.
    pub fn is_damage(&self) -> bool {
        matches!(
            self,
            Self::Rulebook { .. }
                | Self::Store(
                    StoreError::Damaged { .. }
                        | StoreError::DamagedBatch { .. }
                        | StoreError::DamagedBlock { .. }
                        | StoreError::DamagedReport { .. }
                )
        )
    }

    /// What there is instead, as one sentence.
    pub fn hint(&self, lang: Lang) -> Option<String> {
        match self {
            Self::NoPath { known, .. } if !known.is_empty() => {
                let known = known.join(", ");
                Some(lang.pick(
                    format!("a path is FROM~TO, for example {known}"),
                    format!("路径写作 FROM~TO，例如 {known}"),
                ))
            }
            Self::NoWindow { nearby, .. } => {
                let nearby = nearby.join(", ");
                Some(lang.pick(
                    format!("the nearest windows are {nearby}"),
                    format!("最近的窗口：{nearby}"),
                ))
            }
            Self::Store(StoreError::Version { .. }) => Some(
                lang.pick(
                    "a collector of this version brings an older store up to date when it starts",
                    "本版本的采集器启动时会自动升级旧版存储",
                )
                .to_owned(),
            ),
            _ => None,
        }
    }
}
