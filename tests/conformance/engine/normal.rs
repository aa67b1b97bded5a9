//! Answers without what must differ between two engines: ids become ranks, times what they mean, and the words of an
//! engine the kind of refusal that they stand for.

use dillinger_runner::runtime::{EffectError, Outcome, Owned, OwnedKind};
use dillinger_runner::session::facts::EngineId;
use dillinger_runner::session::observation::{Image, StorageSeen};
use dillinger_runner::session::seen::{Answer, Container, Doubt, Exit, Made, Seen};
use serde_json::{Value, json};

/// What one side's names stand for.
#[derive(Debug, Default)]
pub struct Names {
    /// Containers, oldest first.
    pub ids: Vec<String>,
    /// The engine that the sequence began on.
    pub engine: Option<EngineId>,
}

/// Words of the engine, and the kind of refusal that they are.
const KINDS: &[(&str, &str)] = &[
    ("no such container", "no such container"),
    ("no such image", "no such image"),
    ("no such volume", "no such volume"),
    ("is not running", "it does not run"),
    ("cannot start a paused", "it is paused"),
    ("cannot remove a running", "it runs"),
    ("cannot remove a paused", "it is paused"),
    ("volume is in use", "the volume is in use"),
    ("port is already allocated", "a container has the port"),
    ("address already in use", "a program has the port"),
    ("is not this session's", "a stranger's volume"),
    ("no such file or directory", "no such program"),
    ("memory limit", "too little memory"),
    ("range of cpus", "too many CPUs"),
];

pub fn kind(words: &str) -> String {
    let lower = words.to_lowercase();
    let known = KINDS.iter().find(|(needle, _)| lower.contains(needle));
    known.map_or_else(|| words.to_owned(), |(_, kind)| (*kind).to_owned())
}

pub fn outcome(answer: &Result<Outcome, EffectError>) -> Value {
    match answer {
        Ok(outcome) => json!(format!("{outcome:?}")),
        Err(error @ (EffectError::Refused(words) | EffectError::Failed(words))) => {
            json!({"error": error.label(), "kind": kind(words)})
        }
        Err(
            error @ (EffectError::NoAnswer(_)
            | EffectError::Quota(_)
            | EffectError::OtherEngine { .. }),
        ) => {
            json!({"error": error.label()})
        }
    }
}

pub fn image(image: &Image) -> Value {
    match image {
        Image::Failed { times, .. } => json!({"failed": times}),
        Image::Pulling(_) => json!("Pulling"),
        Image::Unchecked | Image::Present | Image::Missing => json!(format!("{image:?}")),
    }
}

pub fn storage(seen: &Option<StorageSeen>) -> Value {
    match seen {
        Some(StorageSeen { present, missing }) => json!({"present": present, "missing": missing}),
        None => Value::Null,
    }
}

impl Names {
    pub fn rank(&self, id: &str) -> Value {
        self.ids
            .iter()
            .position(|known| known == id)
            .map_or(Value::Null, |rank| json!(rank))
    }

    pub fn engine(&self, found: Option<&EngineId>) -> Value {
        match found {
            Some(id) if Some(id) == self.engine.as_ref() => json!("the first"),
            Some(_) => json!("another"),
            None => Value::Null,
        }
    }

    pub fn list(&self, listed: &Result<Vec<Owned>, EffectError>) -> Value {
        let owned = match listed {
            Ok(owned) => owned,
            Err(error) => return json!({"error": error.label()}),
        };
        let mut shown: Vec<String> = owned
            .iter()
            .map(|o| {
                let what = match o.kind {
                    OwnedKind::Container { running } => {
                        format!("container {} running {running}", self.rank(&o.id))
                    }
                    OwnedKind::Storage => format!("volume {}", o.id),
                };
                format!("{}/{} {} {what}", o.namespace, o.session, o.uid)
            })
            .collect();
        shown.sort_unstable();
        json!(shown)
    }

    pub fn seen(&self, seen: &Seen) -> Value {
        match seen {
            Seen::Unknown(doubt) => match doubt {
                Doubt::EngineUnreachable(_) => json!({"unknown": "EngineUnreachable"}),
                Doubt::EngineMismatch { .. } => json!({"unknown": "EngineMismatch"}),
                Doubt::NodeLost(_) => json!({"unknown": "NodeLost"}),
            },
            Seen::Foreign(_) => json!("Foreign"),
            Seen::Absent => json!("Absent"),
            Seen::Going => json!("Going"),
            Seen::Created(c, made) => {
                let made = match made {
                    Made::Fresh => json!("Fresh"),
                    Made::Failed(words) => json!({"failed": kind(words)}),
                    Made::Awaited(reason, _) => json!({"awaited": reason.as_str()}),
                    Made::PortClash(ports, words) => json!({"clash": ports, "kind": kind(words)}),
                };
                json!({"created": self.container(c), "made": made})
            }
            Seen::Running(c, answer) => {
                json!({"running": self.container(c), "answer": word(answer)})
            }
            Seen::Paused(c) => json!({"paused": self.container(c)}),
            Seen::Exited(c, exit) => json!({"exited": self.container(c), "exit": ended(exit)}),
        }
    }

    fn container(&self, container: &Container) -> Value {
        let Container {
            id,
            name,
            attempt,
            created,
            started,
            image,
            image_id,
            node_name,
            endpoints,
            terms,
        } = container;
        json!({
            "rank": self.rank(&id.0), "name": name, "attempt": attempt, "image": image,
            "started": started.map(|at| if at < *created { "before it was made" } else { "a time" }),
            "imageId": image_id.is_some(), "node": node_name.is_some(),
            "endpoints": endpoints, "terms": terms,
        })
    }
}

/// Which kind of answer.
pub fn word(answer: &Answer) -> &'static str {
    match answer {
        Answer::Ready => "Ready",
        Answer::NotReady(_) => "NotReady",
        Answer::CannotTell(_) => "CannotTell",
        Answer::NotAsked => "NotAsked",
    }
}

fn ended(exit: &Exit) -> Value {
    let Exit {
        code,
        oom_killed,
        finished,
        error,
        ready_in_log,
        last_lines,
        engine_started,
        interrupted,
    } = exit;
    json!({
        "code": code, "oomKilled": oom_killed, "finished": finished.is_some(), "error": kind(error),
        "readyInLog": ready_in_log, "lastLines": !last_lines.is_empty(),
        "engineStarted": engine_started.is_some(),
        "engineWentDown": finished.is_some() && finished <= engine_started,
        "interrupted": interrupted, "end": format!("{:?}", exit.end()),
    })
}
