//! A crowd at the gateway: 500 who listen while a hundred sessions a second change, and some who read nothing.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use axum::body::BodyDataStream;
use futures::{StreamExt, TryStreamExt, stream};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::bed::Bed;
use super::rest::{change, rss, wish};
use super::{Row, Run, Setting};
use crate::figure::{Figure, Unit};
use crate::gateway::Gateway;
use crate::load::{LIMIT, Maker, at_share, milliseconds};

pub fn rows() -> Vec<Row> {
    vec![Row {
        ids: &["rest.crowd."],
        setting: Setting::Timed,
        seconds: 150,
        once: true,
        run: |run| Box::pin(crowd(run)),
    }]
}

/// Between two changes.
const PACE: Duration = Duration::from_millis(10);
/// Changes under way at once: where the API server does not keep up, the next one waits.
const LANES: usize = 32;

async fn crowd(run: Run<'_>) -> anyhow::Result<()> {
    let Run { bench, record } = run;
    let (listeners, asleep) = (bench.size(500, 50), bench.size(20, 2));
    // More than a listener may have untold.
    let (sessions, half) = (bench.size(1_200, 1_100), bench.size(1_500, 600));
    let last = 2 * half;
    let mut bed = Bed::open(bench, "rest-crowd").await?;
    let gateway = Gateway::start(&bench.world, &bed.namespace).await?;
    let load = bed.load(Maker::Own, "s");
    let posted = bed.burst(bench, &load, sessions).await?.posted;
    gateway.rest.until_shown(sessions).await?;
    let mut sleepers = Vec::new();
    for _ in 0..asleep {
        sleepers.push(gateway.rest.narrow().await?);
    }
    let mut awake = JoinSet::new();
    for _ in 0..listeners {
        awake.spawn(listen(gateway.rest.events().await?, last));
    }
    bench.world.settle().await?;

    let (before, began) = (gateway.cpu()?, Instant::now());
    let mut sent = Vec::with_capacity(last);
    for (round, part) in [(0, "crowd.rss_half"), (1, "crowd.rss_end")] {
        let first = Instant::now();
        let changes = (0..half).map(|number| {
            let (due, number) = (first + PACE * number as u32, round * half + number);
            let (bench, namespace) = (&bench, &bed.namespace);
            let session = &posted[number % sessions].name;
            async move {
                tokio::time::sleep_until(due.into()).await;
                let sent = Instant::now();
                change(bench, namespace, session, number).await?;
                anyhow::Ok(sent)
            }
        });
        // In their order, so that the number of a change is its place.
        let times: Vec<Instant> = stream::iter(changes).buffered(LANES).try_collect().await?;
        sent.extend(times);
        let title = format!("500 listeners, {} changes told", sent.len());
        rss(record, part, &title, &gateway)?;
    }
    let lasted = began.elapsed();
    // After all others, so that who has heard of it has heard of all.
    change(bench, &bed.namespace, &posted[0].name, last).await?;
    let (mut times, mut snapshots) = (Vec::new(), 0);
    while let Some(heard) = tokio::time::timeout(LIMIT, awake.join_next()).await? {
        let heard = heard??;
        snapshots += heard.snapshots;
        let since = |(number, at): &(usize, Instant)| {
            let sent = sent.get(*number)?;
            Some(milliseconds(at.saturating_duration_since(*sent)))
        };
        times.extend(heard.changes.iter().filter_map(since));
    }
    let spent = milliseconds(gateway.cpu()?.since(&before));
    let mut anew = 0;
    for sleeper in sleepers {
        anew += usize::from(tokio::time::timeout(LIMIT, wake(sleeper, last)).await?? > 1);
    }

    let figure = |part: &str, title: &str, unit| {
        let title = format!("500 listeners, 100 changes/s asked for: {title}");
        Figure::new(&format!("rest.crowd.{part}"), &title, unit)
    };
    let seconds = lasted.as_secs_f64();
    let rate = figure("changes", "changes a second", Unit::PerSecond).higher_is_better();
    record.add(rate, last as f64 / seconds);
    let rate = figure("told", "told a second, to all of them", Unit::PerSecond).higher_is_better();
    record.add(rate, times.len() as f64 / seconds);
    let of_all = times.len() as f64 / (listeners * last) as f64;
    let note = "a state that the next one overtook is told to nobody";
    let share = figure("share", "told, of all that there was to tell", Unit::Count).note(note);
    record.add(share.higher_is_better(), of_all);
    let time = |part: &str| {
        figure(
            part,
            &format!("a change → told, {part}"),
            Unit::Milliseconds,
        )
    };
    record.add(time("p50"), at_share(&times, 0.5)?);
    record.add(time("p99"), at_share(&times, 0.99)?);
    let cpu = figure("cpu", "CPU of the gateway for a change", Unit::Milliseconds);
    record.add(cpu, spent / last as f64);
    let title = "snapshots more than the first, to those who read";
    record.add(
        figure("resynced", title, Unit::Count),
        (snapshots - listeners) as f64,
    );
    let title = "of those who read nothing, so many began anew";
    let figure = figure("anew", title, Unit::Count)
        .higher_is_better()
        .exact();
    record.add(figure.at_least(asleep as f64), anew as f64);
    drop(gateway);
    bed.close().await
}

/// What one listener heard.
#[derive(Default)]
struct Heard {
    changes: Vec<(usize, Instant)>,
    snapshots: usize,
}

/// Listens until the last change has come.
async fn listen(mut stream: BodyDataStream, last: usize) -> anyhow::Result<Heard> {
    let (mut heard, mut text, last) = (Heard::default(), String::new(), wish(last));
    while let Some(chunk) = stream.next().await {
        let now = Instant::now();
        // What was searched already has no end of an event in it, but perhaps the half of one.
        let from = text.floor_char_boundary(text.len().saturating_sub(1));
        text.push_str(&String::from_utf8_lossy(&chunk?));
        let Some(end) = text[from..].rfind("\n\n") else {
            continue;
        };
        let whole = from + end + 2;
        for event in text[..whole].split_terminator("\n\n") {
            if event.contains("event: snapshot\n") {
                heard.snapshots += 1;
            } else if let Some(number) = number_in(event) {
                heard.changes.push((number, now));
            }
        }
        if text[..whole].contains(&last) {
            return Ok(heard);
        }
        text.drain(..whole);
    }
    anyhow::bail!("the stream ended before its time")
}

/// Which change an event tells of.
fn number_in(event: &str) -> Option<usize> {
    let (_, rest) = event.split_once("\"gameId\":\"change-")?;
    rest.split('"').next()?.parse().ok()
}

/// Reads what has waited, up to the last change; how many snapshots were in it.
async fn wake(mut stream: TcpStream, last: usize) -> anyhow::Result<usize> {
    let (mut text, mut buffer, last) = (String::new(), vec![0; 256 * 1024], wish(last));
    loop {
        let from = text.floor_char_boundary(text.len().saturating_sub(last.len()));
        let count = stream.read(&mut buffer).await.context("a sleeper")?;
        ensure!(count > 0, "a sleeper's stream ended before its time");
        text.push_str(&String::from_utf8_lossy(&buffer[..count]));
        if text[from..].contains(&last) {
            return Ok(text.matches("event: snapshot\n").count());
        }
    }
}
