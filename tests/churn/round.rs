//! One round: users and troubles at once, then calm, then the verdict and a table of what was done and seen.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use dillinger_runner::api::{ConditionStatus, GameSession, keys};
use dillinger_runner::session::container;
use kube::ResourceExt;
use kube::api::ListParams;
use serde_json::Value;
use tokio::time::Instant;

use crate::harness::engine::text;
use crate::harness::play::{is, observed, phase_of};
use crate::harness::{Controller, Play, Scene};
use crate::judge;
use crate::ledger::{Ledger, Life, Wished};
use crate::plan::{Plan, Size};
use crate::sights::Sights;
use crate::troubles::{self, Pair, Round, game};
use crate::users::{self, User, mended};
use crate::witness::Witness;

/// How long everything may take to come to rest after the last trouble: an engine's start, an API server's, and the longest
/// back-off of a game that crashed a few times.
const REST: Duration = Duration::from_secs(300);
/// What a leader that was frozen between its claim and its call made late for a session that is gone is removed by the sweep:
/// two looks, ten minutes apart.
const SWEEP: Duration = Duration::from_secs(25 * 60);

/// Plays the round and prints its table; what was wrong, in words.
pub async fn play(seed: u64, size: Size) -> Vec<String> {
    let plan = Plan::of(seed, size);
    println!("churn: seed {seed}, {size:?}");
    let mut scene = Scene::open("churn").await;
    scene.widen_ports(60);
    scene.game(&game(0)).await;
    let ledger = Ledger::default();
    let witness = Witness::of(scene.engine.clone());
    let sights = Sights::of(scene.sessions());
    let both = [
        scene.controller().await,
        scene.launch(&scene.options.clone()),
    ];
    let mut pair = Pair {
        scene: &scene,
        ledger: ledger.clone(),
        both,
    };
    let people = (0..size.users).map(|n| User {
        name: format!("s{n}"),
        sessions: scene.sessions(),
        ledger: ledger.clone(),
        uid: None,
    });
    let began = Instant::now();
    let end = began + size.length;
    let rest = size.calm / 2;
    let round = Round { began, end, rest };
    let (people, (), (), ()) = tokio::join!(
        users::live(people.collect(), plan.users.clone(), began, end),
        pair.live(plan.controllers.clone(), round),
        troubles::engine(&scene.world, &ledger, plan.engine.clone(), round),
        troubles::api_server(&scene, &ledger, plan.api_server.clone(), round),
    );
    let churned = began.elapsed();

    // Calm: everything stands, and every wish can be met.
    pair.none_has_ended();
    let Pair { both, .. } = pair;
    let [mut first, mut second] = both;
    until_one_leads([&first, &second]).await;
    for user in &people {
        if user.uid.is_some() {
            play_of(&scene, user).await.patch(mended()).await;
        }
    }
    let calm = Instant::now();
    for user in &people {
        at_its_wish(&scene, user, &ledger, calm).await;
    }
    none_without_an_owner(&scene, &ledger, plan.controllers.iter().any(froze), calm).await;
    let rested = calm.elapsed();

    let told = witness.told();
    let ends = judge::engine(&told, &volumes(&ledger), &ledger);
    judge::sessions(&sights.by_uid(), &told, &ledger);
    no_panic(&scene, &ledger);
    print_table(&Table {
        plan: &plan,
        ledger: &ledger,
        seen: [
            ("told by the engine", witness.counts()),
            ("phases come to", sights.phases()),
            ("why games ended", words(&ends)),
        ],
        churned,
        rested,
    });
    let violations = ledger.violations();
    if !violations.is_empty() {
        println!("{}", scene.controller_picture());
    }
    // Whatever was wrong, the next round begins with an empty engine.
    second.kill();
    drop(second);
    first.until_ready().await;
    // An engine that was killed between a port and its container's start holds that port until it is started anew:
    // https://github.com/moby/libnetwork/issues/1790. The games took other ports meanwhile.
    if plan.engine.iter().any(killed) {
        scene.world.run("engine", &["stop"]).await;
        scene.world.run("engine", &["start"]).await;
    }
    scene.close(first).await;
    violations
}

fn froze(timed: &crate::plan::Timed<crate::plan::Trouble>) -> bool {
    matches!(timed.what, crate::plan::Trouble::FreezeController(..))
}

fn killed(timed: &crate::plan::Timed<crate::plan::Trouble>) -> bool {
    matches!(timed.what, crate::plan::Trouble::KillEngine(_))
}

fn words(ends: &judge::Ends) -> BTreeMap<String, usize> {
    let owned = |(word, times): (&&str, &usize)| ((*word).to_owned(), *times);
    ends.iter().map(owned).collect()
}

async fn until_one_leads(both: [&Controller; 2]) {
    crate::harness::until(
        "one of the two leads and has looked at everything",
        || async {
            let mut ready = 0;
            for controller in both {
                if let Some((200, _)) = controller.admin("GET", "/readyz", "").await {
                    ready += 1;
                }
            }
            (ready > 0).then_some(())
        },
    )
    .await;
}

async fn play_of<'a>(scene: &'a Scene, user: &User) -> Play<'a> {
    let session = scene.sessions().get(&user.name).await;
    let session = session.unwrap_or_else(|error| panic!("session {}: {error}", user.name));
    Play::new(scene, &session)
}

/// Waits until the user's session is what it was wished to be.
async fn at_its_wish(scene: &Scene, user: &User, ledger: &Ledger, calm: Instant) {
    let Some(uid) = &user.uid else {
        return;
    };
    let life = ledger.lives()[uid].clone();
    let play = play_of(scene, user).await;
    loop {
        let (session, containers) = (play.now().await, play.containers().await);
        if stands(&life, &session, &containers) {
            return;
        }
        if calm.elapsed() > REST {
            let picture = play.picture().await;
            ledger.violation(format!(
                "I4 {} is not at its wish ({:?}) {REST:?} after the last trouble\n{picture}",
                user.name,
                life.wished()
            ));
            return;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// The session is as wished, and its status says what the engine shows.
fn stands(life: &Life, session: &GameSession, containers: &[Value]) -> bool {
    let Some(status) = &session.status else {
        return false;
    };
    let finished = is(session, "Finished", ConditionStatus::True);
    let shown = match (life.wished(), containers) {
        // It may have been told to end while nobody could hear it.
        _ if finished => life.ended && containers.is_empty(),
        (Wished::Running, [container]) => {
            let id = status.container.as_ref().and_then(|c| c.id.clone());
            is(session, "Ready", ConditionStatus::True)
                && container["State"] == "running"
                && id == Some(text(&container["Id"]))
                && status.attempt.map(|n| n.to_string())
                    == Some(text(&container["Labels"][keys::ATTEMPT]))
        }
        (Wished::Stopped, []) => phase_of(session) == "Stopped",
        (Wished::Running | Wished::Stopped | Wished::Gone, _) => false,
    };
    shown && observed(session)
}

/// Every container and volume of ours has a session that lives.
async fn none_without_an_owner(scene: &Scene, ledger: &Ledger, froze: bool, calm: Instant) {
    let mut said = false;
    loop {
        let sessions = scene.sessions().list(&ListParams::default()).await;
        let sessions = sessions.expect("sessions are listed").items;
        let alive: BTreeSet<String> = sessions.iter().filter_map(ResourceExt::uid).collect();
        let mut left: Vec<String> = Vec::new();
        for container in scene.containers().await {
            if !alive.contains(&text(&container["Labels"][keys::UID])) {
                left.push(format!("container {}", container["Names"]));
            }
        }
        for volume in scene.volumes().await {
            if !alive.contains(&text(&volume["Labels"][keys::UID])) {
                left.push(format!("volume {}", text(&volume["Name"])));
            }
        }
        let gone = sessions
            .iter()
            .filter(|session| session.metadata.deletion_timestamp.is_some());
        left.extend(gone.map(|session| format!("session {}", session.name_any())));
        if left.is_empty() {
            return;
        }
        if calm.elapsed() > REST {
            if !froze || calm.elapsed() > SWEEP {
                ledger.violation(format!("I2 left without an owner: {left:?}"));
                return;
            }
            if !said {
                println!("late work of a frozen leader, left to the sweep: {left:?}");
                ledger.did("late work of a frozen leader, left to the sweep");
                said = true;
            }
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

/// Names of the volumes of all sessions that ever were, and whose they are.
fn volumes(ledger: &Ledger) -> BTreeMap<String, String> {
    let lives = ledger.lives().into_iter();
    let named = |(uid, life): (String, Life)| {
        let container = container::name(&life.name, &uid);
        (format!("{container}-world"), uid)
    };
    lives.map(named).collect()
}

fn no_panic(scene: &Scene, ledger: &Ledger) {
    let folder = scene.world.folder.join("log/controllers");
    let logs = std::fs::read_dir(folder).expect("controllers have logs");
    for log in logs.filter_map(Result::ok) {
        let ours = log
            .file_name()
            .to_string_lossy()
            .starts_with(&scene.namespace);
        let text = std::fs::read(log.path()).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let panicked = text.lines().find(|line| line.contains("panic"));
        if let (true, Some(line)) = (ours, panicked) {
            ledger.violation(format!("a controller panicked: {line}"));
        }
    }
}

struct Table<'a> {
    plan: &'a Plan,
    ledger: &'a Ledger,
    seen: [(&'static str, BTreeMap<String, usize>); 3],
    churned: Duration,
    rested: Duration,
}

fn print_table(table: &Table<'_>) {
    let done = table.ledger.done();
    let planned = table.plan.counts();
    println!("\nchurn: seed {}", table.plan.seed);
    println!("  {:<48} {:>7} {:>7}", "", "planned", "done");
    let all: BTreeSet<&String> = planned.keys().chain(done.keys()).collect();
    for word in all {
        let of = |counts: &BTreeMap<String, usize>| counts.get(word).copied().unwrap_or(0);
        println!("  {word:<48} {:>7} {:>7}", of(&planned), of(&done));
    }
    for (title, counts) in &table.seen {
        println!("  {title}");
        for (word, times) in counts {
            println!("    {word:<46} {times:>15}");
        }
    }
    println!(
        "churn: seed {}, {} sessions lived, {:.0} s of trouble, at rest {:.0} s after it, {} violations",
        table.plan.seed,
        table.ledger.lives().len(),
        table.churned.as_secs_f64(),
        table.rested.as_secs_f64(),
        table.ledger.violations().len()
    );
}
