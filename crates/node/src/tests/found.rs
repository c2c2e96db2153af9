//! What fuzzing the whole device has found.

use super::device::{Device, device, port};
use crate::config::Kind;
use std::net::Ipv4Addr;
use trunkline_core::MacAddr;
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
