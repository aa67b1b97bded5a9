//! What one more session costs while ever more of them are there already: it should not depend on it.

use super::bed::{Bed, Watched};
use super::{Bench, Row, Run, Setting};
use crate::figure::{Budget, Figure, Unit};
use crate::load::{Maker, at_share};
use crate::record::Record;
use crate::report::{Line, Series};

pub fn rows() -> Vec<Row> {
    vec![Row {
        ids: &["growth."],
        setting: Setting::Timed,
        seconds: 480,
        run: |run| Box::pin(growth(run)),
    }]
}

/// Sessions that are there, and how many a quick bench takes instead.
const STEPS: [(usize, usize); 3] = [(100, 10), (1_000, 30), (10_000, 100)];
/// Flat, within what single runs of the CPU differ by.
const FLAT: f64 = 1.25;

/// What is watched as the sessions grow.
struct Cost {
    id: &'static str,
    title: &'static str,
    of: fn(&Watched) -> anyhow::Result<f64>,
    flat: bool,
}

const COSTS: [Cost; 3] = [
    Cost {
        id: "p50",
        title: "create → Ready, p50",
        of: |w| at_share(&w.times.ready, 0.5),
        flat: true,
    },
    Cost {
        id: "cpu",
        title: "controller CPU a session",
        of: |w| Ok(w.spent.controller),
        flat: true,
    },
    Cost {
        id: "apiserver",
        title: "API server CPU a session",
        of: |w| Ok(w.spent.apiserver),
        flat: false,
    },
];

async fn growth(run: Run<'_>) -> anyhow::Result<()> {
    let Run { bench, record } = run;
    let mut bed = Bed::open(bench, "growth").await?;
    bed.warm_up(bench, Maker::Kubectl).await?;
    let mut taken = Vec::new();
    for (step, (full, small)) in STEPS.into_iter().enumerate() {
        let missing = bench.size(full, small).saturating_sub(bed.sessions());
        if missing > 0 {
            let fill = bed.load(Maker::Kubectl, &format!("fill-{step}"));
            bed.burst(bench, &fill, missing).await?;
            bench.world.settle().await?;
        }
        let load = bed.load(Maker::Kubectl, &format!("step-{step}"));
        taken.push(
            bed.paced(bench, &load, 12.0, bench.paced(), bench.seed(10))
                .await?,
        );
    }
    bed.close().await?;
    for cost in &COSTS {
        let values = taken
            .iter()
            .map(cost.of)
            .collect::<anyhow::Result<Vec<f64>>>()?;
        note(record, cost, &values);
    }
    draw(bench, record);
    Ok(())
}

fn note(record: &mut Record, cost: &Cost, values: &[f64]) {
    for ((sessions, _), value) in STEPS.iter().zip(values) {
        let id = format!("growth.{}.{sessions}", cost.id);
        let title = format!("{}, 12 a second beside {sessions}", cost.title);
        record.add(Figure::new(&id, &title, Unit::Milliseconds), *value);
    }
    let (Some(first), Some(last)) = (values.first(), values.last()) else {
        return;
    };
    let title = format!("{}: beside 10,000 over beside 100", cost.title);
    let mut slope = Figure::new(&format!("growth.{}.slope", cost.id), &title, Unit::Count);
    slope.budget = cost.flat.then_some(Budget::AtMost(FLAT));
    record.add(slope, last / first);
}

/// The medians of all runs so far.
fn draw(bench: &Bench, record: &mut Record) {
    let plot = Series {
        id: "growth".to_owned(),
        title: "One more session, 12 a second, as sessions grow".to_owned(),
        x_label: "sessions".to_owned(),
        y_label: "milliseconds".to_owned(),
        log_x: true,
        log_y: true,
        lines: Vec::new(),
    };
    for cost in &COSTS {
        let point = |(full, small): &(usize, usize)| {
            let spread = record
                .find(&format!("growth.{}.{full}", cost.id))?
                .spread()?;
            Some((bench.size(*full, *small) as f64, spread.median))
        };
        let points = STEPS.iter().filter_map(point).collect();
        record.draw(
            plot.clone(),
            Line {
                name: cost.title.to_owned(),
                points,
            },
        );
    }
}
