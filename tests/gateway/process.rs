//! A gateway under test: the real binary as a child process.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::Value;

use crate::client::{Answer, Call, call, whole};
use crate::harness::{Controller, LIMIT, Scene, until};

/// The token that controller and gateway both know.
pub const TOKEN: &str = "a-token-of-both-sides";

pub struct Gateway {
    child: Child,
    pub port: u16,
    pub log: PathBuf,
    flags: Vec<String>,
    kubeconfig: PathBuf,
}

/// A scene with its controller and a gateway that knows it.
pub async fn scene(name: &str) -> (Scene, Controller, Gateway) {
    scene_with(name, &[]).await
}

/// The same, the gateway with these flags too.
pub async fn scene_with(name: &str, more: &[&str]) -> (Scene, Controller, Gateway) {
    let mut scene = Scene::open(name).await;
    let token = token_file(&scene);
    scene.options = scene
        .options
        .clone()
        .flag("--gateway-token-file", text(&token));
    let controller = scene.controller().await;
    let url = format!("http://127.0.0.1:{}", controller.admin_port());
    let mut flags = vec!["--controller-url", url.as_str()];
    flags.extend(["--controller-token-file", text(&token)]);
    flags.extend(more);
    let mut gateway = Gateway::launch(&scene, &scene.world.kubeconfig, &flags);
    gateway.until_healthy().await;
    (scene, controller, gateway)
}

fn token_file(scene: &Scene) -> PathBuf {
    let file = scene
        .world
        .folder
        .join(format!("{}.token", scene.namespace));
    std::fs::write(&file, TOKEN).expect("the world's folder takes a file");
    file
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a plain path")
}

impl Gateway {
    /// Starts it for the scene's namespace and returns at once.
    pub fn launch(scene: &Scene, kubeconfig: &Path, flags: &[&str]) -> Gateway {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let folder = scene.world.folder.join("log/gateways");
        std::fs::create_dir_all(&folder).expect("the world's folder takes a folder");
        let log = folder.join(format!("{}-{number}.log", scene.namespace));
        let port = free_port();
        let mut all: Vec<String> = ["--namespace", &scene.namespace, "--gateway-address"]
            .iter()
            .map(|one| (*one).to_owned())
            .collect();
        all.push(format!("127.0.0.1:{port}"));
        all.extend(flags.iter().map(|one| (*one).to_owned()));
        let child = start(&log, kubeconfig, &all);
        Gateway {
            child,
            port,
            log,
            flags: all,
            kubeconfig: kubeconfig.to_owned(),
        }
    }

    /// Kills it with SIGKILL and starts it again, on the same address.
    pub fn kill_and_start(&mut self) {
        self.child.kill().expect("it is our child");
        self.child.wait().expect("it is our child");
        self.child = start(&self.log, &self.kubeconfig, &self.flags);
    }

    /// SIGTERM, and its exit status.
    pub async fn terminate(&mut self) -> ExitStatus {
        let pid = self.child.id().to_string();
        let done = Command::new("kill")
            .args(["-TERM", &pid])
            .status()
            .expect("kill runs");
        assert!(done.success());
        until("the gateway ends", || {
            let ended = self.child.try_wait().expect("it is our child");
            std::future::ready(ended)
        })
        .await
    }

    pub async fn ask(&self, call: &Call) -> Answer {
        match whole(self.port, call).await {
            Ok(answer) => answer,
            Err(error) => panic!("{call:?}: {error}\n{}", self.log_text()),
        }
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.ask(&call(&format!("GET {path}"))).await
    }

    /// A session through POST, as it is once it runs.
    pub async fn made(&self, body: &Value) -> Value {
        let answer = self.ask(&call("POST /sessions").json(body)).await;
        assert_eq!(answer.status, 200, "{answer:?}\n{}", self.log_text());
        let session = answer.json();
        assert_eq!(session["status"], "running", "{session:#}");
        session
    }

    /// Memory that it has, in KiB.
    pub fn resident(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()));
        let status = status.expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let number = line.and_then(|line| line.trim().strip_suffix(" kB"));
        number
            .and_then(|text| text.trim().parse().ok())
            .expect("a number of KiB")
    }

    /// Waits until `/health` has this status.
    pub async fn until_health(&self, status: u16) -> Answer {
        until(&format!("/health answers {status}"), || async {
            let answer = whole(self.port, &call("GET /health")).await.ok()?;
            (answer.status == status).then_some(answer)
        })
        .await
    }

    pub async fn until_healthy(&mut self) {
        let began = std::time::Instant::now();
        loop {
            let answer = whole(self.port, &call("GET /health")).await;
            if answer.as_ref().is_ok_and(|answer| answer.status == 200) {
                return;
            }
            let ended = self.child.try_wait().expect("it is our child");
            assert!(
                ended.is_none() && began.elapsed() < LIMIT,
                "the gateway is not healthy: {answer:?}, {ended:?}\n{}",
                self.log_text()
            );
            tokio::time::sleep(crate::harness::wait::STEP).await;
        }
    }

    pub fn log_text(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.log).unwrap_or_default()).into_owned()
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn start(log: &Path, kubeconfig: &Path, flags: &[String]) -> Child {
    let mut options = File::options();
    let output = options.create(true).append(true).open(log);
    let output = output.expect("the world's folder takes a file");
    Command::new(env!("CARGO_BIN_EXE_dillinger-runner"))
        .arg("gateway")
        .args(flags)
        .env("KUBECONFIG", kubeconfig)
        .env("RUST_BACKTRACE", "1")
        .stdin(Stdio::null())
        .stdout(output.try_clone().expect("a file has two handles"))
        .stderr(output)
        .spawn()
        .expect("the gateway's binary starts")
}

pub fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .expect("loopback has a free port")
        .port()
}
