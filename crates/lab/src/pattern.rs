//! What an expectation asks of plain data: `where` chooses entries, `has` says what they must be.

use serde_json::Value;
use std::fmt;

/// What a value should be.
///
/// A table matches an object that has all its members, and a list of which an entry matches; a list matches a list in
/// which each of its items is found; a number or text matches itself, and a list that holds it.
#[derive(Debug, Clone, PartialEq)]
pub enum Pattern {
    /// True or false.
    Bool(bool),
    /// A number.
    Number(f64),
    /// A number on one side of another: `">= 5"`.
    Compare(Comparison, f64),
    /// Text; `*` stands for any characters.
    Text(String),
    /// The MAC address of a node's interface, or the interface itself: `"r1.eth0"`.
    Mac {
        /// The node's name.
        node: String,
        /// The interface's name.
        interface: String,
    },
    /// Members, all of which must match.
    Table(Vec<(String, Pattern)>),
    /// Items, each of which must be found.
    List(Vec<Pattern>),
}

/// How numbers compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    /// `<`
    Less,
    /// `<=`
    AtMost,
    /// `>`
    More,
    /// `>=`
    AtLeast,
}

const COMPARISONS: [(&str, Comparison); 4] = [
    ("<=", Comparison::AtMost),
    (">=", Comparison::AtLeast),
    ("<", Comparison::Less),
    (">", Comparison::More),
];

impl Pattern {
    /// Text as a file writes it: a comparison or text.
    pub fn text(text: &str) -> Pattern {
        for (sign, comparison) in COMPARISONS {
            let number = text.strip_prefix(sign).and_then(|rest| rest.trim().parse().ok());
            if let Some(number) = number {
                return Pattern::Compare(comparison, number);
            }
        }
        Pattern::Text(text.to_owned())
    }

    /// Whether `value` is as it should be. `mac` gives the MAC address of a node's interface as text.
    pub fn matches(&self, value: &Value, mac: &dyn Fn(&str, &str) -> Option<String>) -> bool {
        match (self, value) {
            (Pattern::Table(members), Value::Object(object)) => members
                .iter()
                .all(|(name, pattern)| object_member(object, name).is_some_and(|v| pattern.matches(v, mac))),
            (Pattern::List(items), Value::Array(values)) => {
                items.iter().all(|item| values.iter().any(|v| item.matches(v, mac)))
            }
            (_, Value::Array(values)) => values.iter().any(|v| self.matches(v, mac)),
            (Pattern::Bool(expected), Value::Bool(value)) => expected == value,
            (Pattern::Number(expected), Value::Number(value)) => value.as_f64() == Some(*expected),
            (Pattern::Compare(how, limit), Value::Number(value)) => {
                value.as_f64().is_some_and(|v| match how {
                    Comparison::Less => v < *limit,
                    Comparison::AtMost => v <= *limit,
                    Comparison::More => v > *limit,
                    Comparison::AtLeast => v >= *limit,
                })
            }
            (Pattern::Text(expected), Value::String(text)) => fits(expected, text),
            // AS numbers and the like may be written either way.
            (Pattern::Text(expected), Value::Number(number)) => *expected == number.to_string(),
            (Pattern::Text(expected), Value::Null) => expected == "none",
            (Pattern::Mac { node, interface }, Value::String(text)) => {
                mac(node, interface).is_some_and(|mac| mac == *text) || *text == format!("{node}.{interface}")
            }
            _ => false,
        }
    }

    /// The names of members that it asks of an entry.
    pub fn members(&self) -> impl Iterator<Item = &str> {
        let members = match self {
            Pattern::Table(members) => members.as_slice(),
            _ => &[],
        };
        members.iter().map(|(name, _)| name.as_str())
    }
}

/// A member by its name; a file may write `-` for `_`.
pub fn object_member<'v>(object: &'v serde_json::Map<String, Value>, name: &str) -> Option<&'v Value> {
    object.get(name).or_else(|| object.get(&name.replace('-', "_")))
}

/// Whether `text` is `pattern`, in which `*` stands for any characters.
fn fits(pattern: &str, text: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(mut text) = text.strip_prefix(first) else { return false };
    let mut parts: Vec<&str> = rest.split('*').collect();
    let last = parts.pop().unwrap_or("");
    for part in parts {
        match text.split_once(part) {
            Some((_, after)) => text = after,
            None => return false,
        }
    }
    text.ends_with(last)
}

/// As the file writes it.
impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Pattern::Bool(value) => write!(f, "{value}"),
            Pattern::Number(value) => write!(f, "{value}"),
            Pattern::Compare(how, number) => {
                let sign = COMPARISONS.iter().find(|(_, c)| c == how).map_or("", |(sign, _)| sign);
                write!(f, "{sign} {number}")
            }
            Pattern::Text(text) => write!(f, "\"{text}\""),
            Pattern::Mac { node, interface } => write!(f, "\"{node}.{interface}\""),
            Pattern::Table(members) => {
                let members: Vec<String> = members.iter().map(|(name, p)| format!("{name} = {p}")).collect();
                if members.is_empty() { f.write_str("{}") } else { write!(f, "{{ {} }}", members.join(", ")) }
            }
            Pattern::List(items) => {
                let items: Vec<String> = items.iter().map(ToString::to_string).collect();
                write!(f, "[{}]", items.join(", "))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn table(members: &[(&str, Pattern)]) -> Pattern {
        Pattern::Table(members.iter().map(|(name, p)| ((*name).to_owned(), p.clone())).collect())
    }

    fn matches(pattern: &Pattern, value: &Value) -> bool {
        let mac =
            |node: &str, interface: &str| (node == "r1" && interface == "eth0").then(|| "02:00".to_owned());
        pattern.matches(value, &mac)
    }

    #[test]
    fn scalars() {
        let cases = [
            (Pattern::text("x"), json!("x"), true),
            (Pattern::text("x"), json!("xy"), false),
            (Pattern::text("redirect * to *.200"), json!("redirect for the host to 172.16.1.200"), true),
            (Pattern::text("*a*b"), json!("ba"), false),
            (Pattern::text(">= 5"), json!(5), true),
            (Pattern::text("< 5"), json!(5), false),
            (Pattern::Number(5.0), json!(5), true),
            (Pattern::Number(5.0), json!("5"), false),
            (Pattern::text("64512"), json!(64512), true),
            (Pattern::text("none"), json!(null), true),
            (Pattern::Bool(true), json!(false), false),
            (Pattern::Mac { node: "r1".into(), interface: "eth0".into() }, json!("02:00"), true),
            (Pattern::Mac { node: "r1".into(), interface: "eth1".into() }, json!("02:00"), false),
        ];
        for (pattern, value, expected) in cases {
            assert_eq!(matches(&pattern, &value), expected, "{pattern} {value}");
        }
    }

    #[test]
    fn tables_and_lists() {
        let value = json!({"bgp": [{"type": "OPEN"}, {"type": "KEEPALIVE", "octets_sent": 19}], "n": 1});
        let message = |kind: &str| table(&[("bgp", table(&[("type", Pattern::text(kind))]))]);
        assert!(matches(&message("OPEN"), &value));
        assert!(!matches(&message("UPDATE"), &value));
        // Both members of one entry, and either way of writing a name.
        let both = |octets| {
            let inner =
                table(&[("type", Pattern::text("KEEPALIVE")), ("octets-sent", Pattern::Number(octets))]);
            table(&[("bgp", inner)])
        };
        assert!(matches(&both(19.0), &value) && !matches(&both(20.0), &value));
        assert!(!matches(&table(&[("m", Pattern::Number(1.0))]), &value));
        let list = |items: &[&str]| Pattern::List(items.iter().map(|i| Pattern::text(i)).collect());
        assert!(matches(&list(&["b", "a"]), &json!(["a", "b", "c"])));
        assert!(!matches(&list(&["d"]), &json!(["a", "b", "c"])));
        assert_eq!(both(19.0).to_string(), "{ bgp = { type = \"KEEPALIVE\", octets-sent = 19 } }");
    }
}
