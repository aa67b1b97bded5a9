//! An engine that is a file and runs nothing, so that the control path can be measured alone (`--simulate`).
//!
//! Images are always there, containers are created, started and ended at once. The journal outlives the
//! process: whoever opens it next, or beside us, sees the same containers. A call blocks for some microseconds
//! on the file, which stands in the page cache and is never synced.

mod act;
mod fold;
mod journal;
mod line;
mod look;
#[cfg(test)]
mod tests;
mod waits;

use std::collections::VecDeque;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::future::BoxFuture;
use futures::stream::{self, BoxStream, StreamExt};
use jiff::SignedDuration;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use journal::{Journal, random_id};
use waits::Waits;

use super::{EffectError, Hint, Look, Outcome, Owned, Runtime, SessionKey};
use crate::clock::Clock;
use crate::session::contract::PortTerms;
use crate::session::facts::{Engine, EngineId};
use crate::session::observation::{Image, Owner, StorageSeen};
use crate::session::plan::Effect;
use crate::session::ports::{self, ChosenPorts, NoPort};
use crate::session::seen::Seen;

/// Where the simulated engine is and how its games behave.
#[derive(Clone, Debug)]
pub struct SimulatedConfig {
    /// The journal; made where it is missing.
    pub file: PathBuf,
    /// How long after its start every game is ready, whatever its readiness says.
    pub ready_after: Duration,
    /// The labels that make a container ours, for `list`.
    pub owner: Owner,
    /// Shown in endpoints.
    pub advertise_address: String,
    pub clock: Clock,
}

/// One process's view of a simulated engine.
pub struct SimulatedRuntime {
    config: SimulatedConfig,
    ready_after: SignedDuration,
    engine: Engine,
    journal: Mutex<Journal>,
    waits: Waits,
    hints: UnboundedSender<Hint>,
    taken: Mutex<Option<UnboundedReceiver<Hint>>>,
    /// Container ids of this process are this, numbered and hashed.
    seed: String,
    made: AtomicU64,
}

impl SimulatedRuntime {
    /// Opens the journal and reads all of it: blocks meanwhile.
    ///
    /// # Errors
    /// The file can be neither opened nor made, or is no journal.
    pub fn open(config: SimulatedConfig) -> io::Result<Arc<Self>> {
        let journal = Journal::open(&config.file)?;
        let (hints, taken) = unbounded_channel();
        Ok(Arc::new(SimulatedRuntime {
            ready_after: SignedDuration::try_from(config.ready_after)
                .unwrap_or(SignedDuration::MAX),
            config,
            engine: journal.engine.clone(),
            journal: Mutex::new(journal),
            waits: Waits::default(),
            hints,
            taken: Mutex::new(Some(taken)),
            seed: random_id()?,
            made: AtomicU64::new(0),
        }))
    }

    /// The journal as it stands now; what others changed in it is hinted at.
    fn with<T>(&self, act: impl FnOnce(&mut Journal) -> io::Result<T>) -> io::Result<T> {
        let mut journal = self.journal.lock().unwrap_or_else(PoisonError::into_inner);
        journal.catch_up()?;
        let done = act(&mut journal);
        for uid in journal.changed.drain(..) {
            self.hint(uid);
        }
        done
    }

    fn hint(&self, uid: String) {
        // We hold the receiver, or the process is on its way out.
        let _ = self.hints.send(Hint::Session(uid));
    }

    fn words(&self, error: &io::Error) -> String {
        format!("journal {}: {error}", self.config.file.display())
    }
}

impl Runtime for SimulatedRuntime {
    /// Looks at the file too. The controller asks twice a second, and so what others append is noticed without
    /// a timer of its own, whose wake-ups would stand in the idle CPU that is measured.
    fn engine(&self) -> BoxFuture<'_, Option<Engine>> {
        Box::pin(async {
            match self.with(|_| Ok(())) {
                Ok(()) => Some(self.engine.clone()),
                Err(error) => {
                    tracing::debug!(error = self.words(&error), "the simulated engine is gone");
                    None
                }
            }
        })
    }

    fn look<'a>(&'a self, look: Look<'a>) -> BoxFuture<'a, Seen> {
        Box::pin(async move { self.look_now(&look) })
    }

    fn image<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Image> {
        Box::pin(async { Image::Present })
    }

    /// A simulated host has as many ports as anybody likes: the numbers of one session differ, those of two
    /// sessions may be the same.
    fn choose_ports(&self, key: &SessionKey, ports: &[PortTerms]) -> Result<ChosenPorts, NoPort> {
        ports::choose(&key.uid, ports, 1024..=u16::MAX, &|_, _| false, &|_| false)
    }

    fn free_ports(&self, _: &SessionKey) {}

    fn shun_ports(&self, _: &SessionKey, _: &[u16]) {}

    fn storage<'a>(
        &'a self,
        key: &'a SessionKey,
        wanted: &'a [String],
    ) -> BoxFuture<'a, Result<StorageSeen, String>> {
        Box::pin(async move {
            let present = self.with(|journal| Ok(journal.fold.storage(&key.uid)));
            let present = present.map_err(|error| error.to_string())?;
            let missing = wanted
                .iter()
                .filter(|name| !present.contains(name))
                .cloned()
                .collect();
            Ok(StorageSeen { present, missing })
        })
    }

    fn act<'a>(
        &'a self,
        key: &'a SessionKey,
        engine: &'a EngineId,
        effect: &'a Effect,
    ) -> BoxFuture<'a, Result<Outcome, EffectError>> {
        // Not before it is polled: the gate stands between.
        Box::pin(async move {
            if *engine == self.engine.id {
                return self.carry_out(key, effect);
            }
            Err(EffectError::OtherEngine {
                expected: engine.0.clone(),
                found: self.engine.id.0.clone(),
            })
        })
    }

    fn list(&self) -> BoxFuture<'_, Result<Vec<Owned>, EffectError>> {
        Box::pin(self.list_owned())
    }

    fn hints(self: Arc<Self>) -> BoxStream<'static, Hint> {
        let taken = self
            .taken
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let Some(receiver) = taken else {
            tracing::error!("hints were taken before; they go there");
            return stream::pending().boxed();
        };
        let source = (self, receiver, VecDeque::new());
        stream::unfold(source, |(runtime, mut receiver, mut due)| async move {
            loop {
                if let Some(uid) = due.pop_front() {
                    return Some((Hint::Session(uid), (runtime, receiver, due)));
                }
                tokio::select! {
                    hint = receiver.recv() => return Some((hint?, (runtime, receiver, due))),
                    uids = runtime.waits.due() => due.extend(uids),
                }
            }
        })
        .boxed()
    }

    fn forget(&self, _: &str) {}
}
