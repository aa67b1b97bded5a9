//! What one live look at a runtime showed, in words that fit every runtime.

use jiff::Timestamp;

use super::contract::Terms;
use super::reason::Reason;

/// Id of a container: Docker container id, or Pod UID.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ContainerId(pub String);

/// One live look at a session's container. Doubt is a value here, never an error.
#[derive(Clone, Debug, PartialEq)]
pub enum Seen {
    /// The call failed or timed out, the state is not understood, or the engine is not the recorded one.
    Unknown(Doubt),
    /// Our name is taken by something that does not carry this session's uid.
    Foreign(String),
    /// Proved by the recorded engine: nothing of this session exists.
    Absent,
    /// Made, never started.
    Created(Container, Made),
    /// Its process runs.
    Running(Container, Answer),
    /// Frozen by hand.
    Paused(Container),
    /// Being removed, dead, or a terminating Pod.
    Going,
    /// Its process ended.
    Exited(Container, Exit),
}

/// Why nothing can be said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Doubt {
    /// The engine did not answer, or answered what we do not understand. The text says what was seen.
    EngineUnreachable(String),
    /// The engine that answers is not the one that holds this session's container.
    EngineMismatch { recorded: String, found: String },
    /// The node of the Pod does not report.
    NodeLost(String),
}

/// The state of a container that was never started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Made {
    /// Ready to be started.
    Fresh,
    /// A start was tried and failed, in the engine's words.
    Failed(String),
    /// A start failed since these host ports are taken (empty: the engine did not say which).
    PortClash(Vec<u16>, String),
    /// A Pod that does not run yet, which the cluster starts and nobody else: what it waits for, and in whose
    /// words (empty: nothing speaks against it).
    Awaited(Reason, String),
}

/// What the game answers to its readiness probe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// As the Game says a ready game answers, or the Game has no readiness.
    Ready,
    /// It was asked and did not answer so. The text says what came instead.
    NotReady(String),
    /// It was asked and the question itself failed (an exec that cannot run). The text says why.
    CannotTell(String),
    /// The first question since this process looks at it has no answer yet. Never held against the game.
    NotAsked,
}

/// One container of a session, on any runtime.
#[derive(Clone, Debug, PartialEq)]
pub struct Container {
    pub id: ContainerId,
    pub name: String,
    /// From its label.
    pub attempt: i32,
    /// When the runtime made it.
    pub created: Timestamp,
    /// When its process was last started.
    pub started: Option<Timestamp>,
    /// Image reference as asked for, and the id that it resolved to.
    pub image: String,
    pub image_id: Option<String>,
    /// Docker: the engine's host name. Pod: spec.nodeName, once bound.
    pub node_name: Option<String>,
    /// Where players reach it: the runtime's advertised host with the public port of each port and protocol,
    /// in the Game's order (TCPUDP gives two, TCP first).
    pub endpoints: Vec<crate::api::Endpoint>,
    /// The terms that it was made under; None if they cannot be read.
    pub terms: Option<Terms>,
}

/// How a process ended.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Exit {
    /// None where the runtime cannot say (a Pod that vanished).
    pub code: Option<i32>,
    pub oom_killed: bool,
    pub finished: Option<Timestamp>,
    /// The runtime's own words, if it had any.
    pub error: String,
    /// The readiness pattern of a log probe is in the log of this run.
    pub ready_in_log: bool,
    /// The last 10 lines of the log, made safe, at most 1 KiB.
    pub last_lines: String,
    /// When the engine itself last started, where that is known.
    pub engine_started: Option<Timestamp>,
    /// The runtime names an outside cause itself (Evicted, Preempted, NodeAffinity, …).
    pub interrupted: Option<String>,
}

/// The three ways to end by oneself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Exit code 0.
    Clean,
    /// The game's own failure.
    Failed,
    /// From outside: never Completed, never charged to the budget.
    Interrupted,
}

/// Exit code of a process whose runtime lost track of it.
const RUNTIME_LOST_IT: i32 = 255;
/// Exit codes of a process that SIGKILL or SIGTERM ended.
const SIGNALLED: [i32; 2] = [137, 143];

impl Exit {
    /// Which of the three ways it was, for a container that nobody told to stop. (What was told to stop
    /// ended cleanly, whatever the code; the plan knows that before it asks.)
    pub fn end(&self) -> End {
        if self.came_from_outside() {
            End::Interrupted
        } else if self.code == Some(0) {
            End::Clean
        } else {
            End::Failed
        }
    }

    fn came_from_outside(&self) -> bool {
        let engine_went_down = match (self.finished, self.engine_started) {
            (Some(finished), Some(started)) => finished <= started,
            (None, _) | (_, None) => false,
        };
        let signalled = self.code.is_some_and(|code| SIGNALLED.contains(&code));
        self.interrupted.is_some()
            || engine_went_down
            || self.code == Some(RUNTIME_LOST_IT)
            || (signalled && !self.oom_killed)
    }

    /// Number of the signal that ended it, as the exit code tells.
    pub fn signal(&self) -> Option<i32> {
        const REAL_TIME_MAX: i32 = 64;
        self.code
            .filter(|code| (129..=128 + REAL_TIME_MAX).contains(code))
            .map(|code| code - 128)
    }
}

impl Seen {
    /// The container that was seen, in whatever state.
    pub fn container(&self) -> Option<&Container> {
        match self {
            Seen::Created(c, _) | Seen::Running(c, _) | Seen::Paused(c) | Seen::Exited(c, _) => {
                Some(c)
            }
            Seen::Unknown(_) | Seen::Foreign(_) | Seen::Absent | Seen::Going => None,
        }
    }

    /// Its process lives.
    pub fn is_live(&self) -> bool {
        match self {
            Seen::Running(..) | Seen::Paused(_) => true,
            Seen::Unknown(_)
            | Seen::Foreign(_)
            | Seen::Absent
            | Seen::Created(..)
            | Seen::Going
            | Seen::Exited(..) => false,
        }
    }
}

/// Makes one Seen of all that a look hit, of which there is seldom more than one.
///
/// A container whose attempt nobody recorded (`attempt` is n) comes first, the highest of them, so that
/// it is adopted and n is true again. Then the others, the lowest attempt first: the plan clears
/// the old ones pass by pass until one is left. One doubt makes the whole look a doubt.
pub fn select(hits: Vec<Seen>, attempt: Option<i32>) -> Seen {
    let mut containers = Vec::new();
    let mut rest = Seen::Absent;
    for hit in hits {
        match hit {
            Seen::Unknown(_) => return hit,
            Seen::Created(..) | Seen::Running(..) | Seen::Paused(_) | Seen::Exited(..) => {
                containers.push(hit);
            }
            Seen::Going => rest = Seen::Going,
            Seen::Foreign(_) if rest == Seen::Absent => rest = hit,
            Seen::Foreign(_) | Seen::Absent => {}
        }
    }
    let number = |seen: &Seen| seen.container().map(|c| c.attempt);
    // Of two with one number the living one counts, then the younger.
    let weight = |seen: &Seen| (seen.is_live(), seen.container().map(|c| c.created));
    containers.sort_by(|a, b| {
        number(a)
            .cmp(&number(b))
            .then_with(|| weight(b).cmp(&weight(a)))
    });
    let highest = containers.iter().filter_map(&number).max();
    let chosen = if highest > attempt {
        containers.into_iter().find(|c| number(c) == highest)
    } else {
        containers.into_iter().next()
    };
    chosen.unwrap_or(rest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::fixtures::{ago, created, exited, running, unreachable};

    fn ready(attempt: i32) -> Seen {
        running(attempt, Answer::Ready)
    }

    fn gone(attempt: i32) -> Seen {
        exited(attempt, 0)
    }

    #[test]
    fn no_hit_is_absent_and_one_hit_is_what_it_is() {
        assert_eq!(select(Vec::new(), Some(0)), Seen::Absent);
        for hit in [
            ready(3),
            gone(0),
            Seen::Going,
            Seen::Foreign("x".to_owned()),
            unreachable(),
        ] {
            assert_eq!(select(vec![hit.clone()], Some(0)), hit);
        }
    }

    #[test]
    fn of_several_the_lowest_attempt_is_cleared_first() {
        let hits = vec![ready(2), gone(0), created(1, Made::Fresh)];
        assert_eq!(select(hits, Some(2)), gone(0));
        assert_eq!(select(vec![ready(2), ready(1)], Some(2)), ready(1));
    }

    #[test]
    fn an_attempt_that_nobody_recorded_is_adopted_before_anything_is_cleared() {
        assert_eq!(select(vec![gone(0), ready(2), ready(1)], None), ready(2));
        assert_eq!(select(vec![ready(0), ready(1)], Some(0)), ready(1));
    }

    #[test]
    fn of_two_with_one_number_the_living_one_counts() {
        assert_eq!(select(vec![gone(1), ready(1)], Some(1)), ready(1));
        assert_eq!(select(vec![ready(1), gone(1)], Some(1)), ready(1));
    }

    #[test]
    fn ours_comes_before_what_is_going_and_that_before_a_stranger() {
        let stranger = Seen::Foreign("x".to_owned());
        assert_eq!(
            select(vec![stranger.clone(), Seen::Going, ready(1)], Some(1)),
            ready(1)
        );
        assert_eq!(
            select(vec![stranger.clone(), Seen::Going], Some(1)),
            Seen::Going
        );
        assert_eq!(select(vec![Seen::Going, stranger], Some(1)), Seen::Going);
    }

    #[test]
    fn one_doubt_makes_the_whole_look_a_doubt() {
        assert_eq!(
            select(vec![gone(0), unreachable(), ready(1)], Some(1)),
            unreachable()
        );
    }

    fn ended(code: i32) -> Exit {
        Exit {
            code: Some(code),
            finished: Some(ago(10)),
            ..Exit::default()
        }
    }

    #[test]
    fn code_0_is_clean_and_any_other_a_failure() {
        assert_eq!(ended(0).end(), End::Clean);
        for code in [1, 2, 126, 127, 128, 134, 139] {
            assert_eq!(ended(code).end(), End::Failed, "{code}");
        }
        assert_eq!(Exit::default().end(), End::Failed);
    }

    #[test]
    fn an_end_that_came_with_the_end_of_the_engine_came_from_outside() {
        let engine_started = |seconds| Exit {
            engine_started: Some(ago(seconds)),
            ..ended(0)
        };
        assert_eq!(engine_started(5).end(), End::Interrupted);
        assert_eq!(engine_started(10).end(), End::Interrupted);
        assert_eq!(engine_started(11).end(), End::Clean);
    }

    #[test]
    fn a_signal_that_nobody_here_sent_came_from_outside_unless_memory_ran_out() {
        for code in [137, 143, 255] {
            assert_eq!(ended(code).end(), End::Interrupted, "{code}");
        }
        let oom = Exit {
            oom_killed: true,
            ..ended(137)
        };
        assert_eq!(oom.end(), End::Failed);
    }

    #[test]
    fn the_exit_code_tells_the_signal() {
        assert_eq!(ended(137).signal(), Some(9));
        assert_eq!(ended(143).signal(), Some(15));
        for code in [0, 1, 128, 255] {
            assert_eq!(ended(code).signal(), None, "{code}");
        }
    }
}
