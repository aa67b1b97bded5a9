//! Cold sessions one after another, each split by stage: from the lines that the controller logs of its stages.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::engine::LIMIT;
use super::split::{Line, Outside, Split};
use super::stand::{Posted, Stand};
use crate::controller::Controller;

/// Between two looks at the log.
const STEP: Duration = Duration::from_millis(20);

/// Runs that many sessions, after one that is not counted.
pub async fn run(stand: &mut Stand<'_>, sessions: usize) -> Result<Vec<Split>> {
    let options = stand
        .options()
        .flag("--log-format", "json")
        .flag("--log-level", "info,dillinger_runner::stage=trace");
    let controller = Controller::start(stand.world, &options).await?;
    let mut splits = Vec::with_capacity(sessions);
    for number in 0..=sessions {
        let split = one(stand, &controller).await?;
        if number > 0 {
            splits.push(split);
        }
    }
    Ok(splits)
}

async fn one(stand: &mut Stand<'_>, controller: &Controller) -> Result<Split> {
    let posted = [stand.post().await?];
    let ready = stand.until_ready(&posted, LIMIT).await?;
    let [session] = &posted;
    let lines = lines(controller, session).await?;
    let sent = session.wall.as_microsecond();
    let outside = Outside {
        posted: sent,
        acked: sent + micros(session.acked - session.at)?,
        ready: sent + micros(ready - session.at)?,
    };
    let split = Split::of(outside, &lines).with_context(|| format!("session {}", session.name))?;
    stand.delete(&posted).await?;
    stand.events.forget();
    Ok(split)
}

/// The session's lines until it was Ready; its line of the stage `ready` is the last of them.
async fn lines(controller: &Controller, session: &Posted) -> Result<Vec<Line>> {
    let began = Instant::now();
    loop {
        let log = tokio::fs::read(&controller.log).await?;
        let log = String::from_utf8_lossy(&log);
        let lines: Vec<Line> = log
            .lines()
            .filter(|text| text.contains(&session.uid))
            .filter_map(Line::parse)
            .filter(|line| line.uid == session.uid)
            .collect();
        if let Some(last) = lines.iter().position(|line| line.stage == "ready") {
            return Ok(lines[..=last].to_vec());
        }
        if began.elapsed() > LIMIT {
            let words = format!(
                "the log has no line of the stage ready of session {} but {lines:?}",
                session.name
            );
            return Err(controller.report(&words));
        }
        tokio::time::sleep(STEP).await;
    }
}

fn micros(time: Duration) -> Result<i64> {
    i64::try_from(time.as_micros()).context("a time that is too long for microseconds")
}
