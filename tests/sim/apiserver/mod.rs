//! A simulated Kubernetes API server: a service under `kube::Client`, an in-memory store behind it.
//!
//! Promises to answer as kube-apiserver 1.36 does, as far as `tests/conformance` compares the two; what
//! differs is listed there. Everything takes virtual time only.

mod answer;
mod kinds;
mod later;
mod list;
mod meta;
mod object;
mod patch;
mod pods;
mod request;
mod rules;
mod schema;
mod store;
mod verbs;
mod watch;

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::body::Body as Answer;
use dillinger_runner::controller::client::{Bounded, WatchAges};
use http::{HeaderValue, Response, StatusCode};
use kube::client::Body;
use serde_json::{Value, json};
use tower::BoxError;

pub use answer::Refused;
#[allow(unused_imports)]
pub use kinds::definitions;
#[allow(unused_imports)]
pub use later::RESTORE;
#[allow(unused_imports)]
pub use pods::container;
pub use request::{Request, Verb};
pub use store::{ChangeKind, Key};

use crate::clock::SimClock;
use crate::faults::{Failure, Position};
use crate::history::History;
use crate::process::Process;
use crate::striking::{Striking, Verdict};
use verbs::Memory;

/// A request travels this long, and so does its answer.
const TRAVEL: Duration = Duration::from_millis(1);

/// What the server does with connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    Up,
    /// Refuses them; open ones break.
    Down,
    /// Takes them and answers nothing.
    Frozen,
}

/// How the server stands to its clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Line {
    mode: Mode,
    /// Grows when open connections break.
    epoch: u32,
}

/// The server; clients are made from it.
pub struct Server {
    memory: Mutex<Memory>,
    clock: SimClock,
    history: History,
    striking: Striking,
    /// Changes with every commit.
    revision: tokio::sync::watch::Sender<u64>,
    line: tokio::sync::watch::Sender<Line>,
    /// Writes of users, and the revision of each: they write again what a restore lost.
    wishes: Mutex<Vec<(u64, Request)>>,
    /// So many restores whose losses nobody has written again yet.
    losses: AtomicUsize,
    date: Mutex<Option<Date>>,
}

/// A write to a built-in kind.
pub struct Write<'a> {
    pub verb: Verb,
    pub key: &'a Key,
    pub status: bool,
    pub body: Value,
}

/// What somebody who waits for changes has seen of them.
pub struct Moves {
    revision: tokio::sync::watch::Receiver<u64>,
    line: tokio::sync::watch::Receiver<Line>,
}

impl Moves {
    /// Wakes whenever something was committed, and when the server comes or goes.
    pub async fn next(&mut self) {
        tokio::select! {
            _ = self.revision.changed() => {}
            _ = self.line.changed() => {}
        }
    }
}

/// Users write again what a restore lost, so much later.
const AGAIN: Duration = Duration::from_secs(2);

/// Whether faults of the script strike the calls of this client.
fn is_controller(who: &str) -> bool {
    who.starts_with("controller")
}

impl Server {
    pub fn new(clock: SimClock, history: History, striking: Striking) -> Arc<Server> {
        let memory = Memory::new(clock.clone(), history.clone());
        Arc::new(Server {
            revision: tokio::sync::watch::Sender::new(memory.store.revision()),
            memory: Mutex::new(memory),
            clock,
            history,
            striking,
            line: tokio::sync::watch::Sender::new(Line {
                mode: Mode::Up,
                epoch: 0,
            }),
            wishes: Mutex::default(),
            losses: AtomicUsize::default(),
            date: Mutex::default(),
        })
    }

    /// A client by the name of `who`; only calls of names that begin with `controller` meet the fault script.
    pub fn client(self: &Arc<Self>, who: &str) -> kube::Client {
        self.client_of(&Process::new(who.to_owned()))
    }

    /// The client of a process that may be killed: its calls are then not made, and not answered.
    pub fn client_of(self: &Arc<Self>, process: &Process) -> kube::Client {
        self.client_with(process, WatchAges::default())
    }

    /// The same, which tells when its watches were answered.
    pub fn client_with(self: &Arc<Self>, process: &Process, ages: WatchAges) -> kube::Client {
        let (server, process) = (self.clone(), process.clone());
        let service = tower::service_fn(move |request: http::Request<Body>| {
            let (server, process) = (server.clone(), process.clone());
            async move { server.serve(&process, request).await }
        });
        // Hung calls end as they do for the real client.
        kube::Client::new(Bounded::new(service, ages), "default")
    }

    /// A merge patch, a POST or a DELETE by a part of the cluster: it takes no time and meets no fault. The code; 0 while
    /// the server is away.
    pub fn write(self: &Arc<Self>, who: &str, write: Write<'_>) -> u16 {
        let Write {
            verb,
            key,
            status,
            body,
        } = write;
        if self.line.borrow().mode != Mode::Up {
            return 0;
        }
        let request = Request {
            verb,
            group: String::new(),
            version: "v1".to_owned(),
            plural: key.resource.clone(),
            namespace: key.namespace.clone(),
            name: if verb == Verb::Create {
                String::new()
            } else {
                key.name.clone()
            },
            status,
            query: std::collections::BTreeMap::new(),
            content_type: "application/merge-patch+json".to_owned(),
            body: body.to_string().into(),
        };
        self.answer(&Process::new(who.to_owned()), &request)
            .status()
            .as_u16()
    }

    /// From now on.
    pub fn moves(&self) -> Moves {
        Moves {
            revision: self.revision.subscribe(),
            line: self.line.subscribe(),
        }
    }

    /// The object of now, by plural with group, namespace and name.
    pub fn object(&self, resource: &str, namespace: &str, name: &str) -> Option<Arc<Value>> {
        let key = Key {
            resource: resource.to_owned(),
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        };
        self.memory().store.get(&key).cloned()
    }

    /// Everything of one resource.
    pub fn objects(&self, resource: &str) -> Vec<Arc<Value>> {
        let memory = self.memory();
        let all = memory
            .store
            .iter()
            .filter(|(key, _)| key.resource == resource);
        all.map(|(_, object)| object.clone()).collect()
    }

    /// Forgets all changes up to now: older watches and pages get 410.
    pub fn compact(&self) {
        self.memory().store.compact();
        self.revision.send_modify(|_| {});
    }

    /// Goes back by so many changes of sessions and Games, and all between them, as a restore from a backup does;
    /// connections break, and users write again what they find lost.
    pub fn restore(self: &Arc<Self>, back: u32) {
        let revision = {
            let mut memory = self.memory();
            memory.restore(back as usize);
            memory.store.revision()
        };
        self.revision.send_replace(revision);
        self.line.send_modify(|line| line.epoch += 1);
        let lost: Vec<Request> = {
            let mut wishes = self.wishes();
            let lost = wishes.extract_if(.., |(at, _)| *at > revision);
            lost.map(|(_, request)| request).collect()
        };
        let server = self.clone();
        server.losses.fetch_add(1, Ordering::Relaxed);
        tokio::spawn(async move {
            tokio::time::sleep(AGAIN).await;
            let user = Process::new("user".to_owned());
            for request in lost {
                server.answer(&user, &request);
            }
            server.losses.fetch_sub(1, Ordering::Relaxed);
        });
    }

    /// Users are about to write again what a restore lost.
    pub fn is_written_again(&self) -> bool {
        self.losses.load(Ordering::Relaxed) > 0
    }

    /// Somebody else writes to the status, so that whoever read it before has read what is no more.
    fn overtake(self: &Arc<Self>, request: &Request) {
        let kind = self.memory().kind(request);
        let key = kind.map(|kind| object::key(&kind, request));
        let found = key.and_then(|key| self.memory().store.get(&key).cloned());
        let Some(found) = found else { return };
        let mut conditions = found["status"]["conditions"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        conditions.push(json!({
            "type": "example.com/Checked", "status": "True", "reason": "Checked", "message": "",
            "lastTransitionTime": "2026-11-23T12:00:00Z",
        }));
        let write = Request {
            verb: Verb::Patch,
            status: true,
            query: std::collections::BTreeMap::new(),
            content_type: "application/merge-patch+json".to_owned(),
            body: json!({"status": {"conditions": conditions}})
                .to_string()
                .into(),
            ..request.clone()
        };
        self.answer(&Process::new("another".to_owned()), &write);
    }

    fn wishes(&self) -> MutexGuard<'_, Vec<(u64, Request)>> {
        self.wishes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn set_mode(&self, mode: Mode) {
        self.line.send_modify(|line| {
            line.mode = mode;
            if mode == Mode::Down {
                line.epoch += 1;
            }
        });
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn serve(
        self: &Arc<Self>,
        process: &Process,
        request: http::Request<Body>,
    ) -> Result<Response<Answer>, BoxError> {
        let who = process.name();
        let (parts, body) = request.into_parts();
        let body = body.collect_bytes().await?;
        process.alive().await;
        tokio::time::sleep(TRAVEL).await;
        process.alive().await;
        let mut line = self.line.subscribe();
        let mode = line
            .wait_for(|line| line.mode != Mode::Frozen)
            .await
            .expect("the server outlives its calls")
            .mode;
        if mode == Mode::Down {
            return Err(broken());
        }
        let Some(request) = Request::parse(&parts, body) else {
            return Ok(self.answer_path(parts.uri.path()));
        };
        let striking = self.striking.of(process);
        let verdict = match is_controller(who) {
            true => striking.meet(&request.class(), counts(&request)),
            false => Verdict::Go,
        };
        match verdict {
            Verdict::Crash(Position::Before) => striking.die().await,
            Verdict::Late => {
                let (server, late) = (self.clone(), process.clone());
                let arrive = move || server.answer(&late, &request);
                let answer = process.late(arrive).await;
                tokio::time::sleep(TRAVEL).await;
                process.alive().await;
                return Ok(answer);
            }
            Verdict::Fail(Failure::Overtaken) => self.overtake(&request),
            Verdict::Fail(Failure::Code(code)) => return Ok(self.refusal(&scripted(code))),
            Verdict::Fail(Failure::Refused) => return Err(broken()),
            Verdict::Fail(Failure::Hangs) => std::future::pending().await,
            Verdict::Go
            | Verdict::ThenRestore(_)
            | Verdict::ThenPause(_)
            | Verdict::Crash(Position::Between | Position::After)
            | Verdict::Fail(Failure::CommittedCode(_) | Failure::Lost | Failure::CommittedHangs) => {
            }
        }
        let answer = self.answer(process, &request);
        match verdict {
            Verdict::Crash(Position::Between) => striking.die().await,
            Verdict::Crash(Position::After) => striking.die_after(TRAVEL + TRAVEL / 2),
            Verdict::ThenPause(Position::After) => striking.stand_still(TRAVEL + TRAVEL / 2),
            Verdict::ThenPause(_) => striking.stand_still(Duration::ZERO),
            Verdict::Fail(Failure::CommittedCode(code)) => return Ok(self.refusal(&scripted(code))),
            Verdict::Fail(Failure::Lost) => return Err(broken()),
            Verdict::Fail(Failure::CommittedHangs) => std::future::pending().await,
            Verdict::ThenRestore(back) => self.restore(back),
            Verdict::Go
            | Verdict::Late
            | Verdict::Crash(Position::Before)
            | Verdict::Fail(
                Failure::Code(_) | Failure::Refused | Failure::Hangs | Failure::Overtaken,
            ) => {}
        }
        tokio::time::sleep(TRAVEL).await;
        process.alive().await;
        Ok(answer)
    }

    fn answer(self: &Arc<Self>, process: &Process, request: &Request) -> Response<Answer> {
        if request.verb == Verb::Watch {
            let kind = self.memory().kind(request);
            let Some(kind) = kind else {
                return self.refusal(&Refused::new(
                    404,
                    "NotFound",
                    "the server could not find the requested resource",
                ));
            };
            return match watch::open(self, process, kind, request) {
                Ok(stream) => self.respond(200, Answer::from_stream(stream)),
                Err(refused) => self.refusal(&refused),
            };
        }
        let (reply, revision) = {
            let mut memory = self.memory();
            let reply = memory.handle(process.name(), request);
            (reply, memory.store.revision())
        };
        if process.name() == "user" && request.verb.writes() && reply.is_ok() {
            self.wishes().push((revision, request.clone()));
        }
        self.revision
            .send_if_modified(|known| std::mem::replace(known, revision) != revision);
        match reply {
            Ok((code, body)) => {
                let body = serde_json::to_vec(&*body).expect("it is plain data");
                self.respond(code, Answer::from(body))
            }
            Err(refused) => self.refusal(&refused),
        }
    }

    /// Paths beside the resources.
    fn answer_path(&self, path: &str) -> Response<Answer> {
        match path {
            "/version" => {
                let version = json!({"major": "1", "minor": "36", "gitVersion": "v1.36.3"});
                self.respond(200, Answer::from(version.to_string()))
            }
            "/readyz" | "/livez" | "/healthz" => self.respond(200, Answer::from("ok")),
            _ => self.respond(404, Answer::from("404 page not found\n")),
        }
    }

    fn refusal(&self, refused: &Refused) -> Response<Answer> {
        self.respond(refused.code, Answer::from(refused.status().to_string()))
    }

    /// Made once a second.
    fn date(&self) -> HeaderValue {
        let now = self.clock.now();
        let mut known = self.date.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((second, date)) = &*known
            && *second == now.as_second()
        {
            return date.clone();
        }
        let text = now.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
        let date = HeaderValue::try_from(text).expect("a date is plain");
        *known = Some((now.as_second(), date.clone()));
        date
    }

    fn respond(&self, code: u16, body: Answer) -> Response<Answer> {
        let date = self.date();
        Response::builder()
            .status(StatusCode::from_u16(code).expect("codes are constants or scripted"))
            .header(http::header::CONTENT_TYPE, "application/json")
            .header(http::header::DATE, date)
            .body(body)
            .expect("headers are valid")
    }
}

/// A second of the clock, and how a header says it.
type Date = (i64, HeaderValue);

/// Whether it is a write that the crash sweep counts.
fn counts(request: &Request) -> bool {
    request.verb.writes() && !["leases", "events"].contains(&request.plural.as_str())
}

fn broken() -> BoxError {
    io::Error::new(io::ErrorKind::ConnectionReset, "connection reset by peer").into()
}

/// The refusal that goes with a code of the script.
fn scripted(code: u16) -> Box<Refused> {
    let reason = match code {
        400 => "BadRequest",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "NotFound",
        409 => "Conflict",
        410 => "Expired",
        422 => "Invalid",
        429 => "TooManyRequests",
        500 => "InternalError",
        503 => "ServiceUnavailable",
        504 => "Timeout",
        _ => "Unknown",
    };
    let mut refused = Refused::new(code, reason, format!("scripted {code}"));
    if code == 429 {
        refused.retry_after = Some(1);
    }
    refused
}
