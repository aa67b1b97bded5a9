//! Manifests as large and as deep as an API server takes them, and larger; every number at every border.

use serde_json::{Value, json};

use super::{games, judge, session, way};
use crate::api::GameSession;
use crate::controller::guard::Guarded;
use crate::session::reason::Reason;

/// What etcd takes of one object, and so the largest that comes.
const LARGEST: usize = 1_500_000;

fn refused(session: &Value, game: &Value) -> Reason {
    judge(session, game).unwrap();
    let read = way(&session.to_string(), &game.to_string()).expect("it can be read");
    read.made.expect_err("it is refused").reason
}

fn size(session: &Value, game: &Value) -> usize {
    judge(session, game).unwrap();
    let read = way(&session.to_string(), &game.to_string()).expect("it can be read");
    let (_, _, body) = read.made.expect("it is made");
    serde_json::to_string(&body).unwrap().len()
}

fn with(path: &str, value: Value) -> Value {
    let mut session = session();
    *session.pointer_mut(path).expect("a field") = value;
    session
}

fn parameters(count: usize) -> Value {
    let all = (0..count).map(|n| json!({"name": format!("P{n}"), "value": n.to_string()}));
    all.collect()
}

#[test]
fn ten_thousand_parameters_that_no_game_has_are_one_refusal() {
    for game in games() {
        let wish = with("/spec/parameters", parameters(10_000));
        assert_eq!(refused(&wish, &game), Reason::ParametersInvalid);
    }
}

#[test]
fn one_parameter_set_ten_thousand_times_makes_no_larger_container() {
    let again: Value = vec![json!({"name": "MAP", "value": "dm1"}); 10_000].into();
    for game in games() {
        let once = size(&session(), &game);
        assert_eq!(size(&with("/spec/parameters", again.clone()), &game), once);
    }
}

#[test]
fn a_thousand_parameters_of_a_game_that_has_them_are_read_though_the_schema_lets_64_through() {
    let mut game = games().remove(0);
    game["spec"]["parameters"] = parameters(1000);
    size(&with("/spec/parameters", parameters(1000)), &game);
}

#[test]
fn a_value_of_a_megabyte_and_a_half_goes_nowhere_it_does_not_fit() {
    let value = "x".repeat(LARGEST);
    let wish = with("/spec/parameters/0/value", json!(value));
    for game in &games()[1..] {
        assert_eq!(refused(&wish, game), Reason::GameInvalid);
    }
    // No text of this Game names the parameter.
    assert!(size(&wish, &games()[0]) < 8 * 1024);
    for path in [
        "/spec/user",
        "/metadata/annotations/dillinger.dev~1contract",
    ] {
        judge(
            &with(path, json!("\u{202e}".repeat(LARGEST / 3))),
            &games()[1],
        )
        .unwrap();
    }
}

#[test]
fn texts_of_a_game_do_not_multiply_past_what_a_kernel_takes() {
    let mut game = games().remove(1);
    game["spec"]["args"] = json!(vec!["$(MAP)".repeat(600); 64]);
    let wish = with("/spec/parameters/0/value", json!("x".repeat(4096)));
    assert_eq!(refused(&wish, &game), Reason::GameInvalid);
    game["spec"]["readiness"]["exchange"]["send"] = json!("x".repeat(LARGEST));
    assert_eq!(refused(&session(), &game), Reason::GameInvalid);
}

#[test]
fn patterns_that_are_long_deep_or_grow_are_refused_or_compiled_in_bounded_memory() {
    let mut game = games().remove(2);
    for pattern in [
        "a".repeat(LARGEST),
        "(".repeat(LARGEST),
        "(a|".repeat(1000),
        format!("{}a{}", "(".repeat(200), "){100}".repeat(200)),
        "a{1,1000}".repeat(100),
        r"(?u)\w{500}".to_owned(),
        "(a*)*(b*)*".repeat(20),
    ] {
        game["spec"]["parameters"][0]["pattern"] = json!(pattern);
        let wish = with("/spec/parameters/0/value", json!("a".repeat(4096)));
        judge(&wish, &game).unwrap();
        game["spec"]["readiness"]["log"]["pattern"] = json!(pattern);
        judge(&session(), &game).unwrap();
    }
}

#[test]
fn a_depth_of_a_hundred_thousand_lists_is_an_object_that_cannot_be_read_or_a_field_passed_over() {
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let of = |field: &str| {
        let metadata = r#""metadata":{"name":"friday","uid":"u-1"}"#;
        let spec = format!(r#"{{"gameRef":{{"name":"g"}},"user":"alice","{field}":{deep}}}"#);
        format!(r#"{{{metadata},"spec":{spec}}}"#)
    };
    let unknown: Guarded<GameSession> = serde_json::from_str(&of("never")).unwrap();
    assert!(unknown.read().is_some());
    for field in [
        "parameters",
        "resources",
        "runtime",
        "ttlSecondsAfterFinished",
    ] {
        let known: Guarded<GameSession> = serde_json::from_str(&of(field)).unwrap();
        assert!(known.read().is_none(), "{field}");
    }
}

fn numbers(value: &Value, here: String, found: &mut Vec<String>) {
    match value {
        Value::Number(_) => found.push(here),
        Value::Object(fields) => {
            for (key, inner) in fields {
                numbers(inner, format!("{here}/{key}"), found);
            }
        }
        Value::Array(items) => {
            for (index, inner) in items.iter().enumerate() {
                numbers(inner, format!("{here}/{index}"), found);
            }
        }
        Value::Null | Value::Bool(_) | Value::String(_) => {}
    }
}

/// Both sides of every border that a number in a manifest can meet.
fn borders() -> Vec<Value> {
    let near = |n: i128| [n - 1, n, n + 1];
    let all = [0, 1 << 16, 1 << 31, 1 << 63]
        .into_iter()
        .flat_map(near)
        .flat_map(|n: i128| [n, -n]);
    let whole = all.filter_map(|n| serde_json::from_str(&n.to_string()).ok());
    whole
        .chain([json!(0.5), json!(1e300), json!(-0.0)])
        .collect()
}

#[test]
fn every_number_at_every_border_is_refused_or_harmless() {
    let mut tried = 0;
    let wish = session();
    for game in games() {
        let mut places = Vec::new();
        numbers(&wish, String::new(), &mut places);
        let of_session = places.len();
        numbers(&game, String::new(), &mut places);
        for (index, place) in places.iter().enumerate() {
            for border in borders() {
                let (mut wish, mut game) = (wish.clone(), game.clone());
                let manifest = if index < of_session {
                    &mut wish
                } else {
                    &mut game
                };
                *manifest.pointer_mut(place).expect("a number") = border;
                judge(&wish, &game).unwrap_or_else(|why| panic!("{place}: {why}\n{wish}\n{game}"));
                tried += 1;
            }
        }
    }
    assert!(tried > 500, "{tried}");
}
