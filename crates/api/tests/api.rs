//! The API over real sockets, with a fake node behind it.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use common::*;
use serde_json::Value;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::time::Duration;
use trunkline_api::{BindError, Listeners};
use trunkline_view::*;

fn get(fake: &Fake, target: &str) -> (u16, Value) {
    let response = fake.client.request("GET", target, None).unwrap();
    (response.status, response.json().unwrap())
}

fn post(fake: &Fake, target: &str, body: Option<&str>) -> (u16, Value) {
    let response = fake.client.request("POST", target, body).unwrap();
    (response.status, response.json().unwrap())
}

fn last_query(fake: &Fake) -> Query {
    fake.queries.lock().unwrap().last().unwrap().clone()
}

/// A request over TCP, written out; the response's status.
fn raw(fake: &Fake, request: &str) -> u16 {
    let mut stream = TcpStream::connect(fake.tcp[0]).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).unwrap();
    response[9..12].parse().unwrap()
}

#[test]
fn the_client_asks_and_gets_every_answer() {
    let fake = start();
    for query in queries() {
        assert_eq!(fake.client.query(&query).unwrap(), answer_to(&query).unwrap());
        assert_eq!(last_query(&fake), query);
    }
    let unknown = Query::BgpNeighbors { address: Some(ip("192.0.2.9")) };
    assert_eq!(fake.client.query(&unknown).unwrap(), answer_to(&unknown).unwrap());
}

#[test]
fn urls_become_queries() {
    let fake = start();
    let target = "/v1/bgp/routes?family=ipv6-unicast&prefix=2001:db8::1&received=127.0.0.2&cursor=5&limit=7";
    assert_eq!(get(&fake, target).0, 200);
    let expected = bgp::RoutesQuery {
        family: Some("ipv6-unicast".into()),
        prefix: Some("2001:db8::1/128".parse().unwrap()),
        received: Some(ip("127.0.0.2")),
        advertised: None,
        cursor: 5,
        limit: 7,
    };
    assert_eq!(last_query(&fake), Query::BgpRoutes(expected));
    get(&fake, "/v1/routes?prefix=10.0.0.0/8");
    let prefix = Some("10.0.0.0/8".parse().unwrap());
    assert_eq!(last_query(&fake), Query::Routes { prefix, cursor: 0, limit: 1000 });
    post(&fake, "/v1/bgp/clear", Some(r#"{"address": "::1", "soft": true}"#));
    assert_eq!(last_query(&fake), Query::BgpClear { address: Some(ip("::1")), soft: true });
    post(&fake, "/v1/bgp/neighbors/127.0.0.2/shutdown", Some(r#"{"message": "bye"}"#));
    let address = ip("127.0.0.2");
    assert_eq!(last_query(&fake), Query::BgpShutdown { address, message: Some("bye".into()) });
    get(&fake, "/v1/explain/route?prefix=10.1.2.3&to=127.0.0.2");
    let (prefix, to) = ("10.1.2.3/32".parse().unwrap(), Some(address));
    assert_eq!(last_query(&fake), Query::ExplainRoute(explain::RouteQuery { prefix, from: None, to }));
    get(&fake, "/v1/explain/bgp?neighbor=127.0.0.2");
    let question = |probe| Query::ExplainBgp(explain::NeighborQuery { neighbor: address, probe });
    assert_eq!(last_query(&fake), question(false));
    get(&fake, "/v1/explain/bgp?neighbor=127.0.0.2&probe=true");
    assert_eq!(last_query(&fake), question(true));
    assert_eq!(get(&fake, "/v1/explain/bgp").0, 400);
    get(&fake, "/v1/rip/routes?prefix=10.1.2.3&cursor=5&limit=7");
    let prefix = Some("10.1.2.3/32".parse().unwrap());
    assert_eq!(last_query(&fake), Query::RipRoutes(rip::RoutesQuery { prefix, cursor: 5, limit: 7 }));
    post(&fake, "/v1/rip/clear", Some(r#"{"prefix": "10.1.0.0/16"}"#));
    assert_eq!(last_query(&fake), Query::RipClear { prefix: Some("10.1.0.0/16".parse().unwrap()) });
    post(&fake, "/v1/rip/clear", Some(r#"{"prefix": null}"#));
    assert_eq!(last_query(&fake), Query::RipClear { prefix: None });
    post(&fake, "/v1/spanning-tree/br0/eth1/recover", None);
    assert_eq!(last_query(&fake), Query::SpanningTreeRecover { bridge: "br0".into(), port: "eth1".into() });
    assert_eq!(post(&fake, "/v1/bgp/neighbors/127.0.0.2/shutdown", None).0, 200);
    assert_eq!(last_query(&fake), Query::BgpShutdown { address, message: None });
}

#[test]
fn errors_have_their_status_and_say_why() {
    let fake = start();
    let cases = [
        ("/v1/nothing", 404, "no such path"),
        ("/v1/bgp/neighbors/r2", 400, "no IP address"),
        ("/v1/bgp/neighbors/192.0.2.9", 404, "no neighbor"),
        ("/v1/bgp/neighbors/192.0.2.8", 503, "has stopped"),
        ("/v1/bgp/neighbors/192.0.2.7", 503, "is stopping"),
        ("/v1/bgp/routes?prefix=10.0.0.1/8", 400, "10.0.0.0/8"),
        ("/v1/bgp/routes?limit=0", 400, "1 to 1000;"),
        ("/v1/bgp/routes?limit=ten", 400, "limit"),
        ("/v1/routes?recieved=x", 400, "unknown field"),
        ("/v1/rip/routes?limit=1001", 400, "1 to 1000;"),
        ("/v1/rip/routes?prefix=10.0.0.1/8", 400, "10.0.0.0/8"),
    ];
    for (target, status, words) in cases {
        let (got, body) = get(&fake, target);
        assert_eq!(got, status, "{target}");
        assert!(body["message"].as_str().unwrap().contains(words), "{target}: {body}");
    }
    let posts = [
        ("/v1/bgp/clear", None, 400),
        ("/v1/bgp/clear", Some(r#"{"soft": 3}"#), 400),
        ("/v1/rip/clear", None, 400),
        ("/v1/rip/clear", Some(r#"{"prefix": "10.0.0.1"}"#), 400),
        ("/v1/rip/clear", Some(r#"{"route": null}"#), 400),
        ("/v1/bgp/neighbors/192.0.2.9/start", None, 404),
        ("/v1/node", None, 405),
    ];
    for (target, body, status) in posts {
        assert_eq!(post(&fake, target, body).0, status, "{target}");
    }
    // The command line expects an answer at any status.
    let (status, body) = post(&fake, "/v1/query", Some(r#"{"query": "weather"}"#));
    assert_eq!((status, &body["answer"], &body["kind"]), (400, &"error".into(), &"invalid".into()));
    let large = format!(r#"{{"query": "{}"}}"#, "x".repeat(70_000));
    assert_eq!(post(&fake, "/v1/query", Some(&large)).0, 413);
}

#[test]
fn a_node_without_bgp_and_rip_is_a_conflict_but_has_metrics() {
    let dir = Dir::new();
    let backend = trunkline_api::Backend {
        query: std::sync::Arc::new(|query, reply| {
            reply(match query {
                Query::Node => Answer::Node(node()),
                _ => Answer::error(ErrorKind::NotRunning, "this node does not run that"),
            });
        }),
        subscribe: std::sync::Arc::new(|_| {}),
    };
    let _server =
        trunkline_api::Server::start(vec![(Listeners::bind(&dir.endpoint()).unwrap(), backend)]).unwrap();
    let client = trunkline_api::client::Client::new(dir.endpoint().socket);
    assert_eq!(client.request("GET", "/v1/bgp/summary", None).unwrap().status, 409);
    let text = client.request("GET", "/metrics", None).unwrap().text().unwrap();
    assert!(text.contains("trunkline_node_info") && !text.contains("bgp"), "{text}");
    assert_eq!(client.request("GET", "/v1/rip", None).unwrap().status, 409);
    assert!(!text.contains("rip"), "{text}");
}

#[test]
fn metrics_have_stable_names() {
    let fake = start();
    let text = fake.client.request("GET", "/metrics", None).unwrap().text().unwrap();
    let expected = [
        r#"trunkline_node_info{name="r1",version="0.1.0",router_id="192.0.2.1"} 1"#,
        "trunkline_node_uptime_seconds 12.5",
        r#"trunkline_bgp_table_prefixes{family="ipv4-unicast"} 4"#,
        r#"trunkline_bgp_table_paths{family="ipv4-unicast"} 5"#,
        r#"trunkline_bgp_table_best{family="ipv4-unicast"} 4"#,
        r#"trunkline_bgp_neighbor_info{neighbor="127.0.0.2",asn="65002",type="external",description="transit \"A\""} 1"#,
        r#"trunkline_bgp_neighbor_up{neighbor="127.0.0.2"} 1"#,
        r#"trunkline_bgp_neighbor_state{neighbor="127.0.0.2",state="Established"} 1"#,
        r#"trunkline_bgp_neighbor_state{neighbor="127.0.0.2",state="Idle"} 0"#,
        r#"trunkline_bgp_neighbor_uptime_seconds{neighbor="127.0.0.2"} 3723.0"#,
        r#"trunkline_bgp_neighbor_messages_received_total{neighbor="127.0.0.2",type="UPDATE"} 5"#,
        r#"trunkline_bgp_neighbor_messages_sent_total{neighbor="127.0.0.2",type="UPDATE"} 6"#,
        r#"trunkline_bgp_neighbor_prefixes_received{neighbor="127.0.0.2",family="ipv4-unicast"} 3"#,
        r#"trunkline_bgp_neighbor_prefixes_accepted{neighbor="127.0.0.2",family="ipv4-unicast"} 2"#,
        r#"trunkline_bgp_neighbor_prefixes_advertised{neighbor="127.0.0.2",family="ipv4-unicast"} 1"#,
        r#"trunkline_bgp_neighbor_prefixes_stale{neighbor="127.0.0.2",family="ipv4-unicast"} 0"#,
        r#"trunkline_bgp_neighbor_flaps_total{neighbor="127.0.0.2"} 4"#,
        r#"trunkline_bgp_neighbor_established_total{neighbor="127.0.0.2"} 5"#,
        r#"trunkline_bgp_neighbor_faults_total{neighbor="127.0.0.2",kind="malformed AS_PATH",treatment="treat as withdraw"} 2"#,
        r#"trunkline_spanning_tree_root{bridge="br0"} 0"#,
        r#"trunkline_spanning_tree_root_path_cost{bridge="br0"} 20000"#,
        r#"trunkline_spanning_tree_topology_changes_total{bridge="br0"} 7"#,
        r#"trunkline_spanning_tree_port_role{bridge="br0",port="eth1",role="root"} 1"#,
        r#"trunkline_spanning_tree_port_role{bridge="br0",port="eth1",role="backup"} 0"#,
        r#"trunkline_spanning_tree_port_state{bridge="br0",port="eth1",state="discarding"} 1"#,
        r#"trunkline_spanning_tree_port_inconsistent{bridge="br0",port="eth1"} 1"#,
        r#"trunkline_spanning_tree_port_forward_transitions_total{bridge="br0",port="eth1"} 3"#,
        r#"trunkline_spanning_tree_port_bpdus_total{bridge="br0",port="eth1",kind="rx_rst"} 5"#,
        r#"trunkline_rip_routes{state="valid"} 6"#,
        r#"trunkline_rip_routes{state="possibly down"} 2"#,
        r#"trunkline_rip_routes{state="deleted"} 3"#,
        "trunkline_rip_neighbors 1",
        "trunkline_rip_changes_pending 1",
        r#"trunkline_rip_interface_running{interface="eth0"} 1"#,
        r#"trunkline_rip_datagrams_received_total{interface="eth0"} 9"#,
        r#"trunkline_rip_responses_received_total{interface="eth0"} 5"#,
        r#"trunkline_rip_triggered_updates_sent_total{interface="eth0"} 2"#,
        r#"trunkline_rip_updates_sent_total{interface="eth0"} 0"#,
        r#"trunkline_rip_datagrams_refused_total{interface="eth0",reason="auth_missing"} 4"#,
        r#"trunkline_rip_entries_refused_total{interface="eth0",reason="bad_metric"} 3"#,
        r#"trunkline_rip_requests_refused_total{interface="eth0",reason="requests_limited"} 2"#,
        r#"trunkline_rip_key_problems_total{interface="eth0",reason="no_key"} 1"#,
        r#"trunkline_rip_neighbor_up{interface="eth0",neighbor="192.0.2.2"} 1"#,
        r#"trunkline_rip_neighbor_routes{interface="eth0",neighbor="192.0.2.2"} 4"#,
        r#"trunkline_rip_neighbor_packets_total{interface="eth0",neighbor="192.0.2.2"} 5"#,
        r#"trunkline_rip_neighbor_bad_packets_total{interface="eth0",neighbor="192.0.2.2"} 6"#,
        r#"trunkline_rip_neighbor_bad_entries_total{interface="eth0",neighbor="192.0.2.2"} 7"#,
        "# EOF",
    ];
    for line in expected {
        assert!(text.lines().any(|l| l == line), "{line}\nis not in\n{text}");
    }
}

#[test]
fn events_stream_until_the_node_ends() {
    let fake = start();
    let reader = std::thread::spawn({
        let client = fake.client.clone();
        move || client.events().unwrap().map(Result::unwrap).collect::<Vec<_>>()
    });
    fake.tell(events().into_iter());
    fake.watchers.lock().unwrap().clear();
    assert_eq!(reader.join().unwrap(), events());
}

#[test]
fn a_slow_reader_of_events_is_told_what_it_missed() {
    let fake = start();
    let mut stream = fake.client.events().unwrap();
    let message = "x".repeat(1000);
    const COUNT: u64 = 20_000;
    // More than the queue and the socket's buffers hold, while nobody reads.
    fake.tell((1..=COUNT).map(|sequence| {
        let kind = EventKind::Reload { message: message.clone() };
        Event { sequence, time: 0.0, kind }
    }));
    fake.watchers.lock().unwrap().clear();
    let (mut seen, mut missed) = (0, 0);
    for event in stream.by_ref().map(Result::unwrap) {
        match event.kind {
            EventKind::Missed { count } => missed += count,
            _ => seen += 1,
        }
        assert_eq!(
            event.sequence,
            seen + missed,
            "every event is either seen or counted as missed, in order"
        );
    }
    assert_eq!(seen + missed, COUNT);
    assert!(missed > 0 && seen > 1000, "{seen} {missed}");
}

#[test]
fn a_reader_that_left_is_unsubscribed() {
    let fake = start();
    drop(fake.client.events().unwrap());
    let gone = (0..500).any(|_| {
        std::thread::sleep(Duration::from_millis(10));
        fake.tell_if_any(events().into_iter().take(1)) && fake.watchers.lock().unwrap().is_empty()
    });
    assert!(gone);
}

#[test]
fn web_pages_are_kept_out_of_tcp() {
    let fake = start();
    let body = "Content-Type: application/json\r\nContent-Length: 17\r\nConnection: close\r\n\r\n{\"query\": \"node\"}";
    let host = format!("Host: {}\r\n", fake.tcp[0]);
    let post = |head: &str| raw(&fake, &format!("POST /v1/query HTTP/1.1\r\n{head}{body}"));
    assert_eq!(post(&host), 200);
    assert_eq!(post(&format!("{host}Origin: https://evil.example\r\n")), 403);
    assert_eq!(post("Host: evil.example\r\n"), 403);
    let get = |host: &str| {
        raw(&fake, &format!("GET /v1/node HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"))
    };
    assert_eq!(get("localhost:8179"), 200);
    assert_eq!(get("evil.example:8179"), 403);
    // A form of a page cannot say this is JSON.
    let form =
        "Content-Type: text/plain\r\nContent-Length: 17\r\nConnection: close\r\n\r\n{\"query\": \"node\"}";
    assert_eq!(raw(&fake, &format!("POST /v1/query HTTP/1.1\r\n{host}{form}")), 415);
}

#[test]
fn the_socket_is_for_owner_and_group_and_goes_at_the_end() {
    let mut fake = start();
    let path = fake.dir.endpoint().socket;
    let mode = |p: &std::path::Path| std::fs::metadata(p).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&path), 0o660);
    assert_eq!(mode(path.parent().unwrap()), 0o700);
    fake.server = None;
    assert!(!path.exists());
}

#[test]
fn a_second_node_on_the_socket_is_refused_and_a_stale_socket_replaced() {
    let fake = start();
    let endpoint = fake.dir.endpoint();
    let error = Listeners::bind(&endpoint).unwrap_err();
    let pid = std::process::id();
    let words = format!("a node named r1 already runs (pid {pid}) and serves ");
    assert!(error.to_string().starts_with(&words), "{error}");
    assert!(matches!(fake.client.query(&Query::Node), Ok(Answer::Node(_))), "the first goes on");

    let dir = Dir::new();
    std::fs::create_dir_all(dir.0.join("run")).unwrap();
    // What kill -9 leaves behind.
    drop(UnixListener::bind(dir.endpoint().socket).unwrap());
    assert!(UnixStream::connect(dir.endpoint().socket).is_err());
    let listeners = Listeners::bind(&dir.endpoint()).unwrap();
    assert!(UnixStream::connect(dir.endpoint().socket).is_ok());
    drop(listeners);
    std::fs::write(dir.endpoint().socket, "").unwrap();
    assert!(matches!(Listeners::bind(&dir.endpoint()), Err(BindError::NotASocket(_))));
}

#[test]
fn a_taken_tcp_address_leaves_no_socket_behind() {
    let fake = start();
    let dir = Dir::new();
    let endpoint = trunkline_api::Endpoint { listen: vec![fake.tcp[0]], ..dir.endpoint() };
    let error = Listeners::bind(&endpoint).unwrap_err();
    assert!(error.to_string().contains("api.listen"), "{error}");
    assert!(!endpoint.socket.exists());
}
