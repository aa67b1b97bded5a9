//! Which right a call needs, in Kubernetes' own words: verb, resource, subresource. Pure; one table.

use axum::http::Method;

use super::page;

/// A right in the gateway's namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Right {
    pub verb: &'static str,
    /// API group; empty: the core.
    pub group: &'static str,
    pub resource: &'static str,
    pub subresource: &'static str,
}

/// What a call needs before it is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// Everybody may call it.
    Nothing,
    Right(Right),
}

const GROUP: &str = "dillinger.dev";

/// To read the log of a Pod through the API server.
pub const POD_LOG: Right = Right {
    verb: "get",
    group: "",
    resource: "pods",
    subresource: "log",
};

/// To read what was told about a session.
pub const EVENTS: Right = Right {
    verb: "list",
    group: "",
    resource: "events",
    subresource: "",
};

const fn sessions(verb: &'static str) -> Need {
    Need::Right(Right {
        verb,
        group: GROUP,
        resource: "gamesessions",
        subresource: "",
    })
}

/// What this call needs; None: there is no such call, and so nothing answers it.
pub fn needed(method: &Method, route: &str) -> Option<Need> {
    let method = if method == Method::HEAD {
        &Method::GET
    } else {
        method
    };
    let need = match (method.as_str(), route) {
        ("GET", "/health" | "/openapi.json" | "/api/runner/health") => Need::Nothing,
        ("GET", file) if page::has(file) => Need::Nothing,
        ("GET", "/sessions" | "/containers" | "/api/runner/sessions") => sessions("list"),
        (
            "GET",
            "/sessions/{id}"
            | "/sessions/{id}/resource"
            | "/sessions/{id}/events"
            | "/api/runner/sessions/{id}",
        ) => sessions("get"),
        ("GET", "/events") => sessions("watch"),
        ("POST", "/sessions" | "/api/runner/launch") => sessions("create"),
        ("POST", "/sessions/{id}/stop" | "/sessions/{id}/start") => sessions("patch"),
        ("DELETE", "/sessions/{id}" | "/api/runner/sessions/{id}") => sessions("delete"),
        // As `pods/log` is a right of its own beside `pods`.
        ("GET", "/sessions/{id}/logs") => Need::Right(Right {
            verb: "get",
            group: GROUP,
            resource: "gamesessions",
            subresource: "log",
        }),
        ("GET", "/games") => Need::Right(Right {
            verb: "list",
            group: GROUP,
            resource: "games",
            subresource: "",
        }),
        _ => return None,
    };
    Some(need)
}

impl std::fmt::Display for Right {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Right {
            verb,
            group,
            resource,
            subresource,
        } = self;
        write!(out, "{verb} {resource}")?;
        if !group.is_empty() {
            write!(out, ".{group}")?;
        }
        if !subresource.is_empty() {
            write!(out, "/{subresource}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gateway::doc;

    #[test]
    fn every_call_in_the_description_has_its_right_and_only_three_need_none() {
        let mut open = Vec::new();
        let calls = doc::calls();
        assert!(calls.len() >= 17, "{calls:?}");
        for (method, path) in calls {
            let method: Method = method.parse().unwrap();
            match needed(&method, &path) {
                Some(Need::Right(_)) => {}
                Some(Need::Nothing) => open.push(path),
                None => panic!("{method} {path} has no line in the table"),
            }
        }
        open.sort();
        assert_eq!(open, ["/api/runner/health", "/health", "/openapi.json"]);
    }

    #[test]
    fn asking_for_the_head_needs_what_the_whole_needs() {
        for route in ["/sessions", "/sessions/{id}", "/games", "/containers"] {
            assert_eq!(needed(&Method::HEAD, route), needed(&Method::GET, route));
        }
        assert_eq!(needed(&Method::PUT, "/sessions"), None);
    }

    #[test]
    fn a_right_reads_as_kubectl_would_ask_for_it() {
        assert_eq!(POD_LOG.to_string(), "get pods/log");
        let Some(Need::Right(log)) = needed(&Method::GET, "/sessions/{id}/logs") else {
            panic!("a right");
        };
        assert_eq!(log.to_string(), "get gamesessions.dillinger.dev/log");
    }
}
