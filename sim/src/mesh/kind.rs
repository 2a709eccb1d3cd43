//! The kinds of trouble, each a sentence.

/// What is wrong with a mesh.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Nothing: hardware stamps, clocks within 80 ns that claim 200 to 1,000.
    CleanHardware,
    /// Nothing: software stamps, clocks by NTP within 0.3 ms that claim a millisecond and more.
    CleanSoftware,
    /// Every path is loaded to nine tenths: one packet in ten meets no queue.
    Load90,
    /// No clock claims anything; offsets to 200 ms, skews to 8 ppm.
    Unsynchronised,
    /// One clock is wrong by 0.8 to 3 ms and claims a microsecond.
    Liar,
    /// One clock is wrong by 20 to 120 µs and claims a microsecond: more than claimed, less than light can prove.
    SmallLiar,
    /// Two clocks are wrong by different amounts.
    TwoLiars,
    /// Two clocks follow one bad source: wrong by the same amount.
    SameWayTwo,
    /// Three of eight clocks follow one bad source.
    SameWayThree,
    /// Five of eight clocks follow one bad source: the honest are the fewer.
    SameWayFive,
    /// One clock drifts by 1.5 ppm from some moment on, and claims on.
    Drift,
    /// One clock steps by 500 µs at some moment, and claims on.
    Step,
    /// Each direction of each path has a length of its own (40 µs of standard deviation).
    AsymmetricPaths,
    /// One probe's access link is 240 µs slower in one direction.
    AsymmetricAccess,
    /// As before, and no clock claims anything.
    AsymmetricAccessUnsynchronised,
    /// One path becomes 150 to 600 µs longer at some moment, in one direction or both.
    RouteChange,
    /// Sessions only between one hub and everybody else.
    Hub,
    /// The same, and one of them is wrong by 0.8 to 3 ms.
    HubLiar,
    /// Targets within 5 to 60 µs of the truth; everybody is honest.
    NearHonest,
    /// The same, and one clock is wrong by as much as would turn the verdicts.
    NearLying,
    /// The same, honest, and each direction has a length of its own.
    NearAsymmetric,
    /// The same, and no clock claims anything.
    NearUnsynchronised,
    /// One clock is 2.5 ms behind, so packets seem to arrive before light could.
    BelowLight,
    /// One site's coordinates are wrong: round trips are faster than light.
    WrongCoordinates,
    /// Two probes stand in one rack, one of them wrong by 60 to 200 µs.
    OneRack,
    /// Two packets of a hundred are lost each way, and one path loses eight.
    Loss,
    /// One clock counts leap seconds otherwise than the rest: it is 37 s ahead.
    WrongTimescale,
    /// One clock loses its source half-way, says so, and drifts.
    Holdover,
    /// Clocks by NTP are slewed up to half a part in a million, as they may.
    Slewing,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 29] = [
        Self::CleanHardware,
        Self::CleanSoftware,
        Self::Load90,
        Self::Unsynchronised,
        Self::Liar,
        Self::SmallLiar,
        Self::TwoLiars,
        Self::SameWayTwo,
        Self::SameWayThree,
        Self::SameWayFive,
        Self::Drift,
        Self::Step,
        Self::AsymmetricPaths,
        Self::AsymmetricAccess,
        Self::AsymmetricAccessUnsynchronised,
        Self::RouteChange,
        Self::Hub,
        Self::HubLiar,
        Self::NearHonest,
        Self::NearLying,
        Self::NearAsymmetric,
        Self::NearUnsynchronised,
        Self::BelowLight,
        Self::WrongCoordinates,
        Self::OneRack,
        Self::Loss,
        Self::WrongTimescale,
        Self::Holdover,
        Self::Slewing,
    ];

    /// The name, as in tables and on command lines.
    pub fn name(self) -> &'static str {
        match self {
            Self::CleanHardware => "clean-hardware",
            Self::CleanSoftware => "clean-software",
            Self::Load90 => "load-90",
            Self::Unsynchronised => "unsynchronised",
            Self::Liar => "liar",
            Self::SmallLiar => "small-liar",
            Self::TwoLiars => "two-liars",
            Self::SameWayTwo => "same-way-two",
            Self::SameWayThree => "same-way-three",
            Self::SameWayFive => "same-way-five",
            Self::Drift => "drift",
            Self::Step => "step",
            Self::AsymmetricPaths => "asymmetric-paths",
            Self::AsymmetricAccess => "asymmetric-access",
            Self::AsymmetricAccessUnsynchronised => "asymmetric-access-unsynchronised",
            Self::RouteChange => "route-change",
            Self::Hub => "hub",
            Self::HubLiar => "hub-liar",
            Self::NearHonest => "near-honest",
            Self::NearLying => "near-lying",
            Self::NearAsymmetric => "near-asymmetric",
            Self::NearUnsynchronised => "near-unsynchronised",
            Self::BelowLight => "below-light",
            Self::WrongCoordinates => "wrong-coordinates",
            Self::OneRack => "one-rack",
            Self::Loss => "loss",
            Self::WrongTimescale => "wrong-timescale",
            Self::Holdover => "holdover",
            Self::Slewing => "slewing",
        }
    }

    /// The kind of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}
