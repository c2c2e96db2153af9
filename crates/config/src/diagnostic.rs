//! What is wrong with a file: where, what, what is allowed, what to write instead.

use ariadne::{Color, Config, IndexType, Label, Report, ReportKind, Source};
use std::fmt;
use std::ops::Range;

/// A range of octets in the text of a file.
pub type Span = Range<usize>;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The file is not used.
    Error,
    /// The file is used; it may not do what its author expects.
    Warning,
}

/// One problem.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// Where.
    pub span: Span,
    /// What is wrong, in one line.
    pub message: String,
    /// Said at the place itself: what is allowed there.
    pub label: String,
    /// What to write instead, where that is known.
    pub help: Option<String>,
    /// Other places that have to do with it, and what to say there.
    pub related: Vec<(Span, String)>,
    /// How bad it is.
    pub severity: Severity,
}

impl Diagnostic {
    /// An error at `span`.
    pub fn error(span: Span, message: impl Into<String>, label: impl Into<String>) -> Diagnostic {
        Diagnostic {
            span,
            message: message.into(),
            label: label.into(),
            help: None,
            related: Vec::new(),
            severity: Severity::Error,
        }
    }

    /// A warning at `span`.
    pub fn warning(span: Span, message: impl Into<String>, label: impl Into<String>) -> Diagnostic {
        Diagnostic { severity: Severity::Warning, ..Diagnostic::error(span, message, label) }
    }

    /// With a hint.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Diagnostic {
        self.help = Some(help.into());
        self
    }

    /// With another place that has to do with it.
    #[must_use]
    pub fn related(mut self, span: Span, text: impl Into<String>) -> Diagnostic {
        self.related.push((span, text.into()));
        self
    }
}

/// All problems of one file, in the order of its lines.
#[derive(Clone, PartialEq, Eq)]
pub struct Diagnostics {
    name: String,
    /// With passwords masked: what is rendered may end up in a log.
    text: String,
    /// Where each line but the first starts.
    line_starts: Vec<usize>,
    list: Vec<Diagnostic>,
}

impl Diagnostics {
    /// Sorts `list` by place and drops repetitions (a group is read once for each member). The text under `secrets`
    /// is never shown.
    pub(crate) fn new(name: &str, text: &str, mut list: Vec<Diagnostic>, secrets: &[Span]) -> Diagnostics {
        list.sort_by_key(|d| (d.span.start, d.span.end, d.severity));
        let mut unique: Vec<Diagnostic> = Vec::with_capacity(list.len());
        for diagnostic in list {
            let same_place = unique.iter().rev().take_while(|d| d.span == diagnostic.span);
            if !same_place.into_iter().any(|d| *d == diagnostic) {
                unique.push(diagnostic);
            }
        }
        let line_starts = text.match_indices('\n').map(|(newline, _)| newline + 1).collect();
        Diagnostics { name: name.to_owned(), text: mask(text, secrets), line_starts, list: unique }
    }

    /// What the file was called.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether there is nothing to say.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// One after the other, in the order of lines.
    pub fn iter(&self) -> std::slice::Iter<'_, Diagnostic> {
        self.list.iter()
    }

    /// How many make the file unusable.
    pub fn error_count(&self) -> usize {
        self.list.iter().filter(|d| d.severity == Severity::Error).count()
    }

    /// Line and column of a diagnostic, both from 1, the column in characters.
    pub fn position(&self, diagnostic: &Diagnostic) -> (usize, usize) {
        let at = self.text.floor_char_boundary(diagnostic.span.start);
        let line = self.line_starts.partition_point(|start| *start <= at);
        let line_start =
            line.checked_sub(1).and_then(|index| self.line_starts.get(index)).copied().unwrap_or(0);
        (line + 1, self.text[line_start..at].chars().count() + 1)
    }

    /// One report per problem, for a person.
    pub fn render(&self, color: bool) -> String {
        let mut out = Vec::new();
        let source = Source::from(self.text.as_str());
        for diagnostic in &self.list {
            if !out.is_empty() {
                out.push(b'\n');
            }
            // Writing to memory does not fail.
            let _ = self.report(diagnostic, color).write((self.name.as_str(), &source), &mut out);
        }
        let text = String::from_utf8_lossy(&out);
        text.lines().flat_map(|line| [line.trim_end(), "\n"]).collect()
    }

    fn report<'a>(&'a self, diagnostic: &'a Diagnostic, color: bool) -> Report<'a, (&'a str, Span)> {
        let name = self.name.as_str();
        let at = |span: &Span| (name, self.visible(span));
        let (kind, tint) = match diagnostic.severity {
            Severity::Error => (ReportKind::Error, Color::Red),
            Severity::Warning => (ReportKind::Warning, Color::Yellow),
        };
        let label = |span, text, tint| Label::new(at(span)).with_message(text).with_color(tint);
        let related = diagnostic.related.iter().map(|(span, text)| (span, text, Color::Blue));
        let mut labels: Vec<_> = related.chain([(&diagnostic.span, &diagnostic.label, tint)]).collect();
        labels.sort_by_key(|(span, ..)| span.start);
        let mut report = Report::build(kind, at(&diagnostic.span))
            .with_config(Config::default().with_color(color).with_index_type(IndexType::Byte))
            .with_message(&diagnostic.message)
            .with_labels(labels.into_iter().map(|(span, text, tint)| label(span, text, tint)));
        if let Some(help) = &diagnostic.help {
            report = report.with_help(help);
        }
        report.finish()
    }

    /// A span that ariadne can underline: inside the text, on one line, and not empty where that is possible.
    fn visible(&self, span: &Span) -> Span {
        let start = self.text.floor_char_boundary(span.start.min(self.text.len()));
        let line_end = self.text[start..].find('\n').map_or(self.text.len(), |newline| start + newline);
        let end = self.text.ceil_char_boundary(span.end.min(line_end)).max(start);
        if end > start {
            return start..end;
        }
        // At the end of a line or file: show the character before.
        let before = self.text[..start].char_indices().next_back();
        before.filter(|(_, c)| *c != '\n').map_or(start..end, |(index, _)| index..end)
    }
}

impl<'a> IntoIterator for &'a Diagnostics {
    type Item = &'a Diagnostic;
    type IntoIter = std::slice::Iter<'a, Diagnostic>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// One line per problem, for a log.
impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, diagnostic) in self.list.iter().enumerate() {
            let (line, column) = self.position(diagnostic);
            let severity = match diagnostic.severity {
                Severity::Error => "error",
                Severity::Warning => "warning",
            };
            let newline = if index == 0 { "" } else { "\n" };
            let Diagnostic { message, label, .. } = diagnostic;
            write!(f, "{newline}{}:{line}:{column}: {severity}: {message}: {label}", self.name)?;
        }
        Ok(())
    }
}

impl fmt::Debug for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Diagnostics").field("name", &self.name).field("list", &self.list).finish()
    }
}

impl std::error::Error for Diagnostics {}

/// The text with stars in place of `secrets`, octet for octet so that spans stay right.
fn mask(text: &str, secrets: &[Span]) -> String {
    let mut secrets: Vec<&Span> = secrets.iter().collect();
    secrets.sort_by_key(|secret| secret.start);
    let mut masked = String::with_capacity(text.len());
    for secret in secrets {
        // They may overlap: a group is read once for each member.
        let start = secret.start.max(masked.len());
        let (Some(plain), Some(hidden)) = (text.get(masked.len()..start), text.get(start..secret.end)) else {
            continue;
        };
        masked.push_str(plain);
        masked.extend(hidden.bytes().map(|octet| if octet == b'\n' { '\n' } else { '*' }));
    }
    masked.push_str(&text[masked.len()..]);
    masked
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_masked_octet_for_octet() {
        let text = "a = 'sü\nß' # b";
        let (start, end) = (4, text.find(" #").unwrap());
        let masked = mask(text, &[start..end, start + 2..end, start..end]);
        assert_eq!(masked, "a = ****\n*** # b");
        assert_eq!(masked.len(), text.len());
    }

    #[test]
    fn positions_count_lines_and_characters_from_one() {
        let text = "äb\n\ncd";
        let at = |start: usize| {
            let problem = Diagnostic::error(start..start, "", "");
            Diagnostics::new("f", text, vec![problem.clone()], &[]).position(&problem)
        };
        assert_eq!(at(0), (1, 1));
        assert_eq!(at(2), (1, 2));
        assert_eq!(at(4), (2, 1));
        assert_eq!(at(6), (3, 2));
        assert_eq!(at(99), (3, 3));
    }
}
