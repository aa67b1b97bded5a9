//! What an object is checked for, and how its parts are read, before a verb stores it.

use serde_json::{Value, json};

use super::answer::{Answered, Refused};
use super::kinds::Kind;
use super::meta;
use super::request::Request;
use super::store::Key;

/// The store's name of a resource.
pub fn resource(plural: &str, group: &str) -> String {
    if group.is_empty() {
        plural.to_owned()
    } else {
        format!("{plural}.{group}")
    }
}

pub(super) fn key(kind: &Kind, request: &Request) -> Key {
    Key {
        resource: resource(&kind.plural, &kind.group),
        namespace: request.namespace.clone(),
        name: request.name.clone(),
    }
}

pub(super) fn body(request: &Request) -> Answered<Value> {
    serde_json::from_slice(&request.body).map_err(|error| {
        Refused::bad_request(format!("the object provided is unrecognized: {error}"))
    })
}

/// apiVersion and kind are right; where a client may leave them out, they are filled in.
pub(super) fn typed(kind: &Kind, object: &mut Value) -> Answered<()> {
    if !object.is_object() {
        return Err(Refused::bad_request("the object provided is unrecognized"));
    }
    for (field, right) in [
        ("apiVersion", kind.api_version()),
        ("kind", kind.kind.clone()),
    ] {
        match object[field].as_str() {
            Some(found) if found == right => {}
            None | Some("") if kind.schema.is_none() => object[field] = json!(right),
            None | Some("") => {
                return Err(Refused::bad_request(format!("Object '{field}' is missing")));
            }
            Some(found) => {
                let message = format!(
                    "the {field} in the data ({found}) does not match the expected one ({right})"
                );
                return Err(Refused::bad_request(message));
            }
        }
    }
    Ok(())
}

/// Namespace and name in the body are those of the path; where they are left out, they are filled in.
pub(super) fn placed(kind: &Kind, namespace: &str, name: &str, object: &mut Value) -> Answered<()> {
    let found = meta::text(object, "namespace").to_owned();
    if kind.namespaced && found.is_empty() {
        meta::set(object, "namespace", json!(namespace));
    } else if found != namespace {
        let message =
            "the namespace of the provided object does not match the namespace sent on the request";
        return Err(Refused::bad_request(message));
    }
    let found = meta::text(object, "name").to_owned();
    if !name.is_empty() && found.is_empty() {
        meta::set(object, "name", json!(name));
    } else if !name.is_empty() && found != name {
        let message =
            format!("the name of the object ({found}) does not match the name on the URL ({name})");
        return Err(Refused::bad_request(message));
    }
    Ok(())
}

pub(super) fn uid_differs(kind: &Kind, key: &Key, wanted: &str, old: &Value) -> Box<Refused> {
    let found = meta::text(old, "uid");
    let why =
        format!("Precondition failed: UID in precondition: {wanted}, UID in object meta: {found}");
    Refused::conflict(&kind.group, &kind.plural, &key.name, &why)
}

/// What generation counts the changes of.
pub(super) fn wish(object: &Value, kind: &Kind) -> Value {
    let mut wish = object.clone();
    let fields = wish.as_object_mut().expect("typed");
    fields.remove("metadata");
    if kind.status {
        fields.remove("status");
    }
    wish
}

pub(super) fn replace(object: &mut Value, field: &str, value: Value) {
    let fields = object.as_object_mut().expect("typed");
    if value.is_null() {
        fields.remove(field);
    } else {
        fields.insert(field.to_owned(), value);
    }
}

pub(super) fn split(api_version: &str) -> (String, String) {
    match api_version.split_once('/') {
        Some((group, version)) => (group.to_owned(), version.to_owned()),
        None => (String::new(), api_version.to_owned()),
    }
}
