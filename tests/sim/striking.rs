//! Faults as they strike: counts calls, writes, events, and says at each what goes wrong. Never blocks.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use super::faults::{Failure, Fate, Fault, FaultScript, Position};

/// The faults of one run; a copy is the same.
#[derive(Clone)]
pub struct Striking(Arc<Inner>);

struct Inner {
    state: Mutex<State>,
    /// How often the controller has crashed.
    crashes: watch::Sender<u32>,
}

#[derive(Default)]
struct State {
    left: Vec<Fault>,
    writes: u32,
    calls: BTreeMap<String, u32>,
    events: BTreeMap<String, u32>,
    starts: BTreeMap<String, u32>,
    bookmarks: BTreeMap<String, u32>,
    /// Every write, as its class.
    log: Vec<String>,
}

/// What happens to one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Go,
    Crash(Position),
    Fail(Failure),
    /// It goes through; then the API server is restored to a copy older by this many changes.
    ThenRestore(u32),
}

impl Striking {
    pub fn new(script: &FaultScript) -> Self {
        let state = State {
            left: script.0.clone(),
            ..State::default()
        };
        Striking(Arc::new(Inner {
            state: Mutex::new(state),
            crashes: watch::Sender::new(0),
        }))
    }

    /// A controller makes a call. `counts`: it is a write to a session or to the engine.
    pub fn meet(&self, class: &str, counts: bool) -> Verdict {
        let mut state = self.lock();
        let nth = count(&mut state.calls, class);
        if counts {
            state.writes += 1;
            state.log.push(class.to_owned());
        }
        let write = state.writes;
        let strikes = |fault: &Fault| match fault {
            Fault::Crash { write: w, .. } | Fault::Restore { after: w, .. } => {
                counts && *w == write
            }
            Fault::Fail { call, nth: n, .. } => call == class && *n == nth,
            Fault::Event { .. }
            | Fault::GoneAtStart { .. }
            | Fault::GoneAtBookmark { .. }
            | Fault::Away { .. } => false,
        };
        let Some(at) = state.left.iter().position(strikes) else {
            return Verdict::Go;
        };
        match state.left.remove(at) {
            Fault::Crash { at, .. } => Verdict::Crash(at),
            Fault::Fail { with, .. } => Verdict::Fail(with),
            Fault::Restore { back, .. } => Verdict::ThenRestore(back),
            Fault::Event { .. }
            | Fault::GoneAtStart { .. }
            | Fault::GoneAtBookmark { .. }
            | Fault::Away { .. } => unreachable!("filtered above"),
        }
    }

    /// A watch of a controller is to deliver one more event.
    pub fn event(&self, plural: &str) -> Option<Fate> {
        let mut state = self.lock();
        let nth = count(&mut state.events, plural);
        take(&mut state.left, |fault| match fault {
            Fault::Event { of, event, does } if of == plural && *event == nth => Some(*does),
            _ => None,
        })
    }

    /// A controller starts a watch: whether it is answered with 410.
    pub fn start_is_gone(&self, plural: &str) -> bool {
        let mut state = self.lock();
        let nth = count(&mut state.starts, plural);
        let gone = take(&mut state.left, |fault| match fault {
            Fault::GoneAtStart { of, start } if of == plural && *start == nth => Some(()),
            _ => None,
        });
        gone.is_some()
    }

    /// A watch of a controller is to deliver a bookmark: whether a 410 comes instead.
    pub fn bookmark_is_gone(&self, plural: &str) -> bool {
        let mut state = self.lock();
        let nth = count(&mut state.bookmarks, plural);
        let gone = take(&mut state.left, |fault| match fault {
            Fault::GoneAtBookmark { of, bookmark } if of == plural && *bookmark == nth => Some(()),
            _ => None,
        });
        gone.is_some()
    }

    /// The controller dies here: tells whoever runs it, and never goes on.
    pub async fn die(&self) -> ! {
        self.0.crashes.send_modify(|times| *times += 1);
        std::future::pending().await
    }

    /// The controller dies a little later, once it heard the answer that is on its way.
    pub fn die_after(&self, wait: Duration) {
        let me = self.clone();
        tokio::spawn(async move {
            tokio::time::sleep(wait).await;
            me.0.crashes.send_modify(|times| *times += 1);
        });
    }

    /// How often the controller has crashed; whoever runs it ends it and begins it anew.
    pub fn crashes(&self) -> watch::Receiver<u32> {
        self.0.crashes.subscribe()
    }

    /// The classes of all writes so far, in their order.
    pub fn writes(&self) -> Vec<String> {
        self.lock().log.clone()
    }

    /// How many calls of each class were made.
    pub fn calls(&self) -> BTreeMap<String, u32> {
        self.lock().calls.clone()
    }

    /// How many events of each resource were delivered to controllers.
    pub fn events(&self) -> BTreeMap<String, u32> {
        self.lock().events.clone()
    }

    /// The faults that did not strike.
    pub fn left(&self) -> FaultScript {
        FaultScript(self.lock().left.clone())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn count(counters: &mut BTreeMap<String, u32>, what: &str) -> u32 {
    let counter = counters.entry(what.to_owned()).or_default();
    *counter += 1;
    *counter
}

fn take<T>(left: &mut Vec<Fault>, strikes: impl Fn(&Fault) -> Option<T>) -> Option<T> {
    let (at, found) = left
        .iter()
        .enumerate()
        .find_map(|(at, fault)| strikes(fault).map(|found| (at, found)))?;
    left.remove(at);
    Some(found)
}
