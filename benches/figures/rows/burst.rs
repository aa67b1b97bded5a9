//! A burst of sessions: how many become Ready a second, what each costs, and what the API server would take at best.

use anyhow::Context;

use super::bed::Bed;
use super::{Bench, Row, Run, Setting, floor, ready};
use crate::figure::{Figure, Unit};
use crate::load::{Maker, at_share};
use crate::record::Record;

pub fn rows() -> Vec<Row> {
    vec![
        Row {
            ids: &["burst.500.", "cpu.burst_500."],
            setting: Setting::Timed,
            seconds: 40,
            once: false,
            run: |run| Box::pin(burst(run, "", Maker::Kubectl)),
        },
        Row {
            ids: &["burst.500_own.", "cpu.burst_500_own."],
            setting: Setting::Timed,
            seconds: 40,
            once: false,
            run: |run| Box::pin(burst(run, "_own", Maker::Own)),
        },
    ]
}

const RATE: &str = "burst.500.ready_per_second";

async fn burst(run: Run<'_>, kind: &str, maker: Maker) -> anyhow::Result<()> {
    let Run { bench, record } = run;
    let count = bench.size(500, 60);
    let mut bed = Bed::open(bench, "burst").await?;
    bed.warm_up(bench, maker).await?;
    let load = bed.load(maker, "s");
    let watched = bed.burst(bench, &load, count).await?;
    let one = &watched.posted.first().context("nothing arrived")?.name;
    let like = floor::session(&bench.world.client, &bed.namespace, one).await?;
    bed.close().await?;
    bench.world.settle().await?;
    let bare = floor::burst(bench, &like, maker, count).await?;

    let words = match maker {
        Maker::Kubectl => "burst of 500",
        Maker::Own => "burst of 500, finalizer at create",
    };
    let id = |part: &str| format!("burst.500{kind}.{part}");
    let rate = Figure::new(
        &id("ready_per_second"),
        &format!("{words}: Ready a second"),
        Unit::PerSecond,
    );
    let rate = rate
        .higher_is_better()
        .at_least(100.0)
        .note("bound by the API server, which has the same cores");
    record.add_over(
        rate,
        watched.rate(),
        "the same writes by the driver alone",
        bare,
    );
    let bare_rate = Figure::new(
        &id("floor"),
        &format!("{words}: the same writes by the driver alone"),
        Unit::PerSecond,
    );
    record.add(bare_rate.higher_is_better(), bare);
    for (part, share) in [("p50", 0.5), ("p99", 0.99)] {
        let figure = Figure::new(
            &id(part),
            &format!("{words}: create → Ready, {part}"),
            Unit::Milliseconds,
        );
        record.add(figure, at_share(&watched.times.ready, share)?);
    }
    let words = format!("CPU a session, {words}");
    ready::cpu(
        record,
        &format!("burst_500{kind}"),
        &words,
        &watched.spent,
        Some(2.0),
    );
    Ok(())
}

/// Ready a second in a burst: the middle of those measured before, else of one made now.
pub async fn capacity(bench: &Bench, record: &Record) -> anyhow::Result<f64> {
    if let Some(spread) = record.find(RATE).and_then(Figure::spread) {
        return Ok(spread.median);
    }
    let mut bed = Bed::open(bench, "capacity").await?;
    bed.warm_up(bench, Maker::Kubectl).await?;
    let load = bed.load(Maker::Kubectl, "s");
    let watched = bed.burst(bench, &load, bench.size(500, 60)).await?;
    bed.close().await?;
    Ok(watched.rate())
}
