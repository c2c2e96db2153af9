//! Whole nodes over real sockets.

use super::{eventually, in_namespace, ip};
use crate::{NodeHandle, Options, StartError, spawn};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;
use trunkline_bgp::config::{Config, NeighborConfig};
use trunkline_bgp::policy::Policy;
use trunkline_core::Asn;
use trunkline_node::config::{ApiConfig, FibConfig, InterfaceConfig, NodeConfig, PortKind, StaticRoute};
use trunkline_view::{Answer, ErrorKind, Event, EventKind, Query, ReloadView};

const PORT: u16 = 1790;

pub(super) fn neighbor(address: &str, asn: u32, local_asn: u32) -> NeighborConfig {
    let mut neighbor = NeighborConfig::new(address.parse().unwrap(), Asn(asn), Asn(local_asn));
    neighbor.port = PORT;
    neighbor.connect_retry = 1;
    (neighbor.import, neighbor.export) = (Policy::Accept, Policy::Accept);
    neighbor
}

pub(super) fn node(address: &str, asn: u32, neighbors: Vec<NeighborConfig>) -> NodeConfig {
    let router_id: Ipv4Addr = address.parse().unwrap();
    let bgp = Config {
        neighbors: neighbors.into_iter().map(Arc::new).collect(),
        ..Config::new(Asn(asn), router_id, format!("r{asn}"))
    };
    NodeConfig {
        router_id: Some(router_id),
        api: ApiConfig { socket: "/nonexistent".into(), listen: Vec::new() },
        fib: FibConfig { install: false, table: 254, metric: 32 },
        bgp: Some(bgp),
        bgp_listen: vec![SocketAddr::new(router_id.into(), PORT)],
        ..NodeConfig::new(&format!("r{asn}"))
    }
}

/// Announces a network that the node has as a blackhole.
fn announce(config: &mut NodeConfig, prefix: &str) {
    let prefix = prefix.parse().unwrap();
    config.static_routes.push(StaticRoute { prefix, via: Vec::new(), interface: None, distance: 1 });
    if let Some(bgp) = &mut config.bgp {
        bgp.networks.push(prefix);
    }
}

pub(super) fn start(config: NodeConfig) -> NodeHandle {
    spawn(config, Options { version: "test".into(), config_files: vec!["r.toml".into()], seed: Some(1) })
        .unwrap()
}

pub(super) fn ask(node: &NodeHandle, query: Query) -> Answer {
    let (tx, rx) = mpsc::channel();
    node.query(query, Box::new(move |answer| tx.send(answer).unwrap()));
    rx.recv_timeout(Duration::from_secs(10)).unwrap()
}

pub(super) fn reconfigure(node: &NodeHandle, config: NodeConfig) -> ReloadView {
    let (tx, rx) = mpsc::channel();
    node.reconfigure(config, Box::new(move |view| tx.send(view).unwrap()));
    rx.recv_timeout(Duration::from_secs(10)).unwrap()
}

/// States and received prefixes of the neighbours.
fn sessions(node: &NodeHandle) -> Vec<(String, u64)> {
    match ask(node, Query::BgpSummary) {
        Answer::BgpSummary(view) => {
            view.neighbors.into_iter().map(|n| (n.state, n.prefixes_received)).collect()
        }
        other => panic!("{other:?}"),
    }
}

fn wait_for_session(node: &NodeHandle, state: &str, prefixes: u64) {
    let wanted = [(state.to_owned(), prefixes)];
    let mut last = Vec::new();
    let reached = (0..1000).any(|_| {
        std::thread::sleep(Duration::from_millis(10));
        last = sessions(node);
        last == wanted
    });
    assert!(
        reached,
        "{last:?} instead of {wanted:?}: {:#?}",
        ask(node, Query::BgpNeighbors { address: None })
    );
}

fn two_nodes() -> (NodeConfig, NodeConfig) {
    let a = node("127.0.0.1", 65001, vec![neighbor("127.0.0.2", 65002, 65001)]);
    let b = node("127.0.0.2", 65002, vec![neighbor("127.0.0.1", 65001, 65002)]);
    let local = |mut config: NodeConfig, address: &str| {
        let bgp = config.bgp.as_mut().unwrap();
        let neighbor = Arc::make_mut(&mut bgp.neighbors[0]);
        neighbor.local_address = Some(address.parse().unwrap());
        config
    };
    (local(a, "127.0.0.1"), local(b, "127.0.0.2"))
}

#[test]
fn two_nodes_of_one_process_peer_and_part() {
    in_namespace(|| {
        let (mut a, b) = two_nodes();
        announce(&mut a, "203.0.113.0/24");
        let (a, b) = (start(a), start(b));
        let events = Arc::new(Mutex::new(Vec::<Event>::new()));
        let seen = Arc::clone(&events);
        b.subscribe(Box::new(move |event| {
            seen.lock().unwrap().push(event.clone());
            true
        }));
        wait_for_session(&b, "Established", 1);
        wait_for_session(&a, "Established", 0);
        match ask(&a, Query::Node) {
            Answer::Node(view) => {
                assert_eq!((view.pid, view.config_files), (std::process::id(), vec!["r.toml".to_owned()]));
                assert_eq!((view.name.as_str(), view.version.as_str()), ("r65001", "test"));
            }
            other => panic!("{other:?}"),
        }
        // SIGTERM: Cease reaches the peer.
        a.shutdown();
        a.join();
        assert!(a.is_finished());
        a.join();
        eventually("b has lost a", || sessions(&b)[0].0 != "Established");
        let Answer::BgpNeighbors(view) = ask(&b, Query::BgpNeighbors { address: None }) else { panic!() };
        let errors: Vec<_> = view.neighbors[0].errors.iter().map(|e| e.message.clone()).collect();
        assert!(errors.iter().any(|e| e.contains("6/2")), "{errors:?}");
        assert!(matches!(ask(&a, Query::Node), Answer::Error(e) if e.kind == ErrorKind::Unavailable));
        b.shutdown();
        b.join();
        let events = events.lock().unwrap();
        assert!(events.windows(2).all(|two| two[1].sequence == two[0].sequence + 1));
        assert!(
            events
                .iter()
                .any(|e| matches!(&e.kind, EventKind::BgpState { from, .. } if from == "Established"))
        );
    });
}

#[test]
fn a_reload_moves_listeners_or_changes_nothing() {
    in_namespace(|| {
        let (a, b) = two_nodes();
        let (node_a, node_b) = (start(a.clone()), start(b));
        wait_for_session(&node_a, "Established", 0);
        let taken = TcpListener::bind("127.0.0.9:1790").unwrap();
        let mut wanted = a.clone();
        wanted.bgp_listen = vec!["127.0.0.8:1790".parse().unwrap(), "127.0.0.9:1790".parse().unwrap()];
        let view = reconfigure(&node_a, wanted.clone());
        assert!(!view.applied);
        let problem = view.problems.unwrap();
        assert!(problem.starts_with("cannot listen on 127.0.0.9:1790: the address is in use"), "{problem}");
        drop(taken);
        let view = reconfigure(&node_a, wanted);
        assert!(view.applied && view.reset.is_empty(), "{view:?}");
        wait_for_session(&node_a, "Established", 0);
        assert!(std::net::TcpStream::connect("127.0.0.8:1790").is_ok());
        assert!(std::net::TcpStream::connect("127.0.0.1:1790").is_err());
        for node in [node_a, node_b] {
            node.shutdown();
            node.join();
        }
    });
}

#[test]
fn a_taken_port_is_said_at_the_start() {
    in_namespace(|| {
        let _taken = TcpListener::bind("127.0.0.1:1790").unwrap();
        let (a, _) = two_nodes();
        let error = spawn(a, Options::default()).unwrap_err();
        assert!(matches!(&error, StartError::Listen { .. }));
        assert!(
            error.to_string().starts_with("cannot listen on 127.0.0.1:1790: the address is in use"),
            "{error}"
        );
    });
}

#[test]
fn without_the_right_to_change_routes_a_node_runs_but_installs_nothing() {
    in_namespace(|| {
        use rustix::thread::{CapabilitySet, capabilities, set_capabilities};
        let mut rights = capabilities(None).unwrap();
        rights.effective.remove(CapabilitySet::NET_ADMIN);
        set_capabilities(None, rights).unwrap();
        let (a, mut b) = two_nodes();
        b.fib.install = true;
        let error = spawn(b, Options::default()).unwrap_err();
        assert!(matches!(error, StartError::FibPermission), "{error}");
        let a = start(a);
        let Answer::Interfaces(view) = ask(&a, Query::Interfaces) else { panic!() };
        assert_eq!(view.interfaces[0].name, "lo");
        a.shutdown();
        a.join();
    });
}

/// Two namespaces joined by a cable; returns what runs closures in the far one.
pub(super) fn far_namespace() -> mpsc::Sender<Box<dyn FnOnce() + Send>> {
    ip("link add tl-lx-near type veth peer name tl-lx-far");
    let (jobs, inbox) = mpsc::channel::<Box<dyn FnOnce() + Send>>();
    let (tell, told) = mpsc::channel();
    std::thread::spawn(move || {
        crate::sockopt::unshare_network().unwrap();
        tell.send(rustix::thread::gettid().as_raw_nonzero()).unwrap();
        inbox.into_iter().for_each(|job| job());
    });
    ip(&format!("link set tl-lx-far netns {}", told.recv().unwrap()));
    ip("link set tl-lx-near up");
    ip("addr add 10.0.0.1/24 dev tl-lx-near");
    ip("addr add 2001:db8::1/64 dev tl-lx-near nodad");
    jobs.send(Box::new(|| {
        ip("link set lo up");
        ip("link set tl-lx-far up");
        ip("addr add 10.0.0.2/24 dev tl-lx-far");
        ip("addr add 2001:db8::2/64 dev tl-lx-far nodad");
    }))
    .unwrap();
    jobs
}

pub(super) fn within<T: Send + 'static>(
    there: &mpsc::Sender<Box<dyn FnOnce() + Send>>,
    job: impl FnOnce() -> T + Send + 'static,
) -> T {
    let (tx, rx) = mpsc::channel();
    there.send(Box::new(move || tx.send(job()).unwrap())).unwrap();
    rx.recv_timeout(Duration::from_secs(20)).unwrap()
}

#[test]
fn routes_of_a_peer_come_into_the_kernel_and_go() {
    in_namespace(|| {
        let there = far_namespace();
        let mut a = node("10.0.0.1", 65001, vec![neighbor("10.0.0.2", 65002, 65001)]);
        announce(&mut a, "203.0.113.0/24");
        announce(&mut a, "198.51.100.0/24");
        let mut b = node("10.0.0.2", 65002, vec![neighbor("10.0.0.1", 65001, 65002)]);
        b.fib.install = true;
        let b_config = b.clone();
        let far = within(&there, move || {
            ip("route add 192.0.2.0/24 via 10.0.0.1 proto 217");
            start(b)
        });
        let near = start(a.clone());
        let routes = |table: &'static str| {
            // A table that never had a route does not exist, on which `ip` fails.
            let text = within(&there, move || ip("route show table all proto 217"));
            let of_table = |line: &&str| match line.split_once(" table ") {
                Some((_, rest)) => rest.split_whitespace().next() == Some(table),
                None => table == "main",
            };
            let text = text.lines().filter(of_table).collect::<Vec<_>>().join("\n");
            let text = text.replace(&format!(" table {table}"), "");
            text.lines().map(str::trim).map(str::to_owned).collect::<Vec<_>>()
        };
        let both = [
            "198.51.100.0/24 via 10.0.0.1 dev tl-lx-far metric 32",
            "203.0.113.0/24 via 10.0.0.1 dev tl-lx-far metric 32",
        ];
        eventually("both routes, not the stale one", || routes("main") == both);

        // Withdrawn.
        let mut fewer = a.clone();
        fewer.bgp.as_mut().unwrap().networks.retain(|p| p.addr() != IpAddr::from([198, 51, 100, 0]));
        assert!(reconfigure(&near, fewer).applied);
        eventually("one route", || routes("main") == both[1..]);

        // Another program removes it: put back. Another table: moved.
        within(&there, || ip("route del 203.0.113.0/24"));
        eventually("put back", || routes("main") == both[1..]);
        let mut moved = b_config.clone();
        moved.fib.table = 1000;
        moved.fib.metric = 5;
        let view = reconfigure(&far, moved);
        assert!(view.applied && view.reset.is_empty(), "{view:?}");
        eventually("moved", || {
            routes("main").is_empty()
                && routes("1000") == ["203.0.113.0/24 via 10.0.0.1 dev tl-lx-far metric 5"]
        });

        // The cable is pulled and put back.
        ip("link set tl-lx-near down");
        eventually("no route over a dead cable", || routes("1000").is_empty());
        ip("link set tl-lx-near up");
        eventually("back", || routes("1000").len() == 1);

        // Stopped: nothing stays.
        far.shutdown();
        far.join();
        assert_eq!(routes("1000"), Vec::<String>::new());
        near.shutdown();
        near.join();
    });
}

#[test]
fn the_last_words_of_a_node_that_stops_go_by_its_own_tcp_until_they_arrive() {
    in_namespace(|| {
        let there = far_namespace();
        ip("addr flush dev tl-lx-near");
        let far = node("10.0.0.2", 65002, vec![neighbor("10.0.0.1", 65001, 65002)]);
        let mut near = node("10.0.0.1", 65001, vec![neighbor("10.0.0.2", 65002, 65001)]);
        let port = InterfaceConfig::new("tl-lx-near", PortKind::Packet);
        near.interfaces = vec![InterfaceConfig { address: vec![([10, 0, 0, 1].into(), 24)], ..port }];
        near.bgp_listen = vec![SocketAddr::from(([0, 0, 0, 0], PORT))];
        let (near, far) = (start(near), within(&there, move || start(far)));
        wait_for_session(&near, "Established", 0);
        wait_for_session(&far, "Established", 0);
        // The far kernel takes nothing from where it has no way back to (and answers nothing).
        within(&there, || ip("route add blackhole 10.0.0.1/32"));
        near.shutdown();
        std::thread::sleep(Duration::from_millis(50));
        assert!(!near.is_finished(), "it waits for its peer");
        within(&there, || ip("route del blackhole 10.0.0.1/32"));
        near.join();
        eventually("far has lost near", || sessions(&far)[0].0 != "Established");
        let Answer::BgpNeighbors(view) = ask(&far, Query::BgpNeighbors { address: None }) else { panic!() };
        let errors: Vec<_> = view.neighbors[0].errors.iter().map(|e| e.message.clone()).collect();
        assert!(errors.iter().any(|e| e.contains("6/2")), "{errors:?}");
        far.shutdown();
        far.join();
    });
}
