//! Input as nobody should write it, for the tests of everything that reads: texts, numbers, JSON, and manifests
//! with a few places changed.
//!
//! Each build tries few cases. `make fuzz` sets DILLINGER_CASES and tries as many as one has time for; what it finds
//! is kept in `proptest-regressions/` and tried first from then on.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::test_runner::Config;
use serde_json::{Map, Value, json};

/// How many cases a target of everyday size tries.
const EVERYDAY: u32 = 256;

/// So many cases; with DILLINGER_CASES in proportion to it. Says how many, for `tests/fuzz` to count.
#[track_caller]
pub(crate) fn cases(few: u32) -> Config {
    let asked: Option<u32> = std::env::var("DILLINGER_CASES")
        .ok()
        .map(|text| text.parse().expect("DILLINGER_CASES is a number"));
    let cases = asked.map_or(few, |asked| (few.saturating_mul(asked) / EVERYDAY).max(1));
    if asked.is_some() {
        println!("fuzz: {cases} cases at {}", std::panic::Location::caller());
    }
    Config {
        max_global_rejects: cases.saturating_mul(64).max(1024),
        ..Config::with_cases(cases)
    }
}

/// Words that try to be something else: paths, flags, hosts, marks, numbers past their end, words of the API.
const WORDS: &[&str] = &[
    "",
    " ",
    "\0",
    "/",
    "..",
    "/..",
    "../../etc/shadow",
    "/var/run/docker.sock",
    "/var/run/docker.sock:/x",
    "type=bind,src=/,dst=/host",
    "--privileged",
    "host",
    "container:f00",
    "ALL",
    "SYS_ADMIN",
    "seccomp=unconfined",
    "evil/image:1",
    "dillinger.dev/uid",
    "dillinger.dev/contract",
    "dillinger.type",
    "u-2",
    "$(",
    "$(A)",
    "$$(A)",
    "$(MAP)$(MAP)",
    "$(PORT_GAME)",
    "$(GAME_ID)$(SESSION_ID)$(USER_ID)",
    "a=b",
    "a,b=1",
    "0.0.0.0",
    "\r\nHost: x",
    "\u{1b}]0;x\u{7}",
    "\u{202e}gpj.exe",
    "\u{feff}\u{200b}",
    "\"}],",
    "(a*)*b",
    "((((a{1000}){1000}){1000}){1000})",
    "(",
    "NaN",
    "1e400",
    "-1",
    "0x10",
    "9223372036854775808",
    "99999999999999999999999999",
    "1Ei",
    "0001-01-01T00:00:00Z",
    "9999-12-31T23:59:60.999999999999Z",
    "Docker",
    "Pod",
    "Static",
    "Passthrough",
    "TCPUDP",
    "Stopped",
    "Running",
    "Completed",
    "DeadlineExceeded",
    "Deleted",
];

/// Names of fields: of both kinds, and of what engines and kubelets take for privileges.
const FIELDS: &[&str] = &[
    "apiVersion",
    "kind",
    "metadata",
    "spec",
    "status",
    "name",
    "value",
    "image",
    "command",
    "args",
    "env",
    "ports",
    "containerPort",
    "hostPort",
    "protocol",
    "portPolicy",
    "parameters",
    "resources",
    "limits",
    "max",
    "cpu",
    "memory",
    "readiness",
    "exec",
    "storage",
    "scratch",
    "mountPath",
    "size",
    "securityContext",
    "runAsUser",
    "privileged",
    "Privileged",
    "capabilities",
    "CapAdd",
    "hostNetwork",
    "hostPID",
    "NetworkMode",
    "PidMode",
    "volumes",
    "volumeMounts",
    "Binds",
    "Mounts",
    "devices",
    "SecurityOpt",
    "HostConfig",
    "labels",
    "annotations",
    "user",
    "gameRef",
    "runtime",
    "attempt",
    "reason",
    "time",
];

/// A text that tries to be something else, short or of some hundred kilobytes.
pub(crate) fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        8 => select(WORDS).prop_map(str::to_owned),
        4 => ".{0,24}",
        1 => (select(WORDS), select(WORDS)).prop_map(|(a, b)| format!("{a}{b}")),
        1 => (select(&["a", "ß", "\n", "\u{202e}", "$(A)", "/", "$(", "\\"][..]), 1..100_000_usize)
            .prop_map(|(piece, times)| piece.repeat(times)),
    ]
}

/// Both sides of the borders of every width.
const BORDERS: &[i64] = &[
    i64::MIN,
    i32::MIN as i64 - 1,
    i32::MIN as i64,
    -1,
    0,
    1,
    255,
    1023,
    65_535,
    65_536,
    i32::MAX as i64,
    i32::MAX as i64 + 1,
    u32::MAX as i64,
    i64::MAX,
];

/// Borders, and what lies between.
pub(crate) fn integer() -> impl Strategy<Value = i64> {
    prop_oneof![
        select(BORDERS),
        any::<i64>(),
        any::<i32>().prop_map(i64::from),
        -3..100_i64,
    ]
}

fn number() -> impl Strategy<Value = Value> {
    prop_oneof![
        4 => integer().prop_map(Value::from),
        1 => any::<u64>().prop_map(Value::from),
        1 => any::<f64>().prop_map(|float| json!(float)),
    ]
}

/// Any JSON at all, some of it under names that mean something.
pub(crate) fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        1 => Just(Value::Null),
        1 => any::<bool>().prop_map(Value::from),
        3 => number(),
        4 => text().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 5, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..5).prop_map(Value::from),
            vec((key(), inner), 0..5)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

fn key() -> impl Strategy<Value = String> {
    prop_oneof![
        8 => select(FIELDS).prop_map(str::to_owned),
        1 => ".{0,8}",
    ]
}

/// One change of one place in a JSON text.
#[derive(Clone, Debug)]
pub(crate) enum Edit {
    Replace(Value),
    Remove,
    /// Into an object under this name, at the end of a list, else in the place of what is there.
    Insert(String, Value),
    /// A list or a text this many times as long, up to [`LARGEST`].
    Repeat(usize),
    /// Inside so many lists.
    Bury(usize),
}

/// What an API server takes is no larger.
const LARGEST: usize = 1_500_000;

/// Some edits; which places they meet is drawn with them.
pub(crate) fn edits(most: usize) -> impl Strategy<Value = Vec<(Index, Edit)>> {
    let edit = prop_oneof![
        6 => any_json().prop_map(Edit::Replace),
        4 => text().prop_map(|text| Edit::Replace(Value::from(text))),
        3 => number().prop_map(Edit::Replace),
        2 => Just(Edit::Remove),
        4 => (key(), any_json()).prop_map(|(key, value)| Edit::Insert(key, value)),
        1 => (2..200_usize).prop_map(Edit::Repeat),
        1 => (1..100_usize).prop_map(Edit::Bury),
    ];
    vec((any::<Index>(), edit), 0..=most)
}

/// The manifest with these edits made, each below `root` (a JSON pointer).
pub(crate) fn edited(mut manifest: Value, root: &str, edits: &[(Index, Edit)]) -> Value {
    for (index, edit) in edits {
        let Some(below) = manifest.pointer(root) else {
            break;
        };
        let mut places = Vec::new();
        pointers(below, root.to_owned(), &mut places);
        let place = index.get(&places);
        match edit {
            Edit::Remove => remove(&mut manifest, place),
            Edit::Replace(value) => *at(&mut manifest, place) = value.clone(),
            Edit::Insert(key, value) => insert(at(&mut manifest, place), key, value),
            Edit::Repeat(times) => repeat(at(&mut manifest, place), *times),
            Edit::Bury(depth) => {
                let here = at(&mut manifest, place);
                for _ in 0..*depth {
                    *here = Value::from(vec![here.take()]);
                }
            }
        }
    }
    manifest
}

fn pointers(value: &Value, here: String, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (key, inner) in fields {
                let key = key.replace('~', "~0").replace('/', "~1");
                pointers(inner, format!("{here}/{key}"), found);
            }
        }
        Value::Array(items) => {
            // Of a long list the begin stands for all of it.
            for (index, inner) in items.iter().enumerate().take(8) {
                pointers(inner, format!("{here}/{index}"), found);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
    found.push(here);
}

fn at<'v>(manifest: &'v mut Value, place: &str) -> &'v mut Value {
    manifest.pointer_mut(place).expect("a place that was found")
}

fn remove(manifest: &mut Value, place: &str) {
    let (parent, last) = place.rsplit_once('/').unwrap_or(("", place));
    match manifest.pointer_mut(parent) {
        Some(Value::Object(fields)) => {
            fields.remove(&last.replace("~1", "/").replace("~0", "~"));
        }
        Some(Value::Array(items)) => {
            if let Ok(index) = last.parse::<usize>() {
                items.remove(index);
            }
        }
        Some(_) | None => *manifest = Value::Null,
    }
}

fn insert(place: &mut Value, key: &str, value: &Value) {
    match place {
        Value::Object(fields) => {
            fields.insert(key.to_owned(), value.clone());
        }
        Value::Array(items) => items.push(value.clone()),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            *place = Value::Object(Map::from_iter([(key.to_owned(), value.clone())]));
        }
    }
}

fn repeat(place: &mut Value, times: usize) {
    match place {
        Value::Array(items) => {
            let whole = items.clone();
            let most = LARGEST / Value::from(whole.clone()).to_string().len();
            for _ in 1..times.min(most) {
                items.extend(whole.iter().cloned());
            }
        }
        Value::String(text) => *text = text.repeat(times.min(LARGEST / text.len().max(1))),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => {}
    }
}

#[test]
fn an_edit_meets_every_place_and_leaves_the_rest() {
    let manifest = json!({"spec": {"a/b": [1, {"c": "x"}]}, "metadata": {"name": "m"}});
    let mut places = Vec::new();
    pointers(&manifest["spec"], "/spec".to_owned(), &mut places);
    places.sort();
    assert_eq!(
        places,
        [
            "/spec",
            "/spec/a~1b",
            "/spec/a~1b/0",
            "/spec/a~1b/1",
            "/spec/a~1b/1/c"
        ]
    );
    let mut changed = manifest.clone();
    remove(&mut changed, "/spec/a~1b/1/c");
    insert(at(&mut changed, "/spec/a~1b"), "k", &json!(2));
    repeat(at(&mut changed, "/spec/a~1b"), 2);
    assert_eq!(changed["spec"]["a/b"], json!([1, {}, 2, 1, {}, 2]));
    assert_eq!(changed["metadata"], manifest["metadata"]);
}
