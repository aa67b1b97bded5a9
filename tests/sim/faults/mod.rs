//! The fault script: what goes wrong in one run, as a value that prints and parses as one line.
//!
//! ```text
//! crash write=3 at=between; fail call=patch:gamesessions/status nth=2 with=503; watch of=gamesessions event=4 does=drop
//! ```
//! Each fault strikes once. Calls are named `<verb>:<plural>` with `/status`, or `effect:<name>`, `look:<name>`
//! for the engine. Writes are counted from 1 over the controllers' writes to sessions and to the engine
//! together, restarts of the controller included; Leases and Events do not count.

mod line;

use std::time::Duration;

/// What goes wrong in one run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FaultScript(pub Vec<Fault>);

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// No fault: the one controller does not ask the Lease whether it leads, which costs the most of a quiet time.
    Unelected,
    /// The controller dies at its n-th write.
    Crash { write: u32, at: Position },
    /// The n-th call of a class goes wrong.
    Fail {
        call: String,
        nth: u32,
        with: Failure,
    },
    /// The n-th event that a watch of this resource is to deliver; `engine`: that the engine tells.
    Event { of: String, event: u32, does: Fate },
    /// The n-th start of a watch of this resource is answered with 410.
    GoneAtStart { of: String, start: u32 },
    /// The n-th bookmark of a watch of this resource is a 410 instead.
    GoneAtBookmark { of: String, bookmark: u32 },
    /// The API server is away.
    Away {
        from_ms: u64,
        for_ms: u64,
        how: Away,
    },
    /// After the n-th write the API server is restored to a copy older by some changes of sessions and Games. Who wrote
    /// what is lost, the controller excepted, writes it again.
    Restore { after: u32, back: u32 },
    /// The controller stands still from its n-th write on, for so long; meanwhile another one begins. A write that was
    /// not sent yet is sent when it wakes, whatever it would think of it by then.
    Pause { write: u32, at: Position, ms: u64 },
    /// Two controllers that nobody told who leads. The first stands still from the n-th write on, until the second, which
    /// begins then, is about to make one write more than these; then the second stands still, until the first has had
    /// three seconds.
    Rival { write: u32, at: Position, runs: u32 },
    /// What becomes of the engine at the n-th write, which it does not take any more.
    Engine { write: u32, does: Outage },
    /// Somebody sets clocks at the n-th write.
    Clock {
        write: u32,
        seconds: i64,
        whose: Whose,
    },
    /// The clock of controller and engine runs at this pace all the time.
    Pace { percent: u32 },
    /// The code panics at the n-th write.
    Panic { write: u32, at: Position },
    /// The controller is told to end, in order, at its n-th write.
    Terminate { write: u32 },
}

/// Whose clocks somebody sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    /// Of the host of controller and engine; the API server is elsewhere.
    Host,
    /// Of everybody: all is on one machine.
    All,
}

/// How an engine is away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outage {
    /// The daemon dies and comes back after so long; its games go on.
    Away { ms: u64 },
    /// It answers nothing for so long.
    Frozen { ms: u64 },
    /// It restarts in three seconds; its games go on.
    RestartsLive,
    /// It restarts in three seconds, and ends its games before.
    RestartsEmpty,
    /// It dies, and three seconds later begins by ending the games that it finds.
    DiesEmpty,
}

/// Where in a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Position {
    /// It was not sent.
    Before,
    /// It was committed and nobody heard the answer.
    Between,
    /// Its answer was heard, and nothing was done yet because of it.
    After,
}

/// How a call goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// Answered with this status (engine: the answer that fits best), nothing committed.
    Code(u16),
    /// Committed, and answered with this status.
    CommittedCode(u16),
    /// The connection breaks before anything was committed.
    Refused,
    /// Committed; the connection breaks before the answer.
    Lost,
    /// Nothing committed, and never an answer.
    Hangs,
    /// Committed, and never an answer.
    CommittedHangs,
    /// Somebody else changed the status since it was read.
    Overtaken,
}

/// What happens to an event of a watch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    Drop,
    Double,
    /// Comes after the one that follows it.
    Swap,
    /// It and all after it never come; the connection stays open.
    Freeze,
    /// A 410 comes in its place, and the watch ends.
    Gone,
    /// It and all after it come this much later.
    Delay {
        ms: u64,
    },
    /// It and all after it come when this many more are there, after 10 s at the latest.
    Hold {
        more: u32,
    },
}

/// How a server is away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Away {
    /// Connections are refused, open ones break.
    Down,
    /// Connections stay and nothing is answered.
    Frozen,
}

impl FaultScript {
    pub fn crash(write: u32, at: Position) -> Self {
        FaultScript(vec![Fault::Crash { write, at }])
    }

    /// So long what it does may go on.
    pub fn lasts(&self) -> Duration {
        let lasts = |fault: &Fault| match fault {
            Fault::Away { for_ms: ms, .. }
            | Fault::Pause { ms, .. }
            | Fault::Engine {
                does: Outage::Away { ms } | Outage::Frozen { ms },
                ..
            } => *ms,
            _ => 0,
        };
        Duration::from_millis(self.0.iter().map(lasts).sum())
    }

    /// Whether some fault of it is so.
    pub fn has(&self, is: impl Fn(&Fault) -> bool) -> bool {
        self.0.iter().any(is)
    }
}

impl Fault {
    /// Something may wait for it, and nobody sees that anything moves.
    pub fn may_hang(&self) -> bool {
        match self {
            Fault::Fail { with, .. } => matches!(with, Failure::Hangs | Failure::CommittedHangs),
            Fault::Event { .. }
            | Fault::Away { .. }
            | Fault::Restore { .. }
            | Fault::Pause { .. }
            | Fault::Rival { .. }
            | Fault::Engine { .. } => true,
            Fault::Unelected
            | Fault::Crash { .. }
            | Fault::GoneAtStart { .. }
            | Fault::GoneAtBookmark { .. }
            | Fault::Clock { .. }
            | Fault::Pace { .. }
            | Fault::Panic { .. }
            | Fault::Terminate { .. } => false,
        }
    }

    /// A look at a container is answered, and with a failure.
    pub fn is_a_failed_look(&self) -> bool {
        matches!(self, Fault::Fail { call, .. } if call.starts_with("look:"))
    }

    /// The write at which it is to happen beside it.
    pub fn beside(&self) -> Option<u32> {
        match self {
            Fault::Engine { write, .. }
            | Fault::Clock { write, .. }
            | Fault::Terminate { write } => Some(*write),
            Fault::Unelected
            | Fault::Crash { .. }
            | Fault::Fail { .. }
            | Fault::Event { .. }
            | Fault::GoneAtStart { .. }
            | Fault::GoneAtBookmark { .. }
            | Fault::Away { .. }
            | Fault::Restore { .. }
            | Fault::Pause { .. }
            | Fault::Rival { .. }
            | Fault::Pace { .. }
            | Fault::Panic { .. } => None,
        }
    }
}
