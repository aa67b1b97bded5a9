//! What each operation does to one engine, and what it is answered.

use std::sync::Arc;
use std::time::Duration;

use dillinger_runner::api::{PortPolicy, PortProtocol};
use dillinger_runner::runtime::Hint;
use dillinger_runner::session::contract::PortTerms;
use dillinger_runner::session::facts::EngineId;
use dillinger_runner::session::observation::Image;
use dillinger_runner::session::plan::Effect;
use dillinger_runner::session::seen::{Answer, ContainerId, Seen};
use serde_json::{Value, json};

use super::games;
use super::normal;
use super::operations::{Act, Hand, Night, Operation, Picture, Port, Wanted, Who};
use super::side::{FIXED, LIMIT, STEP, Side, Touch, World};

impl<W: World> Side<W> {
    pub(super) async fn perform(&mut self, operation: &Operation) -> Value {
        match operation {
            Operation::Act { act, wrong_engine } => self.act(act, *wrong_engine).await,
            Operation::Look {
                who,
                attempt,
                right_engine,
            } => {
                let engine = right_engine.map(|right| {
                    if right {
                        self.right_engine()
                    } else {
                        EngineId("f".repeat(32))
                    }
                });
                let seen = self.look(*who, *attempt, engine.as_ref(), false).await;
                self.names.seen(&seen)
            }
            Operation::Ask(who) => self.ask(*who).await,
            Operation::Image(picture) => normal::image(&self.runtime.image(picture.name()).await),
            Operation::Choose(who, wanted) => self.choose(*who, *wanted).1,
            Operation::Shun => {
                self.runtime.shun_ports(self.key(Who::A), &[FIXED]);
                Value::Null
            }
            Operation::Forget(who) => {
                self.runtime.forget(&self.key(*who).uid);
                Value::Null
            }
            Operation::Reborn => {
                self.runtime = self.world.runtime();
                self.hints = Arc::clone(&self.runtime).hints();
                self.until_hint(&Hint::All).await;
                Value::Null
            }
            Operation::Hand(hand) => self.hand(*hand).await,
            Operation::Night(night) => self.night(*night).await,
        }
    }

    async fn act(&mut self, act: &Act, wrong_engine: bool) -> Value {
        let (who, effect) = match act {
            Act::Pull(picture, policy) => {
                let image = picture.name().to_owned();
                let policy = *policy;
                (Who::A, Effect::Pull { image, policy })
            }
            Act::CreateStorage(who) => {
                let volume = games::volume(self.key(*who));
                (*who, Effect::CreateStorage(vec![volume]))
            }
            Act::Create {
                who,
                attempt,
                game,
                port,
            } => {
                let port = match port {
                    Port::None => None,
                    Port::Fixed => Some(FIXED),
                    Port::Chosen => self.choose(*who, Wanted::Both).0,
                };
                let spec = game.spec(self.key(*who), *attempt, port);
                (*who, Effect::Create(Box::new(spec)))
            }
            Act::Start(which) => (Who::A, Effect::Start(ContainerId(self.id(*which)))),
            Act::Stop(which, grace) => (Who::A, Effect::Stop(ContainerId(self.id(*which)), *grace)),
            Act::Kill(which) => (Who::A, Effect::Kill(ContainerId(self.id(*which)))),
            Act::Remove(which) => (Who::A, Effect::Remove(ContainerId(self.id(*which)))),
            Act::RemoveStorage(who, whose) => {
                let name = games::volume_name(self.key(*whose));
                (*who, Effect::RemoveStorage(vec![name]))
            }
        };
        let engine = if wrong_engine {
            EngineId("f".repeat(32))
        } else {
            self.right_engine()
        };
        let key = self.key(who).clone();
        if let Effect::Start(id) = &effect
            && self.up
        {
            self.world.about_to_start(&id.0).await;
        }
        let outcome = self.runtime.act(&key, &engine, &effect).await;
        match act {
            Act::Create {
                who, game, attempt, ..
            } => {
                if outcome.is_ok() {
                    let last = &mut self.attempts[*who as usize];
                    *last = (*last).max(Some(*attempt));
                }
                self.learn(Some((*who, *game))).await;
            }
            Act::Start(which) => self.until_up(*which).await,
            Act::Pull(picture, _) => return self.pulled(*picture, normal::outcome(&outcome)).await,
            _ => {}
        }
        normal::outcome(&outcome)
    }

    /// Waits for the end of the pull.
    async fn pulled(&mut self, picture: Picture, outcome: Value) -> Value {
        loop {
            let image = self.runtime.image(picture.name()).await;
            if !matches!(image, Image::Pulling(_)) {
                return json!({"pull": outcome, "image": normal::image(&image)});
            }
            tokio::time::sleep(STEP).await;
        }
    }

    fn choose(&mut self, who: Who, wanted: Wanted) -> (Option<u16>, Value) {
        let terms: Vec<PortTerms> = match wanted {
            Wanted::Nothing => Vec::new(),
            Wanted::Dynamic => vec![games::port_terms(PortPolicy::Dynamic, PortProtocol::UDP)],
            Wanted::Both => vec![games::port_terms(PortPolicy::Dynamic, PortProtocol::TCPUDP)],
            Wanted::Passthrough => {
                vec![games::port_terms(
                    PortPolicy::Passthrough,
                    PortProtocol::TCP,
                )]
            }
            Wanted::Static => vec![PortTerms {
                host_port: Some(FIXED),
                ..games::port_terms(PortPolicy::Static, PortProtocol::TCPUDP)
            }],
        };
        match self.runtime.choose_ports(self.key(who), &terms) {
            Ok(chosen) => (chosen.0.get("game").copied(), json!(chosen.0)),
            Err(none) => (None, json!({"none": none.message})),
        }
    }

    /// Looks until the answer is one that lasts.
    async fn ask(&mut self, who: Who) -> Value {
        let engine = self.right_engine();
        let attempt = self.attempts[who as usize];
        let mut first = None;
        let began = tokio::time::Instant::now();
        loop {
            let seen = self.look(who, attempt, Some(&engine), true).await;
            let Seen::Running(_, answer) = &seen else {
                return json!({"first": first, "last": self.names.seen(&seen)});
            };
            let word = normal::word(answer);
            let first = *first.get_or_insert(word);
            let lasts = match answer {
                Answer::Ready | Answer::CannotTell(_) => true,
                // The game is up since it was waited for, so that what is not there now does not come.
                Answer::NotReady(_) => began.elapsed() > Duration::from_millis(600),
                Answer::NotAsked => false,
            };
            if lasts {
                return json!({"first": first, "last": word});
            }
            assert!(began.elapsed() < LIMIT, "no answer that lasts: {seen:?}");
            tokio::time::sleep(STEP).await;
        }
    }

    async fn hand(&mut self, hand: Hand) -> Value {
        let fixed = |port: Port| (port != Port::None).then_some(FIXED);
        let touch = match hand {
            Hand::Start(which) => Touch::Start(self.id(which)),
            Hand::Stop(which) => Touch::Stop(self.id(which)),
            Hand::Kill(which) => Touch::Kill(self.id(which)),
            Hand::Terminate(which) => Touch::Terminate(self.id(which)),
            Hand::Pause(which) => Touch::Pause(self.id(which)),
            Hand::Unpause(which) => Touch::Unpause(self.id(which)),
            Hand::Rename(which, who) => {
                self.renamed += 1;
                let name = who.map_or_else(
                    || format!("elsewhere-{}", self.renamed),
                    |who| self.key(who).container_name.clone(),
                );
                Touch::Rename(self.id(which), name)
            }
            Hand::RemoveByForce(which) => Touch::Remove(self.id(which)),
            Hand::KillProcess(which) => Touch::KillProcess(self.id(which)),
            Hand::CreateStranger(who, port) => {
                Touch::CreateStranger(self.key(who).container_name.clone(), fixed(port))
            }
            Hand::CreateStrangersVolume(who) => {
                Touch::CreateVolume(games::volume_name(self.key(who)))
            }
            Hand::RemoveVolume(who) => Touch::RemoveVolume(games::volume_name(self.key(who))),
            Hand::LoseMarker => Touch::LoseMarker,
            Hand::HoldPort(held) => Touch::HoldPort(held),
            Hand::RemoveImage => Touch::RemoveImage(Picture::Pullable.name()),
        };
        let needs_engine = !matches!(hand, Hand::KillProcess(_) | Hand::HoldPort(_));
        if needs_engine && !self.up {
            return json!("nobody answers");
        }
        if let Touch::Start(id) = &touch {
            self.world.about_to_start(id).await;
        }
        let status = self.world.by_hand(&touch).await;
        match hand {
            Hand::Start(which) => self.until_up(which).await,
            Hand::CreateStranger(..) => self.learn(None).await,
            _ => {}
        }
        if status < 400 {
            json!("done")
        } else {
            json!("refused")
        }
    }

    async fn night(&mut self, night: Night) -> Value {
        match night {
            Night::ShutDown | Night::Crash if !self.up => json!("it is down"),
            Night::StartUp { .. } if self.up => json!("it is up"),
            Night::Freeze(_) if !self.up => json!("it is down"),
            Night::ShutDown | Night::Crash | Night::StartUp { .. } => {
                self.world.night(night).await;
                self.up = matches!(night, Night::StartUp { .. });
                self.until_hint(&Hint::All).await;
                Value::Null
            }
            Night::Freeze(who) => {
                self.world.night(night).await;
                let engine = self.right_engine();
                let seen = self.look(who, None, Some(&engine), false).await;
                self.world.thaw().await;
                self.names.seen(&seen)
            }
        }
    }
}
