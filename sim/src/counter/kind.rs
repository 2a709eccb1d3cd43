//! What is wrong with an agent.

/// One kind of trouble, or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Counters of 64 bits, no trouble.
    Clean,
    /// Counters of 32 bits that wrap, on links slow enough to be sure.
    Wraps32,
    /// Counters of 32 bits on links that may wrap several times between two samples.
    FastWraps32,
    /// A counter of 64 bits near its end.
    Wrap64,
    /// The agent restarts now and then.
    Restarts,
    /// The agent restarts, and its counters keep their values.
    RestartsKept,
    /// The agent restarts and forgets to be asked: some of its sysUpTime are missing.
    RestartsUntold,
    /// The counter is cleared while the agent runs on, and tells so.
    Clears,
    /// The same, and some of the answers do not say when it last began.
    ClearsUntold,
    /// sysUpTime wraps.
    UpWraps,
    /// Answers get lost.
    Loss,
    /// Answers come twice, and in another order.
    Disorder,
    /// The agent answers from copies that are older than the samples are apart.
    Copies,
    /// The agent's clock is wrong by up to half a percent.
    BadClock,
    /// Round trips of up to two seconds.
    SlowAnswers,
    /// The agent does not tell its sysUpTime.
    NoUp,
    /// Round trips are not told.
    NoRtt,
    /// Links at their full rate.
    Full,
    /// Ports with little traffic, or none for a while.
    Idle,
    /// Several of these at once.
    Everything,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 20] = [
        Self::Clean,
        Self::Wraps32,
        Self::FastWraps32,
        Self::Wrap64,
        Self::Restarts,
        Self::RestartsKept,
        Self::RestartsUntold,
        Self::Clears,
        Self::ClearsUntold,
        Self::UpWraps,
        Self::Loss,
        Self::Disorder,
        Self::Copies,
        Self::BadClock,
        Self::SlowAnswers,
        Self::NoUp,
        Self::NoRtt,
        Self::Full,
        Self::Idle,
        Self::Everything,
    ];

    /// A name for tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Clean => "clean",
            Self::Wraps32 => "wraps-32",
            Self::FastWraps32 => "fast-wraps-32",
            Self::Wrap64 => "wrap-64",
            Self::Restarts => "restarts",
            Self::RestartsKept => "restarts-kept",
            Self::RestartsUntold => "restarts-untold",
            Self::Clears => "clears",
            Self::ClearsUntold => "clears-untold",
            Self::UpWraps => "up-wraps",
            Self::Loss => "loss",
            Self::Disorder => "disorder",
            Self::Copies => "copies",
            Self::BadClock => "bad-clock",
            Self::SlowAnswers => "slow-answers",
            Self::NoUp => "no-up",
            Self::NoRtt => "no-rtt",
            Self::Full => "full",
            Self::Idle => "idle",
            Self::Everything => "everything",
        }
    }
}
