//! What goes wrong, as a client is told: problem details (RFC 9457) beside the old runner's `error` and `message`.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use kube::core::Status;
use serde::Serialize;
use utoipa::ToSchema;

use super::old::now;

/// One failed request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    pub status: StatusCode,
    /// The old runner's word for it, which its clients compare with.
    pub error: String,
    /// What exactly, in a sentence that names the thing, the value and the rule.
    pub detail: Option<String>,
    /// Seconds after which it may be tried again.
    pub retry_after: Option<u32>,
    /// The session that the old backend's clients are told of.
    pub session_id: Option<String>,
}

/// What went wrong: problem details (RFC 9457), with the old runner's `error` and `message` beside them.
#[derive(Serialize, ToSchema)]
#[schema(as = Problem)]
pub struct Body {
    #[serde(rename = "type")]
    kind: &'static str,
    title: String,
    status: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
    /// The old runner's word for it.
    error: String,
    /// The same as `detail`.
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
    /// When, ISO 8601.
    timestamp: String,
    /// Under /api/runner: the session that was asked for.
    #[serde(rename = "sessionId", skip_serializing_if = "Option::is_none")]
    session_id: Option<String>,
}

impl Problem {
    pub fn new(status: StatusCode, error: &str, detail: Option<String>) -> Problem {
        Problem {
            status,
            error: error.to_owned(),
            detail,
            retry_after: None,
            session_id: None,
        }
    }

    /// 400: what the client sent cannot be used. The sentence is also the old `error`.
    pub fn bad_request(words: String) -> Problem {
        Problem::new(StatusCode::BAD_REQUEST, &words, None)
    }

    /// 404.
    pub fn not_found(error: &str, detail: String) -> Problem {
        Problem::new(StatusCode::NOT_FOUND, error, Some(detail))
    }

    /// 401: who calls is not known.
    pub fn unauthorized(detail: &str) -> Problem {
        Problem::new(
            StatusCode::UNAUTHORIZED,
            "unauthorized",
            Some(detail.to_owned()),
        )
    }

    /// 403: who calls may not.
    pub fn forbidden(detail: String) -> Problem {
        Problem::new(StatusCode::FORBIDDEN, "forbidden", Some(detail))
    }

    /// 429: worth another try after this wait.
    pub fn too_many(error: &str, detail: String, wait: std::time::Duration) -> Problem {
        let mut problem = Problem::new(StatusCode::TOO_MANY_REQUESTS, error, Some(detail));
        let seconds = wait.as_secs_f64().ceil().clamp(1.0, 3600.0);
        problem.retry_after = Some(seconds as u32);
        problem
    }

    /// 503: something that we need is away; worth another try.
    pub fn unavailable(error: &str, detail: String) -> Problem {
        let mut problem = Problem::new(StatusCode::SERVICE_UNAVAILABLE, error, Some(detail));
        problem.retry_after = Some(1);
        problem
    }

    /// What the API server answered to a write or a read; `error` is the old runner's word for the call.
    pub fn of_api(error: &str, answer: &kube::Error) -> Problem {
        match answer {
            kube::Error::Api(status) => Problem::of_status(error, status),
            other => {
                Problem::unavailable(error, format!("the API server does not answer: {other}"))
            }
        }
    }

    fn of_status(error: &str, said: &Status) -> Problem {
        let status = match said.code {
            400 | 401 | 403 | 404 | 409 | 413 | 422 | 429 => {
                StatusCode::from_u16(said.code).expect("one of those above")
            }
            500..600 => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::BAD_GATEWAY,
        };
        let mut problem = Problem::new(status, error, Some(said.message.clone()));
        if status == StatusCode::TOO_MANY_REQUESTS || status == StatusCode::SERVICE_UNAVAILABLE {
            let asked = said
                .details
                .as_ref()
                .map(|details| details.retry_after_seconds);
            problem.retry_after = Some(asked.filter(|seconds| *seconds > 0).unwrap_or(1));
        }
        problem
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = Json(Body {
            kind: "about:blank",
            title: self.status.canonical_reason().unwrap_or("Error").to_owned(),
            status: self.status.as_u16(),
            detail: self.detail.clone(),
            error: self.error,
            message: self.detail,
            timestamp: now(),
            session_id: self.session_id,
        });
        let mut response = (self.status, body).into_response();
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn api(code: u16, message: &str) -> kube::Error {
        let mut status = Status::failure(message, "Reason");
        status.code = code;
        kube::Error::Api(Box::new(status))
    }

    #[test]
    fn what_the_api_server_refuses_keeps_its_code_and_its_words() {
        for code in [400, 401, 403, 404, 409, 422] {
            let problem = Problem::of_api(
                "Failed to create session",
                &api(code, "gameRef is immutable"),
            );
            assert_eq!(problem.status.as_u16(), code);
            assert_eq!(problem.detail.as_deref(), Some("gameRef is immutable"));
            assert_eq!(problem.retry_after, None, "{code}");
        }
    }

    #[test]
    fn an_overloaded_or_broken_api_server_is_worth_another_try() {
        for (code, shown) in [(429, 429), (500, 503), (503, 503), (504, 503)] {
            let problem = Problem::of_api("Failed to list sessions", &api(code, "later"));
            assert_eq!(problem.status.as_u16(), shown);
            assert_eq!(problem.retry_after, Some(1));
        }
    }

    #[tokio::test]
    async fn a_problem_has_the_members_of_rfc_9457_and_the_old_ones() {
        let problem = Problem::unavailable(
            "Failed to list sessions",
            "the API server is away".to_owned(),
        );
        let response = problem.into_response();
        assert_eq!(response.headers()[header::RETRY_AFTER], "1");
        assert_eq!(
            response.headers()[header::CONTENT_TYPE],
            "application/problem+json"
        );
        let bytes = axum::body::to_bytes(response.into_body(), 4096)
            .await
            .unwrap();
        let mut body: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
        let stamp = body.as_object_mut().unwrap().remove("timestamp").unwrap();
        assert!(
            stamp.as_str().unwrap().parse::<jiff::Timestamp>().is_ok(),
            "{stamp}"
        );
        assert_eq!(
            body,
            serde_json::json!({
                "type": "about:blank", "title": "Service Unavailable", "status": 503,
                "detail": "the API server is away",
                "error": "Failed to list sessions", "message": "the API server is away",
            })
        );
    }
}
