//! A controller under test: the real binary as a child process.

use std::fs::File;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use super::http;
use super::wait::{LIMIT, poll, until};
use super::world::World;

/// How a controller is started.
#[derive(Clone, Debug)]
pub struct ControllerOptions {
    /// controller, or run.
    pub command: &'static str,
    pub namespace: String,
    pub name: String,
    pub lease_namespace: String,
    pub ports: RangeInclusive<u16>,
    /// Under this name the API server's audit log shows its requests.
    pub user: String,
    pub flags: Vec<String>,
    pub env: Vec<(String, String)>,
    pub program: PathBuf,
}

impl ControllerOptions {
    /// A controller for one namespace.
    pub fn of(namespace: &str, ports: RangeInclusive<u16>) -> ControllerOptions {
        ControllerOptions {
            command: "controller",
            namespace: namespace.to_owned(),
            name: format!("of-{namespace}"),
            lease_namespace: namespace.to_owned(),
            ports,
            user: format!("controller-of-{namespace}"),
            flags: Vec::new(),
            env: Vec::new(),
            program: PathBuf::from(env!("CARGO_BIN_EXE_dillinger-runner")),
        }
    }

    pub fn command(mut self, command: &'static str) -> ControllerOptions {
        self.command = command;
        self
    }

    pub fn flag(mut self, flag: &str, value: &str) -> ControllerOptions {
        self.flags.push(flag.to_owned());
        self.flags.push(value.to_owned());
        self
    }

    /// The build that can kill itself at a write: counts its writes in this file, and dies once where `crash` says.
    pub fn failpoints(mut self, count: &Path, crash: Option<&str>) -> ControllerOptions {
        self.program.set_file_name("dillinger-runner-failpoints");
        assert!(
            self.program.exists(),
            "{} is missing: tests/run build makes it",
            self.program.display()
        );
        let count = count.to_str().expect("a plain path");
        self.env("DILLINGER_FAILPOINT_COUNT", count)
            .env("DILLINGER_FAILPOINT", crash.unwrap_or_default())
    }

    pub fn env(mut self, name: &str, value: &str) -> ControllerOptions {
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }
}

pub struct Controller {
    child: Child,
    pub log: PathBuf,
    admin_port: u16,
    reaped: Option<ExitStatus>,
}

impl Controller {
    /// Starts it and returns at once.
    pub fn launch(world: &World, options: &ControllerOptions) -> Controller {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let folder = world.folder.join("log/controllers");
        std::fs::create_dir_all(&folder).expect("the world's folder takes a folder");
        let stem = format!("{}-{number}", options.namespace);
        let log = folder.join(format!("{stem}.log"));
        let kubeconfig = folder.join(format!("{stem}.kubeconfig"));
        std::fs::write(&kubeconfig, speaking_as(world, &options.user))
            .expect("the world's folder takes a file");
        let admin_port = free_port();
        let output = File::create(&log).expect("the world's folder takes a file");
        let child = Command::new(&options.program)
            .arg(options.command)
            .args(["--controller-name", &options.name])
            .args(["--watch-namespaces", &options.namespace])
            .args(["--lease-namespace", &options.lease_namespace])
            .args(["--admin-address", &format!("127.0.0.1:{admin_port}")])
            .args([
                "--port-range",
                &format!("{}-{}", options.ports.start(), options.ports.end()),
            ])
            .args(&options.flags)
            .env("KUBECONFIG", &kubeconfig)
            .env("RUST_BACKTRACE", "1")
            .envs(options.env.iter().cloned())
            .stdin(Stdio::null())
            .stdout(output.try_clone().expect("a file has two handles"))
            .stderr(output)
            .spawn()
            .expect("the controller's binary starts");
        Controller {
            child,
            log,
            admin_port,
            reaped: None,
        }
    }

    /// Starts it and waits until it leads and has looked at everything.
    pub async fn start(world: &World, options: &ControllerOptions) -> Controller {
        let mut controller = Controller::launch(world, options);
        controller.until_ready().await;
        controller
    }

    pub async fn until_ready(&mut self) {
        let began = std::time::Instant::now();
        loop {
            if let Some((200, _)) = self.admin("GET", "/readyz", "").await {
                return;
            }
            if let Some(status) = self.ended() {
                panic!("the controller ended with {status}\n{}", self.tail(60));
            }
            if began.elapsed() > LIMIT {
                let last = self.admin("GET", "/readyz", "").await;
                panic!("the controller is not ready: {last:?}\n{}", self.tail(60));
            }
            tokio::time::sleep(super::wait::STEP).await;
        }
    }

    /// A request to the admin port; None while nothing listens there.
    pub async fn admin(&self, method: &str, path: &str, body: &str) -> Option<(u16, String)> {
        let reply = http::over_tcp(self.admin_port, method, path, body)
            .await
            .ok()?;
        Some((reply.status, reply.body))
    }

    /// The value of a metric; `series` is the name with its labels as written there.
    pub async fn metric(&self, series: &str) -> Option<f64> {
        let (_, text) = self.admin("GET", "/metrics", "").await?;
        text.lines()
            .filter_map(|line| line.rsplit_once(' '))
            .find(|(name, _)| *name == series)
            .and_then(|(_, value)| value.parse().ok())
    }

    /// The sum over all series of a metric.
    pub async fn metric_sum(&self, name: &str) -> Option<f64> {
        let (_, text) = self.admin("GET", "/metrics", "").await?;
        let values: Vec<f64> = text
            .lines()
            .filter_map(|line| line.rsplit_once(' '))
            .filter(|(series, _)| {
                *series == name
                    || series
                        .strip_prefix(name)
                        .is_some_and(|r| r.starts_with('{'))
            })
            .filter_map(|(_, value)| value.parse().ok())
            .collect();
        (!values.is_empty()).then(|| values.iter().sum())
    }

    pub fn admin_port(&self) -> u16 {
        self.admin_port
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn ended(&mut self) -> Option<ExitStatus> {
        if self.reaped.is_none() {
            self.reaped = self.child.try_wait().expect("it is our child");
        }
        self.reaped
    }

    /// `kill -9`, and gone when this returns.
    pub fn kill(&mut self) {
        if self.ended().is_none() {
            self.child.kill().expect("it is our child");
            self.reaped = Some(self.child.wait().expect("it is our child"));
        }
    }

    pub fn signal(&self, name: &str) {
        let done = Command::new("kill")
            .args([format!("-{name}"), self.pid().to_string()])
            .status()
            .expect("kill runs");
        assert!(done.success(), "kill -{name} of the controller failed");
    }

    /// SIGTERM, and its exit status.
    pub async fn terminate(&mut self) -> ExitStatus {
        if let Some(status) = self.ended() {
            return status;
        }
        self.signal("TERM");
        self.until_ended().await
    }

    pub async fn until_ended(&mut self) -> ExitStatus {
        let began = std::time::Instant::now();
        loop {
            if let Some(status) = self.ended() {
                return status;
            }
            assert!(
                began.elapsed() < LIMIT,
                "the controller does not end\n{}",
                self.tail(60)
            );
            tokio::time::sleep(super::wait::STEP).await;
        }
    }

    pub fn log_text(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    pub async fn until_log(&self, needle: &str) {
        until(&format!("the controller's log says {needle:?}"), || async {
            self.log_text().contains(needle).then_some(())
        })
        .await;
    }

    /// The last lines of its log.
    pub fn tail(&self, lines: usize) -> String {
        let text = self.log_text();
        let all: Vec<&str> = text.lines().collect();
        let from = all.len().saturating_sub(lines);
        format!(
            "--- {} (last {lines} lines)\n{}\n",
            self.log.display(),
            all[from..].join("\n")
        )
    }
}

impl Drop for Controller {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The world's kubeconfig with every request made in the name of `user`, as an administrator.
fn speaking_as(world: &World, user: &str) -> String {
    let text = std::fs::read_to_string(&world.kubeconfig).expect("the world's kubeconfig is read");
    let mut file: serde_json::Value =
        serde_yaml::from_str(&text).expect("the world's kubeconfig is YAML");
    for entry in file["users"].as_array_mut().expect("it has users") {
        entry["user"]["as"] = user.into();
        entry["user"]["as-groups"] = serde_json::json!(["system:masters"]);
    }
    serde_json::to_string(&file).expect("JSON is YAML too")
}

fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0")
        .and_then(|l| l.local_addr())
        .expect("loopback has a free port")
        .port()
}
