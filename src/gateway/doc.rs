//! The description of the service (OpenAPI), made from the calls themselves, and a page of it for people.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use serde_json::Value;
use utoipa::OpenApi;
use utoipa::openapi::path::Operation;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{Content, Ref, RefOr, ResponseBuilder};

use super::problem::Body as ProblemBody;
use super::{api_runner, detail, events, logs, routes, writes};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "dillinger-runner",
        description = "Game sessions over REST: what a GameSession resource says, in the old runner's shapes. Old clients ignore the members that they do not know.",
    ),
    paths(
        routes::health,
        routes::list,
        routes::get,
        routes::containers,
        routes::games,
        writes::create,
        writes::delete,
        writes::stop,
        writes::start,
        logs::logs,
        detail::resource,
        detail::happenings,
        events::events,
        api_runner::health,
        api_runner::launch,
        api_runner::list,
        api_runner::get,
        api_runner::delete,
        description,
    ),
    components(schemas(ProblemBody, super::old::Reached)),
    modifiers(&Bearer)
)]
struct Service;

struct Bearer;

impl utoipa::Modify for Bearer {
    fn modify(&self, openapi: &mut utoipa::openapi::OpenApi) {
        let scheme = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
        let components = openapi.components.get_or_insert_default();
        components.add_security_scheme("bearer", scheme);
        // On loopback nobody is asked.
        openapi.security = Some(vec![
            SecurityRequirement::new("bearer", [""; 0]),
            SecurityRequirement::default(),
        ]);
        for path in openapi.paths.paths.values_mut() {
            let methods = [&mut path.get, &mut path.post, &mut path.delete];
            for operation in methods.into_iter().flatten() {
                answered_everywhere(operation);
                errors_are_problems(operation);
            }
        }
    }
}

/// What stands before every call answers too.
fn answered_everywhere(operation: &mut Operation) {
    let open = operation.security.is_some();
    let common = [
        ("401", "No token, or one that is not valid here", !open),
        (
            "403",
            "The caller may not, or was led here by a page of another site",
            true,
        ),
        (
            "421",
            "Without authentication: Host is not this machine",
            true,
        ),
        ("429", "Too many requests from one client", !open),
    ];
    for (status, words, wanted) in common {
        if wanted {
            let answer = RefOr::T(ResponseBuilder::new().description(words).build());
            let all = &mut operation.responses.responses;
            all.entry(status.to_owned()).or_insert(answer);
        }
    }
}

/// An error that a call gives no shape of its own.
fn errors_are_problems(operation: &mut Operation) {
    for (status, answer) in &mut operation.responses.responses {
        let RefOr::T(answer) = answer else {
            continue;
        };
        if status.starts_with(['4', '5']) && answer.content.is_empty() {
            let schema = Ref::from_schema_name("Problem");
            let kind = "application/problem+json".to_owned();
            answer.content.insert(kind, Content::new(Some(schema)));
        }
    }
}

/// This description.
#[utoipa::path(
    get, path = "/openapi.json", tag = "service", security(()),
    responses((status = 200, description = "OpenAPI 3.1", body = Object))
)]
pub async fn description() -> axum::response::Response {
    routes::json(json())
}

/// The description as JSON.
pub fn json() -> String {
    let mut text = Service::openapi()
        .to_pretty_json()
        .expect("a description is JSON");
    text.push('\n');
    text
}

/// Every call: method and path.
pub fn calls() -> Vec<(String, String)> {
    let mut calls = Vec::new();
    for (path, method, _) in operations(&value()) {
        calls.push((method.to_uppercase(), path));
    }
    calls
}

fn value() -> Value {
    serde_json::to_value(Service::openapi()).expect("a description is JSON")
}

fn operations(service: &Value) -> Vec<(String, String, Value)> {
    let mut all = Vec::new();
    for (path, methods) in service["paths"].as_object().into_iter().flatten() {
        for (method, operation) in methods.as_object().into_iter().flatten() {
            all.push((path.clone(), method.clone(), operation.clone()));
        }
    }
    all
}

/// The page for people.
pub fn markdown() -> String {
    let service = value();
    let mut page = String::from(
        "# REST reference\n\nMade from the calls themselves; `GET /openapi.json` says the same. [rest.md](rest.md) explains it.\n\n## Calls\n",
    );
    for (path, method, operation) in operations(&service) {
        call(&mut page, &method, &path, &operation);
    }
    line(&mut page, "\n## Shapes");
    for (name, schema) in service["components"]["schemas"]
        .as_object()
        .into_iter()
        .flatten()
    {
        shape(&mut page, name, schema);
    }
    page
}

fn call(page: &mut String, method: &str, path: &str, operation: &Value) {
    line(page, &format!("\n### {} {path}\n", method.to_uppercase()));
    let text = |key: &str| operation[key].as_str().unwrap_or_default().to_owned();
    line(page, text("summary").trim());
    let more = text("description");
    if !more.is_empty() && more != text("summary") {
        line(page, more.trim());
    }
    let parameters = operation["parameters"].as_array();
    if let Some(parameters) = parameters.filter(|all| !all.is_empty()) {
        line(page, "\n| Parameter | In | Meaning |\n|---|---|---|");
        for one in parameters {
            let text = |key: &str| one[key].as_str().unwrap_or_default();
            let words = cell(text("description"));
            line(
                page,
                &format!("| `{}` | {} | {words} |", text("name"), text("in")),
            );
        }
    }
    line(page, "\n| Answer | Shape | When |\n|---|---|---|");
    for (status, response) in operation["responses"].as_object().into_iter().flatten() {
        let content = response["content"]
            .as_object()
            .and_then(|all| all.iter().next());
        let shape = content.map(|(kind, content)| {
            let name = kind_of(&content["schema"]);
            if name == "string" { kind.clone() } else { name }
        });
        let words = cell(response["description"].as_str().unwrap_or_default());
        line(
            page,
            &format!("| {status} | {} | {words} |", shape.unwrap_or_default()),
        );
    }
}

fn shape(page: &mut String, name: &str, schema: &Value) {
    line(page, &format!("\n### {name}\n"));
    if let Some(words) = schema["description"].as_str() {
        line(page, words);
    }
    if let Some(values) = schema["enum"].as_array() {
        let words: Vec<&str> = values.iter().filter_map(Value::as_str).collect();
        line(page, &format!("\nOne of: {}.", words.join(", ")));
        return;
    }
    let required: BTreeSet<&str> = schema["required"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    line(
        page,
        "\n| Member | Type | Always | Meaning |\n|---|---|---|---|",
    );
    for (member, schema) in schema["properties"].as_object().into_iter().flatten() {
        let always = if required.contains(member.as_str()) {
            "yes"
        } else {
            ""
        };
        let words = cell(schema["description"].as_str().unwrap_or_default());
        line(
            page,
            &format!("| `{member}` | {} | {always} | {words} |", kind_of(schema)),
        );
    }
}

/// What a schema is, in one word.
fn kind_of(schema: &Value) -> String {
    if let Some(reference) = schema["$ref"].as_str() {
        return reference.rsplit('/').next().unwrap_or(reference).to_owned();
    }
    if schema["type"] == "array" || schema["items"].is_object() {
        return format!("array of {}", kind_of(&schema["items"]));
    }
    for key in ["oneOf", "allOf"] {
        let one = schema[key]
            .as_array()
            .into_iter()
            .flatten()
            .find(|one| one["type"] != "null");
        if let Some(one) = one {
            return kind_of(one);
        }
    }
    match &schema["type"] {
        Value::String(kind) => kind.clone(),
        Value::Array(kinds) => {
            let kinds = kinds
                .iter()
                .filter_map(Value::as_str)
                .filter(|kind| *kind != "null");
            kinds.collect::<Vec<_>>().join(" or ")
        }
        _ => "any".to_owned(),
    }
}

/// Words that stand in a cell of a table.
fn cell(words: &str) -> String {
    words
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
        .replace('|', "\\|")
}

fn line(page: &mut String, text: &str) {
    writeln!(page, "{text}").expect("writing to a String never fails");
}
