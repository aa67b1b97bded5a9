//! A Docker Engine as far as this product calls it, over HTTP on a socket of its own; it counts every call.
//!
//! Games of it are ready as soon as they are started (their TCP ports are listened on) and end as soon as they
//! are told to. A filter is matched by whether the query names the container: enough for what is asked here.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, TcpListener};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::body::{Body, Bytes};
use axum::response::Response;
use dillinger_runner::api::keys;
use futures::channel::mpsc;
use http::{Method, StatusCode, Uri};
use serde_json::{Value, json};

use crate::clock::SimClock;

type Events = mpsc::UnboundedSender<Result<String, std::convert::Infallible>>;

/// The daemon; a copy is the same.
#[derive(Clone)]
pub struct Daemon(Arc<Inner>);

struct Inner {
    socket: PathBuf,
    address: Ipv4Addr,
    clock: SimClock,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Classes of the calls, as they came.
    log: Vec<&'static str>,
    containers: BTreeMap<String, Container>,
    volumes: BTreeMap<String, Value>,
    listeners: Vec<Events>,
}

struct Container {
    name: String,
    /// The body of its create.
    spec: Value,
    created: String,
    status: &'static str,
    started: Option<String>,
    finished: Option<String>,
    /// Its ports while it runs.
    _open: Vec<TcpListener>,
}

impl Daemon {
    /// Answers until the runtime that it is started in ends.
    pub fn start(clock: SimClock) -> Daemon {
        static COUNT: AtomicU8 = AtomicU8::new(1);
        let (pid, n) = (std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let name = format!("dillinger-counts-{pid}-{n}.sock");
        // An address of its own: every daemon of these tests chooses the same ports.
        let [_, _, high, low] = pid.to_be_bytes();
        let daemon = Daemon(Arc::new(Inner {
            socket: std::env::temp_dir().join(name),
            address: Ipv4Addr::new(127, high | 0x80, low, n),
            clock,
            state: Mutex::default(),
        }));
        let listener = tokio::net::UnixListener::bind(&daemon.0.socket).expect("a socket");
        let inner = daemon.clone();
        let app = axum::Router::new().fallback(move |method: Method, uri: Uri, body: Bytes| {
            let daemon = inner.clone();
            async move { daemon.answer(&method, &uri, &body) }
        });
        tokio::spawn(async move { axum::serve(listener, app).await });
        daemon
    }

    /// As DOCKER_HOST names it.
    pub fn host(&self) -> String {
        format!("unix://{}", self.0.socket.display())
    }

    /// Where the ports of its games are reached.
    pub fn address(&self) -> Ipv4Addr {
        self.0.address
    }

    /// The classes of all calls so far, in their order.
    pub fn log(&self) -> Vec<&'static str> {
        self.state().log.clone()
    }

    /// Something happens to this session's container that is worth a look and changes nothing.
    pub fn rename(&self, uid: &str) {
        let state = self.state();
        let own = state.containers.iter().find(|(_, c)| c.uid() == uid);
        let (id, container) = own.expect("it has a container");
        tell(&state, "rename", id, container);
    }

    pub fn running(&self) -> usize {
        let state = self.state();
        let run = |c: &&Container| c.status == "running";
        state.containers.values().filter(run).count()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn answer(&self, method: &Method, uri: &Uri, body: &[u8]) -> Response {
        let path: Vec<&str> = uri.path().trim_start_matches('/').split('/').collect();
        let query = uri.query().unwrap_or_default();
        let body: Value = serde_json::from_slice(body).unwrap_or(Value::Null);
        let now = self.0.clock.now().to_string();
        let mut state = self.state();
        let (class, answer) = match (method.as_str(), path.as_slice()) {
            (_, ["_ping"]) => ("ping", text("OK")),
            ("GET", ["info"]) => ("info", ok(&json!({"Name": "simulated", "SystemTime": now}))),
            // Those of before, of which there are none.
            ("GET", ["events"]) if query.contains("until=") => ("past events", text("")),
            ("GET", ["events"]) => {
                let (send, receive) = mpsc::unbounded();
                state.listeners.push(send);
                ("events", Response::new(Body::from_stream(receive)))
            }
            ("GET", ["networks", _]) => (
                "inspect network",
                ok(&json!({"Name": "bridge", "Created": "2026-01-01T00:00:00Z"})),
            ),
            ("GET", ["images", .., "json"]) => ("inspect image", ok(&json!({"Id": "sha256:0"}))),
            ("GET", ["volumes"]) => {
                let of = |v: &&Value| is_named(query, &v["Labels"]);
                let volumes: Vec<_> = state.volumes.values().filter(of).collect();
                ("list volumes", ok(&json!({"Volumes": volumes})))
            }
            ("POST", ["volumes", "create"]) => {
                let name = body["Name"].as_str().expect("a name").to_owned();
                let volume = json!({
                    "Name": name, "Driver": "local", "Mountpoint": "/", "Scope": "local",
                    "Labels": body["Labels"], "Options": {},
                });
                let volume = state.volumes.entry(name).or_insert(volume);
                ("create volume", ok(volume))
            }
            ("GET", ["volumes", name]) => (
                "inspect volume",
                state.volumes.get(*name).map_or_else(missing, ok),
            ),
            ("DELETE", ["volumes", name]) => {
                state.volumes.remove(*name);
                ("remove volume", empty())
            }
            ("GET", ["containers", "json"]) => {
                let of = |(id, c): &(&String, &Container)| {
                    query.contains(id.as_str()) || is_named(query, &c.spec["Labels"])
                };
                let found = state.containers.iter().filter(of);
                let found: Vec<_> = found.map(|(id, c)| c.summary(id, self.0.address)).collect();
                ("list containers", ok(&Value::Array(found)))
            }
            ("POST", ["containers", "create"]) => {
                let id = format!("{:064x}", state.containers.len() + 1);
                let name = query.split('&').find_map(|pair| pair.strip_prefix("name="));
                let made = Container {
                    name: name.expect("a name").to_owned(),
                    spec: body,
                    created: now,
                    status: "created",
                    started: None,
                    finished: None,
                    _open: Vec::new(),
                };
                state.containers.insert(id.clone(), made);
                ("create", ok(&json!({"Id": id, "Warnings": []})))
            }
            ("GET", ["containers", _, "logs"]) => ("logs", text("")),
            ("GET", ["containers", known, "json"]) => (
                "inspect",
                state
                    .find(known)
                    .map_or_else(missing, |(id, c)| ok(&c.inspect(id))),
            ),
            ("POST", ["containers", id, "start"]) => {
                let c = state.containers.get_mut(*id).expect("it was made");
                (c.status, c.started, c._open) = ("running", Some(now), c.listen(self.0.address));
                tell(&state, "start", id, &state.containers[*id]);
                ("start", empty())
            }
            ("POST", ["containers", id, "stop"]) => {
                let c = state.containers.get_mut(*id).expect("it was made");
                (c.status, c.finished, c._open) = ("exited", Some(now), Vec::new());
                tell(&state, "die", id, &state.containers[*id]);
                ("stop", empty())
            }
            ("DELETE", ["containers", id]) => {
                let gone = state.containers.remove(*id).expect("it was made");
                tell(&state, "destroy", id, &gone);
                ("remove", empty())
            }
            _ => panic!("{method} {uri} is not known here"),
        };
        state.log.push(class);
        answer
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.socket);
    }
}

impl State {
    fn find(&self, id_or_name: &str) -> Option<(&String, &Container)> {
        let is = |(id, c): &(&String, &Container)| *id == id_or_name || c.name == id_or_name;
        self.containers.iter().find(is)
    }
}

impl Container {
    fn uid(&self) -> &str {
        self.spec["Labels"][keys::UID].as_str().unwrap_or_default()
    }

    /// `15000/tcp` and the host port that it is bound to.
    fn bound(&self) -> impl Iterator<Item = (&String, u16)> {
        let bindings = self.spec["HostConfig"]["PortBindings"].as_object();
        bindings.into_iter().flatten().map(|(inside, bound)| {
            let port = bound[0]["HostPort"].as_str().expect("a port");
            (inside, port.parse().expect("a number"))
        })
    }

    fn listen(&self, address: Ipv4Addr) -> Vec<TcpListener> {
        let open = |(_, port)| TcpListener::bind((address, port)).expect("a free port");
        self.bound().map(open).collect()
    }

    fn inspect(&self, id: &str) -> Value {
        const NEVER: &str = "0001-01-01T00:00:00Z";
        json!({
            "Id": id, "Name": format!("/{}", self.name), "Created": self.created, "Image": "sha256:0",
            "State": {
                "Status": self.status, "ExitCode": 0,
                "StartedAt": self.started.as_deref().unwrap_or(NEVER),
                "FinishedAt": self.finished.as_deref().unwrap_or(NEVER),
            },
            "Config": {"Image": self.spec["Image"], "Labels": self.spec["Labels"]},
            "HostConfig": {"PortBindings": self.spec["HostConfig"]["PortBindings"]},
        })
    }

    fn summary(&self, id: &str, address: Ipv4Addr) -> Value {
        let created: jiff::Timestamp = self.created.parse().expect("an instant");
        let ports = self.bound().map(|(inside, port)| {
            let (number, kind) = inside.split_once('/').expect("number/protocol");
            let number: u16 = number.parse().expect("a number");
            json!({"IP": address, "PrivatePort": number, "PublicPort": port, "Type": kind})
        });
        json!({
            "Id": id, "Names": [format!("/{}", self.name)], "Image": self.spec["Image"],
            "ImageID": "sha256:0", "Created": created.as_second(), "State": self.status,
            "Labels": self.spec["Labels"], "Ports": ports.collect::<Vec<_>>(),
        })
    }
}

fn tell(state: &State, action: &str, id: &str, container: &Container) {
    let event = json!({
        "Type": "container", "Action": action,
        "Actor": {"ID": id, "Attributes": container.spec["Labels"]},
    });
    for listener in &state.listeners {
        let _ = listener.unbounded_send(Ok(format!("{event}\n")));
    }
}

/// Without a filter everything is meant.
fn is_named(query: &str, labels: &Value) -> bool {
    let uid = labels[keys::UID].as_str();
    !query.contains("filters") || uid.is_some_and(|uid| query.contains(uid))
}

fn ok(body: &Value) -> Response {
    let body = Body::from(body.to_string());
    Response::builder()
        .header("content-type", "application/json")
        .body(body)
        .expect("a response")
}

fn text(body: &'static str) -> Response {
    Response::new(Body::from(body))
}

fn empty() -> Response {
    let mut response = text("");
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
}

fn missing() -> Response {
    let mut response = ok(&json!({"message": "no such thing"}));
    *response.status_mut() = StatusCode::NOT_FOUND;
    response
}
