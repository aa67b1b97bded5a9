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

    #[test]
    fn what_could_disturb_a_terminal_is_escaped() {
        assert_eq!(
            quoted("a\"b\\\n\u{1b}[31m\u{202e}x"),
            "\"a\\\"b\\\\n\\u{1b}[31m\\u{202e}x\""
        );
        assert_eq!(quoted("schön"), "\"schön\"");
    }

    #[test]
    fn a_long_text_is_cut() {
        assert_eq!(quoted(&"x".repeat(65)), format!("\"{}…\"", "x".repeat(64)));
        assert_eq!(quoted(&"x".repeat(64)), format!("\"{}\"", "x".repeat(64)));
    }

    proptest! {
        #[test]
        fn whatever_the_text_the_quote_is_one_bounded_line(text in any::<String>()) {
            let shown = quoted(&text);
            prop_assert!(!shown.chars().any(char::is_control));
            prop_assert!(shown.chars().count() <= 64 * 10 + 3);
        }
    }
}
