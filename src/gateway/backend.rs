//! The controller, as the gateway asks it: logs of games on its engine, and whether all its parts are there. One request a
//! question, each bounded; the two share a token.

use std::time::Duration;

use axum::body::{Body, BodyDataStream};
use axum::http::{Request, StatusCode, Uri, header};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

use crate::controller::log_port::Token;

/// Longest wait for an answer to begin.
const ANSWER: Duration = Duration::from_secs(5);
/// Longest wait for what the controller says of its parts.
const HEALTH: Duration = Duration::from_secs(2);
/// Bytes of that answer.
const LONGEST: usize = 64 * 1024;

/// Where the controller is.
#[derive(Clone)]
pub struct Backend {
    /// `http://host:port`, without a path.
    url: String,
    token: Option<Token>,
    client: Client<HttpConnector, Body>,
}

/// How the controller answered a question after a log.
pub enum LogAnswer {
    Log(BodyDataStream),
    /// It has none of this session.
    Nothing,
    /// It does not let us.
    Refused,
    /// Neither: why.
    Away(String),
}

impl Backend {
    /// The controller with its admin port here.
    pub fn new(url: &str, token: Option<Token>) -> Self {
        let mut http = HttpConnector::new();
        http.set_connect_timeout(Some(HEALTH));
        Backend {
            url: url.trim_end_matches('/').to_owned(),
            token,
            client: Client::builder(TokioExecutor::new()).build(http),
        }
    }

    /// Whether it may be asked for logs at all.
    pub fn has_token(&self) -> bool {
        self.token.is_some()
    }

    /// The log of the session with this uid.
    pub async fn log(&self, uid: &str, tail: u32, follow: bool) -> LogAnswer {
        let path = format!("/logs/{uid}?tail={tail}&follow={follow}");
        match self.ask(&path, ANSWER).await {
            Ok((StatusCode::OK, body)) => LogAnswer::Log(body.into_data_stream()),
            Ok((StatusCode::NOT_FOUND, _)) => LogAnswer::Nothing,
            Ok((StatusCode::UNAUTHORIZED, _)) => LogAnswer::Refused,
            Ok((status, _)) => LogAnswer::Away(format!("the controller answers {status}")),
            Err(why) => LogAnswer::Away(why),
        }
    }

    /// What is missing, in the controller's words; empty: nothing.
    pub async fn missing(&self) -> Vec<String> {
        let asked = async {
            let (status, body) = self.ask("/readyz", HEALTH).await?;
            if status == StatusCode::OK {
                return Ok(Vec::new());
            }
            let bytes = axum::body::to_bytes(body, LONGEST).await;
            let text = bytes.map_err(|error| error.to_string())?;
            let text = String::from_utf8_lossy(&text).into_owned();
            let lines = text.lines().filter_map(|line| line.strip_prefix("[-] "));
            Ok::<_, String>(lines.map(|line| format!("controller: {line}")).collect())
        };
        match tokio::time::timeout(HEALTH, asked).await {
            Ok(Ok(missing)) => missing,
            Ok(Err(why)) => vec![why],
            Err(_) => vec!["the controller does not answer".to_owned()],
        }
    }

    async fn ask(&self, path: &str, limit: Duration) -> Result<(StatusCode, Body), String> {
        let uri: Uri = format!("{}{path}", self.url)
            .parse()
            .map_err(|_| "the controller's URL cannot be used".to_owned())?;
        let mut request = Request::get(uri);
        if let Some(token) = &self.token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {}", token.text()));
        }
        let request = request
            .body(Body::empty())
            .map_err(|error| error.to_string())?;
        let away = |why: &dyn std::fmt::Display| format!("the controller does not answer: {why}");
        let answered = tokio::time::timeout(limit, self.client.request(request)).await;
        let response = answered
            .map_err(|_| away(&format_args!("nothing within {} s", limit.as_secs())))?
            .map_err(|error| away(&error))?;
        let (head, body) = response.into_parts();
        Ok((head.status, Body::new(body)))
    }
}
