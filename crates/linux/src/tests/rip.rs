//! RIP of whole nodes over the kernel's UDP.

use super::runtime::{ask, far_namespace, reconfigure, start, within};
use super::{eventually, in_namespace, ip};
use crate::port::Port;
use crate::{NodeHandle, Options, StartError, spawn};
use rustix::thread::{CapabilitySet, capabilities, set_capabilities};
use socket2::{Domain, Socket, Type};
use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};
use std::sync::mpsc;
use std::time::Duration;
use trunkline_node::config::{
    CalendarLifetime, FibConfig, InterfaceConfig, NodeConfig, PortKind, RipAuthentication, RipConfig, RipKey,
    RipRedistribute, StaticRoute,
};
use trunkline_rip::{Algorithm, Receive, Send};
use trunkline_view::rip::NeighborView;
use trunkline_view::{Answer, Query, RouteSource};
use trunkline_wire::{ethernet, ipv4, udp};

type Far = mpsc::Sender<Box<dyn FnOnce() + std::marker::Send>>;

/// A node with RIP on some interfaces that advertises its static routes, with the usual timers.
fn router(name: &str, interfaces: &[&str]) -> NodeConfig {
    let mut rip = RipConfig::new();
    for interface in interfaces {
        rip.machine.interfaces.insert((*interface).to_owned(), trunkline_rip::InterfaceConfig::default());
    }
    let source = RouteSource::Static;
    rip.redistribute = vec![RipRedistribute { source, metric: 1, tag: 0, filter: None }];
    NodeConfig { rip: Some(rip), ..NodeConfig::new(name) }
}

/// `near` has a network to tell of, `far` installs what it hears.
fn near_and_far() -> (NodeConfig, NodeConfig) {
    let mut near = router("near", &["tl-lx-near"]);
    let prefix = "203.0.113.0/24".parse().unwrap();
    near.static_routes.push(StaticRoute { prefix, via: Vec::new(), interface: None, distance: 1 });
    let mut far = router("far", &["tl-lx-far"]);
    far.fib = FibConfig { install: true, table: 254, metric: 32 };
    (near, far)
}

/// Our routes in the far kernel.
fn far_routes(there: &Far) -> Vec<String> {
    let text = within(there, || ip("route show proto 217"));
    text.lines().map(str::trim).map(str::to_owned).collect()
}

const ROUTE: &str = "203.0.113.0/24 via 10.0.0.1 dev tl-lx-far metric 32";

fn neighbors(node: &NodeHandle) -> Vec<NeighborView> {
    match ask(node, Query::RipNeighbors) {
        Answer::RipNeighbors(view) => view.neighbors,
        other => panic!("{other:?}"),
    }
}

fn end(nodes: impl IntoIterator<Item = NodeHandle>) {
    for node in nodes {
        node.shutdown();
        node.join();
    }
}

/// The two talk as `change` says, the route comes into the far kernel; the version that far hears.
fn speak(change: impl Fn(&mut RipConfig, &str)) {
    let (mut near, mut far) = near_and_far();
    change(near.rip.as_mut().unwrap(), "tl-lx-near");
    change(far.rip.as_mut().unwrap(), "tl-lx-far");
    let sends = near.rip.as_ref().unwrap().machine.interfaces["tl-lx-near"].send;
    let version = if sends == Send::V1 { 1 } else { 2 };
    in_namespace(move || {
        let there = far_namespace();
        let far = within(&there, move || start(far));
        let near = start(near);
        eventually("the route is in the kernel", || far_routes(&there) == [ROUTE]);
        let heard = neighbors(&far);
        assert_eq!(heard.len(), 1, "{heard:?}");
        assert_eq!((heard[0].address, heard[0].version), (Ipv4Addr::new(10, 0, 0, 1), version));
        assert_eq!((heard[0].bad_packets, heard[0].bad_entries), (0, 0));
        // RFC 2453 §3.10.1: the last update says that nothing is reached by it any more.
        end([near]);
        eventually("the farewell was heard", || far_routes(&there).is_empty());
        end([far]);
    });
}

#[test]
fn version_2_by_multicast_and_a_farewell() {
    // RFC 2453 §4.5
    speak(|_, _| {});
}

#[test]
fn version_1_by_broadcast() {
    // RFC 1058 §3.1
    speak(|rip, name| {
        let interface = rip.machine.interfaces.get_mut(name).unwrap();
        (interface.send, interface.receive) = (Send::V1, Receive::V1);
    });
}

#[test]
fn version_2_by_broadcast() {
    // RFC 2453 §5.1
    speak(|rip, name| {
        let interface = rip.machine.interfaces.get_mut(name).unwrap();
        (interface.send, interface.receive) = (Send::V1Compatible, Receive::Both);
    });
}

#[test]
fn to_a_neighbor_alone() {
    // RFC 1812 §7.2.2: a silent interface but for those that are named.
    speak(|rip, name| {
        let interface = rip.machine.interfaces.get_mut(name).unwrap();
        interface.passive = true;
        let other = if name == "tl-lx-near" { [10, 0, 0, 2] } else { [10, 0, 0, 1] };
        interface.neighbors = vec![other.into()];
    });
}

/// The keys are good only now, by the calendar: the node has heard of it before it began.
#[test]
fn version_2_with_md5() {
    speak(|rip, name| {
        let lifetime = CalendarLifetime { from: Some(1_600_000_000), until: Some(4_000_000_000) };
        let key = RipKey {
            id: 7,
            algorithm: Algorithm::KeyedMd5,
            secret: b"secret".to_vec(),
            send: lifetime,
            accept: lifetime,
        };
        let authentication =
            RipAuthentication { keys: vec![key], fail_secure: true, any_after_silence: false };
        rip.authentication.insert(name.to_owned(), authentication);
    });
}

#[test]
fn the_route_goes_with_the_wire_and_comes_back_with_it() {
    in_namespace(|| {
        let there = far_namespace();
        let (near, far) = near_and_far();
        let (near, far) = (start(near), within(&there, move || start(far)));
        eventually("the route is in the kernel", || far_routes(&there) == [ROUTE]);
        ip("link set tl-lx-near down");
        eventually("no route over a dead wire", || far_routes(&there).is_empty());
        ip("link set tl-lx-near up");
        eventually("back", || far_routes(&there) == [ROUTE]);
        // The interface itself goes, and another comes in its place.
        ip("link del tl-lx-near");
        eventually("no route over no wire", || far_routes(&there).is_empty());
        let Answer::Rip(view) = ask(&near, Query::Rip) else { panic!() };
        assert!(!view.interfaces[0].running);
        end([near, far]);
    });
}

/// What a wire carries: RFC 2453 §4.5, RFC 1812 §5.3.1.
#[test]
fn datagrams_leave_with_a_ttl_of_one_for_the_group_and_are_not_looped_back() {
    in_namespace(|| {
        let there = far_namespace();
        let mut port = within(&there, || Port::packet("tl-lx-far").unwrap());
        let (near, _) = near_and_far();
        let near = start(near);
        let mut seen = None;
        eventually("RIP on the wire", || {
            port.ready = true;
            let take = &mut |frame: &[u8]| {
                let Ok((header, payload)) = ethernet::Header::parse(frame) else { return };
                let Ok((ip, payload)) = ipv4::Header::parse(payload) else { return };
                if ip.protocol == ipv4::Protocol::UDP {
                    seen = Some((header, ip, udp::Header::parse(payload).unwrap()));
                }
            };
            port.receive(100, 1500, take).unwrap();
            seen.is_some()
        });
        let (ethernet, ip, udp) = seen.unwrap();
        assert_eq!(ethernet.destination.to_string(), "01:00:5e:00:00:09");
        assert_eq!((ip.source, ip.destination), ([10, 0, 0, 1].into(), [224, 0, 0, 9].into()));
        assert_eq!((ip.ttl, ip.tos), (1, 0xc0));
        assert_eq!((udp.source_port, udp.destination_port), (520, 520));
        let Answer::Rip(view) = ask(&near, Query::Rip) else { panic!() };
        let own = view.interfaces[0].counters.iter().find(|counter| counter.name.contains("own"));
        assert_eq!(own, None);
        end([near]);
    });
}

/// More than the memberships that a socket may have, which are 20.
#[test]
fn forty_interfaces() {
    const COUNT: u8 = 40;
    in_namespace(|| {
        let there = far_namespace();
        let limit = std::fs::read_to_string("/proc/sys/net/ipv4/igmp_max_memberships").unwrap();
        assert!(limit.trim().parse::<u8>().unwrap() < COUNT, "{limit}");
        let thread = within(&there, || rustix::thread::gettid().as_raw_nonzero());
        for n in 0..COUNT {
            ip(&format!("link add n{n} type veth peer name f{n} netns {thread}"));
            ip(&format!("addr add 10.1.{n}.1/24 dev n{n}"));
            ip(&format!("link set n{n} up"));
        }
        let far = within(&there, || {
            for n in 0..COUNT {
                ip(&format!("addr add 10.1.{n}.2/24 dev f{n}"));
                ip(&format!("link set f{n} up"));
            }
            let names: Vec<String> = (0..COUNT).map(|n| format!("f{n}")).collect();
            start(router("far", &names.iter().map(String::as_str).collect::<Vec<_>>()))
        });
        let names: Vec<String> = (0..COUNT).map(|n| format!("n{n}")).collect();
        let near = start(router("near", &names.iter().map(String::as_str).collect::<Vec<_>>()));
        for node in [&near, &far] {
            eventually("a neighbor on each", || neighbors(node).len() == usize::from(COUNT));
        }
        // Interfaces that go make room.
        for n in 0..COUNT / 2 {
            ip(&format!("link del n{n}"));
        }
        let running = |node: &NodeHandle| match ask(node, Query::Rip) {
            Answer::Rip(view) => view.interfaces.iter().filter(|interface| interface.running).count(),
            other => panic!("{other:?}"),
        };
        eventually("half of them", || running(&near) == usize::from(COUNT / 2));
        end([near, far]);
    });
}

#[test]
fn another_rip_daemon_is_said_at_the_start_and_in_a_reload() {
    in_namespace(|| {
        let there = far_namespace();
        // As other daemons open it.
        let taken = Socket::new(Domain::IPV4, Type::DGRAM, None).unwrap();
        taken.set_reuse_address(true).unwrap();
        taken.bind_device(Some(b"tl-lx-near")).unwrap();
        taken.bind(&SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 520).into()).unwrap();
        let (near, far) = near_and_far();
        let error = spawn(near.clone(), Options::default()).unwrap_err();
        assert!(matches!(error, StartError::Rip(_)));
        let said =
            "cannot open UDP port 520 for RIP: the port is in use; another RIP daemon runs here: stop it";
        assert_eq!(error.to_string(), said);
        let without = NodeConfig { rip: None, ..near.clone() };
        let node = start(without.clone());
        let view = reconfigure(&node, near.clone());
        assert_eq!((view.applied, view.problems.as_deref()), (false, Some(said)));
        drop(taken);
        // The port is opened by a reload, and closed by another when the neighbours have heard of it.
        let far = within(&there, move || start(far));
        assert!(reconfigure(&node, near).applied);
        eventually("the route is in the kernel", || far_routes(&there) == [ROUTE]);
        assert!(UdpSocket::bind("0.0.0.0:520").is_err());
        assert!(reconfigure(&node, without).applied);
        eventually("the farewell was heard", || far_routes(&there).is_empty());
        eventually("the port is free", || UdpSocket::bind("0.0.0.0:520").is_ok());
        end([node, far]);
    });
}

/// The node's own IP needs no socket of the kernel's, nor the right to have it.
#[test]
fn on_its_own_ports_a_node_speaks_rip_without_the_kernels_port() {
    in_namespace(|| {
        let there = far_namespace();
        ip("addr flush dev tl-lx-near");
        let _taken = UdpSocket::bind("0.0.0.0:520").unwrap();
        let mut rights = capabilities(None).unwrap();
        rights.effective.remove(CapabilitySet::NET_BIND_SERVICE);
        rights.permitted.remove(CapabilitySet::NET_BIND_SERVICE);
        set_capabilities(None, rights).unwrap();
        let (mut near, far) = near_and_far();
        let port = InterfaceConfig::new("tl-lx-near", PortKind::Packet);
        near.interfaces = vec![InterfaceConfig { address: vec![([10, 0, 0, 1].into(), 24)], ..port }];
        let (near, far) = (start(near), within(&there, move || start(far)));
        eventually("the route is in the kernel", || far_routes(&there) == [ROUTE]);
        end([near]);
        eventually("the farewell was heard", || far_routes(&there).is_empty());
        end([far]);
    });
}

#[test]
fn without_the_right_to_the_port_a_node_says_so() {
    in_namespace(|| {
        ip("link add p0 type veth peer name p1");
        let mut rights = capabilities(None).unwrap();
        rights.effective.remove(CapabilitySet::NET_BIND_SERVICE);
        set_capabilities(None, rights).unwrap();
        let error = spawn(router("r", &["p0"]), Options::default()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "cannot open UDP port 520 for RIP: permission denied; run as root, give CAP_NET_BIND_SERVICE or leave out \
             [rip]"
        );
        // On no interface of the kernel, none is asked for.
        end([start(router("r", &[]))]);
    });
}

/// A table that takes many turns and more than the kernel has room for comes across whole, and so does the farewell.
#[test]
fn ten_thousand_routes_come_and_go() {
    const COUNT: u32 = 10_000;
    in_namespace(|| {
        let there = far_namespace();
        let (mut near, mut far) = near_and_far();
        for n in 1..COUNT {
            let prefix = format!("{}.{}.{}.0/24", 20 + (n >> 16), (n >> 8) & 255, n & 255).parse().unwrap();
            near.static_routes.push(StaticRoute { prefix, via: Vec::new(), interface: None, distance: 1 });
        }
        far.fib.install = false;
        let (near, far) = (start(near), within(&there, move || start(far)));
        // Its own network is connected.
        let routes = |node: &NodeHandle| match ask(node, Query::Rip) {
            Answer::Rip(view) => view.routes_valid,
            other => panic!("{other:?}"),
        };
        eventually("all of them", || routes(&far) == u64::from(COUNT) + 1);
        assert_eq!(neighbors(&far)[0].bad_packets, 0);
        end([near]);
        eventually("none of them", || routes(&far) == 1);
        end([far]);
    });
}

/// A node that stops waits until what it has to say has left, but not for ever.
#[test]
fn a_node_stops_although_its_interface_is_down() {
    in_namespace(|| {
        let there = far_namespace();
        let (near, _) = near_and_far();
        let near = start(near);
        ip("link set tl-lx-near down");
        std::thread::sleep(Duration::from_millis(50));
        end([near]);
        drop(there);
    });
}
