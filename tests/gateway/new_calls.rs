//! Our own calls beside the old runner's.

use serde_json::json;

use crate::client::call;
use crate::example;
use crate::harness::until;
use crate::old_calls::until_catalog;
use crate::process;

#[tokio::test]
async fn lists_are_filtered_and_come_in_pages() {
    let (scene, controller, gateway) = process::scene("pages").await;
    scene.game(&example()).await;
    until_catalog(&gateway, 1).await;
    let mut made = Vec::new();
    for user in ["ann", "bob", "ann"] {
        let wish = call("POST /sessions").json(&json!({"gameId": "g", "userId": user}));
        let answer = gateway.ask(&wish.header("Prefer", "respond-async")).await;
        assert_eq!(answer.status, 202, "{answer:?}");
        let id = answer.json()["id"].as_str().expect("an id").to_owned();
        assert_eq!(answer.headers["location"], format!("/sessions/{id}"));
        made.push(id);
    }
    let ids = |answer: serde_json::Value| -> Vec<String> {
        let sessions = answer.as_array().expect("a list").clone();
        sessions
            .iter()
            .map(|one| one["id"].as_str().expect("an id").to_owned())
            .collect()
    };
    let all = ids(gateway.get("/sessions").await.json());
    assert_eq!(all.len(), 3);
    let of_ann = ids(gateway.get("/sessions?user=ann").await.json());
    assert_eq!(of_ann.len(), 2);
    assert!(!of_ann.contains(&made[1]));
    let mut paged = Vec::new();
    let mut path = "/sessions?game=example&limit=2".to_owned();
    loop {
        let page = gateway.get(&path).await;
        assert_eq!(page.status, 200, "{page:?}");
        paged.extend(ids(page.json()));
        let Some(link) = page.headers.get("link") else {
            assert!(!page.headers.contains_key("x-continue"));
            break;
        };
        let (target, _) = link
            .strip_prefix('<')
            .and_then(|l| l.split_once('>'))
            .expect("a link");
        assert!(target.ends_with(&page.headers["x-continue"]), "{target}");
        path = target.to_owned();
    }
    assert_eq!(paged, all);
    for query in ["limit=0", "status=ready", "continue=x", "nobody=knows"] {
        let refused = gateway.get(&format!("/sessions?{query}")).await;
        assert_eq!(refused.status, 400, "{query}");
        assert_eq!(refused.headers["content-type"], "application/problem+json");
    }
    let running = until("all run", || async {
        let running = ids(gateway.get("/sessions?status=running").await.json());
        (running.len() == 3).then_some(running)
    });
    assert_eq!(running.await, all);
    scene.close(controller).await;
}

#[tokio::test]
async fn a_session_is_stopped_and_started_with_its_storage() {
    let (scene, controller, gateway) = process::scene("stop-start").await;
    scene.game(&example()).await;
    until_catalog(&gateway, 1).await;
    let session = gateway.made(&json!({"gameId": "g"})).await;
    let id = session["id"].as_str().expect("an id");
    let volumes = scene.volumes().await.len();
    assert_eq!(volumes, 1);
    let path = format!("/sessions/{id}");
    let stopped = gateway.ask(&call(&format!("POST {path}/stop"))).await;
    assert_eq!(
        (stopped.status, &stopped.json()["desiredState"]),
        (200, &json!("Stopped"))
    );
    let until_status = |wanted: &'static str| {
        let (gateway, path) = (&gateway, &path);
        until(wanted, move || async move {
            let session = gateway.get(path).await.json();
            (session["status"] == wanted).then_some(session)
        })
    };
    let session = until_status("stopped").await;
    assert!(session["stopped"].is_string(), "{session:#}");
    assert!(session.get("address").is_none());
    assert_eq!(scene.volumes().await.len(), volumes);
    let started = gateway.ask(&call(&format!("POST {path}/start"))).await;
    assert_eq!(started.status, 200);
    let session = until_status("running").await;
    assert!(
        session["address"].is_string() && session["ready"] == true,
        "{session:#}"
    );
    for verb in ["stop", "start"] {
        let none = gateway
            .ask(&call(&format!("POST /sessions/none/{verb}")))
            .await;
        assert_eq!(none.status, 404);
    }
    scene.close(controller).await;
}

#[tokio::test]
async fn a_finished_session_is_not_started_again_in_the_api_servers_words() {
    let (scene, controller, gateway) = process::scene("finished").await;
    scene.game(&example().command(&["/no/such/program"])).await;
    until_catalog(&gateway, 1).await;
    let answer = gateway
        .ask(&call("POST /sessions").json(&json!({"gameId": "g"})))
        .await;
    let session = answer.json();
    assert_eq!(
        (answer.status, &session["status"]),
        (200, &json!("error")),
        "{session:#}"
    );
    assert!(
        session["error"]
            .as_str()
            .is_some_and(|words| !words.is_empty())
    );
    let path = format!("POST /sessions/{}", session["id"].as_str().expect("an id"));
    assert_eq!(
        gateway.ask(&call(&format!("{path}/stop"))).await.status,
        200
    );
    let refused = gateway.ask(&call(&format!("{path}/start"))).await;
    assert_eq!(refused.status, 422, "{refused:?}");
    let detail = refused.json()["detail"].as_str().expect("words").to_owned();
    assert!(
        detail.contains("the session has finished; create a new one"),
        "{detail}"
    );
    scene.close(controller).await;
}

#[tokio::test]
async fn the_same_key_makes_one_session() {
    let (scene, controller, gateway) = process::scene("idempotency").await;
    scene.game(&example()).await;
    until_catalog(&gateway, 1).await;
    let wish = |game: &str| {
        call("POST /sessions")
            .json(&json!({"gameId": game, "userId": "ann"}))
            .header("Idempotency-Key", "k1")
    };
    let friday = wish("friday");
    let (one, other) = tokio::join!(gateway.ask(&friday), gateway.ask(&friday));
    assert_eq!((one.status, other.status), (200, 200), "{one:?} {other:?}");
    assert_eq!(one.json()["id"], other.json()["id"]);
    let again = gateway.ask(&wish("friday")).await;
    assert_eq!(again.json()["id"], one.json()["id"]);
    let misused = gateway.ask(&wish("saturday")).await;
    assert_eq!(misused.status, 422, "{misused:?}");
    assert_eq!(
        gateway
            .get("/sessions")
            .await
            .json()
            .as_array()
            .map(Vec::len),
        Some(1)
    );
    scene.close(controller).await;
}

#[tokio::test]
async fn what_the_resource_does_not_allow_is_refused_in_the_api_servers_words() {
    let (scene, controller, gateway) = process::scene("refused").await;
    scene.game(&example()).await;
    until_catalog(&gateway, 1).await;
    let wish = call("POST /sessions").json(&json!({"gameId": "g", "userId": " ann"}));
    let refused = gateway.ask(&wish).await;
    assert_eq!(refused.status, 422, "{refused:?}");
    let problem = refused.json();
    assert_eq!(problem["error"], "Failed to create session");
    let detail = problem["detail"].as_str().expect("words");
    assert!(detail.contains("spec.user"), "{detail}");
    assert_eq!(problem["message"], problem["detail"]);
    // What a session is refused for later is told by the session.
    let missing = example().parameter(json!({"name": "MAP", "required": true}));
    scene.game(&missing).await;
    let session = until("the new Game is seen", || async {
        let answer = gateway
            .ask(
                &call("POST /sessions")
                    .json(&json!({"gameId": "g"}))
                    .header("Prefer", "respond-async"),
            )
            .await;
        let id = answer.json()["id"].as_str()?.to_owned();
        let found = until("it was looked at", || async {
            let session = gateway.get(&format!("/sessions/{id}")).await.json();
            session["reason"].as_str()?;
            Some(session)
        });
        let session = found.await;
        (session["reason"] == "ParametersInvalid").then_some(session)
    });
    let session = session.await;
    assert!(
        session["message"]
            .as_str()
            .is_some_and(|words| words.contains("MAP")),
        "{session:#}"
    );
    scene.close(controller).await;
}

#[tokio::test]
async fn limits_and_headers_are_kept() {
    let (scene, controller, gateway) = process::scene("limits").await;
    let listed = gateway
        .ask(&call("GET /sessions").header("X-Request-Id", "mine-1"))
        .await;
    assert_eq!(listed.headers["x-request-id"], "mine-1");
    assert_eq!(listed.headers["x-content-type-options"], "nosniff");
    assert!(gateway.log_text().contains("mine-1"));
    assert_eq!(
        gateway.get("/health").await.headers["x-request-id"].len(),
        36
    );
    let many = (0..80).fold(call("GET /sessions"), |call, n| {
        call.header(&format!("X-{n}"), "x")
    });
    assert_eq!(gateway.ask(&many).await.status, 431);
    for body in ["", "{", "[]", "\u{feff}{}", "null"] {
        let refused = gateway.ask(&call("POST /sessions").text(body)).await;
        assert_eq!(refused.status, 400, "{body:?}");
    }
    // A browser, led here by another page.
    let led = gateway
        .ask(&call("GET /sessions").header("Host", "evil.example"))
        .await;
    assert_eq!(led.status, 421);
    let led = gateway
        .ask(&call("POST /sessions").header("Origin", "http://evil.example"))
        .await;
    assert_eq!(led.status, 403);
    let page = "http://localhost:3001";
    let before = call("OPTIONS /sessions").header("Origin", page);
    let before = gateway
        .ask(&before.header("Access-Control-Request-Method", "POST"))
        .await;
    assert_eq!(
        before.headers["access-control-allow-origin"], page,
        "{before:?}"
    );
    assert!(before.headers["access-control-allow-methods"].contains("DELETE"));
    let asked = gateway
        .ask(&call("GET /sessions").header("Origin", page))
        .await;
    assert_eq!(
        (
            asked.status,
            asked.headers["access-control-allow-origin"].as_str()
        ),
        (200, page)
    );
    let described = gateway.get("/openapi.json").await.json();
    assert!(described["paths"]["/sessions"]["post"].is_object());
    scene.close(controller).await;
}

#[tokio::test]
async fn one_client_that_asks_too_much_is_told_when_to_come_back() {
    let (scene, controller, mut gateway) = process::scene("rate").await;
    let limited = process::Gateway::launch(&scene, &scene.world.kubeconfig, &["--rate-limit", "2"]);
    limited.until_health(200).await;
    let mut refused = None;
    for _ in 0..50 {
        let answer = limited.get("/sessions").await;
        if answer.status == 429 {
            refused = Some(answer);
            break;
        }
        assert_eq!(answer.status, 200);
    }
    let refused = refused.expect("50 requests at once are too many");
    assert_eq!(refused.json()["error"], "rate_limit_exceeded");
    assert!(
        refused.headers["retry-after"]
            .parse::<u32>()
            .is_ok_and(|seconds| seconds >= 1)
    );
    assert_eq!(limited.get("/health").await.status, 200);
    assert!(
        gateway.terminate().await.success(),
        "{}",
        gateway.log_text()
    );
    scene.close(controller).await;
}
