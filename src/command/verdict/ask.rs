//! Having a verdict explained by a running collector.

use owl_collector::explain::{Explained, Question};
use owl_measure::words::Lang;

use super::fetch::{Collector, FetchError, Refusal, WayIn};

/// Why a collector explained nothing.
#[derive(Debug, thiserror::Error)]
pub(super) enum AskError {
    /// No answer came.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// An answer came that is none of a collector of this version.
    #[error("the answer is none of a collector of this version")]
    Strange,
    /// The collector said why it explains nothing.
    #[error("{error}")]
    Refused {
        /// HTTP's.
        status: u16,
        /// What it said.
        error: String,
        /// And what there is instead.
        hint: Option<String>,
    },
}

impl AskError {
    pub(super) fn hint(&self, lang: Lang) -> Option<String> {
        match self {
            Self::Refused { hint, .. } => hint.clone(),
            Self::Fetch(_) => Some(lang.pick(
                "--collector takes the address of `http` in the collector's configuration; --store DIR needs no collector",
                "--collector 为采集器配置中 `http` 的地址；--store DIR 不需要运行中的采集器",
            ).to_owned()),
            Self::Strange => None,
        }
    }
}

/// Has a verdict explained.
pub(super) fn ask(
    collector: &Collector,
    way_in: &WayIn,
    question: &Question,
    lang: Lang,
) -> Result<Explained, AskError> {
    let at = question.at.to_string();
    let mut query = vec![
        ("path", question.path.as_str()),
        ("at", &at),
        ("lang", lang.tag()),
    ];
    query.extend(
        question
            .profile
            .as_deref()
            .map(|profile| ("profile", profile)),
    );
    let (status, body) = collector.get("/api/v1/verdicts/explain", &query, way_in)?;
    if status == 200 {
        return serde_json::from_str(&body).map_err(|_| AskError::Strange);
    }
    let refusal: Refusal = serde_json::from_str(&body).map_err(|_| AskError::Strange)?;
    Err(AskError::Refused {
        status,
        hint: refusal.hint.clone(),
        error: refusal.said(),
    })
}
