//! What is on the engine and not this session's, or not this controller's, over HTTP on a socket: seen as a stranger's,
//! never listed. And an engine that is none: whatever it answers, a look is a value.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use axum::body::Body;
use axum::response::Response;
use http::{StatusCode, Uri};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::engine::MARKER;
use super::{DockerConfig, DockerRuntime};
use crate::api::keys;
use crate::clock::Clock;
use crate::hostile::{any_json, cases};
use crate::runtime::{Look, Owned, OwnedKind, Runtime, SessionKey};
use crate::session::facts::EngineId;
use crate::session::observation::Owner;
use crate::session::seen::{Answer, Doubt, Seen};

pub(super) const ENGINE: &str = "0123456789abcdef0123456789abcdef";

pub(super) type Answers = dyn Fn(&Uri) -> (StatusCode, Value) + Send + Sync;

/// An engine that answers so until it is dropped.
pub(super) struct Told {
    socket: PathBuf,
    _serving: tokio_util::task::AbortOnDropHandle<()>,
}

impl Drop for Told {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.socket);
    }
}

impl Told {
    pub(super) fn start(answers: Arc<Answers>) -> Told {
        Told::serve(axum::Router::new().fallback(move |uri: Uri| {
            let answer = response(&answers, &uri);
            async move { answer }
        }))
    }

    pub(super) fn serve(app: axum::Router) -> Told {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let (pid, n) = (std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let socket = std::env::temp_dir().join(format!("dillinger-strangers-{pid}-{n}.sock"));
        let listener = tokio::net::UnixListener::bind(&socket).expect("a socket");
        let serving = tokio::spawn(async move {
            let _ = axum::serve(listener, app).await;
        });
        Told {
            socket,
            _serving: tokio_util::task::AbortOnDropHandle::new(serving),
        }
    }

    pub(super) fn runtime(&self) -> Arc<DockerRuntime> {
        DockerRuntime::new(DockerConfig {
            host: Some(format!("unix://{}", self.socket.display())),
            owner: Owner {
                cluster: "c-1".to_owned(),
                controller: "ours".to_owned(),
            },
            bind_address: [127, 0, 0, 1].into(),
            advertise_address: "127.0.0.1".to_owned(),
            port_range: 20_000..=20_999,
            credentials: None,
            clock: Clock::system(),
        })
    }
}

pub(super) fn response(answers: &Arc<Answers>, uri: &Uri) -> Response {
    let (status, body) = answers(uri);
    let answer = Response::builder()
        .status(status)
        .header("content-type", "application/json");
    answer
        .body(Body::from(body.to_string()))
        .expect("a response")
}

fn container(id: &str, name: &str, labels: &Value) -> Value {
    json!({
        "Id": id, "Name": format!("/{name}"), "Created": "2026-01-01T00:00:00Z", "Image": "sha256:0",
        "State": {"Status": "running", "ExitCode": 0, "StartedAt": "2026-01-01T00:00:01Z"},
        "Config": {"Image": "example:1", "Labels": labels}, "HostConfig": {},
    })
}

fn labels(cluster: &str, controller: &str, uid: &str) -> Value {
    json!({
        keys::CLUSTER: cluster, keys::CONTROLLER: controller, keys::ENGINE: ENGINE, keys::NAMESPACE: "arcade",
        keys::SESSION: "friday", keys::UID: uid, keys::ATTEMPT: "0",
    })
}

/// Every label that the query asks for is on the thing, as an engine filters.
fn is_asked_for(uri: &Uri, thing: &Value) -> bool {
    let query = uri.query().unwrap_or_default();
    let Some(filters) = query
        .split('&')
        .find_map(|pair| pair.strip_prefix("filters="))
    else {
        return true;
    };
    let filters: HashMap<String, Vec<String>> =
        serde_json::from_str(&decoded(filters)).expect("filters are JSON");
    filters
        .get("label")
        .into_iter()
        .flatten()
        .all(|wanted| match wanted.split_once('=') {
            Some((key, value)) => thing[key] == value,
            None => thing[wanted].is_string(),
        })
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let digits = [rest.next(), rest.next()].map(|digit| digit.expect("two digits"));
            let digits = std::str::from_utf8(&digits).expect("ASCII");
            bytes.push(u8::from_str_radix(digits, 16).expect("hexadecimal"));
        } else {
            bytes.push(if byte == b'+' { b' ' } else { byte });
        }
    }
    String::from_utf8(bytes).expect("UTF-8")
}

/// As an engine with these containers and volumes (by name, with their labels) answers.
pub(super) fn holding(containers: Vec<Value>, volumes: Vec<(&'static str, Value)>) -> Arc<Answers> {
    Arc::new(move |uri| {
        let path: Vec<&str> = uri.path().trim_start_matches('/').split('/').collect();
        let found = match path.as_slice() {
            ["info"] => Some(json!({"Name": "host"})),
            ["volumes", name] if *name == MARKER => Some(
                json!({"Name": MARKER, "Driver": "local", "Mountpoint": "/", "Scope": "local",
                    "Options": {}, "Labels": {keys::ENGINE: ENGINE}}),
            ),
            ["volumes"] => {
                let found = volumes
                    .iter()
                    .filter(|(_, labels)| is_asked_for(uri, labels));
                let found: Vec<Value> = found
                    .map(|(name, labels)| {
                        json!({"Name": name, "Driver": "local", "Mountpoint": "/", "Scope": "local",
                            "Options": {}, "Labels": labels})
                    })
                    .collect();
                Some(json!({"Volumes": found}))
            }
            ["containers", "json"] => {
                let found = containers
                    .iter()
                    .filter(|c| is_asked_for(uri, &c["Config"]["Labels"]));
                let found = found.map(|c| {
                    json!({"Id": c["Id"], "Names": [c["Name"]], "State": "running",
                        "Labels": c["Config"]["Labels"], "Image": "example:1", "Created": 1_767_225_600})
                });
                Some(found.collect())
            }
            ["containers", known, "json"] => {
                let is = |c: &&Value| c["Id"] == *known || c["Name"] == format!("/{known}");
                containers.iter().find(is).cloned()
            }
            _ => None,
        };
        found.map_or_else(
            || (StatusCode::NOT_FOUND, json!({"message": "no such thing"})),
            |found| (StatusCode::OK, found),
        )
    })
}

fn key() -> SessionKey {
    SessionKey {
        namespace: "arcade".to_owned(),
        name: "friday".to_owned(),
        uid: "u-1".to_owned(),
        container_name: "friday-0".to_owned(),
    }
}

async fn seen(told: &Told) -> Seen {
    let (key, engine) = (key(), EngineId(ENGINE.to_owned()));
    let look = Look {
        key: &key,
        attempt: Some(0),
        engine: Some(&engine),
        id: None,
        probe: false,
    };
    told.runtime().look(look).await
}

#[tokio::test]
async fn a_container_of_our_name_that_carries_another_uid_or_none_is_a_strangers() {
    for labels in [labels("c-1", "ours", "u-2"), json!({})] {
        let told = Told::start(holding(vec![container("f00", "friday-0", &labels)], vec![]));
        let seen = seen(&told).await;
        assert!(
            matches!(&seen, Seen::Foreign(words) if words.contains("f00")),
            "{seen:?}"
        );
    }
}

#[tokio::test]
async fn a_container_of_another_name_that_carries_our_uid_is_ours() {
    let own = labels("c-1", "ours", "u-1");
    let told = Told::start(holding(
        vec![
            container("f00", "friday-0", &labels("c-1", "ours", "u-2")),
            container("f01", "renamed", &own),
        ],
        vec![],
    ));
    let seen = seen(&told).await;
    let is_ours = matches!(&seen, Seen::Running(c, Answer::CannotTell(_)) if c.id.0 == "f01");
    assert!(is_ours, "{seen:?}");
}

#[tokio::test]
async fn another_engine_is_doubt_even_where_it_holds_a_container_of_ours() {
    let told = Told::start(holding(
        vec![container("f00", "friday-0", &labels("c-1", "ours", "u-1"))],
        vec![],
    ));
    let (key, recorded) = (key(), EngineId("f".repeat(32)));
    let look = Look {
        key: &key,
        attempt: Some(0),
        engine: Some(&recorded),
        id: None,
        probe: false,
    };
    let seen = told.runtime().look(look).await;
    assert!(
        matches!(&seen, Seen::Unknown(Doubt::EngineMismatch { .. })),
        "{seen:?}"
    );
}

#[tokio::test]
async fn the_list_for_the_sweep_names_what_carries_our_cluster_and_our_controller_and_nothing_else()
{
    let all = [
        ("ours", labels("c-1", "ours", "u-1")),
        ("theirs", labels("c-1", "theirs", "u-2")),
        ("elsewhere", labels("c-2", "ours", "u-3")),
        ("nobodys", json!({})),
    ];
    let containers = all.iter().map(|(id, labels)| container(id, id, labels));
    let told = Told::start(holding(containers.collect(), all.to_vec()));
    let listed = told.runtime().list().await.expect("a list");
    let of = |kind| Owned {
        namespace: "arcade".to_owned(),
        session: "friday".to_owned(),
        uid: "u-1".to_owned(),
        kind,
        id: "ours".to_owned(),
    };
    let wanted = [
        of(OwnedKind::Container { running: true }),
        of(OwnedKind::Storage),
    ];
    assert_eq!(listed, wanted);
}

proptest! {
    #![proptest_config(cases(64))]

    #[test]
    fn whatever_an_engine_answers_over_its_socket_a_look_is_a_value(
        body in any_json(),
        status in proptest::sample::select(&[200_u16, 200, 200, 204, 304, 400, 404, 409, 500, 503][..]),
        marked in any::<bool>(),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let status = StatusCode::from_u16(status).expect("a status");
            let engine = holding(vec![], vec![]);
            let told = Told::start(Arc::new(move |uri| match uri.path() {
                path if marked && path.ends_with(MARKER) || path == "/info" => engine(uri),
                _ => (status, body.clone()),
            }));
            let seen = seen(&told).await;
            // Garbage is never somebody's container that runs.
            prop_assert!(!seen.is_live(), "{:?}", seen);
            let _ = told.runtime().list().await;
            let _ = told.runtime().image("example:1").await;
            let _ = told.runtime().storage(&key(), &[]).await;
            Ok(())
        })?;
    }
}
