//! From create to Ready as an outside watcher sees it, and what a paced session costs in CPU.

use std::time::Duration;

use anyhow::Context;

use super::bed::Bed;
use super::{Row, Run, Setting, floor};
use crate::figure::{Figure, Unit};
use crate::load::{Maker, Times, at_share, milliseconds};

pub fn rows() -> Vec<Row> {
    vec![
        Row {
            ids: &["ready.paced_4."],
            setting: Setting::Timed,
            seconds: 60,
            run: |run| Box::pin(paced(run, &FOUR)),
        },
        Row {
            ids: &["ready.paced_12.", "cpu.paced_12."],
            setting: Setting::Timed,
            seconds: 60,
            run: |run| Box::pin(paced(run, &TWELVE)),
        },
        Row {
            ids: &["ready.paced_12_own.", "cpu.paced_12_own."],
            setting: Setting::Timed,
            seconds: 60,
            run: |run| Box::pin(paced(run, &TWELVE_OWN)),
        },
    ]
}

/// One paced load.
struct Pace {
    id: &'static str,
    words: &'static str,
    rate: f64,
    maker: Maker,
    /// Milliseconds.
    budget_p50: Option<f64>,
    budget_p99: Option<f64>,
    /// Milliseconds of the controller a session.
    budget_cpu: Option<f64>,
}

const FOUR: Pace = Pace {
    id: "paced_4",
    words: "4 a second",
    rate: 4.0,
    maker: Maker::Kubectl,
    budget_p50: None,
    budget_p99: None,
    budget_cpu: None,
};
const TWELVE: Pace = Pace {
    id: "paced_12",
    words: "12 a second",
    rate: 12.0,
    maker: Maker::Kubectl,
    budget_p50: Some(25.0),
    budget_p99: Some(60.0),
    budget_cpu: Some(3.0),
};
const TWELVE_OWN: Pace = Pace {
    id: "paced_12_own",
    words: "12 a second, finalizer at create",
    rate: 12.0,
    maker: Maker::Own,
    budget_p50: Some(20.0),
    budget_p99: Some(60.0),
    budget_cpu: Some(3.0),
};

async fn paced(run: Run<'_>, pace: &Pace) -> anyhow::Result<()> {
    let Run { bench, record } = run;
    let mut bed = Bed::open(bench, "paced").await?;
    // The first sessions of a process pay for its connections.
    let warm = bed.load(pace.maker, "warm");
    bed.burst(&warm, 8).await?;
    bench.world.settle().await?;

    let load = bed.load(pace.maker, "s");
    let (own, plane) = (bed.controller.cpu()?, bench.world.control_plane()?);
    let posted = bed
        .paced(&load, pace.rate, bench.paced(), bench.seed(1))
        .await?;
    let (own, plane) = (
        bed.controller.cpu()?.since(&own),
        bench.world.control_plane()?.since(&plane),
    );
    let times = Times::of(&posted, &bed.observer)?;

    let one = &posted.first().context("nothing arrived")?.name;
    let like = floor::session(&bench.world.client, &bed.namespace, one).await?;
    let every = Duration::from_secs_f64(1.0 / pace.rate.max(12.0));
    let bare = floor::floor(bench, &like, pace.maker, every).await?;
    bed.close().await?;

    let Pace {
        id,
        words,
        budget_p50,
        budget_p99,
        budget_cpu,
        ..
    } = pace;
    let figure = |part: &str, title: &str| {
        Figure::new(
            &format!("ready.{id}.{part}"),
            &format!("create to Ready, {words}: {title}"),
            Unit::Milliseconds,
        )
    };
    let p50 = budgeted(figure("p50", "p50"), *budget_p50);
    record.add_over(
        p50,
        at_share(&times.ready, 0.5)?,
        "the same writes by the driver alone",
        bare,
    );
    record.add(figure("p90", "p90"), at_share(&times.ready, 0.9)?);
    record.add(
        budgeted(figure("p99", "p99"), *budget_p99),
        at_share(&times.ready, 0.99)?,
    );
    record.add(figure("max", "longest"), at_share(&times.ready, 1.0)?);
    record.add(
        figure("ack", "POST to its answer, p50"),
        at_share(&times.acknowledged, 0.5)?,
    );
    record.add(
        figure("floor", "the same writes by the driver alone, p50"),
        bare,
    );
    let late = "how much later than planned the load generator sent a request: its own fault";
    record.add(
        figure("late", "generator late, p99").note(late),
        at_share(&times.late, 0.99)?,
    );

    let sessions = posted.len() as f64;
    let cpu = |part: &str, title: &str| {
        Figure::new(
            &format!("cpu.{id}.{part}"),
            &format!("CPU a session, {words}: {title}"),
            Unit::Milliseconds,
        )
    };
    let own_cpu = budgeted(cpu("controller", "controller"), *budget_cpu);
    record.add(own_cpu, milliseconds(own) / sessions);
    let note = "its background work included";
    record.add(
        cpu("apiserver", "API server").note(note),
        milliseconds(plane.apiserver) / sessions,
    );
    record.add(
        cpu("etcd", "etcd").note(note),
        milliseconds(plane.etcd) / sessions,
    );
    Ok(())
}

fn budgeted(figure: Figure, most: Option<f64>) -> Figure {
    match most {
        Some(most) => figure.at_most(most),
        None => figure,
    }
}
