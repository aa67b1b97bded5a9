//! Campaigns over the wished-for state: long seeded walks of edits of session and Game, valid and invalid.
//!
//! Where a walk rests, the state is held against the one that a new world reaches from the same specs at once: wherever
//! one came from, one gets to the same place. An edit that is no stop never touches a running game, an edit that the API
//! refuses changes nothing, and from every error the last good specs lead back to Running.
//!
//! `CAMPAIGN_SEED=7` walks that one walk and prints it, `CAMPAIGN_WALKS` and `CAMPAIGN_STEPS` say how many and how long.

mod moves;
mod pictures;

use std::panic::AssertUnwindSafe;
use std::time::{Duration, Instant};

use http::Request;
use kube::client::Body;
use serde_json::{Value, json};

use crate::engine::Play;
use crate::faults::FaultScript;
use crate::history::What;
use crate::world::{SESSIONS, World};
use moves::{Move, Specs};
use pictures::{Picture, picture};

const NAME: &str = "friday";
/// Nothing is written for so long: longer than a pull, and than any wait on the way.
const RESTS: Duration = Duration::from_secs(45);
const NEVER_RESTS: Duration = Duration::from_secs(900);
/// An annotation of ours: its edit is a look, for a session that has its container hears of its Game at the next one only.
const LOOK: &str = "dillinger.dev/look";

/// A world, and the specs that its walk has come to.
struct Walk {
    world: World,
    specs: Specs,
}

impl Walk {
    /// A new world with these specs, at rest.
    async fn begin(specs: Specs) -> Walk {
        let world = World::begin(&FaultScript::default(), vec![Play::well()]);
        let walk = Walk { world, specs };
        let Specs { game, session, .. } = &walk.specs;
        if let Some(game) = game {
            assert_eq!(walk.send("POST", "games", &moves::game(game)).await, 201);
        }
        let session = moves::session(NAME, session);
        assert_eq!(walk.send("POST", "gamesessions", &session).await, 201);
        walk.rest().await;
        walk
    }

    /// What the user asks the API server; the code of its answer.
    async fn send(&self, method: &str, path: &str, body: &Value) -> u16 {
        let kind = match method {
            "PATCH" => "application/merge-patch+json",
            _ => "application/json",
        };
        let request = Request::builder()
            .method(method)
            .uri(format!(
                "/apis/dillinger.dev/v1alpha1/namespaces/default/{path}"
            ))
            .header("content-type", kind)
            .body(Body::from(body.to_string().into_bytes()))
            .expect("a request");
        let answer = self.world.server.client("user").send(request).await;
        answer.expect("the server is there").status().as_u16()
    }

    /// How much has happened to sessions and containers.
    fn happened(&self) -> usize {
        let entries = self.world.history.entries();
        let counts = |what: &What| match what {
            What::Stored { key, .. } => key.resource == SESSIONS,
            What::Container { .. } | What::Volume { .. } => true,
            What::Engine(_) | What::Died(_) | What::Note(_) => false,
        };
        entries.iter().filter(|entry| counts(&entry.what)).count()
    }

    /// Until nothing happens any more.
    async fn rest(&self) {
        let began = self.world.clock.elapsed();
        loop {
            let before = self.happened();
            tokio::time::sleep(RESTS).await;
            if self.happened() == before {
                return;
            }
            let took = self.world.clock.elapsed() - began;
            assert!(took.unsigned_abs() < NEVER_RESTS, "it never rests");
        }
    }

    async fn go(&mut self, way: &Move) {
        let path = match way {
            Move::Session(_) | Move::Refused(_) => format!("gamesessions/{NAME}"),
            Move::Game(_) | Move::RefusedGame(_) | Move::DeleteGame => {
                format!("games/{}", moves::GAME)
            }
            Move::CreateGame => "games".to_owned(),
        };
        let (method, body, answer) = match way {
            Move::Session(spec) | Move::Game(spec) => ("PATCH", json!({"spec": spec}), 200),
            Move::Refused(spec) | Move::RefusedGame(spec) => ("PATCH", json!({"spec": spec}), 422),
            Move::DeleteGame => ("DELETE", json!({}), 200),
            Move::CreateGame => ("POST", moves::game(&self.specs.last_game), 201),
        };
        let answered = self.send(method, &path, &body).await;
        assert_eq!(answered, answer, "{way:?}");
        self.specs.go(way);
        if matches!(way, Move::Game(_) | Move::CreateGame | Move::DeleteGame) {
            let now = self.world.clock.now().to_string();
            let look = json!({"metadata": {"annotations": {LOOK: now}}});
            let path = format!("gamesessions/{NAME}");
            // The Game is in the controller's cache by then.
            tokio::time::sleep(Duration::from_secs(1)).await;
            assert_eq!(self.send("PATCH", &path, &look).await, 200);
        }
        self.rest().await;
    }

    /// The game, if it runs, runs by the Game of now.
    async fn restart(&mut self) {
        for desired in ["Stopped", "Running"] {
            let way = Move::Session(json!({"desiredState": desired}));
            self.go(&way).await;
        }
    }

    fn picture(&self) -> Picture {
        let session = self.world.session(NAME).expect("nobody deletes it");
        picture(&session, &self.world.engine)
    }
}

/// Two states that are to be the same.
fn same(what: &str, walked: &Value, at_once: &Value) {
    assert_eq!(walked, at_once, "{what}: left walked, right made at once");
}

/// One walk; how many states were compared, and how many errors were rolled back from.
async fn walk(seed: u64, steps: usize, says: &mut Vec<String>) -> (usize, usize) {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut walk = Walk::begin(Specs::good()).await;
    assert_eq!(walk.picture().phase, "Running");
    let (mut compared, mut rolled_back) = (0, 0);
    for _ in 0..steps {
        let way = walk.specs.choose(&mut random);
        says.push(format!("{way:?}"));
        let before = walk.picture();
        walk.go(&way).await;
        let after = walk.picture();
        if matches!(way, Move::Refused(_) | Move::RefusedGame(_)) {
            same("a refused edit", &json!(before), &json!(after));
        }
        if before.phase == "Running" && !walk.specs.stopped() {
            assert_eq!(before.id, after.id, "an edit touched a running game");
        }
        let at_once = Walk::begin(walk.specs.clone()).await;
        let scratch = at_once.picture();
        at_once.world.end();
        after.accepted_as(&scratch);
        compared += 1;
        let error = scratch.is_refused();
        if !walk.specs.stopped() && (error || random.u8(..3) == 0) {
            says.push("restart".to_owned());
            walk.restart().await;
        }
        if walk.specs.stopped() || walk.picture().of_now(&scratch) {
            same("settled", &walk.picture().settled(), &scratch.settled());
            compared += 1;
        }
        if error && random.u8(..2) == 0 {
            says.push("back to the last good specs".to_owned());
            walk.roll_back().await;
            assert_eq!(walk.picture().phase, "Running", "after the rollback");
            rolled_back += 1;
        }
    }
    says.push("back to the last good specs".to_owned());
    walk.roll_back().await;
    assert_eq!(walk.picture().phase, "Running", "after the last rollback");
    walk.world.end();
    (compared, rolled_back)
}

impl Walk {
    /// The way back from wherever it is.
    async fn roll_back(&mut self) {
        for way in self.specs.back() {
            self.go(&way).await;
        }
        self.rest().await;
    }
}

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().expect("a number"))
}

#[test]
fn wherever_a_walk_of_edits_rests_is_where_the_same_specs_lead_at_once() {
    let began = Instant::now();
    let seeds = match number("CAMPAIGN_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("CAMPAIGN_WALKS").unwrap_or(20),
    };
    let steps = usize::try_from(number("CAMPAIGN_STEPS").unwrap_or(16)).expect("a number");
    let (mut compared, mut rolled_back) = (0, 0);
    let walks = seeds.end - seeds.start;
    for seed in seeds {
        let mut says = Vec::new();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build()
            .unwrap();
        let walked = std::panic::catch_unwind(AssertUnwindSafe(|| {
            runtime.block_on(walk(seed, steps, &mut says))
        }));
        match walked {
            Ok((states, errors)) => {
                compared += states;
                rolled_back += errors;
            }
            Err(panic) => {
                println!("CAMPAIGN_SEED={seed} CAMPAIGN_STEPS={steps}:");
                says.iter().for_each(|way| println!("  {way}"));
                std::panic::resume_unwind(panic);
            }
        }
    }
    println!(
        "{walks} walks of {steps} edits, {compared} states compared, {rolled_back} errors rolled back, {:?}",
        began.elapsed()
    );
    assert!(compared > 0);
}
