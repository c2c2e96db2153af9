//! Whole nodes against peers that misbehave, and against other programs in the kernel's table.

use super::runtime::{ask, neighbor, node, reconfigure, start};
use super::{eventually, in_namespace, ip, two_interfaces};
use crate::{NodeHandle, Options, StartError, spawn};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;
use trunkline_bgp::transport::{AoAlgorithm, AoKey, AoKeys, Md5Key};
use trunkline_node::config::{NodeConfig, StaticRoute};
use trunkline_view::{Answer, Query};

/// OPEN of AS 65002 with identifier 10.0.1.2, hold time 180, no capabilities; then a KEEPALIVE.
const HELLO: [u8; 48] = {
    let mut octets = [0xff; 48];
    let open = [0, 29, 1, 4, 0xfd, 0xea, 0, 180, 10, 0, 1, 2, 0];
    let keepalive = [0, 19, 4];
    let mut i = 0;
    while i < open.len() {
        octets[16 + i] = open[i];
        i += 1;
    }
    i = 0;
    while i < keepalive.len() {
        octets[29 + 16 + i] = keepalive[i];
        i += 1;
    }
    octets
};

/// The types of the messages in `octets`.
fn message_types(mut octets: &[u8]) -> Vec<u8> {
    let mut types = Vec::new();
    while let Some(header) = octets.get(..19) {
        types.push(header[18]);
        octets = &octets[usize::from(u16::from_be_bytes([header[16], header[17]]))..];
    }
    assert!(octets.is_empty(), "whole messages only");
    types
}

#[test]
fn a_notification_reaches_a_peer_whose_window_was_full() {
    in_namespace(|| {
        // Sockets so small that the table does not fit.
        for name in ["tcp_wmem", "tcp_rmem"] {
            std::fs::write(format!("/proc/sys/net/ipv4/{name}"), "4096 4096 4096").unwrap();
        }
        let mut config = node("127.0.0.1", 65001, vec![neighbor("127.0.0.2", 65002, 65001)]);
        for n in 0..30_000u32 {
            let prefix = format!("{}.{}.{}.0/24", 20 + (n >> 16), (n >> 8) & 255, n & 255).parse().unwrap();
            config.static_routes.push(StaticRoute { prefix, via: Vec::new(), interface: None, distance: 1 });
            config.bgp.as_mut().unwrap().networks.push(prefix);
        }
        let node = start(config);
        let mut peer = connect_from("127.0.0.2", "127.0.0.1:1790");
        peer.write_all(&HELLO).unwrap();
        eventually("the session is up", || match ask(&node, Query::BgpSummary) {
            Answer::BgpSummary(view) => view.neighbors[0].state == "Established",
            other => panic!("{other:?}"),
        });
        std::thread::sleep(Duration::from_millis(200));
        peer.write_all(b"This is no BGP message, and it does not begin with ones.").unwrap();
        eventually("the session is down", || match ask(&node, Query::BgpSummary) {
            Answer::BgpSummary(view) => view.neighbors[0].state != "Established",
            other => panic!("{other:?}"),
        });
        let mut got = Vec::new();
        peer.read_to_end(&mut got).unwrap();
        let types = message_types(&got);
        // OPEN, KEEPALIVE, UPDATEs, NOTIFICATION.
        assert_eq!((types[0], types[1], types.last()), (1, 4, Some(&3)), "{types:?}");
        assert!(types.len() > 3 && types[2..types.len() - 1].iter().all(|&t| t == 2), "{types:?}");
        // RFC 4271 §6.1: Message Header Error, Connection Not Synchronized.
        assert_eq!(got[got.len() - 2..], [1, 1]);
        node.shutdown();
        node.join();
    });
}

fn connect_from(local: &str, remote: &str) -> TcpStream {
    let socket =
        socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, Some(socket2::Protocol::TCP))
            .unwrap();
    socket.bind(&std::net::SocketAddr::new(local.parse().unwrap(), 0).into()).unwrap();
    socket.connect(&remote.parse::<std::net::SocketAddr>().unwrap().into()).unwrap();
    socket.into()
}

#[test]
fn a_stranger_leaves_no_descriptor_behind() {
    in_namespace(|| {
        let node = start(node("127.0.0.1", 65001, vec![neighbor("127.0.0.2", 65002, 65001)]));
        let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
        assert_eq!(limit.current, limit.maximum, "there is room for many");
        let mut stranger = connect_from("127.0.0.3", "127.0.0.1:1790");
        assert_eq!(stranger.read(&mut [0; 100]).unwrap(), 0, "closed without a NOTIFICATION");
        // It does not answer our FIN, and yet the node has let go of it: what it says now is answered by RST.
        stranger.write_all(&HELLO).unwrap();
        std::thread::sleep(Duration::from_millis(50));
        assert!(stranger.write_all(&HELLO).is_err());
        node.shutdown();
        node.join();
    });
}

#[test]
fn a_password_goes_with_the_bgp_that_had_it() {
    in_namespace(|| {
        let mut peer = neighbor("127.0.0.2", 65002, 65001);
        peer.password = Some(Md5Key("secret".into()));
        let config = node("127.0.0.1", 65001, vec![peer]);
        let node = start(config.clone());
        let without = NodeConfig { bgp: None, ..config.clone() };
        assert!(reconfigure(&node, without).applied);
        let mut open = config;
        open.bgp.as_mut().unwrap().neighbors = vec![neighbor("127.0.0.2", 65002, 65001).into()];
        assert!(reconfigure(&node, open).applied);
        let mut peer = connect_from("127.0.0.2", "127.0.0.1:1790");
        peer.read_exact(&mut [0; 19]).unwrap();
        node.shutdown();
        node.join();
    });
}

#[test]
fn who_should_sign_by_tcp_ao_is_not_let_in_unsigned() {
    in_namespace(|| {
        let key = AoKey {
            send_id: 1,
            receive_id: 1,
            algorithm: AoAlgorithm::HmacSha1,
            key: "secret".into(),
            include_options: true,
        };
        let mut peer = neighbor("127.0.0.2", 65002, 65001);
        peer.tcp_ao = AoKeys::new(vec![key], 1);
        let node = start(node("127.0.0.1", 65001, vec![peer]));
        let mut stranger = connect_from("127.0.0.2", "127.0.0.1:1790");
        // It may be reset, too.
        let mut said = Vec::new();
        let _ = stranger.read_to_end(&mut said);
        assert!(said.is_empty(), "not even an OPEN: {said:?}");
        let Answer::BgpNeighbors(view) = ask(&node, Query::BgpNeighbors { address: None }) else { panic!() };
        assert!(format!("{view:?}").contains("TCP-AO needs an interface"), "{view:?}");
        node.shutdown();
        node.join();
    });
}

const PREFIX: &str = "192.0.2.0/24";

/// A node with a static route into the kernel.
fn with_route(via: &str) -> NodeConfig {
    let mut config = node("10.0.1.1", 65001, Vec::new());
    config.bgp = None;
    config.fib.install = true;
    let (prefix, via) = (PREFIX.parse().unwrap(), vec![via.parse().unwrap()]);
    config.static_routes = vec![StaticRoute { prefix, via, interface: None, distance: 1 }];
    config
}

fn ours() -> String {
    ip(&format!("route show {PREFIX} proto 217"))
}

/// Why our route is not in the kernel; none: the node believes it is.
fn why_not(node: &NodeHandle) -> Option<String> {
    let query = Query::Routes { prefix: Some(PREFIX.parse().unwrap()), cursor: 0, limit: 10 };
    let Answer::Routes(view) = ask(node, query) else { panic!() };
    let route = view.routes.into_iter().find(|r| r.source == trunkline_view::RouteSource::Static).unwrap();
    assert_eq!(route.installed, route.not_installed_because.is_none());
    route.not_installed_because
}

#[test]
fn a_route_driven_out_by_another_program_comes_back_when_that_ones_is_gone() {
    in_namespace(|| {
        two_interfaces();
        let node = start(with_route("10.0.1.2"));
        let is_there = |gateway: &str| ours().contains(gateway) && why_not(&node).is_none();
        let is_blocked =
            || ours().is_empty() && why_not(&node).is_some_and(|w| w.contains("another program"));
        eventually("installed", || is_there("10.0.1.2"));
        for _ in 0..2 {
            ip(&format!("route replace {PREFIX} via 10.0.2.9 proto static metric 32"));
            eventually("driven out", is_blocked);
            ip(&format!("route del {PREFIX} via 10.0.2.9 proto static metric 32"));
            eventually("back", || is_there("10.0.1.2"));
        }
        // Beside ours, where the kernel takes both: ours makes way, and comes back.
        ip(&format!("route append {PREFIX} via 10.0.2.9 proto static metric 32"));
        eventually("made way", is_blocked);
        // Meanwhile its next hop changes.
        let view = reconfigure(&node, with_route("10.0.2.2"));
        assert!(view.applied);
        eventually("still out", is_blocked);
        ip(&format!("route del {PREFIX} via 10.0.2.9 proto static metric 32"));
        eventually("back, the new way", || is_there("10.0.2.2"));
        ip(&format!("route del {PREFIX} proto 217"));
        eventually("put back", || is_there("10.0.2.2"));
        node.shutdown();
        node.join();
        assert_eq!(ours(), "");
    });
}

#[test]
fn our_routes_are_put_right_after_changes_were_lost() {
    in_namespace(|| {
        two_interfaces();
        let node = start(with_route("10.0.1.2"));
        eventually("installed", || !ours().is_empty());
        // The node's thread is held up while more happens than the kernel keeps for it.
        let (entered, has_entered) = mpsc::channel();
        let (release, released) = mpsc::channel::<()>();
        node.subscribe(Box::new(move |_| {
            entered.send(()).unwrap();
            let _ = released.recv();
            false
        }));
        std::thread::sleep(Duration::from_millis(50));
        ip("link set tl-lx-b mtu 1400");
        has_entered.recv_timeout(Duration::from_secs(5)).unwrap();
        let mut batch = String::new();
        for n in 0..30_000u32 {
            batch += &format!("route add 20.{}.{}.0/24 via 10.0.2.9 table 77\n", n >> 8, n & 255);
        }
        batch += &format!(
            "route del {PREFIX} proto 217\nroute add 198.51.100.0/24 via 10.0.1.9 proto 217 metric 32\n"
        );
        let mut child = Command::new("ip").args(["-batch", "-"]).stdin(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(batch.as_bytes()).unwrap();
        assert!(child.wait().unwrap().success());
        assert_eq!(ours(), "");
        drop(release);
        eventually("put back", || !ours().is_empty());
        eventually("not ours", || ip("route show 198.51.100.0/24").is_empty());
        node.shutdown();
        node.join();
    });
}

#[test]
fn two_nodes_of_one_process_need_a_table_each() {
    in_namespace(|| {
        two_interfaces();
        let first = start(with_route("10.0.1.2"));
        let error = spawn(with_route("10.0.1.2"), Options::default()).unwrap_err();
        assert!(matches!(error, StartError::TableInUse { table: 254 }), "{error}");
        let mut other = with_route("10.0.1.2");
        other.fib.table = 1000;
        let second = start(other.clone());
        // Nor can it move there.
        let view = reconfigure(&second, with_route("10.0.1.2"));
        assert!(!view.applied && view.problems.unwrap().contains("table 254"));
        first.shutdown();
        first.join();
        assert!(reconfigure(&second, with_route("10.0.1.2")).applied);
        eventually("moved", || !ours().is_empty());
        start(other).shutdown();
        second.shutdown();
        second.join();
    });
}
