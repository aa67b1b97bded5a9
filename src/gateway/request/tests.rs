//! What a request becomes.

use serde_json::json;

use super::*;

fn game(name: &str, parameters: &[&str]) -> Game {
    let parameters: Vec<Value> = parameters
        .iter()
        .map(|name| json!({"name": name}))
        .collect();
    let game = json!({
        "apiVersion": "dillinger.dev/v1alpha1", "kind": "Game", "metadata": {"name": name},
        "spec": {"image": "example/game:1", "parameters": parameters},
    });
    serde_json::from_value(game).unwrap()
}

fn asked(body: Value) -> Asked {
    Asked::parse(body.to_string().as_bytes()).unwrap()
}

fn refused(body: &str) -> String {
    let problem = Asked::parse(body.as_bytes()).unwrap_err();
    assert_eq!(problem.status, 400);
    problem.error
}

fn made(body: Value, games: &[&Game]) -> GameSession {
    asked(body.clone())
        .session("id", &asked(body).user(None, false).unwrap(), games)
        .unwrap()
}

#[test]
fn a_request_without_a_game_id_is_refused_in_the_old_words() {
    for body in ["{}", r#"{"gameId":""}"#, r#"{"gameId":null}"#] {
        assert_eq!(refused(body), "gameId is required");
    }
}

#[test]
fn what_cannot_be_read_names_the_member_the_value_and_the_rule() {
    assert_eq!(refused("[]"), "the body is no JSON object");
    assert!(refused("{").starts_with("the body is no JSON: "));
    assert_eq!(refused(r#"{"gameId":7}"#), "gameId: 7 is not a text");
    assert_eq!(
        refused(r#"{"gameId":"a","userId":[]}"#),
        "userId: [] is not a text"
    );
    assert_eq!(
        refused(r#"{"gameId":"a","gameConfig":"x"}"#),
        "gameConfig: \"x\" is not an object"
    );
    let large = json!({"gameId": "a", "gameConfig": {"x": "y".repeat(20_000)}});
    assert_eq!(
        refused(&large.to_string()),
        "gameConfig has 20008 bytes; the most is 16384"
    );
}

#[test]
fn the_type_names_the_game_else_the_game_id_does_else_it_is_the_example() {
    let (example, chess, retro) = (game("example", &[]), game("chess", &[]), game("retro", &[]));
    let all = [&example, &chess, &retro];
    let chosen = |body| made(body, &all).spec.game_ref.name;
    assert_eq!(
        chosen(json!({"gameId": "chess", "gameConfig": {"type": "retro"}})),
        "retro"
    );
    assert_eq!(
        chosen(json!({"gameId": "chess", "gameConfig": {}})),
        "chess"
    );
    assert_eq!(
        chosen(json!({"gameId": "chess"})),
        "example",
        "the old default is a type"
    );
    assert_eq!(
        chosen(json!({"gameId": "My Game!", "gameConfig": {}})),
        "example"
    );
}

#[test]
fn a_game_that_is_not_there_is_404_with_the_nearest_names() {
    let chess = game("chess", &[]);
    let body = json!({"gameId": "a", "gameConfig": {"type": "ches"}});
    let problem = asked(body).session("id", "ann", &[&chess]).unwrap_err();
    assert_eq!(problem.status, 404);
    assert_eq!(problem.error, "Game not found");
    assert_eq!(
        problem.detail.as_deref(),
        Some("the catalog has no game \"ches\": did you mean \"chess\"?")
    );
    let none = asked(json!({"gameId": "a"}))
        .session("id", "ann", &[])
        .unwrap_err();
    assert_eq!(
        none.detail.as_deref(),
        Some("the catalog has no game \"example\": it is empty")
    );
}

#[test]
fn members_become_declared_parameters_and_the_others_are_named_in_warnings() {
    let game = game("example", &["GAME_ID", "MAX_PLAYERS", "SERVER_NAME", "PVP"]);
    let session = made(
        json!({"gameId": "friday night", "userId": "ann", "gameConfig": {
            "type": "example", "maxPlayers": 8, "server-name": "home", "pvp": true, "colour": "red",
        }}),
        &[&game],
    );
    let mut set: Vec<(String, String)> = session
        .spec
        .parameters
        .clone()
        .unwrap()
        .into_iter()
        .map(|one| (one.name, one.value))
        .collect();
    set.sort();
    let text = |a: &str, b: &str| (a.to_owned(), b.to_owned());
    assert_eq!(
        set,
        [
            text("GAME_ID", "friday night"),
            text("MAX_PLAYERS", "8"),
            text("PVP", "true"),
            text("SERVER_NAME", "home"),
        ]
    );
    assert_eq!(session.spec.user, "ann");
    let kept = Kept::of(&session);
    assert_eq!(kept.game_id, "friday night");
    assert_eq!(kept.game_config["colour"], "red");
    assert_eq!(
        kept.warnings,
        ["gameConfig.colour is ignored: the game example has no parameter COLOUR"]
    );
    assert_eq!(
        session.metadata.finalizers,
        Some(vec![FINALIZER.to_owned()])
    );
}

#[test]
fn however_many_members_are_ignored_few_are_named() {
    let game = game("example", &[]);
    let members = (0..500).map(|n| (format!("m{n}"), json!(n)));
    let mut config: Map<String, Value> = members.collect();
    config.insert("type".to_owned(), json!("example"));
    let kept = Kept::of(&made(
        json!({"gameId": "a", "gameConfig": config}),
        &[&game],
    ));
    assert_eq!(kept.warnings.len(), MOST_WARNINGS + 1);
    assert_eq!(
        kept.warnings[MOST_WARNINGS],
        "480 more members of gameConfig are ignored"
    );
    let long = json!({"gameId": "x".repeat(LARGEST_ID + 1)}).to_string();
    assert_eq!(refused(&long), "gameId has 1025 bytes; the most is 1024");
}

#[test]
fn a_declared_parameter_takes_a_single_value_only() {
    let game = game("example", &["MAPS"]);
    let body = json!({"gameId": "a", "gameConfig": {"type": "example", "maps": ["dm1"]}});
    let problem = asked(body).session("id", "ann", &[&game]).unwrap_err();
    assert_eq!(
        problem.error,
        "gameConfig.maps: [\"dm1\"] is not a text, a number, true or false"
    );
}

#[test]
fn a_session_made_by_kubectl_is_described_by_its_game() {
    let session = GameSession::new("friday", spec("chess", "ann", Vec::new()));
    let kept = Kept::of(&session);
    assert_eq!(
        (kept.game_id.as_str(), &kept.game_config),
        ("chess", &json!({"type": "chess"}))
    );
}

#[test]
fn who_plays_is_named_by_the_request_else_it_is_the_sender_else_somebody() {
    let unnamed = asked(json!({"gameId": "a"}));
    let named = asked(json!({"gameId": "a", "userId": "bob"}));
    assert_eq!(unnamed.user(None, false).unwrap(), "dev-user");
    assert_eq!(unnamed.user(Some("ann"), true).unwrap(), "ann");
    assert_eq!(named.user(Some("ann"), false).unwrap(), "bob");
    assert_eq!(named.user(Some("bob"), true).unwrap(), "bob");
    let refused = named.user(Some("ann"), true).unwrap_err();
    assert_eq!(refused.status, 403);
    assert!(
        refused
            .detail
            .unwrap()
            .starts_with("userId: \"bob\" is not \"ann\"")
    );
}
