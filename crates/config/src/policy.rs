//! `[[policy.NAME]]`: named prefix lists, and `import`, `export` and `policy`, which name them.

use crate::diagnostic::{Diagnostic, Span};
use crate::section::{Section, nearest};
use crate::value::{Text, Value};
use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::Arc;
use toml::Spanned;
use trunkline_bgp::policy::{Action, Policy, PrefixList, PrefixMatch, Rule, Verdict};
use trunkline_core::Asn;
use trunkline_rip::{Filter, FilterRule};

/// The policies of a file by name.
pub(crate) struct Policies<'a>(BTreeMap<&'a str, Named>);

struct Named {
    list: Arc<PrefixList>,
    span: Span,
    /// The first rule that changes what it accepts.
    changes: Option<Span>,
    used: Cell<bool>,
}

impl<'a> Policies<'a> {
    /// Reads `[policy]`; `local_asn` is what `prepend = N` puts in front.
    pub(crate) fn read(section: Section<'a>, local_asn: Option<Asn>) -> Policies<'a> {
        let mut policies = BTreeMap::new();
        for (name, span, value) in section.entries() {
            if matches!(name, "accept" | "reject") {
                let message = format!("a policy cannot be called `{name}`");
                section.reader().push(
                    Diagnostic::error(span.clone(), message, "this name has a meaning of its own")
                        .help(format!("`import = \"{name}\"` needs no policy; choose another name")),
                );
                continue;
            }
            let sections = value.sections("[[policy.NAME]]");
            let rules: Vec<Spanned<Rule>> = sections
                .into_iter()
                .filter_map(|s| Some(Spanned::new(s.span(), rule(s, local_asn)?)))
                .collect();
            let changing = |rule: &&Spanned<Rule>| {
                rule.get_ref().verdict == Verdict::Accept && !rule.get_ref().actions.is_empty()
            };
            let changes = rules.iter().find(changing).map(Spanned::span);
            let rules = rules.into_iter().map(Spanned::into_inner).collect();
            let list = Arc::new(PrefixList { name: name.to_owned(), rules });
            policies.insert(name, Named { list, span, changes, used: Cell::new(false) });
        }
        section.accept_all();
        Policies(policies)
    }

    /// The value of `import`, `export` or `policy`.
    pub(crate) fn named(&self, value: &Value<'a>) -> Option<Policy> {
        match value.string()? {
            "accept" => Some(Policy::Accept),
            "reject" => Some(Policy::Reject),
            name => match self.0.get(name) {
                Some(named) => {
                    named.used.set(true);
                    Some(Policy::List(named.list.clone()))
                }
                None => {
                    let names = ["accept", "reject"].into_iter().chain(self.0.keys().copied());
                    let what = format!("names a policy \"{name}\" that is not defined");
                    let problem =
                        value.problem(&what, "expected \"accept\", \"reject\" or the name of a policy");
                    let help = match nearest(name, names) {
                        Some(near) => {
                            // Most likely it is used, then, and no warning should say otherwise.
                            self.0.get(near).into_iter().for_each(|named| named.used.set(true));
                            format!("did you mean \"{near}\"?")
                        }
                        None => format!("define it with [[policy.{name}]]"),
                    };
                    value.refuse_relation(problem.help(help))
                }
            },
        }
    }

    /// Likewise for RIP, whose routes have nothing that a policy could change. `Some(None)`: all pass.
    pub(crate) fn filter(&self, value: &Value<'a>) -> Option<Option<Arc<Filter>>> {
        let list = match self.named(value)? {
            Policy::Accept => return Some(None),
            Policy::Reject => return Some(Some(Arc::default())),
            Policy::List(list) => list,
        };
        if let Some(changes) = self.0.get(list.name.as_str()).and_then(|named| named.changes.clone()) {
            let what = format!("names a policy \"{}\" that changes routes", list.name);
            let problem = value.problem(&what, "RIP's routes have none of what policies change");
            let problem = problem.related(changes, "this rule changes them");
            return value.refuse_relation(
                problem.help("give RIP a policy of its own, with `match` and `action` alone"),
            );
        }
        let rules = list.rules.iter().map(|rule| FilterRule {
            prefixes: rule.prefixes.clone(),
            accept: rule.verdict == Verdict::Accept,
        });
        Some(Some(Arc::new(Filter { rules: rules.collect() })))
    }

    /// Warns of those that nobody uses.
    pub(crate) fn warn_unused(&self, section: &Section<'_>) {
        for (name, named) in self.0.iter().filter(|(_, named)| !named.used.get()) {
            let message = format!("policy `{name}` is not used");
            section.reader().push_relation(
                Diagnostic::warning(named.span.clone(), message, "nothing names it")
                    .help(format!("write `import = \"{name}\"` or `export = \"{name}\"` at a neighbor or an interface of RIP")),
            );
        }
    }
}

fn rule(mut section: Section<'_>, local_asn: Option<Asn>) -> Option<Rule> {
    let prefixes = section.read("match", prefix_matches);
    let choices = [("accept", Verdict::Accept), ("reject", Verdict::Reject)];
    let verdict = section.require("action", "\"accept\"", |value| value.choice(&choices));
    let actions = actions(&mut section, local_asn);
    if verdict == Some(Verdict::Reject) && !actions.is_empty() {
        section.reader().push_relation(Diagnostic::warning(
            section.span_of("action"),
            "the rule changes routes that it rejects",
            "a rejected route goes nowhere, so the changes have no effect",
        ));
    }
    Some(Rule { prefixes: prefixes.unwrap_or_default(), verdict: verdict?, actions })
}

/// Which prefixes something is for: one match or several.
pub(crate) fn prefix_matches(value: &Value<'_>) -> Option<Vec<PrefixMatch>> {
    let list = value.one_or_more(Value::text)?;
    if value.is_empty_list() {
        let problem = value.problem("is empty", "nothing would match");
        return value.refuse(problem.help(format!("leave `{}` out to match every prefix", value.key())));
    }
    Some(list.into_iter().map(Spanned::into_inner).collect())
}

/// The changes, in the order in which they are made: removal of communities comes before addition.
fn actions(section: &mut Section<'_>, local_asn: Option<Asn>) -> Vec<Action> {
    let mut actions = Vec::new();
    actions.extend(section.read("set-local-pref", |v| v.integer(0..=u32::MAX)).map(Action::SetLocalPref));
    actions.extend(section.read("set-med", |v| v.integer(0..=u32::MAX)).map(Action::SetMed));
    actions.extend(section.read("prepend", |v| prepend(v, local_asn)));
    actions.extend(each(section, "remove-communities", Action::RemoveCommunity));
    actions.extend(each(section, "remove-large-communities", Action::RemoveLargeCommunity));
    actions.extend(each(section, "add-communities", Action::AddCommunity));
    actions.extend(each(section, "add-large-communities", Action::AddLargeCommunity));
    actions
}

fn each<T: Text>(section: &mut Section<'_>, key: &'static str, action: fn(T) -> Action) -> Vec<Action> {
    let list = section.read(key, |value| value.list(Value::text)).unwrap_or_default();
    list.into_iter().map(|item| action(item.into_inner())).collect()
}

fn prepend(value: &Value<'_>, local_asn: Option<Asn>) -> Option<Action> {
    if !value.is_table() {
        let times = value.integer(1..=16);
        return Some(Action::Prepend(local_asn?, times?));
    }
    let mut section = value.section("prepend")?;
    let asn = section.read("asn", Value::asn);
    let times = section.require("times", "2", |v| v.integer(1..=16));
    Some(Action::Prepend(asn.or(local_asn)?, times?))
}
