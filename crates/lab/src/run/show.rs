//! What a node shows, as a list of plain entries.

use super::Run;
use crate::scenario::Show;
use crate::sim::{Asked, Lab, NodeIndex};
use crate::words;
use serde_json::{Value, json};
use trunkline_core::Instant;
use trunkline_view::bgp::RoutesQuery;
use trunkline_view::stp::{TreePortView, TreeView};
use trunkline_view::{Answer, Query, rip};

/// Entries of a page.
const PAGE: u32 = 1000;

/// Seconds since the start.
pub(super) fn seconds(at: Instant) -> f64 {
    at.as_nanos() as f64 / 1e9
}

/// The entries of what a node shows; an error's words where it shows nothing.
pub(super) fn node(run: &mut Run, name: &str, show: Show, since: Instant) -> Result<Vec<Value>, String> {
    let index = run.lab.node(name).map_err(|error| error.to_string())?;
    let answers = run.log.answers.iter().filter(|(_, node, _)| node == name).map(|(_, _, answer)| answer);
    Ok(match show {
        Show::Ping => {
            answers.filter_map(|a| if let Answer::Ping(view) = a { plain(view) } else { None }).collect()
        }
        Show::Traceroute => answers
            .filter_map(|a| if let Answer::Traceroute(view) = a { plain(view) } else { None })
            .collect(),
        Show::Transfer => {
            answers.filter_map(|a| if let Answer::Transfer(view) = a { plain(view) } else { None }).collect()
        }
        Show::Events => events(run, name, since),
        _ => return state(&mut run.lab, index, show),
    })
}

/// The state of a node as entries.
pub(crate) fn state(lab: &mut Lab, node: NodeIndex, show: Show) -> Result<Vec<Value>, String> {
    let mut entries = Vec::new();
    let mut cursor = 0;
    loop {
        let query = match show {
            Show::Arp => Query::Arp { interface: None },
            Show::Mac => Query::Mac { bridge: None },
            Show::SpanningTree => Query::SpanningTree { bridge: None },
            Show::Tcp => Query::Tcp,
            Show::Ip => Query::IpStatistics,
            Show::Interfaces => Query::Interfaces,
            Show::Routes => Query::Routes { prefix: None, cursor, limit: PAGE },
            Show::Node => Query::Node,
            Show::BgpSummary => Query::BgpSummary,
            Show::BgpNeighbors => Query::BgpNeighbors { address: None },
            Show::BgpRoutes => Query::BgpRoutes(RoutesQuery {
                family: None,
                prefix: None,
                received: None,
                advertised: None,
                cursor,
                limit: PAGE,
            }),
            Show::Rip => Query::Rip,
            Show::RipNeighbors => Query::RipNeighbors,
            Show::RipRoutes => Query::RipRoutes(rip::RoutesQuery { prefix: None, cursor, limit: PAGE }),
            Show::Ping | Show::Traceroute | Show::Transfer | Show::Events => return Ok(entries),
        };
        let answer = match lab.query(node, query, &mut ()) {
            Asked::Now(answer) => answer,
            Asked::Later(_) => return Err("no answer at once".to_owned()),
        };
        let next = match answer {
            Answer::Arp(view) => add(&mut entries, &view.entries, None),
            Answer::Mac(view) => add(&mut entries, &view.entries, None),
            Answer::SpanningTree(view) => {
                entries.extend(view.bridges.iter().flat_map(tree_ports));
                None
            }
            Answer::Tcp(view) => {
                add(&mut entries, &view.connections, None);
                // A listener is a connection in the state LISTEN (RFC 9293 §3.3.2).
                entries.extend(view.listeners.iter().filter_map(plain).map(|mut listener| {
                    listener["state"] = json!("LISTEN");
                    listener
                }));
                None
            }
            Answer::Interfaces(view) => add(&mut entries, &view.interfaces, None),
            Answer::Routes(view) => add(&mut entries, &view.routes, view.next),
            Answer::BgpSummary(view) => add(&mut entries, &view.neighbors, None),
            Answer::BgpNeighbors(view) => add(&mut entries, &view.neighbors, None),
            Answer::BgpRoutes(view) => add(&mut entries, &view.paths, view.next),
            Answer::Rip(view) => add(&mut entries, &[view], None),
            Answer::RipNeighbors(view) => add(&mut entries, &view.neighbors, None),
            Answer::RipRoutes(view) => add(&mut entries, &view.routes, view.next),
            Answer::IpStatistics(view) => add(&mut entries, &[view], None),
            Answer::Node(view) => add(&mut entries, &[view], None),
            Answer::Error(error) => return Err(error.message),
            _ => None,
        };
        match next {
            Some(next) => cursor = next,
            None => return Ok(entries),
        }
    }
}

/// Each port of a bridge as an entry, with what is said of the bridge: the `name` of the port is its `port`, its `id` its
/// `port_id`, the bridge's `id` its `bridge_id`.
fn tree_ports(tree: &TreeView) -> Vec<Value> {
    let Some(Value::Object(mut bridge)) = plain(tree) else { return Vec::new() };
    bridge.remove("ports");
    let id = bridge.remove("id").unwrap_or_default();
    bridge.insert("bridge_id".to_owned(), id);
    let entry = |port: &TreePortView| {
        let Value::Object(mut entry) = plain(port)? else { return None };
        for (name, member) in [("name", "port"), ("id", "port_id")] {
            let value = entry.remove(name).unwrap_or_default();
            entry.insert(member.to_owned(), value);
        }
        entry.extend(bridge.clone());
        Some(Value::Object(entry))
    };
    tree.ports.iter().filter_map(entry).collect()
}

fn add<T: serde::Serialize>(entries: &mut Vec<Value>, items: &[T], next: Option<u64>) -> Option<u64> {
    entries.extend(items.iter().filter_map(plain));
    next
}

fn plain<T: serde::Serialize>(item: &T) -> Option<Value> {
    serde_json::to_value(item).ok()
}

fn events(run: &Run, name: &str, since: Instant) -> Vec<Value> {
    let of_node = run.log.events.iter().filter(|(at, node, _)| node == name && *at >= since);
    of_node
        .filter_map(|(at, _, event)| {
            let mut value = plain(event)?;
            value["at"] = json!(seconds(*at));
            value["words"] = json!(words::event(event));
            Some(value)
        })
        .collect()
}

/// The frames that a link took.
pub(super) fn link(run: &mut Run, link: &str, since: Instant) -> Vec<Value> {
    let Some(frames) = run.log.frames.get_mut(link) else { return Vec::new() };
    frames.read().iter().filter(|(at, _)| *at >= since).map(|(_, value)| value.clone()).collect()
}
