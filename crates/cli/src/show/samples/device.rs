//! Of ARP, bridges, IP and TCP.

use std::net::Ipv4Addr;
use trunkline_view::device::*;
use trunkline_view::probe::*;
use trunkline_view::tcp::*;

fn ip(text: &str) -> Ipv4Addr {
    text.parse().unwrap()
}

fn counters(list: &[(&str, u64)]) -> Counters {
    list.iter().map(|(name, n)| ((*name).to_owned(), *n)).collect()
}

pub(crate) fn arp() -> ArpView {
    let entry = |address: &str, mac: Option<&str>, state: &str, expires| ArpEntry {
        interface: "eth0".into(),
        ip: ip(address),
        mac: mac.map(str::to_owned),
        state: state.into(),
        age: 12.34,
        expires,
        queued: u64::from(mac.is_none()) * 3,
        fixed: state == "permanent",
    };
    let own = |address: &str, state: &str| OwnAddress {
        interface: "eth0".into(),
        ip: ip(address),
        state: state.into(),
    };
    ArpView {
        entries: vec![
            entry("10.1.1.2", Some("02:00:00:00:00:02"), "reachable", Some(21.0)),
            entry("10.1.1.9", None, "incomplete", Some(0.5)),
            entry("10.1.1.10", None, "failed", Some(3.0)),
            entry("10.1.1.200", Some("02:00:00:00:00:c8"), "permanent", None),
        ],
        own: vec![own("10.1.1.1", "usable"), own("10.1.1.3", "conflict with 02:00:00:00:00:03")],
    }
}

pub(crate) fn mac() -> MacView {
    let port = |name: &str, state: &str| BridgePortView {
        name: name.into(),
        state: state.into(),
        counters: counters(&[]),
    };
    let bridge = |name: &str, ports| BridgeView {
        name: name.into(),
        mac: "02:00:00:00:00:0b".into(),
        ageing_time: 300.0,
        ports,
        counters: counters(&[]),
    };
    let entry = |mac: &str, port: &str, fixed| MacEntry {
        bridge: "br0".into(),
        mac: mac.into(),
        port: port.into(),
        age: 4.0,
        fixed,
    };
    MacView {
        bridges: vec![
            bridge("br0", vec![port("p1", "forwarding"), port("p2", "learning"), port("p10", "disabled")]),
            bridge("br1", vec![port("p3", "forwarding")]),
        ],
        entries: vec![
            entry("02:00:00:00:00:01", "p1", false),
            entry("02:00:00:00:00:02", "p1", false),
            entry("02:00:00:00:00:03", "p2", true),
        ],
    }
}

pub(crate) fn tcp() -> TcpView {
    let established = TcpConnection {
        local: "192.0.2.1:179".parse().unwrap(),
        remote: "192.0.2.2:40000".parse().unwrap(),
        state: "ESTABLISHED".into(),
        owner: "bgp".into(),
        active: false,
        send_queue: 19,
        receive_queue: 0,
        send_window: 65_535,
        receive_window: 65_535,
        mss: 1460,
        cwnd: 14_600,
        ssthresh: None,
        rtt: Some(0.002_125),
        rto: 0.2,
        retransmits: 3,
        octets_sent: 400,
        octets_received: 500,
        timestamps: true,
        sack: true,
        window_scale: Some((7, 7)),
        signed: false,
        timer: Some("retransmission".into()),
        timer_in: Some(0.19),
        received: None,
    };
    let waiting = TcpConnection {
        remote: "192.0.2.2:80".parse().unwrap(),
        local: "192.0.2.1:5000".parse().unwrap(),
        state: "TIME-WAIT".into(),
        owner: "c1".into(),
        rtt: None,
        timer: None,
        timer_in: None,
        received: Some("hello\n".into()),
        ..established.clone()
    };
    let listener = |address: Option<&str>, port, owner: &str| TcpListener {
        address: address.map(ip),
        port,
        owner: owner.into(),
        half_open: 1,
        backlog: 128,
    };
    TcpView {
        connections: vec![established, waiting],
        listeners: vec![listener(None, 179, "bgp"), listener(Some("192.0.2.1"), 7, "echo")],
        counters: counters(&[("tcpActiveOpens", 2), ("tcpAttemptFails", 0), ("tcpRetransSegs", 6)]),
    }
}

pub(crate) fn ip_statistics() -> IpView {
    IpView {
        counters: counters(&[("icmpOutRedirects", 1), ("ipInReceives", 1234), ("ipInHdrErrors", 0)]),
        redirects: vec![RedirectView {
            destination: ip("10.1.1.1"),
            gateway: ip("172.16.1.200"),
            interface: "eth0".into(),
            expires: 590.0,
        }],
        path_mtus: vec![PathMtuView { destination: ip("198.51.100.9"), mtu: 1280, expires: 600.0 }],
        arp: [("eth0".to_owned(), counters(&[("requests sent", 3)]))].into(),
        frames: [("eth0".to_owned(), counters(&[("received", 9)])), ("eth1".to_owned(), counters(&[]))]
            .into(),
    }
}

pub(crate) fn ping() -> PingView {
    let reply = |sequence, time| PingReply {
        sequence,
        from: Some(ip("10.2.2.100")),
        octets: 64,
        ttl: Some(63),
        time: Some(time),
        error: None,
    };
    let failed = |sequence, from: Option<&str>, error: &str| PingReply {
        sequence,
        from: from.map(ip),
        octets: 0,
        ttl: None,
        time: None,
        error: Some(error.into()),
    };
    PingView {
        destination: ip("10.2.2.100"),
        sent: 4,
        received: 2,
        duplicates: 1,
        minimum: Some(0.000_25),
        average: Some(0.000_5),
        maximum: Some(0.000_75),
        replies: vec![
            reply(1, 0.000_75),
            reply(2, 0.000_25),
            failed(3, Some("10.1.1.254"), "host unreachable"),
            failed(4, None, "timed out"),
        ],
    }
}

pub(crate) fn traceroute() -> TracerouteView {
    let probe = |from: Option<&str>, time, error: Option<&str>| TracerouteProbe {
        from: from.map(ip),
        time,
        error: error.map(str::to_owned),
    };
    TracerouteView {
        destination: ip("10.3.3.3"),
        reached: false,
        hops: vec![
            TracerouteHop {
                ttl: 1,
                probes: vec![
                    probe(Some("10.1.1.254"), Some(0.001), None),
                    probe(Some("10.1.1.254"), Some(0.002), None),
                    probe(None, None, None),
                ],
            },
            TracerouteHop {
                ttl: 2,
                probes: vec![
                    probe(Some("10.2.2.1"), Some(0.003), None),
                    probe(Some("10.2.2.2"), Some(0.004), Some("network unreachable")),
                ],
            },
        ],
    }
}

pub(crate) fn transfer() -> TransferView {
    TransferView {
        remote: "192.0.2.2:7".parse().unwrap(),
        sent: 1_000_000,
        received: 1_000_000,
        echoed: true,
        connected: Some(0.001),
        seconds: 0.5,
        retransmits: 1,
        error: None,
    }
}
