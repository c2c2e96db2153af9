//! The same of ARP, bridges, IP and TCP.

use trunkline_view::Query;
use trunkline_view::device::*;
use trunkline_view::probe::*;
use trunkline_view::stp::*;
use trunkline_view::tcp::*;

pub fn queries() -> Vec<Query> {
    let destination = "192.0.2.2".parse().unwrap();
    let source = Some("192.0.2.1".parse().unwrap());
    let remote = "192.0.2.2:7".parse().unwrap();
    let name = || "c1".to_owned();
    vec![
        Query::Arp { interface: Some("eth0".into()) },
        Query::Mac { bridge: Some("br0".into()) },
        Query::SpanningTree { bridge: Some("br0".into()) },
        Query::SpanningTreeMcheck { bridge: "br0".into(), port: "eth1".into() },
        Query::SpanningTreeRecover { bridge: "br0".into(), port: "eth1".into() },
        Query::Tcp,
        Query::IpStatistics,
        Query::Ping(PingQuery { source, ttl: Some(9), ..PingQuery::new(destination) }),
        Query::Traceroute(TracerouteQuery { source, ..TracerouteQuery::new(destination) }),
        Query::TcpTransfer(TransferQuery {
            source,
            receive: Some(9),
            timeout_ms: Some(1),
            ..TransferQuery::new(remote, 9)
        }),
        Query::TcpConnect(ConnectQuery { name: name(), remote, source, local_port: Some(5000) }),
        Query::TcpListen { name: name(), port: 80 },
        Query::TcpSend { name: name(), text: "x".into() },
        Query::TcpClose { name: name() },
        Query::TcpAbort { name: name() },
    ]
}

fn counters() -> Counters {
    [("ipInReceives".to_owned(), 5)].into()
}

pub fn arp() -> ArpView {
    let entry = ArpEntry {
        interface: "eth0".into(),
        ip: "192.0.2.2".parse().unwrap(),
        mac: Some("02:00:00:00:00:02".into()),
        state: "reachable".into(),
        age: 1.5,
        expires: Some(20.0),
        queued: 1,
        fixed: false,
    };
    let own =
        OwnAddress { interface: "eth0".into(), ip: "192.0.2.1".parse().unwrap(), state: "usable".into() };
    ArpView { entries: vec![entry], own: vec![own] }
}

pub fn spanning_trees() -> SpanningTreesView {
    let id = || BridgeIdView { priority: 4096, address: "02:00:00:00:00:01".into() };
    let times = TimesView { hello_time: 2, max_age: 20, forward_delay: 15 };
    let port = TreePortView {
        name: "eth1".into(),
        id: "128.1".into(),
        role: "root".into(),
        state: "discarding".into(),
        path_cost: 20_000,
        edge: false,
        point_to_point: true,
        sends: "rstp".into(),
        inconsistent: Some("loop guard".into()),
        designated_root: id(),
        designated_cost: 0,
        designated_bridge: id(),
        designated_port: "128.2".into(),
        why: "it is the only way to the root".into(),
        forward_transitions: 3,
        timers: [("rcvdInfoWhile".to_owned(), 5.5)].into(),
        flags: vec!["agreed".into()],
        machines: [("PIM".to_owned(), "CURRENT".to_owned())].into(),
        counters: [("rx_rst".to_owned(), 5)].into(),
    };
    let change = TopologyChangeView {
        ago: 1.5,
        port: "eth1".into(),
        detected: false,
        from: Some("02:00:00:00:00:01".into()),
    };
    let tree = TreeView {
        bridge: "br0".into(),
        protocol: "rstp".into(),
        data_plane: "own ports".into(),
        root: id(),
        root_path_cost: 20_000,
        root_port: Some("eth1".into()),
        times,
        id: id(),
        own_times: times,
        transmit_hold_count: 6,
        ageing_time: Some(15.0),
        uplink_fast: false,
        backbone_fast: false,
        ports: vec![port],
        topology_changes: 7,
        history: vec![change],
    };
    SpanningTreesView { bridges: vec![tree] }
}

pub fn mac() -> MacView {
    let port = BridgePortView { name: "eth1".into(), state: "forwarding".into(), counters: counters() };
    let bridge = BridgeView {
        name: "br0".into(),
        mac: "02:00:00:00:00:0b".into(),
        ageing_time: 300.0,
        ports: vec![port],
        counters: counters(),
    };
    let entry = MacEntry {
        bridge: "br0".into(),
        mac: "02:00:00:00:00:02".into(),
        port: "eth1".into(),
        age: 2.0,
        fixed: false,
    };
    MacView { bridges: vec![bridge], entries: vec![entry] }
}

pub fn tcp() -> TcpView {
    let connection = TcpConnection {
        local: "192.0.2.1:179".parse().unwrap(),
        remote: "192.0.2.2:40000".parse().unwrap(),
        state: "ESTABLISHED".into(),
        owner: "bgp".into(),
        active: false,
        send_queue: 1,
        receive_queue: 2,
        send_window: 65_535,
        receive_window: 65_535,
        mss: 1460,
        cwnd: 14_600,
        ssthresh: Some(9),
        rtt: Some(0.01),
        rto: 0.2,
        retransmits: 3,
        octets_sent: 4,
        octets_received: 5,
        timestamps: true,
        sack: true,
        window_scale: Some((7, 8)),
        signed: true,
        timer: Some("retransmission".into()),
        timer_in: Some(0.1),
        received: Some("hello".into()),
    };
    let listener = TcpListener {
        address: Some("192.0.2.1".parse().unwrap()),
        port: 179,
        owner: "bgp".into(),
        half_open: 1,
        backlog: 128,
    };
    TcpView { connections: vec![connection], listeners: vec![listener], counters: counters() }
}

pub fn ip_statistics() -> IpView {
    let destination = "198.51.100.9".parse().unwrap();
    IpView {
        counters: counters(),
        redirects: vec![RedirectView {
            destination,
            gateway: "192.0.2.200".parse().unwrap(),
            interface: "eth0".into(),
            expires: 500.0,
        }],
        path_mtus: vec![PathMtuView { destination, mtu: 1280, expires: 500.0 }],
        arp: [("eth0".to_owned(), counters())].into(),
        frames: [("eth0".to_owned(), counters())].into(),
    }
}

pub fn ping() -> PingView {
    let destination = "192.0.2.2".parse().unwrap();
    let reply = PingReply {
        sequence: 1,
        from: Some(destination),
        octets: 64,
        ttl: Some(64),
        time: Some(0.001),
        error: Some("x".into()),
    };
    PingView {
        destination,
        sent: 2,
        received: 1,
        duplicates: 0,
        minimum: Some(0.001),
        average: Some(0.001),
        maximum: Some(0.001),
        replies: vec![reply],
    }
}

pub fn traceroute() -> TracerouteView {
    let destination = "192.0.2.2".parse().unwrap();
    let probe = TracerouteProbe { from: Some(destination), time: Some(0.001), error: Some("x".into()) };
    let hops = vec![TracerouteHop { ttl: 1, probes: vec![probe] }];
    TracerouteView { destination, reached: true, hops }
}

pub fn transfer() -> TransferView {
    TransferView {
        remote: "192.0.2.2:7".parse().unwrap(),
        sent: 9,
        received: 9,
        echoed: true,
        connected: Some(0.001),
        seconds: 0.5,
        retransmits: 1,
        error: Some("x".into()),
    }
}
