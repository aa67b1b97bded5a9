//! What befalls the controllers, the engine and the API server, each in a lane of its own; in the end all of them stand.

use std::time::Duration;

use kube::api::{Patch, PatchParams};
use tokio::time::{Instant, sleep, sleep_until};

use crate::harness::{Controller, GameMaker, Scene, World, testgame, until};
use crate::ledger::Ledger;
use crate::plan::{Timed, Trouble, Whom};

/// The Game of all sessions, in its n-th edition: what it prints changes, nothing that players see.
pub fn game(edition: usize) -> GameMaker {
    let game = testgame("arena")
        .start_deadline(600)
        .edit(|spec| spec.max_active_deadline_seconds = Some(10_800));
    game.more_args(&["--print", &format!("edition-{edition}")])
}

/// When the round began and ends, and how long a part is left alone after each of its troubles.
#[derive(Clone, Copy, Debug)]
pub struct Round {
    pub began: Instant,
    pub end: Instant,
    pub rest: Duration,
}

impl Round {
    /// Waits until it is time for the next trouble. False: the round is over.
    async fn until(&self, at: Duration) -> bool {
        let rested = Instant::now() + self.rest;
        sleep_until((self.began + at).max(rested).min(self.end)).await;
        Instant::now() < self.end
    }
}

/// Two controllers of one namespace: one leads, one stands by.
pub struct Pair<'a> {
    pub scene: &'a Scene,
    pub ledger: Ledger,
    pub both: [Controller; 2],
}

impl Pair<'_> {
    pub async fn live(&mut self, plan: Vec<Timed<Trouble>>, round: Round) {
        for Timed { at, what } in plan {
            if !round.until(at).await {
                return;
            }
            self.none_has_ended();
            match what {
                Trouble::KillController(whom, pause) => {
                    for n in self.chosen(whom).await {
                        self.both[n].kill();
                        self.start_again(n, pause).await;
                    }
                }
                Trouble::EndController(whom, pause) => {
                    for n in self.chosen(whom).await {
                        let status = self.both[n].terminate().await;
                        if !status.success() {
                            self.ledger
                                .violation(format!("SIGTERM ended a controller with {status}"));
                        }
                        self.start_again(n, pause).await;
                    }
                }
                Trouble::FreezeController(whom, past) => {
                    let chosen = self.chosen(whom).await;
                    for n in &chosen {
                        self.both[*n].signal("STOP");
                    }
                    sleep(past).await;
                    for n in &chosen {
                        self.both[*n].signal("CONT");
                    }
                }
                other => unreachable!("{other:?} is none of theirs"),
            }
            self.ledger.did(what.word());
        }
    }

    /// Those who lead, or do not, as they say themselves; while nobody can lead, the first stands for the leader.
    async fn chosen(&self, whom: Whom) -> Vec<usize> {
        let first = self.both[0].metric("dillinger_leader").await;
        let leader = match (first, self.both[1].metric("dillinger_leader").await) {
            (Some(one), Some(other)) if other > one => 1,
            _ => 0,
        };
        match whom {
            Whom::Leader => vec![leader],
            Whom::Standby => vec![1 - leader],
            Whom::Both => vec![0, 1],
        }
    }

    async fn start_again(&mut self, n: usize, pause: Duration) {
        sleep(pause).await;
        self.both[n] = self.scene.launch(&self.scene.options);
    }

    /// Nothing that was done to the others may end a controller.
    pub fn none_has_ended(&mut self) {
        for n in 0..2 {
            if let Some(status) = self.both[n].ended() {
                let tail = self.both[n].tail(20);
                self.ledger.violation(format!(
                    "a controller ended by itself with {status}\n{tail}"
                ));
                self.both[n] = self.scene.launch(&self.scene.options);
            }
        }
    }
}

pub async fn engine(world: &World, ledger: &Ledger, plan: Vec<Timed<Trouble>>, round: Round) {
    for Timed { at, what } in plan {
        if !round.until(at).await {
            return;
        }
        match what {
            Trouble::KillEngine(pause) => engine_down(world, ledger, "kill", pause).await,
            Trouble::RestartEngine(pause) => engine_down(world, ledger, "stop", pause).await,
            Trouble::FreezeEngine(hang) => {
                world.run("engine", &["freeze"]).await;
                sleep(hang).await;
                world.run("engine", &["thaw"]).await;
            }
            other => unreachable!("{other:?} is not the engine's"),
        }
        ledger.did(what.word());
    }
}

async fn engine_down(world: &World, ledger: &Ledger, how: &str, pause: Duration) {
    ledger.engine_goes_down();
    world.run("engine", &[how]).await;
    sleep(pause).await;
    world.run("engine", &["start"]).await;
    ledger.engine_is_up();
}

pub async fn api_server(scene: &Scene, ledger: &Ledger, plan: Vec<Timed<Trouble>>, round: Round) {
    let world = &scene.world;
    let mut edition = 0;
    for Timed { at, what } in plan {
        if !round.until(at).await {
            return;
        }
        match what {
            Trouble::KillApiServer(pause) => {
                world.run("apiserver", &["kill"]).await;
                sleep(pause).await;
                world.run("apiserver", &["start"]).await;
            }
            Trouble::RestartApiServer(pause) => {
                world.run("apiserver", &["stop"]).await;
                sleep(pause).await;
                world.run("apiserver", &["start"]).await;
            }
            Trouble::FreezeApiServer(hang) => {
                world.run("apiserver", &["freeze"]).await;
                sleep(hang).await;
                world.run("apiserver", &["thaw"]).await;
            }
            Trouble::EditGame => {
                edition += 1;
                edit_game(scene, edition).await;
            }
            other => unreachable!("{other:?} is not the API server's"),
        }
        ledger.did(what.word());
    }
}

/// Until the API server has taken it: it may have been started only just now.
async fn edit_game(scene: &Scene, edition: usize) {
    let manifest = serde_json::to_value(game(edition).game).expect("a Game is JSON");
    let (params, patch) = (PatchParams::apply("test").force(), Patch::Apply(manifest));
    let edited = || async { scene.games().patch("arena", &params, &patch).await.ok() };
    until("the Game is edited", edited).await;
}
