//! Where the time between "a session was created" and "it is ready" goes: `dillinger_stage_seconds{stage}`,
//! a log line a stage for whoever joins them by session, and spans for a collector.
//!
//! Always on: one stage costs two readings of a clock and one short lock on its own histogram, allocates
//! nothing and looks nothing up. The log line and the spans (cargo feature `otlp`) cost nothing where nobody
//! asks for them. Never blocks.
//!
//! The lines come with `--log-format json --log-level 'info,dillinger_runner::stage=trace'`; with
//! `warn,dillinger_runner=info,dillinger_runner::stage=trace` the client library's spans do not lengthen them.

use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use tokio::time::Instant;
use tracing::Span;
use tracing::field::{Empty, debug};

use crate::clock::Clock;

/// Target of the log lines and of the spans.
pub const TARGET: &str = "dillinger_runner::stage";

/// One stage on a session's way. Those from `Finalizer` to `RemoveStorage` are writes, from the gate on to
/// their answer; the writes that were not sent, for want of the claim, are none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// From the first trigger that nothing answered yet to the look that does; another look at the same
    /// session, under way meanwhile, is waited for too.
    Queue,
    /// All looks of one pass: container, storage, image, ports.
    Observe,
    /// The decision and the report that goes with it; no I/O.
    Plan,
    Finalizer,
    Record,
    Report,
    DeleteSession,
    /// Its start; the pull itself goes on beside.
    Pull,
    CreateStorage,
    Create,
    Start,
    /// Its start; the game's grace is not waited for.
    Stop,
    Kill,
    Remove,
    RemoveStorage,
    /// From the container's start, as this process did or first saw it, to the record that it is ready.
    Ready,
    /// From the answer to a write of ours to its arrival by watch: how far the cache lags. Nothing where it
    /// came before the answer; not told of a session that went meanwhile.
    Watch,
}

impl Stage {
    pub const ALL: [Stage; 17] = [
        Stage::Queue,
        Stage::Observe,
        Stage::Plan,
        Stage::Finalizer,
        Stage::Record,
        Stage::Report,
        Stage::DeleteSession,
        Stage::Pull,
        Stage::CreateStorage,
        Stage::Create,
        Stage::Start,
        Stage::Stop,
        Stage::Kill,
        Stage::Remove,
        Stage::RemoveStorage,
        Stage::Ready,
        Stage::Watch,
    ];

    /// Label for metrics, logs and spans.
    pub fn label(self) -> &'static str {
        match self {
            Stage::Queue => "queue",
            Stage::Observe => "observe",
            Stage::Plan => "plan",
            Stage::Finalizer => "finalizer",
            Stage::Record => "record",
            Stage::Report => "report",
            Stage::DeleteSession => "delete_session",
            Stage::Pull => "pull",
            Stage::CreateStorage => "create_storage",
            Stage::Create => "create",
            Stage::Start => "start",
            Stage::Stop => "stop",
            Stage::Kill => "kill",
            Stage::Remove => "remove",
            Stage::RemoveStorage => "remove_storage",
            Stage::Ready => "ready",
            Stage::Watch => "watch",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct StageLabel {
    pub stage: &'static str,
}

/// From 10 µs (a plan) to a minute (a game that is slow to be ready), five buckets to two decades.
const BUCKETS: [f64; 18] = [
    0.00001, 0.000025, 0.00006, 0.00015, 0.0004, 0.001, 0.0025, 0.006, 0.015, 0.04, 0.1, 0.25, 0.6,
    1.5, 4.0, 10.0, 25.0, 60.0,
];

fn buckets() -> Histogram {
    Histogram::new(BUCKETS)
}

/// The times of all stages, each resolved beforehand.
#[derive(Debug)]
pub struct Stages {
    family: Family<StageLabel, Histogram, fn() -> Histogram>,
    times: [Histogram; Stage::ALL.len()],
}

impl Stages {
    pub fn new() -> Self {
        let family = Family::new_with_constructor(buckets as fn() -> Histogram);
        let times = Stage::ALL.map(|stage| {
            let stage = stage.label();
            family.get_or_create_owned(&StageLabel { stage })
        });
        Stages { family, times }
    }

    /// What the registry takes.
    pub fn family(&self) -> Family<StageLabel, Histogram, fn() -> Histogram> {
        self.family.clone()
    }

    /// One stage took so long.
    pub fn observe(&self, stage: Stage, took: Duration) {
        self.times[stage as usize].observe(took.as_secs_f64());
    }

    /// One stage of this session, begun then, ends now: counts it and says so.
    pub fn ended(&self, clock: &Clock, uid: &str, stage: Stage, began: Instant) {
        let took = began.elapsed();
        self.observe(stage, took);
        // The fields are made only where somebody listens. (`enabled!` must not be asked before: with a filter
        // an output it says yes too often, and a no of it swallows the next line.)
        tracing::trace!(
            target: TARGET,
            uid,
            stage = stage.label(),
            began_us = began_us(clock, took),
            took_us = micros(took),
        );
    }

    /// One stage of this session begins; it ends when what is returned is dropped.
    pub fn begin<'a>(&'a self, clock: &'a Clock, uid: &'a str, stage: Stage) -> UnderWay<'a> {
        UnderWay {
            stages: self,
            clock,
            uid,
            stage,
            began: Instant::now(),
            span: tracing::trace_span!(
                target: TARGET, "stage", otel.name = stage.label(), row = Empty
            ),
        }
    }
}

impl Default for Stages {
    fn default() -> Self {
        Stages::new()
    }
}

/// A stage under way. Cut off is ended too.
#[must_use = "a stage ends when this is dropped"]
pub struct UnderWay<'a> {
    stages: &'a Stages,
    clock: &'a Clock,
    uid: &'a str,
    stage: Stage,
    began: Instant,
    span: Span,
}

impl UnderWay<'_> {
    /// The row of the table that was met.
    pub fn met(&self, row: impl std::fmt::Debug) {
        self.span.record("row", debug(row));
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.stages
            .ended(self.clock, self.uid, self.stage, self.began);
    }
}

/// The span of one look, around its stages; `queued` is how long it was waited for. Queue, ready and watch
/// are no spans: they begin outside of the look that they end in.
pub fn look(namespace: Option<&str>, session: &str, uid: &str, queued: Option<Duration>) -> Span {
    tracing::trace_span!(
        target: TARGET, "look", session, namespace, uid, row = Empty, queue_us = queued.map(micros)
    )
}

/// Wall time, in microseconds since the epoch, of what began so long ago.
fn began_us(clock: &Clock, took: Duration) -> i64 {
    clock
        .now()
        .as_microsecond()
        .saturating_sub(micros(took).cast_signed())
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use jiff::{SignedDuration, Timestamp};
    use serde_json::Value;
    use tracing_subscriber::layer::SubscriberExt;

    use super::super::logs::tests::Kept;
    use super::super::logs::{Output, lines};
    use super::super::metrics::Metrics;
    use super::*;
    use crate::config::LogFormat;

    /// When the world of these tests begins.
    const START: i64 = 1_800_000_000;

    /// A clock that counts how often it is read.
    fn counted() -> (Arc<AtomicUsize>, Clock) {
        let (reads, began) = (Arc::new(AtomicUsize::new(0)), Instant::now());
        let counter = reads.clone();
        let clock = Clock::new(move || {
            counter.fetch_add(1, Ordering::Relaxed);
            let start = Timestamp::from_second(START).unwrap();
            let elapsed = SignedDuration::try_from(began.elapsed()).unwrap();
            start.checked_add(elapsed).unwrap()
        });
        reads.store(0, Ordering::Relaxed);
        (reads, clock)
    }

    #[test]
    fn every_stage_is_at_its_own_place_under_its_own_name() {
        let places: Vec<_> = Stage::ALL.map(|stage| stage as usize).into();
        assert_eq!(places, Vec::from_iter(0..Stage::ALL.len()));
        let names: HashSet<_> = Stage::ALL.map(Stage::label).into();
        assert_eq!(names.len(), Stage::ALL.len());
    }

    #[tokio::test(start_paused = true)]
    async fn a_stage_takes_until_it_is_dropped_and_falls_into_its_bucket() {
        let (metrics, (_, clock)) = (Metrics::new(), counted());
        let timed = metrics.stages.begin(&clock, "u", Stage::Create);
        tokio::time::advance(Duration::from_millis(50)).await;
        drop(timed);
        let text = metrics.encode();
        for wanted in [
            "dillinger_stage_seconds_sum{stage=\"create\"} 0.05",
            "dillinger_stage_seconds_count{stage=\"create\"} 1",
            "dillinger_stage_seconds_bucket{le=\"0.04\",stage=\"create\"} 0",
            "dillinger_stage_seconds_bucket{le=\"0.1\",stage=\"create\"} 1",
            "dillinger_stage_seconds_count{stage=\"start\"} 0",
        ] {
            assert!(text.contains(wanted), "{wanted} in\n{text}");
        }
    }

    /// One test, since whether somebody listens is known to the whole process.
    #[tokio::test(start_paused = true)]
    async fn a_line_tells_begin_and_length_by_session_and_nothing_is_made_where_nobody_listens() {
        let (stages, (reads, clock), kept) = (Stages::new(), counted(), Kept::default());
        let (output, level) = lines(LogFormat::Json, "info", kept.clone()).unwrap();
        let outputs: Vec<Output> = vec![output];
        let subscriber = tracing_subscriber::registry().with(outputs);
        let _guard = tracing::subscriber::set_default(subscriber);
        let one = async || {
            let look = look(Some("games"), "friday", "u", None);
            let _entered = look.entered();
            let timed = stages.begin(&clock, "u", Stage::Start);
            tokio::time::advance(Duration::from_millis(300)).await;
            drop(timed);
        };
        one().await;
        assert_eq!(kept.take(), [""; 0]);
        assert_eq!(reads.load(Ordering::Relaxed), 0, "the clock is not read");

        level.set("info,dillinger_runner::stage=trace").unwrap();
        one().await;
        let told = kept.take();
        assert_eq!(told.len(), 1, "{told:?}");
        let line: Value = serde_json::from_str(&told[0]).unwrap();
        assert_eq!(line["target"], TARGET);
        assert_eq!(line["uid"], "u");
        assert_eq!(line["stage"], "start");
        assert_eq!(line["began_us"], START * 1_000_000 + 300_000);
        assert_eq!(line["took_us"], 300_000);
        assert_eq!(line.get("span"), None, "spans are for a collector alone");

        level.set("info").unwrap();
        one().await;
        assert_eq!(kept.take(), [""; 0], "the level takes it back");
    }
}
