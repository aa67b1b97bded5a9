//! `GET /logs/UID` of the admin port: a session's log for the gateway, which never sees the engine. Whoever asks shows a
//! token that both know; without one there is no such page. A log is given as the game wrote it: the gateway makes it safe.

use std::fmt;
use std::path::Path as File;
use std::sync::{Arc, OnceLock};

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use futures::StreamExt;
use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::context::Context;
use crate::api::RuntimeKind;
use crate::runtime::LogRead;

/// Shortest token, in characters: what is shorter could be guessed.
const SHORTEST: usize = 16;
/// Most lines that are read back.
pub const MOST_LINES: u32 = 10_000;

/// What controller and gateway both know.
#[derive(Clone)]
pub struct Token(Arc<str>);

/// Why a file is no token.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    #[error("{flag} {file}: it cannot be read")]
    Unreadable {
        flag: &'static str,
        file: String,
        source: std::io::Error,
    },
    #[error(
        "{flag} {file}: it holds {length} characters; a token has at least {SHORTEST}, all of them printable ASCII"
    )]
    Short {
        flag: &'static str,
        file: String,
        length: usize,
    },
}

impl Token {
    /// The token in a file, without the space around it.
    pub fn read(flag: &'static str, file: &File) -> Result<Self, TokenError> {
        let name = || file.display().to_string();
        let text = std::fs::read_to_string(file).map_err(|source| TokenError::Unreadable {
            flag,
            file: name(),
            source,
        })?;
        let text = text.trim();
        if text.len() < SHORTEST || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(TokenError::Short {
                flag,
                file: name(),
                length: text.chars().count(),
            });
        }
        Ok(Token(text.into()))
    }

    /// One that nobody else knows.
    pub fn random() -> Self {
        let [one, other] = [uuid::Uuid::new_v4(), uuid::Uuid::new_v4()];
        Token(format!("{}{}", one.simple(), other.simple()).into())
    }

    pub fn text(&self) -> &str {
        &self.0
    }

    /// Compares digests, so that how long it takes tells nothing of how much is right.
    fn is(&self, shown: &str) -> bool {
        Sha256::digest(self.0.as_bytes()) == Sha256::digest(shown.as_bytes())
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Token(…)")
    }
}

#[derive(Clone)]
struct Door {
    token: Token,
    ctx: Arc<OnceLock<Arc<Context>>>,
}

/// What of a log is wanted.
#[derive(Clone, Copy, Debug, Deserialize)]
struct Wanted {
    tail: u32,
    #[serde(default)]
    follow: bool,
}

/// The page, or nothing without a token.
pub fn router(token: Option<Token>, ctx: Arc<OnceLock<Arc<Context>>>) -> Router {
    match token {
        Some(token) => Router::new()
            .route("/logs/{uid}", get(log))
            .with_state(Door { token, ctx }),
        None => Router::new(),
    }
}

async fn log(
    State(door): State<Door>,
    Path(uid): Path<String>,
    Query(wanted): Query<Wanted>,
    headers: HeaderMap,
) -> Response {
    let shown = headers.get(header::AUTHORIZATION);
    let shown = shown.and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
    if !shown.is_some_and(|shown| door.token.is(shown)) {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    // A label filter takes it as it is.
    if uid.is_empty()
        || !uid
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    {
        return StatusCode::BAD_REQUEST.into_response();
    }
    let runtime = door
        .ctx
        .get()
        .and_then(|ctx| ctx.runtimes.get(&RuntimeKind::Docker));
    let Some(runtime) = runtime else {
        return (StatusCode::SERVICE_UNAVAILABLE, "no engine yet\n").into_response();
    };
    let read = LogRead {
        tail: wanted.tail.min(MOST_LINES),
        follow: wanted.follow,
    };
    match runtime.log(&uid, read).await {
        Ok(Some(log)) => {
            Body::from_stream(log.map(Ok::<_, std::convert::Infallible>)).into_response()
        }
        Ok(None) => StatusCode::NOT_FOUND.into_response(),
        Err(error) => (StatusCode::SERVICE_UNAVAILABLE, format!("{error}\n")).into_response(),
    }
}

#[cfg(test)]
mod tests {
    use http::Request;
    use tower::ServiceExt;

    use super::*;

    async fn asked(token: Option<&str>, uid: &str) -> u16 {
        let door = Token("a token of both sides".into());
        let mut request = Request::get(format!("/logs/{uid}?tail=5"));
        if let Some(token) = token {
            request = request.header("authorization", token);
        }
        let request = request.body(Body::empty()).unwrap();
        let answered = router(Some(door), Arc::default()).oneshot(request).await;
        answered.unwrap().status().as_u16()
    }

    #[tokio::test]
    async fn only_who_shows_the_token_is_answered() {
        for token in [
            None,
            Some("a token of both sides"),
            Some("Bearer "),
            Some("Bearer another token"),
            Some("Bearer a token of both side"),
        ] {
            assert_eq!(asked(token, "u-1").await, 401, "{token:?}");
        }
        let right = Some("Bearer a token of both sides");
        assert_eq!(
            asked(right, "u-1").await,
            503,
            "there is no engine in this test"
        );
        assert_eq!(asked(right, "u%2Ca%3Db").await, 400);
    }

    #[tokio::test]
    async fn without_a_token_there_is_no_page() {
        let request = Request::get("/logs/u?tail=1").body(Body::empty()).unwrap();
        let answered = router(None, Arc::default()).oneshot(request).await.unwrap();
        assert_eq!(answered.status(), 404);
    }

    #[test]
    fn a_file_that_holds_no_token_is_named_with_what_it_holds() {
        let file = std::env::temp_dir().join(format!("dillinger-token-{}", std::process::id()));
        std::fs::write(&file, " short \n").unwrap();
        let refused = Token::read("--gateway-token-file", &file)
            .unwrap_err()
            .to_string();
        assert!(refused.contains("holds 5 characters"), "{refused}");
        std::fs::write(&file, "long enough for all\n").unwrap();
        let refused = Token::read("--gateway-token-file", &file)
            .unwrap_err()
            .to_string();
        assert!(refused.contains("printable"), "spaces are none: {refused}");
        std::fs::write(&file, "long-enough-for-all\n").unwrap();
        let token = Token::read("--gateway-token-file", &file).unwrap();
        assert_eq!(token.text(), "long-enough-for-all");
        assert_eq!(format!("{token:?}"), "Token(…)");
        std::fs::remove_file(&file).unwrap();
        assert!(Token::read("--gateway-token-file", &file).is_err());
        assert_ne!(Token::random().text(), Token::random().text());
    }
}
