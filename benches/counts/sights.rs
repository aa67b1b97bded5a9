//! Observations of one session at the turns of its life, made through the real contract.

use dillinger_runner::api::{
    DesiredState, Endpoint, Game, GameSession, GameSessionStatus, RestartPolicy, RuntimeKind,
};
use dillinger_runner::session::contract::{Contract, resolve};
use dillinger_runner::session::facts::{Engine, EngineId, Facts, RecordedContainer};
use dillinger_runner::session::observation::{
    Image, Limits, Memo, Observation, Owner, Session, StorageSeen,
};
use dillinger_runner::session::plan::{Act, Plan, Row, plan};
use dillinger_runner::session::ports::ChosenPorts;
use dillinger_runner::session::report;
use dillinger_runner::session::seen::{Answer, Container, ContainerId, Exit, Made, Seen};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

/// This many seconds before the instant of every observation.
fn ago(seconds: i64) -> Timestamp {
    let now: Timestamp = "2030-01-02T03:04:05Z".parse().expect("a fixed instant");
    now - SignedDuration::from_secs(seconds)
}

/// A Game of ordinary size.
pub fn game() -> Game {
    let game = json!({
        "apiVersion": "dillinger.dev/v1alpha1", "kind": "Game",
        "metadata": {"name": "wesnoth", "namespace": "games", "uid": "game-uid", "generation": 3},
        "spec": {
            "title": "The Battle for Wesnoth",
            "image": "example/wesnothd:1.16",
            "args": ["--port", "$(PORT_GAME)", "--name", "$(TITLE)"],
            "env": [{"name": "MAP", "value": "$(MAP)"}],
            "parameters": [
                {"name": "TITLE", "default": "a game"},
                {"name": "MAP", "default": "isar", "pattern": "[a-z]+"},
            ],
            "ports": [
                {"name": "game", "containerPort": 15000, "protocol": "TCP"},
                {"name": "query", "containerPort": 15001, "protocol": "UDP"},
            ],
            "readiness": {"exchange": {"port": "game", "sendHex": "00000000", "expect": "."}},
            "startDeadlineSeconds": 300,
            "maxActiveDeadlineSeconds": 7200,
            "terminationGracePeriodSeconds": 30,
            "storage": [{"name": "world", "mountPath": "/data"}],
        },
    });
    serde_json::from_value(game).expect("a Game")
}

fn wish() -> Value {
    json!({
        "apiVersion": "dillinger.dev/v1alpha1", "kind": "GameSession",
        "metadata": {
            "name": "friday", "namespace": "games", "uid": "session-uid", "generation": 7,
            "resourceVersion": "100", "creationTimestamp": "2030-01-02T03:00:00Z",
            "finalizers": ["dillinger.dev/container"],
        },
        "spec": {
            "gameRef": {"name": "wesnoth"}, "user": "alice", "parameters": [{"name": "MAP", "value": "forest"}],
        },
    })
}

pub fn session() -> GameSession {
    serde_json::from_value(wish()).expect("a GameSession")
}

pub fn contract() -> Contract {
    resolve(&session(), Some(&game()), None, &[RuntimeKind::Docker]).expect("a contract")
}

/// The session as the API server has it once it runs.
pub fn ready_session() -> GameSession {
    let mut session = session();
    session.status = Some(settled().status);
    session
}

/// A line of a watch about a session that runs.
pub fn watch_line() -> String {
    serde_json::to_string(&ready_session()).expect("plain data")
}

fn container() -> Container {
    let end = |name: &str, protocol: &str, port| Endpoint {
        name: name.to_owned(),
        protocol: protocol.to_owned(),
        host: "192.0.2.1".to_owned(),
        port,
    };
    Container {
        id: ContainerId("c".repeat(64)),
        name: "friday-0123456789".to_owned(),
        attempt: 0,
        created: ago(61),
        started: Some(ago(60)),
        image: "example/wesnothd:1.16".to_owned(),
        image_id: Some(format!("sha256:{}", "1".repeat(64))),
        node_name: Some("host".to_owned()),
        endpoints: vec![end("game", "TCP", 7001), end("query", "UDP", 7002)],
        terms: Some(contract().terms),
    }
}

/// Attempt 0 is on record, nothing exists yet, and nothing stands in the way of a container.
fn recorded() -> Observation {
    let engine = Engine {
        id: EngineId("0123456789abcdef0123456789abcdef".to_owned()),
        name: Some("host".to_owned()),
    };
    let ports = [("game".to_owned(), 7001), ("query".to_owned(), 7002)];
    Observation {
        now: ago(0),
        session: Session {
            namespace: "games".to_owned(),
            name: "friday".to_owned(),
            uid: "session-uid".to_owned(),
            resource_version: "100".to_owned(),
            generation: 7,
            user: "alice".to_owned(),
            game: "wesnoth".to_owned(),
            runtime: None,
            deleted: false,
            finalizer: true,
            desired: DesiredState::Running,
            restart_policy: RestartPolicy::Never,
            backoff_limit: 3,
            start_deadline_seconds: None,
            active_deadline_seconds: None,
            grace_seconds: None,
            ttl_seconds: None,
            abandon_engine: None,
            container_name: "friday-0123456789".to_owned(),
        },
        facts: Facts {
            runtime: Some(RuntimeKind::Docker),
            engine: Some(engine.clone()),
            attempt: Some(0),
            attempt_time: Some(ago(62)),
            ..Facts::default()
        },
        status: GameSessionStatus::default(),
        seen: Seen::Absent,
        contract: Ok(contract()),
        image: Image::Present,
        ports: Ok(ChosenPorts(ports.into())),
        storage: StorageSeen {
            present: vec!["friday-0123456789-world".to_owned()],
            missing: Vec::new(),
        },
        memo: Memo::default(),
        engine: Some(engine),
        owner: Owner {
            cluster: "cluster-uid".to_owned(),
            controller: "dillinger-runner".to_owned(),
        },
        limits: Limits {
            provision_deadline_seconds: 3600,
            clock_trusted: true,
            process_started: ago(86_400),
        },
    }
}

/// It runs, it was ready a minute ago, and what it says about itself is written.
fn settled() -> Observation {
    let mut o = recorded();
    let c = container();
    o.facts.start_time = Some(ago(50));
    o.facts.game = Some(("game-uid".to_owned(), 3));
    o.facts.container = Some(RecordedContainer {
        name: c.name.clone(),
        id: c.id.0.clone(),
        image: c.image.clone(),
        image_id: c.image_id.clone(),
        node_name: c.node_name.clone(),
        start_time: Some(ago(60)),
        ready_time: Some(ago(50)),
        endpoints: c.endpoints.clone(),
    });
    o.seen = Seen::Running(c, Answer::NotAsked);
    o.status = report::status(&o, &o.facts, &plan(&o));
    o
}

/// An observation that meets this row of the table.
pub fn of(row: Row) -> Observation {
    let mut o = recorded();
    match row {
        Row::P3 => o.facts = Facts::default(),
        Row::C13 => {}
        Row::C15 => o.seen = Seen::Created(container(), Made::Fresh),
        Row::R3 => o.seen = Seen::Running(container(), Answer::Ready),
        Row::R4 => o = settled(),
        Row::E3 => {
            o = settled();
            o.session.restart_policy = RestartPolicy::OnFailure;
            o.seen = Seen::Exited(
                container(),
                Exit {
                    code: Some(1),
                    finished: Some(ago(2)),
                    last_lines: "the last line\nof ten".to_owned(),
                    ..Exit::default()
                },
            );
        }
        Row::S2 => {
            o = settled();
            o.session.desired = DesiredState::Stopped;
        }
        Row::D8 => {
            o = settled();
            o.session.deleted = true;
            o.seen = Seen::Exited(container(), Exit::default());
        }
        other => panic!("no observation is made for row {other:?}"),
    }
    assert_eq!(plan(&o).row, row, "this observation meets another row");
    o
}

/// What a report is made from: the observation, the facts after the plan's act, the plan.
pub fn planned(row: Row) -> (Observation, Facts, Plan) {
    let o = of(row);
    let plan = plan(&o);
    let facts = match &plan.act {
        Act::Record(facts) => (**facts).clone(),
        Act::Nothing | Act::Finalizer(_) | Act::Effect(_) | Act::DeleteSession | Act::Confirm => {
            o.facts.clone()
        }
    };
    (o, facts, plan)
}

/// A session and the status that it should have: the same (R4), or other than it stands (R3).
pub fn to_write(row: Row) -> (GameSession, GameSessionStatus) {
    let (o, facts, plan) = planned(row);
    let status = report::status(&o, &facts, &plan);
    let mut session = session();
    session.status = Some(o.status);
    (session, status)
}
