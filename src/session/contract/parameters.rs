//! Parameters: what a Game declares, what a session sets, and whether the two fit.

use std::collections::BTreeMap;

use super::Refusal;
use crate::api::{GameSpec, Parameter, ParameterDeclaration};
use crate::session::pattern;
use crate::session::quoted::quoted;

/// Values by name. A declared parameter that has neither value nor default is absent.
pub(super) type Values = BTreeMap<String, String>;

/// Names of a list that a message shows.
const SHOWN: usize = 8;

/// The declarations of a Game, each one sound in itself.
pub(super) struct Declared<'a>(Vec<&'a ParameterDeclaration>);

impl<'a> Declared<'a> {
    /// Checks names, patterns and defaults.
    pub(super) fn of(game: &'a GameSpec) -> Result<Declared<'a>, Refusal> {
        let mut declared: Vec<&ParameterDeclaration> = Vec::with_capacity(game.parameters.len());
        for one in &game.parameters {
            let name = quoted(&one.name);
            if ["SESSION_ID", "USER_ID"].contains(&one.name.as_str())
                || one.name.starts_with("PORT_")
            {
                return Err(Refusal::game(format!(
                    "parameter {name}: the name is reserved"
                )));
            }
            if declared.iter().any(|other| other.name == one.name) {
                return Err(Refusal::game(format!("parameter {name} is declared twice")));
            }
            if let Some(text) = &one.pattern {
                pattern::whole(text).map_err(|error| {
                    Refusal::game(format!(
                        "pattern of parameter {name}, {}, does not compile: {error}",
                        quoted(text)
                    ))
                })?;
            }
            if let Some(default) = &one.default {
                misfit(one, default).map_or(Ok(()), |why| {
                    Err(Refusal::game(format!(
                        "default of parameter {name}, {}, {why}",
                        quoted(default)
                    )))
                })?;
            }
            declared.push(one);
        }
        Ok(Declared(declared))
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &'a str> + '_ {
        self.0.iter().map(|one| one.name.as_str())
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.names().any(|declared| declared == name)
    }

    /// What the session sets, over the defaults.
    pub(super) fn values(&self, set: &[Parameter]) -> Result<Values, Refusal> {
        let mut values = Values::new();
        for Parameter { name, value } in set {
            let Some(declared) = self.0.iter().find(|declared| declared.name == *name) else {
                return Err(Refusal::parameters(format!(
                    "parameter {} is not one of this game: {}",
                    quoted(name),
                    hint(name, self.names()).unwrap_or_else(|| "it has none".to_owned()),
                )));
            };
            if let Some(why) = misfit(declared, value) {
                return Err(Refusal::parameters(format!(
                    "parameter {}: {} {why}",
                    quoted(name),
                    quoted(value)
                )));
            }
            values.insert(name.clone(), value.clone());
        }
        for one in &self.0 {
            if values.contains_key(&one.name) {
                continue;
            }
            if let Some(default) = &one.default {
                values.insert(one.name.clone(), default.clone());
            } else if one.required {
                return Err(Refusal::parameters(format!(
                    "parameter {} is required by this game and not set",
                    quoted(&one.name)
                )));
            }
        }
        Ok(values)
    }
}

/// Why a value does not fit its declaration.
fn misfit(declared: &ParameterDeclaration, value: &str) -> Option<String> {
    if value.contains('\0') {
        return Some("holds a NUL character".to_owned());
    }
    if let Some(allowed) = &declared.allowed
        && !allowed.iter().any(|one| one == value)
    {
        return Some(format!(
            "is not one of {}",
            short_list(allowed.iter().map(String::as_str))
        ));
    }
    if let Some(text) = &declared.pattern {
        // One that does not compile was refused with the declaration.
        if !pattern::whole(text).is_ok_and(|whole| whole.is_match(value.as_bytes())) {
            return Some(format!("does not match the pattern {}", quoted(text)));
        }
    }
    None
}

/// "did you mean …" with the nearest names, else the names there are; None where there are none.
pub(crate) fn hint<'n>(name: &str, known: impl Iterator<Item = &'n str>) -> Option<String> {
    let known: Vec<&str> = known.collect();
    if known.is_empty() {
        return None;
    }
    let mut near: Vec<(usize, &str)> = known
        .iter()
        .map(|one| (distance(name, one), *one))
        .filter(|(distance, one)| *distance <= (one.len() / 3).max(2))
        .collect();
    near.sort_unstable();
    if near.is_empty() {
        return Some(format!("it has {}", short_list(known.into_iter())));
    }
    let names: Vec<String> = near.iter().take(3).map(|(_, one)| quoted(one)).collect();
    Some(format!("did you mean {}?", names.join(" or ")))
}

fn short_list<'n>(names: impl Iterator<Item = &'n str>) -> String {
    let mut words: Vec<String> = names.take(SHOWN + 1).map(quoted).collect();
    if words.len() > SHOWN {
        words.truncate(SHOWN);
        words.push("…".to_owned());
    }
    words.join(", ")
}

/// Insertions, removals and exchanges from one name to the other, capitals aside; names longer than any
/// that can be declared are far from all.
fn distance(a: &str, b: &str) -> usize {
    if a.len() > 128 || b.len() > 128 {
        return usize::MAX;
    }
    let a: Vec<char> = a.to_uppercase().chars().collect();
    let b: Vec<char> = b.to_uppercase().chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let exchanged = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = exchanged.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_as_far_apart_as_it_takes_edits_from_one_to_the_other_capitals_aside() {
        for (a, b, apart) in [
            ("MAP", "map", 0),
            ("MPA", "MAP", 2),
            ("XAB", "AB", 1),
            ("ABC", "", 3),
            ("", "ABC", 3),
            ("SLOTS", "SLOT", 1),
        ] {
            assert_eq!(distance(a, b), apart, "{a} {b}");
        }
    }

    #[test]
    fn a_name_longer_than_any_that_can_be_declared_is_far_from_all() {
        let (longest, longer) = ("a".repeat(128), "a".repeat(129));
        assert_eq!(distance(&longest, "a"), 127);
        assert_eq!(distance("a", &longest), 127);
        assert_eq!(distance(&longer, "a"), usize::MAX);
        assert_eq!(distance("a", &longer), usize::MAX);
    }

    #[test]
    fn a_long_name_may_have_more_slips_than_a_short_one() {
        let meant = |name: &str, known: &str| hint(name, [known].into_iter()).unwrap();
        assert_eq!(
            meant("MAXPLAYRS_PERTEM", "MAX_PLAYERS_PER_TEAM"),
            "did you mean \"MAX_PLAYERS_PER_TEAM\"?"
        );
        assert_eq!(meant("XYZ", "MAP"), "it has \"MAP\"");
    }

    #[test]
    fn of_more_names_than_are_shown_it_is_said_that_there_are_more() {
        let names: Vec<String> = (0..SHOWN + 2).map(|i| format!("N{i}")).collect();
        let list = |count: usize| short_list(names[..count].iter().map(String::as_str));
        assert!(list(SHOWN).ends_with("\"N7\""));
        assert!(list(SHOWN + 1).ends_with("\"N7\", …"));
        assert_eq!(list(SHOWN + 2), list(SHOWN + 1));
    }
}
