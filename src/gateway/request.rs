//! What a client asks for, and the resource that is made of it. Pure.
//!
//! The old request is `{"gameId", "userId"?, "gameConfig"?}` with free texts in it. Which Game is meant, which
//! members become parameters and which are left over is decided here; all of it is kept in an annotation for the answers.

use kube::ResourceExt;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use super::problem::Problem;
use crate::api::{FINALIZER, Game, GameRef, GameSession, GameSessionSpec, Parameter};
use crate::session::contract::hint;
use crate::session::quoted::{self, quoted};

/// Annotation that keeps a client's request.
pub const REQUEST: &str = "dillinger.dev/rest-request";
/// Who plays where the request does not say.
const SOMEBODY: &str = "dev-user";
/// The Game of a request that names none that is there.
const EXAMPLE: &str = "example";
/// Largest gameConfig that is kept, in bytes of JSON: an annotation travels with every read of the session.
const LARGEST_CONFIG: usize = 16 * 1024;

/// Longest gameId, in bytes: what a parameter's value takes.
const LARGEST_ID: usize = 1024;
/// Members that are named in warnings; the others are counted.
const MOST_WARNINGS: usize = 20;
/// Characters of a member's name that are shown.
const SHOWN: usize = 64;

/// The body of `POST /sessions`.
#[derive(Clone, Debug, PartialEq)]
pub struct Asked {
    pub game_id: String,
    /// None: the request does not say.
    pub user_id: Option<String>,
    pub game_config: Map<String, Value>,
}

impl Asked {
    /// Reads a body.
    ///
    /// # Errors
    /// 400 with the old runner's words where it had some, else with the member, its value and the rule.
    pub fn parse(body: &[u8]) -> Result<Asked, Problem> {
        let body: Value = serde_json::from_slice(body)
            .map_err(|error| Problem::bad_request(format!("the body is no JSON: {error}")))?;
        let Value::Object(mut members) = body else {
            return Err(Problem::bad_request(
                "the body is no JSON object".to_owned(),
            ));
        };
        let game_id = match members.remove("gameId") {
            Some(Value::String(text)) if !text.is_empty() => text,
            None | Some(Value::Null | Value::String(_)) => {
                return Err(Problem::bad_request("gameId is required".to_owned()));
            }
            Some(other) => return Err(wrong("gameId", &other, "a text")),
        };
        let user_id = match members.remove("userId") {
            None | Some(Value::Null) => None,
            Some(Value::String(text)) if text.is_empty() => None,
            Some(Value::String(text)) => Some(text),
            Some(other) => return Err(wrong("userId", &other, "a text")),
        };
        let game_config = match members.remove("gameConfig") {
            None | Some(Value::Null) => Map::from_iter([("type".to_owned(), json!(EXAMPLE))]),
            Some(Value::Object(config)) => config,
            Some(other) => return Err(wrong("gameConfig", &other, "an object")),
        };
        if game_id.len() > LARGEST_ID {
            let words = format!(
                "gameId has {} bytes; the most is {LARGEST_ID}",
                game_id.len()
            );
            return Err(Problem::bad_request(words));
        }
        let size = Value::Object(game_config.clone()).to_string().len();
        if size > LARGEST_CONFIG {
            let words = format!("gameConfig has {size} bytes; the most is {LARGEST_CONFIG}");
            return Err(Problem::bad_request(words));
        }
        Ok(Asked {
            game_id,
            user_id,
            game_config,
        })
    }

    /// The name of the Game that is meant: `gameConfig.type` when given; else a Game named like `gameId`; else `example`.
    fn game<'a>(&'a self, games: &[&Game]) -> &'a str {
        match self.game_config.get("type") {
            Some(Value::String(name)) if !name.is_empty() => name,
            _ if games.iter().any(|game| game.name_any() == self.game_id) => &self.game_id,
            _ => EXAMPLE,
        }
    }

    /// Who plays: whom the request names, else who sent it. `only`: nobody but the sender.
    ///
    /// # Errors
    /// 403 where the request names somebody else and may not.
    pub fn user(&self, sender: Option<&str>, only: bool) -> Result<String, Problem> {
        let own = sender.unwrap_or(SOMEBODY);
        match self.user_id.as_deref() {
            Some(named) if only && named != own => Err(Problem::forbidden(format!(
                "userId: {} is not \"{own}\", and this service lets callers play in their own name only",
                quoted(named)
            ))),
            named => Ok(named.unwrap_or(own).to_owned()),
        }
    }

    /// The session to create, under this name, for this user.
    ///
    /// # Errors
    /// 404 with the nearest names where there is no such Game.
    pub fn session(&self, name: &str, user: &str, games: &[&Game]) -> Result<GameSession, Problem> {
        let wanted = self.game(games);
        let Some(game) = games.iter().find(|game| game.name_any() == wanted) else {
            let names: Vec<String> = games.iter().map(|game| game.name_any()).collect();
            return Err(no_game(wanted, &names));
        };
        let declared = |name: &str| game.spec.parameters.iter().any(|one| one.name == name);
        let mut parameters = Vec::new();
        if declared("GAME_ID") {
            parameters.push(Parameter {
                name: "GAME_ID".to_owned(),
                value: self.game_id.clone(),
            });
        }
        let mut ignored = Vec::new();
        for (member, value) in &self.game_config {
            let name = upper_snake(member);
            match plain(value) {
                _ if member == "type"
                    || parameters.iter().any(|one: &Parameter| one.name == name) => {}
                Some(value) if declared(&name) => parameters.push(Parameter { name, value }),
                None if declared(&name) => {
                    return Err(wrong(
                        &format!("gameConfig.{}", quoted::plain(member, SHOWN)),
                        value,
                        "a text, a number, true or false",
                    ));
                }
                Some(_) | None => ignored.push((member, name)),
            }
        }
        let mut warnings: Vec<String> = ignored
            .iter()
            .take(MOST_WARNINGS)
            .map(|(member, name)| {
                let (member, name) = (quoted::plain(member, SHOWN), quoted::plain(name, SHOWN));
                format!("gameConfig.{member} is ignored: the game {wanted} has no parameter {name}")
            })
            .collect();
        if ignored.len() > MOST_WARNINGS {
            let more = ignored.len() - MOST_WARNINGS;
            warnings.push(format!("{more} more members of gameConfig are ignored"));
        }
        let kept = Kept {
            game_id: self.game_id.clone(),
            game_config: Value::Object(self.game_config.clone()),
            warnings,
        };
        let mut session = GameSession::new(name, spec(wanted, user, parameters));
        let annotation = serde_json::to_string(&kept).expect("texts and JSON become JSON");
        session
            .annotations_mut()
            .insert(REQUEST.to_owned(), annotation);
        // Of ours from the start, which saves the controller a write.
        session.finalizers_mut().push(FINALIZER.to_owned());
        Ok(session)
    }
}

fn spec(game: &str, user: &str, parameters: Vec<Parameter>) -> GameSessionSpec {
    GameSessionSpec {
        game_ref: GameRef {
            name: game.to_owned(),
        },
        user: user.to_owned(),
        runtime: None,
        desired_state: Default::default(),
        parameters: (!parameters.is_empty()).then_some(parameters),
        resources: None,
        start_deadline_seconds: None,
        active_deadline_seconds: None,
        termination_grace_period_seconds: None,
        ttl_seconds_after_finished: None,
        restart_policy: Default::default(),
        backoff_limit: 3,
    }
}

/// What the answers need of the request and the resource has no field for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Kept {
    pub game_id: String,
    pub game_config: Value,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

impl Kept {
    /// From the annotation; a session that kubectl made has none, and is described by its Game.
    pub fn of(session: &GameSession) -> Kept {
        let kept = session.annotations().get(REQUEST);
        kept.and_then(|text| serde_json::from_str(text).ok())
            .unwrap_or_else(|| {
                let game = &session.spec.game_ref.name;
                Kept {
                    game_id: game.clone(),
                    game_config: json!({"type": game}),
                    warnings: Vec::new(),
                }
            })
    }
}

/// The body of `POST /sessions`, for the description.
#[derive(ToSchema)]
#[schema(as = CreateSession, rename_all = "camelCase")]
pub struct CreateSession {
    /// Free text; the Game of this name where gameConfig.type says none. The game sees it as GAME_ID where it declares
    /// that parameter.
    #[schema(min_length = 1, max_length = 1024)]
    pub game_id: String,
    /// Who plays: as spec.user of the resource. Default: who sent the request; without authentication dev-user.
    #[schema(max_length = 253, pattern = r"^([^\s\pC]([^\pC]*[^\s\pC])?)?$")]
    pub user_id: Option<String>,
    /// `type` names the Game; other members become parameters that the Game declares (maxPlayers: MAX_PLAYERS). What it
    /// does not declare is kept, ignored and named in `warnings`. Default: {"type": "example"}.
    #[schema(value_type = Option<Object>)]
    pub game_config: Option<Value>,
}

/// The name of the session that a client's Idempotency-Key stands for: the same for the same key of the same user.
pub fn spoken_for(namespace: &str, user: &str, key: &str) -> String {
    // Lengths keep two triples from running into one text.
    let text = format!("{}:{namespace}{}:{user}{key}", namespace.len(), user.len());
    uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_URL, text.as_bytes()).to_string()
}

fn no_game(wanted: &str, names: &[String]) -> Problem {
    let near = hint(wanted, names.iter().map(String::as_str));
    let words = near.unwrap_or_else(|| "it is empty".to_owned());
    let words = format!("the catalog has no game {}: {words}", quoted(wanted));
    Problem::not_found("Game not found", words)
}

fn wrong(member: &str, value: &Value, rule: &str) -> Problem {
    let mut shown = value.to_string();
    if let Some((end, _)) = shown.char_indices().nth(80) {
        shown.truncate(end);
        shown.push('…');
    }
    Problem::bad_request(format!("{member}: {shown} is not {rule}"))
}

/// A value as the text of a parameter; None: it is no single value.
fn plain(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(truth) => Some(truth.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// `maxPlayers` → `MAX_PLAYERS`, `server-name` → `SERVER_NAME`.
fn upper_snake(member: &str) -> String {
    let mut name = String::with_capacity(member.len() + 4);
    let mut before = None;
    for c in member.chars() {
        let begins = c.is_ascii_uppercase()
            && before.is_some_and(|b: char| b.is_ascii_lowercase() || b.is_ascii_digit());
        if begins {
            name.push('_');
        }
        name.push(if c.is_ascii_alphanumeric() {
            c.to_ascii_uppercase()
        } else {
            '_'
        });
        before = Some(c);
    }
    name
}

#[cfg(test)]
mod tests;
