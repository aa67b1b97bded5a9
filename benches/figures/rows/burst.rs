//! A burst of sessions: how many become Ready a second, what each costs, and what the API server would take at best.

use anyhow::Context;

use super::bed::{Bed, Place};
use super::floor::{self, Like};
use super::{Bench, Row, Run, Setting, ready};
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
            run: |run| Box::pin(burst(run, &KUBECTL)),
        },
        Row {
            ids: &["burst.500_own.", "cpu.burst_500_own."],
            setting: Setting::Timed,
            seconds: 40,
            once: false,
            run: |run| Box::pin(burst(run, &OWN)),
        },
        Row {
            ids: &["pods.burst.500.", "pods.cpu.burst_500."],
            setting: Setting::Timed,
            seconds: 80,
            once: false,
            run: |run| Box::pin(burst(run, &PODS)),
        },
    ]
}

const RATE: &str = "burst.500.ready_per_second";

/// One burst.
struct Burst {
    kind: &'static str,
    words: &'static str,
    place: Place,
    maker: Maker,
    /// Ready a second.
    budget: f64,
}

const KUBECTL: Burst = Burst {
    kind: "",
    words: "burst of 500",
    place: Place::Simulated,
    maker: Maker::Kubectl,
    budget: 100.0,
};
const OWN: Burst = Burst {
    kind: "_own",
    words: "burst of 500, finalizer at create",
    place: Place::Simulated,
    maker: Maker::Own,
    budget: 100.0,
};
const PODS: Burst = Burst {
    kind: "",
    words: "burst of 500 Pods",
    place: Place::Pods,
    maker: Maker::Kubectl,
    budget: 60.0,
};

async fn burst(run: Run<'_>, burst: &Burst) -> anyhow::Result<()> {
    let Run { bench, record } = run;
    let Burst {
        kind,
        words,
        place,
        maker,
        budget,
    } = *burst;
    let count = bench.size(500, 60);
    let mut bed = Bed::open_at(bench, "burst", place).await?;
    bed.warm_up(bench, maker).await?;
    let load = bed.load(maker, "s");
    let watched = bed.burst(bench, &load, count).await?;
    let one = &watched.posted.first().context("nothing arrived")?.name;
    let like = Like::of(&bench.world.client, &bed, one).await?;
    bed.close().await?;
    bench.world.settle().await?;
    let bare = floor::burst(bench, &like, maker, count).await?;

    let id = |part: &str| place.id(&format!("burst.500{kind}.{part}"));
    let rate = Figure::new(
        &id("ready_per_second"),
        &format!("{words}: Ready a second"),
        Unit::PerSecond,
    );
    let rate = rate
        .higher_is_better()
        .at_least(budget)
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
        &place.id(&format!("cpu.burst_500{kind}")),
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
