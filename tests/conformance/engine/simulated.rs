//! The simulated engine, as people and programs reach it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use dillinger_runner::api::keys;
use dillinger_runner::runtime::Runtime;

use super::games;
use super::operations::{Night, Picture};
use super::side::{FENCE, FIXED, RANGE, Touch, World};
use crate::clock::SimClock;
use crate::faults::FaultScript;
use crate::history::History;
use crate::process::Process;
use crate::sim::engine::{Door, Engine, Refusal};
use crate::striking::Striking;

pub struct Simulated {
    engine: Arc<Engine>,
    fence: String,
    fences: u32,
    lives: u32,
}

fn code(answer: Result<(), Refusal>) -> u16 {
    answer.map_or_else(|refusal| refusal.status, |()| 204)
}

impl Simulated {
    /// Needs a runtime whose time is paused.
    pub fn new(live_restore: bool) -> Simulated {
        let engine = Engine::of(SimClock::new(), History::default(), games::play);
        engine.set_registry(&[Picture::Pullable.name()], Duration::from_millis(300));
        engine.set_port_range(RANGE);
        engine.start_up(live_restore);
        engine.add_image(Picture::Present.name());
        let labels = BTreeMap::from([(keys::UID.to_owned(), FENCE.to_owned())]);
        engine
            .create_container("fence-0", Picture::Present.name(), labels, None)
            .expect("nothing is there yet");
        let fence = engine.containers()[0].0.clone();
        Simulated {
            engine,
            fence,
            fences: 0,
            lives: 0,
        }
    }
}

impl World for Simulated {
    fn runtime(&mut self) -> Arc<dyn Runtime> {
        self.lives += 1;
        let process = Process::new(format!("controller-{}", self.lives));
        let striking = Striking::new(&FaultScript::default());
        Door::of(&self.engine, process, striking, games::owner())
    }

    async fn ids(&mut self) -> Vec<String> {
        let all = self.engine.containers().into_iter().map(|(id, ..)| id);
        all.filter(|id| *id != self.fence).collect()
    }

    async fn about_to_start(&mut self, _: &str) {}

    async fn until_up(&mut self, _: &str, _: Option<&str>) {}

    async fn settle(&mut self, slow: bool) {
        let time = if slow { 4000 } else { 200 };
        tokio::time::sleep(Duration::from_millis(time)).await;
    }

    async fn by_hand(&mut self, hand: &Touch) -> u16 {
        let engine = &self.engine;
        let who = "world";
        match hand {
            Touch::Start(id) => code(engine.start(id, who)),
            Touch::Stop(id) => code(engine.stop(id, Duration::from_secs(3), who)),
            Touch::Kill(id) => code(engine.kill(id, who)),
            Touch::Terminate(id) => code(engine.terminate(id)),
            Touch::Pause(id) => code(engine.pause(id)),
            Touch::Unpause(id) => code(engine.unpause(id)),
            Touch::Rename(id, name) => code(engine.rename(id, name)),
            Touch::Remove(id) => code(engine.remove(id, true, who)),
            Touch::KillProcess(id) => {
                engine.kill_process(id);
                0
            }
            Touch::CreateStranger(name, port) => {
                let image = Picture::Present.name();
                code(engine.create_container(name, image, BTreeMap::new(), *port))
            }
            Touch::CreateVolume(name) => {
                engine.create_strangers_volume(name);
                204
            }
            Touch::RemoveVolume(name) => code(engine.remove_volume(name, who)),
            Touch::LoseMarker => {
                engine.lose_marker();
                204
            }
            Touch::HoldPort(held) => code(engine.hold_port(FIXED, *held)),
            Touch::RemoveImage(image) => {
                if engine.remove_image(image) {
                    204
                } else {
                    404
                }
            }
        }
    }

    async fn night(&mut self, night: Night) {
        match night {
            Night::ShutDown => self.engine.shut_down(),
            Night::Crash => self.engine.crash(),
            Night::StartUp { live_restore } => self.engine.start_up(live_restore),
            Night::Freeze(_) => self.engine.freeze(),
        }
    }

    async fn thaw(&mut self) {
        self.engine.thaw();
    }

    async fn fence(&mut self) {
        self.fences += 1;
        let name = format!("fence-{}", self.fences);
        self.engine
            .rename(&self.fence, &name)
            .expect("the name is new");
    }
}
