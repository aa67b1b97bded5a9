//! Faults as they strike: counts calls, writes, events, and says at each what goes wrong. Never blocks.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use super::faults::{Failure, Fate, Fault, FaultScript, Position};
use super::process::Process;

/// The one of two that stands still does so no longer, where the other does nothing.
const TURN: Duration = Duration::from_secs(10);
/// The first of two has so long for all that it still wants to do.
const FIRST: Duration = Duration::from_secs(3);

/// The faults of one run, as one process meets them; a copy is the same.
#[derive(Clone)]
pub struct Striking {
    shared: Arc<Shared>,
    /// None: whoever is no controller.
    process: Option<Process>,
}

/// Does what happens beside a call.
type Beside = dyn Fn(&Fault, &Process) + Send + Sync;

struct Shared {
    state: Mutex<State>,
    /// How often somebody killed all controllers.
    kills: watch::Sender<u32>,
    /// Changes with every call.
    meets: watch::Sender<()>,
    beside: Mutex<Option<Arc<Beside>>>,
}

struct State {
    began: Instant,
    left: Vec<Fault>,
    /// Who stands still, and until when.
    turns: Option<Turns>,
    met: Met,
}

/// What controllers met.
#[derive(Clone, Debug, Default)]
pub struct Met {
    /// Every write that the crash sweep counts: its class, and when, in milliseconds.
    pub writes: Vec<(String, u64)>,
    /// How often each call was made.
    pub calls: BTreeMap<String, u32>,
    /// How many events of each resource came, and of the engine.
    pub events: BTreeMap<String, u32>,
    /// How many watches of each resource were begun.
    pub starts: BTreeMap<String, u32>,
    pub bookmarks: BTreeMap<String, u32>,
}

struct Turns {
    first: Process,
    /// None: the first stands still for this long, whatever others do.
    runs: Option<u32>,
    ms: u64,
    /// Writes of others since then.
    others: u32,
    over: bool,
}

/// What happens to one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Go,
    Crash(Position),
    Fail(Failure),
    /// It goes through; then the API server is restored to a copy older by this many changes.
    ThenRestore(u32),
    /// The process stands still already; the call arrives once it goes on, whoever still waits for it.
    Late,
    /// It goes through; then the process stands still.
    ThenPause(Position),
}

impl Striking {
    pub fn new(script: &FaultScript) -> Self {
        let state = State {
            began: Instant::now(),
            left: script.0.clone(),
            turns: None,
            met: Met::default(),
        };
        Striking {
            shared: Arc::new(Shared {
                state: Mutex::new(state),
                kills: watch::Sender::new(0),
                meets: watch::Sender::default(),
                beside: Mutex::default(),
            }),
            process: None,
        }
    }

    /// As this process meets them.
    pub fn of(&self, process: &Process) -> Striking {
        Striking {
            shared: self.shared.clone(),
            process: Some(process.clone()),
        }
    }

    /// Who does what happens beside calls; None: nobody any more.
    pub fn set_beside(&self, beside: Option<Arc<Beside>>) {
        *self.beside_lock() = beside;
    }

    /// A controller makes a call. `counts`: it is a write to a session or to the engine.
    pub fn meet(&self, class: &str, counts: bool) -> Verdict {
        self.shared.meets.send_replace(());
        let mut state = self.lock();
        let nth = count(&mut state.met.calls, class);
        if counts {
            let at = state.began.elapsed().as_millis();
            let at = u64::try_from(at).expect("a simulation is short");
            state.met.writes.push((class.to_owned(), at));
            if self.is_held(&mut state) {
                return Verdict::Late;
            }
        }
        if state.left.is_empty() {
            return Verdict::Go;
        }
        let write = state.met.writes.len();
        let now = |w: u32| counts && w as usize == write;
        let beside: Vec<Fault> = state
            .left
            .extract_if(.., |fault| fault.beside().is_some_and(now))
            .collect();
        let strikes = |fault: &Fault| match fault {
            Fault::Crash { write: w, .. }
            | Fault::Restore { after: w, .. }
            | Fault::Pause { write: w, .. }
            | Fault::Rival { write: w, .. } => now(*w),
            Fault::Fail { call, nth: n, .. } => call == class && *n == nth,
            Fault::Unelected
            | Fault::Event { .. }
            | Fault::GoneAtStart { .. }
            | Fault::GoneAtBookmark { .. }
            | Fault::Away { .. }
            | Fault::Engine { .. }
            | Fault::Clock { .. }
            | Fault::Pace { .. }
            | Fault::Panic { .. }
            | Fault::Terminate { .. } => false,
        };
        let at = state.left.iter().position(strikes);
        let fault = at.map(|at| state.left.remove(at));
        drop(state);
        for fault in &beside {
            self.tell(fault);
        }
        let Some(fault) = fault else {
            return Verdict::Go;
        };
        match &fault {
            Fault::Crash { at, .. } => Verdict::Crash(*at),
            Fault::Fail { with, .. } => Verdict::Fail(*with),
            Fault::Restore { back, .. } => Verdict::ThenRestore(*back),
            Fault::Pause { at, ms, .. } => self.hold(&fault, *at, None, *ms),
            Fault::Rival { at, runs, .. } => {
                let most = u64::try_from(TURN.as_millis()).expect("a constant");
                self.hold(&fault, *at, Some(*runs), most)
            }
            Fault::Unelected
            | Fault::Event { .. }
            | Fault::GoneAtStart { .. }
            | Fault::GoneAtBookmark { .. }
            | Fault::Away { .. }
            | Fault::Engine { .. }
            | Fault::Clock { .. }
            | Fault::Pace { .. }
            | Fault::Panic { .. }
            | Fault::Terminate { .. } => unreachable!("filtered above"),
        }
    }

    /// The process that makes this call is to stand still from here on; another one begins.
    fn hold(&self, fault: &Fault, at: Position, runs: Option<u32>, ms: u64) -> Verdict {
        let Some(first) = self.process.clone() else {
            return Verdict::Go;
        };
        self.lock().turns = Some(Turns {
            first,
            runs,
            ms,
            others: 0,
            over: false,
        });
        self.tell(fault);
        match at {
            Position::Before => {
                self.stand_still(Duration::ZERO);
                Verdict::Late
            }
            Position::Between | Position::After => Verdict::ThenPause(at),
        }
    }

    /// The process whose turn is over stands still, from then on.
    pub fn stand_still(&self, from: Duration) {
        let Some((first, ms)) = self
            .lock()
            .turns
            .as_ref()
            .map(|turns| (turns.first.clone(), turns.ms))
        else {
            return;
        };
        if from.is_zero() {
            first.pause();
        }
        let me = self.clone();
        tokio::spawn(async move {
            tokio::time::sleep(from).await;
            first.pause();
            tokio::time::sleep(Duration::from_millis(ms)).await;
            if let Some(turns) = &mut me.lock().turns {
                turns.over = true;
            }
            first.resume();
        });
    }

    /// Whether it is now this process that has to stand still.
    fn is_held(&self, state: &mut State) -> bool {
        let (Some(me), Some(turns)) = (&self.process, &mut state.turns) else {
            return false;
        };
        let Some(runs) = turns.runs.filter(|_| !turns.over) else {
            return false;
        };
        if me.name() == turns.first.name() {
            return false;
        }
        turns.others += 1;
        if turns.others <= runs {
            return false;
        }
        turns.over = true;
        turns.first.resume();
        me.pause();
        let me = me.clone();
        tokio::spawn(async move {
            tokio::time::sleep(FIRST).await;
            me.resume();
        });
        true
    }

    fn tell(&self, fault: &Fault) {
        let beside = self.beside_lock().clone();
        if let (Some(beside), Some(process)) = (beside, &self.process) {
            beside(fault, process);
        }
    }

    /// Whether the code panics at this point of the n-th write.
    pub fn panics(&self, n: u64, point: Position) -> bool {
        let mut state = self.lock();
        let panics = take(&mut state.left, |fault| match fault {
            Fault::Panic { write, at } => (u64::from(*write) == n && *at == point).then_some(()),
            _ => None,
        });
        panics.is_some()
    }

    /// It strikes now, by itself.
    pub fn struck(&self, fault: &Fault) {
        self.lock().left.retain(|other| other != fault);
    }

    /// A watch of a controller is to deliver one more event, or the engine to tell one.
    pub fn event(&self, plural: &str) -> Option<Fate> {
        let mut state = self.lock();
        let nth = count(&mut state.met.events, plural);
        take(&mut state.left, |fault| match fault {
            Fault::Event { of, event, does } if of == plural && *event == nth => Some(*does),
            _ => None,
        })
    }

    /// A controller starts a watch: whether it is answered with 410.
    pub fn start_is_gone(&self, plural: &str) -> bool {
        let mut state = self.lock();
        let nth = count(&mut state.met.starts, plural);
        let gone = take(&mut state.left, |fault| match fault {
            Fault::GoneAtStart { of, start } if of == plural && *start == nth => Some(()),
            _ => None,
        });
        gone.is_some()
    }

    /// A watch of a controller is to deliver a bookmark: whether a 410 comes instead.
    pub fn bookmark_is_gone(&self, plural: &str) -> bool {
        let mut state = self.lock();
        let nth = count(&mut state.met.bookmarks, plural);
        let gone = take(&mut state.left, |fault| match fault {
            Fault::GoneAtBookmark { of, bookmark } if of == plural && *bookmark == nth => Some(()),
            _ => None,
        });
        gone.is_some()
    }

    /// The controller dies here, and never goes on.
    pub async fn die(&self) -> ! {
        self.kill();
        std::future::pending().await
    }

    /// This process, or all where it is nobody's.
    fn kill(&self) {
        match &self.process {
            Some(process) => process.kill(),
            None => self.shared.kills.send_modify(|times| *times += 1),
        }
    }

    /// How often somebody killed all controllers.
    pub fn kills(&self) -> watch::Receiver<u32> {
        self.shared.kills.subscribe()
    }

    /// The controller dies a little later, once it heard the answer that is on its way.
    pub fn die_after(&self, wait: Duration) {
        let me = self.clone();
        tokio::spawn(async move {
            tokio::time::sleep(wait).await;
            me.kill();
        });
    }

    /// What was met so far.
    pub fn met(&self) -> Met {
        self.lock().met.clone()
    }

    /// The classes of all writes so far, in their order.
    pub fn writes(&self) -> Vec<String> {
        let state = self.lock();
        let writes = state.met.writes.iter();
        writes.map(|(class, _)| class.clone()).collect()
    }

    /// Changes with every call of a controller.
    pub fn meets(&self) -> watch::Receiver<()> {
        self.shared.meets.subscribe()
    }

    /// How many calls of this class were made.
    pub fn called(&self, class: &str) -> u32 {
        let state = self.lock();
        state.met.calls.get(class).copied().unwrap_or_default()
    }

    /// How many calls of each class were made.
    pub fn calls(&self) -> BTreeMap<String, u32> {
        self.lock().met.calls.clone()
    }

    /// How many events of each resource were delivered to controllers.
    pub fn events(&self) -> BTreeMap<String, u32> {
        self.lock().met.events.clone()
    }

    /// The faults that did not strike.
    pub fn left(&self) -> FaultScript {
        FaultScript(self.lock().left.clone())
    }

    fn beside_lock(&self) -> MutexGuard<'_, Option<Arc<Beside>>> {
        self.shared
            .beside
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.shared
            .state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

fn count(counters: &mut BTreeMap<String, u32>, what: &str) -> u32 {
    if let Some(counter) = counters.get_mut(what) {
        *counter += 1;
        return *counter;
    }
    counters.insert(what.to_owned(), 1);
    1
}

fn take<T>(left: &mut Vec<Fault>, strikes: impl Fn(&Fault) -> Option<T>) -> Option<T> {
    let (at, found) = left
        .iter()
        .enumerate()
        .find_map(|(at, fault)| strikes(fault).map(|found| (at, found)))?;
    left.remove(at);
    Some(found)
}
