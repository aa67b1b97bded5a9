//! `GET /sessions/:id/logs`: what the game wrote, as text, line by line and made safe. From the controller for a Docker
//! Engine, from the API server for a Pod.

use std::convert::Infallible;
use std::sync::Arc;

use axum::Extension;
use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::io::AsyncBufReadExt;
use futures::stream::{self, BoxStream, Stream, StreamExt};
use k8s_openapi::api::core::v1::Pod;
use kube::api::LogParams;
use kube::{Api, ResourceExt};
use serde::Deserialize;
use utoipa::IntoParams;

use super::auth::Caller;
use super::backend::LogAnswer;
use super::line::Lines;
use super::problem::Problem;
use super::rights::POD_LOG;
use super::routes::Id;
use super::state::Gateway;
use crate::api::GameSession;
use crate::controller::log_port::MOST_LINES;
use crate::session::container;

const FAILED: &str = "Failed to get logs";
/// Lines without `tail`.
const LINES: u32 = 100;

/// The query of `GET /sessions/:id/logs`.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct LogQuery {
    /// So many of the last lines, at most 10000. Default: 100.
    #[param(value_type = Option<u32>, maximum = 10000)]
    tail: Option<u32>,
    /// Go on with what comes, until the game ends. Default: false.
    #[param(value_type = Option<bool>)]
    follow: Option<bool>,
}

type Chunks = BoxStream<'static, Bytes>;

/// What the game wrote: the last lines, and with `follow` what comes.
#[utoipa::path(
    get, path = "/sessions/{id}/logs", tag = "sessions",
    params(("id" = String, Path, description = "Id of the session"), LogQuery),
    responses(
        (status = 200, description = "Lines of text, made safe: no escape codes, no control characters, what is named as a secret masked", body = String, content_type = "text/plain"),
        (status = 400),
        (status = 404, description = "No such session, or it has no container now"),
        (status = 502, description = "The controller does not know this gateway"),
        (status = 501, description = "No controller was named to this gateway"),
        (status = 503),
    )
)]
pub async fn logs(
    State(gateway): State<Gateway>,
    Extension(caller): Extension<Arc<Caller>>,
    Id(id): Id,
    query: Result<Query<LogQuery>, QueryRejection>,
) -> Result<Response, Problem> {
    let Query(LogQuery { tail, follow }) =
        query.map_err(|error| Problem::bad_request(error.body_text()))?;
    let (tail, follow) = (tail.unwrap_or(LINES), follow.unwrap_or(false));
    if tail > MOST_LINES {
        let words = format!("tail: {tail} is more than {MOST_LINES}");
        return Err(Problem::bad_request(words));
    }
    let session = gateway.session(&caller, &id, FAILED)?.session;
    let runtime = session
        .status
        .as_ref()
        .and_then(|status| status.runtime.as_deref());
    let chunks = match runtime {
        Some("Pod") => of_pod(&gateway, &caller, &session, tail, follow).await?,
        Some(_) | None => of_engine(&gateway, &session, tail, follow).await?,
    };
    let until = tokio::time::sleep(gateway.stream_limit());
    let stop = gateway.stop.clone();
    let lines = safe(chunks)
        .take_until(until)
        .take_until(async move { stop.cancelled().await })
        .map(Ok::<_, Infallible>);
    let kind = [(header::CONTENT_TYPE, "text/plain; charset=utf-8")];
    Ok((kind, Body::from_stream(lines)).into_response())
}

async fn of_engine(
    gateway: &Gateway,
    session: &GameSession,
    tail: u32,
    follow: bool,
) -> Result<Chunks, Problem> {
    let backend = gateway
        .backend
        .as_ref()
        .filter(|backend| backend.has_token());
    let Some(backend) = backend else {
        let words =
            "no controller was named to this gateway (--controller-url, --controller-token-file)";
        return Err(Problem::new(
            StatusCode::NOT_IMPLEMENTED,
            FAILED,
            Some(words.to_owned()),
        ));
    };
    match backend
        .log(&session.uid().unwrap_or_default(), tail, follow)
        .await
    {
        LogAnswer::Log(body) => Ok(body.filter_map(async |chunk| chunk.ok()).boxed()),
        LogAnswer::Nothing => Err(nothing()),
        LogAnswer::Refused => {
            let words = "the controller does not know this gateway's token".to_owned();
            Err(Problem::new(StatusCode::BAD_GATEWAY, FAILED, Some(words)))
        }
        LogAnswer::Away(why) => Err(Problem::unavailable(FAILED, why)),
    }
}

async fn of_pod(
    gateway: &Gateway,
    caller: &Caller,
    session: &GameSession,
    tail: u32,
    follow: bool,
) -> Result<Chunks, Problem> {
    gateway.auth.allow(caller, POD_LOG).await?;
    let pods: Api<Pod> = Api::namespaced(caller.client.clone(), &gateway.namespace);
    let name = container::name(&session.name_any(), &session.uid().unwrap_or_default());
    let params = LogParams {
        follow,
        tail_lines: Some(tail.into()),
        ..LogParams::default()
    };
    let log = match pods.log_stream(&name, &params).await {
        Ok(log) => log,
        Err(kube::Error::Api(status)) if status.code == 404 => return Err(nothing()),
        Err(error) => return Err(Problem::of_api(FAILED, &error)),
    };
    let chunks = stream::unfold(Box::pin(log), |mut log| async move {
        let bytes = log.fill_buf().await.ok()?;
        let chunk = Bytes::copy_from_slice(bytes);
        if chunk.is_empty() {
            return None;
        }
        log.consume_unpin(chunk.len());
        Some((chunk, log))
    });
    Ok(chunks.boxed())
}

fn nothing() -> Problem {
    Problem::not_found("No log", "the session has no container now".to_owned())
}

/// The lines of a log that comes in chunks.
fn safe(chunks: Chunks) -> impl Stream<Item = Bytes> + Send {
    let state = (chunks, Some(Lines::default()));
    let lines = stream::unfold(state, |(mut chunks, lines)| async move {
        let mut lines = lines?;
        match chunks.next().await {
            Some(chunk) => Some((lines.feed(&chunk), (chunks, Some(lines)))),
            None => Some((lines.end(), (chunks, None))),
        }
    });
    lines.filter(|bytes| std::future::ready(!bytes.is_empty()))
}

#[cfg(test)]
mod tests {
    use http::{Request, Response};
    use kube::Client;
    use kube::client::Body as KubeBody;
    use serde_json::json;
    use tower::BoxError;

    use super::super::fixtures;
    use super::*;

    #[tokio::test]
    async fn a_log_comes_in_whole_lines_to_its_last_word() {
        let chunks =
            ["on", "e\ntw", "o\n", "three"].map(|text| Bytes::from_static(text.as_bytes()));
        let lines: Vec<Bytes> = safe(stream::iter(chunks).boxed()).collect().await;
        assert_eq!(lines, ["one\n", "two\n", "three\n"]);
    }

    /// A gateway whose one session, `friday`, runs on this runtime, and whose API server gives this log.
    fn gateway(runtime: &str) -> Gateway {
        let service = tower::service_fn(|request: Request<KubeBody>| async move {
            let uri = request.uri();
            let name = container::name("friday", "u-1");
            assert_eq!(
                uri.path(),
                format!("/api/v1/namespaces/games/pods/{name}/log")
            );
            let query = uri.query().unwrap_or_default();
            assert!(
                query.contains("follow=true") && query.contains("tailLines=7"),
                "{query}"
            );
            let body = KubeBody::from(b"\x1b[31mred\x1b[0m\ntoken=abc".to_vec());
            Ok::<_, BoxError>(Response::new(body))
        });
        let gateway = fixtures::gateway(Client::new(service, "games"));
        gateway.mirror.saw_session(fixtures::session(json!({
            "metadata": {"name": "friday", "namespace": "games", "uid": "u-1", "resourceVersion": "1"},
            "spec": {"gameRef": {"name": "chess"}, "user": "ann"},
            "status": {"phase": "Running", "runtime": runtime},
        })));
        gateway
    }

    async fn asked(gateway: Gateway) -> Result<Response<Body>, Problem> {
        let peer = [127, 0, 0, 1].into();
        let caller = gateway.auth.caller(&http::HeaderMap::new(), peer).await?;
        let query = LogQuery {
            tail: Some(7),
            follow: Some(true),
        };
        let id = Id("friday".to_owned());
        logs(State(gateway), Extension(caller), id, Ok(Query(query))).await
    }

    #[tokio::test]
    async fn the_log_of_a_pod_is_the_api_servers_and_made_safe() {
        let response = asked(gateway("Pod")).await.unwrap();
        let text = axum::body::to_bytes(response.into_body(), 1 << 16)
            .await
            .unwrap();
        assert_eq!(text, "red\ntoken=***\n");
    }

    #[tokio::test]
    async fn without_a_controller_there_is_no_log_of_an_engine_and_it_says_which_flags() {
        let refused = asked(gateway("Docker")).await.unwrap_err();
        assert_eq!(refused.status, 501);
        assert!(refused.detail.unwrap().contains("--controller-url"));
    }
}
