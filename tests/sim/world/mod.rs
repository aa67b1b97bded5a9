//! One run: API server, engine, user, and the controllers, which are killed and begun anew as the script says.

mod hosts;

use std::sync::Arc;
use std::time::Duration;

use dillinger_runner::api::RuntimeKind;
use http::Request;
use kube::client::Body;
use serde_json::{Value, json};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::apiserver::{Mode, Server};
use crate::clock::SimClock;
use crate::cluster::Cluster;
use crate::engine::{Engine, Play};
use crate::faults::{Away, Fault, FaultScript};
use crate::history::{Entry, History, What};
use crate::process::Process;
use crate::scenarios::NOT_DONE;
use crate::striking::Striking;

use hosts::{Host, Running};

pub const SESSIONS: &str = "gamesessions.dillinger.dev";
const GAMES: &str = "games.dillinger.dev";
const NAMESPACE: &str = "default";

/// What still moves once the last step came true settles within this.
const SETTLES: Duration = Duration::from_secs(40);
/// Or once nothing was written for so long, where no call hangs and no look fails, which is tried again half a minute later:
/// longer than a pull, a late event or a restart takes.
const STILL: Duration = Duration::from_secs(22);
/// Then this passes at once, as often as said: longer than the slow clock of ten minutes. Nothing is written.
const PASSES: Duration = Duration::from_secs(690);
const TIMES: usize = 2;
/// Twice this is longer than the quarter of an hour in which nobody believes in a session that the API server said was gone,
/// and the slow clock after it: a restored one may have it again.
const BELIEVED: Duration = Duration::from_secs(750);
/// After each, whoever woke has done what he wants.
const WOKEN: Duration = Duration::from_secs(4);
/// What is left without an owner is swept within this.
const SWEPT: Duration = Duration::from_secs(1500);

/// Whoever waits for something looks so often.
const LOOKS: Duration = Duration::from_millis(50);

/// The next look of somebody who began then and looks so often; it may be now.
pub fn next_look(began: Instant, every: Duration) -> Instant {
    let looks = began.elapsed().as_nanos().div_ceil(every.as_nanos());
    began + every * u32::try_from(looks).expect("nobody waits for long")
}

/// The world of one run.
pub struct World {
    pub clock: SimClock,
    pub history: History,
    pub striking: Striking,
    pub server: Arc<Server>,
    /// Idle where there is a cluster.
    pub engine: Arc<Engine>,
    /// Where sessions run as Pods.
    cluster: Option<Arc<Cluster>>,
    /// Something hangs, stands still or is away for some time, and nobody sees what would have come and gone meanwhile.
    pub hides: bool,
    /// The API server is restored to an older copy.
    pub forgets: bool,
    /// Two controllers act for a while, and what one of them makes late is one more than the story has.
    pub shares: bool,
    user: kube::Client,
    running: Running,
    over: CancellationToken,
}

impl World {
    /// A world with its controller running, and the script's faults waiting. Games run on an engine.
    pub fn begin(script: &FaultScript, plays: Vec<Play>) -> World {
        World::with(script, plays, RuntimeKind::Docker)
    }

    /// The same, with games where this runtime has them.
    pub fn with(script: &FaultScript, plays: Vec<Play>, runtime: RuntimeKind) -> World {
        let (clock, history, striking) =
            (SimClock::new(), History::default(), Striking::new(script));
        striking.struck(&Fault::Unelected);
        let pace = script.0.iter().find_map(|fault| match fault {
            Fault::Pace { percent } => Some(*percent),
            _ => None,
        });
        if let Some(percent) = pace {
            striking.struck(&Fault::Pace { percent });
        }
        let host_clock = clock.another(pace.unwrap_or(100));
        let server = Server::new(clock.clone(), history.clone(), striking.clone());
        let engine = Engine::new(host_clock.clone(), history.clone(), plays.clone());
        let over = CancellationToken::new();
        let cluster = match runtime {
            RuntimeKind::Docker => None,
            RuntimeKind::Pod => Some(Cluster::begin(
                server.clone(),
                clock.clone(),
                history.clone(),
                plays,
                over.clone(),
            )),
        };
        for fault in &script.0 {
            if let Fault::Away { .. } = fault {
                tokio::spawn(away(server.clone(), striking.clone(), fault.clone()));
            }
        }
        let host = Host {
            server: server.clone(),
            engine: engine.clone(),
            cluster: cluster.clone(),
            striking: striking.clone(),
            world_clock: clock.clone(),
            clock: host_clock,
            history: history.clone(),
            over: over.clone(),
            elect: !script.has(|fault| matches!(fault, Fault::Unelected | Fault::Rival { .. })),
            panics: script.has(|fault| matches!(fault, Fault::Panic { .. })),
            running: Running::default(),
        };
        let running = host.running.clone();
        let beside = host.clone();
        let happens = move |fault: &Fault, process: &Process| beside.happens(fault, process);
        striking.set_beside(Some(Arc::new(happens)));
        tokio::spawn(host.supervise("controller-"));
        World {
            user: server.client("user"),
            hides: script.has(Fault::may_hang),
            forgets: script.has(|fault| matches!(fault, Fault::Restore { .. })),
            shares: script.has(|fault| matches!(fault, Fault::Rival { .. } | Fault::Pause { .. })),
            running,
            over,
            clock,
            history,
            striking,
            server,
            engine,
            cluster,
        }
    }

    /// The session as it is stored.
    pub fn session(&self, name: &str) -> Option<Arc<Value>> {
        self.server.object(SESSIONS, NAMESPACE, name)
    }

    /// The cluster that sessions run on as Pods.
    pub fn cluster(&self) -> &Arc<Cluster> {
        let cluster = self.cluster.as_ref();
        cluster.expect("a scenario about Pods is played on a cluster")
    }

    /// What there is of games: id, session uid, whether it lives.
    pub fn containers(&self) -> Vec<(String, String, bool)> {
        match &self.cluster {
            Some(cluster) => cluster.containers(),
            None => self.engine.containers(),
        }
    }

    /// What there is of storage: name, session uid.
    pub fn volumes(&self) -> Vec<(String, String)> {
        match &self.cluster {
            Some(cluster) => cluster.volumes(),
            None => self.engine.volumes(),
        }
    }

    /// Waits until this holds; false: it did not within the virtual time.
    pub async fn until(&self, within: Duration, holds: impl Fn(&World) -> bool) -> bool {
        // Where nothing happens a look shows nothing new.
        let (began, mut happens) = (Instant::now(), self.history.grows());
        let wait = async {
            loop {
                happens.mark_unchanged();
                if holds(self) {
                    return;
                }
                let _ = happens.changed().await;
                tokio::time::sleep_until(next_look(began, LOOKS)).await;
            }
        };
        tokio::time::timeout(within, wait).await.is_ok()
    }

    pub async fn create(&self, object: &Value) {
        let plural = format!(
            "{}s",
            object["kind"].as_str().expect("a kind").to_lowercase()
        );
        let code = self.send("POST", &plural, "", object).await;
        assert_eq!(code, 201, "{object}");
    }

    /// A user's merge patch; repeated until the server takes it. False: the object went before, or a restore took it away and
    /// nobody writes it again.
    pub async fn patch(&self, plural: &str, name: &str, patch: &Value) -> bool {
        let began = Instant::now();
        loop {
            match self.send("PATCH", plural, name, patch).await {
                200 => return true,
                404 if self.hides && !self.server.is_written_again() => return false,
                code => assert!(
                    began.elapsed() < SWEPT,
                    "{plural}/{name} never took {patch}: {code}"
                ),
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    pub async fn delete(&self, plural: &str, name: &str) {
        while ![200, 404].contains(&self.send("DELETE", plural, name, &json!({})).await) {
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    async fn send(&self, method: &str, plural: &str, name: &str, body: &Value) -> u16 {
        let base = format!("/apis/dillinger.dev/v1alpha1/namespaces/{NAMESPACE}/{plural}");
        let path = if name.is_empty() {
            base
        } else {
            format!("{base}/{name}")
        };
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(
                "content-type",
                if method == "PATCH" {
                    "application/merge-patch+json"
                } else {
                    "application/json"
                },
            )
            .body(Body::from(body.to_string().into_bytes()))
            .expect("a request");
        match self.user.send(request).await {
            Ok(answer) => answer.status().as_u16(),
            Err(_) => 0,
        }
    }

    /// Lets everything come to rest, then lets the time pass in which nobody should do anything. The length of the
    /// history when everything had come to rest.
    pub async fn settle(&self, script: &FaultScript) -> usize {
        self.still(script).await;
        // What was to happen one after the other happened together, or nobody was told of it, so that a list ten minutes later or
        // the slow clock alone finds some of it.
        let untold = |fault: &Fault| match fault {
            Fault::Event { of, .. } => of != "engine",
            Fault::Fail { call, .. } => call.starts_with("watch:") || call.starts_with("list:"),
            _ => false,
        };
        // One whose game is not ready yet is on its way.
        let starts = |session: &Arc<Value>| session["status"]["phase"] == "Starting";
        let on_its_way = script.has(|fault| matches!(fault, Fault::Engine { .. }))
            && self.server.objects(SESSIONS).iter().any(starts);
        if script.has(untold) || on_its_way || self.history.last(is_not_done).is_some() {
            self.pass(PASSES).await;
        }
        // What lost its owner, or came late for one that is at rest, is found by the sweep, whose two looks are ten minutes
        // apart, or by the slow clock. Whatever goes wrong may put them
        // off: a look that nobody answered, a death between them, an orphan that is one only after the first.
        let faults = |fault: &Fault| *fault != Fault::Unelected;
        if script.has(faults) {
            let owned = |world: &World| {
                let sessions = world.server.objects(SESSIONS);
                let owner = |uid: &str| {
                    let mut all = sessions.iter();
                    all.find(|session| session["metadata"]["uid"] == *uid)
                };
                // A stranger's are nobody's business.
                let containers = world.containers();
                let mut containers = containers.iter().filter(|(_, uid, _)| !uid.is_empty());
                let volumes = world.volumes();
                let mut volumes = volumes.iter().filter(|(_, uid)| !uid.is_empty());
                let at_rest = |session: &Value| {
                    let status = &session["status"];
                    status["finishTime"].is_string() || status["phase"] == "Stopped"
                };
                containers.all(|(_, uid, _)| owner(uid).is_some_and(|session| !at_rest(session)))
                    && volumes.all(|(_, uid)| owner(uid).is_some())
            };
            let last = Instant::now() + SWEPT;
            while !owned(self) && Instant::now() < last {
                self.wait_for_a_sweep().await;
            }
        }
        if self.forgets {
            self.pass(BELIEVED).await;
        }
        let settled = self.history.len();
        self.pass(PASSES).await;
        settled
    }

    /// The slow clock, as often as said, and all that it wakes.
    async fn pass(&self, time: Duration) {
        for _ in 0..TIMES {
            tokio::time::advance(time).await;
            tokio::time::sleep(WOKEN).await;
        }
    }

    /// Until the next sweep is over. The time before it passes at once.
    async fn wait_for_a_sweep(&self) {
        if let Some(at) = self.running.next_sweep() {
            let time = at.saturating_duration_since(Instant::now());
            tokio::time::advance(time.saturating_sub(WOKEN)).await;
        }
        tokio::time::sleep(2 * WOKEN).await;
    }

    async fn still(&self, script: &FaultScript) {
        let (begun, began) = (Instant::now(), self.clock.elapsed());
        let last = begun + SETTLES + script.lasts();
        let moves = |entry: &Entry| match &entry.what {
            What::Stored { key, .. } => [SESSIONS, GAMES].contains(&key.resource.as_str()),
            What::Container { .. }
            | What::Volume { .. }
            | What::Engine(_)
            | What::Died(_)
            | What::Note(_) => true,
        };
        while Instant::now() < last {
            let moved = self.history.last(moves).map_or(began, |at| at.max(began));
            let for_so_long = Duration::try_from(moved - began).expect("a simulation is short");
            let rests = if script.has(|fault| fault.may_hang() || fault.is_a_failed_look()) {
                last
            } else {
                last.min(begun + for_so_long + STILL)
            };
            if rests <= Instant::now() {
                return;
            }
            tokio::time::sleep_until(rests).await;
        }
    }

    /// Ends the controllers.
    pub fn end(&self) {
        self.over.cancel();
        self.striking.set_beside(None);
    }
}

fn is_not_done(entry: &Entry) -> bool {
    matches!(&entry.what, What::Note(text) if text.starts_with(NOT_DONE))
}

async fn away(server: Arc<Server>, striking: Striking, fault: Fault) {
    let Fault::Away {
        from_ms,
        for_ms,
        how,
    } = fault
    else {
        return;
    };
    tokio::time::sleep(Duration::from_millis(from_ms)).await;
    striking.struck(&fault);
    server.set_mode(match how {
        Away::Down => Mode::Down,
        Away::Frozen => Mode::Frozen,
    });
    tokio::time::sleep(Duration::from_millis(for_ms)).await;
    server.set_mode(Mode::Up);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_world_that_is_over_leaves_nothing_in_memory() {
        for runtime in [RuntimeKind::Docker, RuntimeKind::Pod] {
            let here = tokio::runtime::Builder::new_current_thread()
                .enable_time()
                .start_paused(true)
                .build()
                .expect("a runtime");
            let (server, engine, cluster) = here.block_on(async {
                let world = World::with(&FaultScript::default(), vec![Play::well()], runtime);
                tokio::time::sleep(Duration::from_secs(60)).await;
                world.end();
                (
                    Arc::downgrade(&world.server),
                    Arc::downgrade(&world.engine),
                    world.cluster.as_ref().map(Arc::downgrade),
                )
            });
            drop(here);
            assert_eq!(server.strong_count(), 0, "servers with {runtime:?}");
            assert_eq!(engine.strong_count(), 0, "engines with {runtime:?}");
            let clusters = cluster.map_or(0, |cluster| cluster.strong_count());
            assert_eq!(clusters, 0, "clusters with {runtime:?}");
        }
    }
}
