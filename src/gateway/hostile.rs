//! Whatever a client sends and whatever a resource holds: an answer, never a panic, and never more than its bounds.

use kube::ResourceExt;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::list::Query;
use super::old::{Container, Session};
use super::request::{Asked, REQUEST};
use crate::api::{Game, GameSession};
use crate::hostile::{any_json, cases, edited, edits, text};

/// The largest annotation that we make: JSON may write a byte as six.
const LARGEST_ANNOTATION: usize = 128 * 1024;

fn example() -> Game {
    let game = json!({
        "metadata": {"name": "example"},
        "spec": {"image": "example/game:1", "parameters": [{"name": "GAME_ID"}, {"name": "MAX_PLAYERS"}, {"name": "VALUE"}]},
    });
    serde_json::from_value(game).unwrap()
}

fn request() -> Value {
    json!({"gameId": "friday", "userId": "ann",
        "gameConfig": {"type": "example", "maxPlayers": 8, "value": "x", "name": "y"}})
}

fn session() -> Value {
    json!({
        "apiVersion": "dillinger.dev/v1alpha1", "kind": "GameSession",
        "metadata": {"name": "friday", "uid": "u", "creationTimestamp": "2026-11-26T20:00:00Z",
            "annotations": {"dillinger.dev/rest-request":
                r#"{"gameId":"friday","gameConfig":{"type":"chess"},"warnings":["x"]}"#}},
        "spec": {"gameRef": {"name": "chess"}, "user": "ann"},
        "status": {
            "phase": "Running", "address": "127.0.0.1:7007", "attempt": 0, "restarts": 1,
            "attemptTime": "2026-11-26T20:00:00Z", "startTime": "2026-11-26T20:00:02Z",
            "container": {"id": "c0ffee", "name": "n", "image": "i:1", "startTime": "2026-11-26T20:00:01.5Z"},
            "endpoints": [{"name": "game", "protocol": "TCP", "host": "127.0.0.1", "port": 7007}],
            "lastExit": {"reason": "Error", "finishTime": "2026-11-26T20:00:01Z"},
            "conditions": [{"type": "Ready", "status": "True", "reason": "Ready", "message": "",
                "lastTransitionTime": "2026-11-26T20:00:02Z"}],
        },
    })
}

fn body() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => edits(4).prop_map(|edits| edited(request(), "", &edits).to_string().into_bytes()),
        1 => any_json().prop_map(|body| body.to_string().into_bytes()),
        1 => proptest::collection::vec(any::<u8>(), 0..64),
    ]
}

proptest! {
    #![proptest_config(cases(256))]

    #[test]
    fn whatever_a_body_holds_it_is_a_session_of_bounded_size_or_a_refusal(body in body()) {
        let example = example();
        let made = Asked::parse(&body).and_then(|asked| {
            let user = asked.user(None, false)?;
            asked.session("id", &user, &[&example])
        });
        match made {
            Ok(session) => {
                prop_assert_eq!(&session.spec.game_ref.name, "example");
                prop_assert!(session.annotations()[REQUEST].len() <= LARGEST_ANNOTATION);
                let shown = Session::of(&session);
                prop_assert!(shown.warnings.len() <= 21, "{:?}", shown.warnings);
                prop_assert!(shown.warnings.iter().all(|one| !one.chars().any(char::is_control)));
            }
            Err(problem) => {
                prop_assert!([400, 404].contains(&problem.status.as_u16()), "{:?}", problem);
                prop_assert!(problem.error.len() < 4096, "{} bytes", problem.error.len());
            }
        }
    }

    #[test]
    fn whatever_a_resource_holds_it_is_shown_as_json(edits in edits(4)) {
        let edited = edited(session(), "", &edits);
        if let Ok(session) = serde_json::from_value::<GameSession>(edited) {
            let shown = serde_json::to_string(&Session::of(&session)).unwrap();
            prop_assert!(serde_json::from_str::<Value>(&shown).is_ok());
            let _ = Container::of(&session);
        }
    }

    #[test]
    fn whatever_a_query_holds_it_is_read_or_refused(
        user in proptest::option::of(text()), status in proptest::option::of(text()),
        limit in proptest::option::of(text()), after in proptest::option::of(prop_oneof![text(), "-?[0-9]{1,20}\\.[a-z]{0,3}"]),
    ) {
        let query = Query { user, game: None, status, limit, after };
        match query.read() {
            Ok(wanted) => {
                let page = wanted.page(vec![std::sync::Arc::new(serde_json::from_value::<GameSession>(session()).unwrap())]);
                prop_assert!(page.sessions.len() <= 1 && page.next.is_none());
            }
            Err(problem) => prop_assert_eq!(problem.status.as_u16(), 400),
        }
    }
}
