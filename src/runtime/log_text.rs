//! A game's log is hostile text: made safe before it is shown, searched in bounded memory.

use std::sync::LazyLock;

use regex::Regex as TextRegex;
use regex::bytes::Regex;

/// Lines of a dead game's log that a user sees.
const SHOWN_LINES: usize = 10;
const SHOWN_BYTES: usize = 1024;

/// What a pattern may span. A border between two pieces of the log is not seen within it.
pub(super) const WINDOW: usize = 16 * 1024;

/// Text that arrives in pieces, searched in bounded memory.
#[derive(Default)]
pub(super) struct Text {
    bytes: Vec<u8>,
    /// Bytes before this one are context only: `^` is where the log began, not where the window does.
    start: usize,
}

impl Text {
    /// Takes the next piece; true once the pattern is in the text so far.
    pub(super) fn feed(&mut self, pattern: &Regex, bytes: &[u8]) -> bool {
        self.bytes.extend_from_slice(bytes);
        if pattern.is_match_at(&self.bytes, self.start) {
            return true;
        }
        if self.bytes.len() > WINDOW {
            self.bytes.drain(..self.bytes.len() - WINDOW);
            self.start = 1;
        }
        false
    }
}

/// What a game calls a password, secret, token or key, and the word behind it. Servers print generated passwords at
/// their start, and whoever may read a session may read this. It is a net with holes: a secret without a name passes.
static SECRETS: LazyLock<TextRegex> = LazyLock::new(|| {
    TextRegex::new(
        r#"(?i)(passw(?:or)?d|passphrase|secret|token|api[ _-]?key)(["']?[ \t]*(?:is|was|set to|=|:)[ \t]*["']?)[^\s"',;|]+"#,
    )
    .expect("a constant that a test compiles")
});

/// Log text without escape codes, colour codes, control characters and marks that turn the direction of
/// writing; what is no UTF-8 is replaced, what is named as a secret masked; the last 10 lines, at most 1 KiB of them.
pub(crate) fn safe(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let clean = without_escapes(&text);
    let clean = SECRETS.replace_all(&clean, "$1$2***");
    let mut lines: Vec<&str> = clean
        .lines()
        .map(str::trim_end)
        .filter(|line| !line.is_empty())
        .collect();
    lines.drain(..lines.len().saturating_sub(SHOWN_LINES));
    let joined = lines.join("\n");
    let mut from = joined.len().saturating_sub(SHOWN_BYTES);
    while !joined.is_char_boundary(from) {
        from += 1;
    }
    joined[from..].to_owned()
}

fn without_escapes(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\u{1b}' => match chars.next_if(|c| "[]PX^_".contains(*c)) {
                // CSI: parameters up to a final byte.
                Some('[') => skip_past(&mut chars, |c| ('@'..='~').contains(&c)),
                // OSC and the other strings: up to BEL or ST.
                Some(_) => skip_string(&mut chars),
                // Two characters, possibly with intermediates.
                None => {
                    while chars.next_if(|c| (' '..='/').contains(c)).is_some() {}
                    chars.next_if(|c| ('0'..='~').contains(c));
                }
            },
            '\u{9b}' => skip_past(&mut chars, |c| ('@'..='~').contains(&c)),
            // Colour codes of games: § and one sign.
            '§' => {
                chars.next_if(|c| c.is_ascii_alphanumeric());
            }
            '\n' => clean.push('\n'),
            '\t' => clean.push(' '),
            // A bare carriage return paints over the line; with a line feed it is its end.
            '\r' => {
                if chars.peek() != Some(&'\n') {
                    clean.push('\n');
                }
            }
            c if c.is_control() || is_invisible(c) => {}
            c => clean.push(c),
        }
    }
    clean
}

fn skip_past(chars: &mut std::iter::Peekable<std::str::Chars<'_>>, last: impl Fn(char) -> bool) {
    // An unfinished code ends with its line, so that it hides no more than that.
    while let Some(c) = chars.next_if(|c| *c != '\n') {
        if last(c) {
            break;
        }
    }
}

fn skip_string(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) {
    while let Some(c) = chars.next_if(|c| *c != '\n') {
        if c == '\u{7}' || c == '\u{9c}' {
            break;
        }
        if c == '\u{1b}' && chars.next_if_eq(&'\\').is_some() {
            break;
        }
    }
}

/// Bidirectional marks, zero-width characters, line and paragraph separators, tags, the byte order mark.
fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{61c}' | '\u{ad}' | '\u{180e}' | '\u{feff}'
        | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
        | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::hostile::{cases, text};

    #[test]
    fn escape_codes_colour_codes_and_bidi_marks_are_gone() {
        assert_eq!(
            safe(b"\x1b[31mred\x1b[0m \x1b]0;title\x07x\x1b(By"),
            "red xy"
        );
        assert_eq!(safe("§4hot §lbold".as_bytes()), "hot bold");
        assert_eq!(safe("a\u{202e}b\u{2066}c\u{200f}d".as_bytes()), "abcd");
        assert_eq!(safe(b"bell\x07 null\x00 delete\x7f"), "bell null delete");
    }

    #[test]
    fn an_unfinished_escape_hides_no_more_than_its_line() {
        assert_eq!(
            safe(b"one\x1b]0;never ends\ntwo\x1b[31\nthree"),
            "one\ntwo\nthree"
        );
    }

    #[test]
    fn what_is_no_utf8_is_replaced() {
        assert_eq!(safe(b"caf\xe9"), "caf\u{fffd}");
    }

    #[test]
    fn a_carriage_return_paints_over_nothing() {
        assert_eq!(
            safe(b"password: x\rharmless\r\nend"),
            "password: ***\nharmless\nend"
        );
    }

    #[test]
    fn what_a_game_names_as_a_secret_is_masked() {
        for (line, shown) in [
            ("rcon password is s3cret-17", "rcon password is ***"),
            ("| rcon password: 'abc' |", "| rcon password: '***' |"),
            (
                r#"{"token":"eyJh.x","map":"dm1"}"#,
                r#"{"token":"***","map":"dm1"}"#,
            ),
            (
                "SERVER_PASSWORD=hunter2 MAP=dm1",
                "SERVER_PASSWORD=*** MAP=dm1",
            ),
            (
                "wrong password from 10.0.0.7",
                "wrong password from 10.0.0.7",
            ),
        ] {
            assert_eq!(safe(line.as_bytes()), shown);
        }
    }

    #[test]
    fn ten_lines_and_one_kibibyte_are_shown_and_the_end_is_what_counts() {
        let many: String = (0..50).map(|i| format!("line {i}\n")).collect();
        assert_eq!(safe(many.as_bytes()).lines().count(), 10);
        assert!(safe(many.as_bytes()).ends_with("line 49"));
        let long = format!("{}the end", "ä".repeat(5000));
        assert!(safe(long.as_bytes()).len() <= 1024);
        assert!(safe(long.as_bytes()).ends_with("the end"));
    }

    proptest! {
        #![proptest_config(cases(256))]

        #[test]
        fn whatever_the_log_holds_what_is_shown_is_safe(bytes in proptest::collection::vec(any::<u8>(), 0..3000)) {
            let shown = safe(&bytes);
            prop_assert!(shown.len() <= 1024);
            prop_assert!(shown.chars().all(|c| c == '\n' || !(c.is_control() || is_invisible(c))));
        }

        #[test]
        fn whatever_text_a_game_writes_what_is_shown_is_safe_and_shown_again_the_same(
            pieces in proptest::collection::vec(text(), 0..8),
        ) {
            let shown = safe(pieces.concat().as_bytes());
            prop_assert!(shown.len() <= 1024 && shown.lines().count() <= 10);
            prop_assert!(shown.chars().all(|c| c == '\n' || !(c.is_control() || is_invisible(c))));
            prop_assert_eq!(safe(shown.as_bytes()), shown);
        }

        #[test]
        fn whatever_is_fed_a_text_keeps_no_more_than_its_window(
            chunks in proptest::collection::vec(0..3 * WINDOW, 1..12),
        ) {
            let never = Regex::new("never").expect("a pattern");
            let mut fed = Text::default();
            for length in chunks {
                fed.feed(&never, "x".repeat(length).as_bytes());
                prop_assert!(fed.bytes.len() <= WINDOW);
            }
        }
    }
}
