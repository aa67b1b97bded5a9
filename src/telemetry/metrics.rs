//! Every metric, prefix `dillinger_`, base units, never a session or a user in a label.
//! Never blocks beyond a short lock.

use std::time::Duration;

use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

use super::stages::Stages;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ReasonLabel {
    pub reason: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct CallLabel {
    pub call: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct FailureLabel {
    pub call: &'static str,
    pub reason: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct SessionsLabel {
    pub phase: String,
    pub runtime: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct KindLabel {
    pub kind: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct PartLabel {
    pub part: &'static str,
}

/// Counters and gauges; what is read from elsewhere is set when it is scraped.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    pub reconciles: Counter,
    pub reconcile_errors: Family<ReasonLabel, Counter>,
    pub reconcile_duration: Histogram,
    pub queue_depth: Gauge,
    pub sessions: Family<SessionsLabel, Gauge>,
    pub unreadable: Gauge,
    pub start_to_ready: Histogram,
    pub finishes: Family<ReasonLabel, Counter>,
    /// Where the time of sessions goes.
    pub stages: Stages,
    runtime_calls: Calls,
    api_calls: Calls,
    pub conflicts: Counter,
    pub refused: Family<CallLabel, Counter>,
    pub watch_age: Family<KindLabel, Gauge<f64, std::sync::atomic::AtomicU64>>,
    pub leader: Gauge,
    pub clock_trusted: Gauge,
    pub parts: Family<PartLabel, Gauge>,
    pub pulls: Counter,
    pub orphans: Gauge,
    pub orphans_removed: Counter,
    pub sweep_stopped: Gauge,
    pub events: Counter,
    pub events_dropped: Counter,
}

/// From half a millisecond to 16 s.
fn call_buckets() -> Histogram {
    let buckets = std::iter::successors(Some(0.0005), |bound| Some(bound * 2.0));
    Histogram::new(buckets.take(16))
}

/// Calls to a runtime; one under another name is counted too.
const RUNTIME_CALLS: [&str; 9] = [
    "pull",
    "create_storage",
    "create",
    "start",
    "stop",
    "kill",
    "remove",
    "remove_storage",
    "sweep",
];
/// Calls to the API server; one under another name is counted too.
const API_CALLS: [&str; 7] = [
    "finalizer",
    "record",
    "report",
    "delete_session",
    "get",
    "sweep_get",
    "event",
];

/// Calls by name, and how they failed.
#[derive(Debug)]
struct Calls {
    times: Family<CallLabel, Histogram, fn() -> Histogram>,
    errors: Family<FailureLabel, Counter>,
    /// Those that every session makes, found without a lock and without a hash.
    known: Vec<(&'static str, Histogram)>,
}

impl Calls {
    fn new(names: &[&'static str]) -> Self {
        let times = Family::new_with_constructor(call_buckets as fn() -> Histogram);
        let resolved = |&call| (call, times.get_or_create_owned(&CallLabel { call }));
        Calls {
            known: names.iter().map(resolved).collect(),
            errors: Family::default(),
            times,
        }
    }

    fn ended(&self, call: &'static str, took: Duration, failed: Option<&'static str>) {
        let took = took.as_secs_f64();
        match self.known.iter().find(|(name, _)| *name == call) {
            Some((_, times)) => times.observe(took),
            None => self
                .times
                .get_or_create_owned(&CallLabel { call })
                .observe(took),
        }
        if let Some(reason) = failed {
            let label = FailureLabel { call, reason };
            self.errors.get_or_create_owned(&label).inc();
        }
    }
}

/// From 10 ms to 10 minutes.
const TO_READY: [f64; 15] = [
    0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0,
];

impl Metrics {
    pub fn new() -> Self {
        let registry = Registry::with_prefix("dillinger");
        let mut metrics = Metrics {
            registry,
            reconciles: Counter::default(),
            reconcile_errors: Family::default(),
            reconcile_duration: call_buckets(),
            queue_depth: Gauge::default(),
            sessions: Family::default(),
            unreadable: Gauge::default(),
            start_to_ready: Histogram::new(TO_READY),
            finishes: Family::default(),
            stages: Stages::new(),
            runtime_calls: Calls::new(&RUNTIME_CALLS),
            api_calls: Calls::new(&API_CALLS),
            conflicts: Counter::default(),
            refused: Family::default(),
            watch_age: Family::default(),
            leader: Gauge::default(),
            clock_trusted: Gauge::default(),
            parts: Family::default(),
            pulls: Counter::default(),
            orphans: Gauge::default(),
            orphans_removed: Counter::default(),
            sweep_stopped: Gauge::default(),
            events: Counter::default(),
            events_dropped: Counter::default(),
        };
        metrics.register();
        metrics
    }

    #[rustfmt::skip]
    fn register(&mut self) {
        let r = &mut self.registry;
        r.register("reconcile", "Looks at a session", self.reconciles.clone());
        r.register("reconcile_errors", "Looks that ended early, by reason", self.reconcile_errors.clone());
        r.register_with_unit("reconcile_duration", "Time of one look with all its writes", Unit::Seconds, self.reconcile_duration.clone());
        r.register("queue_depth", "Sessions that wait for a look", self.queue_depth.clone());
        r.register("sessions", "Sessions by phase and runtime", self.sessions.clone());
        r.register("unreadable_sessions", "Sessions whose spec or status this version cannot read", self.unreadable.clone());
        r.register_with_unit("start_to_ready", "From the record of an attempt to the record that it is ready", Unit::Seconds, self.start_to_ready.clone());
        r.register("finishes", "Sessions that finished, by reason", self.finishes.clone());
        r.register_with_unit("stage", "Where the time of sessions goes, by stage", Unit::Seconds, self.stages.family());
        r.register_with_unit("runtime_call_duration", "Calls to a runtime", Unit::Seconds, self.runtime_calls.times.clone());
        r.register("runtime_call_errors", "Calls to a runtime that failed", self.runtime_calls.errors.clone());
        r.register_with_unit("api_call_duration", "Calls to the API server", Unit::Seconds, self.api_calls.times.clone());
        r.register("api_call_errors", "Calls to the API server that failed, conflicts included", self.api_calls.errors.clone());
        r.register("api_conflicts", "Writes that another writer overtook", self.conflicts.clone());
        r.register("gate_refused", "Writes that were not sent, for want of the claim", self.refused.clone());
        r.register_with_unit("watch_age", "Time since the API server last answered a watch", Unit::Seconds, self.watch_age.clone());
        r.register("leader", "1 while this process may act", self.leader.clone());
        r.register("clock_trusted", "1 while our clock and the API server's agree within 60 s", self.clock_trusted.clone());
        r.register("part_ready", "1 for each part that is there", self.parts.clone());
        r.register("pulls", "Image pulls started or joined", self.pulls.clone());
        r.register("orphans", "Containers and volumes whose session is gone, at the last sweep", self.orphans.clone());
        r.register("orphans_removed", "Containers and volumes that the sweep removed", self.orphans_removed.clone());
        r.register("sweep_stopped", "1 while the sweep stands still, since it would remove too much", self.sweep_stopped.clone());
        r.register("events", "Kubernetes Events published", self.events.clone());
        r.register("events_dropped", "Kubernetes Events dropped, since there were too many", self.events_dropped.clone());
        let version = vec![("version", env!("CARGO_PKG_VERSION"))];
        r.register("build", "Which build this is", Info::new(version));
    }

    /// One call to a runtime.
    pub fn runtime_call(&self, call: &'static str, took: Duration, failed: Option<&'static str>) {
        self.runtime_calls.ended(call, took, failed);
    }

    /// One call to the API server.
    pub fn api_call(&self, call: &'static str, took: Duration, failed: Option<&'static str>) {
        self.api_calls.ended(call, took, failed);
    }

    /// How many calls to the API server went out under this name.
    pub fn api_calls(&self, call: &'static str) -> u64 {
        let mut buffer = String::new();
        let _ = text::encode(&mut buffer, &self.registry);
        let line = format!("dillinger_api_call_duration_seconds_count{{call=\"{call}\"}} ");
        let found = buffer.lines().find_map(|row| row.strip_prefix(&line));
        found.and_then(|count| count.parse().ok()).unwrap_or(0)
    }

    /// OpenMetrics text.
    pub fn encode(&self) -> String {
        let mut buffer = String::new();
        match text::encode(&mut buffer, &self.registry) {
            Ok(()) => buffer,
            Err(error) => {
                tracing::error!(%error, "metrics could not be written");
                String::new()
            }
        }
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Metrics::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metric_carries_the_prefix_and_its_unit() {
        let metrics = Metrics::new();
        metrics.api_call("record", Duration::from_millis(5), Some("conflict"));
        metrics.runtime_call("start", Duration::from_millis(300), None);
        let text = metrics.encode();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            assert!(line.starts_with("dillinger_"), "{line}");
        }
        for wanted in [
            "dillinger_reconcile_total 0",
            "dillinger_api_call_duration_seconds_count{call=\"record\"} 1",
            "dillinger_api_call_errors_total{call=\"record\",reason=\"conflict\"} 1",
            "dillinger_runtime_call_duration_seconds_count{call=\"start\"} 1",
            "dillinger_stage_seconds_count{stage=\"remove_storage\"} 0",
            "dillinger_build_info{version=",
        ] {
            assert!(text.contains(wanted), "{wanted} in\n{text}");
        }
    }
}
