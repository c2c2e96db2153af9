//! Reads a TOML table key by key and collects every problem on the way, where a serde derive stops at the first.

use crate::diagnostic::{Diagnostic, Span};
use crate::value::Value;
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use toml::de::DeTable;

/// Collects what the sections of a file have to say.
pub struct Reader {
    /// Where all keys are described.
    page: &'static str,
    problems: RefCell<Vec<Diagnostic>>,
    secrets: RefCell<Vec<Span>>,
    keys: RefCell<BTreeMap<&'static str, BTreeSet<&'static str>>>,
    damaged: Cell<bool>,
}

impl Reader {
    /// Without problems. `page` is where all keys are described.
    pub(crate) fn new(page: &'static str) -> Reader {
        Reader {
            page,
            problems: RefCell::default(),
            secrets: RefCell::default(),
            keys: RefCell::default(),
            damaged: Cell::new(false),
        }
    }

    /// A problem of one value, whatever stands elsewhere.
    pub fn push(&self, diagnostic: Diagnostic) {
        self.problems.borrow_mut().push(diagnostic);
    }

    /// A problem that follows from several places, or from something that is missing. Kept back after a syntax
    /// error, since what follows one may have been lost or misplaced.
    pub fn push_relation(&self, diagnostic: Diagnostic) {
        if !self.damaged.get() {
            self.push(diagnostic);
        }
    }

    /// The file has syntax errors.
    pub(crate) fn mark_damaged(&self) {
        self.damaged.set(true);
    }

    /// Drops the problems for which `keep` is false.
    pub(crate) fn retain(&self, keep: impl Fn(&Diagnostic) -> bool) {
        self.problems.borrow_mut().retain(|problem| keep(problem));
    }

    /// What stands there is not shown to anybody.
    pub fn hide(&self, span: Span) {
        self.secrets.borrow_mut().push(span);
    }

    /// The problems and the places to hide.
    pub(crate) fn finish(self) -> (Vec<Diagnostic>, Vec<Span>) {
        (self.problems.into_inner(), self.secrets.into_inner())
    }

    /// Every key that any section asked for, by the title of the section.
    pub(crate) fn keys(&self) -> BTreeMap<&'static str, BTreeSet<&'static str>> {
        self.keys.borrow().clone()
    }
}

/// A table of the file. Ask for each key that it may have; those nobody asked for are reported as unknown when the
/// section is dropped.
pub struct Section<'a> {
    reader: &'a Reader,
    title: &'static str,
    span: Span,
    table: Option<&'a DeTable<'a>>,
    /// The group: where a key is looked up that the table lacks.
    fallback: Option<&'a DeTable<'a>>,
    asked: BTreeSet<&'static str>,
}

impl<'a> Section<'a> {
    /// `title` is the header as the documentation writes it; `span` where the header stands. No table: all defaults.
    pub fn new(
        reader: &'a Reader,
        title: &'static str,
        span: Span,
        table: Option<&'a DeTable<'a>>,
    ) -> Section<'a> {
        Section { reader, title, span, table, fallback: None, asked: BTreeSet::new() }
    }

    /// From now on keys that this table lacks are looked up in `table`.
    pub fn inherit(&mut self, table: &'a DeTable<'a>) {
        self.fallback = Some(table);
    }

    /// Where problems go.
    pub fn reader(&self) -> &'a Reader {
        self.reader
    }

    /// Where the header stands.
    pub fn span(&self) -> Span {
        self.span.clone()
    }

    /// Where the value of `key` stands, here or in the group; the header where it is missing.
    pub fn span_of(&self, key: &str) -> Span {
        let tables = [self.table, self.fallback];
        tables.iter().flatten().find_map(|t| t.get(key)).map_or(self.span.clone(), |item| item.span())
    }

    /// Whether this table itself, not its group, has `key`.
    pub fn has_itself(&self, key: &str) -> bool {
        self.table.is_some_and(|table| table.contains_key(key))
    }

    /// Whether this table or its group has `key`.
    pub fn has(&self, key: &str) -> bool {
        [self.table, self.fallback].iter().flatten().any(|t| t.contains_key(key))
    }

    /// The value of `key` as it stands.
    pub fn take(&mut self, key: &'static str) -> Option<Value<'a>> {
        self.asked.insert(key);
        let item = [self.table, self.fallback].into_iter().flatten().find_map(|t| t.get(key))?;
        Some(Value::new(self.reader, key, item))
    }

    /// The value of `key` as `read` understands it.
    pub fn read<T>(&mut self, key: &'static str, read: impl FnOnce(&Value<'a>) -> Option<T>) -> Option<T> {
        self.take(key).and_then(|value| read(&value))
    }

    /// Puts the value of `key` into `slot` where there is a good one.
    pub fn set<T>(&mut self, slot: &mut T, key: &'static str, read: impl FnOnce(&Value<'a>) -> Option<T>) {
        if let Some(value) = self.read(key, read) {
            *slot = value;
        }
    }

    /// Like `read`; it is an error where the key is missing. `example` shows how it is written.
    pub fn require<T>(
        &mut self,
        key: &'static str,
        example: &str,
        read: impl FnOnce(&Value<'a>) -> Option<T>,
    ) -> Option<T> {
        let value = self.take(key);
        if value.is_none() {
            let message = format!("`{key}` is missing {}", self.place());
            self.reader.push_relation(
                Diagnostic::error(self.span(), message, format!("needs `{key}`"))
                    .help(format!("write for example `{key} = {example}`")),
            );
        }
        value.and_then(|value| read(&value))
    }

    /// The section `[key]`, one of defaults where it is missing.
    pub fn section(&mut self, key: &'static str, title: &'static str) -> Section<'a> {
        let empty = Section::new(self.reader, title, self.span(), None);
        self.read(key, |value| value.section(title)).unwrap_or(empty)
    }

    /// The sections `[[key]]`.
    pub fn sections(&mut self, key: &'static str, title: &'static str) -> Vec<Section<'a>> {
        self.read(key, |value| Some(value.sections(title))).unwrap_or_default()
    }

    /// All entries, for tables whose keys are names that the author chose.
    pub fn entries(&self) -> Vec<(&'a str, Span, Value<'a>)> {
        let entries = self.table.into_iter().flat_map(|table| table.iter());
        entries
            .map(|(key, item)| {
                let name: &'a str = key.get_ref();
                (name, key.span(), Value::new(self.reader, name, item))
            })
            .collect()
    }

    /// "in [bgp]".
    fn place(&self) -> String {
        match self.title {
            "" => "at the top of the file".to_owned(),
            title if title.starts_with('[') => format!("in {title}"),
            title => format!("in `{title}`"),
        }
    }

    /// Accepts every key: they are names that the author chose.
    pub fn accept_all(mut self) {
        self.table = None;
    }
}

impl Drop for Section<'_> {
    fn drop(&mut self) {
        self.reader.keys.borrow_mut().entry(self.title).or_default().extend(&self.asked);
        for (key, item) in self.table.into_iter().flat_map(|table| table.iter()) {
            let name: &str = key.get_ref();
            if self.asked.contains(name) {
                continue;
            }
            let message = format!("unknown key `{name}` {}", self.place());
            let mut problem = Diagnostic::error(key.span(), message, "not known here");
            let hint = hint(name, self.title, &self.asked, self.reader.page);
            // What is meant to be a secret may stand under any name where one is expected.
            if hint.contains("`password`") || hint.contains("`key`") {
                self.reader.hide(item.span());
            }
            problem.help = Some(hint);
            if self.title.is_empty() {
                // Keys that follow a damaged header end up here.
                self.reader.push_relation(problem);
            } else {
                self.reader.push(problem);
            }
        }
    }
}

/// Where a key of this name is known: what other programs call it, and keys that belong elsewhere.
const ELSEWHERE: [(&str, &str, &str); 28] = [
    ("secret", "[[key-chain.NAME]]", "the secret is `key`"),
    ("password", "[[key-chain.NAME]]", "the secret is `key`"),
    ("key-string", "[[key-chain.NAME]]", "the secret is `key`"),
    ("secret", "authentication", "the secret is `key`"),
    ("password", "authentication", "the secret is `key`"),
    ("network", "[rip]", "RIP runs on the interfaces that have a [rip.interface.NAME]"),
    ("networks", "[rip]", "RIP runs on the interfaces that have a [rip.interface.NAME]"),
    ("passive-interface", "[rip]", "an interface is passive by `passive = true` in [rip.interface.NAME]"),
    ("remote-as", "", "the neighbor's AS is `asn`"),
    ("peer-as", "", "the neighbor's AS is `asn`"),
    ("remote-asn", "", "the neighbor's AS is `asn`"),
    ("local-as", "", "our AS is `asn` in [bgp]"),
    ("as", "", "the AS number is `asn`"),
    ("ebgp-multihop", "", "did you mean `multihop`?"),
    ("update-source", "", "our end is `local-address`"),
    ("source-address", "", "our end is `local-address`"),
    ("peer-group", "", "a group is `[bgp.group.NAME]`, and its members say `group = \"NAME\"`"),
    ("shutdown", "", "a neighbor is kept down by `enabled = false`"),
    ("keepalive", "", "keepalives are sent every third of the `hold-time` that both sides agree on"),
    ("md5", "", "the TCP MD5 key is `password`"),
    ("md5-password", "", "the TCP MD5 key is `password`"),
    ("tcp-md5", "", "the TCP MD5 key is `password`"),
    ("secret", "", "the TCP MD5 key is `password`"),
    ("hostname", "[node]", "the node's name is `name`"),
    ("address", "[bgp.group.NAME]", "each member of the group says its own `address`"),
    ("group", "[bgp.group.NAME]", "a group has no group of its own"),
    ("router-id", "[bgp]", "`router-id` belongs in [node]"),
    ("neighbors", "[bgp]", "each neighbor is a `[[bgp.neighbor]]` of its own"),
];

fn hint(name: &str, title: &str, known: &BTreeSet<&'static str>, page: &str) -> String {
    let applies = |place: &str| place.is_empty() || place == title;
    if let Some((.., hint)) = ELSEWHERE.iter().find(|(key, place, _)| *key == name && applies(place)) {
        return (*hint).to_owned();
    }
    match nearest(name, known.iter().copied()) {
        Some(key) => format!("did you mean `{key}`?"),
        None if known.len() > 12 => format!("all keys of {title} are in {page}"),
        None => {
            let keys: Vec<String> = known.iter().map(|key| format!("`{key}`")).collect();
            format!("allowed are {}", alternatives(&keys, "and"))
        }
    }
}

/// "a, b or c".
pub fn alternatives(items: &[String], word: &str) -> String {
    match items {
        [] => String::new(),
        [only] => only.clone(),
        [most @ .., last] => format!("{} {word} {last}", most.join(", ")),
    }
}

/// The name that `written` was most likely meant to be.
pub fn nearest<'n>(written: &str, names: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    // A third of the letters may be wrong: enough for slips, too little for wild guesses.
    let limit = (written.chars().count() / 3).clamp(1, 3);
    let normal = written.to_lowercase().replace('_', "-");
    names
        .into_iter()
        .map(|name| (strsim::damerau_levenshtein(&normal, name), name))
        .filter(|(distance, _)| *distance <= limit)
        .min()
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_near() {
        let keys = ["hold-time", "send-hold-time", "role", "port"];
        let near = |written| nearest(written, keys);
        assert_eq!(near("hold_time"), Some("hold-time"));
        assert_eq!(near("HoldTime"), Some("hold-time"));
        assert_eq!(near("sendholdtime"), Some("send-hold-time"));
        assert_eq!(near("rloe"), Some("role"));
        assert_eq!(near("ttl"), None);
        assert_eq!(near(""), None);
    }

    #[test]
    fn alternatives_read_like_a_sentence() {
        let items = ["a", "b", "c"].map(str::to_owned);
        assert_eq!(alternatives(&items, "or"), "a, b or c");
        assert_eq!(alternatives(&items[..2], "and"), "a and b");
        assert_eq!(alternatives(&items[..1], "or"), "a");
        assert_eq!(alternatives(&[], "or"), "");
    }
}
