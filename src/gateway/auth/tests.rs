//! Callers and rights, before an API server that is a function.

use std::sync::atomic::{AtomicUsize, Ordering};

use axum::http::HeaderValue;
use http::{Request, Response};
use kube::client::Body;
use serde_json::{Value, json};
use tower::BoxError;

use super::*;

/// Requests that a review costs.
type Asked = Arc<AtomicUsize>;

/// An API server that knows the token `good` (of ann, for the audience `dillinger-gateway`), and lets ann list.
fn reviewing(answers: fn(&str, &Value) -> (u16, Value)) -> (Client, Asked) {
    let asked = Asked::default();
    let counted = asked.clone();
    let service = tower::service_fn(move |request: Request<Body>| {
        counted.fetch_add(1, Ordering::Relaxed);
        async move {
            let path = request.uri().path().to_owned();
            let bytes = request.into_body().collect_bytes().await?;
            let body: Value = serde_json::from_slice(&bytes)?;
            let (status, answer) = answers(&path, &body);
            let response = Response::builder().status(status);
            Ok::<_, BoxError>(response.body(Body::from(answer.to_string().into_bytes()))?)
        }
    });
    (Client::new(service, "default"), asked)
}

fn honest(path: &str, body: &Value) -> (u16, Value) {
    let mut answer = body.clone();
    if path.ends_with("/tokenreviews") {
        assert_eq!(body["spec"]["audiences"], json!(["dillinger-gateway"]));
        answer["status"] = match body["spec"]["token"].as_str() {
            Some("good") => json!({"authenticated": true, "audiences": ["dillinger-gateway"],
                "user": {"username": "ann", "uid": "1", "groups": ["players"]}}),
            // Valid, but for somebody else.
            Some("elsewhere") => {
                json!({"authenticated": true, "audiences": ["api"], "user": {"username": "ann"}})
            }
            _ => json!({"authenticated": false}),
        };
    } else {
        let spec = &body["spec"];
        assert_eq!(spec["user"], "ann");
        assert_eq!(spec["groups"], json!(["players"]));
        assert_eq!(spec["resourceAttributes"]["namespace"], "games");
        answer["status"] = json!({"allowed": spec["resourceAttributes"]["verb"] == "list"});
    }
    (201, answer)
}

fn auth(client: Client) -> Auth {
    let mode = Mode::Kubernetes {
        client,
        audience: "dillinger-gateway".to_owned(),
    };
    Auth::new(mode, "games".to_owned(), Limits::new(0))
}

async fn called(auth: &Auth, authorization: Option<&str>) -> Result<Arc<Caller>, Problem> {
    let mut headers = HeaderMap::new();
    if let Some(text) = authorization {
        headers.insert(header::AUTHORIZATION, HeaderValue::from_str(text).unwrap());
    }
    auth.caller(&headers, [127, 0, 0, 1].into()).await
}

fn right(verb: &'static str) -> Right {
    Right {
        verb,
        group: "dillinger.dev",
        resource: "gamesessions",
        subresource: "",
    }
}

#[tokio::test]
async fn only_a_valid_token_for_our_audience_is_somebody() {
    let (client, _) = reviewing(honest);
    let auth = auth(client);
    for text in [
        None,
        Some("Basic Zm9v"),
        Some("Bearer"),
        Some("Bearer "),
        Some("Bearer bad"),
        Some("Bearer elsewhere"),
    ] {
        let refused = called(&auth, text)
            .await
            .err()
            .map(|problem| problem.status.as_u16());
        assert_eq!(refused, Some(401), "{text:?}");
    }
    for text in ["Bearer good", "bearer good"] {
        let caller = called(&auth, Some(text)).await.ok().unwrap();
        assert_eq!(caller.user.as_deref(), Some("ann"));
    }
}

#[tokio::test]
async fn a_right_that_is_not_given_is_refused_by_name() {
    let (client, _) = reviewing(honest);
    let auth = auth(client);
    let caller = called(&auth, Some("Bearer good")).await.ok().unwrap();
    assert!(auth.allow(&caller, right("list")).await.is_ok());
    let refused = auth.allow(&caller, right("delete")).await.unwrap_err();
    assert_eq!(refused.status, 403);
    assert_eq!(
        refused.detail.as_deref(),
        Some("\"ann\" may not delete gamesessions.dillinger.dev in the namespace \"games\"")
    );
}

#[tokio::test(start_paused = true)]
async fn answers_are_remembered_for_ten_seconds_and_then_asked_for_again() {
    let (client, asked) = reviewing(honest);
    let auth = auth(client);
    let round = async || {
        for _ in 0..5 {
            let caller = called(&auth, Some("Bearer good")).await.ok().unwrap();
            assert!(auth.allow(&caller, right("list")).await.is_ok());
            assert!(called(&auth, Some("Bearer bad")).await.is_err());
        }
        asked.swap(0, Ordering::Relaxed)
    };
    assert_eq!(round().await, 3, "who, who not, and the right");
    assert_eq!(round().await, 0);
    tokio::time::advance(REMEMBERED).await;
    assert_eq!(round().await, 3);
}

#[tokio::test]
async fn a_doubt_lets_nobody_in_and_is_not_remembered() {
    let away = |_: &str, _: &Value| {
        let status = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": "etcd is away", "reason": "InternalError", "code": 500});
        (500, status)
    };
    let (client, asked) = reviewing(away);
    let auth = auth(client);
    for _ in 0..3 {
        let refused = called(&auth, Some("Bearer good")).await.err().unwrap();
        assert_eq!(
            (refused.status.as_u16(), refused.retry_after),
            (503, Some(1))
        );
    }
    assert_eq!(asked.load(Ordering::Relaxed), 3);
}

#[tokio::test(start_paused = true)]
async fn strangers_cost_the_api_server_no_more_than_the_limit() {
    let (client, asked) = reviewing(honest);
    let mode = Mode::Kubernetes {
        client,
        audience: "dillinger-gateway".to_owned(),
    };
    let auth = Auth::new(mode, "games".to_owned(), Limits::new(5));
    let mut codes = Vec::new();
    for number in 0..30 {
        let refused = called(&auth, Some(&format!("Bearer bad{number}")))
            .await
            .err()
            .unwrap();
        codes.push(refused.status.as_u16());
    }
    assert_eq!(codes[0], 401);
    assert_eq!(codes.last(), Some(&429));
    assert!(asked.load(Ordering::Relaxed) <= 11);
}
