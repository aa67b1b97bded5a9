//! The web page: five files, built from `web/` and a part of the program. Nobody needs a right for them; what they show,
//! the calls give. Never blocks.

use axum::Router;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use sha2::{Digest, Sha256};

use super::state::Gateway;

/// One file of the page.
pub struct File {
    pub path: &'static str,
    kind: &'static str,
    bytes: &'static [u8],
}

/// All of it. Paths are those that the files name each other by.
pub static FILES: [File; 5] = [
    File {
        path: "/",
        kind: "text/html; charset=utf-8",
        bytes: include_bytes!("../../web/dist/index.html"),
    },
    File {
        path: "/page.js",
        kind: "text/javascript; charset=utf-8",
        bytes: include_bytes!("../../web/dist/page.js"),
    },
    File {
        path: "/worker.js",
        kind: "text/javascript; charset=utf-8",
        bytes: include_bytes!("../../web/dist/worker.js"),
    },
    File {
        path: "/page.css",
        kind: "text/css; charset=utf-8",
        bytes: include_bytes!("../../web/dist/page.css"),
    },
    File {
        path: "/icon.svg",
        kind: "image/svg+xml",
        bytes: include_bytes!("../../web/dist/icon.svg"),
    },
];

/// What the page may do: its own files and calls, nothing inline, nothing elsewhere, in nobody's frame. One policy makes
/// the address of its worker (web/src/api.ts).
const POLICY: &str = "default-src 'none'; script-src 'self'; worker-src 'self'; style-src 'self'; img-src 'self'; \
    connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
    require-trusted-types-for 'script'; trusted-types dillinger";

/// Whether this route is a file of the page.
pub fn has(route: &str) -> bool {
    FILES.iter().any(|file| file.path == route)
}

/// Serves the page beside the calls.
pub fn with_page(router: Router<Gateway>) -> Router<Gateway> {
    FILES.iter().fold(router, |router, file| {
        let tag = tag(file.bytes);
        router.route(
            file.path,
            get(move |headers: HeaderMap| std::future::ready(answer(file, &tag, &headers))),
        )
    })
}

/// Another content has another tag: a browser asks after each upgrade, and loads what is new.
fn tag(bytes: &[u8]) -> HeaderValue {
    let digest = Sha256::digest(bytes);
    let hex: String = digest
        .iter()
        .take(12)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    HeaderValue::from_str(&format!("\"{hex}\"")).expect("digits and quotes make a header")
}

fn answer(file: &File, tag: &HeaderValue, asked: &HeaderMap) -> Response {
    let mut response = if asked.get(header::IF_NONE_MATCH) == Some(tag) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        file.bytes.into_response()
    };
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_TYPE, file.kind),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::CACHE_CONTROL, "no-cache"),
        (header::REFERRER_POLICY, "no-referrer"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.insert(header::ETAG, tag.clone());
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(tag: Option<&HeaderValue>) -> HeaderMap {
        let mut headers = HeaderMap::new();
        if let Some(tag) = tag {
            headers.insert(header::IF_NONE_MATCH, tag.clone());
        }
        headers
    }

    #[test]
    fn a_file_comes_once_and_again_only_when_it_is_another_one() {
        for file in &FILES {
            let tag = tag(file.bytes);
            let first = answer(file, &tag, &asked(None));
            assert_eq!(first.status(), 200);
            assert_eq!(first.headers()[header::CONTENT_TYPE], file.kind);
            assert_eq!(first.headers()[header::CACHE_CONTROL], "no-cache");
            assert_eq!(answer(file, &tag, &asked(Some(&tag))).status(), 304);
            let older = HeaderValue::from_static("\"0\"");
            assert_eq!(answer(file, &tag, &asked(Some(&older))).status(), 200);
        }
    }

    #[test]
    fn the_page_names_no_file_that_is_not_served_and_nothing_elsewhere() {
        let html = std::str::from_utf8(FILES[0].bytes).unwrap();
        let named = regex::Regex::new(r#"(?:src|href)="([^"]*)""#).unwrap();
        let mut count = 0;
        for name in named.captures_iter(html) {
            let path = name[1].strip_prefix('.').unwrap_or(&name[1]);
            assert!(has(path), "{path}");
            count += 1;
        }
        assert_eq!(count, 3, "{html}");
    }

    #[test]
    fn the_tests_of_the_page_run_under_the_same_policy() {
        let fake = include_str!("../../web/tests/gateway.ts");
        for rule in POLICY.split("; ") {
            assert!(fake.contains(rule), "{rule}");
        }
    }
}
