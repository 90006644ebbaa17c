//! [`excerpt`]: a text from elsewhere, made fit for one line of a log.

use std::error::Error;
use std::fmt::{self, Write};

/// The maximum number of characters that are shown of an error's message.
pub(crate) const ERROR: usize = 1_000;

/// Shows at most `longest` characters of what `text` displays, on one line. Escapes characters that
/// are not printable, and marks a cut.
pub(crate) fn excerpt<T: fmt::Display>(text: T, longest: usize) -> Excerpt<T> {
    Excerpt { text, longest }
}

pub(crate) struct Excerpt<T> {
    text: T,
    longest: usize,
}

impl<T: fmt::Display> fmt::Display for Excerpt<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut cut = Cut { left: self.longest, exceeded: false, to: f };
        match write!(cut, "{}", self.text) {
            Err(fmt::Error) if cut.exceeded => f.write_str("[cut]"),
            result => result,
        }
    }
}

/// The maximum number of an error's sources that are shown, so that a circular chain ends.
const SOURCES: usize = 8;

/// Returns the texts of an error's sources, each after a colon, for a line that shows the error
/// itself.
pub(crate) fn sources(first: Option<&(dyn Error + 'static)>) -> Excerpt<String> {
    let mut text = String::new();
    let chain = std::iter::successors(first, |&error| error.source());
    for source in chain.take(SOURCES) {
        let said = excerpt(source, ERROR).to_string();
        // Many errors repeat their source's text in their own.
        if !text.contains(&said) {
            text.push_str(": ");
            text.push_str(&said);
        }
    }
    excerpt(text, ERROR)
}

/// Writes until `left` characters are written and then fails, so that the rest is not even
/// formatted.
struct Cut<'a, 'f> {
    left: usize,
    exceeded: bool,
    to: &'a mut fmt::Formatter<'f>,
}

impl Write for Cut<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for c in text.chars() {
            let escaped = c.escape_debug();
            let prints = matches!(c, '"' | '\'' | '\\') || escaped.len() == 1;
            let length = if prints { 1 } else { escaped.len() };
            if length > self.left {
                self.exceeded = true;
                return Err(fmt::Error);
            }
            self.left -= length;
            if prints {
                self.to.write_char(c)?;
            } else {
                write!(self.to, "{escaped}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fits_and_prints_is_left_alone() {
        for text in ["", "a \"quoted\" 'one' \\", "Grüße, 世界, \u{1F980}", &"x".repeat(10)] {
            assert_eq!(excerpt(text, 30).to_string(), text);
        }
    }

    #[test]
    fn what_does_not_print_is_escaped() {
        let text = excerpt("a\r\n\t\0\u{1b}[31m\u{85}\u{2028}\u{202e}", 100).to_string();
        assert_eq!(text, "a\\r\\n\\t\\0\\u{1b}[31m\\u{85}\\u{2028}\\u{202e}");
    }

    #[test]
    fn every_source_is_shown_once() {
        #[derive(Debug, thiserror::Error)]
        #[error("{0}")]
        struct Layered(&'static str, #[source] Option<Box<Layered>>);

        let layered = |text, source| Layered(text, Some(Box::new(source)));
        let error = layered("outer", layered("outer: middle", Layered("inner\n", None)));
        assert_eq!(sources(Some(&error)).to_string(), ": outer: outer: middle: inner\\n");
        let error = layered("all of it: inner", Layered("inner", None));
        assert_eq!(sources(Some(&error)).to_string(), ": all of it: inner");
        assert_eq!(sources(None).to_string(), "");
    }

    #[test]
    fn a_cut_is_said_and_splits_no_escape() {
        assert_eq!(excerpt("abc", 3).to_string(), "abc");
        assert_eq!(excerpt("abcd", 3).to_string(), "abc[cut]");
        assert_eq!(excerpt("äöüß", 3).to_string(), "äöü[cut]");
        assert_eq!(excerpt("ab\n", 3).to_string(), "ab[cut]");
        assert_eq!(excerpt(b"ab\xff".escape_ascii(), 4).to_string(), "ab\\x[cut]");
    }
}
