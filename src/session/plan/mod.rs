//! The table of the controller: one exhaustive decision over (wish, seen).

use jiff::{SignedDuration, Timestamp};

use super::container::{ContainerSpec, Volume};
use super::facts::Facts;
use super::observation::Observation;
use super::reason::Reason;
use super::seen::ContainerId;
use crate::api::ImagePullPolicy;

/// One decision.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    pub row: Row,
    pub act: Act,
    pub report: Report,
    pub next: Next,
    /// Events for what a person acts on, published once the act went through.
    pub events: Vec<Event>,
}

/// Names of the rows of the state table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[rustfmt::skip]
pub enum Row {
    D1, D2, D3, D4, D5, D6, D7, D8, D9, D10, D11,
    F1, F2, F3, F4, F5, F6,
    U1,
    A1, A2, A3,
    P1, P2, P3, P4,
    S1, S2, S3, S4, S5, S6, S7, S8, S9, S10, S11,
    E1, E2, E3, E4,
    C1, C2, C3, C4, C5, C6, C7, C8, C9, C10, C11, C12, C13, C14, C15, C16,
    R1, R2, R3, R4,
}

/// At most one write.
#[derive(Clone, Debug, PartialEq)]
pub enum Act {
    Nothing,
    /// Put our finalizer on, or take it off.
    Finalizer(bool),
    /// The facts as they are to stand; one status patch with the report made over them.
    Record(Box<Facts>),
    Effect(Effect),
    /// Preconditions uid and resourceVersion.
    DeleteSession,
    /// A live GET before the decision can be made (row A1).
    Confirm,
}

/// One write to a runtime.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Start or join the pull; not waited for.
    Pull {
        image: String,
        policy: ImagePullPolicy,
    },
    CreateStorage(Vec<Volume>),
    Create(Box<ContainerSpec>),
    Start(ContainerId),
    /// Not waited for; grace in seconds.
    Stop(ContainerId, i32),
    Kill(ContainerId),
    /// With its anonymous volumes.
    Remove(ContainerId),
    /// Everything that `StorageSeen::present` names.
    RemoveStorage(Vec<String>),
}

/// What the user is to see. Phase and conditions are made from it and the facts by [`super::report`].
#[derive(Clone, Debug, PartialEq)]
pub enum Report {
    /// As it stands, except observedGeneration.
    Unchanged,
    Says(Says),
}

#[derive(Clone, Debug, PartialEq)]
pub struct Says {
    pub phase: Phase,
    /// The one word that explains most, on the condition Ready.
    pub ready: Reason,
    /// Names the thing, the value seen and what to do; empty while nothing is wrong.
    pub message: String,
    /// Not written before this instant (doubt is shown after 15 s, waiting for ready after 1 s); None: at once.
    pub not_before: Option<Timestamp>,
}

/// Phases: derived, open-ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Phase {
    Pending,
    Starting,
    Running,
    Stopping,
    Stopped,
    Unknown,
    Succeeded,
    Failed,
    TimedOut,
}

/// When to look again.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Next {
    /// In this same reconcile.
    Now,
    /// At this instant at the latest, sooner on any hint. The controller adds jitter of ±10 % to looks
    /// that are 10 minutes away.
    At(Timestamp),
    /// After a wait that doubles from `first` to `most` while the same row is met again.
    Doubling {
        first: SignedDuration,
        most: SignedDuration,
    },
    /// Only when something changes.
    Never,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    pub warning: bool,
    pub reason: Reason,
    pub message: String,
}

/// Decides. Total: every observation meets a row. No I/O, no clock, no randomness.
pub fn plan(_o: &Observation) -> Plan {
    todo!("the rows")
}
