//! What people see. Programs use `--json`.

mod arp;
mod bgp_neighbors;
mod bgp_routes;
mod bgp_summary;
mod event;
mod explain_bgp;
mod explain_route;
mod interfaces;
mod ip;
mod mac;
mod node;
mod pages;
mod probe;
mod rip;
mod rip_routes;
mod routes;
#[cfg(test)]
pub(crate) mod samples;
mod spanning_tree;
mod table;
mod tcp;
mod text;

pub(crate) use event::{event, words as event_words};
pub(crate) use pages::Pages;
pub(crate) use probe::{ping_reply, ping_summary};
pub(crate) use spanning_tree::{id as bridge_id, spanning_tree};
pub(crate) use table::{Align, Cell, Color, Table};

use std::io::IsTerminal;
use trunkline_view::{Answer, ReloadView};

/// How to show it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Style {
    /// With colours.
    pub(crate) color: bool,
}

impl Style {
    /// Colours where stdout is a terminal and nobody objects.
    pub(crate) fn of_stdout() -> Style {
        Style { color: std::io::stdout().is_terminal() && color_wanted() }
    }
}

/// <https://no-color.org>, and terminals that cannot.
pub(crate) fn color_wanted() -> bool {
    let set = |name| std::env::var_os(name).is_some_and(|v| !v.is_empty());
    !set("NO_COLOR") && std::env::var_os("TERM").is_none_or(|t| t != "dumb")
}

/// An answer for people; ends with a newline.
pub(crate) fn human(answer: &Answer, style: Style) -> String {
    match answer {
        Answer::Node(view) => node::node(view),
        Answer::BgpSummary(view) => bgp_summary::summary(view, style),
        Answer::BgpNeighbors(view) => bgp_neighbors::neighbors(view, style),
        Answer::BgpRoutes(_) | Answer::Routes(_) | Answer::RipRoutes(_) => {
            Pages::new(style, false).page(answer, true)
        }
        Answer::ExplainRoute(view) => explain_route::explanation(view, style),
        Answer::ExplainBgp(view) => explain_bgp::explanation(view, style),
        Answer::Interfaces(view) => interfaces::interfaces(view, style),
        Answer::Done(view) => format!("{}\n", view.message),
        Answer::Reload(view) if view.applied => reloaded(view),
        Answer::Reload(view) => format!("{}\n", reload_refused(view)),
        Answer::Arp(view) => arp::arp(view, style),
        Answer::Mac(view) => mac::mac(view, style),
        Answer::SpanningTree(view) => spanning_tree::trees(view, style),
        Answer::Rip(view) => rip::summary(view, style),
        Answer::RipNeighbors(view) => rip::neighbors(view, style),
        Answer::Tcp(view) => tcp::tcp(view, style),
        Answer::IpStatistics(view) => ip::ip(view, style),
        Answer::Ping(view) => probe::ping(view, style),
        Answer::Traceroute(view) => probe::traceroute(view),
        Answer::Transfer(view) => probe::transfer(view),
        Answer::Error(view) => format!("{}\n", view.message),
    }
}

fn reloaded(view: &ReloadView) -> String {
    if view.changes.is_empty() && view.reset.is_empty() {
        return "reloaded; nothing changed\n".to_owned();
    }
    let mut text = "reloaded\n".to_owned();
    view.changes.iter().for_each(|change| text.push_str(&format!("  {change}\n")));
    if !view.reset.is_empty() {
        text.push_str(&format!("sessions reset: {}\n", view.reset.join(", ")));
    }
    text
}

/// Says that a reload did not happen, and why.
pub(crate) fn reload_refused(view: &ReloadView) -> String {
    let problems = view.problems.as_deref().unwrap_or("the node does not say why").trim_end();
    format!("not reloaded, the node goes on as before\n{problems}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reloads() {
        let view = |applied, changes: &[&str], reset: &[&str], problems: Option<&str>| {
            let texts = |list: &[&str]| list.iter().map(|s| (*s).to_owned()).collect();
            let view = ReloadView {
                applied,
                changes: texts(changes),
                reset: texts(reset),
                problems: problems.map(str::to_owned),
            };
            human(&Answer::Reload(view), Style { color: false })
        };
        insta::assert_snapshot!(view(true, &[], &[], None), @"reloaded; nothing changed");
        insta::assert_snapshot!(view(true, &["neighbor 127.0.0.2: hold-time"], &["127.0.0.2"], None), @"
        reloaded
          neighbor 127.0.0.2: hold-time
        sessions reset: 127.0.0.2
        ");
        insta::assert_snapshot!(view(false, &[], &[], Some("r1.toml:3:1: error: no\n")), @"
        not reloaded, the node goes on as before
        r1.toml:3:1: error: no
        ");
    }
}
