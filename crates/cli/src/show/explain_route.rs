//! `explain route`: what was received of a destination, what was chosen and why, where it went.

use super::Style;
use super::table::Color;
use super::text::{duration, or_dash};
use trunkline_core::Asn;
use trunkline_view::bgp::PathView;
use trunkline_view::explain::{BgpExplanation, Received, RouteExplanation, Sent, Step};
use trunkline_view::{Route, RouteNextHop, RouteSource};

/// The whole story.
pub(crate) fn explanation(view: &RouteExplanation, style: Style) -> String {
    let mut text = format!("{}\n", view.prefix);
    if let Some(bgp) = &view.bgp {
        text.push_str(&received(bgp, style));
    }
    if let Some(rip) = &view.rip {
        text.push_str(&format!("\nRIP\n  {}, metric {}, {}\n", rip.origin, rip.metric, rip.summary));
        if let Some(why) = &rip.reason {
            text.push_str(&format!("    {why}\n"));
        }
    }
    text.push_str(&chosen(&view.routes, style));
    if let Some(bgp) = &view.bgp {
        text.push_str(&sent(bgp, style));
    }
    text
}

fn received(bgp: &BgpExplanation, style: Style) -> String {
    let mut text = "\nReceived by BGP\n".to_owned();
    if bgp.received.is_empty() {
        text.push_str("  from nobody: there is no neighbor\n");
    }
    for one in &bgp.received {
        let color = match one.verdict.as_str() {
            "best" | "multipath" => Color::Green,
            "not best" => Color::Yellow,
            _ => Color::Red,
        };
        let who = match one.neighbor {
            Some(address) => format!("from {address}{}", of_as(one.asn)),
            None => "originated here".to_owned(),
        };
        let because = one.reason.as_ref().map_or_else(String::new, |why| format!(": {why}"));
        text.push_str(&format!("  {who}: {}{because}\n", color.paint(&one.verdict, style)));
        text.push_str(&details(one));
    }
    text
}

fn details(one: &Received) -> String {
    let mut text = String::new();
    if let Some(path) = &one.path {
        let age = path.age.map_or_else(String::new, |age| format!(", {} ago", duration(age)));
        text.push_str(&format!("    {}{age}\n", brief(path)));
    }
    if let Some(import) = &one.import {
        text.push_str(&format!("    import: {import}\n"));
    }
    for change in &one.changes {
        text.push_str(&format!("      {}: {} -> {}\n", change.attribute, change.received, change.used));
    }
    text.push_str(&steps(one));
    text
}

/// The comparison, where there was one.
fn steps(one: &Received) -> String {
    if one.steps.is_empty() {
        return String::new();
    }
    let (better, other) = match one.verdict.as_str() {
        "best" => ("this", "the next"),
        _ => ("the best", "this"),
    };
    let width = one.steps.iter().map(|step| step.step.chars().count()).max().unwrap_or(0);
    let first = one.steps.iter().map(|step| step.better.len()).chain([better.len()]).max().unwrap_or(0);
    let second = one.steps.iter().map(|step| step.other.len()).chain([other.len()]).max().unwrap_or(0);
    let row = |a: &str, b: &str, c: &str, d: &str| {
        let pad = " ".repeat(width.saturating_sub(a.chars().count()));
        format!("    {a}{pad}  {b:<first$}  {c:<second$}{d}").trim_end().to_owned() + "\n"
    };
    let mut text = row("", better, other, "");
    for Step { step, better, other, decides } in &one.steps {
        text.push_str(&row(step, better, other, if *decides { "  decides" } else { "" }));
    }
    text
}

fn chosen(routes: &[Route], style: Style) -> String {
    let mut text = "\nIn the routing table\n".to_owned();
    if routes.is_empty() {
        text.push_str("  nothing: packets to it follow a shorter prefix, or are dropped\n");
    }
    for route in routes {
        let source = match route.source {
            RouteSource::Connected => "connected",
            RouteSource::Local => "local",
            RouteSource::Static => "static",
            RouteSource::Kernel => "another program's",
            RouteSource::Rip => "RIP",
            RouteSource::Bgp => "BGP",
        };
        let hops: Vec<String> = route.next_hops.iter().map(hop).collect();
        let way = if hops.is_empty() { "dropped".to_owned() } else { hops.join(" and ") };
        let verdict = match (route.selected, route.installed, &route.not_installed_because) {
            (true, true, _) => Color::Green.paint("used", style),
            (true, false, Some(why)) => Color::Red.paint(&format!("won, but is not used: {why}"), style),
            (true, false, None) => Color::Red.paint("won, but is not used", style),
            (false, _, Some(why)) => Color::Yellow.paint(why, style),
            (false, _, None) => Color::Yellow.paint("lost to a lower distance", style),
        };
        text.push_str(&format!(
            "  {source}, distance {}, metric {}, {way}: {verdict}\n",
            route.distance, route.metric
        ));
    }
    text
}

fn hop(hop: &RouteNextHop) -> String {
    let by = hop.interface.as_ref().map_or_else(String::new, |name| format!(" by {name}"));
    match hop.gateway {
        Some(gateway) => format!("via {gateway}{by}"),
        None => format!("directly{by}"),
    }
}

fn sent(bgp: &BgpExplanation, style: Style) -> String {
    let mut text = "\nSent by BGP\n".to_owned();
    if bgp.sent.is_empty() {
        text.push_str("  to nobody: there is no neighbor\n");
    }
    for Sent { neighbor, asn, sent, waiting, age, at_least, reason, path } in &bgp.sent {
        let verdict = match (sent, waiting, age) {
            (false, ..) => Color::Yellow.paint("not sent", style),
            (true, true, _) => Color::Yellow.paint("waits until it reads", style),
            (true, false, None) => Color::Green.paint("sent", style),
            (true, false, Some(age)) => {
                let least = if *at_least { "at least " } else { "" };
                Color::Green.paint(&format!("sent {least}{} ago", duration(*age)), style)
            }
        };
        text.push_str(&format!("  to {neighbor}{}: {verdict}: {reason}\n", of_as(Some(*asn))));
        if let Some(path) = path {
            text.push_str(&format!("    {}\n", brief(path)));
        }
    }
    text
}

fn of_as(asn: Option<Asn>) -> String {
    asn.map_or_else(String::new, |asn| format!(" (AS {asn})"))
}

/// A path in one line.
fn brief(path: &PathView) -> String {
    let as_path = if path.as_path.is_empty() { "empty" } else { &path.as_path };
    let mut text = format!("AS_PATH {as_path}, {}, next hop {}", path.origin, or_dash(path.next_hop));
    if let Some(med) = path.med {
        text.push_str(&format!(", MED {med}"));
    }
    if let Some(value) = path.local_pref {
        text.push_str(&format!(", LOCAL_PREF {value}"));
    }
    if !path.communities.is_empty() {
        text.push_str(&format!(", communities {}", path.communities.join(" ")));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::show::{human, samples};
    use trunkline_view::Answer;
    use trunkline_view::explain::Change;

    fn step(step: &str, better: &str, other: &str, decides: bool) -> Step {
        Step { step: step.into(), better: better.into(), other: other.into(), decides }
    }

    #[test]
    fn a_route_with_its_rival_and_its_neighbors() {
        let paths = samples::bgp_routes().paths;
        let best = paths.iter().find(|path| path.best).cloned().unwrap();
        let other = paths.iter().find(|path| !path.best && path.neighbor.is_some()).cloned().unwrap();
        let steps = vec![
            step("origin of the route", "from a neighbor", "from a neighbor", false),
            step("LOCAL_PREF, higher (RFC 4271 §9.1.1)", "200", "100", true),
        ];
        let received = |path: &PathView, verdict: &str, reason: Option<&str>, steps: &[Step]| Received {
            neighbor: path.neighbor,
            asn: Some(Asn(65002)),
            verdict: verdict.into(),
            reason: reason.map(str::to_owned),
            import: Some("accepted by rule 2 of policy \"in\": LOCAL_PREF 200".into()),
            changes: Vec::new(),
            path: Some(path.clone()),
            steps: steps.to_vec(),
        };
        let change = Change { attribute: "LOCAL_PREF".into(), received: "none".into(), used: "200".into() };
        let first = Received { changes: vec![change], ..received(&best, "best", None, &steps) };
        let second = received(&other, "not best", Some("lower LOCAL_PREF (RFC 4271 §9.1.1)"), &steps);
        let absent = Received {
            neighbor: Some("192.0.2.9".parse().unwrap()),
            path: None,
            import: None,
            ..received(&other, "not received", Some("the session is not up: no answer"), &[])
        };
        let sent = |address: &str, sent: bool, reason: &str, path: Option<PathView>| Sent {
            neighbor: address.parse().unwrap(),
            asn: Asn(65003),
            sent,
            waiting: false,
            age: path.as_ref().map(|_| 62.0),
            at_least: false,
            reason: reason.into(),
            path,
        };
        let view = RouteExplanation {
            prefix: best.prefix,
            routes: samples::routes().routes,
            rip: None,
            bgp: Some(BgpExplanation {
                received: vec![first, second, absent],
                sent: vec![
                    sent("192.0.2.2", false, "the best path came from it", None),
                    sent("192.0.2.3", true, "accepted: the policy is \"accept\"", Some(best.clone())),
                    Sent { at_least: true, ..sent("192.0.2.4", true, "accepted", Some(best.clone())) },
                    Sent { waiting: true, age: None, ..sent("192.0.2.5", true, "accepted", Some(best)) },
                ],
            }),
        };
        let text = human(&Answer::ExplainRoute(Box::new(view)), Style { color: false });
        insta::assert_snapshot!(text);
    }

    #[test]
    fn nothing_anywhere() {
        let view = RouteExplanation {
            prefix: "203.0.113.0/24".parse().unwrap(),
            routes: Vec::new(),
            rip: None,
            bgp: Some(BgpExplanation { received: Vec::new(), sent: Vec::new() }),
        };
        insta::assert_snapshot!(explanation(&view, Style { color: false }), @r"
        203.0.113.0/24

        Received by BGP
          from nobody: there is no neighbor

        In the routing table
          nothing: packets to it follow a shorter prefix, or are dropped

        Sent by BGP
          to nobody: there is no neighbor
        ");
    }
}
