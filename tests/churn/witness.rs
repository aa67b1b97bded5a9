//! What the engine itself tells: each container's and each volume's events, over its deaths and restarts, and a list of
//! what is there after each gap.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use dillinger_runner::api::keys;
use serde_json::{Value, json};
use tokio::io::AsyncBufReadExt;
use tokio_util::task::AbortOnDropHandle;

use crate::harness::Engine;
use crate::harness::engine::{encode, text};
use crate::ledger::{Nanos, now};

/// What was told.
#[derive(Clone, Debug)]
pub enum Told {
    Container {
        at: Nanos,
        action: String,
        id: String,
        uid: String,
        attempt: String,
        exit_code: String,
    },
    Volume {
        at: Nanos,
        action: String,
        name: String,
    },
    /// Something may have been missed; this is what there is now: uid and id of what runs, names of volumes.
    Listed {
        running: Vec<(String, String)>,
        volumes: Vec<String>,
    },
}

/// Watches until it is dropped.
pub struct Witness {
    told: Arc<Mutex<Vec<Told>>>,
    _watching: AbortOnDropHandle<()>,
}

impl Witness {
    pub fn of(engine: Engine) -> Witness {
        let told = Arc::<Mutex<Vec<Told>>>::default();
        let watching = tokio::spawn(watch(engine, told.clone()));
        Witness {
            told,
            _watching: AbortOnDropHandle::new(watching),
        }
    }

    pub fn told(&self) -> Vec<Told> {
        let told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        told.clone()
    }

    /// How often each action was told.
    pub fn counts(&self) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        for told in self.told() {
            let word = match told {
                Told::Container { action, .. } => format!("container {action}"),
                Told::Volume { action, .. } => format!("volume {action}"),
                Told::Listed { .. } => "gap in the events".to_owned(),
            };
            *counts.entry(word).or_default() += 1;
        }
        counts
    }
}

async fn watch(engine: Engine, told: Arc<Mutex<Vec<Told>>>) {
    let note = |what: Told| {
        let mut told = told.lock().unwrap_or_else(PoisonError::into_inner);
        told.push(what);
    };
    loop {
        let since = now();
        if let Some(listed) = list(&engine).await
            && let Some(stream) = engine.events(&query(since)).await
        {
            note(listed);
            let mut lines = stream.lines();
            // A frozen engine says nothing and goes on later; one that died closes the stream.
            while let Ok(Some(line)) = lines.next_line().await {
                let event = serde_json::from_str(&line).unwrap_or(Value::Null);
                if let Some(event) = parsed(&event) {
                    note(event);
                }
            }
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn query(since: Nanos) -> String {
    let (seconds, nanos) = (since / 1_000_000_000, since % 1_000_000_000);
    let filters = json!({"type": ["container", "volume"]}).to_string();
    format!("since={seconds}.{nanos:09}&filters={}", encode(&filters))
}

fn parsed(event: &Value) -> Option<Told> {
    let at = event["timeNano"].as_u64()?;
    let action = text(&event["Action"]);
    let labels = &event["Actor"]["Attributes"];
    let id = text(&event["Actor"]["ID"]);
    match event["Type"].as_str()? {
        "container" if !action.starts_with("exec_") => Some(Told::Container {
            at,
            action,
            id,
            uid: text(&labels[keys::UID]),
            attempt: text(&labels[keys::ATTEMPT]),
            exit_code: text(&labels["exitCode"]),
        }),
        "volume" if action == "create" || action == "destroy" => Some(Told::Volume {
            at,
            action,
            name: id,
        }),
        _ => None,
    }
}

async fn list(engine: &Engine) -> Option<Told> {
    let filters = encode(&json!({"label": [keys::UID]}).to_string());
    let all = |what: &str| format!("{what}?filters={filters}");
    let containers = engine.try_get(&all("/containers/json")).await?;
    let volumes = engine.try_get(&all("/volumes")).await?;
    let running = containers.as_array()?.iter();
    let running = running.map(|c| (text(&c["Labels"][keys::UID]), text(&c["Id"])));
    let volumes = volumes["Volumes"].as_array().into_iter().flatten();
    Some(Told::Listed {
        running: running.collect(),
        volumes: volumes.map(|volume| text(&volume["Name"])).collect(),
    })
}
