//! Every bound of every field, found in the schema: one object at the bound is accepted, one past it refused.

use dillinger_runner::api::Quantity;
use serde_json::{Value, json};

use crate::keywords::{BOUNDS, DECIDE, UNBOUND};
use crate::objects;
use crate::schema::{Field, fields, places};
use crate::server::{Cause, Kind, Server, assert_accepted, assert_refused};

/// One object to try, made from a valid one by putting `value` at a place.
struct Trial {
    what: String,
    value: Value,
    /// The field and the words of the refusal; None: it is accepted.
    refused: Option<(String, String)>,
}

/// What patterns accept and refuse, beyond the values of the objects.
struct Pattern {
    pattern: &'static str,
    accepted: &'static [&'static str],
    refused: &'static [&'static str],
}

const PATTERNS: &[Pattern] = &[
    Pattern {
        pattern: "^[!-~]+$",
        accepted: &["a", "registry.example:5000/a/b:1", "a@sha256:0"],
        refused: &["a b", "a\n", "ä", "\t"],
    },
    Pattern {
        pattern: "^[A-Za-z_][A-Za-z0-9_]*$",
        accepted: &["A", "_a9"],
        refused: &["", "9A", "A-B", "A=B", "A\n", "A B"],
    },
    Pattern {
        pattern: "^[A-Z][A-Z0-9_]*$",
        accepted: &["A", "A_9"],
        refused: &["", "a", "_A", "9A", "A-B", "A\n"],
    },
    Pattern {
        pattern: "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$",
        accepted: &["a", "0", "a-b"],
        refused: &["A", "-a", "a-", "a_b", "a.b", "a\n"],
    },
    Pattern {
        pattern: "^/[!-~]*$",
        accepted: &["/", "/a?b=c"],
        refused: &["", "a", "/a b", "/\n"],
    },
    Pattern {
        pattern: "^/[!-~]+$",
        accepted: &["/a", "/a/b"],
        refused: &["", "/", "a", "/a b", "/a\n"],
    },
    Pattern {
        pattern: "^([0-9a-fA-F]{2})+$",
        accepted: &["00", "aF09"],
        refused: &["", "0", "0g", "00 00"],
    },
    Pattern {
        pattern: r"^[^\s\pC]([^\pC]*[^\s\pC])?$",
        accepted: &["a", "Ada Lovelace", "周杰倫", "a\"b'c"],
        refused: &[
            " a",
            "a ",
            "a\nb",
            "a\u{0}b",
            "a\u{200b}",
            "a\u{202e}b",
            "\u{7f}",
        ],
    },
];

/// A text of `length` characters that the pattern takes.
fn filler(length: usize, pattern: Option<&str>) -> String {
    let (first, rest) = match pattern {
        Some(pattern) if pattern.starts_with("^/") => ('/', 'a'),
        Some(pattern) if pattern.starts_with("^[A-Z]") => ('A', 'A'),
        Some(pattern) if pattern.contains("{2}") => ('0', '0'),
        _ => ('a', 'a'),
    };
    let text: String = std::iter::once(first)
        .chain(std::iter::repeat_n(rest, length.saturating_sub(1)))
        .take(length)
        .collect();
    if let Some(pattern) = pattern
        && length > 0
    {
        assert!(
            regex::Regex::new(pattern).unwrap().is_match(&text),
            "no text of {length} characters for {pattern}"
        );
    }
    text
}

fn trials(field: &Field, place: &str, base: &Value) -> Vec<Trial> {
    let schema = &field.schema;
    let mut trials = Vec::new();
    let mut accept = |what: &str, value: Value| {
        trials.push(Trial {
            what: what.to_owned(),
            value,
            refused: None,
        });
    };
    let mut refusals: Vec<(String, Value, String, String)> = Vec::new();
    let mut refuse = |what: &str, value: Value, at: &str, words: String| {
        refusals.push((what.to_owned(), value, at.to_owned(), words));
    };
    let number = |name: &str| schema[name].as_f64().map(|n| n as i64);
    let size = |name: &str| schema[name].as_u64().map(|n| usize::try_from(n).unwrap());
    let pattern = schema["pattern"].as_str();

    if let Some(least) = number("minimum") {
        accept("minimum", least.into());
        let words = format!("should be greater than or equal to {least}");
        refuse("minimum", (least - 1).into(), place, words);
    }
    if let Some(most) = number("maximum") {
        accept("maximum", most.into());
        let words = format!("should be less than or equal to {most}");
        refuse("maximum", (most + 1).into(), place, words);
    }
    if let Some(most) = size("maxLength") {
        let fill = |length: usize| match base.as_str() {
            Some(quantity) if schema["x-kubernetes-int-or-string"] == true => {
                format!("{quantity:0>length$}")
            }
            _ => filler(length, pattern),
        };
        accept("maxLength", fill(most).into());
        // Pairs of digits stay pairs.
        let past = if pattern.is_some_and(|p| p.contains("{2}")) {
            2
        } else {
            1
        };
        let words = format!("Too long: may not be more than {most}");
        refuse("maxLength", fill(most + past).into(), place, words);
    }
    if let Some(least) = size("minLength") {
        accept("minLength", filler(least, pattern).into());
        let words = format!("should be at least {least} chars long");
        refuse("minLength", filler(least - 1, pattern).into(), place, words);
    }
    if let Some(pattern) = pattern {
        let known = PATTERNS.iter().find(|known| known.pattern == pattern);
        let known = known.unwrap_or_else(|| panic!("{}: no samples for {pattern}", field.path));
        for text in known.accepted {
            accept("pattern", (*text).into());
        }
        for text in known.refused {
            refuse(
                "pattern",
                (*text).into(),
                place,
                format!("should match '{pattern}'"),
            );
        }
    }
    if let Some(words) = schema["enum"].as_array() {
        // Some words decide which other fields there may be: the objects hold each of them.
        if !DECIDE.iter().any(|end| field.path.ends_with(end)) {
            for word in words {
                accept("enum", word.clone());
            }
        }
        refuse("enum", "Another".into(), place, "supported values:".into());
        let lower = words[0].as_str().unwrap().to_lowercase();
        refuse("enum", lower.into(), place, "supported values:".into());
    }
    if let Some(most) = size("maxItems") {
        accept("maxItems", items(field, base, most));
        let words = format!("must have at most {most} items");
        refuse("maxItems", items(field, base, most + 1), place, words);
    }
    if let Some(least) = size("minItems") {
        accept("minItems", items(field, base, least));
        let words = format!("should have at least {least} items");
        refuse("minItems", items(field, base, least - 1), place, words);
    }
    if let Some(least) = size("minProperties") {
        assert_eq!(least, 1, "{}", field.path);
        let words = "should have at least 1 properties".to_owned();
        refuse("minProperties", json!({}), place, words);
        accept("minProperties", json!({"cpu": "1"}));
    }
    if let Some(most) = size("maxProperties") {
        let labels = |count: usize| -> Value {
            let labels = (0..count).map(|n| (format!("label-{n}"), json!("a")));
            Value::Object(labels.collect())
        };
        accept("maxProperties", labels(most));
        let words = format!("must have at most {most} items");
        refuse("maxProperties", labels(most + 1), place, words);
    }
    if ["map", "set"].contains(
        &schema["x-kubernetes-list-type"]
            .as_str()
            .unwrap_or_default(),
    ) {
        let mut twice = base.as_array().unwrap().clone();
        twice.push(twice[0].clone());
        let at = format!("{place}[{}]", twice.len() - 1);
        refuse("list type", twice.into(), &at, "Duplicate value".into());
    }
    for name in schema["required"].as_array().into_iter().flatten() {
        let name = name.as_str().unwrap();
        let mut without = base.as_object().unwrap().clone();
        without.remove(name);
        let at = format!("{place}.{name}");
        refuse(
            "required",
            without.into(),
            at.trim_start_matches('.'),
            "Required value".into(),
        );
    }
    trials.extend(refusals.into_iter().map(|(what, value, at, words)| Trial {
        what,
        value,
        refused: Some((at, words)),
    }));
    trials
}

/// A list of so many items: those of the object, then copies of the first that differ in what must differ.
fn items(field: &Field, base: &Value, count: usize) -> Value {
    let given = base.as_array().unwrap();
    let closed = field.schema["items"]["enum"].as_array();
    let keys = field.schema["x-kubernetes-list-map-keys"].as_array();
    (0..count)
        .map(|index| {
            if let Some(item) = given.get(index) {
                return item.clone();
            }
            let mut item = given[0].clone();
            if let Some(words) = closed {
                return words[index % words.len()].clone();
            }
            if item.is_string() {
                return format!("item-{index}").into();
            }
            for key in keys.into_iter().flatten().filter_map(Value::as_str) {
                item[key] = match (key, field.path.as_str()) {
                    ("mountPath", _) => format!("/item-{index}"),
                    (_, "spec.env" | "spec.parameters") => format!("ITEM_{index}"),
                    _ => format!("i-{index}"),
                }
                .into();
            }
            if item.get("containerPort").is_some() {
                item["containerPort"] = (20_000 + index).into();
            }
            item
        })
        .collect()
}

/// Every bound of the schema is met by a refusal and by an acceptance.
fn assert_complete(field: &Field, trials: &[Trial]) {
    for bound in BOUNDS {
        if field.schema.get(bound).is_none() {
            continue;
        }
        let met = |refused: bool| {
            trials
                .iter()
                .any(|trial| trial.what == *bound && trial.refused.is_some() == refused)
        };
        // Every other trial accepts an object with all that is required, and with every word that decides.
        let decides = DECIDE.iter().any(|end| field.path.ends_with(end));
        let accepted_by_all = *bound == "required" || decides;
        assert!(met(true), "{}: {bound} is never refused", field.path);
        assert!(
            met(false) || accepted_by_all,
            "{}: {bound} is never accepted",
            field.path
        );
    }
}

/// The objects that a field can be tried in.
fn bases(kind: Kind, path: &str) -> Vec<Value> {
    match kind {
        Kind::Game => objects::games(),
        Kind::Session => {
            let mut session = objects::session("friday");
            if path.starts_with("status") {
                session["status"] = objects::status();
            }
            vec![session]
        }
    }
}

async fn answer(
    server: &Server,
    kind: Kind,
    path: &str,
    object: &Value,
) -> Result<Value, Vec<Cause>> {
    if path.starts_with("status") {
        let patch = json!({"status": object["status"]});
        server.try_patch(kind, "stored", "/status", &patch).await
    } else {
        server.try_create(kind, object).await
    }
}

/// Tries every bound of a kind and returns how many objects were accepted and refused.
async fn try_bounds(server: &Server, kind: Kind) -> (usize, usize) {
    let mut counts = (0, 0);
    for field in fields(kind) {
        for keyword in field.schema.as_object().unwrap().keys() {
            assert!(
                BOUNDS.contains(&keyword.as_str()) || UNBOUND.contains(&keyword.as_str()),
                "{}: no trial for the keyword {keyword}",
                field.path
            );
        }
        if !BOUNDS.iter().any(|bound| field.schema.get(bound).is_some()) {
            continue;
        }
        let bases = bases(kind, &field.path);
        let (base, (pointer, shown)) = bases
            .iter()
            .find_map(|base| Some((base, places(base, &field.path).into_iter().next()?)))
            .unwrap_or_else(|| panic!("no object holds {}", field.path));
        let trials = trials(&field, &shown, base.pointer(&pointer).unwrap());
        assert_complete(&field, &trials);
        for trial in trials {
            let Trial {
                what,
                value,
                refused,
            } = trial;
            let what = format!("{} {}: {what}", kind.plural(), field.path);
            let mut object = base.clone();
            if refused.is_none()
                && field.path.starts_with("spec.readiness.")
                && field.path.ends_with(".port")
            {
                // A probe speaks of a port that exists.
                object["spec"]["ports"][3]["name"] = value.clone();
            }
            *object.pointer_mut(&pointer).unwrap() = value;
            let answer = answer(server, kind, &field.path, &object).await;
            match refused {
                None => {
                    assert_accepted(&what, &answer);
                    counts.0 += 1;
                }
                Some((at, words)) => {
                    assert_refused(&what, &answer, Some(&at), &words);
                    counts.1 += 1;
                }
            }
        }
    }
    counts
}

#[tokio::test]
async fn the_objects_that_the_trials_begin_with_are_accepted() {
    let server = Server::with_namespace("rules-objects").await;
    for game in objects::games() {
        assert_accepted("a game", &server.try_create(Kind::Game, &game).await);
    }
    let session = objects::session("friday");
    assert_accepted(
        "a session",
        &server.try_create(Kind::Session, &session).await,
    );
    server.end().await;
}

#[tokio::test]
async fn every_bound_of_a_game_accepts_its_edge_and_refuses_what_is_past_it() {
    let server = Server::with_namespace("rules-bounds-games").await;
    let (accepted, refused) = try_bounds(&server, Kind::Game).await;
    println!("games: {accepted} accepted, {refused} refused");
    server.end().await;
}

#[tokio::test]
async fn every_bound_of_a_session_accepts_its_edge_and_refuses_what_is_past_it() {
    let server = Server::with_namespace("rules-bounds-sessions").await;
    server
        .create(Kind::Session, &objects::session("stored"))
        .await;
    let (accepted, refused) = try_bounds(&server, Kind::Session).await;
    println!("sessions: {accepted} accepted, {refused} refused");
    server.end().await;
}

#[tokio::test]
async fn defaults_are_filled_in_by_the_api_server() {
    let server = Server::with_namespace("rules-defaults").await;
    let game = json!({
        "apiVersion": "dillinger.dev/v1alpha1",
        "kind": "Game",
        "metadata": {"name": "bare"},
        "spec": {
            "image": "a",
            "ports": [{"name": "game", "containerPort": 1}],
            "readiness": {"httpGet": {"port": "game"}},
            "storage": [{"name": "world", "mountPath": "/data"}],
            "parameters": [{"name": "MAP"}],
        },
    });
    let mut game_over_tcp = game.clone();
    game_over_tcp["spec"]["ports"][0]["protocol"] = "TCP".into();
    let made = server.try_create(Kind::Game, &game_over_tcp).await.unwrap();
    for (pointer, want) in [
        ("/spec/imagePullPolicy", json!("IfNotPresent")),
        ("/spec/initProcess", json!(true)),
        ("/spec/runtimes", json!(["Docker", "Pod"])),
        ("/spec/startDeadlineSeconds", json!(300)),
        ("/spec/terminationGracePeriodSeconds", json!(30)),
        (
            "/spec/resources",
            json!({"limits": {"cpu": "1", "memory": "512Mi"}, "max": {"cpu": "4", "memory": "4Gi"}}),
        ),
        (
            "/spec/securityContext",
            json!({"runAsUser": 1000, "runAsGroup": 1000, "readOnlyRootFilesystem": true}),
        ),
        ("/spec/ports/0/portPolicy", json!("Dynamic")),
        (
            "/spec/readiness",
            json!({"periodSeconds": 1, "timeoutSeconds": 1, "httpGet": {"port": "game", "path": "/"}}),
        ),
        ("/spec/storage/0/size", json!("1Gi")),
        ("/spec/parameters/0/required", json!(false)),
    ] {
        assert_eq!(made.pointer(pointer), Some(&want), "{pointer}");
    }
    // The types fill in the same, for objects that no API server has seen.
    let ours: dillinger_runner::api::Game = serde_json::from_value(game_over_tcp).unwrap();
    let theirs: dillinger_runner::api::Game = serde_json::from_value(made).unwrap();
    assert_eq!(ours.spec, theirs.spec);

    let session = json!({
        "apiVersion": "dillinger.dev/v1alpha1",
        "kind": "GameSession",
        "metadata": {"name": "bare"},
        "spec": {"gameRef": {"name": "bare"}, "user": "alice"},
    });
    let made = server.try_create(Kind::Session, &session).await.unwrap();
    assert_eq!(
        made["spec"],
        json!({
            "gameRef": {"name": "bare"}, "user": "alice", "desiredState": "Running", "restartPolicy": "Never",
            "backoffLimit": 3,
        })
    );
    let ours: dillinger_runner::api::GameSession = serde_json::from_value(session).unwrap();
    let theirs: dillinger_runner::api::GameSession = serde_json::from_value(made).unwrap();
    assert_eq!(ours.spec, theirs.spec);
    server.end().await;
}

#[tokio::test]
async fn what_the_api_server_calls_a_quantity_is_read_as_the_same_quantity() {
    let server = Server::with_namespace("rules-quantities").await;
    for text in [
        "1", "0.1", "100m", "1e3", "1E3", "1.5Gi", "12e-1", "1k", "1Ki", "1n", "1u", "0.5Mi", "+1",
        ".5", "5.", "1Pi", "1E", "1K", "1ki", "1KB", "ten", "1 ", " 1", "1.2.3", "1e", "1e1Ki",
        "--1", "0x1", "", ".",
    ] {
        let mut game = objects::game();
        game["spec"]["scratch"][0]["sizeLimit"] = text.into();
        let accepted = server.try_create(Kind::Game, &game).await.is_ok();
        let read = Quantity(text.to_owned()).bytes();
        assert_eq!(accepted, read.is_ok(), "{text:?}: {read:?}");
    }
    server.end().await;
}
