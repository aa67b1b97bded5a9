//! Whether an answer has the shape that a client expects. A shape is JSON: texts name kinds of values, `=text` is that text,
//! members that are not named are ignored, as old clients ignore them.

use serde_json::Value;

/// What is wrong with the answer; empty: nothing.
pub fn misfits(answer: &Value, shape: &Value) -> Vec<String> {
    let mut wrong = Vec::new();
    compare(answer, shape, "", &mut wrong);
    wrong
}

fn compare(answer: &Value, shape: &Value, at: &str, wrong: &mut Vec<String>) {
    match shape {
        Value::Object(members) => {
            for (name, shape) in members {
                let at = format!("{at}.{name}");
                match (answer.get(name), shape) {
                    (None, Value::String(kind)) if kind == "absent" || kind.ends_with('?') => {}
                    (None, _) => wrong.push(format!("{at} is missing")),
                    (Some(value), shape) => compare(value, shape, &at, wrong),
                }
            }
        }
        Value::Array(items) => {
            let Some(values) = answer.as_array() else {
                wrong.push(format!("{at} is no array: {answer}"));
                return;
            };
            if values.len() != items.len() {
                wrong.push(format!(
                    "{at} has {} items, not {}",
                    values.len(),
                    items.len()
                ));
            }
            for (index, (value, shape)) in values.iter().zip(items).enumerate() {
                compare(value, shape, &format!("{at}[{index}]"), wrong);
            }
        }
        Value::String(kind) => {
            if !is(answer, kind) {
                wrong.push(format!("{at} is no {kind}: {answer}"));
            }
        }
        other => {
            if answer != other {
                wrong.push(format!("{at} is {answer}, not {other}"));
            }
        }
    }
}

fn is(value: &Value, kind: &str) -> bool {
    let text = value.as_str();
    if let Some(wanted) = kind.strip_prefix('=') {
        return text == Some(wanted);
    }
    match kind.trim_end_matches('?') {
        "string" => text.is_some(),
        "number" => value.is_number(),
        "object" => value.is_object(),
        "array" => value.is_array(),
        // As JavaScript's toISOString writes it.
        "iso" => text.is_some_and(|text| {
            text.len() == 24 && text.ends_with('Z') && text.parse::<jiff::Timestamp>().is_ok()
        }),
        "uuid" => text.is_some_and(|text| text.len() == 36 && text.as_bytes()[14] == b'4'),
        "absent" => false,
        other => panic!("no kind of values is called {other:?}"),
    }
}

#[test]
fn a_shape_that_does_not_fit_is_told_with_its_place() {
    let answer = serde_json::json!({"a": [{"b": 1}], "c": "x"});
    let fits = |shape| misfits(&answer, &shape);
    assert!(
        fits(serde_json::json!({"a": [{"b": "number"}], "c": "=x", "d": "string?"})).is_empty()
    );
    assert_eq!(
        fits(serde_json::json!({"a": [{"b": "string"}]})),
        [".a[0].b is no string: 1"]
    );
    assert_eq!(
        fits(serde_json::json!({"c": "absent"})),
        [".c is no absent: \"x\""]
    );
    assert_eq!(fits(serde_json::json!({"d": "string"})), [".d is missing"]);
    assert_eq!(
        fits(serde_json::json!({"a": []})),
        [".a has 1 items, not 0"]
    );
}
