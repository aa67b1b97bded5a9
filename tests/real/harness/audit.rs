//! What the API server was asked to do, from its audit log.
//!
//! Controllers under test speak to the API server under a name of their own (impersonation in their kubeconfig), so a
//! count is exact whatever else runs in the same world.

use std::io::{Read, Seek, SeekFrom};
use std::path::PathBuf;

use serde_json::Value;

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
    pub verb: String,
    /// `gamesessions`, `gamesessions/status`, `events`, `leases`, …
    pub resource: String,
    pub name: String,
    pub code: u64,
}

impl Audit {
    pub fn from_now(file: PathBuf, user: String) -> Audit {
        let from = std::fs::metadata(&file).map_or(0, |m| m.len());
        Audit { file, from, user }
    }

    /// Every answered request of the user since then.
    pub fn requests(&self) -> Vec<Request> {
        let mut file = std::fs::File::open(&self.file).expect("the audit log can be read");
        file.seek(SeekFrom::Start(self.from))
            .expect("it only grows");
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)
            .expect("the audit log can be read");
        let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        String::from_utf8_lossy(&bytes)
            .lines()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok())
            .filter(|e| e["stage"] == "ResponseComplete")
            .filter(|e| e["impersonatedUser"]["username"] == self.user.as_str())
            .map(|e| {
                let object = &e["objectRef"];
                let resource = match object["subresource"].as_str() {
                    Some(sub) => format!("{}/{sub}", word(&object["resource"])),
                    None => word(&object["resource"]),
                };
                Request {
                    verb: word(&e["verb"]),
                    resource,
                    name: word(&object["name"]),
                    code: e["responseStatus"]["code"].as_u64().unwrap_or_default(),
                }
            })
            .collect()
    }

    /// Writes to sessions and their status, in order: what the write table of the design counts.
    pub fn session_writes(&self) -> Vec<Request> {
        self.requests()
            .into_iter()
            .filter(|r| {
                ["create", "update", "patch", "delete", "deletecollection"]
                    .contains(&r.verb.as_str())
            })
            .filter(|r| r.resource.starts_with("gamesessions"))
            .collect()
    }

    pub fn conflicts(&self) -> usize {
        self.session_writes()
            .iter()
            .filter(|r| r.code == 409)
            .count()
    }
}

/// `patch gamesessions/status` and so on, for assertions that read like the table.
pub fn words(requests: &[Request]) -> Vec<String> {
    requests
        .iter()
        .map(|r| format!("{} {}", r.verb, r.resource))
        .collect()
}
