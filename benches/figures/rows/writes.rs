//! What sessions cost the API server in requests, by exact count from its audit log.

use std::time::{Duration, Instant};

use anyhow::bail;

use super::bed::{Bed, Place};
use super::{Bench, Row, Run, Setting};
use crate::audit::{Audit, Request, tally};
use crate::controller::Controller;
use crate::figure::{Budget, Figure, Unit};
use crate::load::Maker;
use crate::record::Record;

pub fn rows() -> Vec<Row> {
    vec![
        Row {
            ids: &["writes.session."],
            setting: Setting::Counted,
            seconds: 40,
            once: false,
            run: |run| Box::pin(sessions(run, &KUBECTL)),
        },
        Row {
            ids: &["writes.session_own."],
            setting: Setting::Counted,
            seconds: 40,
            once: false,
            run: |run| Box::pin(sessions(run, &OWN)),
        },
        Row {
            ids: &["pods.writes.session."],
            setting: Setting::Counted,
            seconds: 100,
            once: false,
            run: |run| Box::pin(sessions(run, &PODS)),
        },
        Row {
            ids: &["writes.rest."],
            setting: Setting::Counted,
            seconds: 200,
            once: true,
            run: |run| Box::pin(rest(run)),
        },
    ]
}

/// Whose sessions are counted, and what they may cost.
struct Kind {
    id: &'static str,
    words: &'static str,
    place: Place,
    maker: Maker,
    to_ready: f64,
    life: f64,
}

const KUBECTL: Kind = Kind {
    id: "session",
    words: "by kubectl",
    place: Place::Simulated,
    maker: Maker::Kubectl,
    to_ready: 3.0,
    life: 7.0,
};
const OWN: Kind = Kind {
    id: "session_own",
    words: "finalizer at create",
    place: Place::Simulated,
    maker: Maker::Own,
    to_ready: 2.0,
    life: 6.0,
};

/// No finalizer is put in, and the garbage collector takes the Pod.
const PODS: Kind = Kind {
    id: "session",
    words: "as a Pod",
    place: Place::Pods,
    maker: Maker::Kubectl,
    to_ready: 2.0,
    life: 2.0,
};

/// A burst and a paced load, to Ready and to their end.
async fn sessions(run: Run<'_>, kind: &Kind) -> anyhow::Result<()> {
    let Run { bench, record } = run;
    let mut bed = Bed::open_at(bench, "writes", kind.place).await?;
    let audit = Audit::from_now(&bench.world, &bed.options.user)?;
    let load = bed.load(kind.maker, "burst");
    let burst = bed.burst(bench, &load, bench.size(300, 40)).await?;
    let load = bed.load(kind.maker, "paced");
    let paced = bed
        .paced(bench, &load, 12.0, bench.paced(), bench.seed(20))
        .await?;
    let count = burst.posted.len() + paced.posted.len();
    let to_ready = settled(&audit).await?;
    // Few at once: a controller that is kept waiting gives a call up, and asks what came of it.
    bed.empty_by(4).await?;
    let collected = bed.collected().await?;
    let life = settled(&audit).await?;
    bed.close().await?;

    let odd = |r: &Request| r.code >= 400 || (r.verb == "get" && r.of_session());
    if life.iter().any(odd) {
        // The note of a figure tells of its first run alone.
        eprintln!("    not as it should be: {}", tally(&life));
    }
    let note = format!("{count} sessions in all: {}", tally(&life));
    let mut add = |part: &str, title: &str, requests: usize, budget: Option<f64>| {
        let id = kind.place.id(&format!("writes.{}.{part}", kind.id));
        let title = format!("{title} a session, {}", kind.words);
        let mut figure = Figure::new(&id, &title, Unit::Count).exact();
        figure.budget = budget.map(Budget::AtMost);
        if part == "life" {
            figure = figure.note(&note);
        }
        record.add(figure, requests as f64 / count as f64);
    };
    let session_writes = |requests: &[Request]| counted(requests, |r| r.of_session() && r.writes());
    add(
        "to_ready",
        "session writes to Ready,",
        session_writes(&to_ready),
        Some(kind.to_ready),
    );
    add(
        "life",
        "session writes from create to gone,",
        session_writes(&life),
        Some(kind.life),
    );
    add(
        "conflicts",
        "refused as conflicts,",
        counted(&life, |r| r.of_session() && r.code == 409),
        Some(0.0),
    );
    add(
        "events",
        "Events,",
        counted(&life, |r| r.resource == "events" && r.writes()),
        None,
    );
    add(
        "gets",
        "single GETs of sessions and Games,",
        counted(&life, |r| {
            r.verb == "get" && (r.of_session() || r.resource == "games")
        }),
        Some(0.0),
    );
    add(
        "others",
        "requests refused otherwise,",
        counted(&life, |r| r.code >= 400 && r.code != 409),
        Some(0.0),
    );
    if kind.place == Place::Pods {
        let writes = counted(&life, |r| r.resource == "pods" && r.writes());
        add("pods", "writes of Pods,", writes, Some(1.0));
    }
    if let Some(rate) = collected {
        let id = kind.place.id(&format!("writes.{}.collected", kind.id));
        let title = "Pods of deleted sessions that the garbage collector takes a second";
        let figure = Figure::new(&id, title, Unit::PerSecond);
        let note = "the cluster's: 20 requests a second by default, --kube-api-qps of its controller manager";
        record.add(figure.higher_is_better().note(note), rate);
    }
    Ok(())
}

/// A pool at rest for a minute, then a restart: nothing is to be written but the Lease.
async fn rest(run: Run<'_>) -> anyhow::Result<()> {
    let Run { bench, record } = run;
    let mut bed = Bed::open(bench, "rest").await?;
    let load = bed.load(Maker::Kubectl, "s");
    bed.burst(bench, &load, bench.size(2_000, 60)).await?;
    bench.world.settle().await?;
    let audit = Audit::from_now(&bench.world, &bed.options.user)?;
    let began = Instant::now();
    tokio::time::sleep(Duration::from_secs(if bench.quick { 5 } else { 60 })).await;
    let (idle, minutes) = (audit.requests()?, began.elapsed().as_secs_f64() / 60.0);

    bed.controller.kill()?;
    let audit = Audit::from_now(&bench.world, &bed.options.user)?;
    bed.controller = Controller::start(&bench.world, &bed.options).await?;
    bed.until_looked_at().await?;
    let restart = settled(&audit).await?;
    bed.close().await?;

    add_rest(record, bench, &idle, &restart, minutes);
    Ok(())
}

fn add_rest(
    record: &mut Record,
    bench: &Bench,
    idle: &[Request],
    restart: &[Request],
    minutes: f64,
) {
    let sessions = bench.size(2_000, 60);
    let writes = |requests: &[Request]| counted(requests, |r| r.of_session() && r.writes()) as f64;
    let figure =
        |part: &str, title: &str| Figure::new(&format!("writes.rest.{part}"), title, Unit::Count);
    let title = format!("session writes at rest, {sessions} sessions, a minute");
    record.add(figure("idle", &title).at_most(0.0).exact(), writes(idle));
    let lease = counted(idle, |r| r.resource == "leases") as f64;
    record.add(
        figure("lease", "Lease requests at rest, a minute"),
        lease / minutes,
    );
    let others = counted(idle, |r| !r.of_session() && r.resource != "leases") as f64;
    record.add(
        figure("others", "other requests at rest, a minute"),
        others / minutes,
    );
    let title = format!("session writes of a restart after kill -9, {sessions} sessions");
    record.add(
        figure("restart", &title).at_most(0.0).exact(),
        writes(restart),
    );
    let gets = counted(restart, |r| r.of_session() && r.verb == "get") as f64;
    record.add(
        figure("restart_gets", "single GETs of sessions at a restart")
            .at_most(0.0)
            .exact(),
        gets,
    );
}

fn counted(requests: &[Request], which: impl Fn(&Request) -> bool) -> usize {
    requests.iter().filter(|request| which(request)).count()
}

/// The requests once no more come: an answer can be seen before its line is in the log. The Lease goes on for ever.
async fn settled(audit: &Audit) -> anyhow::Result<Vec<Request>> {
    let began = Instant::now();
    let mut last = None;
    loop {
        let requests = audit.requests()?;
        let now = counted(&requests, |r| r.resource != "leases");
        if last == Some(now) {
            return Ok(requests);
        }
        if began.elapsed() > Duration::from_secs(120) {
            bail!("requests go on after all is done: {}", tally(&requests));
        }
        last = Some(now);
        tokio::time::sleep(Duration::from_secs(2)).await;
    }
}
