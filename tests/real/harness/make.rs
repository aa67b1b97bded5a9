//! Games and sessions as a test wants them, through the typed API.

use dillinger_runner::api::{
    DesiredState, Game, GamePort, GameResources, GameSession, GameSessionSpec, GameSpec, Parameter,
    ParameterDeclaration, PortPolicy, PortProtocol, Quantity, Readiness, ResourceList,
    RestartPolicy, SessionResources, Storage,
};
use serde_json::{Value, json};

pub const TESTGAME: &str = "dillinger/testgame:1";

/// A Game over the image of the test game; see its own head comment for what it can be told.
#[derive(Clone, Debug)]
pub struct GameMaker {
    pub game: Game,
}

/// Answers lines on a TCP port, is ready when it does, keeps its world on storage, ends quickly.
pub fn testgame(name: &str) -> GameMaker {
    GameMaker::bare(name)
        .args(&["--tcp", "7777"])
        .port("game", 7777, PortProtocol::TCP)
        .ready_by_answer("game")
        .storage("world", "/data")
}

impl GameMaker {
    /// The image and nothing else: no port, no readiness, no storage.
    pub fn bare(name: &str) -> GameMaker {
        let spec: GameSpec = serde_json::from_value(json!({
            "image": TESTGAME,
            "imagePullPolicy": "IfNotPresent",
            "terminationGracePeriodSeconds": 2,
            "startDeadlineSeconds": 60,
            "resources": {"limits": {"cpu": "500m", "memory": "64Mi"}, "max": {"cpu": "2", "memory": "256Mi"}},
        }))
        .expect("a Game's spec");
        GameMaker {
            game: Game::new(name, spec),
        }
    }

    pub fn edit(mut self, change: impl FnOnce(&mut GameSpec)) -> GameMaker {
        change(&mut self.game.spec);
        self
    }

    pub fn image(self, image: &str) -> GameMaker {
        self.edit(|s| s.image = image.to_owned())
    }

    pub fn args(self, args: &[&str]) -> GameMaker {
        self.edit(|s| s.args = args.iter().map(|a| (*a).to_owned()).collect())
    }

    pub fn more_args(self, args: &[&str]) -> GameMaker {
        self.edit(|s| s.args.extend(args.iter().map(|a| (*a).to_owned())))
    }

    pub fn command(self, command: &[&str]) -> GameMaker {
        self.edit(|s| s.command = command.iter().map(|a| (*a).to_owned()).collect())
    }

    pub fn port(self, name: &str, number: i32, protocol: PortProtocol) -> GameMaker {
        let port = GamePort {
            name: name.to_owned(),
            container_port: Some(number),
            protocol,
            port_policy: PortPolicy::Dynamic,
            host_port: None,
        };
        self.edit(|s| s.ports.push(port))
    }

    /// The first port is at this number of the host and no other.
    pub fn static_port(self, number: u16) -> GameMaker {
        self.edit(|s| {
            s.ports[0].port_policy = PortPolicy::Static;
            s.ports[0].host_port = Some(i32::from(number));
        })
    }

    /// The first port is the same number inside and outside.
    pub fn passthrough(self) -> GameMaker {
        self.edit(|s| {
            s.ports[0].port_policy = PortPolicy::Passthrough;
            s.ports[0].container_port = None;
        })
    }

    pub fn readiness(self, readiness: Value) -> GameMaker {
        let readiness: Readiness = serde_json::from_value(readiness).expect("a readiness");
        self.edit(|s| s.readiness = Some(readiness))
    }

    pub fn ready_by_answer(self, port: &str) -> GameMaker {
        self.readiness(
            json!({"exchange": {"port": port, "send": "hello\n", "expect": "pong:hello"}}),
        )
    }

    pub fn ready_by_log(self) -> GameMaker {
        self.readiness(json!({"log": {"pattern": "server ready"}}))
    }

    pub fn storage(self, name: &str, path: &str) -> GameMaker {
        let storage = Storage {
            name: name.to_owned(),
            mount_path: path.to_owned(),
            size: Quantity("64Mi".to_owned()),
        };
        self.edit(|s| s.storage.push(storage))
    }

    pub fn no_storage(self) -> GameMaker {
        self.edit(|s| s.storage.clear())
    }

    pub fn parameter(self, parameter: Value) -> GameMaker {
        let parameter: ParameterDeclaration =
            serde_json::from_value(parameter).expect("a parameter");
        self.edit(|s| s.parameters.push(parameter))
    }

    pub fn grace(self, seconds: i32) -> GameMaker {
        self.edit(|s| s.termination_grace_period_seconds = seconds)
    }

    pub fn start_deadline(self, seconds: i32) -> GameMaker {
        self.edit(|s| s.start_deadline_seconds = seconds)
    }
}

/// A session of a Game.
#[derive(Clone, Debug)]
pub struct SessionMaker {
    pub session: GameSession,
}

pub fn session(name: &str, game: &str) -> SessionMaker {
    let spec: GameSessionSpec =
        serde_json::from_value(json!({"gameRef": {"name": game}, "user": "alice"}))
            .expect("a session's spec");
    SessionMaker {
        session: GameSession::new(name, spec),
    }
}

impl SessionMaker {
    pub fn edit(mut self, change: impl FnOnce(&mut GameSessionSpec)) -> SessionMaker {
        change(&mut self.session.spec);
        self
    }

    pub fn stopped(self) -> SessionMaker {
        self.edit(|s| s.desired_state = DesiredState::Stopped)
    }

    pub fn parameter(self, name: &str, value: &str) -> SessionMaker {
        let parameter = Parameter {
            name: name.to_owned(),
            value: value.to_owned(),
        };
        self.edit(|s| s.parameters.get_or_insert_default().push(parameter))
    }

    pub fn memory(self, memory: &str) -> SessionMaker {
        let limits = ResourceList {
            cpu: None,
            memory: Some(Quantity(memory.to_owned())),
        };
        self.edit(|s| s.resources = Some(SessionResources { limits }))
    }

    pub fn cpu(self, cpu: &str) -> SessionMaker {
        let limits = ResourceList {
            cpu: Some(Quantity(cpu.to_owned())),
            memory: None,
        };
        self.edit(|s| s.resources = Some(SessionResources { limits }))
    }

    pub fn active_deadline(self, seconds: i32) -> SessionMaker {
        self.edit(|s| s.active_deadline_seconds = Some(seconds))
    }

    pub fn start_deadline(self, seconds: i32) -> SessionMaker {
        self.edit(|s| s.start_deadline_seconds = Some(seconds))
    }

    pub fn grace(self, seconds: i32) -> SessionMaker {
        self.edit(|s| s.termination_grace_period_seconds = Some(seconds))
    }

    pub fn ttl(self, seconds: i32) -> SessionMaker {
        self.edit(|s| s.ttl_seconds_after_finished = Some(seconds))
    }

    pub fn restarts(self, limit: i32) -> SessionMaker {
        self.edit(|s| {
            s.restart_policy = RestartPolicy::OnFailure;
            s.backoff_limit = limit;
        })
    }
}
