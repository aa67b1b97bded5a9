//! One request, taken apart.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::Method;

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verb {
    Get,
    List,
    Watch,
    Create,
    Update,
    Patch,
    Delete,
}

impl Verb {
    pub fn as_str(self) -> &'static str {
        match self {
            Verb::Get => "get",
            Verb::List => "list",
            Verb::Watch => "watch",
            Verb::Create => "create",
            Verb::Update => "update",
            Verb::Patch => "patch",
            Verb::Delete => "delete",
        }
    }

    pub fn writes(self) -> bool {
        match self {
            Verb::Create | Verb::Update | Verb::Patch | Verb::Delete => true,
            Verb::Get | Verb::List | Verb::Watch => false,
        }
    }
}

/// A request to a resource.
#[derive(Clone, Debug)]
pub struct Request {
    pub verb: Verb,
    pub group: String,
    pub version: String,
    pub plural: String,
    /// Empty: all namespaces, or a cluster-wide kind.
    pub namespace: String,
    pub name: String,
    pub status: bool,
    pub query: BTreeMap<String, String>,
    pub content_type: String,
    pub body: Bytes,
}

impl Request {
    /// None: not a path to a resource.
    pub fn parse(parts: &http::request::Parts, body: Bytes) -> Option<Request> {
        let mut segments = parts
            .uri
            .path()
            .split('/')
            .filter(|segment| !segment.is_empty());
        let (group, version) = match segments.next()? {
            "api" => (String::new(), segments.next()?.to_owned()),
            "apis" => (segments.next()?.to_owned(), segments.next()?.to_owned()),
            _ => return None,
        };
        let rest: Vec<&str> = segments.collect();
        let (namespace, rest) = match rest.as_slice() {
            ["namespaces", namespace, rest @ ..] if !rest.is_empty() && rest != ["status"] => {
                (*namespace, rest)
            }
            rest => ("", rest),
        };
        let (plural, name, status) = match rest {
            [plural] => (*plural, "", false),
            [plural, name] => (*plural, *name, false),
            [plural, name, "status"] => (*plural, *name, true),
            _ => return None,
        };
        let query = query(parts.uri.query().unwrap_or_default());
        let watches = query.get("watch").is_some_and(|v| v == "true" || v == "1");
        let verb = match (&parts.method, name.is_empty()) {
            (&Method::GET, true) if watches => Verb::Watch,
            (&Method::GET, true) => Verb::List,
            (&Method::GET, false) => Verb::Get,
            (&Method::POST, true) => Verb::Create,
            (&Method::PUT, false) => Verb::Update,
            (&Method::PATCH, false) => Verb::Patch,
            (&Method::DELETE, false) => Verb::Delete,
            _ => return None,
        };
        let content_type = parts.headers.get(http::header::CONTENT_TYPE);
        Some(Request {
            verb,
            group,
            version,
            plural: plural.to_owned(),
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            status,
            query,
            content_type: content_type
                .and_then(|value| value.to_str().ok())
                .unwrap_or("application/json")
                .to_owned(),
            body,
        })
    }

    /// As fault scripts name it: `patch:gamesessions/status`.
    pub fn class(&self) -> String {
        let status = if self.status { "/status" } else { "" };
        format!("{}:{}{status}", self.verb.as_str(), self.plural)
    }
}

fn query(text: &str) -> BTreeMap<String, String> {
    text.split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decoded(key), decoded(value))
        })
        .collect()
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let hex = |at: usize| tail.get(at).and_then(|byte| char::from(*byte).to_digit(16));
        rest = match (first, hex(0), hex(1)) {
            (b'%', Some(high), Some(low)) => {
                bytes.push((high * 16 + low) as u8);
                &tail[2..]
            }
            (b'+', _, _) => {
                bytes.push(b' ');
                tail
            }
            (byte, _, _) => {
                bytes.push(*byte);
                tail
            }
        };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
