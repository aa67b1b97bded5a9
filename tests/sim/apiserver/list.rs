//! Lists: pages that show one instant, and selectors.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use serde_json::{Value, json};

use super::answer::{Answered, Refused};
use super::kinds::Kind;
use super::request::Request;
use super::store::{Key, Store};

/// What a list or watch shows.
#[derive(Clone, Debug, Default)]
pub struct Selector {
    /// key, wanted value (None: any), negated.
    labels: Vec<(String, Option<String>, bool)>,
    /// path, wanted value, negated.
    fields: Vec<(String, String, bool)>,
}

impl Selector {
    pub fn parse(kind: &Kind, query: &BTreeMap<String, String>) -> Answered<Selector> {
        let parts = |key: &str| {
            query
                .get(key)
                .map(String::as_str)
                .unwrap_or_default()
                .to_owned()
        };
        let mut selector = Selector::default();
        for term in parts("labelSelector")
            .split(',')
            .filter(|term| !term.is_empty())
        {
            let (key, value, negated) = split(term);
            let negated = negated || (value.is_none() && key.starts_with('!'));
            let key = key.trim_start_matches('!').to_owned();
            selector.labels.push((key, value, negated));
        }
        for term in parts("fieldSelector")
            .split(',')
            .filter(|term| !term.is_empty())
        {
            let (key, value, negated) = split(term);
            let known = ["metadata.name", "metadata.namespace"].contains(&key.as_str());
            if !known && !kind.selectable.contains(&key) {
                return Err(Refused::bad_request(format!(
                    "field label not supported: {key}"
                )));
            }
            selector
                .fields
                .push((key, value.unwrap_or_default(), negated));
        }
        Ok(selector)
    }

    pub fn is_empty(&self) -> bool {
        self.labels.is_empty() && self.fields.is_empty()
    }

    pub fn matches(&self, object: &Value) -> bool {
        let label = |(key, wanted, negated): &(String, Option<String>, bool)| {
            let found = object["metadata"]["labels"][key].as_str();
            let holds = match wanted {
                Some(wanted) => found == Some(wanted),
                None => found.is_some(),
            };
            holds != *negated
        };
        let field = |(path, wanted, negated): &(String, String, bool)| {
            let found = path.split('.').fold(object, |value, part| &value[part]);
            (found.as_str().unwrap_or_default() == wanted) != *negated
        };
        self.labels.iter().all(label) && self.fields.iter().all(field)
    }
}

fn split(term: &str) -> (String, Option<String>, bool) {
    if let Some((key, value)) = term.split_once("!=") {
        return (key.to_owned(), Some(value.to_owned()), true);
    }
    match term.split_once("==").or_else(|| term.split_once('=')) {
        Some((key, value)) => (key.to_owned(), Some(value.to_owned()), false),
        None => (term.to_owned(), None, false),
    }
}

/// One page.
pub fn page(store: &Store, kind: &Kind, resource: &str, request: &Request) -> Answered<Value> {
    let get = |key: &str| request.query.get(key).filter(|value| !value.is_empty());
    let selector = Selector::parse(kind, &request.query)?;
    let limit = get("limit")
        .and_then(|limit| limit.parse::<usize>().ok())
        .filter(|n| *n > 0);
    let (revision, after) = match get("continue") {
        Some(token) => continued(store, token)?,
        None => (asked_revision(store, get("resourceVersion"))?, None),
    };
    let shown: Vec<(Key, Value)> = store
        .at(revision, resource)
        .into_iter()
        .filter(|(key, _)| request.namespace.is_empty() || key.namespace == request.namespace)
        .filter(|(key, _)| {
            after
                .as_ref()
                .is_none_or(|after| (&key.namespace, &key.name) > (&after.0, &after.1))
        })
        .filter(|(_, object)| selector.matches(object))
        .map(|(key, object)| (key, Value::clone(&object)))
        .collect();
    let total = shown.len();
    let page: Vec<(Key, Value)> = shown
        .into_iter()
        .take(limit.unwrap_or(usize::MAX))
        .collect();
    let mut metadata = json!({ "resourceVersion": revision.to_string() });
    if page.len() < total {
        let (last, _) = page.last().expect("a limit is at least one");
        let token = json!([revision, last.namespace, last.name]).to_string();
        metadata["continue"] = json!(STANDARD_NO_PAD.encode(token));
        if selector.is_empty() {
            metadata["remainingItemCount"] = json!(total - page.len());
        }
    }
    Ok(json!({
        "apiVersion": kind.api_version(),
        "kind": format!("{}List", kind.kind),
        "metadata": metadata,
        "items": page.into_iter().map(|(_, object)| object).collect::<Vec<_>>(),
    }))
}

fn asked_revision(store: &Store, asked: Option<&String>) -> Answered<u64> {
    let Some(asked) = asked else {
        return Ok(store.revision());
    };
    let asked: u64 = asked.parse().map_err(|_| {
        Refused::bad_request(format!(
            "Invalid value: {asked:?}: invalid resource version"
        ))
    })?;
    if asked > store.revision() {
        let message = format!(
            "Too large resource version: {asked}, current: {}",
            store.revision()
        );
        let mut refused = Refused::new(504, "Timeout", message);
        refused.retry_after = Some(1);
        return Err(refused);
    }
    Ok(store.revision())
}

fn continued(store: &Store, token: &str) -> Answered<(u64, Option<(String, String)>)> {
    let decoded = STANDARD_NO_PAD.decode(token).ok();
    let read = decoded.and_then(|text| serde_json::from_slice::<(u64, String, String)>(&text).ok());
    let Some((revision, namespace, name)) = read else {
        return Err(Refused::bad_request("continue key is not valid"));
    };
    if revision < store.compacted() || revision > store.revision() {
        return Err(Refused::expired(
            "The provided continue parameter is too old to display a consistent list result.",
        ));
    }
    Ok((revision, Some((namespace, name))))
}
