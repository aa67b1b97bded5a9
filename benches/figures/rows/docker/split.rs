//! One cold session split by stage: what the client saw, and the lines that the controller logged of it, put on one
//! clock. Values in, values out.
//!
//! The parts follow one another and add up to the whole. The controller's clock and the client's are both the
//! machine's, but read apart: what lies between the two may come out a little below zero.

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

/// The target of those lines.
const TARGET: &str = "dillinger_runner::stage";

/// One line: a stage of a session.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Line {
    target: String,
    pub uid: String,
    pub stage: String,
    /// Microseconds since the epoch.
    pub began_us: i64,
    pub took_us: i64,
}

impl Line {
    /// None: a line about something else.
    pub fn parse(text: &str) -> Option<Line> {
        let line: Line = serde_json::from_str(text).ok()?;
        (line.target == TARGET).then_some(line)
    }

    fn end(&self) -> i64 {
        self.began_us + self.took_us
    }
}

/// What the client saw of a session, in microseconds since the epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outside {
    pub posted: i64,
    pub acked: i64,
    pub ready: i64,
}

/// Id and title of each part, in the order of time; queue to start are one look.
pub const PARTS: [(&str, &str); 13] = [
    ("api_ack", "POST → the API server's answer"),
    (
        "delivery",
        "answer → the session is at the controller by watch",
    ),
    ("queue", "queue, until the look begins"),
    ("observe", "observe: all looks until the game was started"),
    ("plan", "plan: all decisions until the game was started"),
    ("finalizer", "write of the finalizer"),
    ("record", "writes of the record before the effects"),
    ("create", "engine create"),
    ("start", "engine start"),
    ("between", "between these, in the same look"),
    ("game_ready", "started → the game has answered"),
    ("last_record", "write of the record that it is ready"),
    ("client", "record written → Ready at the client by watch"),
];

/// Milliseconds of each of [`PARTS`].
#[derive(Clone, Debug, PartialEq)]
pub struct Split(pub [f64; PARTS.len()]);

impl Split {
    /// Of a session that is Ready, from its own lines.
    pub fn of(outside: Outside, lines: &[Line]) -> Result<Split> {
        let first = |stage: &str| {
            lines
                .iter()
                .filter(|line| line.stage == stage)
                .min_by_key(|line| line.began_us)
                .with_context(|| format!("no line of the stage {stage}"))
        };
        let (queue, create, start) = (first("queue")?, first("create")?, first("start")?);
        let last_record = lines
            .iter()
            .filter(|line| line.stage == "record")
            .max_by_key(|line| line.began_us)
            .context("no line of the stage record")?;
        ensure!(
            queue.end() <= create.began_us
                && create.end() <= start.began_us
                && start.end() <= last_record.began_us,
            "a session that did not go queue, create, start, record: {lines:?}"
        );
        // Those of this one look, up to the start.
        let sum = |stage: &str| -> i64 {
            lines
                .iter()
                .filter(|line| line.stage == stage)
                .filter(|line| line.began_us >= queue.end() && line.end() <= start.began_us)
                .map(|line| line.took_us)
                .sum()
        };
        let (observe, plan) = (sum("observe"), sum("plan"));
        let (finalizer, record) = (sum("finalizer"), sum("record"));
        let named = observe + plan + finalizer + record + create.took_us + start.took_us;
        let parts = [
            outside.acked - outside.posted,
            queue.began_us - outside.acked,
            queue.took_us,
            observe,
            plan,
            finalizer,
            record,
            create.took_us,
            start.took_us,
            start.end() - queue.end() - named,
            last_record.began_us - start.end(),
            last_record.took_us,
            outside.ready - last_record.end(),
        ];
        Ok(Split(parts.map(|part| part as f64 / 1e3)))
    }

    /// From POST to Ready.
    pub fn total(&self) -> f64 {
        self.0.iter().sum()
    }
}
