//! The table of the controller: one exhaustive decision over (wish, seen).
//!
//! Each submodule holds a group of rows. Nothing here blocks, reads a clock or remembers.

mod before;
mod case;
mod deletion;
mod ended;
mod finished;
mod getting;
mod running;
mod stopping;
#[cfg(test)]
mod tests;

use jiff::{SignedDuration, Timestamp};

use case::Case;
use stopping::Held;

pub(super) use ended::{headline, phase as finish_phase};

use super::container::{ContainerSpec, Volume};
use super::facts::Facts;
use super::observation::Observation;
use super::reason::Reason;
use super::seen::{ContainerId, Seen};
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

impl Row {
    /// Every row, in the order of the table.
    #[rustfmt::skip]
    pub const ALL: [Row; 60] = [
        Row::D1, Row::D2, Row::D3, Row::D4, Row::D5, Row::D6, Row::D7, Row::D8, Row::D9, Row::D10, Row::D11,
        Row::F1, Row::F2, Row::F3, Row::F4, Row::F5, Row::F6,
        Row::U1,
        Row::A1, Row::A2, Row::A3,
        Row::P1, Row::P2, Row::P3, Row::P4,
        Row::S1, Row::S2, Row::S3, Row::S4, Row::S5, Row::S6, Row::S7, Row::S8, Row::S9, Row::S10, Row::S11,
        Row::E1, Row::E2, Row::E3, Row::E4,
        Row::C1, Row::C2, Row::C3, Row::C4, Row::C5, Row::C6, Row::C7, Row::C8, Row::C9, Row::C10, Row::C11, Row::C12, Row::C13, Row::C14, Row::C15, Row::C16,
        Row::R1, Row::R2, Row::R3, Row::R4,
    ];
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

/// What is to be true of the session, the strongest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wish {
    /// It has a deletionTimestamp.
    Delete,
    /// It has finished.
    Finished,
    /// `desiredState: Stopped`.
    Stop,
    /// `desiredState: Running`.
    Run,
}

/// Decides. Total: every observation meets a row. No I/O, no clock, no randomness.
///
/// In an arm the groups stand in the order of the table, and so do the rows in a group: the first that
/// matches wins.
pub fn plan(o: &Observation) -> Plan {
    let case = Case::of(o);
    match (case.wish, case.seen) {
        (Wish::Delete, Seen::Unknown(doubt)) => {
            deletion::released(&case).unwrap_or_else(|| deletion::doubt(&case, doubt))
        }
        (Wish::Delete, Seen::Running(c, _) | Seen::Paused(c)) => {
            deletion::released(&case).unwrap_or_else(|| deletion::running(&case, c))
        }
        (Wish::Delete, Seen::Created(c, _) | Seen::Exited(c, _)) => {
            deletion::released(&case).unwrap_or_else(|| deletion::remains(&case, c))
        }
        (Wish::Delete, Seen::Going) => {
            deletion::released(&case).unwrap_or_else(|| deletion::going(&case))
        }
        (Wish::Delete, Seen::Absent | Seen::Foreign(_)) => {
            deletion::released(&case).unwrap_or_else(|| deletion::gone(&case))
        }

        (Wish::Finished, Seen::Running(c, _) | Seen::Paused(c)) => finished::stray(c),
        (Wish::Finished, Seen::Created(c, _) | Seen::Exited(c, _)) => finished::remains(c),
        (Wish::Finished, Seen::Going) => finished::going(&case),
        (Wish::Finished, Seen::Absent | Seen::Foreign(_)) => finished::released(&case)
            .or_else(|| finished::expired(&case))
            .unwrap_or_else(|| finished::rest(&case)),
        (Wish::Finished, Seen::Unknown(_)) => {
            finished::expired_in_doubt(&case).unwrap_or_else(|| finished::rest_in_doubt(&case))
        }

        (Wish::Stop | Wish::Run, Seen::Unknown(doubt)) => before::doubt(&case, doubt),
        (Wish::Stop | Wish::Run, Seen::Foreign(holder)) => before::nothing_made(&case)
            .or_else(|| before::finalizer(&case))
            .or_else(|| stopping::gone(&case))
            .or_else(|| ended::lost(&case))
            .or_else(|| getting::overdue(&case))
            .unwrap_or_else(|| getting::name_taken(&case, holder)),
        (Wish::Stop | Wish::Run, Seen::Absent) => before::nothing_made(&case)
            .or_else(|| before::finalizer(&case))
            .or_else(|| stopping::gone(&case))
            .or_else(|| ended::lost(&case))
            .or_else(|| getting::overdue(&case))
            .unwrap_or_else(|| getting::next_step(&case)),
        (Wish::Stop | Wish::Run, Seen::Created(c, made)) => before::adoption(&case, c)
            .or_else(|| before::finalizer(&case))
            .or_else(|| stopping::made(&case, c))
            .or_else(|| ended::never_started(&case, made))
            .or_else(|| getting::overdue(&case))
            .unwrap_or_else(|| getting::start(&case, c, made)),
        (Wish::Stop | Wish::Run, Seen::Going) => getting::going(&case),
        (Wish::Stop | Wish::Run, Seen::Exited(c, exit)) => before::adoption(&case, c)
            .or_else(|| before::finalizer(&case))
            .or_else(|| stopping::exited(&case, c, exit))
            .unwrap_or_else(|| ended::by_itself(&case, c, exit)),
        (Wish::Stop | Wish::Run, Seen::Paused(c)) => before::adoption(&case, c)
            .or_else(|| before::finalizer(&case))
            .or_else(|| stopping::live(&case, c, Held::Paused))
            .unwrap_or_else(|| running::paused(&case, c)),
        (Wish::Stop | Wish::Run, Seen::Running(c, answer)) => before::adoption(&case, c)
            .or_else(|| before::finalizer(&case))
            .or_else(|| stopping::live(&case, c, Held::of(answer)))
            .unwrap_or_else(|| running::answered(&case, c, answer)),
    }
}
