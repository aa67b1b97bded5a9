//! From create to Ready as an outside watcher sees it, where that time goes, and what a paced session costs in CPU.

use anyhow::{Context, ensure};

use super::bed::{Bed, Place, Spent, Watched};
use super::floor::{self, Like};
use super::{Row, Run, Setting, burst};
use crate::controller::Metrics;
use crate::figure::{Figure, Unit};
use crate::load::{Maker, at_share};
use crate::record::Record;
use crate::report::Series;
use crate::report::series::distribution;

pub fn rows() -> Vec<Row> {
    vec![
        Row {
            ids: &["ready.paced_4.", "cpu.paced_4.", "stages.paced_4."],
            setting: Setting::Timed,
            seconds: 60,
            once: false,
            run: |run| Box::pin(paced(run, &FOUR)),
        },
        Row {
            ids: &["ready.paced_12.", "cpu.paced_12.", "stages.paced_12."],
            setting: Setting::Timed,
            seconds: 60,
            once: false,
            run: |run| Box::pin(paced(run, &TWELVE)),
        },
        Row {
            ids: &[
                "ready.paced_12_own.",
                "cpu.paced_12_own.",
                "stages.paced_12_own.",
            ],
            setting: Setting::Timed,
            seconds: 60,
            once: false,
            run: |run| Box::pin(paced(run, &TWELVE_OWN)),
        },
        Row {
            ids: &[
                "pods.ready.paced_12.",
                "pods.cpu.paced_12.",
                "pods.stages.paced_12.",
            ],
            setting: Setting::Timed,
            seconds: 60,
            once: false,
            run: |run| Box::pin(paced(run, &TWELVE_PODS)),
        },
        Row {
            ids: &["ready.paced_70.", "cpu.paced_70.", "stages.paced_70."],
            setting: Setting::Timed,
            seconds: 120,
            once: false,
            run: |run| Box::pin(paced(run, &SEVENTY)),
        },
    ]
}

/// One paced load.
struct Pace {
    id: &'static str,
    words: &'static str,
    rate: Rate,
    place: Place,
    maker: Maker,
    /// Milliseconds.
    budget_p50: Option<f64>,
    budget_p99: Option<f64>,
    /// Milliseconds of the controller a session.
    budget_cpu: Option<f64>,
}

enum Rate {
    /// A second.
    Fixed(f64),
    /// Of what a burst reached.
    Share(f64),
}

const FOUR: Pace = Pace {
    id: "paced_4",
    words: "4 a second",
    rate: Rate::Fixed(4.0),
    place: Place::Simulated,
    maker: Maker::Kubectl,
    budget_p50: None,
    budget_p99: None,
    budget_cpu: None,
};
const TWELVE: Pace = Pace {
    id: "paced_12",
    words: "12 a second",
    rate: Rate::Fixed(12.0),
    place: Place::Simulated,
    maker: Maker::Kubectl,
    budget_p50: Some(25.0),
    budget_p99: Some(60.0),
    budget_cpu: Some(3.0),
};
const TWELVE_OWN: Pace = Pace {
    id: "paced_12_own",
    words: "12 a second, finalizer at create",
    rate: Rate::Fixed(12.0),
    place: Place::Simulated,
    maker: Maker::Own,
    budget_p50: Some(20.0),
    budget_p99: Some(60.0),
    budget_cpu: Some(3.0),
};
/// Its kubelets answer at once; a real one takes a second or two.
const TWELVE_PODS: Pace = Pace {
    id: "paced_12",
    words: "12 Pods a second",
    rate: Rate::Fixed(12.0),
    place: Place::Pods,
    maker: Maker::Kubectl,
    budget_p50: None,
    budget_p99: None,
    budget_cpu: Some(3.0),
};
const SEVENTY: Pace = Pace {
    id: "paced_70",
    words: "70 % of the capacity",
    rate: Rate::Share(0.7),
    place: Place::Simulated,
    maker: Maker::Kubectl,
    budget_p50: None,
    budget_p99: None,
    budget_cpu: None,
};

async fn paced(run: Run<'_>, pace: &Pace) -> anyhow::Result<()> {
    let Run { bench, record } = run;
    let rate = match pace.rate {
        Rate::Fixed(rate) => rate,
        Rate::Share(share) => share * burst::capacity(bench, record).await?,
    };
    let mut bed = Bed::open_at(bench, "paced", pace.place).await?;
    bed.warm_up(bench, pace.maker).await?;
    let before = bed.metrics().await?;
    let load = bed.load(pace.maker, "s");
    let watched = bed
        .paced(bench, &load, rate, bench.paced(), bench.seed(1))
        .await?;
    let after = bed.metrics().await?;

    let one = &watched.posted.first().context("nothing arrived")?.name;
    let like = Like::of(&bench.world.client, &bed, one).await?;
    let bare = floor::paced(bench, &like, pace.maker, rate.min(12.0)).await?;
    bed.close().await?;

    times(record, pace, &watched, bare)?;
    if let Rate::Share(_) = pace.rate {
        let id = format!("ready.{}.rate", pace.id);
        record.add(
            Figure::new(&id, "what 70 % of the capacity is", Unit::PerSecond).higher_is_better(),
            rate,
        );
    }
    let seen = format!("CPU a session, {}", pace.words);
    let stem = pace.place.id(&format!("cpu.{}", pace.id));
    cpu(record, &stem, &seen, &watched.spent, pace.budget_cpu);
    stages(record, pace, &before, &after, &watched)
}

fn times(record: &mut Record, pace: &Pace, watched: &Watched, bare: f64) -> anyhow::Result<()> {
    let Pace {
        id,
        words,
        place,
        budget_p50,
        budget_p99,
        ..
    } = pace;
    let figure = |part: &str, title: &str| {
        let id = place.id(&format!("ready.{id}.{part}"));
        Figure::new(
            &id,
            &format!("create → Ready, {words}: {title}"),
            Unit::Milliseconds,
        )
    };
    let times = &watched.times;
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
        figure("floor", "the same writes by the driver alone, p50"),
        bare,
    );
    let late = figure("late", "load generator late, p99, its own fault").resolution(10.0);
    record.add(late, at_share(&times.late, 0.99)?);
    let plot = Series {
        id: "ready".to_owned(),
        title: "create → Ready".to_owned(),
        x_label: "milliseconds".to_owned(),
        y_label: "per cent of sessions".to_owned(),
        log_x: true,
        log_y: false,
        lines: Vec::new(),
    };
    record.draw(plot, distribution(words, &times.ready));
    Ok(())
}

/// CPU a session of all who work for it, as figures whose ids begin with `stem`.
pub fn cpu(record: &mut Record, stem: &str, words: &str, spent: &Spent, budget: Option<f64>) {
    let figure = |part: &str, title: &str| {
        Figure::new(
            &format!("{stem}.{part}"),
            &format!("{words}: {title}"),
            Unit::Milliseconds,
        )
    };
    record.add(
        budgeted(figure("controller", "controller"), budget),
        spent.controller,
    );
    record.add(
        figure("apiserver", "API server, its background work too"),
        spent.apiserver,
    );
    record.add(figure("etcd", "etcd, its background work too"), spent.etcd);
}

/// Stages of the controller that lie between the first event of a session and its Ready.
const BETWEEN: [&str; 8] = [
    "queue",
    "observe",
    "plan",
    "finalizer",
    "record",
    "report",
    "create",
    "start",
];

/// Where the time of a session goes, in means a session: what the controller says of itself, and what an outsider sees.
fn stages(
    record: &mut Record,
    pace: &Pace,
    before: &Metrics,
    after: &Metrics,
    watched: &Watched,
) -> anyhow::Result<()> {
    let figure = |part: &str, title: &str| {
        let id = pace.place.id(&format!("stages.{}.{part}", pace.id));
        Figure::new(&id, &format!("{title}, {}", pace.words), Unit::Milliseconds)
    };
    let sessions = watched.posted.len() as f64;
    let (mut any, mut between) = (false, 0.0);
    for (labels, sum) in after.series("dillinger_stage_seconds_sum") {
        any = true;
        let stage = labels
            .strip_prefix("stage=\"")
            .and_then(|l| l.strip_suffix('"'));
        let stage = stage.with_context(|| format!("labels of a stage: {labels}"))?;
        let earlier = before.get(&format!("dillinger_stage_seconds_sum{{{labels}}}"));
        let each = 1000.0 * (sum - earlier.unwrap_or_default()) / sessions;
        if each > 0.0 {
            record.add(figure(stage, &format!("stage {stage}")), each);
        }
        if BETWEEN.contains(&stage) {
            between += each;
        }
    }
    ensure!(any, "the controller has no dillinger_stage_seconds");
    let times = &watched.times;
    let (ready, seen) = (mean(&times.ready), mean(&times.seen));
    record.add(
        figure("ack", "POST → its answer"),
        mean(&times.acknowledged),
    );
    record.add(figure("seen", "POST → its event at another client"), seen);
    let note = "means; a stage is summed over all looks at a session, those after its Ready too";
    record.add(figure("total", "create → Ready").note(note), ready);
    let note = "negative: a client sees Ready before the controller has the answer to that write";
    record.add(
        figure("rest", "Ready less the event and the controller's stages").note(note),
        ready - seen - between,
    );
    Ok(())
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

fn budgeted(figure: Figure, most: Option<f64>) -> Figure {
    match most {
        Some(most) => figure.at_most(most),
        None => figure,
    }
}
