//! The service as a whole, before an API server that says no.

use axum::body::{Body, to_bytes};
use http::Response as Answer;
use kube::client::Body as KubeBody;
use serde_json::{Value, json};
use tower::{BoxError, ServiceExt};

use super::super::fixtures;
use super::*;

/// An API server that says no to everything.
fn closed() -> Client {
    let service = tower::service_fn(|_: http::Request<KubeBody>| async {
        let status = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": "no", "reason": "Forbidden", "code": 403});
        let answer = Answer::builder().status(403);
        Ok::<_, BoxError>(answer.body(KubeBody::from(status.to_string().into_bytes()))?)
    });
    Client::new(service, "games")
}

async fn asked(gateway: Gateway, request: http::request::Builder, body: Body) -> Response {
    let request = request.header("host", "localhost:3002");
    let request = request.body(body).unwrap();
    router(gateway).oneshot(request).await.unwrap()
}

async fn open(request: http::request::Builder) -> Response {
    asked(fixtures::gateway(closed()), request, Body::empty()).await
}

async fn told_problem(response: Response) -> Value {
    assert_eq!(
        response.headers()[header::CONTENT_TYPE],
        "application/problem+json"
    );
    let bytes = to_bytes(response.into_body(), 1 << 16).await.unwrap();
    serde_json::from_slice(&bytes).unwrap()
}

#[tokio::test]
async fn what_is_not_there_is_told_as_a_problem_in_the_old_words() {
    let response = open(http::Request::get("/no/such/page")).await;
    assert_eq!(response.status(), 404);
    assert_eq!(told_problem(response).await["error"], "not_found");
    let response = open(http::Request::put("/sessions")).await;
    assert_eq!(response.status(), 405);
    told_problem(response).await;
    let response = open(http::Request::get("/sessions/none")).await;
    assert_eq!(response.status(), 404);
    assert_eq!(told_problem(response).await["error"], "Session not found");
}

#[tokio::test]
async fn an_id_that_is_no_text_is_no_sessions_and_is_told_as_a_problem() {
    for path in [
        "/sessions/%ff",
        "/api/runner/sessions/%ff",
        "/sessions/%ff/logs",
    ] {
        let response = open(http::Request::get(path)).await;
        assert_eq!(response.status(), 404, "{path}");
        assert_eq!(told_problem(response).await["error"], "Session not found");
    }
}

#[tokio::test]
async fn every_answer_carries_an_id_and_is_not_sniffed() {
    let response = open(http::Request::get("/sessions").header("x-request-id", "mine")).await;
    assert_eq!(response.headers()["x-request-id"], "mine");
    assert_eq!(response.headers()["x-content-type-options"], "nosniff");
    let response = open(http::Request::get("/nothing")).await;
    assert_eq!(response.headers()["x-request-id"].len(), 36);
}

#[tokio::test]
async fn what_the_api_server_refuses_is_refused() {
    let game = json!({"metadata": {"name": "example", "namespace": "games", "resourceVersion": "1"}, "spec": {"image": "a/b:1"}});
    let gateway = fixtures::gateway(closed());
    let game = serde_json::from_str(&game.to_string()).unwrap();
    gateway
        .mirror
        .saw_game(crate::controller::watches::Saw::Found(game));
    let response = asked(
        gateway,
        http::Request::post("/sessions"),
        Body::from(r#"{"gameId":"g"}"#),
    )
    .await;
    assert_eq!(response.status(), 403);
    let problem = told_problem(response).await;
    assert_eq!(
        (&problem["error"], &problem["detail"]),
        (&json!("Failed to create session"), &json!("no"))
    );
}

#[tokio::test]
async fn a_body_that_is_too_large_is_refused_before_it_is_read() {
    let body = Body::from("x".repeat(LARGEST_BODY + 1));
    let response = asked(
        fixtures::gateway(closed()),
        http::Request::post("/sessions"),
        body,
    )
    .await;
    assert_eq!(response.status(), 413);
    told_problem(response).await;
}

#[tokio::test]
async fn a_page_that_may_use_the_service_is_told_so_and_another_is_refused() {
    let page = "http://localhost:3001";
    let response = open(http::Request::get("/sessions").header("origin", page)).await;
    assert_eq!(response.headers()["access-control-allow-origin"], page);
    let before = http::Request::options("/sessions")
        .header("origin", page)
        .header("access-control-request-method", "DELETE");
    let response = open(before).await;
    assert!(response.status().is_success());
    assert_eq!(response.headers()["access-control-allow-origin"], page);
    let response =
        open(http::Request::get("/sessions").header("origin", "http://evil.example")).await;
    assert_eq!(response.status(), 403);
}

#[tokio::test]
async fn until_both_lists_came_reads_say_that_they_cannot_know() {
    let gateway = fixtures::gateway(closed());
    let mut inner = Arc::into_inner(gateway.0).unwrap();
    inner.mirror = Mirror::default();
    let gateway = Gateway(Arc::new(inner));
    for path in [
        "/sessions",
        "/sessions/a",
        "/containers",
        "/games",
        "/events",
        "/sessions/a/logs",
    ] {
        let response = asked(gateway.clone(), http::Request::get(path), Body::empty()).await;
        assert_eq!(response.status(), 503, "{path}");
        assert_eq!(response.headers()["retry-after"], "1");
    }
}

#[tokio::test]
async fn with_authentication_nothing_but_health_and_description_is_open() {
    for (method, path) in doc::calls() {
        let mode = Mode::Kubernetes {
            client: closed(),
            audience: "dillinger-gateway".to_owned(),
        };
        let request = http::Request::builder()
            .method(&*method)
            .uri(path.replace("{id}", "a"));
        let response = asked(fixtures::gateway_with(mode), request, Body::empty()).await;
        let status = response.status().as_u16();
        match path.as_str() {
            // Its watches are not followed in this test.
            "/health" => assert_eq!(status, 503),
            "/openapi.json" | "/api/runner/health" => assert_eq!(status, 200),
            _ => {
                assert_eq!(status, 401, "{method} {path}");
                assert_eq!(response.headers()["www-authenticate"], "Bearer");
            }
        }
    }
}

#[tokio::test]
async fn every_call_that_is_described_is_served() {
    for (method, path) in doc::calls() {
        let request = http::Request::builder()
            .method(&*method)
            .uri(path.replace("{id}", "a"));
        let response = open(request).await;
        let status = response.status().as_u16();
        assert_ne!(status, 405, "{method} {path}");
        if status == 404 {
            assert_eq!(
                told_problem(response).await["error"],
                "Session not found",
                "{method} {path}"
            );
        }
    }
}
