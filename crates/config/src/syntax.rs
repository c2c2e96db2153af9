//! Syntax errors: what the TOML parser says, without what only follows from an earlier slip.

use crate::diagnostic::{Diagnostic, Span};
use crate::section::Reader;
use std::collections::BTreeSet;

/// Parts of the names of keys that hold passwords, or are written for one that does.
const SECRETS: [&str; 3] = ["passw", "key", "secret"];

/// The syntax errors of a file.
pub(crate) struct Syntax<'t> {
    text: &'t str,
    errors: Vec<Diagnostic>,
    /// Starts of lines that hold an error: what else is said of them is guesswork.
    lines: BTreeSet<usize>,
    /// From here on the text was read as something it is not: a list that was never closed.
    lost: usize,
}

impl<'t> Syntax<'t> {
    /// Sorts out what the parser found.
    pub(crate) fn new(text: &'t str, found: &[toml::de::Error]) -> Syntax<'t> {
        let mut syntax = Syntax { text, errors: Vec::new(), lines: BTreeSet::new(), lost: usize::MAX };
        let unclosed = found.iter().any(|error| error.message().starts_with("unclosed array"));
        for error in found {
            let span = error.span().unwrap_or(text.len()..text.len());
            if unclosed && error.message().starts_with("missing comma between") {
                syntax.lose(span);
                break;
            }
            if syntax.lines.insert(line_start(text, span.start)) {
                syntax.errors.push(diagnostic(text, span, error.message()));
            }
        }
        syntax
    }

    /// A list is not closed before `span`: all that follows was taken for its items.
    fn lose(&mut self, span: Span) {
        self.lost = line_start(self.text, span.start);
        self.lines.insert(self.lost);
        let message = "a list before this is not closed";
        self.errors.push(
            Diagnostic::error(span, message, "expected `]` or `,` before this")
                .help("what follows could not be checked; more may be wrong there"),
        );
    }

    /// Reports the errors, takes back what follows from them, and hides what may be a password.
    pub(crate) fn report(self, reader: &Reader) {
        if self.errors.is_empty() {
            return;
        }
        reader.retain(|problem| {
            let start = problem.span.start;
            start < self.lost && !self.lines.contains(&line_start(self.text, start))
        });
        self.errors.into_iter().for_each(|error| reader.push(error));
        hide_passwords(self.text, reader);
    }
}

fn diagnostic(text: &str, span: Span, message: &str) -> Diagnostic {
    let line = line_start(text, span.start);
    let end = text[line..].find('\n').map_or(text.len(), |newline| line + newline);
    let help = bare_word(&text[line..end]);
    // The parser says "what is wrong, expected this, that".
    let (what, label) = match message.split_once(", expected ") {
        Some((what, _)) if help.is_some() => (what, "expected quotes around it".to_owned()),
        Some((what, expected)) => (what, format!("expected {expected}")),
        None if message == "duplicate key" => (message, "is set before this already".to_owned()),
        None => (message, "here".to_owned()),
    };
    Diagnostic { help, ..Diagnostic::error(span, what, label) }
}

/// The commonest slip: a text without quotes, as in `address = 192.0.2.1`.
fn bare_word(line: &str) -> Option<String> {
    let (key, value) = line.split_once('=')?;
    let value = value.split('#').next()?.trim();
    let word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | ':' | '/' | '-' | '_');
    let bare = !value.is_empty() && value.chars().all(word) && value.contains(|c: char| !c.is_ascii_digit());
    (bare && !SECRETS.iter().any(|name| key.contains(name)))
        .then(|| format!("text is written in quotes: `{} = \"{value}\"`", key.trim()))
}

/// A syntax error may keep a password from being seen as one: hide the rest of every line that may hold one.
fn hide_passwords(text: &str, reader: &Reader) {
    let places = SECRETS.into_iter().flat_map(|name| text.match_indices(name));
    for (start, _) in places {
        let line_end = text[start..].find('\n').map_or(text.len(), |newline| start + newline);
        if let Some(equals) = text[start..line_end].find('=') {
            reader.hide(start + equals + 1..line_end);
        }
    }
}

fn line_start(text: &str, index: usize) -> usize {
    let before = &text.as_bytes()[..index.min(text.len())];
    before.iter().rposition(|b| *b == b'\n').map_or(0, |newline| newline + 1)
}
