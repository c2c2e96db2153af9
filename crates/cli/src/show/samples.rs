//! Views for the tests.

mod device;
mod rip;

pub(crate) use device::{arp, ip_statistics, mac, ping, tcp, traceroute, transfer};
pub(crate) use rip::{rip, rip_neighbors, rip_routes};

use std::net::IpAddr;
use trunkline_core::{Asn, Prefix};
use trunkline_view::bgp::*;
use trunkline_view::stp::{
    BridgeIdView, SpanningTreesView, TimesView, TopologyChangeView, TreePortView, TreeView,
};
use trunkline_view::{
    Address, AdminState, Event, EventKind, Interface, InterfacesView, NodeView, Route, RouteNextHop,
    RouteSource,
};

pub(crate) fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

pub(crate) fn prefix(text: &str) -> Prefix {
    text.parse().unwrap()
}

fn texts(list: &[&str]) -> Vec<String> {
    list.iter().map(|s| (*s).to_owned()).collect()
}

pub(crate) fn node() -> NodeView {
    NodeView {
        name: "r1".into(),
        version: "0.1.0".into(),
        router_id: "192.0.2.1".parse().unwrap(),
        uptime: 3.0 * 86_400.0 + 4.0 * 3600.0,
        pid: 4711,
        config_files: texts(&["/etc/trunkline/r1.toml"]),
    }
}

fn neighbor(address: &str, asn: u32, state: &str) -> NeighborSummary {
    NeighborSummary {
        address: ip(address),
        asn: Some(Asn(asn)),
        description: None,
        state: state.into(),
        since: 5.0,
        shutdown: false,
        dynamic: false,
        messages_received: 0,
        messages_sent: 0,
        prefixes_received: 0,
        prefixes_accepted: 0,
        prefixes_advertised: 0,
        last_error: None,
    }
}

pub(crate) fn summary() -> SummaryView {
    let table =
        |family: &str, prefixes, paths, best| TableView { family: family.into(), prefixes, paths, best };
    SummaryView {
        asn: Asn(65001),
        router_id: "192.0.2.1".parse().unwrap(),
        neighbors: vec![
            established().summary,
            refused().summary,
            shut_down().summary,
            NeighborSummary { asn: None, dynamic: true, ..neighbor("2001:db8::ffff:3", 0, "OpenSent") },
        ],
        tables: vec![table("ipv4-unicast", 947_213, 1_894_001, 947_213), table("ipv6-unicast", 1, 1, 0)],
    }
}

fn quiet(summary: NeighborSummary) -> NeighborView {
    NeighborView {
        summary,
        local_asn: Asn(65001),
        session_type: "external".into(),
        router_id: None,
        local: None,
        remote: None,
        opened_by: None,
        hold_time_configured: 180,
        hold_time: None,
        keepalive_time: None,
        timers: vec![],
        capabilities_sent: vec![],
        capabilities_received: vec![],
        capabilities_agreed: vec![],
        capabilities_suppressed: vec![],
        families: vec![],
        messages: vec![],
        faults: vec![],
        flaps: 0,
        established: 0,
        errors: vec![],
        down_because: None,
        down_rule: None,
        idle_hold: None,
        graceful_restart: None,
    }
}

pub(crate) fn established() -> NeighborView {
    let count = |kind: &str, received, sent| MessageCount { kind: kind.into(), received, sent };
    let family = |family: &str, received, accepted, advertised, maximum_prefixes| NeighborFamily {
        family: family.into(),
        received,
        accepted,
        advertised,
        end_of_rib_received: true,
        end_of_rib_sent: accepted > 0,
        stale: 0,
        maximum_prefixes,
    };
    NeighborView {
        router_id: Some("192.0.2.2".parse().unwrap()),
        local: Some("127.0.0.1:1790".into()),
        remote: Some("127.0.0.2:41234".into()),
        opened_by: Some("peer".into()),
        hold_time: Some(90),
        keepalive_time: Some(30.0),
        timers: vec![
            TimerView { name: "HoldTimer".into(), left: 71.4 },
            TimerView { name: "KeepaliveTimer".into(), left: 4.25 },
        ],
        capabilities_sent: texts(&[
            "multiprotocol ipv4-unicast",
            "4-octet AS 65001",
            "route refresh",
            "role customer",
        ]),
        capabilities_received: texts(&["multiprotocol ipv4-unicast", "4-octet AS 65002", "route refresh"]),
        capabilities_agreed: texts(&["multiprotocol ipv4-unicast", "4-octet AS", "route refresh"]),
        capabilities_suppressed: texts(&["extended message"]),
        families: vec![
            family("ipv4-unicast", 947_213, 947_210, 12, Some(1_000_000)),
            family("ipv6-unicast", 0, 0, 3, None),
        ],
        messages: vec![
            count("OPEN", 2, 2),
            count("UPDATE", 158_123, 17),
            count("NOTIFICATION", 1, 0),
            count("KEEPALIVE", 121, 125),
            count("ROUTE-REFRESH", 0, 1),
        ],
        faults: vec![FaultCount {
            kind: "AGGREGATOR of wrong length".into(),
            treatment: "attribute discard".into(),
            count: 3,
        }],
        flaps: 1,
        established: 2,
        errors: vec![ErrorRecord {
            ago: 3730.0,
            message: "received NOTIFICATION 6/4 Administrative Reset".into(),
        }],
        ..quiet(NeighborSummary {
            description: Some("transit A".into()),
            since: 3723.0,
            messages_received: 158_247,
            messages_sent: 145,
            prefixes_received: 947_213,
            prefixes_accepted: 947_210,
            prefixes_advertised: 15,
            last_error: Some("received NOTIFICATION 6/4 Administrative Reset".into()),
            ..neighbor("127.0.0.2", 65002, "Established")
        })
    }
}

pub(crate) fn refused() -> NeighborView {
    let error = "sent NOTIFICATION 2/2 Bad Peer AS: we expect 1000, the peer says 600";
    NeighborView {
        down_because: Some("192.0.2.2 refuses the connection: nobody listens there at port 179.".into()),
        down_rule: Some("refused".into()),
        idle_hold: Some(1.5),
        graceful_restart: Some(118.0),
        errors: vec![
            ErrorRecord { ago: 5.0, message: error.into() },
            ErrorRecord { ago: 25.0, message: "connection refused".into() },
        ],
        ..quiet(NeighborSummary {
            messages_received: 7,
            messages_sent: 7,
            prefixes_received: 4,
            last_error: Some(error.into()),
            ..neighbor("2001:db8::3", 4_200_000_001, "Active")
        })
    }
}

pub(crate) fn shut_down() -> NeighborView {
    NeighborView {
        down_because: Some("shut down by the operator: back at noon".into()),
        down_rule: None,
        session_type: "internal".into(),
        ..quiet(NeighborSummary {
            shutdown: true,
            since: 90_000.0,
            description: Some("reflector".into()),
            ..neighbor("10.0.0.9", 65001, "Idle")
        })
    }
}

fn path(to: &str, from: Option<&str>, as_path: &str) -> PathView {
    PathView {
        prefix: prefix(to),
        neighbor: from.map(ip),
        best: false,
        multipath: false,
        eligible: true,
        stale: false,
        reason: None,
        next_hop: from.map(ip),
        igp_metric: from.map(|_| 0),
        origin: "IGP".into(),
        as_path: as_path.into(),
        med: None,
        local_pref: Some(100),
        atomic_aggregate: false,
        aggregator: None,
        communities: vec![],
        extended_communities: vec![],
        large_communities: vec![],
        originator_id: None,
        cluster_list: vec![],
        unknown_attributes: vec![],
        age: Some(61.0),
    }
}

pub(crate) fn bgp_routes() -> RoutesView {
    let to = "203.0.113.0/24";
    let best = PathView {
        best: true,
        med: Some(10),
        communities: texts(&["65002:1", "no-export"]),
        extended_communities: texts(&["rt:65002:1"]),
        large_communities: texts(&["65002:1:2"]),
        aggregator: Some("65002 192.0.2.2".into()),
        atomic_aggregate: true,
        unknown_attributes: texts(&["c0/99: 0102", "e0/100: ff"]),
        ..path(to, Some("127.0.0.2"), "65002 65010")
    };
    let longer = PathView {
        stale: true,
        reason: Some("longer AS_PATH".into()),
        origin: "INCOMPLETE".into(),
        ..path(to, Some("10.0.0.3"), "65003 65003 65003 {65010 65011}")
    };
    let unresolved = PathView {
        eligible: false,
        reason: Some("next hop not reachable".into()),
        igp_metric: None,
        next_hop: Some(ip("198.51.100.77")),
        local_pref: Some(4_294_967_295),
        originator_id: Some("192.0.2.77".parse().unwrap()),
        cluster_list: vec!["192.0.2.8".parse().unwrap(), "192.0.2.9".parse().unwrap()],
        origin: "EGP".into(),
        ..path(to, Some("10.0.0.9"), "")
    };
    let equal = PathView { multipath: true, ..path(to, Some("10.0.0.4"), "65004 65010") };
    let own = PathView { best: true, local_pref: None, age: None, ..path("2001:db8:1::/48", None, "") };
    RoutesView { paths: vec![best, equal, longer, unresolved, own], next: None, total: 2 }
}

pub(crate) fn routes() -> trunkline_view::RoutesView {
    let hop = |gateway: Option<&str>, interface: Option<&str>| RouteNextHop {
        gateway: gateway.map(ip),
        interface: interface.map(str::to_owned),
    };
    let route = |to: &str, source, distance, next_hops| Route {
        prefix: prefix(to),
        source,
        distance,
        metric: 0,
        next_hops,
        selected: true,
        installed: true,
        not_installed_because: None,
    };
    let (eth0, why) = (Some("eth0"), Some("fib.install is false".to_owned()));
    let routes = vec![
        Route {
            metric: 100,
            ..route("0.0.0.0/0", RouteSource::Kernel, 0, vec![hop(Some("10.0.0.1"), eth0)])
        },
        route("10.0.0.0/24", RouteSource::Connected, 0, vec![hop(None, eth0)]),
        route("10.0.0.5/32", RouteSource::Local, 0, vec![hop(None, eth0)]),
        Route {
            installed: false,
            not_installed_because: why.clone(),
            ..route("198.51.100.0/25", RouteSource::Static, 1, vec![])
        },
        Route {
            installed: false,
            not_installed_because: why.clone(),
            ..route(
                "203.0.113.0/24",
                RouteSource::Bgp,
                20,
                vec![hop(Some("10.0.0.3"), eth0), hop(Some("10.0.0.4"), None)],
            )
        },
        Route {
            selected: false,
            installed: false,
            metric: 2,
            ..route("203.0.113.0/24", RouteSource::Rip, 120, vec![hop(Some("10.0.0.6"), eth0)])
        },
        Route {
            selected: false,
            installed: false,
            ..route("203.0.113.0/24", RouteSource::Static, 200, vec![hop(Some("10.0.0.7"), eth0)])
        },
    ];
    trunkline_view::RoutesView { routes, next: None, total: 7 }
}

pub(crate) fn interfaces() -> InterfacesView {
    let interface = |index, name: &str, admin, up, mac: Option<&str>, addresses: &[(&str, u8)]| Interface {
        index,
        name: name.into(),
        admin,
        up,
        mtu: if index == 1 { 65536 } else { 1500 },
        mac: mac.map(str::to_owned),
        addresses: addresses.iter().map(|(a, length)| Address { address: ip(a), length: *length }).collect(),
    };
    let mac = Some("00:00:5e:00:53:01");
    InterfacesView {
        interfaces: vec![
            interface(1, "lo", AdminState::Up, true, None, &[("127.0.0.1", 8), ("::1", 128)]),
            interface(2, "eth0", AdminState::Up, false, mac, &[("10.0.0.5", 24)]),
            interface(3, "wlan0", AdminState::Down, false, mac, &[]),
        ],
    }
}

pub(crate) fn events() -> Vec<Event> {
    let best = |neighbor: Option<&str>, as_path: &str, next_hop: Option<&str>| EventKind::BgpBest {
        prefix: prefix("203.0.113.0/24"),
        neighbor: neighbor.map(ip),
        as_path: as_path.into(),
        next_hop: next_hop.map(ip),
    };
    let kinds = [
        EventKind::BgpState {
            neighbor: ip("127.0.0.2"),
            asn: Some(Asn(65002)),
            from: "OpenConfirm".into(),
            to: "Established".into(),
            reason: "KEEPALIVE received".into(),
        },
        EventKind::BgpNotice {
            neighbor: ip("127.0.0.9"),
            message: "connection refused: no such neighbor".into(),
        },
        best(Some("127.0.0.2"), "65002 65010", Some("127.0.0.2")),
        best(Some("0.0.0.0"), "", None),
        best(None, "", None),
        EventKind::Rip {
            prefix: None,
            message: "eth0: a datagram from 10.0.12.9 is ignored: it is not authenticated".into(),
        },
        EventKind::Rip {
            prefix: Some(prefix("10.2.0.0/16")),
            message: "10.2.0.0/16 is possibly down: its neighbor says that it cannot be reached".into(),
        },
        EventKind::Fib { prefix: None, message: "the kernel refused the route to 203.0.113.0/24".into() },
        EventKind::Interface { name: "eth0".into(), message: "down".into() },
        EventKind::Reload { message: "nothing changed".into() },
        EventKind::Arp { interface: "eth0".into(), message: "10.1.1.2 is at 02:00:00:00:00:02".into() },
        EventKind::Ip { message: "redirect sent to 172.16.1.1 for 10.1.1.1, use 172.16.1.200".into() },
        EventKind::Tcp {
            local: "192.0.2.1:179".parse().unwrap(),
            remote: "192.0.2.2:40000".parse().unwrap(),
            from: "SYN-RECEIVED".into(),
            to: "ESTABLISHED".into(),
            message: "ACK of our SYN".into(),
        },
        EventKind::Bridge { bridge: "br0".into(), message: "p1: forwarding".into() },
        EventKind::Ping { destination: ping().destination, reply: ping().replies.remove(0) },
        EventKind::SpanningTree { bridge: "br0".into(), message: "p1: role designated -> root".into() },
        EventKind::Socket { name: "c1".into(), message: "open".into() },
        EventKind::Missed { count: 12 },
    ];
    let time = |n: u64| n as f64 * 1.0625;
    (1..).zip(kinds).map(|(sequence, kind)| Event { sequence, time: time(sequence), kind }).collect()
}

/// An access switch with a port of each kind, and a bridge of STP that is the root.
pub(crate) fn spanning_trees() -> SpanningTreesView {
    let times = |hello_time| TimesView { hello_time, max_age: 20, forward_delay: 15 };
    let changes = vec![
        TopologyChangeView { ago: 12.0, port: "veth1".into(), detected: true, from: None },
        TopologyChangeView {
            ago: 3723.0,
            port: "veth2".into(),
            detected: false,
            from: Some("02:00:00:00:00:01".into()),
        },
    ];
    let mut ports = vec![
        tree_port("veth1", 1, "root", "forwarding"),
        tree_port("veth2", 2, "alternate", "discarding"),
        TreePortView { edge: true, ..tree_port("veth3", 3, "designated", "forwarding") },
        TreePortView { sends: "stp".into(), ..tree_port("veth4", 4, "designated", "learning") },
        TreePortView {
            point_to_point: false,
            inconsistent: Some("root guard".into()),
            ..tree_port("veth5", 5, "designated", "discarding")
        },
        TreePortView {
            inconsistent: Some("BPDU guard".into()),
            ..tree_port("veth6", 6, "disabled", "disabled")
        },
    ];
    for (port, bridge) in ports.iter_mut().zip([1, 3]) {
        port.designated_bridge = bridge_id(bridge);
        port.designated_cost = if bridge == 1 { 0 } else { 20_000 };
    }
    let access = TreeView {
        bridge: "br0".into(),
        protocol: "rstp".into(),
        data_plane: "own ports".into(),
        root: bridge_id(1),
        root_path_cost: 20_000,
        root_port: Some("veth1".into()),
        times: times(2),
        id: bridge_id(2),
        own_times: times(1),
        transmit_hold_count: 6,
        ageing_time: None,
        uplink_fast: false,
        backbone_fast: false,
        ports,
        topology_changes: 7,
        history: changes,
    };
    let root = TreeView {
        bridge: "br1".into(),
        protocol: "stp".into(),
        id: bridge_id(9),
        root: bridge_id(9),
        root_path_cost: 0,
        root_port: None,
        ageing_time: Some(15.0),
        uplink_fast: true,
        backbone_fast: true,
        ports: vec![],
        topology_changes: 1,
        history: vec![],
        ..access.clone()
    };
    SpanningTreesView { bridges: vec![access, root] }
}

/// Bridges 1 and 2; the first has the better priority.
pub(crate) fn bridge_id(number: u8) -> BridgeIdView {
    let priority = if number == 1 { 4096 } else { 32_768 };
    BridgeIdView { priority, address: format!("02:00:00:00:00:{number:02x}") }
}

/// A port of bridge 2 that serves its LAN.
pub(crate) fn tree_port(name: &str, number: u16, role: &str, state: &str) -> TreePortView {
    TreePortView {
        name: name.into(),
        id: format!("128.{number}"),
        role: role.into(),
        state: state.into(),
        path_cost: 20_000,
        edge: false,
        point_to_point: true,
        sends: "rstp".into(),
        inconsistent: None,
        designated_root: bridge_id(1),
        designated_cost: 20_000,
        designated_bridge: bridge_id(2),
        designated_port: format!("128.{number}"),
        why: "bridge 32768.02:00:00:00:00:03 serves this LAN: its address is lower".into(),
        forward_transitions: 1,
        timers: [("rcvdInfoWhile".to_owned(), 5.25)].into(),
        flags: texts(&["agreed", "portEnabled"]),
        machines: [("PIM".to_owned(), "CURRENT".to_owned()), ("PRT".to_owned(), "ALTERNATE_PORT".to_owned())]
            .into(),
        counters: [("rx_rst".to_owned(), 500), ("tx_rst".to_owned(), 3), ("malformed".to_owned(), 0)].into(),
    }
}
