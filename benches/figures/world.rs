//! The world that `tests/world` sets up around the program: where its cluster, its processes and its folder are.
//!
//! Fails loudly outside a world. Calls to the API server are bounded by the client (10 s to an answer).

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use dillinger_runner::controller::client::{self, WatchAges};
use k8s_openapi::api::core::v1::Namespace;
use kube::api::{ObjectMeta, PostParams};
use kube::{Api, Client};

use super::procfs::{Cpu, command_line, pid_in};
use super::report::Components;

/// Where everything is.
#[derive(Clone)]
pub struct World {
    /// Of the world, with log/ and control-plane/ in it.
    pub folder: PathBuf,
    pub kubeconfig: PathBuf,
    /// None: this world's API server keeps no audit log.
    pub audit_log: Option<PathBuf>,
    /// As administrator; TCP_NODELAY and no retries, like the controller's own.
    pub client: Client,
    /// The program under measurement.
    pub program: PathBuf,
}

/// CPU of the control plane, at one moment or between two.
#[derive(Clone, Debug)]
pub struct ControlPlane {
    pub apiserver: Cpu,
    pub etcd: Cpu,
}

/// CPU used between two moments.
#[derive(Clone, Copy, Debug)]
pub struct Used {
    pub apiserver: Duration,
    pub etcd: Duration,
}

impl World {
    /// The world around this process, with the definitions in place.
    pub async fn here() -> anyhow::Result<World> {
        let path = |name: &str| {
            std::env::var_os(name)
                .filter(|value| !value.is_empty())
                .map(PathBuf::from)
        };
        let needed = |name: &str| {
            path(name).with_context(|| {
                format!("{name} is not set: this runs inside tests/world, see benches/run")
            })
        };
        let world = World {
            folder: needed("DILLINGER_WORLD")?,
            kubeconfig: needed("KUBECONFIG")?,
            audit_log: path("DILLINGER_AUDIT_LOG"),
            client: connect().await?,
            program: path("DILLINGER_RUNNER_BIN")
                .unwrap_or_else(|| PathBuf::from(env!("CARGO_BIN_EXE_dillinger-runner"))),
        };
        world.apply_definitions().await?;
        Ok(world)
    }

    /// The custom resource definitions, as the program prints them.
    async fn apply_definitions(&self) -> anyhow::Result<()> {
        let printed = tokio::process::Command::new(&self.program)
            .arg("crd")
            .output()
            .await
            .with_context(|| self.program.display().to_string())?;
        if !printed.status.success() {
            bail!(
                "{} crd ended with {}",
                self.program.display(),
                printed.status
            );
        }
        let file = self.folder.join("definitions.yaml");
        std::fs::write(&file, printed.stdout)?;
        let file = file.to_str().context("a folder with a plain name")?;
        self.run("kubectl", &["apply", "--server-side", "-f", file])
            .await?;
        let established = "--for=condition=Established";
        self.run(
            "kubectl",
            &["wait", established, "--timeout=60s", "-f", file],
        )
        .await?;
        Ok(())
    }

    /// Runs a program of the world (`kubectl`, `engine`, `docker`), which must succeed; its output.
    pub async fn run(&self, program: &str, args: &[&str]) -> anyhow::Result<String> {
        let output = tokio::process::Command::new(program)
            .args(args)
            .output()
            .await
            .with_context(|| program.to_owned())?;
        if !output.status.success() {
            let words = String::from_utf8_lossy(&output.stderr);
            bail!("{program} {args:?} ended with {}: {words}", output.status);
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// A new namespace whose name begins with `stem` and was never used in this world.
    pub async fn namespace(&self, stem: &str) -> anyhow::Result<String> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("{stem}-{}-{number}", std::process::id());
        let namespaces: Api<Namespace> = Api::all(self.client.clone());
        let metadata = ObjectMeta {
            name: Some(name.clone()),
            ..ObjectMeta::default()
        };
        let wanted = Namespace {
            metadata,
            ..Namespace::default()
        };
        namespaces
            .create(&PostParams::default(), &wanted)
            .await
            .with_context(|| format!("namespace {name}"))?;
        Ok(name)
    }

    /// What this world is made of; the engine only where rows use it.
    pub async fn components(&self, with_engine: bool) -> anyhow::Result<Components> {
        let docker_engine = if with_engine {
            let version = self
                .run("docker", &["version", "--format", "{{.Server.Version}}"])
                .await?;
            Some(version.trim().to_owned())
        } else {
            None
        };
        let etcd = command_line(self.pid("etcd.pid")?)?;
        let program = etcd.first().context("etcd has no command line")?;
        // Our own control plane program holds all of them and takes the name as its first argument.
        let mut version: Vec<&str> = etcd[1..]
            .iter()
            .map(String::as_str)
            .take_while(|word| !word.starts_with('-'))
            .collect();
        version.push("--version");
        let words = self.run(program, &version).await?;
        let first = words.lines().next().unwrap_or_default();
        let apiserver = self
            .client
            .apiserver_version()
            .await
            .context("the API server's version")?;
        Ok(Components {
            etcd: first.rsplit(' ').next().unwrap_or_default().to_owned(),
            etcd_fsync: !etcd.iter().any(|word| word == "--unsafe-no-fsync"),
            kube_apiserver: apiserver.git_version,
            docker_engine,
        })
    }

    fn pid(&self, name: &str) -> anyhow::Result<u32> {
        pid_in(&self.folder.join("control-plane").join(name))
    }

    /// CPU that the API server and etcd have used until now.
    pub fn control_plane(&self) -> anyhow::Result<ControlPlane> {
        let cpu = |name: &str| Cpu::of(self.pid(name)?);
        Ok(ControlPlane {
            apiserver: cpu("apiserver.pid")?,
            etcd: cpu("etcd.pid")?,
        })
    }

    /// Waits until API server and etcd together use less than [`IDLE`] of one core over a second. A control plane
    /// that does not come to rest in a minute is measured as it is, and said so.
    pub async fn settle(&self) -> anyhow::Result<()> {
        let began = Instant::now();
        let mut before = self.control_plane()?;
        loop {
            tokio::time::sleep(Duration::from_secs(1)).await;
            let now = self.control_plane()?;
            let used = now.since(&before);
            let share = (used.apiserver + used.etcd).as_secs_f64();
            if share < IDLE {
                return Ok(());
            }
            if began.elapsed() > REST {
                eprintln!(
                    "       the control plane does not rest: {:.0} % of a core",
                    share * 100.0
                );
                return Ok(());
            }
            before = now;
        }
    }
}

/// Its own background work is 3 to 5 % of a core.
const IDLE: f64 = 0.10;
const REST: Duration = Duration::from_secs(60);

impl ControlPlane {
    pub fn since(&self, earlier: &ControlPlane) -> Used {
        Used {
            apiserver: self.apiserver.since(&earlier.apiserver),
            etcd: self.etcd.since(&earlier.etcd),
        }
    }
}

/// Another client as administrator, with connections of its own: an observer must not queue behind the load.
pub async fn connect() -> anyhow::Result<Client> {
    client::connect(&WatchAges::default())
        .await
        .context("no client")
}
