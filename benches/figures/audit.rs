//! What the API server was asked to do, from its audit log: exact counts, whatever else runs in the same world.
//!
//! A controller under measurement speaks under a name of its own (impersonation in its kubeconfig). Needs a world
//! with an audit log. Waits are bounded.

use std::collections::BTreeMap;
use std::io::{Read, Seek, SeekFrom};
use std::path::PathBuf;

use anyhow::Context;
use serde::Deserialize;

use super::world::World;

/// A place in the audit log, and whose requests count from there.
#[derive(Clone, Debug)]
pub struct Audit {
    file: PathBuf,
    from: u64,
    user: String,
}

/// One request that was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// `get`, `list`, `watch`, `create`, `update`, `patch`, `delete`, `deletecollection`.
    pub verb: String,
    /// `gamesessions`, `gamesessions/status`, `events`, `leases`, …
    pub resource: String,
    pub name: String,
    pub code: u64,
}

impl Request {
    /// Whether it was made to change something.
    pub fn writes(&self) -> bool {
        ["create", "update", "patch", "delete", "deletecollection"].contains(&self.verb.as_str())
    }

    /// Whether it is about a session or its status.
    pub fn of_session(&self) -> bool {
        ["gamesessions", "gamesessions/status"].contains(&self.resource.as_str())
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    stage: String,
    verb: String,
    impersonated_user: Option<User>,
    object_ref: Option<Object>,
    response_status: Option<Status>,
}
#[derive(Deserialize)]
struct User {
    username: String,
}
#[derive(Default, Deserialize)]
#[serde(default)]
struct Object {
    resource: String,
    subresource: String,
    name: String,
}
#[derive(Deserialize)]
struct Status {
    code: u64,
}

impl Audit {
    /// From this moment on, the requests of this user.
    pub fn from_now(world: &World, user: &str) -> anyhow::Result<Audit> {
        let file = world.audit_log.clone();
        Audit::of(file.context("this world keeps no audit log")?, user)
    }

    /// The same of a log file.
    pub fn of(file: PathBuf, user: &str) -> anyhow::Result<Audit> {
        let from = std::fs::metadata(&file).context("the audit log")?.len();
        let user = user.to_owned();
        Ok(Audit { file, from, user })
    }

    /// Every answered request of the user since then. A watch counts when it ends.
    pub fn requests(&self) -> anyhow::Result<Vec<Request>> {
        let mut file = std::fs::File::open(&self.file).context("the audit log")?;
        file.seek(SeekFrom::Start(self.from))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        // The last line may be half written.
        let whole = bytes
            .iter()
            .rposition(|b| *b == b'\n')
            .map_or(0, |at| at + 1);
        let mut requests = Vec::new();
        for line in bytes[..whole]
            .split(|b| *b == b'\n')
            .filter(|l| !l.is_empty())
        {
            let line: Line = serde_json::from_slice(line).context("a line of the audit log")?;
            let ours = line
                .impersonated_user
                .is_some_and(|u| u.username == self.user);
            if ours && line.stage == "ResponseComplete" {
                let object = line.object_ref.unwrap_or_default();
                let resource = match object.subresource.as_str() {
                    "" => object.resource,
                    sub => format!("{}/{sub}", object.resource),
                };
                let code = line.response_status.map_or(0, |s| s.code);
                requests.push(Request {
                    verb: line.verb,
                    resource,
                    name: object.name,
                    code,
                });
            }
        }
        Ok(requests)
    }
}

/// How often each `verb resource` occurs, refused ones with their code: words for a person.
pub fn tally(requests: &[Request]) -> String {
    let mut tally: BTreeMap<String, usize> = BTreeMap::new();
    for Request {
        verb,
        resource,
        code,
        ..
    } in requests
    {
        let refused = if *code >= 400 {
            format!(" ({code})")
        } else {
            String::new()
        };
        *tally
            .entry(format!("{verb} {resource}{refused}"))
            .or_default() += 1;
    }
    let words: Vec<String> = tally
        .iter()
        .map(|(what, count)| format!("{count} {what}"))
        .collect();
    words.join(", ")
}
