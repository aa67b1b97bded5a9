//! What people, programs of the host and bad nights do to an engine, beside its controllers.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use dillinger_runner::api::keys;
use dillinger_runner::session::container::{ContainerSpec, OnCluster, Published, Transport};

use super::life::no_such;
use super::{CALLED_AWAY, Does, Engine, Event, Inside, Kept, Power, Refusal};
use crate::history::{Life, Told};

/// Whoever is no controller.
const WORLD: &str = "world";
/// Exit code of a process that SIGKILL ended.
const KILLED: i32 = 137;

impl Engine {
    /// The image is gone, so that it must be pulled.
    pub fn forget_images(&self) {
        self.lock().images.clear();
    }

    pub fn add_image(&self, image: &str) {
        self.lock().images.insert(image.to_owned());
    }

    /// False: it was not there.
    pub fn remove_image(&self, image: &str) -> bool {
        self.lock().images.remove(image)
    }

    /// A pull gets these images and no other, and takes this long.
    pub fn set_registry(&self, images: &[&str], pull_takes: Duration) {
        let images = images.iter().map(|image| (*image).to_owned()).collect();
        let mut state = self.lock();
        state.registry = Some(images);
        state.pull_takes = pull_takes;
    }

    pub fn set_port_range(&self, range: RangeInclusive<u16>) {
        self.lock().port_range = range;
    }

    /// Somebody removes every container of this session by hand, running or not.
    pub fn remove_by_hand(&self, uid: &str) {
        let ids: Vec<String> = {
            let state = self.lock();
            let own = state.containers.iter().filter(|(_, c)| c.uid == uid);
            own.map(|(id, _)| id.clone()).collect()
        };
        for id in ids {
            // Another one may have been faster.
            let _ = self.remove(&id, true, WORLD);
        }
    }

    pub fn pause(&self, id: &str) -> Result<(), Refusal> {
        self.set_paused(id, true)
    }

    pub fn unpause(&self, id: &str) -> Result<(), Refusal> {
        self.set_paused(id, false)
    }

    fn set_paused(&self, id: &str, wanted: bool) -> Result<(), Refusal> {
        let mut state = self.lock();
        let Some(c) = state.containers.get_mut(id) else {
            return Err(no_such(id));
        };
        match &mut c.state {
            Inside::Live { paused, .. } if *paused != wanted => *paused = wanted,
            Inside::Live { .. }
            | Inside::Created { .. }
            | Inside::Exited { .. }
            | Inside::Going => {
                let words = format!("container {id} is not in a state to be paused or not");
                return Err(Refusal::new(409, words));
            }
        }
        let (life, does) = if wanted {
            (Life::Paused, Does::Pause)
        } else {
            (Life::Running, Does::Unpause)
        };
        self.note(WORLD, id, c, life);
        self.tell(id, c, does);
        Ok(())
    }

    pub fn rename(&self, id: &str, name: &str) -> Result<(), Refusal> {
        let mut state = self.lock();
        if !state.containers.contains_key(id) {
            return Err(no_such(id));
        }
        if state.containers[id].name == name {
            let words = "Renaming a container with the same name as its current name".to_owned();
            return Err(Refusal::new(400, words));
        }
        if state.containers.values().any(|c| c.name == name) {
            let words = format!("Conflict. The container name \"/{name}\" is already in use");
            return Err(Refusal::new(409, words));
        }
        let c = state.containers.get_mut(id).expect("it was found above");
        name.clone_into(&mut c.name);
        self.tell(id, c, Does::Rename);
        Ok(())
    }

    /// `docker kill --signal TERM`: nothing follows it.
    pub fn terminate(self: &Arc<Self>, id: &str) -> Result<(), Refusal> {
        match self.signalled(id, WORLD)? {
            Some((run, (after, code))) => {
                let id = id.to_owned();
                self.later(after, move |engine| {
                    engine.end(&id, run, code, false, "game")
                });
                Ok(())
            }
            None => Err(Refusal::new(409, format!("Container {id} is not running"))),
        }
    }

    /// The kernel ends its process, whether the daemon is there or not.
    pub fn kill_process(&self, id: &str) {
        let run = match self.lock().containers.get(id).map(|c| c.state.clone()) {
            Some(Inside::Live { run, .. }) => run,
            Some(Inside::Created { .. } | Inside::Exited { .. } | Inside::Going) | None => return,
        };
        self.end(id, run, KILLED, false, WORLD);
    }

    /// Somebody makes a container with these labels.
    pub fn create_container(
        &self,
        name: &str,
        image: &str,
        labels: BTreeMap<String, String>,
        port: Option<u16>,
    ) -> Result<(), Refusal> {
        let ports = port.into_iter().flat_map(|host_port| {
            [Transport::Tcp, Transport::Udp].map(|transport| Published {
                name: String::new(),
                container_port: host_port,
                host_port,
                transport,
            })
        });
        let attempt = labels.get(keys::ATTEMPT).and_then(|n| n.parse().ok());
        let spec = ContainerSpec {
            name: name.to_owned(),
            attempt: attempt.unwrap_or(0),
            labels,
            image: image.to_owned(),
            command: Vec::new(),
            args: Vec::new(),
            env: Vec::new(),
            user: 0,
            group: 0,
            read_only_root: false,
            init: false,
            cpu_millis: 0,
            memory_bytes: i64::MAX,
            scratch: Vec::new(),
            volumes: Vec::new(),
            ports: ports.collect(),
            grace_seconds: 10,
            on_cluster: OnCluster::default(),
        };
        self.create(&spec, WORLD)
    }

    pub fn create_strangers_volume(&self, name: &str) {
        self.create_volume(name, &BTreeMap::new(), WORLD);
    }

    /// A program of the host takes a port, or lets it go.
    pub fn hold_port(&self, port: u16, held: bool) -> Result<(), Refusal> {
        let mut state = self.lock();
        let live = state.containers.values().filter(|c| c.is_live());
        let mut bound = live.flat_map(|c| &c.spec.ports);
        if held && bound.any(|p| p.host_port == port) {
            let words = format!("{port}: address already in use");
            return Err(Refusal::new(409, words));
        }
        for transport in [Transport::Tcp, Transport::Udp] {
            if held {
                state.held.insert((port, transport));
            } else {
                state.held.remove(&(port, transport));
            }
        }
        Ok(())
    }

    /// The daemon ends in order: its games with it, unless it keeps them alive over its restarts.
    pub fn shut_down(&self) {
        self.switch(Power::Down);
        if !self.lock().live_restore {
            self.end_all();
        }
    }

    /// The host loses its power: what ran is found dead by the daemon that starts next, which knows no code of its end.
    pub fn lose_power(&self) {
        const UNKNOWN: i32 = 255;
        self.switch(Power::Down);
        for (id, run) in self.live() {
            self.end(&id, run, UNKNOWN, false, WORLD);
        }
    }

    fn live(&self) -> Vec<(String, usize)> {
        let state = self.lock();
        let live = |(id, c): (&String, &Kept)| match c.state {
            Inside::Live { run, .. } => Some((id.clone(), run)),
            Inside::Created { .. } | Inside::Exited { .. } | Inside::Going => None,
        };
        state.containers.iter().filter_map(live).collect()
    }

    /// The daemon alone dies; games go on.
    pub fn crash(&self) {
        self.switch(Power::Down);
    }

    /// The daemon starts. What it finds alive it ends in order, unless it is to keep it.
    pub fn start_up(&self, live_restore: bool) {
        if !live_restore {
            self.end_all();
        }
        {
            let mut state = self.lock();
            state.live_restore = live_restore;
            state.started = self.clock.now();
        }
        self.switch(Power::Up);
    }

    /// It is there and answers nothing; one that is down is not there.
    pub fn freeze(self: &Arc<Self>) {
        if *self.power.borrow() == Power::Down {
            return;
        }
        self.switch(Power::Frozen);
        self.later(CALLED_AWAY, |engine| {
            if *engine.power.borrow() == Power::Frozen {
                engine.lock().called_away = true;
                let _ = engine.events.send(Event::Away);
            }
        });
    }

    pub fn thaw(&self) {
        if *self.power.borrow() == Power::Frozen {
            self.switch(Power::Up);
        }
    }

    /// Another, empty engine answers in its place, with these images.
    pub fn replace(&self, images: &[&str]) {
        self.crash();
        {
            let mut state = self.lock();
            state.id = state.next_id();
            state.ids += 1;
            // Whatever became of them, nobody will ever see them again.
            for (id, c) in std::mem::take(&mut state.containers) {
                self.note(WORLD, &id, &c, Life::Removed);
            }
            for (name, labels) in std::mem::take(&mut state.volumes) {
                self.note_volume(&name, &labels, false, WORLD);
            }
            state.images = images.iter().map(|image| (*image).to_owned()).collect();
        }
        self.start_up(false);
        self.could_tell(WORLD, Told::Away);
    }

    /// The signal, the grace, the kill, in no time: nobody looks meanwhile.
    fn end_all(&self) {
        let live: Vec<(String, usize, i32)> = {
            let state = self.lock();
            let live = |(id, c): (&String, &Kept)| match c.state {
                Inside::Live { run, .. } => {
                    let grace = u64::try_from(c.spec.grace_seconds).unwrap_or_default();
                    let (after, code) = c.on_term;
                    let in_time = after <= Duration::from_secs(grace);
                    Some((id.clone(), run, if in_time { code } else { KILLED }))
                }
                Inside::Created { .. } | Inside::Exited { .. } | Inside::Going => None,
            };
            state.containers.iter().filter_map(live).collect()
        };
        for (id, run, code) in live {
            self.end(&id, run, code, false, "engine");
        }
    }

    pub fn is_up(&self) -> bool {
        *self.power.borrow() == Power::Up
    }

    /// How often somebody took it away or brought it back.
    pub fn turns(&self) -> usize {
        self.lock().turns
    }

    fn switch(&self, power: Power) {
        let before = self.power.send_replace(power);
        let called_away = {
            let mut state = self.lock();
            state.deaths += usize::from(power == Power::Down);
            state.turns += 1;
            // One that hangs once more is still called away.
            power != Power::Frozen && std::mem::take(&mut state.called_away)
        };
        let told = match (before, power) {
            (Power::Down, Power::Up) => Some(Event::Back),
            (Power::Frozen, Power::Up) => called_away.then_some(Event::Back),
            (Power::Up | Power::Frozen, Power::Down) => Some(Event::Away),
            (_, Power::Frozen) | (Power::Up, Power::Up) | (Power::Down, Power::Down) => None,
        };
        if let Some(event) = told {
            let _ = self.events.send(event);
        }
        let told = match power {
            Power::Up => Told::Back,
            Power::Down | Power::Frozen => Told::Away,
        };
        self.could_tell(WORLD, told);
    }
}
