//! Pools of sessions that all run: how fast they are made, memory, what they cost at rest, how soon a restart has
//! looked at all of them, and what is left of them when they are gone.

use std::time::{Duration, Instant};

use super::bed::{Bed, Place};
use super::{Bench, Row, Run, Setting, growth, ready};
use crate::controller::{Controller, Metrics};
use crate::figure::{Figure, Unit};
use crate::load::Maker;
use crate::record::Record;

pub fn rows() -> Vec<Row> {
    vec![
        Row {
            ids: &["pool.500.", "rss.500."],
            setting: Setting::Timed,
            seconds: 60,
            once: false,
            run: |run| Box::pin(pool(run, &SMALL)),
        },
        Row {
            ids: &["pool.2000.", "rss.2000.", "restart.2000.", "idle.2000."],
            setting: Setting::Timed,
            seconds: 160,
            once: false,
            run: |run| Box::pin(pool(run, &MIDDLE)),
        },
        Row {
            ids: &["pool.10000.", "rss.10000.", "restart.10000.", "growth."],
            setting: Setting::Timed,
            seconds: 400,
            once: true,
            run: |run| Box::pin(pool(run, &LARGE)),
        },
        Row {
            ids: &[
                "pods.pool.2000.",
                "pods.rss.2000.",
                "pods.restart.2000.",
                "pods.idle.2000.",
            ],
            setting: Setting::Timed,
            seconds: 240,
            once: true,
            run: |run| Box::pin(pool(run, &MIDDLE_PODS)),
        },
        Row {
            ids: &["pods.pool.10000.", "pods.rss.10000.", "pods.restart.10000."],
            setting: Setting::Timed,
            seconds: 900,
            once: true,
            run: |run| Box::pin(pool(run, &LARGE_PODS)),
        },
    ]
}

struct Pool {
    id: &'static str,
    words: &'static str,
    place: Place,
    count: usize,
    quick: usize,
    /// MiB.
    budget_rss: Option<f64>,
    /// Seconds until a restart has looked at all.
    budget_restart: Option<f64>,
    /// What it is measured for beside that.
    beside: Beside,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Beside {
    Nothing,
    Restarts,
    /// Rest and restarts.
    Rest,
    /// Restarts, and what one more session costs as it fills.
    Growth,
}

/// Seconds between two questions whether all were looked at.
const POLL: f64 = 0.02;

const SMALL: Pool = Pool {
    id: "500",
    words: "500 sessions",
    place: Place::Simulated,
    count: 500,
    quick: 20,
    budget_rss: None,
    budget_restart: None,
    beside: Beside::Nothing,
};
const MIDDLE: Pool = Pool {
    id: "2000",
    words: "2000 sessions",
    place: Place::Simulated,
    count: 2_000,
    quick: 60,
    budget_rss: Some(25.0),
    budget_restart: Some(2.0),
    beside: Beside::Rest,
};
const LARGE: Pool = Pool {
    id: "10000",
    words: "10000 sessions",
    place: Place::Simulated,
    count: 10_000,
    quick: 0,
    budget_rss: Some(60.0),
    budget_restart: None,
    beside: Beside::Growth,
};
const MIDDLE_PODS: Pool = Pool {
    words: "2000 Pods",
    place: Place::Pods,
    ..MIDDLE
};
/// As many games as docs/scaling.md gives a cluster.
const LARGE_PODS: Pool = Pool {
    words: "10000 Pods",
    place: Place::Pods,
    quick: 100,
    beside: Beside::Restarts,
    ..LARGE
};

async fn pool(run: Run<'_>, pool: &Pool) -> anyhow::Result<()> {
    let Run { bench, record } = run;
    let count = bench.size(pool.count, pool.quick);
    let mut bed = Bed::open_at(bench, "pool", pool.place).await?;
    bench.world.settle().await?;
    rss(
        record,
        pool,
        "empty",
        "no session",
        bed.controller.memory()?.resident,
        None,
    );

    let filled = match pool.beside {
        Beside::Nothing | Beside::Restarts | Beside::Rest => {
            let load = bed.load(Maker::Kubectl, "s");
            bed.burst(bench, &load, count).await?
        }
        Beside::Growth => growth::fill(bench, record, &mut bed).await?,
    };
    let figure = |part: &str, title: &str, unit| {
        Figure::new(
            &pool.place.id(&format!("pool.{}.{part}", pool.id)),
            &format!("pool of {}: {title}", pool.words),
            unit,
        )
    };
    let burst = format!("a burst of {}", filled.posted.len());
    let seconds = figure("seconds", "all Ready", Unit::Seconds).note(&burst);
    record.add(seconds, filled.lasted.as_secs_f64());
    let rate = figure("ready_per_second", "Ready a second", Unit::PerSecond).note(&burst);
    record.add(rate.higher_is_better(), filled.rate());
    if pool.place == Place::Pods {
        let stem = pool.place.id(&format!("pool.{}", pool.id));
        let words = format!("CPU a session, pool of {}", pool.words);
        ready::cpu(record, &stem, &words, &filled.spent, None);
    }
    bench.world.settle().await?;
    let memory = bed.controller.memory()?;
    rss(
        record,
        pool,
        "live",
        "all Ready",
        memory.resident,
        pool.budget_rss,
    );
    rss(
        record,
        pool,
        "peak",
        "most until all were Ready",
        memory.peak,
        None,
    );

    if pool.beside == Beside::Rest {
        idle(bench, record, &mut bed, pool).await?;
    }
    if pool.beside != Beside::Nothing {
        restart(bench, record, &mut bed, pool, End::Told).await?;
        restart(bench, record, &mut bed, pool, End::Killed).await?;
        bench.world.settle().await?;
        rss(
            record,
            pool,
            "restarted",
            "after a restart",
            bed.controller.memory()?.resident,
            pool.budget_rss,
        );
    }

    let began = Instant::now();
    bed.empty().await?;
    record.add(
        figure("deleted", "delete of all → all gone", Unit::Seconds),
        began.elapsed().as_secs_f64(),
    );
    bed.clear_pods().await?;
    bench.world.settle().await?;
    rss(
        record,
        pool,
        "deleted",
        "after the deletion of all",
        bed.controller.memory()?.resident,
        None,
    );
    bed.close().await
}

fn rss(record: &mut Record, pool: &Pool, part: &str, title: &str, value: f64, budget: Option<f64>) {
    let title = format!("RSS, {}: {title}", pool.words);
    let id = pool.place.id(&format!("rss.{}.{part}", pool.id));
    let figure = Figure::new(&id, &title, Unit::Mebibytes).resolution(0.5);
    record.add(
        match budget {
            Some(most) => figure.at_most(most),
            None => figure,
        },
        value,
    );
}

/// What a pool costs while nothing happens, its Lease renewed as ever.
async fn idle(
    bench: &Bench,
    record: &mut Record,
    bed: &mut Bed,
    pool: &Pool,
) -> anyhow::Result<()> {
    let lasts = Duration::from_secs(if bench.quick { 5 } else { 20 });
    let (before, cpu, began) = (bed.metrics().await?, bed.controller.cpu()?, Instant::now());
    tokio::time::sleep(lasts).await;
    let used = bed.controller.cpu()?.since(&cpu);
    let minutes = began.elapsed().as_secs_f64() / 60.0;
    let after = bed.metrics().await?;
    let figure = |part: &str, title: &str, unit| {
        Figure::new(
            &pool.place.id(&format!("idle.{}.{part}", pool.id)),
            &format!("at rest with {}: {title}", pool.words),
            unit,
        )
    };
    let cpu = figure("cpu", "controller CPU a minute", Unit::Seconds).at_most(0.1);
    record.add(
        cpu.note("the renewal of the Lease, twice a second, is in it"),
        used.as_secs_f64() / minutes,
    );
    let writes = figure("writes", "session writes in a minute", Unit::Count)
        .at_most(0.0)
        .exact();
    record.add(writes, session_writes(&after) - session_writes(&before));
    Ok(())
}

#[derive(Clone, Copy)]
enum End {
    /// SIGTERM: the Lease is given back.
    Told,
    /// SIGKILL: the Lease must run out.
    Killed,
}

/// Ends the controller, starts the next, and waits until that one has looked at every session.
async fn restart(
    bench: &Bench,
    record: &mut Record,
    bed: &mut Bed,
    pool: &Pool,
    end: End,
) -> anyhow::Result<()> {
    match end {
        End::Told => bed.controller.terminate().await?,
        End::Killed => bed.controller.kill()?,
    }
    bed.controller = Controller::launch(&bench.world, &bed.options)?;
    let looked = bed.until_looked_at().await?;
    let took = (looked - bed.controller.launched).as_secs_f64();
    let cpu = bed.controller.cpu()?.total().as_secs_f64();
    // What a look led to is written by then or soon after.
    bench.world.settle().await?;
    let writes = session_writes(&bed.metrics().await?);
    let id = |part: &str| pool.place.id(&format!("restart.{}.{part}", pool.id));
    let words = |title: &str| format!("restart with {}: {title}", pool.words);
    match end {
        End::Told => {
            let figure = Figure::new(&id("told"), &words("start → all looked at"), Unit::Seconds)
                .resolution(POLL);
            record.add(
                match pool.budget_restart {
                    Some(most) => figure.at_most(most),
                    None => figure,
                },
                took,
            );
            record.add(
                Figure::new(
                    &id("cpu"),
                    &words("controller CPU until then"),
                    Unit::Seconds,
                ),
                cpu,
            );
            let figure = Figure::new(&id("writes"), &words("session writes"), Unit::Count);
            record.add(figure.at_most(0.0).exact(), writes);
        }
        End::Killed => {
            let figure = Figure::new(
                &id("killed"),
                &words("the same after kill -9"),
                Unit::Seconds,
            );
            record.add(
                figure
                    .resolution(POLL)
                    .note("the Lease of the dead one must run out first: 2 s"),
                took,
            );
            let figure = Figure::new(
                &id("killed_writes"),
                &words("session writes after kill -9"),
                Unit::Count,
            );
            record.add(figure.at_most(0.0).exact(), writes);
        }
    }
    Ok(())
}

/// Writes to sessions that a controller has sent since its start, as it counts them itself; the audit log of the
/// counted rows agrees or not.
fn session_writes(metrics: &Metrics) -> f64 {
    let calls = metrics.series("dillinger_api_call_duration_seconds_count");
    let write = |labels: &str| {
        ["finalizer", "record", "report", "delete_session"]
            .iter()
            .any(|call| labels == format!("call=\"{call}\""))
    };
    calls
        .filter(|(labels, _)| write(labels))
        .map(|(_, count)| count)
        .sum()
}
