//! A container from its create to its removal: what the daemon does, and how it refuses.

use std::sync::Arc;
use std::time::Duration;

use dillinger_runner::api::keys;
use dillinger_runner::session::container::{ContainerSpec, Transport};
use jiff::SignedDuration;

use super::odd::under_way;
use super::{Does, Engine, Inside, Kept, Play, Plays, Power, Refusal, State};
use crate::history::{Life, Told};

/// Less memory is refused.
const LEAST_MEMORY: i64 = 6 << 20;

/// Exit code of a process that SIGKILL ended.
const KILLED: i32 = 137;

pub(super) fn no_such(id: &str) -> Refusal {
    Refusal::new(404, format!("No such container: {id}"))
}

impl State {
    /// Ports of this container that something else holds.
    fn clash(&self, id: &str) -> Option<(u16, &'static str)> {
        let own = &self.containers[id].spec.ports;
        let others = self
            .containers
            .iter()
            .filter(|(other, c)| *other != id && c.is_live());
        let bound: Vec<(u16, Transport)> = others
            .flat_map(|(_, c)| &c.spec.ports)
            .map(|p| (p.host_port, p.transport))
            .collect();
        own.iter().find_map(|p| {
            let port = (p.host_port, p.transport);
            if bound.contains(&port) {
                Some((p.host_port, "port is already allocated"))
            } else if self.held.contains(&port) {
                Some((p.host_port, "bind: address already in use"))
            } else {
                None
            }
        })
    }

    /// Which turn this container's start takes, and whether that is a new one: an attempt that had its turn in another
    /// container has the same once more, so that a late start takes nobody's.
    fn turn(&self, id: &str) -> (usize, bool) {
        let c = &self.containers[id];
        let had = self.lives.get(&(c.uid.clone(), c.spec.attempt));
        match had {
            Some((other, turn)) if other != id && !c.uid.is_empty() => (*turn, false),
            Some(_) | None => (self.lives_begun, true),
        }
    }

    fn takes(&mut self, id: &str, turn: usize) {
        let c = &self.containers[id];
        let of = (c.uid.clone(), c.spec.attempt);
        self.lives.insert(of, (id.to_owned(), turn));
        self.lives_begun = turn + 1;
    }

    fn play(&self, id: &str, turn: usize) -> Play {
        match &self.plays {
            Plays::InOrder(plays) => plays[turn.min(plays.len() - 1)],
            Plays::Of(play) => play(&self.containers[id].spec),
        }
    }
}

impl Engine {
    pub(super) fn create(&self, spec: &ContainerSpec, who: &str) -> Result<(), Refusal> {
        let mut state = self.lock();
        if let Some(uid) = spec.labels.get(keys::UID) {
            state.asked_for.insert(uid.clone(), spec.clone());
        }
        if spec.memory_bytes < LEAST_MEMORY {
            let words = "Minimum memory limit allowed is 6MB".to_owned();
            return Err(Refusal::new(400, words));
        }
        if spec.cpu_millis > state.cpus * 1000 {
            let cpus = state.cpus;
            let words = format!(
                "Range of CPUs is from 0.01 to {cpus}.00, as there are only {cpus} CPUs available"
            );
            return Err(Refusal::new(400, words));
        }
        if !state.images.contains(&spec.image) {
            let words = format!("No such image: {}", spec.image);
            return Err(Refusal::new(404, words));
        }
        if state.containers.values().any(|c| c.name == spec.name) {
            let words = format!(
                "Conflict. The container name \"/{}\" is already in use",
                spec.name
            );
            return Err(Refusal::new(409, words));
        }
        // A volume that vanished meanwhile is made again, with the labels of its mount.
        for volume in &spec.volumes {
            self.add_volume(&mut state, &volume.name, &volume.labels, who);
        }
        state.made += 1;
        let id = format!("{:064x}", state.made);
        let made = Kept {
            spec: spec.clone(),
            name: spec.name.clone(),
            uid: spec.labels.get(keys::UID).cloned().unwrap_or_default(),
            created: self.clock.now(),
            started: None,
            ready_at: None,
            was_ready: false,
            on_term: (Duration::ZERO, 0),
            state: Inside::Created {
                error: String::new(),
                clash: Vec::new(),
            },
        };
        self.note(who, &id, &made, Life::Created);
        self.tell(&id, &made, Does::Create);
        state.containers.insert(id, made);
        Ok(())
    }

    /// Of one that runs it is done already; of one that has exited it is a restart.
    pub fn start(self: &Arc<Self>, id: &str, who: &str) -> Result<(), Refusal> {
        let now = self.clock.now();
        let mut state = self.lock();
        match state.containers.get(id).map(|c| &c.state) {
            None => return Err(no_such(id)),
            Some(Inside::Live { paused: true, .. }) => {
                let words = "cannot start a paused container, try unpause instead".to_owned();
                return Err(Refusal::new(409, words));
            }
            Some(Inside::Live { .. }) => return Ok(()),
            Some(Inside::Going) => {
                let words = "container is marked for removal and cannot be started";
                return Err(Refusal::new(409, words.to_owned()));
            }
            Some(Inside::Created { .. } | Inside::Exited { .. }) => {}
        }
        let (turn, is_new) = state.turn(id);
        let play = state.play(id, turn);
        let clash = state.clash(id);
        // Whom a port is in the way of has no turn.
        if is_new && clash.is_none() {
            state.takes(id, turn);
        }
        let run = state.starts + 1;
        let c = state.containers.get_mut(id).expect("it was found above");
        let failed = match clash {
            Some((port, why)) => Some(format!(
                "driver failed programming external connectivity on endpoint {}: 127.0.0.1:{port} failed: {why}",
                c.name
            )),
            None => play.refused.map(str::to_owned),
        };
        if let Some((port, _)) = clash {
            let id = id.to_owned();
            self.could_tell(who, Told::PortTaken { id, port });
        }
        if let Some(words) = failed {
            fail(c, &words, clash.map(|(port, _)| port));
            if clash.is_none() {
                // The game had its turn.
                state.starts = run;
            }
            return Err(Refusal::new(500, words));
        }
        c.ready_at = play.ready_after.map(|after| {
            let after = SignedDuration::try_from(after).expect("a play is short");
            self.clock.elapsed() + after
        });
        c.started = Some(now);
        c.on_term = play.on_term;
        c.state = Inside::Live { run, paused: false };
        self.note(who, id, c, Life::Running);
        self.tell(id, c, Does::Start);
        let took = (!c.spec.ports.is_empty()).then(|| c.uid.clone());
        state.starts = run;
        if let Some(uid) = took {
            state.took_ports.insert(uid, run);
        }
        drop(state);
        let id = id.to_owned();
        if let Some((after, code)) = play.ends {
            self.later(after, move |engine| {
                engine.end(&id, run, code, play.out_of_memory, "game");
            });
        }
        Ok(())
    }

    /// The process of this run ends.
    pub(super) fn end(&self, id: &str, of: usize, code: i32, out_of_memory: bool, who: &str) {
        let now = self.clock.now();
        let mut state = self.lock();
        let Some(c) = state.containers.get_mut(id) else {
            return;
        };
        match c.state {
            Inside::Live { run, .. } if run == of => {}
            Inside::Live { .. }
            | Inside::Created { .. }
            | Inside::Exited { .. }
            | Inside::Going => {
                return;
            }
        }
        c.was_ready |= c.ready_at.is_some_and(|at| at <= self.clock.elapsed());
        c.state = Inside::Exited {
            finished: now,
            code,
            out_of_memory,
            error: String::new(),
        };
        self.note(who, id, c, Life::Exited(code));
        self.tell(id, c, Does::Die);
    }

    /// The signal, and after the grace the kill; the answer comes before the end. What does not run has stopped already.
    pub fn stop(self: &Arc<Self>, id: &str, grace: Duration, who: &str) -> Result<(), Refusal> {
        let Some((run, (after, code))) = self.signalled(id, who)? else {
            return Ok(());
        };
        let own = id.to_owned();
        self.later(after, move |engine| {
            engine.end(&own, run, code, false, "game")
        });
        if after > grace {
            tokio::spawn(kill_at_last(self.clone(), id.to_owned(), run, grace));
        }
        Ok(())
    }

    /// The signal alone. None: it does not run.
    #[allow(clippy::type_complexity)]
    pub(super) fn signalled(
        &self,
        id: &str,
        who: &str,
    ) -> Result<Option<(usize, (Duration, i32))>, Refusal> {
        let mut state = self.lock();
        let Some(c) = state.containers.get_mut(id) else {
            return Err(no_such(id));
        };
        let Inside::Live { run, paused } = &mut c.state else {
            return Ok(None);
        };
        // A signal wakes what is paused, so that it can end.
        let woken = std::mem::take(paused);
        let run = *run;
        self.note(who, id, c, Life::Signalled);
        if woken {
            self.tell(id, c, Does::Unpause);
        }
        Ok(Some((run, c.on_term)))
    }

    pub fn kill(&self, id: &str, who: &str) -> Result<(), Refusal> {
        let run = match self.lock().containers.get(id).map(|c| c.state.clone()) {
            Some(Inside::Live { run, .. }) => run,
            Some(Inside::Created { .. } | Inside::Exited { .. } | Inside::Going) => {
                let words = format!("Cannot kill container: {id}: Container {id} is not running");
                return Err(Refusal::new(409, words));
            }
            None => return Err(no_such(id)),
        };
        self.end(id, run, KILLED, false, who);
        Ok(())
    }

    /// By force also while it runs.
    pub fn remove(&self, id: &str, force: bool, who: &str) -> Result<(), Refusal> {
        let live = match self.lock().containers.get(id) {
            Some(c) => match c.state {
                Inside::Live { paused, .. } => Some(if paused { "paused" } else { "running" }),
                Inside::Created { .. } | Inside::Exited { .. } => None,
                Inside::Going => return Err(under_way(id)),
            },
            None => return Err(no_such(id)),
        };
        match live {
            Some(_) if force => self.kill(id, who)?,
            Some(how) => {
                let words = format!("You cannot remove a {how} container {id}");
                return Err(Refusal::new(409, words));
            }
            None => {}
        }
        if let Some(c) = self.lock().containers.remove(id) {
            self.note(who, id, &c, Life::Removed);
            self.tell(id, &c, Does::Destroy);
        }
        Ok(())
    }
}

/// A start that failed leaves its reason in the container.
fn fail(c: &mut Kept, words: &str, port: Option<u16>) {
    const CANNOT_START: i32 = 128;
    match &mut c.state {
        Inside::Created { error, clash } => {
            *error = words.to_owned();
            *clash = port.into_iter().collect();
        }
        Inside::Exited { error, code, .. } => {
            *error = words.to_owned();
            if *code == 0 {
                *code = CANNOT_START;
            }
        }
        Inside::Live { .. } | Inside::Going => {}
    }
}

/// The grace of a stop is the daemon's to count: it kills late where it hung, and never where it died meanwhile.
async fn kill_at_last(engine: Arc<Engine>, id: String, run: usize, grace: Duration) {
    let deaths = engine.lock().deaths;
    tokio::time::sleep(grace).await;
    let mut power = engine.power.subscribe();
    let thawed = power
        .wait_for(|power| *power != Power::Frozen)
        .await
        .is_ok();
    if thawed && engine.lock().deaths == deaths {
        engine.end(&id, run, KILLED, false, "engine");
    }
}
