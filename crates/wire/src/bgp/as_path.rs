//! AS_PATH (RFC 4271 §4.3, §5.1.2; RFC 5065 §3; RFC 6793).

use super::FaultKind;
use crate::bytes::Reader;
use std::fmt;
use std::str::FromStr;
use trunkline_core::Asn;

/// The most AS numbers that one path segment holds: its length has one octet.
const MAX_SEGMENT: usize = 255;

/// Path Segment Type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SegmentKind {
    /// AS_SET, 1: unordered.
    Set,
    /// AS_SEQUENCE, 2: ordered.
    Sequence,
    /// AS_CONFED_SEQUENCE, 3 (RFC 5065 §3).
    ConfedSequence,
    /// AS_CONFED_SET, 4 (RFC 5065 §3).
    ConfedSet,
}

impl SegmentKind {
    /// The kind of a code on the wire.
    pub const fn from_code(code: u8) -> Option<SegmentKind> {
        Some(match code {
            1 => SegmentKind::Set,
            2 => SegmentKind::Sequence,
            3 => SegmentKind::ConfedSequence,
            4 => SegmentKind::ConfedSet,
            _ => return None,
        })
    }

    /// The code on the wire.
    pub const fn code(self) -> u8 {
        match self {
            SegmentKind::Set => 1,
            SegmentKind::Sequence => 2,
            SegmentKind::ConfedSequence => 3,
            SegmentKind::ConfedSet => 4,
        }
    }

    /// Whether it belongs to a confederation.
    pub const fn is_confederation(self) -> bool {
        matches!(self, SegmentKind::ConfedSequence | SegmentKind::ConfedSet)
    }

    const fn brackets(self) -> (&'static str, &'static str) {
        match self {
            SegmentKind::Set => ("{", "}"),
            SegmentKind::Sequence => ("", ""),
            SegmentKind::ConfedSequence => ("(", ")"),
            SegmentKind::ConfedSet => ("[", "]"),
        }
    }
}

/// One path segment.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AsPathSegment {
    /// Path Segment Type.
    pub kind: SegmentKind,
    /// Path Segment Value, the most recent AS first; 1..=255 of them in what was received.
    pub asns: Vec<Asn>,
}

impl AsPathSegment {
    /// What it counts in a comparison of path lengths (RFC 4271 §9.1.2.2 a; RFC 5065 §5.3).
    pub fn path_length(&self) -> usize {
        match self.kind {
            SegmentKind::Sequence => self.asns.len(),
            SegmentKind::Set => 1,
            SegmentKind::ConfedSequence | SegmentKind::ConfedSet => 0,
        }
    }
}

/// An AS_PATH. The default is the empty path, as of a route that this AS originates.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AsPath {
    /// The segments, the most recent first.
    pub segments: Vec<AsPathSegment>,
}

impl AsPath {
    /// A path of one AS_SEQUENCE; the empty path where there are no numbers.
    pub fn sequence(asns: impl IntoIterator<Item = Asn>) -> AsPath {
        let asns: Vec<Asn> = asns.into_iter().collect();
        match asns.is_empty() {
            true => AsPath::default(),
            false => AsPath { segments: vec![AsPathSegment { kind: SegmentKind::Sequence, asns }] },
        }
    }

    /// Whether there is no AS in it.
    pub fn is_empty(&self) -> bool {
        self.segments.iter().all(|s| s.asns.is_empty())
    }

    /// The number of ASes for the comparison of routes: a set counts 1, confederation segments count 0
    /// (RFC 4271 §9.1.2.2 a; RFC 5065 §5.3).
    pub fn path_length(&self) -> usize {
        self.segments.iter().map(AsPathSegment::path_length).sum()
    }

    /// Every AS number, in order, those in sets and confederation segments too.
    pub fn asns(&self) -> impl Iterator<Item = Asn> + '_ {
        self.segments.iter().flat_map(|s| s.asns.iter().copied())
    }

    /// Whether `asn` occurs anywhere (RFC 4271 §9.1.2: a loop).
    pub fn contains(&self, asn: Asn) -> bool {
        self.asns().any(|a| a == asn)
    }

    /// The leftmost AS number (RFC 4271 §6.3: of the peer that sent it), whatever its segment.
    pub fn first_as(&self) -> Option<Asn> {
        self.asns().next()
    }

    /// The neighbor AS the route came from (RFC 4271 §9.1.2.2 c): the first of the path, where the path, apart from
    /// confederation segments, starts with a sequence.
    pub fn neighbor_as(&self) -> Option<Asn> {
        let first = self.segments.iter().find(|s| !s.kind.is_confederation())?;
        match first.kind {
            SegmentKind::Sequence => first.asns.first().copied(),
            _ => None,
        }
    }

    /// The AS that originated the route: the last of the path, where that is a sequence (RFC 6811 §2).
    pub fn origin_as(&self) -> Option<Asn> {
        let last = self.segments.last()?;
        match last.kind {
            SegmentKind::Sequence => last.asns.last().copied(),
            _ => None,
        }
    }

    /// Prepends `asn` `n` times (RFC 4271 §5.1.2 b): to the first segment where that is a sequence with room, in a
    /// new one otherwise.
    pub fn prepend(&mut self, asn: Asn, n: usize) {
        let mut left = n;
        if let Some(first) = self.segments.first_mut().filter(|s| s.kind == SegmentKind::Sequence) {
            let fits = left.min(MAX_SEGMENT.saturating_sub(first.asns.len()));
            first.asns.splice(0..0, std::iter::repeat_n(asn, fits));
            left -= fits;
        }
        while left > 0 {
            let fits = left.min(MAX_SEGMENT);
            self.segments.insert(0, AsPathSegment { kind: SegmentKind::Sequence, asns: vec![asn; fits] });
            left -= fits;
        }
    }

    /// Whether some number needs four octets (RFC 6793 §4.2.2).
    pub fn has_four_octet(&self) -> bool {
        self.asns().any(|a| a.0 > u32::from(u16::MAX))
    }

    /// Reads the value of an AS_PATH or AS4_PATH. Confederation segments are read; AS 0 too: whether they may be
    /// there is for the caller.
    pub fn parse(value: &[u8], four_octet_as: bool) -> Result<AsPath, FaultKind> {
        let mut r = Reader::new(value);
        let mut segments = Vec::new();
        while !r.is_empty() {
            segments.push(AsPathSegment::parse(&mut r, four_octet_as)?);
        }
        Ok(AsPath { segments })
    }

    /// Appends the value of the attribute. A segment of more than 255 numbers is split, an empty one left out; where
    /// `four_octet_as` is false, numbers that need four octets become AS_TRANS (RFC 6793 §4.2.2).
    pub fn emit(&self, four_octet_as: bool, out: &mut Vec<u8>) {
        for segment in &self.segments {
            for asns in segment.asns.chunks(MAX_SEGMENT) {
                out.extend_from_slice(&[segment.kind.code(), asns.len() as u8]);
                for asn in asns {
                    match four_octet_as {
                        true => out.extend_from_slice(&asn.0.to_be_bytes()),
                        false => out.extend_from_slice(&asn.to_two_octet().to_be_bytes()),
                    }
                }
            }
        }
    }

    /// Octets that [`AsPath::emit`] appends.
    pub fn emitted_len(&self, four_octet_as: bool) -> usize {
        let size = if four_octet_as { 4 } else { 2 };
        self.segments.iter().map(|s| 2 * s.asns.len().div_ceil(MAX_SEGMENT) + size * s.asns.len()).sum()
    }
}

impl AsPathSegment {
    /// RFC 7606 §7.2 says what is malformed.
    fn parse(r: &mut Reader<'_>, four_octet_as: bool) -> Result<AsPathSegment, FaultKind> {
        let code = r.u8().ok_or(FaultKind::SegmentUnderrun)?;
        let count = usize::from(r.u8().ok_or(FaultKind::SegmentUnderrun)?);
        let kind = SegmentKind::from_code(code).ok_or(FaultKind::SegmentType { kind: code })?;
        if count == 0 {
            return Err(FaultKind::EmptySegment);
        }
        let size = if four_octet_as { 4 } else { 2 };
        let bytes = r.take(count * size).ok_or(FaultKind::SegmentOverrun)?;
        let asns = match four_octet_as {
            true => bytes.as_chunks().0.iter().map(|c| Asn(u32::from_be_bytes(*c))).collect(),
            false => bytes.as_chunks().0.iter().map(|c| Asn(u16::from_be_bytes(*c).into())).collect(),
        };
        Ok(AsPathSegment { kind, asns })
    }
}

impl fmt::Display for AsPathSegment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (open, close) = self.kind.brackets();
        f.write_str(open)?;
        for (i, asn) in self.asns.iter().enumerate() {
            let space = if i == 0 { "" } else { " " };
            write!(f, "{space}{asn}")?;
        }
        f.write_str(close)
    }
}

impl fmt::Display for AsPath {
    /// `65001 65002 {1 2}`: a set in braces, confederation sequences in parentheses, their sets in brackets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, segment) in self.segments.iter().enumerate() {
            let space = if i == 0 { "" } else { " " };
            write!(f, "{space}{segment}")?;
        }
        Ok(())
    }
}

/// The text is no AS path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParseAsPathError;

impl fmt::Display for ParseAsPathError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an AS path is numbers with spaces between, and sets in braces, as in 65001 65002 {1 2}")
    }
}

impl std::error::Error for ParseAsPathError {}

impl FromStr for AsPath {
    type Err = ParseAsPathError;

    /// Reads what `Display` writes; inside brackets commas serve as spaces. Neighbouring numbers become one sequence.
    fn from_str(s: &str) -> Result<AsPath, ParseAsPathError> {
        let mut path = AsPath::default();
        let mut open: Option<AsPathSegment> = None;
        for word in spaced_brackets(s).split_whitespace() {
            let opens = match word {
                "{" => Some(SegmentKind::Set),
                "(" => Some(SegmentKind::ConfedSequence),
                "[" => Some(SegmentKind::ConfedSet),
                _ => None,
            };
            match (word, opens, &mut open) {
                (_, Some(kind), None) => open = Some(AsPathSegment { kind, asns: Vec::new() }),
                ("}" | ")" | "]", _, segment) => {
                    let done = segment.take().filter(|s| s.kind.brackets().1 == word && !s.asns.is_empty());
                    path.segments.push(done.ok_or(ParseAsPathError)?);
                }
                (number, None, Some(segment)) => {
                    segment.asns.push(number.parse().map_err(|_| ParseAsPathError)?);
                }
                (number, None, None) => {
                    let asn = number.parse().map_err(|_| ParseAsPathError)?;
                    match path.segments.last_mut().filter(|s| s.kind == SegmentKind::Sequence) {
                        Some(last) => last.asns.push(asn),
                        None => {
                            path.segments.push(AsPathSegment { kind: SegmentKind::Sequence, asns: vec![asn] })
                        }
                    }
                }
                (_, Some(_), Some(_)) => return Err(ParseAsPathError),
            }
        }
        match open {
            None => Ok(path),
            Some(_) => Err(ParseAsPathError),
        }
    }
}

/// Puts spaces around brackets, and inside them for commas.
fn spaced_brackets(s: &str) -> String {
    let mut spaced = String::with_capacity(s.len() + 8);
    let mut inside = false;
    for c in s.chars() {
        match c {
            '{' | '(' | '[' | '}' | ')' | ']' => {
                inside = matches!(c, '{' | '(' | '[');
                spaced.extend([' ', c, ' ']);
            }
            ',' if inside => spaced.push(' '),
            _ => spaced.push(c),
        }
    }
    spaced
}
