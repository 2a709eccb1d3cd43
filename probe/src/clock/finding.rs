//! What is worth knowing of a clock beside its bound; the words for it are the commands'.

use owl_measure::time::Nanos;
use serde::Serialize;

/// Who tells of the clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Teller {
    /// chronyd, by its command protocol.
    Chrony,
    /// ptp4l, by management messages.
    Ptp4l,
    /// ntpd-rs, by its observer.
    NtpdRs,
    /// ClockBound, by its shared memory.
    Clockbound,
    /// The configuration.
    Declared,
}

/// Something that weakens a claim, or forbids it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "finding", rename_all = "kebab-case")]
pub enum Finding {
    /// A daemon does not answer.
    Silent {
        /// Who.
        teller: Teller,
        /// Why not, with its cause.
        why: String,
    },
    /// The daemon says that it follows nothing.
    Unsynchronised,
    /// The last measurement is so old that nothing is claimed.
    Stale {
        /// How old.
        #[serde(rename = "age_ns")]
        age: Nanos,
        /// How old it may be.
        #[serde(rename = "limit_ns")]
        limit: Nanos,
    },
    /// The source is silent, but the clock cannot have drifted far.
    Holdover {
        /// Since when.
        #[serde(rename = "age_ns")]
        age: Nanos,
    },
    /// The server itself follows its own oscillator and nothing else.
    LocalReference,
    /// What the server itself follows is not told over this way of asking.
    ServerUnseen,
    /// chronyd grows its error more slowly than this oscillator may drift; the difference was added.
    MaxClockErrorSmall {
        /// What chronyd was seen to add.
        told_ppb: u32,
        /// What the oscillator may drift.
        needed_ppb: u32,
    },
    /// NTP packets are stamped by the process and not by the kernel.
    StampedByProcess,
    /// Most of the delay's variation is in one direction.
    JitterAsymmetry,
    /// Nobody said how exact the receiver is, so a figure was assumed.
    ReceiverAssumed {
        /// Which figure.
        #[serde(rename = "error_ns")]
        error: Nanos,
    },
    /// The port follows no master.
    PortState {
        /// Its state's number (IEEE 1588-2019, table 20).
        state: u8,
    },
    /// Syncs come, but nobody answers delay requests, so the mean path delay stands still.
    DelayUnanswered {
        /// Since when.
        #[serde(rename = "age_ns")]
        age: Nanos,
    },
    /// The clock is only compared and not steered (free_running).
    Audited,
    /// The grandmaster does not vouch for itself, and the configuration does not vouch for it either.
    GrandmasterUnknown {
        /// clockClass.
        class: u8,
        /// clockAccuracy.
        accuracy: u8,
        /// Whether its time is traceable to a primary reference.
        traceable: bool,
    },
    /// Boundary clocks are on the way, so the mean path delay is of the last hop only and bounds nothing.
    BoundaryClocks {
        /// stepsRemoved.
        steps_removed: u16,
    },
    /// The path is not the one that the budget was made for.
    BudgetBroken {
        /// stepsRemoved now.
        steps_removed: u16,
        /// stepsRemoved that the budget is for.
        expected: u16,
    },
    /// ptp4l measures the interface's clock, and how far the system's is from it is not known.
    InterfaceClockUnread {
        /// Which interface.
        interface: String,
    },
    /// The offset is near a difference of time scales: TAI, GPS, BeiDou or a leap second.
    WholeSeconds {
        /// Of how many seconds.
        seconds: u8,
    },
    /// The clock stepped.
    Stepped {
        /// By how much; positive is forward.
        #[serde(rename = "by_ns")]
        by: Nanos,
    },
    /// The kernel says that nothing disciplines the clock (STA_UNSYNC).
    KernelUnsynchronised,
    /// The kernel's maxerror is zero: a daemon keeps it there, and it bounds nothing.
    KernelVouches,
    /// The kernel's TAI offset is neither unset nor today's.
    TaiOffset {
        /// What it is, in seconds.
        seconds: i32,
    },
    /// The kernel's frequency correction jumped.
    FrequencyJump {
        /// By how much, in parts per billion.
        by_ppb: i32,
    },
    /// Nobody answers and nothing is declared.
    NobodyTells,
}
