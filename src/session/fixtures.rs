//! Observations for tests, built fluently and through the real contract.

use std::sync::OnceLock;

use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::contract::{Contract, Refusal, resolve};
use super::facts::{
    Engine, EngineId, Facts, Finish, RecordedContainer, RecordedExit, Stop, StopReason,
};
use super::observation::{Image, Limits, Memo, Observation, Owner, Session, StorageSeen};
use super::plan::{Act, Plan};
use super::ports::ChosenPorts;
use super::reason::Reason;
use super::report;
use super::seen::{Answer, Container, ContainerId, Doubt, Exit, Made, Seen};
use crate::api::{
    DesiredState, Endpoint, Game, GameSession, GameSessionStatus, RestartPolicy, RuntimeKind,
};

/// The instant at which every fixture is looked at.
pub const NOW: &str = "2030-01-02T03:04:05Z";
pub const ENGINE: &str = "0123456789abcdef0123456789abcdef";
pub const OTHER_ENGINE: &str = "fedcba9876543210fedcba9876543210";
pub const RESOURCE_VERSION: &str = "100";

pub fn now() -> Timestamp {
    NOW.parse().expect("a fixed instant")
}

/// This many seconds before [`NOW`].
pub fn ago(seconds: i64) -> Timestamp {
    now() - SignedDuration::from_secs(seconds)
}

pub fn engine(id: &str) -> Engine {
    Engine {
        id: EngineId(id.to_owned()),
        name: Some("host".to_owned()),
    }
}

/// A contract with readiness, one port, storage `world`, grace 30 s, start deadline 300 s, maximum 7200 s.
pub fn contract() -> Contract {
    static CONTRACT: OnceLock<Contract> = OnceLock::new();
    CONTRACT
        .get_or_init(|| {
            let game: Game = serde_json::from_value(json!({
                "apiVersion": "dillinger.dev/v1alpha1", "kind": "Game",
                "metadata": {"name": "chess", "namespace": "games", "uid": "game-uid", "generation": 3},
                "spec": {
                    "image": "example/chess:1",
                    "ports": [{"name": "game", "containerPort": 4000, "protocol": "TCP"}],
                    "readiness": {"log": {"pattern": "ready"}},
                    "startDeadlineSeconds": 300,
                    "maxActiveDeadlineSeconds": 7200,
                    "terminationGracePeriodSeconds": 30,
                    "storage": [{"name": "world", "mountPath": "/data"}],
                },
            }))
            .expect("a Game");
            let session: GameSession = serde_json::from_value(json!({
                "apiVersion": "dillinger.dev/v1alpha1", "kind": "GameSession",
                "metadata": {"name": "friday", "namespace": "games", "uid": "session-uid"},
                "spec": {"gameRef": {"name": "chess"}, "user": "alice"},
            }))
            .expect("a GameSession");
            resolve(&session, Some(&game), None, &[RuntimeKind::Docker]).expect("a contract")
        })
        .clone()
}

pub fn refusal(reason: Reason) -> Refusal {
    Refusal {
        reason,
        message: format!("refused: {}", reason.as_str()),
    }
}

/// Attempt 0 is on record, nothing exists yet, and nothing stands in the way of a container.
pub fn recorded() -> Observation {
    let mut o = fresh();
    o.session.finalizer = true;
    o.facts = Facts {
        runtime: Some(RuntimeKind::Docker),
        engine: Some(engine(ENGINE)),
        attempt: Some(0),
        attempt_time: Some(ago(10)),
        ..Facts::default()
    };
    o
}

/// A session that nobody has looked at.
pub fn fresh() -> Observation {
    Observation {
        now: now(),
        session: Session {
            namespace: "games".to_owned(),
            name: "friday".to_owned(),
            uid: "session-uid".to_owned(),
            resource_version: RESOURCE_VERSION.to_owned(),
            generation: 7,
            user: "alice".to_owned(),
            game: "chess".to_owned(),
            runtime: None,
            deleted: false,
            finalizer: false,
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
        facts: Facts::default(),
        status: GameSessionStatus::default(),
        seen: Seen::Absent,
        contract: Ok(contract()),
        image: Image::Present,
        ports: Ok(ChosenPorts([("game".to_owned(), 7001)].into())),
        storage: StorageSeen::default(),
        memo: Memo {
            able_since: Some(ago(100_000)),
            ..Memo::default()
        },
        engine: Some(engine(ENGINE)),
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

/// A container of this attempt, started 20 s ago.
pub fn container(attempt: i32) -> Container {
    Container {
        id: ContainerId(format!("id-{attempt}")),
        name: "friday-0123456789".to_owned(),
        attempt,
        created: ago(21),
        started: Some(ago(20)),
        image: "example/chess:1".to_owned(),
        image_id: Some("sha256:1".to_owned()),
        node_name: Some("host".to_owned()),
        endpoints: vec![endpoint("192.0.2.1")],
        terms: Some(contract().terms),
    }
}

pub fn endpoint(host: &str) -> Endpoint {
    Endpoint {
        name: "game".to_owned(),
        protocol: "TCP".to_owned(),
        host: host.to_owned(),
        port: 7001,
    }
}

pub fn running(attempt: i32, answer: Answer) -> Seen {
    Seen::Running(container(attempt), answer)
}

pub fn not_ready() -> Answer {
    Answer::NotReady("no line says ready".to_owned())
}

pub fn cannot_tell() -> Answer {
    Answer::CannotTell("no such program".to_owned())
}

pub fn created(attempt: i32, made: Made) -> Seen {
    Seen::Created(container(attempt), made)
}

pub fn exited(attempt: i32, code: i32) -> Seen {
    Seen::Exited(
        container(attempt),
        Exit {
            code: Some(code),
            finished: Some(ago(2)),
            last_lines: "first line\nlast line".to_owned(),
            ..Exit::default()
        },
    )
}

pub fn unreachable() -> Seen {
    Seen::Unknown(Doubt::EngineUnreachable("connection refused".to_owned()))
}

pub fn other_engine() -> Seen {
    Seen::Unknown(Doubt::EngineMismatch {
        recorded: ENGINE.to_owned(),
        found: OTHER_ENGINE.to_owned(),
    })
}

impl Observation {
    pub fn seeing(mut self, seen: Seen) -> Self {
        self.seen = seen;
        self
    }

    pub fn given(mut self, change: impl FnOnce(&mut Observation)) -> Self {
        change(&mut self);
        self
    }

    pub fn deleted(mut self) -> Self {
        self.session.deleted = true;
        self
    }

    pub fn to_be_stopped(mut self) -> Self {
        self.session.desired = DesiredState::Stopped;
        self
    }

    pub fn attempt(mut self, attempt: i32) -> Self {
        self.facts.attempt = Some(attempt);
        self
    }

    /// A stop of the present attempt was recorded so long ago.
    pub fn stopping(mut self, reason: StopReason, seconds: i64) -> Self {
        self.facts.stop = Some(Stop {
            attempt: self.facts.attempt.unwrap_or(0),
            reason,
            time: ago(seconds),
        });
        self
    }

    /// This process told the game to stop so long ago.
    pub fn told(mut self, attempt: i32, seconds: i64) -> Self {
        self.memo.signalled = Some((attempt, ago(seconds)));
        self
    }

    /// The end of this attempt was recorded so long ago.
    pub fn ended(mut self, attempt: i32, reason: &str, seconds: i64) -> Self {
        self.facts.last_exit = Some(RecordedExit {
            attempt,
            reason: reason.to_owned(),
            exit_code: Some(1),
            signal: None,
            oom_killed: false,
            start_time: None,
            finish_time: Some(ago(seconds)),
        });
        self
    }

    /// Ready was recorded so long ago, for the present attempt, which began this run.
    pub fn ready_since(mut self, seconds: i64) -> Self {
        let attempt = self.facts.attempt.unwrap_or(0);
        let c = container(attempt);
        self.facts.container = Some(RecordedContainer {
            name: c.name,
            id: c.id.0,
            image: c.image,
            image_id: c.image_id,
            node_name: c.node_name,
            start_time: Some(ago(seconds)),
            ready_time: Some(ago(seconds)),
            endpoints: c.endpoints,
        });
        self.facts.start_time = Some(ago(seconds));
        self.facts.game = Some(("game-uid".to_owned(), 3));
        self
    }

    pub fn finished(mut self, reason: Reason, seconds: i64) -> Self {
        self.facts.finish = Some(Finish {
            time: ago(seconds),
            reason,
        });
        self
    }

    pub fn on_failure(mut self, limit: i32) -> Self {
        self.session.restart_policy = RestartPolicy::OnFailure;
        self.session.backoff_limit = limit;
        self
    }

    /// The same a moment later: what the plan recorded and reported is written.
    pub fn after(&self, plan: &Plan) -> Self {
        let facts = facts_after(self, plan);
        let status = report::status(self, &facts, plan);
        Observation {
            facts,
            status,
            ..self.clone()
        }
    }
}

/// The facts as they stand once the plan's act went through.
pub fn facts_after(o: &Observation, plan: &Plan) -> Facts {
    match &plan.act {
        Act::Record(facts) => (**facts).clone(),
        Act::Nothing | Act::Finalizer(_) | Act::Effect(_) | Act::DeleteSession | Act::Confirm => {
            o.facts.clone()
        }
    }
}
