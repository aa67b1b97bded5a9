//! What the figures were taken on. Reads `/proc`, `/sys` and `/etc/os-release` and runs `uname`, `rustc` and `git` once
//! each; names neither the host nor anybody on it.

use std::path::Path;
use std::process::Command;
use std::{fs, io};

use serde::{Deserialize, Serialize};

/// The machine, the components, and what was built.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Machine {
    pub cpu: String,
    /// That this process may use.
    pub cores: usize,
    pub memory_mib: u64,
    pub kernel: String,
    pub distribution: String,
    /// Whether the CPU counts instructions and cycles for us.
    pub hardware_counters: bool,
    pub components: Components,
    pub rustc: String,
    /// Our own version.
    pub version: String,
    /// None: not built from a repository.
    pub commit: Option<Commit>,
    /// Over one minute, before the first run.
    pub load_at_start: f64,
}

/// Versions that only the driver knows, since it starts them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Components {
    pub etcd: String,
    /// Off, a write does not wait for the disk.
    pub etcd_fsync: bool,
    pub kube_apiserver: String,
    /// None: no Docker rows were run.
    pub docker_engine: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Commit {
    pub id: String,
    /// The tree held more than the commit.
    pub dirty: bool,
}

/// What could not be learnt.
#[derive(Debug, thiserror::Error)]
pub enum MachineError {
    #[error("{path} cannot be read")]
    Read {
        path: &'static str,
        source: io::Error,
    },
    #[error("{path} does not say {what}")]
    Silent {
        path: &'static str,
        what: &'static str,
    },
    #[error("{program} cannot be run")]
    Run { program: String, source: io::Error },
    #[error("{program} failed: {stderr}")]
    Failed { program: String, stderr: String },
}

const CPUINFO: &str = "/proc/cpuinfo";
const MEMINFO: &str = "/proc/meminfo";
const LOADAVG: &str = "/proc/loadavg";
const OS_RELEASE: &str = "/etc/os-release";

impl Machine {
    /// This machine, now.
    pub fn read(components: Components) -> Result<Self, MachineError> {
        let memory = memory_mib(&text(MEMINFO)?).ok_or(MachineError::Silent {
            path: MEMINFO,
            what: "how much memory there is",
        })?;
        let cores = std::thread::available_parallelism().map_err(|source| MachineError::Read {
            path: CPUINFO,
            source,
        })?;
        let rustc = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned());
        Ok(Machine {
            cpu: cpu_model(&text(CPUINFO)?).unwrap_or_else(|| std::env::consts::ARCH.to_owned()),
            cores: cores.get(),
            memory_mib: memory,
            kernel: output(Command::new("uname").arg("-sr"))?,
            distribution: distribution(&text(OS_RELEASE)?).unwrap_or_default(),
            hardware_counters: counts_hardware(Path::new("/sys/bus/event_source/devices")),
            components,
            rustc: output(Command::new(rustc).arg("--version"))?,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            commit: commit(Path::new(env!("CARGO_MANIFEST_DIR")))?,
            load_at_start: load_average()?,
        })
    }

    /// What was measured: our version and the commit.
    pub fn product(&self) -> String {
        let version = &self.version;
        match &self.commit {
            None => format!("{version}, commit not known"),
            Some(Commit { id, dirty: false }) => format!("{version}, commit {id}"),
            Some(Commit { id, dirty: true }) => format!("{version}, commit {id} with changes"),
        }
    }

    /// What bounds a time: processor, cores, and whether a write waits for the disk.
    pub fn hardware(&self) -> String {
        let fsync = on_or_off(self.components.etcd_fsync);
        format!("{}, {} cores, fsync {fsync}", self.cpu, self.cores)
    }

    /// Whether times taken on both can be compared.
    pub fn is_same_hardware(&self, other: &Machine) -> bool {
        self.hardware() == other.hardware()
    }

    /// All as a reader sees it, a line each: what, and its value.
    pub fn lines(&self) -> Vec<(&'static str, String)> {
        let Machine {
            cpu,
            cores,
            memory_mib,
            kernel,
            distribution,
            hardware_counters,
            components,
            rustc,
            version: _,
            commit: _,
            load_at_start,
        } = self;
        let Components {
            etcd,
            etcd_fsync,
            kube_apiserver,
            docker_engine,
        } = components;
        let counters = if *hardware_counters { "yes" } else { "no" };
        let engine = docker_engine.clone();
        vec![
            ("dillinger-runner", self.product()),
            ("CPU", format!("{cpu}, {cores} cores")),
            ("memory", format!("{:.1} GiB", *memory_mib as f64 / 1024.0)),
            ("kernel", kernel.clone()),
            ("distribution", distribution.clone()),
            ("hardware counters (perf)", counters.to_owned()),
            ("kube-apiserver", kube_apiserver.clone()),
            ("etcd", format!("{etcd}, fsync {}", on_or_off(*etcd_fsync))),
            (
                "Docker Engine",
                engine.unwrap_or_else(|| "not used".to_owned()),
            ),
            ("rustc", rustc.clone()),
            ("load average at the start", format!("{load_at_start:.2}")),
        ]
    }

    /// What is not the same in the later one; the load and the commit are expected to differ.
    pub(super) fn differences(before: &Machine, after: &Machine) -> Vec<String> {
        let lines = before.lines().into_iter().zip(after.lines());
        lines
            .filter(|((what, _), _)| {
                !["dillinger-runner", "load average at the start"].contains(what)
            })
            .filter(|((_, old), (_, new))| old != new)
            .map(|((what, old), (_, new))| format!("{what}: {old} → {new}"))
            .collect()
    }
}

fn on_or_off(on: bool) -> &'static str {
    if on { "on" } else { "off" }
}

/// The load average over one minute, now.
pub fn load_average() -> Result<f64, MachineError> {
    let load = text(LOADAVG)?;
    let first = load
        .split_whitespace()
        .next()
        .and_then(|word| word.parse().ok());
    first.ok_or(MachineError::Silent {
        path: LOADAVG,
        what: "the load",
    })
}

fn text(path: &'static str) -> Result<String, MachineError> {
    fs::read_to_string(path).map_err(|source| MachineError::Read { path, source })
}

/// None: the architecture does not name its processors there.
fn cpu_model(cpuinfo: &str) -> Option<String> {
    let line = cpuinfo
        .lines()
        .find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

fn memory_mib(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find(|line| line.starts_with("MemTotal:"))?;
    let kib: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib / 1024)
}

fn distribution(os_release: &str) -> Option<String> {
    let name = os_release
        .lines()
        .find_map(|line| line.strip_prefix("PRETTY_NAME="))?;
    Some(name.trim_matches('"').to_owned())
}

/// The kernel lists a counter of the processor: `cpu` on x86, one a kind of core on others.
fn counts_hardware(devices: &Path) -> bool {
    let Ok(entries) = fs::read_dir(devices) else {
        return false;
    };
    entries.filter_map(Result::ok).any(|entry| {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        name == "cpu" || name.starts_with("cpu_") || name.starts_with("armv")
    })
}

/// None: the folder is in no repository.
fn commit(folder: &Path) -> Result<Option<Commit>, MachineError> {
    let git =
        |arguments: &[&str]| output(Command::new("git").arg("-C").arg(folder).args(arguments));
    match git(&["rev-parse", "--short=12", "HEAD"]) {
        Ok(id) => {
            let dirty = !git(&["status", "--porcelain"])?.is_empty();
            Ok(Some(Commit { id, dirty }))
        }
        Err(MachineError::Failed { stderr, .. }) if stderr.contains("not a git repository") => {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

fn output(command: &mut Command) -> Result<String, MachineError> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = match command.output() {
        Ok(output) => output,
        Err(source) => return Err(MachineError::Run { program, source }),
    };
    if !output.status.success() {
        let stderr = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        return Err(MachineError::Failed { program, stderr });
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
