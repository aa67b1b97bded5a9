//! Failover: the leader is killed with a warm standby beside it, and a session made at that moment must be served.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};

use super::bed::Bed;
use super::{Row, Run, Setting};
use crate::controller::Controller;
use crate::figure::{Figure, Unit};
use crate::load::{Maker, at_share};

pub fn rows() -> Vec<Row> {
    vec![Row {
        ids: &["failover."],
        setting: Setting::Timed,
        seconds: 60,
        once: false,
        run: |run| Box::pin(failover(run)),
    }]
}

const KILLS: usize = 4;
/// Longest wait for a standby to serve: ten leases.
const PATIENCE: Duration = Duration::from_secs(30);

async fn failover(run: Run<'_>) -> anyhow::Result<()> {
    let Run { bench, record } = run;
    let kills = bench.size(KILLS, 2);
    let mut bed = Bed::open(bench, "failover").await?;
    bed.warm_up(bench, Maker::Kubectl).await?;
    let mut times = Vec::with_capacity(kills);
    for number in 0..kills {
        let mut standby = Controller::launch(&bench.world, &bed.options)?;
        standby
            .until("the standby is ready", async |c| c.ready().await)
            .await?;
        ensure!(!standby.leads().await, "two controllers lead");
        let killed = Instant::now();
        bed.controller.kill()?;
        bed.controller = standby;
        let load = bed.load(Maker::Kubectl, &format!("kill-{number}"));
        let posted = load.post(format!("kill-{number}-0"), killed).await?;
        bed.adopt(&posted.name);
        let waited = bed.observer.until_ready(bed.sessions(), PATIENCE).await;
        bed.hold(waited)?;
        let ready = bed.observer.seen(&posted.name).and_then(|seen| seen.ready);
        times.push((ready.context("not Ready")? - killed).as_secs_f64());
    }
    bed.close().await?;
    let figure = |part: &str, title: &str| {
        Figure::new(
            &format!("failover.{part}"),
            &format!("kill -9 of the leader → a new session is Ready: {title}"),
            Unit::Seconds,
        )
    };
    let note = format!("{kills} kills a run; the Lease runs 2 s");
    record.add(
        figure("median", "median").at_most(3.0).note(&note),
        at_share(&times, 0.5)?,
    );
    record.add(figure("max", "longest"), at_share(&times, 1.0)?);
    Ok(())
}
