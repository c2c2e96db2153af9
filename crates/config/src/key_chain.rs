//! `[[key-chain.NAME]]`, and `authentication`, which names one or has a key of its own.

use crate::date::date;
use crate::diagnostic::{Diagnostic, Span};
use crate::section::{Section, nearest};
use crate::value::Value;
use std::cell::Cell;
use std::collections::BTreeMap;
use toml::Spanned;
use trunkline_node::config::{CalendarLifetime, RipAuthentication, RipKey};
use trunkline_rip::Algorithm;

const MODES: [(&str, Algorithm); 6] = [
    ("text", Algorithm::Password),
    ("md5", Algorithm::KeyedMd5),
    ("hmac-sha-1", Algorithm::HmacSha1),
    ("hmac-sha-256", Algorithm::HmacSha256),
    ("hmac-sha-384", Algorithm::HmacSha384),
    ("hmac-sha-512", Algorithm::HmacSha512),
];
/// Octets of a key.
const MAX_KEY: usize = 128;
/// Octets of a password (RFC 2453 §4.1) or of a key for MD5 (RFC 2082 §3.2.1).
const MAX_SHORT_KEY: usize = 16;

/// The key chains of a file by name.
pub(crate) struct KeyChains<'a>(BTreeMap<&'a str, Chain>);

struct Chain {
    keys: Vec<Spanned<Key>>,
    span: Span,
    used: Cell<bool>,
}

/// A key, whose span is that of its secret.
#[derive(Clone)]
struct Key {
    id: u8,
    secret: String,
    send: CalendarLifetime,
    accept: CalendarLifetime,
}

impl<'a> KeyChains<'a> {
    /// Reads `[[key-chain.NAME]]`.
    pub(crate) fn read(root: &mut Section<'a>) -> KeyChains<'a> {
        if let Some(value) = root.take("key-chain").filter(|value| !value.is_table()) {
            value.hide_all();
        }
        let section = root.section("key-chain", "[key-chain]");
        let mut chains = BTreeMap::new();
        for (name, span, value) in section.entries() {
            if !value.is_list_of_tables() {
                value.hide_all();
            }
            if value.is_empty_list() {
                let problem = value.problem("is empty", "expected at least one key");
                value.refuse::<()>(problem.help(format!("write [[key-chain.{name}]] with `id` and `key`")));
            }
            let (ids, keys): (Vec<_>, Vec<_>) =
                value.sections("[[key-chain.NAME]]").into_iter().map(key).unzip();
            refuse_same_ids(&section, name, ids.into_iter().flatten());
            let keys = keys.into_iter().flatten().collect();
            chains.insert(name, Chain { keys, span, used: Cell::new(false) });
        }
        section.accept_all();
        KeyChains(chains)
    }

    /// The value of `key-chain`.
    fn named(&self, value: &Value<'a>) -> Option<Vec<Spanned<Key>>> {
        let name = value.string()?;
        if let Some(chain) = self.0.get(name) {
            chain.used.set(true);
            return Some(chain.keys.clone());
        }
        let what = format!("names a key chain \"{name}\" that is not defined");
        let problem = value.problem(&what, "expected the name of a [[key-chain.NAME]]");
        let help = match nearest(name, self.0.keys().copied()) {
            Some(near) => {
                // Most likely it is used, then, and no warning should say otherwise.
                self.0.get(near).into_iter().for_each(|chain| chain.used.set(true));
                format!("did you mean \"{near}\"?")
            }
            None => format!("define it with [[key-chain.{name}]]"),
        };
        value.refuse_relation(problem.help(help))
    }

    /// Warns of those that nobody uses.
    pub(crate) fn warn_unused(&self, section: &Section<'_>) {
        for (name, chain) in self.0.iter().filter(|(_, chain)| !chain.used.get()) {
            let message = format!("key chain `{name}` is not used");
            let problem = Diagnostic::warning(chain.span.clone(), message, "nothing names it");
            section.reader().push_relation(problem.help(format!(
                "write `authentication = {{ mode = \"md5\", key-chain = \"{name}\" }}` at an interface of RIP"
            )));
        }
    }
}

/// A key, and its id with the place, also of one that is wrong otherwise.
fn key(mut section: Section<'_>) -> (Option<Spanned<u8>>, Option<Spanned<Key>>) {
    let id = section.require("id", "1", |v| v.integer(0..=255));
    let secret = section.require("key", "\"a secret\"", |v| v.secret(MAX_KEY, None));
    let send = lifetime(&mut section, "send-from", "send-until");
    let accept = lifetime(&mut section, "accept-from", "accept-until");
    if let (Some(send), Some(accept)) = (send, accept) {
        warn_of_gaps(&section, send, accept);
    }
    let made = id.zip(secret).zip(send.zip(accept));
    let key = made.map(|((id, secret), (send, accept))| Key { id, secret, send, accept });
    let at = |key| section.span_of(key);
    (id.map(|id| Spanned::new(at("id"), id)), key.map(|key| Spanned::new(at("key"), key)))
}

/// From when until when.
fn lifetime(
    section: &mut Section<'_>,
    from_key: &'static str,
    until_key: &'static str,
) -> Option<CalendarLifetime> {
    let (from, until) = (section.read(from_key, date), section.read(until_key, date));
    if let (Some(first), Some(last)) = (from, until)
        && last <= first
    {
        let message = format!("`{until_key}` is not after `{from_key}`");
        let problem = Diagnostic::error(section.span_of(until_key), message, "the key would never be valid");
        section.reader().push_relation(problem.related(section.span_of(from_key), "where it begins"));
        return None;
    }
    // A date that is wrong is not one that is missing.
    let wrong = (from.is_none() && section.has(from_key)) || (until.is_none() && section.has(until_key));
    (!wrong).then_some(CalendarLifetime { from, until })
}

/// The neighbours have the same keys, as a rule, and clocks are never quite the same (RFC 4822 §2.2).
fn warn_of_gaps(section: &Section<'_>, send: CalendarLifetime, accept: CalendarLifetime) {
    let late = accept.from.is_some_and(|accept| send.from.is_none_or(|send| send < accept));
    let early = accept.until.is_some_and(|accept| send.until.is_none_or(|send| send > accept));
    for (gap, key, label) in
        [(late, "accept-from", "is sent before this"), (early, "accept-until", "is sent after this")]
    {
        if gap {
            let message = "the key is sent while it is not accepted";
            let problem = Diagnostic::warning(section.span_of(key), message, label);
            section.reader().push_relation(
                problem.help(
                    "neighbors with the same keys would refuse it: accept it for longer than it is sent",
                ),
            );
        }
    }
}

fn refuse_same_ids(section: &Section<'_>, name: &str, ids: impl Iterator<Item = Spanned<u8>>) {
    let mut seen = BTreeMap::new();
    for id in ids {
        let first = seen.entry(*id.get_ref()).or_insert_with(|| id.span());
        if *first != id.span() {
            let message = format!("two keys of `{name}` have the id {}", id.get_ref());
            let problem = Diagnostic::error(id.span(), message, "again here");
            section.reader().push_relation(problem.related(first.clone(), "first here"));
        }
    }
}

/// The value of `authentication`.
pub(crate) fn authentication<'a>(value: &Value<'a>, chains: &KeyChains<'a>) -> Option<RipAuthentication> {
    if !value.is_table() {
        value.hide_all();
        let problem = value.problem("is no table", "expected a table");
        return value
            .refuse(problem.help("write for example `authentication = { mode = \"md5\", key = \"…\" }`"));
    }
    let mut section = value.section("authentication")?;
    let mode = section.require("mode", "\"md5\"", |v| v.choice(&MODES));
    let chain = section.read("key-chain", |v| chains.named(v));
    let secret = section.read("key", |v| v.secret(MAX_KEY, None));
    let id = section.read("key-id", |v| v.integer(0..=255)).unwrap_or(1);
    let fail_secure = section.read("fail-secure", Value::bool).unwrap_or(false);
    let any_after_silence = section.read("any-after-silence", Value::bool).unwrap_or(false);
    check_source(&section, mode);
    let always = CalendarLifetime::default();
    let own = secret.map(|secret| {
        vec![Spanned::new(section.span_of("key"), Key { id, secret, send: always, accept: always })]
    });
    let keys = chain.or(own)?;
    let algorithm = mode?;
    check_lengths(&section, &keys, algorithm);
    let keys = keys.into_iter().map(Spanned::into_inner).map(|key| RipKey {
        id: key.id,
        algorithm,
        secret: key.secret.into_bytes(),
        send: key.send,
        accept: key.accept,
    });
    Some(RipAuthentication { keys: keys.collect(), fail_secure, any_after_silence })
}

/// A key or a chain of them.
fn check_source(section: &Section<'_>, mode: Option<Algorithm>) {
    let push = |problem| section.reader().push_relation(problem);
    let at = |key| section.span_of(key);
    match (section.has("key"), section.has("key-chain")) {
        (true, true) => push(
            Diagnostic::error(at("key"), "`key` and `key-chain` exclude each other", "is a key of its own")
                .related(at("key-chain"), "has the keys"),
        ),
        (false, false) => push(
            Diagnostic::error(section.span(), "authentication without a key", "needs `key` or `key-chain`")
                .help("write for example `key = \"a secret\"`, the same as the neighbors have"),
        ),
        (false, true) if section.has("key-id") => push(
            Diagnostic::error(at("key-id"), "`key-id` has no place beside `key-chain`", "is for `key`")
                .related(at("key-chain"), "its keys have their own ids"),
        ),
        _ if section.has("key-id") && mode == Some(Algorithm::Password) => push(Diagnostic::warning(
            at("key-id"),
            "`key-id` has no effect with mode \"text\"",
            "a password is sent without an id",
        )),
        _ => {}
    }
}

/// A long key is no problem for HMAC, which hashes it first (RFC 4822 §2.5).
fn check_lengths(section: &Section<'_>, keys: &[Spanned<Key>], algorithm: Algorithm) {
    if !matches!(algorithm, Algorithm::Password | Algorithm::KeyedMd5) {
        return;
    }
    for key in keys.iter().filter(|key| key.get_ref().secret.len() > MAX_SHORT_KEY) {
        let Key { id, secret, .. } = key.get_ref();
        let message = format!("key {id} has {} octets", secret.len());
        let mode = MODES.iter().find(|(_, mode)| *mode == algorithm).map_or("", |(name, _)| name);
        let label = format!("mode \"{mode}\" takes 1 to {MAX_SHORT_KEY}");
        let problem = Diagnostic::error(section.span_of("mode"), message, label);
        section.reader().push_relation(problem.related(key.span(), "the key"));
    }
}
