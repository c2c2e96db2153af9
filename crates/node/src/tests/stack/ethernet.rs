//! What a frame is, and whose.

use super::wire::{Net, mac};
use super::{host, ping, router};
use crate::NodeInput;
use crate::config::Kind;
use trunkline_core::{Frame, PortId};
use trunkline_view::device::Counters;
use trunkline_view::{Answer, Query};

/// Two hosts that know each other with a router between, and an echo request from a to the router for b.
fn net() -> (Net, Vec<u8>) {
    let a = host("a", "10.0.0.1/24", "10.0.0.254");
    let r = router("r", &[("eth0", &["10.0.0.254/24"]), ("eth1", &["10.0.1.254/24"])]);
    let b = host("b", "10.0.1.1/24", "10.0.1.254");
    let mut net = Net::new(vec![a, r, b], &[&["a.eth0", "r.eth0"], &["r.eth1", "b.eth0"]]);
    ping(&mut net, "a", "10.0.1.1", 1);
    let is_ip = |frame: &Frame| frame[12..14] == [8, 0];
    let request =
        net.frames.iter().find(|(_, node, _, frame)| *node == 0 && is_ip(frame)).unwrap().3.to_vec();
    net.frames.clear();
    (net, request)
}

/// What the router sends at once when this comes in at eth0.
fn forwarded(net: &mut Net, octets: &[u8]) -> Vec<Frame> {
    let frame = Frame::from(octets);
    net.with(1, |node, now, out| node.handle(now, NodeInput::Frame { port: PortId(0), frame }, out));
    net.frames.drain(..).map(|(.., frame)| frame).collect()
}

fn counters(net: &mut Net) -> Counters {
    match net.ask("r", Query::IpStatistics) {
        Answer::IpStatistics(view) => view.frames["eth0"].clone(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_forwarded_packet_gets_a_new_header_and_keeps_the_rest() {
    let (mut net, request) = net();
    let [frame] = &forwarded(&mut net, &request)[..] else { panic!("not one frame") };
    assert_eq!(frame[..6], mac(2, PortId(0)).0);
    assert_eq!(frame[6..12], mac(1, PortId(1)).0);
    assert_eq!(frame[22], request[22] - 1, "TTL");
    assert_eq!(frame[26..], request[26..]);
}

#[test]
fn a_priority_tag_is_taken_off_and_a_vlan_is_not_ours() {
    // IEEE 802.1Q-2018 §6.9.1
    let (mut net, request) = net();
    let tagged = |vlan: u8| {
        let mut octets = request.clone();
        octets.splice(12..12, [0x81, 0, 0xa0, vlan]);
        octets
    };
    assert_eq!(forwarded(&mut net, &tagged(0))[0][26..], request[26..]);
    assert!(forwarded(&mut net, &tagged(5)).is_empty());
    assert_eq!(counters(&mut net)["tagged"], 1);
    let mut twice = tagged(0);
    twice.splice(12..12, [0x81, 0, 0, 0]);
    assert!(forwarded(&mut net, &twice).is_empty());
}

#[test]
fn what_follows_a_packet_does_not_travel_on() {
    let (mut net, mut request) = net();
    let length = request.len();
    request.extend([0xee; 40]);
    assert_eq!(forwarded(&mut net, &request)[0].len(), length);
}

#[test]
fn frames_for_others_and_frames_that_are_none() {
    let (mut net, request) = net();
    let mut other = request.clone();
    other[5] ^= 0xff;
    assert!(forwarded(&mut net, &other).is_empty());
    assert!(forwarded(&mut net, &request[..13]).is_empty());
    let mut unknown = request.clone();
    unknown[12..14].copy_from_slice(&[0x12, 0x34]);
    assert!(forwarded(&mut net, &unknown).is_empty());
    let counters = counters(&mut net);
    assert_eq!(["not_ours", "malformed", "unknown_type"].map(|name| counters[name]), [1, 1, 1]);
}

#[test]
fn a_host_becomes_a_router() {
    let (mut net, _) = net();
    let done = net.set("r", |config| config.kind = Kind::Host);
    assert_eq!(done.changes, ["kind is host (was router)"]);
    assert_eq!(ping(&mut net, "a", "10.0.1.1", 1).received, 0);
    net.set("r", |config| config.kind = Kind::Router);
    assert_eq!(ping(&mut net, "a", "10.0.1.1", 1).received, 1);
}
