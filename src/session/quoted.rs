//! Text from users as it may stand in a message: quoted, on one line, cut, no control or bidirectional marks.

use std::fmt::Write as _;

/// Characters of the text that are shown.
const SHOWN: usize = 64;

/// The text in double quotes; what is not printable as an escape, what is too long cut with "…".
pub fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len().min(SHOWN) + 2);
    out.push('"');
    for (index, c) in text.chars().enumerate() {
        if index == SHOWN {
            out.push('…');
            break;
        }
        match c {
            '"' => out.push_str("\\\""),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            c if hidden(c) => {
                write!(out, "\\u{{{:x}}}", u32::from(c)).expect("writing to a String never fails");
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// Words of an engine, a registry or a parser as they may stand in a message: on one line, without what is hidden,
/// cut after so many characters.
pub fn plain(words: &str, most: usize) -> String {
    let mut seen = words
        .chars()
        .map(|c| if c.is_whitespace() { ' ' } else { c })
        .filter(|c| !hidden(*c));
    let mut out: String = seen.by_ref().take(most).collect();
    if seen.next().is_some() {
        out.push('…');
    }
    out
}

/// Characters that change how the text around them looks, or cannot be seen.
fn hidden(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{feff}'
            | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{e000}'..='\u{f8ff}' | '\u{fff0}'..='\u{ffff}' | '\u{e0000}'..='\u{10ffff}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::hostile::{cases, text};

    #[test]
    fn what_could_disturb_a_terminal_is_escaped() {
        assert_eq!(
            quoted("a\"b\\\n\u{1b}[31m\u{202e}x"),
            "\"a\\\"b\\\\n\\u{1b}[31m\\u{202e}x\""
        );
        assert_eq!(quoted("schön"), "\"schön\"");
    }

    #[test]
    fn words_of_others_stand_on_one_line_without_what_is_hidden() {
        assert_eq!(
            plain("no such\nfile\u{1b}[31m \u{202e}x\t!", 64),
            "no such file[31m x !"
        );
        assert_eq!(plain("abcdef", 3), "abc…");
        assert_eq!(plain("abc", 3), "abc");
    }

    #[test]
    fn a_long_text_is_cut() {
        assert_eq!(quoted(&"x".repeat(65)), format!("\"{}…\"", "x".repeat(64)));
        assert_eq!(quoted(&"x".repeat(64)), format!("\"{}\"", "x".repeat(64)));
    }

    proptest! {
        #![proptest_config(cases(256))]

        #[test]
        fn whatever_the_text_the_quote_is_one_bounded_line(text in prop_oneof![any::<String>(), text()]) {
            let shown = quoted(&text);
            prop_assert!(!shown.chars().any(hidden));
            prop_assert!(shown.chars().count() <= 64 * 10 + 3);
        }

        #[test]
        fn whatever_words_come_what_is_shown_of_them_is_one_line_and_no_longer_than_asked(
            words in prop_oneof![any::<String>(), text()],
            most in 0..200_usize,
        ) {
            let shown = plain(&words, most);
            prop_assert!(!shown.chars().any(|c| hidden(c) || c == '\n'));
            prop_assert!(shown.chars().count() <= most + 1);
            let is_plain = words.chars().all(|c| !hidden(c) && !c.is_whitespace());
            prop_assert!(!is_plain || words.chars().count() > most || shown == words);
        }
    }
}
