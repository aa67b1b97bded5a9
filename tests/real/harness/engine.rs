//! The Docker Engine as a test sees it: what is there, what happened, and what a person does by hand.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::UnixStream;

use super::http;

#[derive(Clone, Debug)]
pub struct Engine {
    socket: PathBuf,
}

impl Engine {
    pub fn from_env() -> Engine {
        let host = std::env::var("DOCKER_HOST").expect("DOCKER_HOST is set inside tests/world");
        let socket = host
            .strip_prefix("unix://")
            .expect("a world's engine is reached by a socket");
        Engine {
            socket: PathBuf::from(socket),
        }
    }

    /// One call; the engine must be there.
    pub async fn call(&self, method: &str, path: &str, body: Value) -> (u16, Value) {
        let body = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        let reply = http::over_unix(&self.socket, method, path, &body)
            .await
            .unwrap_or_else(|error| panic!("engine: {method} {path}: {error}"));
        let value = serde_json::from_str(&reply.body).unwrap_or(Value::String(reply.body));
        (reply.status, value)
    }

    /// The status of a call; None while no engine answers.
    pub async fn try_call(&self, method: &str, path: &str, body: Value) -> Option<u16> {
        let body = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        let reply = http::over_unix(&self.socket, method, path, &body).await;
        reply.ok().map(|reply| reply.status)
    }

    /// What a GET answers; None while no engine answers well.
    pub async fn try_get(&self, path: &str) -> Option<Value> {
        let reply = http::over_unix(&self.socket, "GET", path, "").await.ok()?;
        let value = serde_json::from_str(&reply.body).ok()?;
        (reply.status == 200).then_some(value)
    }

    /// The engine's own stream of events, a JSON object a line; None while no engine answers.
    pub async fn events(&self, query: &str) -> Option<BufReader<UnixStream>> {
        let stream = UnixStream::connect(&self.socket).await.ok()?;
        let (status, body) = http::send(stream, "GET", &format!("/events?{query}"), "")
            .await
            .ok()?;
        (status == 200).then_some(body)
    }

    async fn done(&self, method: &str, path: &str, body: Value) -> Value {
        let (status, value) = self.call(method, path, body).await;
        assert!(
            (200..300).contains(&status),
            "engine: {method} {path} gave {status}: {value}"
        );
        value
    }

    /// Containers in every state that carry all these labels (`key` or `key=value`).
    pub async fn containers(&self, labels: &[&str]) -> Vec<Value> {
        let filters = json!({ "label": labels }).to_string();
        let path = format!("/containers/json?all=true&filters={}", encode(&filters));
        list(self.done("GET", &path, Value::Null).await)
    }

    pub async fn volumes(&self, labels: &[&str]) -> Vec<Value> {
        let filters = json!({ "label": labels }).to_string();
        let path = format!("/volumes?filters={}", encode(&filters));
        list(self.done("GET", &path, Value::Null).await["Volumes"].take())
    }

    /// Names of all volumes, ours or not.
    pub async fn all_volumes(&self) -> Vec<String> {
        list(self.done("GET", "/volumes", Value::Null).await["Volumes"].take())
            .iter()
            .map(|v| text(&v["Name"]))
            .collect()
    }

    /// Networks that the engine did not make by itself.
    pub async fn own_networks(&self) -> Vec<String> {
        list(self.done("GET", "/networks", Value::Null).await)
            .iter()
            .map(|n| text(&n["Name"]))
            .filter(|name| !["bridge", "host", "none"].contains(&name.as_str()))
            .collect()
    }

    pub async fn inspect(&self, container: &str) -> Value {
        self.done("GET", &format!("/containers/{container}/json"), Value::Null)
            .await
    }

    /// None when there is no such container.
    pub async fn find(&self, container: &str) -> Option<Value> {
        let (status, value) = self
            .call("GET", &format!("/containers/{container}/json"), Value::Null)
            .await;
        (status == 200).then_some(value)
    }

    pub async fn kill(&self, container: &str) {
        self.done(
            "POST",
            &format!("/containers/{container}/kill"),
            Value::Null,
        )
        .await;
    }

    pub async fn stop(&self, container: &str) {
        self.done(
            "POST",
            &format!("/containers/{container}/stop?t=1"),
            Value::Null,
        )
        .await;
    }

    pub async fn pause(&self, container: &str) {
        self.done(
            "POST",
            &format!("/containers/{container}/pause"),
            Value::Null,
        )
        .await;
    }

    pub async fn unpause(&self, container: &str) {
        self.done(
            "POST",
            &format!("/containers/{container}/unpause"),
            Value::Null,
        )
        .await;
    }

    pub async fn rename(&self, container: &str, name: &str) {
        self.done(
            "POST",
            &format!("/containers/{container}/rename?name={name}"),
            Value::Null,
        )
        .await;
    }

    /// By force, with its anonymous volumes.
    pub async fn remove(&self, container: &str) {
        self.done(
            "DELETE",
            &format!("/containers/{container}?force=true&v=true"),
            Value::Null,
        )
        .await;
    }

    pub async fn remove_volume(&self, volume: &str) {
        self.done("DELETE", &format!("/volumes/{volume}"), Value::Null)
            .await;
    }

    pub async fn start(&self, container: &str) {
        self.done(
            "POST",
            &format!("/containers/{container}/start"),
            Value::Null,
        )
        .await;
    }

    /// Makes a container by hand and returns its id.
    pub async fn create(&self, name: &str, body: Value) -> String {
        let made = self
            .done("POST", &format!("/containers/create?name={name}"), body)
            .await;
        text(&made["Id"])
    }

    pub async fn logs(&self, container: &str) -> String {
        let (_, value) = self
            .call(
                "GET",
                &format!("/containers/{container}/logs?stdout=true&stderr=true&tail=30"),
                Value::Null,
            )
            .await;
        value.as_str().unwrap_or_default().to_owned()
    }

    /// Everything that happens to containers with this label from now on.
    pub async fn watch(&self, label: &str) -> Events {
        let filters = json!({ "type": ["container"], "label": [label] }).to_string();
        let query = format!("filters={}", encode(&filters));
        let body = self.events(&query).await;
        let body = body.expect("the engine sends events");
        let seen = Arc::new(Mutex::new(Vec::new()));
        let sink = seen.clone();
        let task = tokio::spawn(async move {
            let mut lines = body.lines();
            while let Ok(Some(line)) = lines.next_line().await {
                if let Ok(event) = serde_json::from_str::<Value>(&line) {
                    sink.lock().expect("no panic while held").push(event);
                }
            }
        });
        Events { seen, task }
    }
}

/// Container events since a [`Engine::watch`]; stops with its drop.
pub struct Events {
    seen: Arc<Mutex<Vec<Value>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Events {
    /// `create`, `start`, `die`, … with the container's id, in order; execs of probes left out.
    pub fn actions(&self) -> Vec<(String, String)> {
        self.seen
            .lock()
            .expect("no panic while held")
            .iter()
            .map(|e| (text(&e["Action"]), text(&e["Actor"]["ID"])))
            .filter(|(action, _)| !action.starts_with("exec_"))
            .collect()
    }

    /// Every event whole, in order.
    pub fn all(&self) -> Vec<Value> {
        self.seen.lock().expect("no panic while held").clone()
    }

    pub fn count(&self, action: &str) -> usize {
        self.actions().iter().filter(|(a, _)| a == action).count()
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn list(value: Value) -> Vec<Value> {
    match value {
        Value::Array(items) => items,
        _ => Vec::new(),
    }
}

pub fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// Percent-encodes what a query may not hold.
pub fn encode(text: &str) -> String {
    text.bytes()
        .map(|b| match b {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => {
                char::from(b).to_string()
            }
            _ => format!("%{b:02X}"),
        })
        .collect()
}
