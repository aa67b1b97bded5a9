//! The floor that the API server itself sets: the writes of one session, made in sequence by the driver alone.
//!
//! One object at a time, in a namespace that no controller serves; the status is one that a controller wrote.

use std::time::{Duration, Instant};

use anyhow::Context;
use kube::Client;
use serde_json::{Value, json};

use super::Bench;
use crate::load::{FINALIZER, Load, Maker, at_share, milliseconds, sessions_path};

/// Objects of one floor.
const OBJECTS: usize = 60;

/// The middle time of all writes to Ready, in milliseconds, one object beginning each `every`. `like` is a session
/// that is Ready: its status is written.
pub async fn floor(
    bench: &Bench,
    like: &Value,
    maker: Maker,
    every: Duration,
) -> anyhow::Result<f64> {
    let client = &bench.world.client;
    let namespace = bench.world.namespace("floor").await?;
    let load = Load {
        client: client.clone(),
        namespace: namespace.clone(),
        game: "arena".to_owned(),
        maker,
        stem: "bare".to_owned(),
    };
    let (recorded, ready) = statuses(like)?;
    let path = sessions_path(&namespace);
    let began = Instant::now();
    let mut times = Vec::new();
    for number in 0..OBJECTS {
        let due = began + every * u32::try_from(number)?;
        tokio::time::sleep_until(due.into()).await;
        let name = format!("bare-{number}");
        let (object, status) = (format!("{path}/{name}"), format!("{path}/{name}/status"));
        let posted = load.post(name, due).await?;
        patch(client, &status, &recorded).await?;
        if maker == Maker::Kubectl {
            patch(
                client,
                &object,
                &json!({"metadata": {"finalizers": [FINALIZER]}}),
            )
            .await?;
        }
        patch(client, &status, &ready).await?;
        times.push(milliseconds(posted.sent.elapsed()));
    }
    for number in 0..OBJECTS {
        let object = format!("{path}/bare-{number}");
        patch(client, &object, &json!({"metadata": {"finalizers": null}})).await?;
    }
    load.delete((0..OBJECTS).map(|number| format!("bare-{number}")))
        .await?;
    at_share(&times, 0.5)
}

/// The status as first recorded, not ready yet, and as it is when Ready.
fn statuses(like: &Value) -> anyhow::Result<(Value, Value)> {
    let ready = like
        .get("status")
        .context("a Ready session without status")?
        .clone();
    let mut recorded = ready.clone();
    let conditions = recorded["conditions"]
        .as_array_mut()
        .context("no conditions")?;
    let ready_one = conditions.iter_mut().find(|c| c["type"] == "Ready");
    ready_one.context("no condition Ready")?["status"] = "False".into();
    for later in ["address", "endpoints", "startTime"] {
        recorded.as_object_mut().context("no status")?.remove(later);
    }
    Ok((json!({"status": recorded}), json!({"status": ready})))
}

/// A merge patch, as the controller makes them.
async fn patch(client: &Client, path: &str, body: &Value) -> anyhow::Result<()> {
    let request = http::Request::patch(path)
        .header(http::header::CONTENT_TYPE, "application/merge-patch+json")
        .body(serde_json::to_vec(body)?)?;
    client
        .request_text(request)
        .await
        .with_context(|| format!("patch of {path}"))?;
    Ok(())
}

/// A session as the API server has it.
pub async fn session(client: &Client, namespace: &str, name: &str) -> anyhow::Result<Value> {
    let request =
        http::Request::get(format!("{}/{name}", sessions_path(namespace))).body(Vec::new())?;
    client
        .request(request)
        .await
        .with_context(|| format!("session {name}"))
}
