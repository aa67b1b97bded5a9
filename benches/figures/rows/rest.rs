//! What a client of the gateway waits for: a list of many sessions, a session of its own, and the news of a change, which
//! many are told at once.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use axum::body::BodyDataStream;
use futures::{StreamExt, TryStreamExt, stream};
use serde_json::json;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::bed::Bed;
use super::{Bench, Row, Run, Setting};
use crate::figure::{Figure, Unit};
use crate::gateway::{Gateway, Rest};
use crate::load::{LIMIT, Maker, at_share, milliseconds, sessions_path};
use crate::record::Record;

pub fn rows() -> Vec<Row> {
    vec![
        Row {
            ids: &["rest.list.", "rest.rss."],
            setting: Setting::Timed,
            seconds: 60,
            once: false,
            run: |run| Box::pin(list(run)),
        },
        Row {
            ids: &["rest.create."],
            setting: Setting::Timed,
            seconds: 60,
            once: false,
            run: |run| Box::pin(create(run)),
        },
        Row {
            ids: &["rest.events."],
            setting: Setting::Timed,
            seconds: 30,
            once: false,
            run: |run| Box::pin(events(run)),
        },
    ]
}

/// Lists at once.
const LANES: usize = 8;

/// `GET /sessions` with 2,000 sessions, one after the other and some at once.
async fn list(run: Run<'_>) -> anyhow::Result<()> {
    let Run { bench, record } = run;
    let (count, asked) = (bench.size(2_000, 200), bench.size(400, 40));
    let mut bed = Bed::open(bench, "rest-list").await?;
    let gateway = Gateway::start(&bench.world, &bed.namespace).await?;
    rss(record, "rss.empty", "no session", &gateway)?;
    let load = bed.load(Maker::Kubectl, "s");
    bed.burst(bench, &load, count).await?;
    gateway.rest.until_shown(count).await?;
    bench.world.settle().await?;
    rss(record, "rss.listed", "2,000 sessions", &gateway)?;

    let mut times = Vec::with_capacity(asked);
    let mut bytes = 0;
    for _ in 0..asked {
        let sent = Instant::now();
        bytes = gateway.rest.bytes("GET", "/sessions", None).await?.len();
        times.push(milliseconds(sent.elapsed()));
    }
    let note = format!("{} KiB an answer", bytes / 1024);
    let figure = |part: &str, title: &str| {
        let title = format!("GET /sessions, 2,000 sessions: {title}");
        Figure::new(&format!("rest.list.{part}"), &title, Unit::Milliseconds).note(&note)
    };
    record.add(figure("p50", "p50"), at_share(&times, 0.5)?);
    record.add(figure("p99", "p99"), at_share(&times, 0.99)?);

    let began = Instant::now();
    let answers = (0..asked).map(|_| gateway.rest.bytes("GET", "/sessions", None));
    let answers = stream::iter(answers).buffer_unordered(LANES);
    let answers: Vec<usize> = answers.map_ok(|bytes| bytes.len()).try_collect().await?;
    let rate = answers.len() as f64 / began.elapsed().as_secs_f64();
    let figure = Figure::new(
        "rest.list.rate",
        "GET /sessions, 2,000 sessions, 8 clients",
        Unit::PerSecond,
    );
    record.add(
        figure
            .higher_is_better()
            .note("the clients are on the same two cores"),
        rate,
    );
    rss(record, "rss.asked", "2,000 sessions, 8 clients", &gateway)?;
    drop(gateway);
    bed.close().await
}

/// From `POST /sessions` until the answer says running, beside plain creates until an observer sees Ready; turn by turn.
async fn create(run: Run<'_>) -> anyhow::Result<()> {
    let Run { bench, record } = run;
    let count = bench.size(200, 30);
    let mut bed = Bed::open(bench, "rest-create").await?;
    let gateway = Gateway::start(&bench.world, &bed.namespace).await?;
    bed.warm_up(bench, Maker::Own).await?;
    let (mut kubectl, mut own, mut rest) = (Vec::new(), Vec::new(), Vec::new());
    for number in 0..count {
        kubectl.push(plain(&mut bed, Maker::Kubectl, format!("kubectl-{number}")).await?);
        own.push(plain(&mut bed, Maker::Own, format!("own-{number}")).await?);
        let sent = Instant::now();
        let session = made(&gateway.rest).await?;
        rest.push(milliseconds(sent.elapsed()));
        bed.adopt(&session);
        let waited = bed.observer.until_ready(bed.sessions(), LIMIT).await;
        bed.hold(waited)?;
    }
    let figure = |part: &str, title: &str| {
        Figure::new(&format!("rest.create.{part}"), title, Unit::Milliseconds)
    };
    let over = "plain create → Ready";
    for (part, share) in [("p50", 0.5), ("p99", 0.99)] {
        let title = format!("POST /sessions → running, {part}");
        let (with, without) = (at_share(&rest, share)?, at_share(&kubectl, share)?);
        record.add_over(figure(part, &title), with, over, without);
    }
    let title = "POST /sessions → running, added to a create by kubectl, p50";
    let note =
        "the gateway puts the finalizer in at create, which kubectl leaves to the controller";
    let (rest, kubectl) = (at_share(&rest, 0.5)?, at_share(&kubectl, 0.5)?);
    let added = figure("added", title).at_most(5.0).note(note);
    record.add(added, rest - kubectl);
    let title = "the same, added to a create with the finalizer, p50";
    record.add(figure("added_own", title), rest - at_share(&own, 0.5)?);
    drop(gateway);
    bed.close().await
}

/// Milliseconds from a create at the API server until the observer sees Ready.
async fn plain(bed: &mut Bed, maker: Maker, name: String) -> anyhow::Result<f64> {
    let posted = bed.load(maker, "plain").post(name, Instant::now()).await?;
    bed.adopt(&posted.name);
    let waited = bed.observer.until_ready(bed.sessions(), LIMIT).await;
    bed.hold(waited)?;
    let seen = bed.observer.seen(&posted.name);
    let ready = seen.and_then(|seen| seen.ready);
    let ready = ready.context("a session was never Ready")?;
    Ok(milliseconds(ready - posted.sent))
}

/// A session that runs, through the gateway; its name.
async fn made(rest: &Rest) -> anyhow::Result<String> {
    let wish = json!({"gameId": "g", "gameConfig": {"type": "arena"}});
    let session = rest.json("POST", "/sessions", Some(&wish)).await?;
    ensure!(session["status"] == "running", "{session}");
    let name = session["id"].as_str().context("a session without an id")?;
    Ok(name.to_owned())
}

/// Listeners at once.
const LISTENERS: usize = 500;
/// Between two changes.
const PAUSE: Duration = Duration::from_millis(100);

/// From the request that changes a session until each of many listeners has it.
async fn events(run: Run<'_>) -> anyhow::Result<()> {
    let Run { bench, record } = run;
    let (count, changes) = (bench.size(LISTENERS, 50), bench.size(40, 10));
    let mut bed = Bed::open(bench, "rest-events").await?;
    let gateway = Gateway::start(&bench.world, &bed.namespace).await?;
    let session = made(&gateway.rest).await?;
    bed.adopt(&session);
    let (tell, mut told) = mpsc::unbounded_channel();
    let mut listeners = JoinSet::new();
    for _ in 0..count {
        let stream = gateway.rest.events().await?;
        listeners.spawn(listen(stream, tell.clone()));
    }
    // Without a listener there is nothing to wait for.
    drop(tell);
    let mut times = Vec::with_capacity(count * changes);
    for number in 1..=changes {
        let sent = Instant::now();
        change(bench, &bed.namespace, &session, number).await?;
        // Everybody has it before the next.
        for _ in 0..count {
            let heard = tokio::time::timeout(LIMIT, told.recv()).await?;
            let heard: Instant = heard.context("every listener has ended")?;
            times.push(milliseconds(heard.saturating_duration_since(sent)));
        }
        tokio::time::sleep(PAUSE).await;
    }
    let figure = |part: &str, title: &str| {
        let title = format!("a change → told to {LISTENERS} listeners: {title}");
        Figure::new(&format!("rest.events.{part}"), &title, Unit::Milliseconds)
    };
    record.add(figure("p50", "p50"), at_share(&times, 0.5)?);
    record.add(figure("p99", "p99"), at_share(&times, 0.99)?);
    record.add(figure("last", "the last one"), at_share(&times, 1.0)?);
    rss(record, "events.rss", "500 listeners", &gateway)?;
    drop(gateway);
    bed.close().await
}

/// Tells of each change when it has come.
async fn listen(
    mut stream: BodyDataStream,
    tell: mpsc::UnboundedSender<Instant>,
) -> anyhow::Result<()> {
    let (mut text, mut number) = (String::new(), 1);
    while let Some(chunk) = stream.next().await {
        text.push_str(&String::from_utf8_lossy(&chunk?));
        if text.contains(&wish(number)) {
            tell.send(Instant::now())?;
            number += 1;
            text.clear();
        }
    }
    Ok(())
}

/// What an event holds after so many changes.
pub fn wish(number: usize) -> String {
    format!("\"gameId\":\"change-{number}\"")
}

/// Changes what is shown of a session, and nothing that a controller does.
pub async fn change(
    bench: &Bench,
    namespace: &str,
    session: &str,
    number: usize,
) -> anyhow::Result<()> {
    let kept = format!("{{{},\"gameConfig\":{{}}}}", wish(number));
    let patch = json!({"metadata": {"annotations": {"dillinger.dev/rest-request": kept}}});
    let request = http::Request::patch(format!("{}/{session}", sessions_path(namespace)))
        .header(http::header::CONTENT_TYPE, "application/merge-patch+json")
        .body(serde_json::to_vec(&patch)?)?;
    bench.world.client.request_text(request).await?;
    Ok(())
}

pub fn rss(record: &mut Record, id: &str, title: &str, gateway: &Gateway) -> anyhow::Result<()> {
    let title = format!("RSS of the gateway: {title}");
    let figure = Figure::new(&format!("rest.{id}"), &title, Unit::Mebibytes);
    record.add(figure.resolution(0.5), gateway.memory()?.resident);
    Ok(())
}
