//! What fuzzing the whole device has found.

use super::device::{Device, device, port};
use crate::config::{Kind, Service, ServiceKind};
use std::net::{Ipv4Addr, SocketAddrV4};
use trunkline_core::{Duration, MacAddr};
use trunkline_view::probe::{ConnectQuery, PingQuery, TracerouteQuery};
use trunkline_view::{Answer, ErrorKind, Query};
use trunkline_wire::arp::Arp;
use trunkline_wire::ethernet;

#[test]
fn a_new_address_is_announced_with_the_new_mac_address_only() {
    // Both change at once: no neighbour may learn the new address with the old MAC address.
    let (before, after) = (Ipv4Addr::new(10, 0, 0, 1), Ipv4Addr::new(10, 0, 0, 2));
    let mut config = device(Kind::Host, vec![port("eth0", &[(before, 24)])]);
    config.interfaces[0].mac = Some(MacAddr([2, 0, 0, 0, 0, 9]));
    let mut device = Device::new(config.clone());
    device.run(10);
    device.sent.clear();
    config.interfaces[0].address = vec![(after, 24)];
    config.interfaces[0].mac = Some(MacAddr([2, 0, 0, 0, 0, 10]));
    device.with(|node, now, out| drop(node.reconfigure(now, config, out)));
    device.run(10);
    let said: Vec<String> = device
        .sent
        .iter()
        .map(|(_, frame)| Arp::parse(&frame[ethernet::LEN..]).unwrap().to_string())
        .collect();
    assert_eq!(said, ["10.0.0.2 is at 02:00:00:00:00:0a (announcement)"; 2]);
}

#[test]
fn who_listens_to_its_own_characters_does_not_take_all_the_time_there_is() {
    let own = Ipv4Addr::new(10, 0, 0, 1);
    let mut config = device(Kind::Host, vec![port("eth0", &[(own, 24)])]);
    config.services = vec![Service { kind: ServiceKind::Chargen, port: 19 }];
    let mut device = Device::new(config);
    let remote = SocketAddrV4::new(own, 19);
    let query = ConnectQuery { name: "c".to_owned(), remote, source: None, local_port: None };
    device.ask(Query::TcpConnect(query));
    // At most a burst for each millisecond that begins; and it goes on.
    for (millis, range) in [(1, 1..10_000), (10, 10_000..50_000)] {
        let until = device.now + Duration::from_millis(millis);
        while let Some(due) = device.node.poll_timeout().filter(|due| *due <= until) {
            device.now = device.now.max(due);
            device.with(|node, now, out| node.handle_timeout(now, out));
        }
        let packets = device.counter("ipOutRequests");
        assert!(range.contains(&packets), "{packets} packets");
    }
}

#[test]
fn nothing_is_sent_with_a_ttl_of_zero() {
    // RFC 1122 §3.2.1.7: "A host MUST NOT send a datagram with a Time-to-Live (TTL) value of zero."
    let own = Ipv4Addr::new(10, 0, 0, 1);
    let mut device = Device::new(device(Kind::Host, vec![port("eth0", &[(own, 24)])]));
    let query = PingQuery { ttl: Some(0), ..PingQuery::new(Ipv4Addr::new(10, 0, 0, 2)) };
    let Answer::Error(error) = device.ask(Query::Ping(query)) else { panic!("it begins") };
    assert_eq!((error.kind, error.message.as_str()), (ErrorKind::Invalid, "TTL is 1 to 255"));
}

#[test]
fn a_traceroute_without_a_source_sends_nothing() {
    // It sent packets without a UDP header.
    let own = Ipv4Addr::new(10, 0, 0, 1);
    let mut device = Device::new(device(Kind::Host, vec![port("eth0", &[(own, 24)])]));
    device.sent.clear();
    device.order(Query::Traceroute(TracerouteQuery::new(Ipv4Addr::BROADCAST)));
    device.run(1);
    let Some(Answer::Traceroute(view)) = device.answer.take() else { panic!("no answer") };
    let errors: Vec<&str> = view.hops[0].probes.iter().filter_map(|probe| probe.error.as_deref()).collect();
    assert_eq!((view.hops.len(), errors), (1, vec!["no route to the destination"; 3]));
    assert!(device.sent.iter().all(|(_, frame)| frame[12..14] == [8, 6]));
}
