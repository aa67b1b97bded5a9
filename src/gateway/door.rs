//! Who may come in on loopback: a browser that was led here by another page may not. Pure.
//!
//! Without authentication the gateway answers whoever reaches the address. A page of another site can make a browser
//! on the same machine reach it: by a name of its own that resolves to loopback (seen in Host), or by a request across
//! sites (seen in Origin). Both are refused.

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};

use super::problem::Problem;

/// Origins that a browser may come from, beside the gateway's own page.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origins(pub Vec<String>);

impl Origins {
    pub fn allows(&self, origin: &str) -> bool {
        self.0.iter().any(|one| one == origin)
    }
}

/// Whether the request was made for this machine, and by whom.
///
/// # Errors
/// 421 for a Host that is no loopback name, 403 for an Origin that is neither our own nor allowed.
pub fn check(headers: &HeaderMap, origins: &Origins) -> Result<(), Problem> {
    let text = |value: Option<&HeaderValue>| value.map(|v| v.to_str().unwrap_or("?").to_owned());
    let host = text(headers.get(header::HOST));
    // HTTP/1.0 clients and some probes send none; a browser always does.
    if let Some(host) = &host
        && !is_loopback(name(host))
    {
        let words = format!(
            "Host \"{}\" is not this machine: use localhost or 127.0.0.1",
            shown(host)
        );
        return Err(Problem::new(
            StatusCode::MISDIRECTED_REQUEST,
            "wrong host",
            Some(words),
        ));
    }
    let Some(origin) = text(headers.get(header::ORIGIN)) else {
        return Ok(());
    };
    let own = || {
        let of = origin.strip_prefix("http://");
        of.is_some_and(|of| Some(of) == host.as_deref())
    };
    if own() || origins.allows(&origin) {
        return Ok(());
    }
    let words = format!(
        "a page of {} may not use this service; --cors-origins names those that may",
        shown(&origin)
    );
    Err(Problem::new(
        StatusCode::FORBIDDEN,
        "origin not allowed",
        Some(words),
    ))
}

/// The host without its port.
fn name(host: &str) -> &str {
    match host.strip_prefix('[') {
        Some(v6) => v6.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    }
}

fn is_loopback(name: &str) -> bool {
    let ip = name
        .parse::<std::net::IpAddr>()
        .is_ok_and(|ip| ip.is_loopback());
    ip || name.eq_ignore_ascii_case("localhost")
}

fn shown(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(100).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(pairs: &[(&'static str, &str)]) -> Result<(), u16> {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.insert(*name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        let origins = Origins(vec!["http://localhost:3001".to_owned()]);
        check(&headers, &origins).map_err(|problem| problem.status.as_u16())
    }

    #[test]
    fn every_name_of_this_machine_is_let_in() {
        for host in [
            "localhost",
            "LOCALHOST:3002",
            "127.0.0.1:3002",
            "127.8.8.8",
            "[::1]:3002",
            "[::1]",
        ] {
            assert_eq!(asked(&[("host", host)]), Ok(()), "{host}");
        }
        assert_eq!(asked(&[]), Ok(()));
    }

    #[test]
    fn a_name_that_was_bound_to_loopback_by_somebody_else_is_refused() {
        for host in [
            "evil.example",
            "evil.example:3002",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "",
            "[::2]",
            "0.0.0.0",
        ] {
            assert_eq!(asked(&[("host", host)]), Err(421), "{host}");
        }
    }

    #[test]
    fn a_page_of_another_site_is_refused_and_an_allowed_one_is_not() {
        let from = |origin: &str| asked(&[("host", "localhost:3002"), ("origin", origin)]);
        assert_eq!(from("http://localhost:3002"), Ok(()));
        assert_eq!(from("http://localhost:3001"), Ok(()));
        for origin in [
            "http://localhost:9999",
            "https://localhost:3002",
            "http://evil.example",
            "null",
            "http://127.0.0.1:3002",
        ] {
            assert_eq!(from(origin), Err(403), "{origin}");
        }
    }
}
