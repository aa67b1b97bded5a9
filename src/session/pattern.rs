//! The regular expressions that administrators write: Rust's `regex::bytes` with `(?s-u)`, size-limited.
//!
//! Matching takes time linear in the text. Compiled patterns are remembered per thread, since a contract is
//! resolved at every look at a session.

use std::cell::RefCell;
use std::collections::HashMap;

use regex::bytes::{Regex, RegexBuilder};

/// Bytes of a compiled program, and of the cache of its lazy automaton.
const PROGRAM_LIMIT: usize = 1 << 20;

/// Patterns remembered on one thread; past it all are dropped.
const REMEMBERED: usize = 128;

/// Why a pattern does not compile, in one line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct PatternError(pub String);

type Compiled = HashMap<String, Result<Regex, PatternError>>;

thread_local! {
    static COMPILED: RefCell<Compiled> = RefCell::new(HashMap::new());
}

/// Compiles a pattern that is searched for, not anchored.
///
/// # Errors
/// The pattern's syntax is wrong, or its program would be larger than 1 MiB.
pub fn searched(pattern: &str) -> Result<Regex, PatternError> {
    remembered(pattern)
}

/// Compiles a pattern that the whole text must match.
///
/// # Errors
/// As [`searched`].
pub fn whole(pattern: &str) -> Result<Regex, PatternError> {
    // Alone first: "a)|(?:b" is wrong by itself and would undo the anchors.
    remembered(pattern)?;
    remembered(&format!(r"\A(?:{pattern})\z"))
}

fn remembered(pattern: &str) -> Result<Regex, PatternError> {
    COMPILED.with_borrow_mut(|compiled| {
        if let Some(result) = compiled.get(pattern) {
            return result.clone();
        }
        if compiled.len() >= REMEMBERED {
            compiled.clear();
        }
        let result = compile(pattern);
        compiled.insert(pattern.to_owned(), result.clone());
        result
    })
}

fn compile(pattern: &str) -> Result<Regex, PatternError> {
    RegexBuilder::new(pattern)
        .unicode(false)
        .dot_matches_new_line(true)
        .size_limit(PROGRAM_LIMIT)
        .dfa_size_limit(PROGRAM_LIMIT)
        .build()
        .map_err(|error| PatternError(one_line(&error)))
}

/// The parser draws the pattern with a caret below; its last line says what is wrong.
fn one_line(error: &regex::Error) -> String {
    match error {
        regex::Error::CompiledTooBig(_) => {
            "it is too large: its repetitions must be fewer".to_owned()
        }
        other => {
            let text = other.to_string();
            let last = text.lines().last().unwrap_or_default().trim();
            let last = last.strip_prefix("error: ").unwrap_or(last);
            if last.starts_with("Unicode not allowed") || last.contains("invalid UTF-8") {
                return format!("{last}; begin it with (?u) to match characters, not bytes");
            }
            last.to_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::hostile::{cases, text};

    #[test]
    fn a_searched_pattern_is_found_anywhere_and_a_dot_is_any_byte() {
        let found = searched("ready.*$").unwrap();
        assert!(found.is_match(b"\xff\n ready\nnow \xfe"));
        assert!(!found.is_match(b"read"));
    }

    #[test]
    fn patterns_are_remembered_up_to_a_bound_and_then_anew() {
        let remembered = || COMPILED.with_borrow(HashMap::len);
        COMPILED.take();
        for number in 1..=REMEMBERED {
            searched(&format!("a{number}")).unwrap();
            assert_eq!(remembered(), number);
        }
        searched("a1").unwrap();
        assert_eq!(remembered(), REMEMBERED);
        searched("one more").unwrap();
        assert_eq!(remembered(), 1);
    }

    #[test]
    fn a_whole_pattern_matches_from_first_to_last_byte() {
        let port = whole("[0-9]+|any").unwrap();
        for (text, want) in [
            ("7", true),
            ("any", true),
            ("7x", false),
            ("anyone", false),
            ("7\n", false),
            ("", false),
        ] {
            assert_eq!(port.is_match(text.as_bytes()), want, "{text:?}");
        }
        assert!(!whole("(?m)^a$").unwrap().is_match(b"b\na"));
    }

    #[test]
    fn a_pattern_cannot_close_the_group_that_anchors_it() {
        assert!(whole("a)|(?:b").is_err());
    }

    #[test]
    fn what_is_wrong_is_said_in_one_line() {
        assert_eq!(searched("a(b").unwrap_err().0, "unclosed group");
        assert_eq!(
            searched(r"\p{Greek}").unwrap_err().0,
            "Unicode not allowed here; begin it with (?u) to match characters, not bytes"
        );
        assert!(
            whole(r"(?u)[^\p{Cc}\p{Cf}]{1,2}")
                .unwrap()
                .is_match("äö".as_bytes())
        );
        assert_eq!(
            searched("((((a{1000}){1000}){1000}){1000})").unwrap_err().0,
            "it is too large: its repetitions must be fewer"
        );
    }

    proptest! {
        #![proptest_config(cases(256))]

        #[test]
        fn whatever_the_pattern_it_is_compiled_or_refused_in_one_short_line(
            pattern in prop_oneof![".{0,64}", text(), r"[a(){}|*+?\[\]^$.\\0-9,:]{0,40}"],
            text in ".{0,64}",
        ) {
            for compiled in [searched(&pattern), whole(&pattern)] {
                if let Err(why) = compiled {
                    prop_assert!(!why.0.is_empty() && !why.0.contains('\n'), "{}", why);
                    prop_assert!(why.0.len() <= 256, "{}", why);
                }
            }
            if let Ok(found) = searched(&pattern) {
                found.is_match(text.as_bytes());
            }
            if let Ok(found) = whole(&pattern) {
                let all = found.find(text.as_bytes());
                prop_assert!(all.is_none_or(|all| all.range() == (0..text.len())));
            }
        }
    }
}
