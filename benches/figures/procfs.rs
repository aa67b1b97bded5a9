//! What a process used, from /proc: CPU to the nanosecond, memory to the page. Reads files, blocks for nothing.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, bail};

/// The kernel gives user and system time in hundredths of a second to every program.
const TICK: Duration = Duration::from_millis(10);

/// CPU that a process had used at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cpu {
    /// Each thread's own, exact; threads that ended are missing.
    threads: BTreeMap<u32, Duration>,
    /// User and system time of all threads ever, in whole ticks.
    ticks: Duration,
}

impl Cpu {
    /// Of the process and all its threads, until now.
    pub fn of(pid: u32) -> anyhow::Result<Cpu> {
        let folder = format!("/proc/{pid}");
        let mut threads = BTreeMap::new();
        for entry in std::fs::read_dir(format!("{folder}/task"))
            .with_context(|| format!("process {pid} is gone"))?
        {
            let name = entry?.file_name();
            let thread: u32 = name.to_string_lossy().parse()?;
            // A thread may end between the listing and the reading.
            if let Ok(text) = std::fs::read_to_string(format!("{folder}/task/{thread}/schedstat")) {
                threads.insert(thread, on_cpu(&text)?);
            }
        }
        let stat = std::fs::read_to_string(format!("{folder}/stat"))?;
        Ok(Cpu {
            threads,
            ticks: ticks(&stat)?,
        })
    }

    /// Used since the process began.
    pub fn total(&self) -> Duration {
        self.threads.values().sum::<Duration>().max(self.ticks)
    }

    /// Used since `earlier`. Exact while the threads live; what those that ended took with them is found in the
    /// ticks, to within two of them.
    pub fn since(&self, earlier: &Cpu) -> Duration {
        let before = |thread| earlier.threads.get(thread).copied().unwrap_or_default();
        let exact: Duration = self
            .threads
            .iter()
            .map(|(thread, used)| used.saturating_sub(before(thread)))
            .sum();
        let coarse = self.ticks.saturating_sub(earlier.ticks);
        exact.max(coarse.saturating_sub(2 * TICK))
    }
}

/// The first number of a schedstat: nanoseconds on a CPU.
fn on_cpu(schedstat: &str) -> anyhow::Result<Duration> {
    let first = schedstat.split_whitespace().next().unwrap_or_default();
    let nanos = first
        .parse()
        .with_context(|| format!("schedstat: {schedstat:?}"))?;
    Ok(Duration::from_nanos(nanos))
}

/// Fields 14 and 15 of /proc/PID/stat; the command in field 2 may hold anything but a closing bracket at its end.
fn ticks(stat: &str) -> anyhow::Result<Duration> {
    let (_, rest) = stat.rsplit_once(')').context("no command in stat")?;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let [user, system] = [11, 12].map(|at| fields.get(at).and_then(|f| f.parse::<u32>().ok()));
    match (user, system) {
        (Some(user), Some(system)) => Ok(TICK * (user + system)),
        _ => bail!("stat without times: {stat:?}"),
    }
}

/// Memory of a process, in MiB.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Memory {
    /// Resident now.
    pub resident: f64,
    /// The most that was ever resident.
    pub peak: f64,
}

impl Memory {
    pub fn of(pid: u32) -> anyhow::Result<Memory> {
        let text = std::fs::read_to_string(format!("/proc/{pid}/status"))
            .with_context(|| format!("process {pid} is gone"))?;
        Memory::parse(&text)
    }

    fn parse(status: &str) -> anyhow::Result<Memory> {
        let mebibytes = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            let number = line.and_then(|rest| rest.split_whitespace().next());
            let kibibytes: Option<f64> = number.and_then(|n| n.parse().ok());
            kibibytes
                .map(|k| k / 1024.0)
                .with_context(|| format!("no {name} in status"))
        };
        Ok(Memory {
            resident: mebibytes("VmRSS:")?,
            peak: mebibytes("VmHWM:")?,
        })
    }
}

/// The command line of a process.
pub fn command_line(pid: u32) -> anyhow::Result<Vec<String>> {
    let bytes = std::fs::read(format!("/proc/{pid}/cmdline"))
        .with_context(|| format!("process {pid} is gone"))?;
    let words = bytes.split(|b| *b == 0).filter(|word| !word.is_empty());
    Ok(words
        .map(|word| String::from_utf8_lossy(word).into_owned())
        .collect())
}

/// The pid in a pid file of the scripts: its first word.
pub fn pid_in(file: &Path) -> anyhow::Result<u32> {
    let text = std::fs::read_to_string(file).with_context(|| file.display().to_string())?;
    let first = text.split_whitespace().next().unwrap_or_default();
    first
        .parse()
        .with_context(|| format!("{}: {text:?}", file.display()))
}
