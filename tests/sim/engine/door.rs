//! One controller process's way to the simulated engine: each call travels, may be struck by a fault, and is
//! understood as the Docker runtime understands the engine's answers.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use dillinger_runner::clock::Clock;
use dillinger_runner::runtime::{EffectError, Hint, Look, Outcome, Owned, Runtime, SessionKey};
use dillinger_runner::session::contract::PortTerms;
use dillinger_runner::session::facts::{self, EngineId};
use dillinger_runner::session::observation::{Image, Owner, StorageSeen};
use dillinger_runner::session::plan::Effect;
use dillinger_runner::session::ports::{ChosenPorts, NoPort};
use dillinger_runner::session::seen::{Doubt, Seen};
use futures::future::BoxFuture;
use futures::stream::{BoxStream, StreamExt};
use tokio::sync::{broadcast, mpsc};

use crate::faults::{Failure, Fate};
use crate::process::Process;
use crate::striking::{Striking, Verdict};

use super::memory::Memory;
use super::{Does, Engine, Event, LOOK, Power, TRAVEL};

/// One process's way to the engine.
pub struct Door {
    pub(super) engine: Arc<Engine>,
    pub(super) process: Process,
    pub(super) striking: Striking,
    pub(super) memory: Arc<Mutex<Memory>>,
    /// Hints of this process's own: answers of games, ends of pulls.
    pub(super) own: mpsc::UnboundedSender<Hint>,
    own_end: Mutex<Option<mpsc::UnboundedReceiver<Hint>>>,
    /// Whose things a list shows; None: everybody's.
    pub(super) owner: Option<Owner>,
    /// The process's own: it follows the host's slowly.
    pub(super) clock: Clock,
}

pub(super) fn locked(memory: &Mutex<Memory>) -> MutexGuard<'_, Memory> {
    memory.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Door {
    pub(super) fn new(engine: Arc<Engine>, process: Process, striking: Striking) -> Arc<Door> {
        Door::make(engine, process, striking, None)
    }

    /// One whose lists show what this owner made and nothing else.
    pub fn of(
        engine: &Arc<Engine>,
        process: Process,
        striking: Striking,
        owner: Owner,
    ) -> Arc<Door> {
        Door::make(engine.clone(), process, striking, Some(owner))
    }

    fn make(
        engine: Arc<Engine>,
        process: Process,
        striking: Striking,
        owner: Option<Owner>,
    ) -> Arc<Door> {
        let (own, own_end) = mpsc::unbounded_channel();
        let wall = engine.clock.clone();
        Arc::new(Door {
            clock: Clock::new(move || wall.now()),
            engine,
            process,
            striking,
            memory: Arc::default(),
            own,
            own_end: Mutex::new(Some(own_end)),
            owner,
        })
    }

    /// The same way, for what goes on when nobody waits for it any more.
    pub(super) fn again(&self) -> Door {
        Door {
            engine: self.engine.clone(),
            process: self.process.clone(),
            striking: self.striking.clone(),
            memory: self.memory.clone(),
            own: self.own.clone(),
            own_end: Mutex::default(),
            owner: self.owner.clone(),
            clock: self.clock.clone(),
        }
    }

    pub(super) fn memory(&self) -> MutexGuard<'_, Memory> {
        locked(&self.memory)
    }

    /// Whether the daemon answers within this.
    pub(super) async fn reach(&self, limit: Duration) -> bool {
        if self.memory().away {
            return false;
        }
        let mut power = self.engine.power.subscribe();
        let answers = power.wait_for(|power| *power != Power::Frozen);
        match tokio::time::timeout(limit, answers).await {
            Ok(Ok(power)) => *power == Power::Up,
            Ok(Err(_)) | Err(_) => false,
        }
    }

    /// A look: None when it gets no answer.
    async fn ask<T>(&self, what: &str, answer: impl FnOnce() -> T) -> Option<T> {
        self.process.alive().await;
        tokio::time::sleep(TRAVEL).await;
        let verdict = self.striking.meet(&format!("look:{what}"), false);
        let answered = match verdict {
            Verdict::Go => self.reach(LOOK).await.then(answer),
            Verdict::Fail(Failure::Hangs | Failure::CommittedHangs) => {
                tokio::time::sleep(LOOK).await;
                None
            }
            Verdict::Fail(_)
            | Verdict::Crash(_)
            | Verdict::ThenRestore(_)
            | Verdict::Late
            | Verdict::ThenPause(_) => None,
        };
        self.process.alive().await;
        answered
    }

    async fn next_hint(
        &self,
        own: &mut mpsc::UnboundedReceiver<Hint>,
        events: &mut broadcast::Receiver<Event>,
        swapped: &mut Option<Event>,
    ) -> Option<Hint> {
        loop {
            let hint = tokio::select! {
                // A run is the same each time.
                biased;
                hint = own.recv() => Some(hint?),
                event = events.recv() => match event {
                    Ok(event @ Event::Container { .. }) => self.told(event, swapped),
                    Ok(event @ (Event::Away | Event::Back)) => self.hint(event),
                    Err(broadcast::error::RecvError::Lagged(_)) => {
                        let mut memory = self.memory();
                        memory.broken();
                        memory.connected(self.engine.running());
                        Some(Hint::All)
                    }
                    Err(broadcast::error::RecvError::Closed) => return None,
                },
            };
            if hint.is_some() {
                return hint;
            }
        }
    }

    /// The event as it comes, unless the script says otherwise; one that waits comes after the next.
    fn told(&self, event: Event, swapped: &mut Option<Event>) -> Option<Hint> {
        let fate = self.striking.event("engine");
        let waited = swapped.take();
        let hint = match fate {
            Some(Fate::Drop) => None,
            Some(Fate::Swap) => {
                *swapped = Some(event);
                None
            }
            Some(Fate::Double) => {
                let first = self.hint(event.clone());
                self.hint(event).or(first)
            }
            Some(Fate::Freeze | Fate::Gone | Fate::Delay { .. } | Fate::Hold { .. }) | None => {
                self.hint(event)
            }
        };
        let late = waited.and_then(|event| self.hint(event));
        match (hint, late) {
            (Some(_), Some(_)) => Some(Hint::All),
            (hint, late) => hint.or(late),
        }
    }

    /// What an event means to this process.
    fn hint(&self, event: Event) -> Option<Hint> {
        let mut memory = self.memory();
        match event {
            Event::Away => {
                memory.broken();
                Some(Hint::All)
            }
            Event::Back => {
                memory.connected(self.engine.running());
                Some(Hint::All)
            }
            Event::Container { uid, id, does } => {
                if matches!(does, Does::Die | Does::Destroy) {
                    memory.asked.remove(&id);
                    // A start that was already so has no event of its own.
                    memory.expected.remove(&(id.clone(), Does::Start));
                }
                let expected = memory.expected.remove(&(id, does));
                if uid.is_empty() {
                    return None;
                }
                memory.take_listed(&uid);
                (!expected && does != Does::Create).then_some(Hint::Session(uid))
            }
        }
    }
}

/// Who comes to a daemon that hangs has his list once it goes on, called away or not.
async fn connects_late(door: Door) {
    let mut power = door.engine.power.subscribe();
    if power.wait_for(|power| *power == Power::Up).await.is_err() {
        return;
    }
    door.process.alive().await;
    if door.memory().away {
        door.memory().connected(door.engine.running());
        let _ = door.own.send(Hint::All);
    }
}

impl Runtime for Door {
    fn engine(&self) -> BoxFuture<'_, Option<facts::Engine>> {
        Box::pin(self.ask("engine", || self.engine.host()))
    }

    fn look<'a>(&'a self, look: Look<'a>) -> BoxFuture<'a, Seen> {
        Box::pin(async move {
            let seen = self.ask("container", || self.look_now(&look)).await;
            seen.unwrap_or_else(|| Seen::Unknown(Doubt::EngineUnreachable("no answer".to_owned())))
        })
    }

    fn image<'a>(&'a self, image: &'a str) -> BoxFuture<'a, Image> {
        Box::pin(async move {
            let seen = self.ask("image", || {
                let mut memory = self.memory();
                if let Some(known) = memory.image(image) {
                    return known;
                }
                if self.engine.lock().images.contains(image) {
                    memory.pulls.remove(image);
                    Image::Present
                } else {
                    memory.missing(image)
                }
            });
            seen.await.unwrap_or(Image::Unchecked)
        })
    }

    fn choose_ports(&self, key: &SessionKey, wanted: &[PortTerms]) -> Result<ChosenPorts, NoPort> {
        self.memory().ports.choose(&self.engine, &key.uid, wanted)
    }

    fn free_ports(&self, key: &SessionKey) {
        self.memory().ports.forget(&key.uid);
    }

    fn shun_ports(&self, _: &SessionKey, ports: &[u16]) {
        self.memory().ports.shun(ports);
    }

    fn storage<'a>(
        &'a self,
        key: &'a SessionKey,
        wanted: &'a [String],
    ) -> BoxFuture<'a, Result<StorageSeen, String>> {
        let asked = self.ask("storage", || {
            let volumes = self.engine.volumes();
            let present: Vec<String> = volumes
                .into_iter()
                .filter(|(_, uid)| *uid == key.uid)
                .map(|(name, _)| name)
                .collect();
            let missing = wanted
                .iter()
                .filter(|name| !present.contains(name))
                .cloned()
                .collect();
            StorageSeen { present, missing }
        });
        Box::pin(async move { asked.await.ok_or_else(|| "no answer".to_owned()) })
    }

    fn act<'a>(
        &'a self,
        key: &'a SessionKey,
        engine: &'a EngineId,
        effect: &'a Effect,
    ) -> BoxFuture<'a, Result<Outcome, EffectError>> {
        Box::pin(self.effect(key, engine, effect))
    }

    fn refused_since(&self, uid: &str) -> Option<String> {
        let was = self.memory().refused.remove(uid);
        was.then(|| "the daemon did not take it up".to_owned())
    }

    fn list(&self) -> BoxFuture<'_, Result<Vec<Owned>, EffectError>> {
        Box::pin(async move {
            let listed = self.ask("list", || self.list_now());
            listed
                .await
                .ok_or_else(|| EffectError::NoAnswer("no answer".to_owned()))
        })
    }

    fn hints(self: Arc<Self>) -> BoxStream<'static, Hint> {
        let events = self.engine.events.subscribe();
        let own = self
            .own_end
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let Some(own) = own else {
            return futures::stream::pending().boxed();
        };
        if *self.engine.power.borrow() == Power::Up {
            self.memory().connected(self.engine.running());
        } else {
            self.memory().broken();
        }
        if *self.engine.power.borrow() == Power::Frozen {
            tokio::spawn(connects_late(self.again()));
        }
        let _ = self.own.send(Hint::All);
        futures::stream::unfold(
            (self, own, events, None),
            |(door, mut own, mut events, mut swapped)| async move {
                let hint = door.next_hint(&mut own, &mut events, &mut swapped).await?;
                door.process.alive().await;
                Some((hint, (door, own, events, swapped)))
            },
        )
        .boxed()
    }

    fn forget(&self, uid: &str) {
        let mut memory = self.memory();
        memory.ports.forget(uid);
        memory.waiting.remove(uid);
        memory.take_listed(uid);
        memory.refused.remove(uid);
    }
}
