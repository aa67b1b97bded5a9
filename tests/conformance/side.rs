//! One of the two servers, and what was learned from its answers.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::StreamExt;
use http::Request;
use kube::client::Body;
use serde_json::{Value, json};

use super::apiserver::Server;
use super::clock::SimClock;
use super::faults::FaultScript;
use super::history::History;
use super::mutations;
use super::normal::{Answer, Names};
use super::operations::{KindName, Operation, Reference, Watch};
use super::striking::Striking;

/// A server.
pub struct Target(kube::Client);

/// One server within one sequence, in a namespace of its own.
pub struct Side {
    client: kube::Client,
    namespace: String,
    names: Names,
    /// Versions and uids of each object, oldest first.
    known: BTreeMap<(KindName, &'static str), Vec<(String, String)>>,
    /// Versions of the whole server, one a step.
    versions: Vec<String>,
}

/// The object that ends a watch.
const LAST: &str = "zz-last";

pub async fn simulated() -> Target {
    let striking = Striking::new(&FaultScript::default());
    let server = Server::new(SimClock::new(), History::default(), striking);
    Target(server.client("user"))
}

pub async fn real() -> Target {
    assert!(
        std::env::var("DILLINGER_WORLD").is_ok(),
        "this needs a kube-apiserver of its own: run it as `tests/world -- <this test>`"
    );
    let config = kube::Config::infer().await.expect("a kubeconfig");
    let target = Target(kube::Client::try_from(config).expect("a client"));
    for definition in super::apiserver::definitions() {
        let path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
        let (code, body) = send(&target.0, "POST", path, "application/json", definition).await;
        assert!([201, 409].contains(&code), "{code} {body}");
    }
    for kind in [KindName::Game, KindName::Session] {
        let path = format!("/apis/dillinger.dev/v1alpha1/{}", kind.plural());
        let served = async {
            while send(&target.0, "GET", &path, "", &Value::Null).await.0 != 200 {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), served)
            .await
            .expect("the CRDs are served");
    }
    target
}

impl Target {
    pub fn begin(&self, namespace: &str) -> Side {
        Side {
            client: self.0.clone(),
            namespace: namespace.to_owned(),
            names: Names::default(),
            known: BTreeMap::new(),
            versions: Vec::new(),
        }
    }
}

/// Sends one request; a body that is no JSON becomes a string.
async fn send(
    client: &kube::Client,
    method: &str,
    path: &str,
    content_type: &str,
    body: &Value,
) -> (u16, Value) {
    let body = if body.is_null() {
        Vec::new()
    } else {
        body.to_string().into_bytes()
    };
    let mut request = Request::builder().method(method).uri(path);
    if !content_type.is_empty() {
        request = request.header("content-type", content_type);
    }
    let answer = client
        .send(request.body(Body::from(body)).expect("a request"))
        .await
        .expect("an answer");
    let code = answer.status().as_u16();
    let bytes = answer.into_body().collect_bytes().await.expect("a body");
    let text = String::from_utf8_lossy(&bytes).into_owned();
    (
        code,
        serde_json::from_slice(&bytes).unwrap_or(Value::String(text)),
    )
}

impl Side {
    pub async fn prepare(&mut self) {
        let space =
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.namespace}});
        let (code, body) = send(
            &self.client,
            "POST",
            "/api/v1/namespaces",
            "application/json",
            &space,
        )
        .await;
        assert_eq!(code, 201, "{body}");
        self.versions.push(
            body["metadata"]["resourceVersion"]
                .as_str()
                .expect("a version")
                .to_owned(),
        );
    }

    fn path(&self, kind: KindName, name: &str, status: bool) -> String {
        let base = format!(
            "/apis/dillinger.dev/v1alpha1/namespaces/{}/{}",
            self.namespace,
            kind.plural()
        );
        match (name, status) {
            ("", _) => base,
            (name, false) => format!("{base}/{name}"),
            (name, true) => format!("{base}/{name}/status"),
        }
    }

    fn refer(
        &self,
        kind: KindName,
        name: &'static str,
        what: Reference,
        uid: bool,
    ) -> Option<String> {
        let known = self.known.get(&(kind, name));
        let pick = |pair: &(String, String)| if uid { pair.1.clone() } else { pair.0.clone() };
        match what {
            Reference::None => None,
            Reference::Right => known.and_then(|k| k.last()).map(pick),
            Reference::First => known.and_then(|k| k.first()).map(pick),
            Reference::Wrong if uid => Some("11111111-1111-4111-8111-111111111111".to_owned()),
            Reference::Wrong => Some("1".to_owned()),
            Reference::Empty => Some(String::new()),
        }
    }

    fn learn(&mut self, kind: KindName, name: &'static str, object: &Value) {
        let text = |key: &str| {
            object["metadata"][key]
                .as_str()
                .unwrap_or_default()
                .to_owned()
        };
        if !text("uid").is_empty() {
            let pair = (text("resourceVersion"), text("uid"));
            self.versions.push(pair.0.clone());
            let known = self.known.entry((kind, name)).or_default();
            if known.last() != Some(&pair) {
                known.push(pair);
            }
        }
    }

    /// Asks, and learns from the answer.
    pub async fn run(&mut self, operation: &Operation) -> Answer {
        match operation {
            Operation::Create {
                kind,
                name,
                mutations,
                finalizer,
                meta,
            } => {
                let mut object = mutations::base(*kind);
                object["metadata"] = json!({"name": name});
                if *finalizer {
                    object["metadata"]["finalizers"] = json!(["dillinger.dev/container"]);
                }
                for (key, value) in meta.as_object().expect("a map") {
                    object["metadata"][key] = value.clone();
                }
                for mutation in mutations {
                    mutations::mutate(&mut object, mutation);
                }
                self.ask(
                    "POST",
                    &self.path(*kind, "", false),
                    "application/json",
                    &object,
                    *kind,
                    name,
                )
                .await
            }
            Operation::Get { kind, name } => {
                self.ask(
                    "GET",
                    &self.path(*kind, name, false),
                    "",
                    &Value::Null,
                    *kind,
                    name,
                )
                .await
            }
            Operation::List {
                kind,
                limit,
                follow,
                labels,
                fields,
            } => self.list(*kind, *limit, *follow, labels, fields).await,
            Operation::Patch {
                kind,
                name,
                status,
                apply,
                patch,
                version,
                uid,
            } => {
                let mut patch = patch.clone();
                if patch.is_object() {
                    if let Some(version) = self.refer(*kind, name, *version, false) {
                        patch["metadata"]["resourceVersion"] = json!(version);
                    }
                    if let Some(uid) = self.refer(*kind, name, *uid, true) {
                        patch["metadata"]["uid"] = json!(uid);
                    }
                }
                let path = self.path(*kind, name, *status);
                if *apply {
                    let base = mutations::base(*kind);
                    patch["apiVersion"] = base["apiVersion"].clone();
                    patch["kind"] = base["kind"].clone();
                    patch["metadata"]["name"] = json!(name);
                    let path = format!("{path}?fieldManager=conformance&force=true");
                    self.ask(
                        "PATCH",
                        &path,
                        "application/apply-patch+yaml",
                        &patch,
                        *kind,
                        name,
                    )
                    .await
                } else {
                    self.ask(
                        "PATCH",
                        &path,
                        "application/merge-patch+json",
                        &patch,
                        *kind,
                        name,
                    )
                    .await
                }
            }
            Operation::Put {
                kind,
                name,
                status,
                mutations,
                version,
                uid,
            } => {
                let mut object = mutations::base(*kind);
                object["metadata"] = json!({"name": name});
                if *status {
                    object["status"] = mutations::base_status();
                }
                for mutation in mutations {
                    mutations::mutate(&mut object, mutation);
                }
                if let Some(version) = self.refer(*kind, name, *version, false) {
                    object["metadata"]["resourceVersion"] = json!(version);
                }
                if let Some(uid) = self.refer(*kind, name, *uid, true) {
                    object["metadata"]["uid"] = json!(uid);
                }
                self.ask(
                    "PUT",
                    &self.path(*kind, name, *status),
                    "application/json",
                    &object,
                    *kind,
                    name,
                )
                .await
            }
            Operation::Delete {
                kind,
                name,
                version,
                uid,
            } => {
                let mut wanted = json!({});
                if let Some(version) = self.refer(*kind, name, *version, false) {
                    wanted["resourceVersion"] = json!(version);
                }
                if let Some(uid) = self.refer(*kind, name, *uid, true) {
                    wanted["uid"] = json!(uid);
                }
                let options =
                    json!({"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": wanted});
                self.ask(
                    "DELETE",
                    &self.path(*kind, name, false),
                    "application/json",
                    &options,
                    *kind,
                    name,
                )
                .await
            }
        }
    }

    async fn ask(
        &mut self,
        method: &str,
        path: &str,
        content_type: &str,
        body: &Value,
        kind: KindName,
        name: &'static str,
    ) -> Answer {
        let (code, answer) = send(&self.client, method, path, content_type, body).await;
        if code < 300 && answer["kind"] != "Status" {
            self.learn(kind, name, &answer);
        }
        Answer {
            code,
            body: self.names.answer(&answer),
            asked: format!("{method} {path} {body}"),
            raw: answer.to_string(),
        }
    }

    async fn list(
        &mut self,
        kind: KindName,
        limit: Option<u32>,
        follow: bool,
        labels: &str,
        fields: &str,
    ) -> Answer {
        let encoded = |text: &str| text.replace('=', "%3D").replace('!', "%21");
        let mut query = format!(
            "labelSelector={}&fieldSelector={}",
            encoded(labels),
            encoded(fields)
        );
        if let Some(limit) = limit {
            query = format!("{query}&limit={limit}");
        }
        let path = format!("{}?{query}", self.path(kind, "", false));
        let mut pages = Vec::new();
        let mut token = String::new();
        loop {
            let (code, answer) = send(
                &self.client,
                "GET",
                &format!("{path}{token}"),
                "",
                &Value::Null,
            )
            .await;
            pages.push(self.names.answer(&answer));
            let next = answer["metadata"]["continue"].as_str().unwrap_or_default();
            if !follow || next.is_empty() {
                return Answer {
                    code,
                    body: Value::Array(pages),
                    asked: format!("GET {path}"),
                    raw: answer.to_string(),
                };
            }
            token = format!("&continue={}", next.replace('=', "%3D").replace('+', "%2B"));
        }
    }

    /// The events from some version of the past until a last object that is made for it.
    pub async fn watch(&mut self, watch: &Watch) -> Vec<Value> {
        let from = ((self.versions.len() - 1) as f64 * watch.from) as usize;
        let from = self.versions[from].clone();
        let mut last = mutations::base(watch.kind);
        last["metadata"] = json!({"name": LAST, "labels": {"colour": "red"}});
        let path = self.path(watch.kind, "", false);
        let (code, body) = send(&self.client, "POST", &path, "application/json", &last).await;
        assert_eq!(code, 201, "{body}");
        if watch.kind == KindName::Session {
            let patch = json!({"status": {"phase": "Running"}});
            let status = self.path(watch.kind, LAST, true);
            send(
                &self.client,
                "PATCH",
                &status,
                "application/merge-patch+json",
                &patch,
            )
            .await;
        }
        let (code, _) = send(
            &self.client,
            "DELETE",
            &self.path(watch.kind, LAST, false),
            "application/json",
            &json!({}),
        )
        .await;
        assert_eq!(code, 200);
        let encoded = |text: &str| text.replace('=', "%3D");
        let query = format!(
            "watch=1&resourceVersion={from}&labelSelector={}&fieldSelector={}",
            encoded(watch.labels),
            encoded(watch.fields)
        );
        let request = Request::builder()
            .uri(format!("{path}?{query}"))
            .body(Body::empty())
            .expect("a request");
        let answer = self.client.send(request).await.expect("an answer");
        assert_eq!(answer.status(), 200);
        let mut lines = Vec::new();
        let mut version = 0u64;
        let read = async {
            let mut text = Vec::new();
            let mut body = axum::body::Body::new(answer.into_body()).into_data_stream();
            while let Some(bytes) = body.next().await {
                text.extend_from_slice(&bytes.expect("a stream without breaks"));
                while let Some(end) = text.iter().position(|byte| *byte == b'\n') {
                    let line: Vec<u8> = text.drain(..=end).collect();
                    let event: Value = serde_json::from_slice(&line).expect("events are JSON");
                    let next = event["object"]["metadata"]["resourceVersion"]
                        .as_str()
                        .expect("a version");
                    let next: u64 = next.parse().expect("a number");
                    assert!(next > version, "versions grow: {version} {event}");
                    version = next;
                    let ends =
                        event["type"] == "DELETED" && event["object"]["metadata"]["name"] == LAST;
                    lines.push(event);
                    if ends {
                        return;
                    }
                }
            }
        };
        let ended = tokio::time::timeout(Duration::from_secs(20), read).await;
        assert!(ended.is_ok(), "no end of the watch from {from}: {lines:?}");
        lines.iter().map(|line| self.names.event(line)).collect()
    }
}
