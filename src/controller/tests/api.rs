//! A small API server in memory: sessions, Games, Leases, Events; versions, compare-and-set, watches.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Body as Reply;
use futures::channel::mpsc;
use http::{Method, Request, Response, StatusCode};
use kube::Client;
use kube::client::Body;
use serde_json::{Value, json};

type Watcher = (String, mpsc::UnboundedSender<Result<String, Infallible>>);

/// How one write is to go wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Committed, and never answered.
    Unanswered,
    /// Somebody else writes first.
    Overtaken,
}

#[derive(Default)]
struct State {
    version: u64,
    objects: BTreeMap<String, Value>,
    watchers: Vec<Watcher>,
    /// Method and what was written, Leases and Events aside.
    writes: Vec<String>,
    events: Vec<Value>,
    gets: usize,
    faults: BTreeMap<usize, Fault>,
    date: Option<&'static str>,
    /// What is missing is answered as if the kind were not served.
    unserved: bool,
}

/// A copy is the same server.
#[derive(Clone, Default)]
pub struct FakeApi(Arc<Mutex<State>>);

const GROUP: &str = "/apis/dillinger.dev/v1alpha1";

impl FakeApi {
    pub fn client(&self) -> Client {
        let api = self.clone();
        let service = tower::service_fn(move |request: Request<Body>| {
            let api = api.clone();
            async move { Ok::<_, Infallible>(api.answer(request).await) }
        });
        Client::new(service, "default")
    }

    fn state<T>(&self, f: impl FnOnce(&mut State) -> T) -> T {
        f(&mut self.0.lock().unwrap())
    }

    /// The n-th write (from 1) of the controller is to go wrong.
    pub fn fault(&self, n: usize, fault: Fault) {
        self.state(|s| s.faults.insert(n, fault));
    }

    /// What the server says the time is.
    pub fn date(&self, date: &'static str) {
        self.state(|s| s.date = Some(date));
    }

    pub fn stop_serving(&self) {
        self.state(|s| s.unserved = true);
    }

    pub fn writes(&self) -> Vec<String> {
        self.state(|s| s.writes.clone())
    }

    pub fn events(&self) -> Vec<Value> {
        self.state(|s| s.events.clone())
    }

    pub fn gets(&self) -> usize {
        self.state(|s| s.gets)
    }

    pub fn session(&self, name: &str) -> Option<Value> {
        let key = format!("{GROUP}/namespaces/games/gamesessions/{name}");
        self.state(|s| s.objects.get(&key).cloned())
    }

    /// A user creates or changes an object of this kind.
    pub fn put(&self, plural: &str, name: &str, change: impl FnOnce(&mut Value)) {
        let key = format!("{GROUP}/namespaces/games/{plural}/{name}");
        self.state(|s| {
            let known = s.objects.get(&key).cloned();
            let kind = if plural == "games" {
                "Game"
            } else {
                "GameSession"
            };
            let uid = format!("uid-{plural}-{name}-{}", s.version);
            let mut object = known.unwrap_or_else(|| {
                json!({
                    "apiVersion": "dillinger.dev/v1alpha1", "kind": kind,
                    "metadata": {"name": name, "namespace": "games", "uid": uid, "generation": 0},
                })
            });
            let before = object["spec"].clone();
            change(&mut object);
            if object["spec"] != before {
                let generation = object["metadata"]["generation"].as_i64().unwrap_or(0);
                object["metadata"]["generation"] = json!(generation + 1);
            }
            s.store(&key, object);
        });
    }

    /// A user deletes a session.
    pub fn delete(&self, name: &str) {
        let key = format!("{GROUP}/namespaces/games/gamesessions/{name}");
        self.state(|s| s.delete(&key));
    }

    pub fn lease(&self, engine: &str, holder: &str) {
        let key = format!("{LEASES}/dillinger-engine-{engine}");
        self.state(|s| {
            let object = json!({
                "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
                "metadata": {"name": format!("dillinger-engine-{engine}"), "namespace": "default"},
                "spec": {"holderIdentity": holder, "leaseDurationSeconds": 2},
            });
            s.store(&key, object);
        });
    }

    async fn answer(&self, request: Request<Body>) -> Response<Reply> {
        let (parts, body) = request.into_parts();
        let bytes = body.collect_bytes().await.unwrap();
        let body: Value = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        let path = parts.uri.path().to_owned();
        let query = parts.uri.query().unwrap_or_default().to_owned();
        if parts.method == Method::GET {
            return self.read(&path, &query);
        }
        if path.contains("/events") {
            self.state(|s| s.events.push(body));
            return reply(
                StatusCode::CREATED,
                json!({"kind": "Event", "metadata": {}}),
            );
        }
        if path.contains("/leases") {
            return self.state(|s| s.write_lease(&parts.method, &path, body));
        }
        let (answer, fault) = self.state(|s| {
            let word = if path.ends_with("/status") {
                "status"
            } else {
                "main"
            };
            s.writes.push(format!("{} {word}", parts.method));
            let fault = s.faults.get(&s.writes.len()).copied();
            let key = path.trim_end_matches("/status").to_owned();
            if fault == Some(Fault::Overtaken)
                && let Some(object) = s.objects.get(&key).cloned()
            {
                s.store(&key, object);
            }
            let answer = match parts.method {
                Method::PATCH => s.patch(&key, word == "status", &body),
                Method::DELETE => s.delete_checked(&key, &body),
                _ => panic!("{} {path} is not known here", parts.method),
            };
            (answer, fault)
        });
        if fault == Some(Fault::Unanswered) {
            tokio::time::sleep(Duration::from_secs(3600)).await;
        }
        answer
    }

    fn read(&self, path: &str, query: &str) -> Response<Reply> {
        if path == "/version" {
            let date = self
                .state(|s| s.date)
                .unwrap_or("Thu, 01 Jan 2026 00:00:00 GMT");
            let mut response = reply(StatusCode::OK, json!({}));
            response.headers_mut().insert("date", date.parse().unwrap());
            return response;
        }
        self.state(|s| {
            let last = path.rsplit('/').next().unwrap().to_owned();
            if !["gamesessions", "games"].contains(&last.as_str()) {
                s.gets += usize::from(path.contains("/gamesessions/"));
                return match s.objects.get(path) {
                    Some(object) => reply(StatusCode::OK, object.clone()),
                    None if s.unserved => failure(StatusCode::NOT_FOUND, "NotFound"),
                    None => missing(&last),
                };
            }
            let infix = format!("/{last}/");
            if query.contains("watch=true") {
                let (send, receive) = mpsc::unbounded();
                s.watchers.push((infix, send));
                return Response::new(Reply::from_stream(receive));
            }
            let items: Vec<Value> = s
                .objects
                .iter()
                .filter(|(key, _)| key.contains(&infix))
                .map(|(_, object)| object.clone())
                .collect();
            let metadata = json!({"resourceVersion": s.version.to_string()});
            let list = json!({
                "apiVersion": "dillinger.dev/v1alpha1", "kind": "List",
                "metadata": metadata, "items": items,
            });
            reply(StatusCode::OK, list)
        })
    }
}

const LEASES: &str = "/apis/coordination.k8s.io/v1/namespaces/default/leases";

impl State {
    fn store(&mut self, key: &str, mut object: Value) -> Value {
        self.version += 1;
        object["metadata"]["resourceVersion"] = json!(self.version.to_string());
        let known = self
            .objects
            .insert(key.to_owned(), object.clone())
            .is_some();
        self.tell(key, if known { "MODIFIED" } else { "ADDED" }, &object);
        object
    }

    fn tell(&mut self, key: &str, what: &str, object: &Value) {
        // As the API server writes it: the type first.
        let line = format!("{{\"type\":\"{what}\",\"object\":{object}}}\n");
        self.watchers.retain(|(infix, send)| {
            !key.contains(infix.as_str()) || send.unbounded_send(Ok(line.clone())).is_ok()
        });
    }

    fn remove(&mut self, key: &str) {
        if let Some(mut object) = self.objects.remove(key) {
            self.version += 1;
            object["metadata"]["resourceVersion"] = json!(self.version.to_string());
            self.tell(key, "DELETED", &object);
        }
    }

    fn delete(&mut self, key: &str) {
        let Some(mut object) = self.objects.get(key).cloned() else {
            return;
        };
        let finalizers = object["metadata"]["finalizers"].as_array();
        if finalizers.is_none_or(|list| list.is_empty()) {
            return self.remove(key);
        }
        object["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
        self.store(key, object);
    }

    fn stale(&self, key: &str, wanted: &Value) -> bool {
        let stands = &self.objects[key]["metadata"]["resourceVersion"];
        !wanted.is_null() && wanted != stands
    }

    fn patch(&mut self, key: &str, status: bool, patch: &Value) -> Response<Reply> {
        let Some(object) = self.objects.get(key) else {
            return missing(key);
        };
        if self.stale(key, &patch["metadata"]["resourceVersion"]) {
            return failure(StatusCode::CONFLICT, "Conflict");
        }
        let mut next = object.clone();
        if status {
            merge(&mut next["status"], &patch["status"]);
        } else {
            next["metadata"]["finalizers"] = patch["metadata"]["finalizers"].clone();
        }
        let deleted = !next["metadata"]["deletionTimestamp"].is_null();
        let bare = next["metadata"]["finalizers"]
            .as_array()
            .is_none_or(|list| list.is_empty());
        if deleted && bare {
            self.objects.insert(key.to_owned(), next.clone());
            self.remove(key);
            return reply(StatusCode::OK, next);
        }
        let stored = self.store(key, next);
        reply(StatusCode::OK, stored)
    }

    fn delete_checked(&mut self, key: &str, options: &Value) -> Response<Reply> {
        if !self.objects.contains_key(key) {
            return missing(key);
        }
        if self.stale(key, &options["preconditions"]["resourceVersion"]) {
            return failure(StatusCode::CONFLICT, "Conflict");
        }
        self.delete(key);
        reply(
            StatusCode::OK,
            json!({"kind": "Status", "status": "Success"}),
        )
    }

    fn write_lease(&mut self, method: &Method, path: &str, body: Value) -> Response<Reply> {
        let name = body["metadata"]["name"].as_str().unwrap().to_owned();
        let key = format!("{LEASES}/{name}");
        let known = self.objects.contains_key(&key);
        if *method == Method::POST && known {
            return failure(StatusCode::CONFLICT, "AlreadyExists");
        }
        if *method == Method::PUT {
            assert_eq!(path, key);
            if !known {
                return failure(StatusCode::NOT_FOUND, "NotFound");
            }
            if self.stale(&key, &body["metadata"]["resourceVersion"]) {
                return failure(StatusCode::CONFLICT, "Conflict");
            }
        }
        let stored = self.store(&key, body);
        reply(StatusCode::OK, stored)
    }
}

fn merge(target: &mut Value, patch: &Value) {
    let Some(fields) = patch.as_object() else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = json!({});
    }
    for (key, value) in fields {
        if value.is_null() {
            target.as_object_mut().unwrap().remove(key);
        } else {
            merge(&mut target[key.as_str()], value);
        }
    }
}

fn reply(status: StatusCode, body: Value) -> Response<Reply> {
    let body = Reply::from(body.to_string());
    Response::builder().status(status).body(body).unwrap()
}

/// An object that is not there, by its name.
fn missing(name: &str) -> Response<Reply> {
    let body = json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": format!("\"{name}\" not found"), "reason": "NotFound", "code": 404,
        "details": {"name": name, "group": "dillinger.dev", "kind": "gamesessions"},
    });
    reply(StatusCode::NOT_FOUND, body)
}

fn failure(status: StatusCode, reason: &str) -> Response<Reply> {
    let body = json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": reason, "reason": reason, "code": status.as_u16(),
    });
    reply(status, body)
}
