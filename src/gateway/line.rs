//! A game's log, line by line, each made safe: no escape codes, no control characters, no secrets by name. A line without
//! an end is cut, so that memory is bounded. Pure.

use bytes::Bytes;

use crate::runtime::safe_log;

/// Bytes of one line that are looked at; the end of it is what is shown.
const LONGEST: usize = 16 * 1024;

/// Cuts a log that comes in chunks into lines.
#[derive(Debug, Default)]
pub struct Lines {
    rest: Vec<u8>,
}

impl Lines {
    /// The lines that this chunk ends, made safe.
    pub fn feed(&mut self, chunk: &[u8]) -> Bytes {
        let mut out = String::new();
        for piece in chunk.split_inclusive(|byte| *byte == b'\n') {
            self.rest.extend_from_slice(piece);
            if piece.ends_with(b"\n") || self.rest.len() >= LONGEST {
                self.put(&mut out);
            }
        }
        out.into()
    }

    /// The last line, if it had no end.
    pub fn end(mut self) -> Bytes {
        let mut out = String::new();
        self.put(&mut out);
        out.into()
    }

    fn put(&mut self, out: &mut String) {
        let line = std::mem::take(&mut self.rest);
        if line.is_empty() {
            return;
        }
        out.push_str(&safe_log(&line));
        out.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(chunks: &[&str]) -> String {
        let mut lines = Lines::default();
        let mut out: Vec<Bytes> = chunks
            .iter()
            .map(|chunk| lines.feed(chunk.as_bytes()))
            .collect();
        out.push(lines.end());
        String::from_utf8(out.concat()).unwrap()
    }

    #[test]
    fn lines_are_the_same_however_the_chunks_are_cut() {
        let text = "one\ntwo\r\n\nthree";
        let whole = all(&[text]);
        assert_eq!(whole, "one\ntwo\n\nthree\n");
        for at in 0..text.len() {
            assert_eq!(all(&[&text[..at], &text[at..]]), whole, "cut at {at}");
        }
    }

    #[test]
    fn colours_controls_and_secrets_do_not_come_through() {
        assert_eq!(
            all(&["\u{1b}[31mred\u{1b}[0m\u{7}\u{202e} password=hunter2\n"]),
            "red password=***\n"
        );
    }

    #[test]
    fn a_line_that_never_ends_is_cut_and_costs_no_more() {
        let mut lines = Lines::default();
        let mut shown = 0;
        for _ in 0..100 {
            shown += lines.feed(&[b'x'; 1000]).len();
            assert!(lines.rest.len() < LONGEST + 1000);
        }
        assert!(shown > 0);
    }
}
