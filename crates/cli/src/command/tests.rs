//! Commands against the real API with a fake node behind it.

use super::*;
use crate::show::samples;
use clap::Parser;
use std::path::PathBuf;
use std::sync::Arc;
use trunkline_api::{Backend, Endpoint, Listeners, Server};
use trunkline_view::{DoneView, ErrorKind, EventKind, ReloadView};
use trunkline_view::{bgp, rip};

/// A node with `paths` BGP paths, answering in pages.
struct Node {
    client: Client,
    dir: PathBuf,
    _server: Server,
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

fn answer(query: &Query, paths: u64) -> Answer {
    match query {
        Query::BgpRoutes(q) => {
            let end = paths.min(q.cursor + u64::from(q.limit));
            let path = samples::bgp_routes().paths.swap_remove(0);
            let page = (q.cursor..end).map(|n| bgp::PathView { med: u32::try_from(n).ok(), ..path.clone() });
            let next = (end < paths).then_some(end);
            Answer::BgpRoutes(bgp::RoutesView { paths: page.collect(), next, total: paths })
        }
        Query::RipRoutes(q) => {
            let end = paths.min(q.cursor + u64::from(q.limit));
            let route = samples::rip_routes().routes.swap_remove(2);
            let routes = (q.cursor..end).map(|_| route.clone()).collect();
            Answer::RipRoutes(rip::RoutesView { routes, next: (end < paths).then_some(end), total: paths })
        }
        Query::Rip => Answer::Rip(Box::new(samples::rip())),
        Query::RipNeighbors => Answer::RipNeighbors(samples::rip_neighbors()),
        Query::Arp { .. } => Answer::Arp(samples::arp()),
        // Every second request is answered.
        Query::Ping(q) if q.destination.octets()[3] == 9 => {
            let mut view = samples::ping();
            view.replies.truncate(1);
            Answer::Ping(PingView { sent: 1, received: 1, duplicates: 0, ..view })
        }
        Query::Ping(_) => {
            let mut view = samples::ping();
            view.replies.drain(..3);
            Answer::Ping(PingView {
                sent: 1,
                received: 0,
                average: None,
                minimum: None,
                maximum: None,
                ..view
            })
        }
        Query::BgpSummary => Answer::BgpSummary(samples::summary()),
        Query::BgpShutdown { .. } => Answer::error(ErrorKind::NotFound, "no neighbor ::1"),
        Query::Reload => Answer::Reload(ReloadView {
            applied: false,
            changes: vec![],
            reset: vec![],
            problems: Some("r1.toml:3:1: error: no\n".into()),
        }),
        other => Answer::Done(DoneView { message: format!("{other:?}") }),
    }
}

fn node(name: &str, paths: u64) -> Node {
    let dir = std::env::temp_dir().join(format!("trunkline-cli-command-{}-{name}", std::process::id()));
    let endpoint = Endpoint { name: "r1".into(), socket: dir.join("r1.sock"), listen: vec![] };
    let backend = Backend {
        query: Arc::new(move |query, reply| reply(answer(&query, paths))),
        subscribe: Arc::new(|mut watcher| {
            assert!(samples::events().iter().all(&mut watcher));
        }),
    };
    let server = Server::start(vec![(Listeners::bind(&endpoint).unwrap(), backend)]).unwrap();
    Node { client: Client::new(endpoint.socket), dir, _server: server }
}

/// What the command prints, and how it fails.
fn run(node: &Node, line: &str) -> (String, Option<String>) {
    let cli = crate::args::Cli::try_parse_from(std::iter::once("trunkline").chain(line.split(' '))).unwrap();
    let mut out = Vec::new();
    let done = execute(cli.command, &node.client, cli.json, Style { color: false }, &mut out);
    let failure = done.err().map(|f| match f {
        Failure::Message(message) => message,
        Failure::Said | Failure::Found => String::new(),
        Failure::Output(error) => panic!("{error}"),
    });
    (String::from_utf8(out).unwrap(), failure)
}

fn json(text: &str) -> serde_json::Value {
    serde_json::from_str(text).unwrap()
}

#[test]
fn json_is_the_view() {
    let node = node("json", 0);
    let (out, failure) = run(&node, "show bgp summary --json");
    assert_eq!(failure, None);
    assert_eq!(json(&out), serde_json::to_value(samples::summary()).unwrap());
}

#[test]
fn pages_are_followed_up_to_the_limit() {
    let node = node("pages", 25_000);
    let meds = |view: &serde_json::Value| {
        view["paths"].as_array().unwrap().iter().map(|p| p["med"].as_u64().unwrap()).collect::<Vec<_>>()
    };
    let view = json(&run(&node, "show bgp routes --json").0);
    assert_eq!((meds(&view).len(), &view["next"], &view["total"]), (1000, &1000.into(), &25_000.into()));
    let view = json(&run(&node, "show bgp routes --json --limit 12000").0);
    assert_eq!(meds(&view), (0..12_000).collect::<Vec<_>>());
    assert_eq!(view["next"], 12_000);
    let out = run(&node, "show bgp routes --json --all").0;
    let pages: Vec<_> = out.lines().map(json).collect();
    assert_eq!(pages.len(), 25);
    assert_eq!(pages.iter().flat_map(meds).collect::<Vec<_>>(), (0..25_000).collect::<Vec<_>>());
    assert!(pages[24]["next"].is_null());
    let out = run(&node, "show bgp routes --limit 2").0;
    assert!(
        out.ends_with("only the first 2 paths are shown, of 25000 prefixes: --limit N or --all for more\n")
    );
}

#[test]
fn rip_has_its_parts() {
    let node = node("rip", 12_000);
    assert_eq!(json(&run(&node, "show rip --json").0), serde_json::to_value(samples::rip()).unwrap());
    assert!(run(&node, "show rip").0.contains("Hold-down"));
    assert!(run(&node, "show rip neighbors").0.contains("silent"));
    let view = json(&run(&node, "show rip routes --json --limit 11000").0);
    assert_eq!((view["routes"].as_array().unwrap().len(), &view["next"]), (11_000, &11_000.into()));
    let out = run(&node, "show rip routes --limit 2").0;
    assert!(
        out.ends_with("only the first 2 routes are shown, of 12000 routes: --limit N or --all for more\n")
    );
    let out = run(&node, "show rip routes 10.1.0.0/16").0;
    assert!(out.contains("Invalid timer"), "{out}");
    assert_eq!(run(&node, "clear rip").0, "RipClear { prefix: None }\n");
    assert!(run(&node, "clear rip 10.1.0.0/16").0.contains("10.1.0.0/16"));
}

#[test]
fn errors_go_to_stderr_or_into_json_and_fail() {
    let node = node("errors", 0);
    let (out, failure) = run(&node, "bgp ::1 shutdown");
    assert_eq!((out.as_str(), failure.as_deref()), ("", Some("no neighbor ::1")));
    let (out, failure) = run(&node, "bgp ::1 shutdown --json");
    assert_eq!((json(&out)["kind"].as_str(), failure.as_deref()), (Some("not-found"), Some("")));
}

#[test]
fn an_invalid_file_fails_the_reload() {
    let node = node("reload", 0);
    let (out, failure) = run(&node, "reload");
    assert_eq!(out, "");
    assert_eq!(failure.unwrap(), "not reloaded, the node goes on as before\nr1.toml:3:1: error: no");
    let (out, failure) = run(&node, "reload --json");
    assert_eq!((json(&out)["applied"].as_bool(), failure.as_deref()), (Some(false), Some("")));
}

#[test]
fn orders_are_confirmed() {
    let node = node("orders", 0);
    assert_eq!(run(&node, "clear bgp all --soft").0, "BgpClear { address: None, soft: true }\n");
    assert_eq!(run(&node, "bgp ::1 start").0, "BgpStart { address: ::1 }\n");
}

#[test]
fn watch_follows_until_the_node_ends() {
    let node = node("watch", 0);
    let (out, failure) = run(&node, "watch");
    assert_eq!(out.lines().count(), samples::events().len());
    assert_eq!(failure.as_deref(), Some("the node has stopped"));
    let (out, _) = run(&node, "watch --json");
    let last: trunkline_view::Event = serde_json::from_str(out.lines().last().unwrap()).unwrap();
    assert_eq!(last.kind, EventKind::Missed { count: 12 });
}

#[test]
fn nobody_there_is_explained() {
    let client = Client::new("/tmp/trunkline-no-such.sock");
    let node_gone = execute(Command::Reload, &client, false, Style { color: false }, &mut Vec::new());
    let Err(Failure::Message(message)) = node_gone else { panic!("{node_gone:?}") };
    assert!(
        message.starts_with("cannot reach a node at /tmp/trunkline-no-such.sock") && message.contains("run")
    );
}

#[test]
fn pings_are_told_one_by_one_and_summed_up() {
    let node = node("ping", 0);
    let (text, error) = run(&node, "ping 192.0.2.9 -c 2 -i 1ms");
    insta::assert_snapshot!(text);
    assert_eq!(error, None);
    let (text, error) = run(&node, "ping 192.0.2.1 -c 1");
    assert!(text.contains("timed out") && error.is_some(), "{text}");
    let (json, _) = run(&node, "ping 192.0.2.9 -c 3 -i 1ms --json");
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&json["sent"], &json["replies"][2]["sequence"]), (&3.into(), &3.into()));
}

#[test]
fn orders_that_are_one_query_say_what_came_of_it() {
    let node = node("simple", 0);
    assert!(run(&node, "show arp eth0").0.contains("reachable"));
    let asked = run(&node, "traceroute 192.0.2.1 --max-hops 4").0;
    assert!(asked.contains("max_hops: 4"), "{asked}");
    for (line, query) in [("show mac br7", "br7"), ("show tcp", "Tcp"), ("show ip", "IpStatistics")] {
        assert!(run(&node, line).0.contains(query), "{line}");
    }
}
