//! The Docker rows: sessions on the world's own engine, held against the bare engine in the same run.
//!
//! Each run has a namespace and controllers of its own, and leaves no container. Times are taken with the controller
//! at the engine's own socket; a proxy stands before it only where calls are counted or the create is recorded.

mod adoption;
mod bare;
mod cold;
mod engine;
mod parallel;
mod proxy;
mod split;
mod stages;
mod stand;
mod stop;

use anyhow::{Context, Result};

use self::adoption::Adoption;
use self::bare::Bare;
use self::cold::Cold;
use self::parallel::Parallel;
use self::proxy::{Calls, Proxy};
use self::split::PARTS;
use self::stand::Stand;
use self::stop::Stop;
use super::{Row, Run, Setting};
use crate::controller::Controller;
use crate::figure::{Figure, Unit, spread};
use crate::load::at_share;
use crate::record::Record;
use crate::report::{Line, Series};

/// What stands below the line of each ratio here.
const OVER: &str = "the bare engine's create and start of the same body, alternated";

/// Seconds between two looks at a controller's metrics.
const ASKED: f64 = 0.02;

pub fn rows() -> Vec<Row> {
    let row = |ids, seconds, run| Row {
        ids,
        setting: Setting::Docker,
        seconds,
        once: false,
        run,
    };
    vec![
        row(&["docker.cold"], 60, |run| Box::pin(cold(run))),
        row(&["docker.parallel_1."], 20, |run| {
            Box::pin(parallel(run, 1, 5))
        }),
        row(&["docker.parallel_2."], 25, |run| {
            Box::pin(parallel(run, 2, 5))
        }),
        row(&["docker.parallel_8."], 40, |run| {
            Box::pin(parallel(run, 8, 3))
        }),
        row(&["docker.parallel_50."], 90, |run| {
            Box::pin(parallel(run, 50, 1))
        }),
        row(&["docker.stop"], 40, |run| Box::pin(stop(run))),
        row(&["docker.stages"], 60, |run| Box::pin(stages(run))),
        Row {
            once: true,
            ..row(&["docker.adoption"], 180, |run| Box::pin(adoption(run)))
        },
    ]
}

struct Yard<'a> {
    stand: Stand<'a>,
    /// At the engine's own socket.
    controller: Controller,
    bare: Bare,
    /// Every call to the engine of one cold session, from POST to Ready.
    calls: Calls,
}

/// A stand with the test game at 500m and 64Mi, a controller at the engine's own socket, and the bare engine with
/// the create that a controller before it sent.
async fn yard<'a>(run: &Run<'a>, stem: &str) -> Result<Yard<'a>> {
    let mut stand = Stand::open(&run.bench.world, stem, stand::game("500m", "64Mi")).await?;
    let proxy = proxy_for(&stand)?;
    // Without a Lease, so that the next one need not wait for it to run out.
    let options = stand
        .options()
        .flag("--docker-host", &proxy.host())
        .flag("--leader-elect", "false");
    let recorder = Controller::start(stand.world, &options).await?;
    proxy.take();
    let posted = [stand.post().await?];
    stand.until_ready(&posted, engine::LIMIT).await?;
    let calls = proxy.take();
    let bare = Bare::of(stand.engine.clone(), &calls)?;
    stand.delete(&posted).await?;
    stand.events.forget();
    drop(recorder);
    let controller = stand.controller().await?;
    Ok(Yard {
        stand,
        controller,
        bare,
        calls: Calls::of(&calls),
    })
}

fn proxy_for(stand: &Stand<'_>) -> Result<Proxy> {
    let socket = stand.world.folder.join(format!("{}.sock", stand.namespace));
    Proxy::listen(&socket, &stand.engine.socket)
}

async fn cold(run: Run<'_>) -> Result<()> {
    let Yard {
        mut stand,
        controller,
        bare,
        calls,
    } = yard(&run, "cold").await?;
    let pairs = run.bench.size(20, 4);
    let cold = Cold::run(&mut stand, &controller, &bare, pairs).await?;
    stand.close(controller).await?;
    let record = run.record;
    for (word, share) in [("p50", 0.5), ("p90", 0.9)] {
        let [base, started, ready] =
            [&cold.bare, &cold.started, &cold.ready].map(|values| at_share(values, share));
        let (base, started, ready) = (base?, started?, ready?);
        let milliseconds = |name: &str, title: &str| {
            let id = format!("docker.cold.{name}.{word}");
            Figure::new(&id, &format!("{title}, {word}"), Unit::Milliseconds)
        };
        record.add(
            milliseconds("bare", "Bare engine: create and start → `start` event"),
            base,
        );
        record.add_over(
            milliseconds("started", "Cold session: POST → `start` event"),
            started,
            OVER,
            base,
        );
        record.add_over(
            milliseconds("ready", "Cold session: POST → Ready, the game answers").note(
                "Ready means that the game was asked over its port and answered; the bare engine asks nothing.",
            ),
            ready,
            OVER,
            base,
        );
        if word == "p50" {
            let ratio = Figure::new(
                "docker.cold.ratio",
                "Cold session over the bare engine, p50",
                Unit::Count,
            );
            let note = format!(
                "{pairs} pairs a run; the bare engine gets the body that the controller sent, with another name, \
                 other label keys of the same length and another host port."
            );
            record.add(ratio.at_most(1.10).note(&note), started / base);
        }
    }
    let each = |used: std::time::Duration| used.as_secs_f64() * 1e3 / pairs as f64;
    let title = "Calls to the engine a cold session, POST to Ready";
    record.add(
        Figure::new("docker.cold.engine_calls", title, Unit::Count)
            .note(&format!("Counted by a proxy before the engine: {calls}.")),
        calls.count() as f64,
    );
    record.add(
        Figure::new(
            "docker.cold.controller_cpu",
            "Controller CPU a cold session, POST to Ready",
            Unit::Milliseconds,
        )
        .note("One session at a time: what the controller does by the clock is in it."),
        each(cold.cpu.controller),
    );
    let base = each(cold.cpu.engine_bare);
    record.add_over(
        Figure::new(
            "docker.cold.engine_cpu",
            "Engine CPU a cold session, POST to Ready",
            Unit::Milliseconds,
        )
        .note("dockerd and containerd, without shims, runc and port proxies, which are the same on both sides."),
        each(cold.cpu.engine),
        OVER,
        base,
    );
    Ok(())
}

async fn parallel(run: Run<'_>, count: usize, rounds: usize) -> Result<()> {
    let Yard {
        mut stand,
        controller,
        bare,
        calls: _,
    } = yard(&run, "parallel").await?;
    let rounds = run.bench.size(rounds, 1);
    let parallel = Parallel::run(&mut stand, &bare, count, rounds).await?;
    stand.close(controller).await?;
    let middle = |values: &[f64]| spread(values).map(|s| s.median).context("no round was run");
    let base = middle(&parallel.bare)?;
    let milliseconds = |name: &str, title: &str| {
        let id = format!("docker.parallel_{count}.{name}");
        Figure::new(
            &id,
            &format!("{title} ({count} at once)"),
            Unit::Milliseconds,
        )
    };
    let note = format!(
        "The median of {rounds} rounds a run. Both sides have a lane a core for creates and starts: more only wait in the engine."
    );
    let record = run.record;
    record.add(
        milliseconds("bare", "Bare engine: the last `start` event").note(&note),
        base,
    );
    record.add_over(
        milliseconds("started", "Sessions: POST → the last `start` event"),
        middle(&parallel.started)?,
        OVER,
        base,
    );
    record.add_over(
        milliseconds("ready", "Sessions: POST → all Ready"),
        middle(&parallel.ready)?,
        OVER,
        base,
    );
    Ok(())
}

async fn stop(run: Run<'_>) -> Result<()> {
    let Yard {
        mut stand,
        controller,
        bare,
        calls: _,
    } = yard(&run, "stop").await?;
    let pairs = run.bench.size(15, 3);
    let stop = Stop::run(&mut stand, &bare, pairs).await?;
    stand.close(controller).await?;
    let record = run.record;
    let over = "a bare POST /stop of the same game, alternated";
    for (word, share) in [("p50", 0.5), ("p90", 0.9)] {
        let [base, died, stopped] =
            [&stop.bare, &stop.died, &stop.stopped].map(|values| at_share(values, share));
        let (base, died, stopped) = (base?, died?, stopped?);
        let milliseconds = |name: &str, title: &str| {
            let id = format!("docker.stop.{name}.{word}");
            Figure::new(&id, &format!("{title}, {word}"), Unit::Milliseconds)
        };
        record.add(
            milliseconds("bare", "Bare engine: stop → `die` event"),
            base,
        );
        record.add_over(
            milliseconds("died", "Session: wish Stopped → `die` event"),
            died,
            over,
            base,
        );
        record.add_over(
            milliseconds("stopped", "Session: wish Stopped → phase Stopped").note(
                "The wish to stop is recorded before the signal is sent; Stopped is said once the container is gone.",
            ),
            stopped,
            over,
            base,
        );
    }
    Ok(())
}

async fn stages(run: Run<'_>) -> Result<()> {
    let mut stand = Stand::open(&run.bench.world, "stages", stand::game("500m", "64Mi")).await?;
    let sessions = run.bench.size(25, 4);
    let splits = stages::run(&mut stand, sessions).await?;
    stand.engine.until_empty().await?;
    let record = run.record;
    let totals: Vec<f64> = splits.iter().map(split::Split::total).collect();
    for (word, share) in [("p50", 0.5), ("p99", 0.99)] {
        let figure = |name: &str, title: &str| {
            let id = format!("docker.stages.{name}.{word}");
            Figure::new(&id, &format!("{title}, {word}"), Unit::Milliseconds)
        };
        let mut points = Vec::new();
        for (place, (name, title)) in PARTS.into_iter().enumerate() {
            let values: Vec<f64> = splits.iter().map(|split| split.0[place]).collect();
            let value = at_share(&values, share)?;
            record.add(figure(name, title), value);
            points.extend(bar(place, value));
        }
        let note = format!(
            "{sessions} sessions a run, one after another. The parts of each add up to its whole; their percentiles need not."
        );
        let name = format!("{word} of {sessions} sessions");
        record.draw(plot(), Line { name, points });
        let whole = figure("whole", "Cold session by stage: POST → Ready");
        record.add(whole.note(&note), at_share(&totals, share)?);
    }
    Ok(())
}

/// The plot of the stages: a bar each.
fn plot() -> Series {
    let names: Vec<String> = PARTS
        .into_iter()
        .enumerate()
        .map(|(place, (name, _))| format!("{} {name}", place + 1))
        .collect();
    Series {
        id: "docker.stages".to_owned(),
        title: "One cold Docker session, POST to Ready, by stage".to_owned(),
        x_label: names.join(", "),
        y_label: "ms".to_owned(),
        log_x: false,
        log_y: false,
        lines: Vec::new(),
    }
}

/// The outline of a bar over the number of its stage.
fn bar(place: usize, height: f64) -> [(f64, f64); 4] {
    let middle = (place + 1) as f64;
    let (left, right) = (middle - 0.4, middle + 0.4);
    [(left, 0.0), (left, height), (right, height), (right, 0.0)]
}

async fn adoption(run: Run<'_>) -> Result<()> {
    let count = run.bench.size(200, 20);
    let mut stand = Stand::open(&run.bench.world, "adoption", stand::game("20m", "16Mi")).await?;
    let proxy = proxy_for(&stand)?;
    let adoption = Adoption::run(&mut stand, &proxy, count).await?;
    stand.engine.until_empty().await?;
    note_adoption(run.record, count, &adoption);
    Ok(())
}

fn note_adoption(record: &mut Record, count: usize, adoption: &Adoption) {
    let figure = |name: &str, title: &str, unit: Unit| {
        let id = format!("docker.adoption_{count}.{name}");
        Figure::new(
            &id,
            &format!("Adoption of {count} running games: {title}"),
            unit,
        )
    };
    record.add(
        figure("looked", "new process → all looked at", Unit::Seconds)
            .note("After kill -9: the old process's claim must run out first.")
            .resolution(ASKED),
        adoption.looked.as_secs_f64(),
    );
    record.add(
        figure("after_lead", "leads → all looked at", Unit::Seconds).resolution(ASKED),
        adoption.after_lead.as_secs_f64(),
    );
    let calls = &adoption.calls;
    record.add(
        figure("engine_calls", "calls to the engine", Unit::Count)
            .note(&format!("Counted by a proxy before the engine: {calls}.")),
        calls.count() as f64,
    );
    record.add(
        figure("writes", "writes to the API server", Unit::Count)
            .at_most(0.0)
            .exact()
            .note("To sessions, and Events; the Lease is not counted."),
        adoption.writes,
    );
    record.add(
        figure(
            "touched",
            "sessions and containers that changed",
            Unit::Count,
        )
        .at_most(0.0)
        .exact(),
        adoption.touched as f64,
    );
}
