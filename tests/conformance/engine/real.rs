//! The real engine of a world, as people and programs reach it.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use dillinger_runner::api::keys;
use dillinger_runner::clock::Clock;
use dillinger_runner::runtime::Runtime;
use dillinger_runner::runtime::docker::{DockerConfig, DockerRuntime};
use serde_json::{Value, json};
use tokio::process::Command;

use super::docker::{self, text};
use super::games;
use super::operations::{Night, Picture};
use super::side::{FENCE, FIXED, RANGE, Touch, World};

/// Past it, a game that was started never says what it is to say.
const LIMIT: Duration = Duration::from_secs(60);

pub struct Real {
    engine: docker::Engine,
    host: String,
    fence: String,
    fences: u32,
    /// The first process of each container, as it was last started.
    processes: BTreeMap<String, u64>,
    /// The container that is about to be started, as it is before.
    before: Option<(Value, String)>,
    held: Option<(TcpListener, UdpSocket)>,
    pub live_restore: bool,
}

/// Runs a program of the world, which must succeed.
async fn run(program: &str, args: &[&str]) {
    let output = Command::new(program).args(args).output().await;
    let output = output.unwrap_or_else(|error| panic!("{program}: {error}"));
    assert!(output.status.success(), "{program} {args:?}: {output:?}");
}

impl Real {
    pub async fn new() -> Real {
        assert!(
            std::env::var("DILLINGER_WORLD").is_ok(),
            "this needs an engine of its own: run it as `tests/world --image testgame -- <this test>`"
        );
        run("registry", &["start", "testgame"]).await;
        let engine = docker::Engine::from_env();
        let body = json!({"Image": Picture::Present.name(), "Labels": {keys::UID: FENCE}});
        let fence = engine.create("fence-0", body).await;
        let mut real = Real {
            engine,
            host: std::env::var("DOCKER_HOST").expect("a world sets DOCKER_HOST"),
            fence,
            fences: 0,
            processes: BTreeMap::new(),
            before: None,
            held: None,
            live_restore: false,
        };
        // What a run that was cut off has left.
        real.clear().await;
        real
    }

    /// As it was before a sequence, with its marker.
    pub async fn clear(&mut self) {
        self.held = None;
        if self.status("GET", "/_ping", Value::Null).await == 0 {
            self.night(Night::StartUp {
                live_restore: self.live_restore,
            })
            .await;
        }
        for id in self.ids().await {
            self.engine.remove(&id).await;
        }
        for name in self.engine.all_volumes().await {
            if name != "dillinger-engine" {
                // The one of the fence's image stays.
                let path = format!("/volumes/{name}");
                self.status("DELETE", &path, Value::Null).await;
            }
        }
        let pulled = format!("/images/{}", Picture::Pullable.name());
        self.status("DELETE", &pulled, Value::Null).await;
        self.processes.clear();
    }

    /// 0: nobody answers.
    async fn status(&self, method: &str, path: &str, body: Value) -> u16 {
        self.engine.try_call(method, path, body).await.unwrap_or(0)
    }

    async fn on(&self, id: &str, act: &str) -> u16 {
        let path = format!("/containers/{id}/{act}");
        self.status("POST", &path, Value::Null).await
    }

    /// When the container was last started, and all that it ever said.
    async fn life(&self, id: &str) -> Option<(Value, String)> {
        let container = self.engine.find(id).await?;
        let path = format!("/containers/{id}/logs?stdout=true&stderr=true");
        let (_, log) = self.engine.call("GET", &path, Value::Null).await;
        Some((container["State"].clone(), text(&log)))
    }

    fn hold(&mut self, held: bool) -> u16 {
        if !held {
            self.held = None;
        } else if self.held.is_none() {
            let address = (Ipv4Addr::LOCALHOST, FIXED);
            let both = (TcpListener::bind(address), UdpSocket::bind(address));
            let (Ok(tcp), Ok(udp)) = both else {
                return 409;
            };
            self.held = Some((tcp, udp));
        }
        204
    }

    async fn kill_process(&self, id: &str) {
        let Some(pid) = self.processes.get(id) else {
            return;
        };
        let cgroup = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default();
        // Nobody else has taken the number since.
        if cgroup.contains(id) {
            run("kill", &["-KILL", &pid.to_string()]).await;
        }
    }
}

impl World for Real {
    fn runtime(&mut self) -> Arc<dyn Runtime> {
        DockerRuntime::new(DockerConfig {
            host: Some(self.host.clone()),
            owner: games::owner(),
            bind_address: Ipv4Addr::LOCALHOST.into(),
            advertise_address: "127.0.0.1".to_owned(),
            port_range: RANGE,
            credentials: None,
            clock: Clock::system(),
        })
    }

    async fn ids(&mut self) -> Vec<String> {
        let mut all = self.engine.containers(&[]).await;
        all.sort_by_key(|c| c["Created"].as_i64());
        let ids = all.iter().map(|c| text(&c["Id"]));
        ids.filter(|id| *id != self.fence).collect()
    }

    async fn about_to_start(&mut self, id: &str) {
        self.before = self.life(id).await;
    }

    async fn until_up(&mut self, id: &str, says: Option<&str>) {
        let (before, log) = self.before.take().unwrap_or_default();
        let count = |log: &str| says.map_or(0, |words| log.matches(words).count());
        let said = count(&log);
        let began = tokio::time::Instant::now();
        while let Some((state, log)) = self.life(id).await {
            let is_new = state["StartedAt"] != before["StartedAt"];
            if state["Running"] != true || !is_new {
                return;
            }
            if let Some(pid) = state["Pid"].as_u64() {
                self.processes.insert(id.to_owned(), pid);
            }
            if says.is_none() || count(&log) > said {
                return;
            }
            assert!(
                began.elapsed() < LIMIT,
                "{id} never says {says:?}: {state} {log}"
            );
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    async fn settle(&mut self, _: bool) {}

    async fn by_hand(&mut self, hand: &Touch) -> u16 {
        match hand {
            Touch::Start(id) => self.on(id, "start").await,
            Touch::Stop(id) => self.on(id, "stop?t=3").await,
            Touch::Kill(id) => self.on(id, "kill").await,
            Touch::Terminate(id) => self.on(id, "kill?signal=TERM").await,
            Touch::Pause(id) => self.on(id, "pause").await,
            Touch::Unpause(id) => self.on(id, "unpause").await,
            Touch::Rename(id, name) => self.on(id, &format!("rename?name={name}")).await,
            Touch::Remove(id) => {
                let path = format!("/containers/{id}?force=true&v=true");
                self.status("DELETE", &path, Value::Null).await
            }
            Touch::KillProcess(id) => {
                self.kill_process(id).await;
                0
            }
            Touch::CreateStranger(name, port) => {
                let mut body = json!({"Image": Picture::Present.name()});
                if let Some(port) = port {
                    let bound = json!([{"HostIp": "127.0.0.1", "HostPort": port.to_string()}]);
                    body["ExposedPorts"] = json!({"7777/tcp": {}, "7777/udp": {}});
                    body["HostConfig"] =
                        json!({"PortBindings": {"7777/tcp": bound, "7777/udp": bound}});
                }
                let path = format!("/containers/create?name={name}");
                self.status("POST", &path, body).await
            }
            Touch::CreateVolume(name) => {
                let body = json!({"Name": name});
                self.status("POST", "/volumes/create", body).await
            }
            Touch::RemoveVolume(name) => {
                let path = format!("/volumes/{name}");
                self.status("DELETE", &path, Value::Null).await
            }
            Touch::LoseMarker => {
                self.status("DELETE", "/volumes/dillinger-engine", Value::Null)
                    .await
            }
            Touch::HoldPort(held) => self.hold(*held),
            Touch::RemoveImage(image) => {
                let path = format!("/images/{image}");
                self.status("DELETE", &path, Value::Null).await
            }
        }
    }

    async fn night(&mut self, night: Night) {
        match night {
            Night::ShutDown => run("engine", &["stop"]).await,
            Night::Crash => run("engine", &["kill"]).await,
            Night::StartUp { live_restore } => {
                self.live_restore = live_restore;
                let more: &[&str] = if live_restore {
                    &["start", "--live-restore"]
                } else {
                    &["start"]
                };
                run("engine", more).await;
            }
            Night::Freeze(_) => run("engine", &["freeze"]).await,
        }
    }

    async fn thaw(&mut self) {
        run("engine", &["thaw"]).await;
    }

    async fn fence(&mut self) {
        self.fences += 1;
        let name = format!("fence-{}", self.fences);
        self.engine.rename(&self.fence, &name).await;
    }
}
