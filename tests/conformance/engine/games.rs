//! The games of the sequences: as containers of the real engine, and as plays of the simulated one.

use std::collections::BTreeMap;
use std::time::Duration;

use dillinger_runner::api::{LogProbe, PortPolicy, PortProtocol, Readiness, keys};
use dillinger_runner::runtime::SessionKey;
use dillinger_runner::session::container::{
    ContainerSpec, OnCluster, Published, Transport, Volume,
};
use dillinger_runner::session::contract::{PortTerms, Terms};
use dillinger_runner::session::observation::Owner;
use proptest::prelude::*;
use proptest::sample::select;

use super::operations::Picture;
use crate::sim::engine::Play;

/// What the game does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Does {
    /// Ready at once, ends in order when told to.
    Well,
    /// Ends with a code of its own, and takes its time for it.
    Slow,
    /// Does not end when told to.
    Stubborn,
    NeverReady,
    /// Ends by itself, with this code.
    Ends(i32),
    /// Takes memory until the kernel ends it.
    Hog,
    /// There is no such program in its image; a small init may stand before it.
    NoProgram {
        init: bool,
    },
    TooLittleMemory,
    TooManyCpus,
    NoImage,
}

/// What is special about how it is described.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    Plainly,
    /// Ready by its log.
    ByLog,
    /// Its label of terms is not understood.
    Garbled,
    /// By another controller of the same cluster.
    ByAnother,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Game {
    pub does: Does,
    pub told: Told,
    pub storage: bool,
}

pub fn game() -> impl Strategy<Value = Game> {
    let does = prop_oneof![
        12 => Just(Does::Well),
        3 => Just(Does::Slow),
        2 => Just(Does::Stubborn),
        2 => Just(Does::NeverReady),
        3 => select(vec![0, 3, 137, 255]).prop_map(Does::Ends),
        1 => Just(Does::Hog),
        2 => any::<bool>().prop_map(|init| Does::NoProgram { init }),
        1 => Just(Does::TooLittleMemory),
        1 => Just(Does::TooManyCpus),
        1 => Just(Does::NoImage),
    ];
    let told = prop_oneof![
        4 => Just(Told::Plainly),
        3 => Just(Told::ByLog),
        1 => Just(Told::Garbled),
        1 => Just(Told::ByAnother),
    ];
    (does, told, any::<bool>()).prop_map(|(does, told, storage)| Game {
        does,
        told,
        storage,
    })
}

impl Game {
    /// What its log says once it does as told; None: it says nothing, or ends by itself.
    pub fn says(&self) -> Option<&'static str> {
        match self.does {
            Does::Well | Does::Slow | Does::Stubborn => Some("server ready"),
            Does::NeverReady => Some("testgame starting"),
            Does::Ends(_)
            | Does::Hog
            | Does::NoProgram { .. }
            | Does::TooLittleMemory
            | Does::TooManyCpus
            | Does::NoImage => None,
        }
    }

    fn args(&self) -> Vec<String> {
        let more: &[&str] = match self.does {
            Does::Slow => &["--term-after", "700ms", "--term-code", "9"],
            Does::Stubborn => &["--ignore-term"],
            Does::NeverReady => &["--never-ready"],
            Does::Ends(0) => &["--never-ready", "--exit-after", "30ms"],
            Does::Ends(3) => &["--never-ready", "--exit-after", "30ms", "--exit-code", "3"],
            Does::Ends(137) => &[
                "--never-ready",
                "--exit-after",
                "30ms",
                "--exit-code",
                "137",
            ],
            Does::Ends(_) => &[
                "--never-ready",
                "--exit-after",
                "30ms",
                "--exit-code",
                "255",
            ],
            Does::Hog => &["--hog-memory"],
            Does::Well
            | Does::NoProgram { .. }
            | Does::TooLittleMemory
            | Does::TooManyCpus
            | Does::NoImage => &[],
        };
        let base = ["--tcp", "7777", "--udp", "7777"];
        base.iter().chain(more).map(|a| (*a).to_owned()).collect()
    }

    fn terms(&self) -> Terms {
        let readiness = Readiness {
            period_seconds: 1,
            timeout_seconds: 1,
            log: Some(LogProbe {
                pattern: "server ready".to_owned(),
            }),
            tcp_socket: None,
            http_get: None,
            exec: None,
            exchange: None,
        };
        Terms {
            ports: vec![port_terms(PortPolicy::Dynamic, PortProtocol::TCPUDP)],
            readiness: (self.told == Told::ByLog).then_some(readiness),
            start_deadline_seconds: 300,
            max_active_deadline_seconds: None,
            termination_grace_period_seconds: 3,
            game_uid: "g-1".into(),
            game_generation: 1,
            digest: "00".into(),
        }
    }

    /// Its container, for this session.
    pub fn spec(&self, key: &SessionKey, attempt: i32, port: Option<u16>) -> ContainerSpec {
        let mut labels = labels(key);
        let terms = match self.told {
            Told::Garbled => "{}".to_owned(),
            Told::Plainly | Told::ByLog | Told::ByAnother => {
                serde_json::to_string(&self.terms()).expect("terms are JSON")
            }
        };
        labels.insert(keys::CONTRACT.to_owned(), terms);
        if self.told == Told::ByAnother {
            labels.insert(keys::CONTROLLER.to_owned(), "another".to_owned());
        }
        let no_program = matches!(self.does, Does::NoProgram { .. });
        let published = port.into_iter().flat_map(|host_port| {
            [Transport::Tcp, Transport::Udp].map(|transport| Published {
                name: "game".into(),
                container_port: 7777,
                host_port,
                transport,
            })
        });
        ContainerSpec {
            name: key.container_name.clone(),
            attempt,
            labels,
            image: match self.does {
                Does::NoImage => Picture::Nowhere.name().to_owned(),
                _ => Picture::Present.name().to_owned(),
            },
            command: no_program
                .then(|| NO_PROGRAM.to_owned())
                .into_iter()
                .collect(),
            args: self.args(),
            env: Vec::new(),
            user: 1000,
            group: 1000,
            read_only_root: true,
            init: self.does != Does::NoProgram { init: false },
            cpu_millis: if self.does == Does::TooManyCpus {
                1_000_000
            } else {
                500
            },
            memory_bytes: match self.does {
                Does::TooLittleMemory => 1 << 20,
                Does::Hog => 24 << 20,
                _ => 64 << 20,
            },
            scratch: Vec::new(),
            volumes: self.storage.then(|| volume(key)).into_iter().collect(),
            ports: published.collect(),
            grace_seconds: 3,
            on_cluster: OnCluster::default(),
        }
    }
}

const NO_PROGRAM: &str = "/no/such/program";

pub fn owner() -> Owner {
    Owner {
        cluster: "c-1".into(),
        controller: "conformance".into(),
    }
}

fn labels(key: &SessionKey) -> BTreeMap<String, String> {
    let owner = owner();
    [
        (keys::UID, &key.uid),
        (keys::NAMESPACE, &key.namespace),
        (keys::SESSION, &key.name),
        (keys::CLUSTER, &owner.cluster),
        (keys::CONTROLLER, &owner.controller),
    ]
    .map(|(k, v)| (k.to_owned(), v.clone()))
    .into()
}

pub fn volume(key: &SessionKey) -> Volume {
    let mut labels = labels(key);
    labels.insert(keys::STORAGE.to_owned(), "world".to_owned());
    Volume {
        name: volume_name(key),
        path: "/data".into(),
        size_bytes: 1 << 30,
        labels,
        class: None,
    }
}

pub fn volume_name(key: &SessionKey) -> String {
    format!("{}-world", key.container_name)
}

pub fn port_terms(policy: PortPolicy, protocol: PortProtocol) -> PortTerms {
    PortTerms {
        name: "game".into(),
        container_port: (policy != PortPolicy::Passthrough).then_some(7777),
        protocol,
        policy,
        host_port: None,
    }
}

/// The same game on the simulated engine.
pub fn play(spec: &ContainerSpec) -> Play {
    let flag = |name: &str| {
        let at = spec.args.iter().position(|arg| arg == name)?;
        spec.args.get(at + 1).map(String::as_str)
    };
    let has = |name: &str| spec.args.iter().any(|arg| arg == name);
    let code = |name: &str| flag(name).map_or(0, |text| text.parse().expect("a code"));
    let time = |name: &str| {
        let text = flag(name)?.trim_end_matches("ms");
        Some(Duration::from_millis(text.parse().expect("milliseconds")))
    };
    let well = Play {
        ready_after: (!has("--never-ready") && !has("--hog-memory")).then_some(Duration::ZERO),
        on_term: (
            time("--term-after").unwrap_or(Duration::from_millis(5)),
            code("--term-code"),
        ),
        ..Play::well()
    };
    if spec.command.iter().any(|part| part == NO_PROGRAM) {
        return if spec.init {
            // The init says so, as a shell does.
            Play {
                ready_after: None,
                ends: Some((Duration::from_millis(1), 127)),
                ..well
            }
        } else {
            Play {
                refused: Some("exec: \"/no/such/program\": no such file or directory"),
                ..well
            }
        };
    }
    if has("--hog-memory") {
        return Play {
            ends: Some((Duration::from_millis(100), 137)),
            out_of_memory: true,
            ..well
        };
    }
    if let Some(after) = time("--exit-after") {
        return Play {
            ends: Some((after, code("--exit-code"))),
            ..well
        };
    }
    if has("--ignore-term") {
        let never = Duration::from_secs(u64::from(u32::MAX));
        return Play {
            on_term: (never, 0),
            ..well
        };
    }
    well
}
