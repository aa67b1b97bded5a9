//! One write to the simulated engine, and what each of its answers means.

use std::collections::BTreeMap;
use std::time::Duration;

use dillinger_runner::api::{ImagePullPolicy, keys};
use dillinger_runner::controller::gate::effect_label;
use dillinger_runner::runtime::{EffectError, Hint, Outcome, SessionKey};
use dillinger_runner::session::container::ContainerSpec;
use dillinger_runner::session::facts::EngineId;
use dillinger_runner::session::plan::Effect;

use crate::faults::{Failure, Position};
use crate::history::Told;
use crate::striking::Verdict;

use super::door::{Door, locked};
use super::odd::Call;
use super::{Does, Engine, LATE, Power, REFUSAL, Refusal, START, TRAVEL, WRITE};

fn no_answer() -> EffectError {
    EffectError::NoAnswer("the connection broke".to_owned())
}

/// As an answer that no one odd code explains.
fn failed(refusal: Refusal) -> EffectError {
    EffectError::Failed(refusal.words)
}

/// How long an answer is waited for.
fn patience(effect: &Effect) -> Duration {
    match effect {
        Effect::Create(_) | Effect::Start(_) => START,
        // Sent, and not waited for.
        Effect::Stop(..) => REFUSAL,
        Effect::Pull { .. }
        | Effect::CreateStorage(_)
        | Effect::Kill(_)
        | Effect::Remove(_)
        | Effect::RemoveStorage(_) => WRITE,
    }
}

/// No answer comes.
async fn silence(effect: &Effect) -> Result<Outcome, EffectError> {
    tokio::time::sleep(patience(effect)).await;
    match effect {
        Effect::Stop(..) => Ok(Outcome::Done),
        _ => Err(no_answer()),
    }
}

/// Our things say which engine they are on.
fn labelled(labels: &BTreeMap<String, String>, engine: &EngineId) -> BTreeMap<String, String> {
    let mut labels = labels.clone();
    labels.insert(keys::ENGINE.to_owned(), engine.0.clone());
    labels
}

fn of_engine(spec: &ContainerSpec, engine: &EngineId) -> ContainerSpec {
    let mut spec = spec.clone();
    spec.labels = labelled(&spec.labels, engine);
    for volume in &mut spec.volumes {
        volume.labels = labelled(&volume.labels, engine);
    }
    spec
}

impl Door {
    pub(super) async fn effect(
        &self,
        key: &SessionKey,
        engine: &EngineId,
        effect: &Effect,
    ) -> Result<Outcome, EffectError> {
        self.process.alive().await;
        tokio::time::sleep(TRAVEL).await;
        self.process.alive().await;
        let name = effect_label(effect);
        let answered = |code: u16| match code {
            400 | 422 => EffectError::Refused(format!("scripted {code}")),
            _ => EffectError::Failed(format!("scripted {code}")),
        };
        let verdict = self.striking.meet(&format!("effect:{name}"), true);
        match verdict {
            Verdict::Crash(Position::Before) => self.striking.die().await,
            Verdict::Late => {
                let door = self.again();
                let (key, engine, effect) = (key.clone(), engine.clone(), effect.clone());
                let arrive = move || door.arrived(&key, &engine, &effect);
                return self.process.late(arrive).await;
            }
            Verdict::Fail(Failure::Code(code)) => return Err(answered(code)),
            Verdict::Fail(Failure::Refused) => return Err(no_answer()),
            Verdict::Fail(Failure::Hangs) => {
                self.refuse_later(key, effect);
                return silence(effect).await;
            }
            Verdict::Go
            | Verdict::ThenRestore(_)
            | Verdict::ThenPause(_)
            | Verdict::Crash(Position::Between | Position::After)
            | Verdict::Fail(
                Failure::CommittedCode(_)
                | Failure::Lost
                | Failure::CommittedHangs
                | Failure::Overtaken,
            ) => {}
        }
        if !self.reach(patience(effect)).await {
            return Err(no_answer());
        }
        let outcome = self.arrived(key, engine, effect);
        match verdict {
            Verdict::Crash(Position::Between) => self.striking.die().await,
            Verdict::Crash(Position::After) => self.striking.die_after(TRAVEL + TRAVEL / 2),
            Verdict::ThenPause(Position::After) => self.striking.stand_still(TRAVEL + TRAVEL / 2),
            Verdict::ThenPause(_) => self.striking.stand_still(Duration::ZERO),
            Verdict::Fail(Failure::CommittedCode(code)) => return Err(answered(code)),
            Verdict::Fail(Failure::Lost) => return Err(no_answer()),
            Verdict::Fail(Failure::CommittedHangs) => {
                if outcome.is_err() {
                    self.refuse_later(key, effect);
                }
                return silence(effect).await;
            }
            Verdict::Go
            | Verdict::ThenRestore(_)
            | Verdict::Late
            | Verdict::Crash(Position::Before)
            | Verdict::Fail(
                Failure::Code(_) | Failure::Refused | Failure::Hangs | Failure::Overtaken,
            ) => {}
        }
        tokio::time::sleep(TRAVEL).await;
        self.process.alive().await;
        outcome
    }

    /// A daemon that took a stop up answers when the game has ended. One that did not refuses it, or its connection
    /// breaks, when nobody waits any more.
    fn refuse_later(&self, key: &SessionKey, effect: &Effect) {
        if !matches!(effect, Effect::Stop(..)) {
            return;
        }
        let (process, memory) = (self.process.clone(), self.memory.clone());
        let (own, uid) = (self.own.clone(), key.uid.clone());
        tokio::spawn(async move {
            tokio::time::sleep(LATE).await;
            process.alive().await;
            locked(&memory).refused.insert(uid.clone());
            let _ = own.send(Hint::Session(uid));
        });
    }

    /// It reached the daemon, if that is there and the one that is meant.
    fn arrived(
        &self,
        key: &SessionKey,
        engine: &EngineId,
        effect: &Effect,
    ) -> Result<Outcome, EffectError> {
        if *self.engine.power.borrow() != Power::Up {
            return Err(no_answer());
        }
        let found = self.engine.host().id;
        if found != *engine {
            return Err(EffectError::OtherEngine {
                expected: engine.0.clone(),
                found: found.0,
            });
        }
        self.carry_out(key, engine, effect)
    }

    fn carry_out(
        &self,
        key: &SessionKey,
        of: &EngineId,
        effect: &Effect,
    ) -> Result<Outcome, EffectError> {
        let (engine, who) = (&self.engine, self.process.name());
        match effect {
            Effect::Pull { image, policy } => {
                self.pull(image, *policy);
                Ok(Outcome::Done)
            }
            Effect::CreateStorage(volumes) => {
                for volume in volumes {
                    let labels = labelled(&volume.labels, of);
                    let made = engine.asked(Call::CreateVolume, || {
                        Ok(engine.create_volume(&volume.name, &labels, who))
                    });
                    let owner = made.map_err(|refusal| match refusal.status {
                        400 => EffectError::Refused(refusal.words),
                        _ => failed(refusal),
                    })?;
                    if owner != key.uid {
                        return Err(EffectError::Failed(format!(
                            "volume {} exists and is not this session's",
                            volume.name
                        )));
                    }
                }
                Ok(Outcome::Done)
            }
            Effect::Create(spec) => {
                match engine.asked(Call::Create, || engine.create(&of_engine(spec, of), who)) {
                    Ok(()) => Ok(Outcome::Done),
                    Err(Refusal { status: 409, .. }) => Ok(Outcome::Already),
                    Err(Refusal { status: 400, words }) => Err(EffectError::Refused(words)),
                    Err(other) => Err(failed(other)),
                }
            }
            Effect::Start(id) => self.expecting(&id.0, Does::Start, || {
                let started = engine.asked(Call::Start, || engine.start(&id.0, who));
                started.map(|()| Outcome::Done).map_err(failed)
            }),
            Effect::Stop(id, grace) => {
                let grace = Duration::from_secs(u64::try_from(*grace).unwrap_or_default());
                match engine.asked(Call::Stop, || engine.stop(&id.0, grace, who)) {
                    Ok(()) => Ok(Outcome::Done),
                    Err(Refusal { status: 404, .. }) => Ok(Outcome::Already),
                    Err(other) => Err(failed(other)),
                }
            }
            Effect::Kill(id) => match engine.asked(Call::Kill, || engine.kill(&id.0, who)) {
                Ok(()) => Ok(Outcome::Done),
                Err(Refusal {
                    status: 404 | 409, ..
                }) => Ok(Outcome::Already),
                Err(other) => Err(failed(other)),
            },
            Effect::Remove(id) => self.expecting(&id.0, Does::Destroy, || {
                match engine.asked(Call::Remove, || engine.remove(&id.0, false, who)) {
                    Ok(()) => Ok(Outcome::Done),
                    Err(Refusal { status: 404, .. }) => Ok(Outcome::Already),
                    Err(Refusal { status: 409, words })
                        if words.contains("already in progress") =>
                    {
                        Ok(Outcome::Already)
                    }
                    Err(other) => Err(failed(other)),
                }
            }),
            Effect::RemoveStorage(names) => {
                for name in names {
                    if engine.owner_of_volume(name).as_deref() == Some(&key.uid) {
                        let removed =
                            engine.asked(Call::RemoveVolume, || engine.remove_volume(name, who));
                        match removed {
                            Ok(()) | Err(Refusal { status: 404, .. }) => {}
                            Err(other) => return Err(failed(other)),
                        }
                    }
                }
                Ok(Outcome::Done)
            }
        }
    }

    /// The event that this act causes is no hint.
    fn expecting(
        &self,
        id: &str,
        does: Does,
        act: impl FnOnce() -> Result<Outcome, EffectError>,
    ) -> Result<Outcome, EffectError> {
        let event = (id.to_owned(), does);
        self.memory().expected.insert(event.clone());
        let outcome = act();
        if outcome.is_err() {
            self.memory().expected.remove(&event);
        }
        outcome
    }

    /// Starts the pull or joins the one that runs. The engine gives up what nobody waits for any more.
    fn pull(&self, image: &str, policy: ImagePullPolicy) {
        if !self.memory().begin_pull(image) {
            return;
        }
        let takes = self.engine.lock().pull_takes;
        let told = Told::Pull {
            image: image.to_owned(),
            takes,
        };
        self.engine.could_tell(self.process.name(), told);
        let (engine, process) = (self.engine.clone(), self.process.clone());
        let clock = self.clock.clone();
        let (memory, own, image) = (self.memory.clone(), self.own.clone(), image.to_owned());
        tokio::spawn(async move {
            tokio::time::sleep(takes).await;
            process.alive().await;
            let came = *engine.power.borrow() == Power::Up && engine.pulled(&image);
            let at = clock.now();
            let mut memory = locked(&memory);
            memory.end_pull(&image, came, at, policy);
            for uid in &memory.waiting {
                let _ = own.send(Hint::Session(uid.clone()));
            }
        });
    }
}

impl Engine {
    /// What the registry has is here now.
    fn pulled(&self, image: &str) -> bool {
        let mut state = self.lock();
        let has = state
            .registry
            .as_ref()
            .is_none_or(|images| images.contains(image));
        if has {
            state.images.insert(image.to_owned());
        }
        has
    }
}
