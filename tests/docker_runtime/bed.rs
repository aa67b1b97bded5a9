//! One session on the world's engine, and the words to speak about it.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::future::Future;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::ops::RangeInclusive;
use std::process::Output;
use std::sync::atomic::{AtomicU16, AtomicU32, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use dillinger_runner::api::{PortPolicy, PortProtocol, Readiness, keys};
use dillinger_runner::clock::Clock;
use dillinger_runner::runtime::docker::{DockerConfig, DockerRuntime};
use dillinger_runner::runtime::{EffectError, Look, Outcome, Runtime, SessionKey};
use dillinger_runner::session::container::{
    ContainerSpec, OnCluster, Published, Transport, Volume,
};
use dillinger_runner::session::contract::{PortTerms, Terms};
use dillinger_runner::session::facts::EngineId;
use dillinger_runner::session::observation::Owner;
use dillinger_runner::session::plan::Effect;
use dillinger_runner::session::seen::{Answer, Container, ContainerId, Exit, Seen};
use tokio::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};

pub const IMAGE: &str = "dillinger/testgame:1";

/// Past it a condition that does not come fails its test; it bounds nothing that is measured.
const LIMIT: Duration = Duration::from_secs(90);

/// Tests that stop or replace the engine hold it alone.
static ENGINE: RwLock<()> = RwLock::const_new(());

pub enum Hold {
    Shared {
        _guard: Arc<RwLockReadGuard<'static, ()>>,
    },
    Alone {
        _guard: RwLockWriteGuard<'static, ()>,
    },
}

thread_local! {
    /// Each test has a thread of its own. A second hold would wait for who waits for the first.
    static HELD: RefCell<Weak<RwLockReadGuard<'static, ()>>> = const { RefCell::new(Weak::new()) };
}

pub async fn shared() -> Hold {
    let held = HELD.with_borrow(Weak::upgrade);
    let guard = match held {
        Some(guard) => guard,
        None => Arc::new(ENGINE.read().await),
    };
    HELD.set(Arc::downgrade(&guard));
    Hold::Shared { _guard: guard }
}

pub async fn alone() -> Hold {
    Hold::Alone {
        _guard: ENGINE.write().await,
    }
}

pub fn host() -> String {
    assert!(
        std::env::var_os("DILLINGER_WORLD").is_some(),
        "run this inside tests/world --image testgame -- …"
    );
    std::env::var("DOCKER_HOST").expect("a world sets DOCKER_HOST")
}

pub fn config() -> DockerConfig {
    DockerConfig {
        host: Some(host()),
        owner: Owner {
            cluster: "c-1".into(),
            controller: "tests".into(),
        },
        bind_address: Ipv4Addr::LOCALHOST.into(),
        advertise_address: "play.example".into(),
        port_range: 7000..=7999,
        credentials: None,
        clock: Clock::system(),
    }
}

/// Waits until `ask` gives a value, and fails loudly with what was wanted.
pub async fn until<T, F: Future<Output = Option<T>>>(what: &str, mut ask: impl FnMut() -> F) -> T {
    let wait = async {
        loop {
            if let Some(value) = ask().await {
                return value;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    match tokio::time::timeout(LIMIT, wait).await {
        Ok(value) => value,
        Err(_) => panic!("waited in vain until {what}"),
    }
}

/// Runs a program of the world; its output, whatever its exit code.
pub async fn run(program: &str, args: &[&str]) -> Output {
    tokio::process::Command::new(program)
        .args(args)
        .output()
        .await
        .unwrap_or_else(|e| panic!("{program}: {e}"))
}

/// Runs a program of the world that must succeed; its standard output, trimmed.
pub async fn ok(program: &str, args: &[&str]) -> String {
    let output = run(program, args).await;
    assert!(output.status.success(), "{program} {args:?}: {output:?}");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

pub async fn docker(args: &[&str]) -> String {
    ok("docker", args).await
}

/// A range of host ports that no other test uses, below those of a control plane (20000 on).
pub fn some_ports(count: u16) -> RangeInclusive<u16> {
    static NEXT: AtomicU16 = AtomicU16::new(10_000);
    let first = NEXT.fetch_add(count, Ordering::Relaxed);
    first..=first + count - 1
}

pub struct Bed {
    pub runtime: Arc<DockerRuntime>,
    pub key: SessionKey,
    pub engine: EngineId,
    pub port: u16,
    pub readiness: Option<Readiness>,
    pub args: Vec<String>,
    _hold: Hold,
}

impl Bed {
    pub async fn new(name: &str) -> Bed {
        Bed::on(DockerRuntime::new(config()), name, shared().await).await
    }

    pub async fn on(runtime: Arc<DockerRuntime>, name: &str, hold: Hold) -> Bed {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let uid = format!("uid-{name}-{}", COUNT.fetch_add(1, Ordering::Relaxed));
        let engine = runtime.engine().await.expect("the world's engine answers");
        Bed {
            key: SessionKey {
                namespace: "default".into(),
                name: name.into(),
                container_name: format!("{name}-{uid}"),
                uid,
            },
            runtime,
            engine: engine.id,
            port: *some_ports(1).start(),
            readiness: None,
            args: vec!["--udp".into(), "7777".into(), "--tcp".into(), "7777".into()],
            _hold: hold,
        }
    }

    pub fn ready_when(mut self, readiness: Readiness) -> Bed {
        self.readiness = Some(readiness);
        self
    }

    pub fn args(mut self, args: &[&str]) -> Bed {
        self.args = args.iter().map(|a| (*a).to_owned()).collect();
        self
    }

    pub fn labels(&self) -> BTreeMap<String, String> {
        [
            (keys::UID, self.key.uid.as_str()),
            (keys::NAMESPACE, &self.key.namespace),
            (keys::SESSION, &self.key.name),
            (keys::CLUSTER, "c-1"),
            (keys::CONTROLLER, "tests"),
        ]
        .map(|(k, v)| (k.to_owned(), v.to_owned()))
        .into()
    }

    /// One TCPUDP port, no storage, the test game.
    pub fn spec(&self, attempt: i32) -> ContainerSpec {
        let terms = Terms {
            ports: vec![PortTerms {
                name: "game".into(),
                container_port: Some(7777),
                protocol: PortProtocol::TCPUDP,
                policy: PortPolicy::Dynamic,
                host_port: None,
            }],
            readiness: self.readiness.clone(),
            start_deadline_seconds: 300,
            max_active_deadline_seconds: None,
            termination_grace_period_seconds: 30,
            game_uid: "g-1".into(),
            game_generation: 1,
            digest: "00".into(),
        };
        let mut labels = self.labels();
        labels.insert(
            keys::CONTRACT.to_owned(),
            serde_json::to_string(&terms).expect("terms are JSON"),
        );
        ContainerSpec {
            name: self.key.container_name.clone(),
            attempt,
            labels,
            image: IMAGE.into(),
            command: vec![],
            args: self.args.clone(),
            env: vec![("SESSION_ID".into(), self.key.name.clone())],
            user: 1000,
            group: 1000,
            read_only_root: true,
            init: true,
            cpu_millis: 500,
            memory_bytes: 64 << 20,
            scratch: vec![],
            volumes: vec![],
            ports: [Transport::Tcp, Transport::Udp]
                .map(|transport| Published {
                    name: "game".into(),
                    container_port: 7777,
                    host_port: self.port,
                    transport,
                })
                .into(),
            grace_seconds: 30,
            on_cluster: OnCluster::default(),
        }
    }

    pub fn storage(&self) -> Volume {
        let mut labels = self.labels();
        labels.insert(keys::STORAGE.to_owned(), "world".to_owned());
        Volume {
            name: format!("{}-world", self.key.container_name),
            path: "/data".into(),
            size_bytes: 1 << 30,
            labels,
            class: None,
        }
    }

    pub async fn act(&self, effect: Effect) -> Result<Outcome, EffectError> {
        self.runtime.act(&self.key, &self.engine, &effect).await
    }

    /// An effect that must go through.
    pub async fn done(&self, effect: Effect) {
        let name = format!("{effect:?}");
        match self.act(effect).await {
            Ok(Outcome::Done) => {}
            other => panic!("{name}: {other:?}"),
        }
    }

    pub async fn create(&self, spec: ContainerSpec) -> ContainerId {
        self.done(Effect::Create(Box::new(spec))).await;
        match self.look().await {
            Seen::Created(container, _) => container.id,
            other => panic!("it was made: {other:?}"),
        }
    }

    /// Made and started.
    pub async fn start(&self) -> ContainerId {
        let id = self.create(self.spec(0)).await;
        self.done(Effect::Start(id.clone())).await;
        id
    }

    pub async fn look(&self) -> Seen {
        self.look_with(true).await
    }

    pub async fn look_with(&self, probe: bool) -> Seen {
        self.runtime
            .look(Look {
                key: &self.key,
                attempt: Some(0),
                engine: Some(&self.engine),
                id: None,
                probe,
            })
            .await
    }

    pub async fn until_seen<T>(&self, what: &str, mut fits: impl FnMut(Seen) -> Option<T>) -> T {
        let wait = async {
            let mut last = None;
            loop {
                let seen = self.look().await;
                let shown = format!("{seen:?}");
                if let Some(value) = fits(seen) {
                    return value;
                }
                if last.as_ref() != Some(&shown) {
                    println!("{}: {shown}", self.key.name);
                    last = Some(shown);
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        match tokio::time::timeout(LIMIT, wait).await {
            Ok(value) => value,
            Err(_) => panic!("waited in vain until {what}"),
        }
    }

    pub async fn ready(&self) -> Container {
        self.until_seen("it is ready", |seen| match seen {
            Seen::Running(container, Answer::Ready) => Some(container),
            _ => None,
        })
        .await
    }

    pub async fn ended(&self) -> Exit {
        self.until_seen("it ended", |seen| match seen {
            Seen::Exited(_, exit) => Some(exit),
            _ => None,
        })
        .await
    }

    /// Asks the test game one line over TCP, until it answers: one without a readiness probe is ready before it listens.
    pub async fn ask(&self, line: &str) -> String {
        until("the game answers", || async {
            let answer = self.ask_once(line).await;
            (!answer.is_empty()).then_some(answer)
        })
        .await
    }

    async fn ask_once(&self, line: &str) -> String {
        let (port, line) = (self.port, format!("{line}\n"));
        tokio::task::spawn_blocking(move || {
            let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("the game's port");
            let mut answer = Vec::new();
            let mut byte = [0];
            // The proxy resets the connection while the game does not listen yet: no answer.
            if stream.write_all(line.as_bytes()).is_err() {
                return String::new();
            }
            while matches!(stream.read(&mut byte), Ok(1)) && byte[0] != b'\n' {
                answer.push(byte[0]);
            }
            String::from_utf8_lossy(&answer).into_owned()
        })
        .await
        .expect("asked")
    }
}

impl Drop for Bed {
    /// By hand, so that a test that failed leaves no game behind for the next.
    fn drop(&mut self) {
        let label = format!("label={}={}", keys::UID, self.key.uid);
        let script = "for c in $(docker ps -aq --filter $0); do docker rm -fv $c; done; \
            for v in $(docker volume ls -q --filter $0); do docker volume rm $v; done";
        let _ = std::process::Command::new("timeout")
            .args(["20", "sh", "-c", script, &label])
            .stdout(std::process::Stdio::null())
            .status();
    }
}

pub fn readiness() -> Readiness {
    Readiness {
        period_seconds: 1,
        timeout_seconds: 1,
        log: None,
        tcp_socket: None,
        http_get: None,
        exec: None,
        exchange: None,
    }
}
