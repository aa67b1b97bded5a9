//! Which schedules there are: each kind of fault, at every place where it can strike in a scenario.
//!
//! All are made from the undisturbed run, those of two crashes from the runs with one. The order is always the same.

mod calls;
mod crashes;
mod engines;
mod events;
mod leaders;
mod servers;

use crate::faults::{Fault, FaultScript};
use crate::striking::Met;

/// A kind of schedules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Crash,
    Crashes,
    CrashAndCall,
    Call,
    StaleWatch,
    Event,
    Expired,
    EngineEvent,
    ServerAway,
    Restored,
    Engine,
    Leaders,
    Paused,
    Clock,
    Panic,
    Terminated,
}

impl Kind {
    pub const ALL: [Kind; 16] = [
        Kind::Crash,
        Kind::Crashes,
        Kind::CrashAndCall,
        Kind::Call,
        Kind::StaleWatch,
        Kind::Event,
        Kind::Expired,
        Kind::EngineEvent,
        Kind::ServerAway,
        Kind::Restored,
        Kind::Engine,
        Kind::Leaders,
        Kind::Paused,
        Kind::Clock,
        Kind::Panic,
        Kind::Terminated,
    ];

    /// As the table and `SIM_KIND` name it.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Crash => "one crash",
            Kind::Crashes => "two crashes",
            Kind::CrashAndCall => "a crash, then a failed call",
            Kind::Call => "a failed call",
            Kind::StaleWatch => "a stale watch",
            Kind::Event => "an event lost, doubled, swapped, late",
            Kind::Expired => "a version that is gone",
            Kind::EngineEvent => "an engine's event lost, doubled, swapped",
            Kind::ServerAway => "API server away",
            Kind::Restored => "API server restored",
            Kind::Engine => "engine away or restarted",
            Kind::Leaders => "two leaders",
            Kind::Paused => "paused past the Lease",
            Kind::Clock => "clocks",
            Kind::Panic => "a panic",
            Kind::Terminated => "told to end",
        }
    }

    /// Most schedules of this kind in a scenario whose writes are no other's before it, and in one whose writes are like
    /// another's; where there are more, every so many-th is played.
    pub fn most(self) -> (usize, usize) {
        const ALL: usize = usize::MAX;
        match self {
            Kind::Crash => (ALL, ALL),
            Kind::Crashes => (400, 60),
            Kind::CrashAndCall => (160, 30),
            Kind::Call => (ALL, 60),
            Kind::Leaders => (120, 24),
            Kind::Event => (ALL, 24),
            Kind::StaleWatch
            | Kind::Expired
            | Kind::EngineEvent
            | Kind::ServerAway
            | Kind::Restored
            | Kind::Engine
            | Kind::Paused
            | Kind::Clock
            | Kind::Panic
            | Kind::Terminated => (ALL, 12),
        }
    }

    /// `SIM_QUICK=1` plays every so many-th schedule of this kind, over all scenarios; None: it plays none.
    pub fn quick(self) -> Option<usize> {
        match self {
            Kind::Crash | Kind::Panic | Kind::Terminated | Kind::Expired | Kind::EngineEvent => {
                Some(1)
            }
            Kind::Clock => Some(1),
            Kind::Crashes => Some(2),
            Kind::Call => Some(8),
            Kind::CrashAndCall
            | Kind::StaleWatch
            | Kind::Event
            | Kind::ServerAway
            | Kind::Restored
            | Kind::Engine
            | Kind::Leaders
            | Kind::Paused => None,
        }
    }

    /// Controllers ask the Lease who leads; where they do not, there is one. In a story of many minutes the Lease is asked
    /// for only where the kind is about it: its renewals would cost the most.
    pub fn is_elected(self, is_long: bool) -> bool {
        match self {
            Kind::Crash | Kind::Terminated => !is_long,
            Kind::ServerAway | Kind::Restored | Kind::Paused => true,
            Kind::Crashes
            | Kind::CrashAndCall
            | Kind::Call
            | Kind::StaleWatch
            | Kind::Event
            | Kind::Expired
            | Kind::EngineEvent
            | Kind::Engine
            | Kind::Leaders
            | Kind::Clock
            | Kind::Panic => false,
        }
    }

    /// All schedules of this kind, from the undisturbed run and the runs with one crash.
    pub fn scripts(
        self,
        clean: &Met,
        crashed: &[(FaultScript, Met)],
        elected: bool,
    ) -> Vec<FaultScript> {
        let mut scripts = self.made_from(clean, crashed);
        if !elected {
            for script in &mut scripts {
                if !script.has(|fault| *fault == Fault::Unelected) {
                    script.0.insert(0, Fault::Unelected);
                }
            }
        }
        scripts
    }

    fn made_from(self, clean: &Met, crashed: &[(FaultScript, Met)]) -> Vec<FaultScript> {
        match self {
            Kind::Crash => crashes::one(clean),
            Kind::Crashes => crashes::two(crashed),
            Kind::CrashAndCall => crashes::then_call(crashed),
            Kind::Call => calls::failing(clean),
            Kind::StaleWatch => events::stale(clean),
            Kind::Event => events::disturbed(clean),
            Kind::Expired => events::expired(clean),
            Kind::EngineEvent => events::of_engine(clean),
            Kind::ServerAway => servers::away(clean),
            Kind::Restored => servers::restored(clean),
            Kind::Engine => engines::struck(clean),
            Kind::Leaders => leaders::two(clean),
            Kind::Paused => leaders::paused(clean),
            Kind::Clock => engines::clocks(clean),
            Kind::Panic => crashes::panics(clean),
            Kind::Terminated => crashes::terminated(clean),
        }
    }
}

fn only(fault: Fault) -> FaultScript {
    FaultScript(vec![fault])
}

/// Writes of a run, counted from 1.
fn writes(run: &Met) -> impl Iterator<Item = u32> + use<> {
    1..=u32::try_from(run.writes.len()).expect("a run is short")
}
