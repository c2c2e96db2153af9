//! Rules for which no daemon could be brought to a capture, and what must not be claimed: with frames made by hand.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::net::Ipv4Addr;
use trunkline_explain::capture::{Captured, Link};
use trunkline_explain::follow::Facts;
use trunkline_explain::rules::{Severity, judge};
use trunkline_wire::bgp::{self, Capability, Notification, Open, OptionalParameter};
use trunkline_wire::ipv4::{Header, Protocol};
use trunkline_wire::rip;
use trunkline_wire::tcp::{Authentication, Flags, Mac, Options, Segment, SeqNum};
use trunkline_wire::udp::Datagram;

const ENDS: [Ipv4Addr; 2] = [Ipv4Addr::new(192, 0, 2, 1), Ipv4Addr::new(192, 0, 2, 2)];

/// A capture that is being made.
#[derive(Default)]
struct Hand {
    facts: Facts,
    number: u64,
    /// Seconds.
    at: f64,
    /// The next sequence number of each side.
    next: [u32; 2],
    /// Frames that are not captured.
    lost: Vec<u64>,
    /// Octets of a frame that are captured at most; none: all.
    snap: Option<usize>,
}

impl Hand {
    fn packet(&mut self, protocol: Protocol, from: usize, payload: &[u8]) {
        self.packet_of(protocol, ENDS[from], ENDS[1 - from], payload);
    }

    fn packet_of(&mut self, protocol: Protocol, from: Ipv4Addr, to: Ipv4Addr, payload: &[u8]) {
        let mut octets = Vec::new();
        Header::new(protocol, from, to).emit(payload.len(), &mut octets);
        octets.extend_from_slice(payload);
        self.number += 1;
        self.at += 0.001;
        let (number, nanos) = (self.number, (self.at * 1e9) as u64);
        let original_length = octets.len() as u32;
        octets.truncate(self.snap.unwrap_or(usize::MAX));
        let frame = Captured {
            number,
            nanos,
            link: Link::Raw,
            interface: 0,
            octets: &octets,
            original_length,
            comment: None,
        };
        if !self.lost.contains(&number) {
            self.facts.add(&frame);
        }
    }

    fn segment(&mut self, from: usize, flags: Flags, options: Options, payload: &[u8]) -> &mut Hand {
        let ports = [40_000, 179];
        let acknowledgment = if flags.contains(Flags::ACK) { self.next[1 - from] } else { 0 };
        let segment = Segment {
            source_port: ports[from],
            destination_port: ports[1 - from],
            sequence: SeqNum(self.next[from]),
            acknowledgment: SeqNum(acknowledgment),
            flags,
            window: 1000,
            urgent_pointer: 0,
            options,
            payload,
        };
        let mut octets = Vec::new();
        segment.emit(ENDS[from], ENDS[1 - from], &mut octets);
        self.packet(Protocol::TCP, from, &octets);
        self.next[from] += segment.segment_len();
        self
    }

    fn send(&mut self, from: usize, payload: &[u8]) -> &mut Hand {
        self.segment(from, Flags::ACK, Options::NONE, payload).segment(
            1 - from,
            Flags::ACK,
            Options::NONE,
            &[],
        )
    }

    /// SYN, SYN-ACK, ACK.
    fn handshake(&mut self) -> &mut Hand {
        self.next = [1000, 5000];
        let (syn, both) = (Flags::SYN, Flags::SYN | Flags::ACK);
        self.segment(0, syn, Options::NONE, &[]).segment(1, both, Options::NONE, &[]);
        self.segment(0, Flags::ACK, Options::NONE, &[])
    }

    /// A session that is up.
    fn session(&mut self) -> &mut Hand {
        self.handshake()
            .send(0, &open(65_001))
            .send(1, &open(65_002))
            .send(0, &keepalive())
            .send(1, &keepalive())
    }

    fn end(&mut self, from: usize, flags: Flags) -> &mut Hand {
        self.segment(from, flags | Flags::ACK, Options::NONE, &[])
    }

    fn wait(&mut self, seconds: f64) -> &mut Hand {
        self.at += seconds;
        self
    }

    /// The rules of all verdicts, with their severity.
    fn found(&mut self) -> Vec<(&'static str, Severity)> {
        self.facts.finish(0);
        let judged = judge(&self.facts, None);
        judged.iter().flat_map(|judged| &judged.verdicts).map(|v| (v.rule.id, v.severity)).collect()
    }

    fn rules(&mut self) -> Vec<&'static str> {
        self.found().into_iter().map(|(rule, _)| rule).collect()
    }
}

fn open(asn: u16) -> Vec<u8> {
    let family = Capability::Multiprotocol(bgp::Family::IPV4_UNICAST);
    let parameters = vec![OptionalParameter::Capabilities(vec![family])];
    let bgp_identifier = Ipv4Addr::from(u32::from(asn));
    let mut octets = Vec::new();
    Open { version: 4, my_as: asn, hold_time: 90, bgp_identifier, parameters }.emit(&mut octets);
    octets
}

fn keepalive() -> Vec<u8> {
    let mut octets = Vec::new();
    bgp::emit_keepalive(&mut octets);
    octets
}

fn notification(code: u8, subcode: u8) -> Vec<u8> {
    let mut octets = Vec::new();
    Notification { code, subcode, data: Vec::new() }.emit(&mut octets);
    octets
}

fn update(origin: u8) -> Vec<u8> {
    let attributes = [0x40, 1, 1, origin, 0x40, 2, 4, 2, 1, 0xfd, 0xe9, 0x40, 3, 4, 192, 0, 2, 1];
    let body = [&[0, 0, 0, attributes.len() as u8][..], &attributes, &[8, 10]].concat();
    [&[0xff; 16][..], &[0, body.len() as u8 + 19, 2], &body].concat()
}

#[test]
fn every_notification_finds_its_rule() {
    for (code, subcode, rule) in [
        (2, 0, "open-error"),
        (6, 0, "cease"),
        (5, 1, "fsm-error"),
        (7, 1, "refresh-error"),
        (77, 7, "unknown-error"),
        (6, 2, "shutdown"),
        (3, 11, "update-error"),
        (1, 1, "header-error"),
        (1, 2, "bad-length"),
    ] {
        let mut hand = Hand::default();
        hand.handshake().send(0, &open(65_001)).send(1, &notification(code, subcode)).end(1, Flags::FIN);
        assert_eq!(hand.rules(), [rule], "{code}/{subcode}");
    }
}

#[test]
fn a_session_that_is_up_has_nothing_but_what_it_says() {
    let mut hand = Hand::default();
    hand.session().send(0, &update(0)).wait(60.0).send(0, &keepalive());
    assert_eq!(hand.found(), [("nothing-announced", Severity::Note)]);
    let mut hand = Hand::default();
    hand.session().send(0, &update(0)).send(1, &update(9)).wait(60.0).send(0, &keepalive());
    assert_eq!(hand.rules(), ["malformed-update"]);
    // Up for a moment: nobody knows what is still to come.
    assert!(Hand::default().session().rules().is_empty());
}

#[test]
fn who_breaks_off_is_told_and_what_is_missing_too() {
    let mut hand = Hand::default();
    hand.handshake().send(0, &open(65_001)).send(1, &open(65_002)).end(1, Flags::RST);
    assert_eq!(hand.rules(), ["dropped-after-open"]);
    let mut hand = Hand::default();
    hand.session().send(0, &update(0)).send(1, &update(0)).end(1, Flags::FIN);
    assert_eq!(hand.rules(), ["broken-off"]);
    // With a NOTIFICATION before the FIN, which the capture has not: its octets are missing before the FIN.
    let mut hand = Hand::default();
    hand.session().send(0, &update(0)).send(1, &update(0));
    hand.lost = vec![hand.number + 1];
    hand.segment(1, Flags::ACK, Options::NONE, &notification(6, 2)).end(1, Flags::FIN);
    assert_eq!(hand.rules(), ["cannot-tell"]);
}

#[test]
fn a_client_that_closes_first() {
    let mut hand = Hand::default();
    hand.handshake().end(0, Flags::FIN).end(1, Flags::FIN);
    assert_eq!(hand.rules(), ["gave-up"]);
    // It closes second, but the first FIN is not in the capture.
    let mut hand = Hand::default();
    hand.handshake();
    hand.lost = vec![hand.number + 1];
    hand.end(1, Flags::FIN).end(0, Flags::FIN);
    assert_eq!(hand.rules(), ["cannot-tell"]);
    // The accepting end closes, and TCP's numbers prove that it said nothing.
    let mut hand = Hand::default();
    hand.handshake().segment(0, Flags::ACK, Options::NONE, &open(65_001)).end(1, Flags::RST);
    assert_eq!(hand.rules(), ["closed-before-open"]);
    // Its OPEN was lost to the capture: the numbers prove that, too.
    let mut hand = Hand::default();
    hand.handshake().segment(0, Flags::ACK, Options::NONE, &open(65_001));
    hand.lost = vec![hand.number + 1];
    hand.segment(1, Flags::ACK, Options::NONE, &open(65_002)).end(1, Flags::RST);
    assert_eq!(hand.rules(), ["cannot-tell"]);
}

#[test]
fn syns_with_tcp_ao() {
    let authentication = Some(Authentication { key_id: 1, r_next_key_id: 1, mac: Mac::zeros(12) });
    let mut hand = Hand { next: [1000, 5000], ..Hand::default() };
    for _ in 0..3 {
        hand.next[0] = 1000;
        hand.wait(1.0).segment(0, Flags::SYN, Options { authentication, ..Options::NONE }, &[]);
    }
    assert_eq!(hand.rules(), ["ao-silence"]);
    // One SYN at the end of a capture says nothing.
    let mut hand = Hand::default();
    hand.segment(0, Flags::SYN, Options::NONE, &[]);
    assert!(hand.rules().is_empty());
}

#[test]
fn a_neighbor_of_which_there_is_no_bgp() {
    let expected = |hand: &mut Hand| -> Vec<&'static str> {
        hand.facts.finish(0);
        let judged = judge(&hand.facts, Some(ENDS[1].into()));
        judged.iter().flat_map(|judged| &judged.verdicts).map(|verdict| verdict.rule.id).collect()
    };
    let mut hand = Hand::default();
    hand.packet(Protocol::ICMP, 0, &[8, 0, 0xf7, 0xff, 0, 0, 0, 0]);
    assert_eq!(expected(&mut hand), ["no-attempt"]);
    // One SYN is an attempt.
    hand.segment(0, Flags::SYN, Options::NONE, &[]);
    assert!(expected(&mut hand).is_empty());
}

#[test]
fn keepalives_without_end() {
    let mut hand = Hand::default();
    hand.session().send(0, &update(0)).send(1, &update(0));
    for _ in 0..30 {
        hand.wait(0.2).send(1, &keepalive());
    }
    assert_eq!(hand.rules(), ["keepalive-flood"]);
    // One a second is the most that is allowed (RFC 4271 §4.4).
    let mut hand = Hand::default();
    hand.session().send(0, &update(0)).send(1, &update(0));
    for _ in 0..30 {
        hand.wait(1.0).send(1, &keepalive());
    }
    assert!(hand.rules().is_empty());
}

fn response(hand: &mut Hand, from: usize, version: u8, metric: u8) {
    let entry = if version == 1 {
        rip::Entry::v1([10, 0, 0, 0].into(), metric)
    } else {
        let prefix = trunkline_core::Ipv4Prefix::new([10, 0, 0, 0].into(), 8).unwrap();
        rip::Entry::v2(prefix, 0, Ipv4Addr::UNSPECIFIED, metric)
    };
    let mut message = Vec::new();
    rip::Message::new(rip::Command::Response, version, vec![entry]).emit(&mut message);
    datagram(hand, from, &message);
}

fn datagram(hand: &mut Hand, from: usize, payload: &[u8]) {
    let mut octets = Vec::new();
    Datagram { source_port: 520, destination_port: 520, payload }.emit(
        ENDS[from],
        rip::MULTICAST,
        &mut octets,
    );
    hand.packet_of(Protocol::UDP, ENDS[from], rip::MULTICAST, &octets);
}

#[test]
fn rip_routers() {
    // RFC 2453 §3.8: 30 s between updates, 180 s until a route is gone
    let mut hand = Hand::default();
    for _ in 0..3 {
        response(hand.wait(30.0), 0, 2, 1);
        response(&mut hand, 1, 2, 1);
    }
    for _ in 0..7 {
        response(hand.wait(30.0), 0, 2, 1);
    }
    assert_eq!(hand.rules(), ["rip-silent"]);
    // Four updates that the capture lost are no silence yet.
    let mut hand = Hand::default();
    for seconds in [30.0, 30.0, 150.0, 30.0] {
        response(hand.wait(seconds), 0, 2, 1);
    }
    assert!(hand.rules().is_empty());

    let mut hand = Hand::default();
    response(&mut hand, 0, 1, 1);
    response(&mut hand, 1, 2, 1);
    assert_eq!(hand.rules(), ["rip-version"]);

    let mut hand = Hand::default();
    response(&mut hand, 0, 2, 17);
    datagram(&mut hand, 0, &[2, 2, 0, 0, 1]);
    assert_eq!(hand.rules(), ["rip-malformed"]);

    // Poisoned reverse from the beginning is no loss (RFC 2453 §3.4.3); one that was usable before is.
    let mut hand = Hand::default();
    response(&mut hand, 0, 2, 16);
    response(&mut hand, 0, 2, 16);
    assert!(hand.rules().is_empty());
    response(&mut hand, 0, 2, 3);
    response(hand.wait(30.0), 0, 2, 16);
    // Somebody else may have the route, and not have said so yet.
    assert!(hand.rules().is_empty());
    response(hand.wait(30.0), 0, 2, 16);
    assert_eq!(hand.rules(), ["rip-lost"]);
    // By another router it is farther: it was lost all the same.
    response(&mut hand, 1, 2, 3);
    assert_eq!(hand.rules(), ["rip-lost"]);
    // Or nearer: poisoned reverse.
    response(&mut hand, 1, 2, 2);
    assert!(hand.rules().is_empty());
}

#[test]
fn errors_that_are_not_about_bgp_are_notes() {
    let mut original = Vec::new();
    Header::new(Protocol::UDP, ENDS[0], ENDS[1]).emit(8, &mut original);
    original.extend_from_slice(&[0; 8]);
    let code = trunkline_wire::icmp::UnreachableCode::Port;
    let message =
        trunkline_wire::icmp::Message::DestinationUnreachable { code, next_hop_mtu: 0, original: &original };
    let mut octets = Vec::new();
    message.emit(&mut octets);
    let mut hand = Hand::default();
    hand.packet(Protocol::ICMP, 1, &octets);
    assert_eq!(hand.found(), [("icmp-error", Severity::Note)]);
}

#[test]
fn an_error_of_which_the_end_was_not_captured_is_an_answer_all_the_same() {
    let tried = |snap, answered| {
        let mut hand = Hand { snap, ..Hand::default() };
        for _ in 0..4 {
            hand.next = [1000, 5000];
            hand.wait(1.0).segment(0, Flags::SYN, Options::NONE, &[]);
            if answered {
                let mut original = Vec::new();
                Header::new(Protocol::TCP, ENDS[0], ENDS[1]).emit(8, &mut original);
                original.extend_from_slice(&[0x9c, 0x40, 0, 179, 0, 0, 0x03, 0xe8]);
                let code = trunkline_wire::icmp::UnreachableCode::Port;
                let original = &original;
                let mut octets = Vec::new();
                trunkline_wire::icmp::Message::DestinationUnreachable { code, next_hop_mtu: 0, original }
                    .emit(&mut octets);
                hand.packet(Protocol::ICMP, 1, &octets);
            }
        }
        hand.rules()
    };
    assert_eq!(tried(None, true), ["unreachable", "icmp-error"]);
    assert_eq!(tried(Some(48), false), ["silence"]);
    assert!(!tried(Some(48), true).contains(&"silence"), "{:?}", tried(Some(48), true));
}

#[test]
fn who_has_sent_a_part_of_a_message_may_have_a_route() {
    let begun = |octets: usize| {
        let mut hand = Hand::default();
        let end_of_rib = [&[0xff; 16][..], &[0, 23, 2, 0, 0, 0, 0]].concat();
        hand.session().send(0, &end_of_rib).send(1, &end_of_rib).wait(10.0).send(0, &update(0)[..octets]);
        hand.wait(10.0).send(1, &keepalive());
        hand.rules()
    };
    assert_eq!(begun(0), ["no-routes"]);
    assert_eq!(begun(20), ["nothing-announced"]);
}

#[test]
fn a_hold_timer_that_runs_out_says_that_the_wait_was_long_enough() {
    let mut hand = Hand::default();
    hand.handshake().send(0, &open(65_001)).send(1, &open(65_002)).wait(3.0);
    hand.send(0, &notification(4, 0)).end(0, Flags::FIN);
    assert_eq!(hand.rules(), ["stuck-after-open"]);
}
