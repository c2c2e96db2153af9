//! Policy: `accept`, `reject` and named prefix lists with actions. A richer language takes this place later.

use std::fmt;
use std::sync::Arc;
use trunkline_core::{Asn, Prefix};
use trunkline_wire::bgp::{Community, LargeCommunity};

pub use trunkline_core::PrefixMatch;

/// What happens to routes on their way in or out.
#[derive(Debug, Clone, PartialEq)]
pub enum Policy {
    /// All pass unchanged.
    Accept,
    /// None passes.
    Reject,
    /// Rules in order; the first that matches decides. A route that none matches is rejected.
    List(Arc<PrefixList>),
}

/// `[policy.NAME]`: a named list.
#[derive(Debug, Clone, PartialEq)]
pub struct PrefixList {
    /// Its name.
    pub name: String,
    /// In order.
    pub rules: Vec<Rule>,
}

/// One rule.
#[derive(Debug, Clone, PartialEq)]
pub struct Rule {
    /// The prefixes it matches; empty: all.
    pub prefixes: Vec<PrefixMatch>,
    /// What becomes of the route.
    pub verdict: Verdict,
    /// Changes, in order, before it passes.
    pub actions: Vec<Action>,
}

/// Pass or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The route passes.
    Accept,
    /// It does not.
    Reject,
}

/// A change to a route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Set LOCAL_PREF.
    SetLocalPref(u32),
    /// Set MULTI_EXIT_DISC.
    SetMed(u32),
    /// Put this AS in front of AS_PATH some times (1..=16).
    Prepend(Asn, u8),
    /// Add a community.
    AddCommunity(Community),
    /// Remove a community.
    RemoveCommunity(Community),
    /// Add a large community.
    AddLargeCommunity(LargeCommunity),
    /// Remove a large community.
    RemoveLargeCommunity(LargeCommunity),
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Action::SetLocalPref(value) => write!(f, "LOCAL_PREF {value}"),
            Action::SetMed(value) => write!(f, "MULTI_EXIT_DISC {value}"),
            Action::Prepend(asn, times) => write!(f, "AS {asn} {times} times in front of AS_PATH"),
            Action::AddCommunity(c) => write!(f, "community {c} added"),
            Action::RemoveCommunity(c) => write!(f, "community {c} removed"),
            Action::AddLargeCommunity(c) => write!(f, "large community {c} added"),
            Action::RemoveLargeCommunity(c) => write!(f, "large community {c} removed"),
        }
    }
}

impl PrefixList {
    /// The first rule that matches `prefix`, with its place.
    fn decides(&self, prefix: Prefix) -> Option<(usize, &Rule)> {
        let matches =
            |rule: &Rule| rule.prefixes.is_empty() || rule.prefixes.iter().any(|m| m.matches(prefix));
        self.rules.iter().enumerate().find(|(_, rule)| matches(rule))
    }
}

impl Policy {
    /// The number of the first rule that matches `prefix`, where it accepts; none: the route is rejected.
    pub(crate) fn find(&self, prefix: Prefix) -> Option<u16> {
        match self {
            Policy::Accept => Some(0),
            Policy::Reject => None,
            Policy::List(list) => {
                let (at, rule) = list.decides(prefix)?;
                if rule.verdict == Verdict::Accept { u16::try_from(at).ok() } else { None }
            }
        }
    }

    /// Which rule decides about `prefix`, and what it does, in words: `rule 2 of policy "in": LOCAL_PREF 200`.
    pub(crate) fn words(&self, prefix: Prefix) -> String {
        let list = match self {
            Policy::Accept => return "accepted: the policy is \"accept\"".to_owned(),
            Policy::Reject => return "rejected: the policy is \"reject\"".to_owned(),
            Policy::List(list) => list,
        };
        let Some((at, rule)) = list.decides(prefix) else {
            return format!("rejected: no rule of policy \"{}\" matches it", list.name);
        };
        let verdict = match rule.verdict {
            Verdict::Accept => "accepted",
            Verdict::Reject => "rejected",
        };
        let actions: Vec<String> = match rule.verdict {
            Verdict::Accept => rule.actions.iter().map(ToString::to_string).collect(),
            Verdict::Reject => Vec::new(),
        };
        let and = if actions.is_empty() { String::new() } else { format!(": {}", actions.join(", ")) };
        format!("{verdict} by rule {} of policy \"{}\"{and}", at + 1, list.name)
    }

    /// The actions of a rule that [`Policy::find`] named.
    pub(crate) fn actions(&self, rule: u16) -> &[Action] {
        match self {
            Policy::List(list) => list.rules.get(usize::from(rule)).map_or(&[], |rule| &rule.actions),
            Policy::Accept | Policy::Reject => &[],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(prefixes: &[(&str, u8, u8)], verdict: Verdict) -> Rule {
        let prefixes = prefixes
            .iter()
            .map(|(p, ge, le)| PrefixMatch { prefix: p.parse().unwrap(), ge: *ge, le: *le })
            .collect();
        Rule { prefixes, verdict, actions: vec![Action::SetMed(1)] }
    }

    #[test]
    fn the_first_rule_that_matches_decides() {
        let rules = vec![
            rule(&[("10.0.0.0/8", 16, 24), ("2001:db8::/32", 32, 48)], Verdict::Accept),
            rule(&[("10.0.0.0/8", 8, 32)], Verdict::Reject),
            rule(&[("0.0.0.0/0", 8, 24)], Verdict::Accept),
        ];
        let list = Policy::List(Arc::new(PrefixList { name: "x".into(), rules }));
        for (prefix, want) in [
            ("10.1.0.0/16", Some(0)),
            ("10.1.2.0/24", Some(0)),
            ("10.1.2.0/25", None),
            ("10.0.0.0/8", None),
            ("11.0.0.0/8", Some(2)),
            ("12.0.0.0/7", None),
            ("0.0.0.0/0", None),
            ("2001:db8:1::/48", Some(0)),
            ("2001:db8::/32", Some(0)),
            ("2001:db8:1::/49", None),
            ("2001:db9::/32", None),
        ] {
            assert_eq!(list.find(prefix.parse().unwrap()), want, "{prefix}");
            assert_eq!(Policy::Accept.find(prefix.parse().unwrap()), Some(0));
            assert_eq!(Policy::Reject.find(prefix.parse().unwrap()), None);
        }
        assert_eq!(
            (list.actions(0).len(), Policy::Accept.actions(0).len(), list.actions(9).len()),
            (1, 0, 0)
        );
        let empty = PrefixList { name: "x".into(), rules: vec![rule(&[], Verdict::Accept)] };
        assert_eq!(Policy::List(Arc::new(empty)).find("::/0".parse().unwrap()), Some(0));
    }
}
