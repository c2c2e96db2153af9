//! A fake node behind the real API, and one view of every kind with every field filled.

#![allow(
    dead_code,
    missing_docs,
    unreachable_pub,
    clippy::unwrap_used,
    reason = "shared by test files, each uses its part"
)]

mod device;
mod rip;

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use trunkline_api::client::Client;
use trunkline_api::{Backend, Endpoint, Listeners, Server, Watcher};
use trunkline_core::Asn;
use trunkline_view::*;

/// A directory of its own for a test, removed at the end.
pub struct Dir(pub PathBuf);

impl Dir {
    pub fn new() -> Dir {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let n = COUNT.fetch_add(1, Ordering::Relaxed);
        Dir(std::env::temp_dir().join(format!("trunkline-api-test-{}-{n}", std::process::id())))
    }

    pub fn endpoint(&self) -> Endpoint {
        Endpoint { name: "r1".into(), socket: self.0.join("run/r1.sock"), listen: vec![] }
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

pub type Watchers = Arc<Mutex<Vec<Watcher>>>;

/// A node that answers with [`answer_to`].
pub struct Fake {
    pub client: Client,
    pub watchers: Watchers,
    pub queries: Arc<Mutex<Vec<Query>>>,
    pub tcp: Vec<std::net::SocketAddr>,
    // Before the directory, so that it goes first.
    pub server: Option<Server>,
    pub dir: Dir,
}

pub fn start() -> Fake {
    let dir = Dir::new();
    let endpoint = Endpoint { listen: vec!["127.0.0.1:0".parse().unwrap()], ..dir.endpoint() };
    let listeners = Listeners::bind(&endpoint).unwrap();
    let tcp = listeners.tcp_addresses();
    let (watchers, queries) = (Watchers::default(), Arc::<Mutex<Vec<Query>>>::default());
    let backend = Backend {
        query: Arc::new({
            let queries = Arc::clone(&queries);
            move |query, reply| {
                queries.lock().unwrap().push(query.clone());
                if let Some(answer) = answer_to(&query) {
                    // From another thread, as a node does.
                    std::thread::spawn(move || reply(answer));
                }
            }
        }),
        subscribe: Arc::new({
            let watchers = Arc::clone(&watchers);
            move |watcher| watchers.lock().unwrap().push(watcher)
        }),
    };
    let server = Some(Server::start(vec![(listeners, backend)]).unwrap());
    Fake { client: Client::new(&endpoint.socket), watchers, queries, tcp, server, dir }
}

impl Fake {
    /// Tells each subscriber; whether there ever was one.
    pub fn tell_if_any(&self, events: impl Iterator<Item = Event>) -> bool {
        let mut watchers = self.watchers.lock().unwrap();
        let any = !watchers.is_empty();
        for event in events {
            watchers.retain_mut(|w| w(&event));
        }
        any
    }

    /// Waits for a subscription, then tells each subscriber.
    pub fn tell(&self, events: impl Iterator<Item = Event>) {
        while self.watchers.lock().unwrap().is_empty() {
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        self.tell_if_any(events);
    }
}

pub fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// 192.0.2.9 is no neighbour, 192.0.2.8 makes the node drop the question, 192.0.2.7 finds it stopping.
pub fn answer_to(query: &Query) -> Option<Answer> {
    let about = match query {
        Query::BgpNeighbors { address } | Query::BgpClear { address, .. } => *address,
        Query::BgpShutdown { address, .. } | Query::BgpStart { address } => Some(*address),
        _ => None,
    };
    if about == Some(ip("192.0.2.9")) {
        return Some(Answer::error(ErrorKind::NotFound, "no neighbor 192.0.2.9"));
    } else if about == Some(ip("192.0.2.8")) {
        return None;
    } else if about == Some(ip("192.0.2.7")) {
        return Some(Answer::error(ErrorKind::Unavailable, "the node is stopping"));
    }
    Some(match query {
        Query::Node => Answer::Node(node()),
        Query::BgpSummary => Answer::BgpSummary(summary()),
        Query::BgpNeighbors { .. } => {
            Answer::BgpNeighbors(bgp::NeighborsView { neighbors: vec![neighbor()] })
        }
        Query::BgpRoutes(_) => Answer::BgpRoutes(bgp_routes()),
        Query::Routes { .. } => Answer::Routes(routes()),
        Query::Interfaces => Answer::Interfaces(interfaces()),
        Query::BgpClear { .. } | Query::BgpShutdown { .. } | Query::BgpStart { .. } => {
            Answer::Done(DoneView { message: "done".into() })
        }
        Query::ExplainBgp(_) => Answer::ExplainBgp(Box::new(why())),
        Query::ExplainRoute(_) => Answer::ExplainRoute(Box::new(explanation())),
        Query::Reload => Answer::Reload(ReloadView {
            applied: true,
            changes: vec!["neighbor 127.0.0.2: hold-time".into()],
            reset: vec!["127.0.0.2".into()],
            problems: Some("x".into()),
        }),
        Query::Arp { .. } => Answer::Arp(device::arp()),
        Query::Mac { .. } => Answer::Mac(device::mac()),
        Query::SpanningTree { .. } => Answer::SpanningTree(device::spanning_trees()),
        Query::SpanningTreeMcheck { .. } | Query::SpanningTreeRecover { .. } => {
            Answer::Done(DoneView { message: "done".into() })
        }
        Query::Rip => Answer::Rip(Box::new(rip::summary())),
        Query::RipNeighbors => Answer::RipNeighbors(rip::neighbors()),
        Query::RipRoutes(_) => Answer::RipRoutes(rip::routes()),
        Query::RipClear { .. } => Answer::Done(DoneView { message: "done".into() }),
        Query::Tcp => Answer::Tcp(device::tcp()),
        Query::IpStatistics => Answer::IpStatistics(device::ip_statistics()),
        Query::Ping(_) => Answer::Ping(device::ping()),
        Query::Traceroute(_) => Answer::Traceroute(device::traceroute()),
        Query::TcpTransfer(_) => Answer::Transfer(device::transfer()),
        Query::TcpConnect(_) | Query::TcpListen { .. } | Query::TcpSend { .. } => {
            Answer::Done(DoneView { message: "done".into() })
        }
        Query::TcpClose { .. } | Query::TcpAbort { .. } => Answer::Done(DoneView { message: "done".into() }),
    })
}

pub fn node() -> NodeView {
    NodeView {
        name: "r1".into(),
        version: "0.1.0".into(),
        router_id: "192.0.2.1".parse().unwrap(),
        uptime: 12.5,
        pid: 77,
        config_files: vec!["r1.toml".into()],
    }
}

pub fn neighbor_summary() -> bgp::NeighborSummary {
    bgp::NeighborSummary {
        address: ip("127.0.0.2"),
        asn: Some(Asn(65002)),
        description: Some("transit \"A\"".into()),
        state: "Established".into(),
        since: 3723.0,
        shutdown: false,
        dynamic: false,
        messages_received: 12,
        messages_sent: 13,
        prefixes_received: 3,
        prefixes_accepted: 2,
        prefixes_advertised: 1,
        last_error: Some("received NOTIFICATION 6/4 Administrative Reset".into()),
    }
}

pub fn summary() -> bgp::SummaryView {
    bgp::SummaryView {
        asn: Asn(65001),
        router_id: "192.0.2.1".parse().unwrap(),
        neighbors: vec![neighbor_summary()],
        tables: vec![bgp::TableView { family: "ipv4-unicast".into(), prefixes: 4, paths: 5, best: 4 }],
    }
}

pub fn neighbor() -> bgp::NeighborView {
    bgp::NeighborView {
        summary: neighbor_summary(),
        local_asn: Asn(65001),
        session_type: "external".into(),
        router_id: Some("192.0.2.2".parse().unwrap()),
        local: Some("127.0.0.1:1790".into()),
        remote: Some("127.0.0.2:40000".into()),
        opened_by: Some("peer".into()),
        hold_time_configured: 180,
        hold_time: Some(90),
        keepalive_time: Some(30.0),
        timers: vec![bgp::TimerView { name: "HoldTimer".into(), left: 71.5 }],
        capabilities_sent: vec!["route refresh".into()],
        capabilities_received: vec!["route refresh".into()],
        capabilities_agreed: vec!["route refresh".into()],
        capabilities_suppressed: vec!["extended message".into()],
        families: vec![bgp::NeighborFamily {
            family: "ipv4-unicast".into(),
            received: 3,
            accepted: 2,
            advertised: 1,
            end_of_rib_received: true,
            end_of_rib_sent: true,
            stale: 0,
            maximum_prefixes: Some(100),
        }],
        messages: vec![bgp::MessageCount { kind: "UPDATE".into(), received: 5, sent: 6 }],
        faults: vec![bgp::FaultCount {
            kind: "malformed AS_PATH".into(),
            treatment: "treat as withdraw".into(),
            count: 2,
        }],
        flaps: 4,
        established: 5,
        errors: vec![bgp::ErrorRecord { ago: 100.0, message: "hold timer expired".into() }],
        down_because: Some("x".into()),
        down_rule: Some("x".into()),
        idle_hold: Some(1.0),
        graceful_restart: Some(2.0),
    }
}

pub fn bgp_routes() -> bgp::RoutesView {
    let path = bgp::PathView {
        prefix: "203.0.113.0/24".parse().unwrap(),
        neighbor: Some(ip("127.0.0.2")),
        best: true,
        multipath: false,
        eligible: true,
        stale: false,
        reason: Some("x".into()),
        next_hop: Some(ip("127.0.0.2")),
        igp_metric: Some(0),
        origin: "IGP".into(),
        as_path: "65002".into(),
        med: Some(1),
        local_pref: Some(100),
        atomic_aggregate: true,
        aggregator: Some("65002 192.0.2.2".into()),
        communities: vec!["65002:1".into()],
        extended_communities: vec!["rt:65002:1".into()],
        large_communities: vec!["65002:1:2".into()],
        originator_id: Some("192.0.2.3".parse().unwrap()),
        cluster_list: vec!["192.0.2.4".parse().unwrap()],
        unknown_attributes: vec!["c0/99: 0102".into()],
        age: Some(60.0),
    };
    bgp::RoutesView { paths: vec![path], next: Some(1), total: 9 }
}

pub fn why() -> explain::NeighborExplanation {
    let verdict = explain::Verdict {
        rule: "refused".into(),
        severity: "error".into(),
        says: "127.0.0.2 refuses the connection.".into(),
        seen: vec!["x".into()],
        not_excluded: vec!["x".into()],
        try_next: vec!["x".into()],
        rests_on: "RFC 9293".into(),
    };
    let (neighbor, state) = (ip("127.0.0.2"), "Connect".into());
    explain::NeighborExplanation { neighbor, asn: Asn(65002), state, since: 1.5, verdicts: vec![verdict] }
}

pub fn explanation() -> explain::RouteExplanation {
    let path = bgp_routes().paths.into_iter().next();
    let address = ip("127.0.0.2");
    let step =
        explain::Step { step: "LOCAL_PREF".into(), better: "200".into(), other: "100".into(), decides: true };
    let change =
        explain::Change { attribute: "LOCAL_PREF".into(), received: "none".into(), used: "200".into() };
    let received = explain::Received {
        neighbor: Some(address),
        asn: Some(Asn(65002)),
        verdict: "best".into(),
        reason: Some("x".into()),
        import: Some("accepted by rule 1 of policy \"in\"".into()),
        changes: vec![change],
        path: path.clone(),
        steps: vec![step],
    };
    let sent = explain::Sent {
        neighbor: address,
        asn: Asn(65002),
        sent: true,
        waiting: false,
        age: Some(3.0),
        at_least: true,
        reason: "x".into(),
        path,
    };
    explain::RouteExplanation {
        prefix: "203.0.113.0/24".parse().unwrap(),
        routes: routes().routes,
        rip: rip::routes().routes.into_iter().next(),
        bgp: Some(explain::BgpExplanation { received: vec![received], sent: vec![sent] }),
    }
}

pub fn routes() -> RoutesView {
    let route = Route {
        prefix: "203.0.113.0/24".parse().unwrap(),
        source: RouteSource::Bgp,
        distance: 20,
        metric: 0,
        next_hops: vec![RouteNextHop { gateway: Some(ip("127.0.0.2")), interface: Some("lo".into()) }],
        selected: true,
        installed: false,
        not_installed_because: Some("fib.install is false".into()),
    };
    RoutesView { routes: vec![route], next: Some(1), total: 9 }
}

pub fn interfaces() -> InterfacesView {
    let interface = Interface {
        index: 1,
        name: "lo".into(),
        admin: AdminState::Up,
        up: true,
        mtu: 65536,
        mac: Some("00:00:5e:00:53:01".into()),
        addresses: vec![Address { address: ip("127.0.0.1"), length: 8 }],
    };
    InterfacesView { interfaces: vec![interface] }
}

pub fn events() -> Vec<Event> {
    let kinds = vec![
        EventKind::BgpState {
            neighbor: ip("127.0.0.2"),
            asn: Some(Asn(65002)),
            from: "OpenConfirm".into(),
            to: "Established".into(),
            reason: "received KEEPALIVE".into(),
        },
        EventKind::BgpNotice { neighbor: ip("127.0.0.2"), message: "x".into() },
        EventKind::BgpBest {
            prefix: "203.0.113.0/24".parse().unwrap(),
            neighbor: Some(ip("127.0.0.2")),
            as_path: "65002".into(),
            next_hop: Some(ip("127.0.0.2")),
        },
        EventKind::Rip { prefix: Some("203.0.113.0/24".parse().unwrap()), message: "x".into() },
        EventKind::Fib { prefix: Some("203.0.113.0/24".parse().unwrap()), message: "x".into() },
        EventKind::Interface { name: "lo".into(), message: "down".into() },
        EventKind::Reload { message: "x".into() },
        EventKind::Arp { interface: "eth0".into(), message: "x".into() },
        EventKind::Ip { message: "x".into() },
        EventKind::Tcp {
            local: "192.0.2.1:179".parse().unwrap(),
            remote: "192.0.2.2:40000".parse().unwrap(),
            from: "SYN-RECEIVED".into(),
            to: "ESTABLISHED".into(),
            message: "ACK of our SYN".into(),
        },
        EventKind::Bridge { bridge: "br0".into(), message: "x".into() },
        EventKind::SpanningTree { bridge: "br0".into(), message: "x".into() },
        EventKind::Ping {
            destination: "192.0.2.2".parse().unwrap(),
            reply: device::ping().replies.remove(0),
        },
        EventKind::Socket { name: "c1".into(), message: "x".into() },
        EventKind::Missed { count: 3 },
    ];
    (1..).zip(kinds).map(|(sequence, kind)| Event { sequence, time: 0.5, kind }).collect()
}

pub fn queries() -> Vec<Query> {
    let address = Some(ip("127.0.0.2"));
    let prefix = Some("203.0.113.0/24".parse().unwrap());
    let family = Some("ipv4-unicast".to_owned());
    vec![
        Query::Node,
        Query::BgpSummary,
        Query::BgpNeighbors { address },
        Query::BgpRoutes(bgp::RoutesQuery {
            family,
            prefix,
            received: address,
            advertised: address,
            cursor: 1,
            limit: 2,
        }),
        Query::Routes { prefix, cursor: 1, limit: 2 },
        Query::ExplainRoute(explain::RouteQuery {
            prefix: "203.0.113.0/24".parse().unwrap(),
            from: address,
            to: address,
        }),
        Query::ExplainBgp(explain::NeighborQuery { neighbor: ip("127.0.0.2"), probe: true }),
        Query::Interfaces,
        Query::BgpClear { address, soft: true },
        Query::BgpShutdown { address: ip("127.0.0.2"), message: Some("x".into()) },
        Query::BgpStart { address: ip("127.0.0.2") },
        Query::Reload,
    ]
    .into_iter()
    .chain(device::queries())
    .chain(rip::queries())
    .collect()
}
