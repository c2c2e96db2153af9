//! One value of the file, read as what it should be.

use crate::diagnostic::{Diagnostic, Span};
use crate::section::{Reader, Section, alternatives, nearest};
use std::collections::BTreeMap;
use std::fmt::Display;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::ops::RangeInclusive;
use toml::Spanned;
use toml::de::{DeTable, DeValue};
use trunkline_bgp::policy::PrefixMatch;
use trunkline_core::{Asn, ParsePrefixError, Prefix};
use trunkline_wire::bgp::{Community, LargeCommunity};

/// A value and the key it belongs to.
pub struct Value<'a> {
    reader: &'a Reader,
    key: &'a str,
    item: &'a Spanned<DeValue<'a>>,
}

impl<'a> Value<'a> {
    pub(crate) fn new(reader: &'a Reader, key: &'a str, item: &'a Spanned<DeValue<'a>>) -> Value<'a> {
        Value { reader, key, item }
    }

    /// Where it stands.
    pub fn span(&self) -> Span {
        self.item.span()
    }

    /// Where problems go.
    pub(crate) fn reader(&self) -> &'a Reader {
        self.reader
    }

    /// The key it belongs to.
    pub(crate) fn key(&self) -> &'a str {
        self.key
    }

    /// The value must not be shown.
    pub fn hide(&self) {
        self.reader.hide(self.span());
    }

    /// Whatever it is, no value in it must be shown: it may be a secret that stands in the wrong place.
    pub(crate) fn hide_all(&self) {
        let mut items = vec![self.item];
        while let Some(item) = items.pop() {
            match item.get_ref() {
                DeValue::Array(array) => items.extend(array.iter()),
                DeValue::Table(table) => items.extend(table.iter().map(|(_, item)| item)),
                _ => self.reader.hide(item.span()),
            }
        }
    }

    /// A problem of this value: `` `key` what ``; `allowed` is said at the place.
    pub fn problem(&self, what: &str, allowed: impl Into<String>) -> Diagnostic {
        Diagnostic::error(self.span(), format!("`{}` {what}", self.key), allowed)
    }

    /// Reports a problem of this value; `None`, so that it can be returned.
    pub fn refuse<T>(&self, problem: Diagnostic) -> Option<T> {
        self.reader.push(problem);
        None
    }

    /// Likewise, of a problem that has to do with other places too.
    pub fn refuse_relation<T>(&self, problem: Diagnostic) -> Option<T> {
        self.reader.push_relation(problem);
        None
    }

    /// The type is another one.
    fn mistyped<T>(&self, expected: &str, help: Option<String>) -> Option<T> {
        let what = format!("is {}", type_name(self.item.get_ref()));
        let mut problem = self.problem(&what, format!("expected {expected}"));
        problem.help = help;
        self.refuse(problem)
    }

    /// True or false.
    pub fn bool(&self) -> Option<bool> {
        match self.item.get_ref() {
            DeValue::Boolean(value) => Some(*value),
            DeValue::String(text) if matches!(text.as_ref(), "true" | "false") => self
                .mistyped("true or false", Some(format!("write it without quotes: `{} = {text}`", self.key))),
            _ => self.mistyped("true or false", None),
        }
    }

    /// A string, as it stands.
    pub fn string(&self) -> Option<&'a str> {
        match self.item.get_ref() {
            DeValue::String(text) => Some(text),
            _ => self.mistyped("a string in quotes", None),
        }
    }

    /// An integer within `range`.
    pub fn integer<T>(&self, range: RangeInclusive<T>) -> Option<T>
    where
        T: TryFrom<i128> + PartialOrd + Display + Copy,
    {
        let expected = format!("a number, {} to {}", range.start(), range.end());
        let DeValue::Integer(integer) = self.item.get_ref() else {
            let unquoted = self.item.get_ref().as_str().filter(|text| text.parse::<u64>().is_ok());
            let help = unquoted.map(|text| format!("write it without quotes: `{} = {text}`", self.key));
            return self.mistyped(&expected, help);
        };
        let number = i128::from_str_radix(integer.as_str(), integer.radix()).ok();
        let number = number.and_then(|n| T::try_from(n).ok()).filter(|n| range.contains(n));
        number.or_else(|| self.refuse(self.problem("is out of range", format!("expected {expected}"))))
    }

    /// An AS number that a router may have: 0 is nobody's (RFC 7607), 23456 stands for others (RFC 6793 §9).
    pub fn asn(&self) -> Option<Asn> {
        let asn = match self.item.get_ref() {
            DeValue::String(text) => text.parse().map_err(|e| format!("{e}")),
            DeValue::Integer(_) => {
                return self.integer(1..=u32::MAX).map(Asn).and_then(|asn| self.usable(asn));
            }
            DeValue::Float(float) => {
                let help =
                    format!("the notation with a dot is written in quotes: `{} = \"{float}\"`", self.key);
                return self.mistyped("an AS number", Some(help));
            }
            _ => return self.mistyped("an AS number", None),
        };
        match asn {
            Ok(asn) => self.usable(asn),
            Err(allowed) => self.refuse(self.problem("is not an AS number", allowed)),
        }
    }

    fn usable(&self, asn: Asn) -> Option<Asn> {
        match asn {
            Asn(0) => {
                self.refuse(self.problem("is 0", "AS 0 is reserved (RFC 7607); expected 1 to 4294967295"))
            }
            Asn::TRANS => self
                .refuse(self.problem("is AS_TRANS", "23456 only stands for four-octet numbers (RFC 6793)")),
            Asn(65535 | u32::MAX) => {
                let mut warning =
                    self.problem("is a reserved AS number", "not to be used by a router (RFC 7300)");
                warning.severity = crate::Severity::Warning;
                self.reader.push(warning);
                Some(asn)
            }
            _ => Some(asn),
        }
    }

    /// A string that says a `T`.
    pub fn text<T: Text>(&self) -> Option<T> {
        let text = match self.item.get_ref() {
            DeValue::String(text) => text,
            _ => return self.mistyped(&format!("{} in quotes", T::NAME), None),
        };
        match T::read(text) {
            Ok(value) => Some(value),
            Err(Misread { allowed, help }) => {
                let mut problem = self.problem(&format!("is not {}", T::NAME), allowed);
                problem.help = help;
                self.refuse(problem)
            }
        }
    }

    /// A string of 1 to `most` octets that is shown to nobody; `empty` is said of an empty one.
    pub(crate) fn secret(&self, most: usize, empty: Option<&str>) -> Option<String> {
        self.hide();
        let text = self.string()?;
        let what = match text.len() {
            0 => "is empty".to_owned(),
            octets if octets > most => format!("has {octets} octets"),
            _ => return Some(text.to_owned()),
        };
        let mut problem = self.problem(&what, format!("expected 1 to {most} octets"));
        problem.help = empty.filter(|_| text.is_empty()).map(str::to_owned);
        self.refuse(problem)
    }

    /// One of some names.
    pub fn choice<T: Copy>(&self, choices: &[(&'static str, T)]) -> Option<T> {
        let written = self.string()?;
        let found = choices.iter().find(|(name, _)| *name == written).map(|(_, value)| *value);
        found.or_else(|| {
            let names: Vec<String> = choices.iter().map(|(name, _)| format!("\"{name}\"")).collect();
            let mut problem = self.problem(
                &format!("cannot be \"{written}\""),
                format!("expected {}", alternatives(&names, "or")),
            );
            let near = nearest(written, choices.iter().map(|(name, _)| *name));
            problem.help = near.map(|name| format!("did you mean \"{name}\"?"));
            self.refuse(problem)
        })
    }

    /// A list; items that `read` refuses are left out.
    pub fn list<T>(&self, read: impl Fn(&Value<'a>) -> Option<T>) -> Option<Vec<Spanned<T>>> {
        let DeValue::Array(array) = self.item.get_ref() else {
            let help =
                self.item.get_ref().as_str().map(|text| format!("write `{} = [\"{text}\"]`", self.key));
            return self.mistyped("a list in brackets", help);
        };
        let items = array.iter().map(|item| Value { reader: self.reader, key: self.key, item });
        Some(items.filter_map(|value| read(&value).map(|v| Spanned::new(value.span(), v))).collect())
    }

    /// Like `list`, but no item may stand there twice.
    pub fn set<T: Ord + Copy + Display>(
        &self,
        read: impl Fn(&Value<'a>) -> Option<T>,
    ) -> Option<Vec<Spanned<T>>> {
        let mut list = self.list(read)?;
        let mut seen = BTreeMap::new();
        list.retain(|item| {
            let first = seen.entry(*item.get_ref()).or_insert_with(|| item.span());
            if *first != item.span() {
                let message = format!("`{}` names {} twice", self.key, item.get_ref());
                let problem = Diagnostic::error(item.span(), message, "again here");
                self.reader.push(problem.related(first.clone(), "first here"));
            }
            *first == item.span()
        });
        Some(list)
    }

    /// A list, or one item alone.
    pub fn one_or_more<T>(&self, read: impl Fn(&Value<'a>) -> Option<T>) -> Option<Vec<Spanned<T>>> {
        match self.item.get_ref() {
            DeValue::Array(_) => self.list(read),
            _ => read(self).map(|value| vec![Spanned::new(self.span(), value)]),
        }
    }

    /// The value as the parser made it.
    pub fn raw(&self) -> &'a DeValue<'a> {
        self.item.get_ref()
    }

    /// The text that it is, if so.
    pub fn as_str(&self) -> Option<&'a str> {
        self.item.get_ref().as_str()
    }

    /// How many items a list has; of other values none.
    pub fn item_count(&self) -> usize {
        self.item.get_ref().as_array().map_or(0, |array| array.len())
    }

    /// Whether it is a list without items.
    pub fn is_empty_list(&self) -> bool {
        self.item.get_ref().as_array().is_some_and(|array| array.is_empty())
    }

    /// Whether it is a list of tables alone.
    pub(crate) fn is_list_of_tables(&self) -> bool {
        self.item.get_ref().as_array().is_some_and(|array| array.iter().all(|item| item.get_ref().is_table()))
    }

    /// Whether it is a table.
    pub fn is_table(&self) -> bool {
        self.item.get_ref().is_table()
    }

    /// The table that it is, if so.
    pub fn table(&self) -> Option<&'a DeTable<'a>> {
        self.item.get_ref().as_table()
    }

    /// A table.
    pub fn section(&self, title: &'static str) -> Option<Section<'a>> {
        match self.item.get_ref() {
            DeValue::Table(table) => Some(Section::new(self.reader, title, self.span(), Some(table))),
            DeValue::Array(_) if title.starts_with('[') => {
                self.mistyped("one table", Some(format!("write `{title}` in single brackets")))
            }
            _ => self.mistyped("a table", None),
        }
    }

    /// A list of tables; what is no table is reported.
    pub fn sections(&self, title: &'static str) -> Vec<Section<'a>> {
        if self.item.get_ref().is_array() {
            let list = self.list(|value| value.section(title)).unwrap_or_default();
            return list.into_iter().map(Spanned::into_inner).collect();
        }
        let help = format!("write `{title}` in double brackets: there may be several");
        self.mistyped::<()>("a list of tables", Some(help));
        Vec::new()
    }
}

fn type_name(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "an integer",
        DeValue::Float(_) => "a number with a fraction",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date or time",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

/// Why a text is not what it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Misread {
    /// What is allowed.
    pub allowed: String,
    /// What to write instead.
    pub help: Option<String>,
}

/// What is written as a string.
pub trait Text: Sized {
    /// What it is, with its article.
    const NAME: &'static str;

    /// What `text` says.
    ///
    /// # Errors
    ///
    /// What is allowed, and maybe what to write instead.
    fn read(text: &str) -> Result<Self, Misread>;
}

/// Without a hint.
pub fn misread(allowed: impl Display) -> Misread {
    Misread { allowed: allowed.to_string(), help: None }
}

impl Text for IpAddr {
    const NAME: &'static str = "an IP address";

    fn read(text: &str) -> Result<IpAddr, Misread> {
        text.parse().map_err(|_| {
            let address = text.split_once('/').map(|(address, _)| address);
            let help = address.filter(|a| a.parse::<IpAddr>().is_ok());
            Misread {
                allowed: "expected an address as in 192.0.2.1 or 2001:db8::1".to_owned(),
                help: help.map(|address| format!("leave out the prefix length: \"{address}\"")),
            }
        })
    }
}

impl Text for Ipv4Addr {
    const NAME: &'static str = "an IPv4 address";

    fn read(text: &str) -> Result<Ipv4Addr, Misread> {
        let address: Ipv4Addr = text.parse().map_err(|_| misread("expected four numbers as in 192.0.2.1"))?;
        if address.is_unspecified() {
            return Err(misread("an identifier may be any address but 0.0.0.0 (RFC 6286)"));
        }
        Ok(address)
    }
}

impl Text for SocketAddr {
    const NAME: &'static str = "an address with a port";

    fn read(text: &str) -> Result<SocketAddr, Misread> {
        text.parse().map_err(|_| {
            let help = match text.parse::<IpAddr>() {
                Ok(IpAddr::V4(address)) => Some(format!("add the port, as in \"{address}:179\"")),
                Ok(IpAddr::V6(address)) => {
                    Some(format!("add brackets and the port, as in \"[{address}]:179\""))
                }
                Err(_) => None,
            };
            Misread { allowed: "expected as in 127.0.0.1:179 or [::1]:179".to_owned(), help }
        })
    }
}

impl Text for Prefix {
    const NAME: &'static str = "a prefix";

    fn read(text: &str) -> Result<Prefix, Misread> {
        text.parse().map_err(|error| Misread {
            allowed: format!("{error}"),
            help: match error {
                ParsePrefixError::HostBits(prefix) => Some(format!("write \"{prefix}\"")),
                ParsePrefixError::Form => text
                    .parse::<IpAddr>()
                    .ok()
                    .map(|address| format!("for this address alone, write \"{}\"", Prefix::host(address))),
                ParsePrefixError::Length => None,
            },
        })
    }
}

impl Text for PrefixMatch {
    const NAME: &'static str = "a prefix match";

    /// `PREFIX`, then `ge LENGTH` and `le LENGTH` in any order.
    fn read(text: &str) -> Result<PrefixMatch, Misread> {
        let mut words = text.split_whitespace();
        let prefix = Prefix::read(words.next().unwrap_or(""))?;
        let longest = if prefix.is_ipv4() { 32 } else { 128 };
        let (mut ge, mut le) = (None, None);
        while let Some(word) = words.next() {
            let slot = match word {
                "ge" if ge.is_none() => &mut ge,
                "le" if le.is_none() => &mut le,
                _ => {
                    return Err(misread(
                        "expected a prefix, then `ge` and `le`, as in \"10.0.0.0/8 ge 16 le 24\"",
                    ));
                }
            };
            let length = words.next().and_then(|length| length.parse::<u8>().ok());
            let fits = length.filter(|length| (prefix.len()..=longest).contains(length));
            let range = format!("`{word}` is a prefix length, here {} to {longest}", prefix.len());
            *slot = Some(fits.ok_or_else(|| misread(range))?);
        }
        let le = le.unwrap_or(if ge.is_some() { longest } else { prefix.len() });
        let ge = ge.unwrap_or(prefix.len());
        if ge > le {
            return Err(misread(format!("`ge {ge}` is more than `le {le}`: nothing would match")));
        }
        Ok(PrefixMatch { prefix, ge, le })
    }
}

impl Text for Community {
    const NAME: &'static str = "a community";

    fn read(text: &str) -> Result<Community, Misread> {
        text.parse().map_err(misread)
    }
}

impl Text for LargeCommunity {
    const NAME: &'static str = "a large community";

    fn read(text: &str) -> Result<LargeCommunity, Misread> {
        text.parse().map_err(misread)
    }
}
