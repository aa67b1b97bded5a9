//! A controller under measurement: the release program as a child process, killed with this value.
//!
//! Every wait is for a condition and ends after [`LIMIT`]; what fails shows the end of the controller's log.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow, bail};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::procfs::{Cpu, Memory};
use super::world::World;

/// Longest wait for a controller to be ready, to end, or to have looked at everything.
pub const LIMIT: Duration = Duration::from_secs(300);
/// A page of the admin port that takes longer counts as no answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// How a controller is started.
#[derive(Clone, Debug)]
pub struct Options {
    /// The one namespace that it serves and keeps its Lease in.
    pub namespace: String,
    /// Under this name the audit log shows its requests.
    pub user: String,
    pub flags: Vec<String>,
}

impl Options {
    /// On the engine that DOCKER_HOST names.
    pub fn docker(namespace: &str) -> Options {
        Options {
            namespace: namespace.to_owned(),
            user: format!("controller-of-{namespace}"),
            flags: Vec::new(),
        }
    }

    /// As Pods of the cluster, with so many host ports that none is short.
    pub fn pods(namespace: &str) -> Options {
        Options::docker(namespace)
            .flag("--runtimes", "Pod")
            .flag("--port-range", "20000-60000")
    }

    /// On the simulated runtime, its journal named after the namespace: a second controller, or the next one, with
    /// the same namespace has the same engine and the same containers. Each is ready `after` its start.
    pub fn simulated(world: &World, namespace: &str, after: Duration) -> Options {
        let journal = world.folder.join(format!("{namespace}.journal"));
        Options::docker(namespace)
            .flag("--simulate", &journal.display().to_string())
            .flag("--simulate-ready-after", &after.as_millis().to_string())
    }

    pub fn flag(mut self, flag: &str, value: &str) -> Options {
        self.flags.extend([flag.to_owned(), value.to_owned()]);
        self
    }
}

/// One process of the controller.
pub struct Controller {
    child: Child,
    pub log: PathBuf,
    port: u16,
    /// Just before the process was made.
    pub launched: Instant,
}

impl Controller {
    /// Starts it and returns at once.
    pub fn launch(world: &World, options: &Options) -> anyhow::Result<Controller> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let folder = world.folder.join("log/controllers");
        std::fs::create_dir_all(&folder)?;
        let stem = format!("{}-{number}", options.namespace);
        let log = folder.join(format!("{stem}.log"));
        let kubeconfig = match world.audit_log {
            None => world.kubeconfig.clone(),
            Some(_) => {
                let own = folder.join(format!("{stem}.kubeconfig"));
                std::fs::write(&own, speaking_as(world, &options.user)?)?;
                own
            }
        };
        let port = free_port()?;
        let output = File::create(&log)?;
        let mut command = Command::new(&world.program);
        command
            .arg("controller")
            .args(["--controller-name", &options.namespace])
            .args(["--watch-namespaces", &options.namespace])
            .args(["--lease-namespace", &options.namespace])
            .args(["--admin-address", &format!("127.0.0.1:{port}")])
            .args(&options.flags)
            .env("KUBECONFIG", &kubeconfig)
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output);
        let launched = Instant::now();
        let child = command
            .spawn()
            .with_context(|| world.program.display().to_string())?;
        Ok(Controller {
            child,
            log,
            port,
            launched,
        })
    }

    /// Starts it and waits until it leads and is ready.
    pub async fn start(world: &World, options: &Options) -> anyhow::Result<Controller> {
        let mut controller = Controller::launch(world, options)?;
        controller
            .until("it is ready", async |c| c.ready().await)
            .await?;
        controller
            .until("it leads", async |c| c.leads().await)
            .await?;
        Ok(controller)
    }

    /// Asks every 20 ms until the condition holds; its own end, or [`LIMIT`], is an error with the end of its log.
    pub async fn until(
        &mut self,
        what: &str,
        holds: impl AsyncFn(&Controller) -> bool,
    ) -> anyhow::Result<Instant> {
        let began = Instant::now();
        loop {
            if holds(self).await {
                return Ok(Instant::now());
            }
            self.alive().with_context(|| format!("until {what}"))?;
            if began.elapsed() > LIMIT {
                return Err(self.report(&format!("not within {LIMIT:?}: {what}")));
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// All parts are there, as `/readyz` says.
    pub async fn ready(&self) -> bool {
        self.page("/readyz")
            .await
            .is_some_and(|(status, _)| status == 200)
    }

    /// It may act now.
    pub async fn leads(&self) -> bool {
        self.metrics()
            .await
            .is_some_and(|m| m.sum("dillinger_leader") >= 1.0)
    }

    /// What `/metrics` says; None while nothing answers there.
    pub async fn metrics(&self) -> Option<Metrics> {
        let (status, text) = self.page("/metrics").await?;
        (status == 200).then(|| Metrics::parse(&text))
    }

    async fn page(&self, path: &str) -> Option<(u16, String)> {
        let asked = tokio::time::timeout(PATIENCE, get(self.port, path)).await;
        asked.ok()?.ok()
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn cpu(&self) -> anyhow::Result<Cpu> {
        Cpu::of(self.pid())
    }

    pub fn memory(&self) -> anyhow::Result<Memory> {
        Memory::of(self.pid())
    }

    /// An error, with the end of its log, if it has ended.
    pub fn alive(&mut self) -> anyhow::Result<()> {
        match self.child.try_wait()? {
            None => Ok(()),
            Some(status) => Err(self.report(&format!("the controller ended with {status}"))),
        }
    }

    /// `kill -9`, and gone when this returns.
    pub fn kill(&mut self) -> anyhow::Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// SIGTERM, and gone when this returns; another exit code than 0 is an error.
    pub async fn terminate(&mut self) -> anyhow::Result<()> {
        let pid = self.pid().to_string();
        let sent = Command::new("kill").args(["-TERM", &pid]).status()?;
        if !sent.success() {
            return Err(self.report("SIGTERM was not sent"));
        }
        let began = Instant::now();
        loop {
            match self.child.try_wait()? {
                Some(status) if status.success() => return Ok(()),
                Some(status) => {
                    return Err(self.report(&format!("told to end, it ended with {status}")));
                }
                None if began.elapsed() > LIMIT => {
                    return Err(self.report("told to end, it does not"));
                }
                None => tokio::time::sleep(Duration::from_millis(10)).await,
            }
        }
    }

    /// These words and the end of its log.
    pub fn report(&self, words: &str) -> anyhow::Error {
        let text = std::fs::read(&self.log).unwrap_or_default();
        let text = String::from_utf8_lossy(&text).into_owned();
        let lines: Vec<&str> = text.lines().collect();
        let tail = lines[lines.len().saturating_sub(40)..].join("\n  | ");
        anyhow!("{words}; the end of {}:\n  | {tail}", self.log.display())
    }
}

impl Drop for Controller {
    fn drop(&mut self) {
        // It may have ended by itself; there is nobody left to tell.
        let _ = self.kill();
    }
}

/// A page of `/metrics`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Metrics(BTreeMap<String, f64>);

impl Metrics {
    pub fn parse(text: &str) -> Metrics {
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        let pairs = lines.filter_map(|line| line.rsplit_once(' '));
        Metrics(
            pairs
                .filter_map(|(name, value)| Some((name.to_owned(), value.parse().ok()?)))
                .collect(),
        )
    }

    /// The value of one series, written as it is there: `dillinger_stage_seconds_sum{stage="plan"}`; None: there is none.
    pub fn get(&self, series: &str) -> Option<f64> {
        self.0.get(series).copied()
    }

    /// The sum over all series of a metric; 0 where there are none.
    pub fn sum(&self, name: &str) -> f64 {
        self.series(name).map(|(_, value)| value).sum()
    }

    /// The series of a metric: the text between the braces ("" where there are none) and the value.
    pub fn series<'a>(&'a self, name: &'a str) -> impl Iterator<Item = (&'a str, f64)> {
        self.0.iter().filter_map(move |(series, value)| {
            let rest = series.strip_prefix(name)?;
            let labels = match rest {
                "" => "",
                _ => rest.strip_prefix('{')?.strip_suffix('}')?,
            };
            Some((labels, *value))
        })
    }
}

/// The world's kubeconfig with every request made in the name of `user`, as an administrator.
fn speaking_as(world: &World, user: &str) -> anyhow::Result<String> {
    let text = std::fs::read_to_string(&world.kubeconfig)?;
    let mut file: serde_json::Value = serde_yaml::from_str(&text)?;
    let users = file["users"]
        .as_array_mut()
        .context("a kubeconfig without users")?;
    for entry in users {
        entry["user"]["as"] = user.into();
        entry["user"]["as-groups"] = serde_json::json!(["system:masters"]);
    }
    // JSON is YAML too.
    Ok(serde_json::to_string(&file)?)
}

pub fn free_port() -> anyhow::Result<u16> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?
        .local_addr()?
        .port())
}

/// HTTP/1.0, to which servers answer without chunks and close at the end: the body is what comes until then.
async fn get(port: u16, path: &str) -> anyhow::Result<(u16, String)> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
    let request = format!("GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut text = String::new();
    stream.read_to_string(&mut text).await?;
    let Some((head, body)) = text.split_once("\r\n\r\n") else {
        bail!("no answer: {text:?}");
    };
    let status = head.split(' ').nth(1).and_then(|word| word.parse().ok());
    Ok((status.context("no status")?, body.to_owned()))
}
