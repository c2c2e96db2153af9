//! A step's `set` over a node's tables: what it does not name stays.

use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue};

/// What tells the entries of a list of tables apart.
const IDENTITIES: [&str; 6] = ["address", "prefix", "kind", "send-id", "id", "source"];

/// `base` with what `change` says. Tables are merged key by key. Of a list of tables, an entry with the same
/// identity is merged and others are added; all other values are replaced, so that an empty list removes all.
pub(crate) fn merge<'a>(base: &DeTable<'a>, change: &DeTable<'a>) -> DeTable<'a> {
    let mut merged = base.clone();
    for (key, new) in change {
        let value = match merged.get(key.get_ref().as_ref()) {
            Some(old) => over(old, new),
            None => new.clone(),
        };
        // Without the old entry the key has the place of the new one.
        merged.remove(key.get_ref().as_ref());
        merged.insert(key.clone(), value);
    }
    merged
}

fn over<'a>(old: &Spanned<DeValue<'a>>, new: &Spanned<DeValue<'a>>) -> Spanned<DeValue<'a>> {
    let value = match (old.get_ref(), new.get_ref()) {
        (DeValue::Table(old), DeValue::Table(new)) => DeValue::Table(merge(old, new)),
        (DeValue::Array(old), DeValue::Array(new)) if tables(old) && tables(new) => {
            DeValue::Array(merge_lists(old, new))
        }
        (_, new) => new.clone(),
    };
    Spanned::new(new.span(), value)
}

fn tables(list: &DeArray<'_>) -> bool {
    !list.is_empty() && list.iter().all(|item| item.get_ref().is_table())
}

fn merge_lists<'a>(old: &DeArray<'a>, new: &DeArray<'a>) -> DeArray<'a> {
    let mut merged = old.clone();
    for item in new.iter() {
        match merged.iter_mut().find(|entry| same(entry, item)) {
            Some(entry) => *entry = over(entry, item),
            None => merged.push(item.clone()),
        }
    }
    merged
}

fn same(one: &Spanned<DeValue<'_>>, other: &Spanned<DeValue<'_>>) -> bool {
    let text = |item: &Spanned<DeValue<'_>>, key: &str| match item.get_ref().as_table()?.get(key)?.get_ref() {
        DeValue::String(text) => Some(text.to_string()),
        DeValue::Integer(number) => Some(number.to_string()),
        _ => None,
    };
    let known = IDENTITIES.iter().find_map(|key| Some((key, text(other, key)?)));
    known.is_some_and(|(key, value)| text(one, key) == Some(value))
}
