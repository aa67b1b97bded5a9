//! `$(NAME)` in command, arguments and environment values of a Game.
//!
//! Names are those of the Game's parameters, `PORT_<PORT>` for the public number of a port, `GAME_ID`,
//! `SESSION_ID` and `USER_ID`. `$$(` stands for `$(`; any other `$` stands for itself. Only the Game's own text
//! is read: what a user wrote is put in as it is and never read again.

use super::parameters::{Declared, Values, hint};
use super::{Piece, PortTerms, Refusal, Text};
use crate::api::EnvVar;
use crate::session::quoted::quoted;

/// What the names in a Game's texts can stand for.
pub(super) struct Template<'a> {
    pub(super) declared: &'a Declared<'a>,
    pub(super) ports: &'a [PortTerms],
}

/// One text with every name known and nothing filled in yet.
pub(super) struct Draft(Vec<Part>);

enum Part {
    Literal(String),
    Port(String),
    GameId,
    SessionId,
    UserId,
    Parameter(String),
}

/// The three values that every container gets.
pub(super) struct Fixed {
    pub(super) game_id: String,
    pub(super) session_id: String,
    pub(super) user_id: String,
}

/// `PORT_<PORT>`: upper case, `-` becomes `_`.
pub(super) fn port_variable(port: &str) -> String {
    format!("PORT_{}", port.to_ascii_uppercase().replace('-', "_"))
}

impl Template<'_> {
    pub(super) fn texts(&self, field: &str, texts: &[String]) -> Result<Vec<Draft>, Refusal> {
        texts
            .iter()
            .enumerate()
            .map(|(index, text)| self.draft(&format!("{field}[{index}]"), text))
            .collect()
    }

    pub(super) fn env(&self, env: &[EnvVar]) -> Result<Vec<(String, Draft)>, Refusal> {
        env.iter()
            .map(|EnvVar { name, value }| {
                let draft = self.draft(&format!("env {}", quoted(name)), value)?;
                Ok((name.clone(), draft))
            })
            .collect()
    }

    fn draft(&self, field: &str, text: &str) -> Result<Draft, Refusal> {
        let mut parts = Vec::new();
        let mut literal = String::new();
        let mut rest = text;
        while let Some(at) = rest.find('$') {
            literal.push_str(&rest[..at]);
            let after = &rest[at..];
            if let Some(escaped) = after.strip_prefix("$$(") {
                literal.push_str("$(");
                rest = escaped;
            } else if let Some(inner) = after.strip_prefix("$(") {
                let Some((name, behind)) = inner.split_once(')') else {
                    return Err(Refusal::game(format!(
                        "{field}: \"$(\" is not closed in {}; write \"$$(\" for a plain \"$(\"",
                        quoted(after)
                    )));
                };
                parts.push(Part::Literal(std::mem::take(&mut literal)));
                parts.push(self.part(field, name)?);
                rest = behind;
            } else {
                literal.push('$');
                rest = &after[1..];
            }
        }
        literal.push_str(rest);
        parts.push(Part::Literal(literal));
        Ok(Draft(parts))
    }

    fn part(&self, field: &str, name: &str) -> Result<Part, Refusal> {
        Ok(match name {
            "GAME_ID" => Part::GameId,
            "SESSION_ID" => Part::SessionId,
            "USER_ID" => Part::UserId,
            _ if self.declared.has(name) => Part::Parameter(name.to_owned()),
            _ => match self.ports.iter().find(|p| port_variable(&p.name) == name) {
                Some(port) => Part::Port(port.name.clone()),
                None => return Err(self.unknown(field, name)),
            },
        })
    }

    fn unknown(&self, field: &str, name: &str) -> Refusal {
        let variables: Vec<String> = self.ports.iter().map(|p| port_variable(&p.name)).collect();
        let known = self
            .declared
            .names()
            .chain(variables.iter().map(String::as_str))
            .chain(super::OUR_ENV);
        Refusal::game(format!(
            "{field}: $({}) names no parameter and no port of the game: {}; write \"$$(\" for a plain \"$(\"",
            quoted(name).trim_matches('"'),
            hint(name, known).unwrap_or_default(),
        ))
    }
}

/// Longest text, in bytes, that a kernel takes as one argument or variable (a page of room for the name).
const LONGEST_TEXT: usize = 124 * 1024;

/// Puts the values into a list of texts.
pub(super) fn filled(
    field: &str,
    drafts: Vec<Draft>,
    values: &Values,
    fixed: &Fixed,
) -> Result<Vec<Text>, Refusal> {
    drafts
        .into_iter()
        .enumerate()
        .map(|(index, draft)| {
            draft
                .filled(values, fixed)
                .ok_or_else(|| too_long(&format!("{field}[{index}]")))
        })
        .collect()
}

/// Puts the values into the environment.
pub(super) fn filled_env(
    env: Vec<(String, Draft)>,
    values: &Values,
    fixed: &Fixed,
) -> Result<Vec<(String, Text)>, Refusal> {
    env.into_iter()
        .map(|(name, draft)| match draft.filled(values, fixed) {
            Some(text) => Ok((name, text)),
            None => Err(too_long(&format!("env {}", quoted(&name)))),
        })
        .collect()
}

fn too_long(field: &str) -> Refusal {
    Refusal::game(format!(
        "{field} is longer than {LONGEST_TEXT} bytes once its names are filled in"
    ))
}

impl Draft {
    /// Puts the values in. Ports stay: they are chosen later. None: too long.
    fn filled(self, values: &Values, fixed: &Fixed) -> Option<Text> {
        let mut pieces: Vec<Piece> = Vec::with_capacity(self.0.len());
        let mut length = 0;
        for part in self.0 {
            let literal = match &part {
                Part::Port(name) => {
                    pieces.push(Piece::Port(name.clone()));
                    continue;
                }
                Part::Literal(literal) => literal,
                Part::GameId => &fixed.game_id,
                Part::SessionId => &fixed.session_id,
                Part::UserId => &fixed.user_id,
                Part::Parameter(name) => match values.get(name) {
                    Some(value) => value,
                    None => continue,
                },
            };
            length += literal.len();
            if length > LONGEST_TEXT {
                return None;
            }
            match pieces.last_mut() {
                Some(Piece::Literal(before)) => before.push_str(literal),
                _ if literal.is_empty() => {}
                _ => pieces.push(Piece::Literal(literal.clone())),
            }
        }
        Some(Text(pieces))
    }
}
