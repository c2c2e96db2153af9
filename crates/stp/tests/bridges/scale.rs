//! Many ports, many BPDUs, and such as are none: the work stays bounded, all is counted, the tree stands.

use crate::rig::{Net, ms};
use trunkline_core::{Duration, Instant, MacAddr, Outbox, PortId, Rng};
use trunkline_stp::{
    BridgeId, Config, Event, Input, Output, PortConfig, PortRole, PortState, PortStatus, Protocol,
    SpanningTree,
};
use trunkline_wire::stp::{Bpdu, Flags, Message, PortIdentifier, Priority, Role, Rst, Time};

const SOURCE: MacAddr = MacAddr([2, 5, 0, 0, 0, 1]);

fn from_root(message_age: u8, flags: Flags) -> Message {
    let root = BridgeId::new(0, MacAddr([2, 0, 0, 0, 0, 1]));
    let body = Priority {
        flags: flags.with_role(Role::Designated),
        root,
        root_path_cost: 0,
        bridge: root,
        port: PortIdentifier::new(128, 1),
        message_age: Time::from_secs(message_age),
        max_age: Time::from_secs(20),
        hello_time: Time::from_secs(2),
        forward_delay: Time::from_secs(15),
    };
    Message::Bpdu(Bpdu::Rst(Rst { version: 2, body }))
}

/// A bridge with ports that all have a link.
fn wide(protocol: Protocol, count: u32) -> SpanningTree {
    let mut tree = SpanningTree::new(Config::new(protocol, MacAddr([2, 0, 0, 0, 0, 9])));
    let mut out = Outbox::new();
    for port in (0..count).map(PortId) {
        let config = PortConfig::new(port.0 as u16 + 1);
        tree.handle(Instant::ZERO, Input::Port { port, config }, &mut out);
        let address = MacAddr([2, 1, 0, 0, (port.0 >> 8) as u8, port.0 as u8]);
        let status = PortStatus { up: true, address, speed: Some(1000), full_duplex: Some(true) };
        tree.handle(Instant::ZERO, Input::Status { port, status }, &mut out);
    }
    tree
}

/// Lets time go on; how many frames went out.
fn run(tree: &mut SpanningTree, until: Instant) -> usize {
    let (mut frames, mut out) = (0, Outbox::new());
    while let Some(due) = tree.poll_timeout().filter(|due| *due <= until) {
        tree.handle_timeout(due, &mut out);
        frames += out.drain().filter(|output| matches!(output, Output::Frame { .. })).count();
    }
    frames
}

#[test]
fn a_thousand_ports() {
    let mut tree = wide(Protocol::Rstp, 1000);
    let mut out = Outbox::new();
    let frames = run(&mut tree, ms(20_000));
    assert!((9_000..=13_000).contains(&frames), "one each two seconds, and the first: {frames}");
    // The root speaks at one port: the 999 others, which are edges by now, tell it on, once each.
    let frame = from_root(0, Flags::PROPOSAL).frame(SOURCE);
    tree.handle(ms(20_001), Input::Frame { port: PortId(7), frame: &frame }, &mut out);
    let sent = out.drain().filter(|output| matches!(output, Output::Frame { .. })).count();
    assert_eq!(sent, 1000);
    assert_eq!(tree.port(ms(20_001), PortId(7)), Some((PortRole::Root, PortState::Forwarding)));
    assert_eq!(tree.port(ms(20_001), PortId(8)), Some((PortRole::Designated, PortState::Forwarding)));
}

#[test]
fn a_thousand_ports_of_1998() {
    // All that is due is done at once, and nothing is looked at that is not due
    let mut tree = wide(Protocol::Stp, 1000);
    let mut out = Outbox::new();
    let mut wakes = 0;
    while let Some(at) = tree.poll_timeout().filter(|at| *at <= ms(60_000)) {
        tree.handle_timeout(at, &mut out);
        wakes += 1;
        assert!(tree.poll_timeout().is_none_or(|next| next > at), "all that is due is done");
    }
    // Hellos at 0, 2, … 60; Hold Time a second after each; two Forward Delays: no wake for nothing
    assert!(wakes <= 31 + 30 + 2, "{wakes}");
    let forwards = |event: Event| matches!(event, Event::State { to: PortState::Forwarding, .. });
    let events = out.drain().filter(|output| matches!(output, Output::Event(event) if forwards(*event)));
    assert_eq!(events.count(), 1000);
}

#[test]
fn a_number_is_one_ports_alone() {
    // IEEE 802.1D-2004 §9.2.7: port identifiers tell the ports of a bridge apart
    let mut tree = wide(Protocol::Rstp, 2);
    let mut out = Outbox::new();
    let mut input = |input: Input<'_>| {
        tree.handle(ms(1), input, &mut out);
        let ports = tree.view(ms(1), "br0", "own ports", &|port| format!("p{}", port.0)).ports;
        ports.into_iter().map(|port| port.id).collect::<Vec<String>>()
    };
    let set = |port, number| Input::Port { port: PortId(port), config: PortConfig::new(number) };
    assert_eq!(input(set(2, 1)), ["128.1", "128.2"], "taken");
    assert_eq!(input(set(0, 3)), ["128.3", "128.2"]);
    assert_eq!(input(set(1, 3)), ["128.3", "128.2"], "taken by now");
    assert_eq!(input(set(2, 1)), ["128.3", "128.2", "128.1"], "free again");
    assert_eq!(input(Input::PortGone { port: PortId(1) }), ["128.3", "128.1"]);
    assert_eq!(input(set(2, 2)), ["128.3", "128.2"], "free with its port");
    assert_eq!(input(set(2, 4096)), ["128.3", "128.2"], "no number of a port");
}

#[test]
fn a_thousand_bpdus_a_second_move_nothing() {
    let mut tree = wide(Protocol::Rstp, 4);
    let mut out = Outbox::new();
    let frame = from_root(0, Flags::default()).frame(SOURCE);
    let mut sent = 0;
    for i in 0..10_000u64 {
        run(&mut tree, ms(i));
        tree.handle(ms(i), Input::Frame { port: PortId(0), frame: &frame }, &mut out);
        sent += out.drain().filter(|output| matches!(output, Output::Frame { .. })).count();
    }
    assert!(sent < 50, "the storm is not answered: {sent}");
    assert_eq!(tree.port(ms(10_000), PortId(0)), Some((PortRole::Root, PortState::Forwarding)));
    let view = tree.view(ms(10_000), "br0", "own ports", &|port| format!("p{}", port.0));
    assert_eq!(view.ports[0].counters["rx_rst"], 10_000);
    // A neighbour that offers another root each time: each is believed, and no port sends more than its hold count.
    let mut rng = Rng::new(1);
    let mut frames = 0;
    for i in 10_000..20_000u64 {
        frames += run(&mut tree, ms(i));
        let Message::Bpdu(Bpdu::Rst(mut rst)) = from_root(0, Flags::PROPOSAL) else { unreachable!() };
        rst.body.root_path_cost = rng.below(1000) as u32;
        let frame = Message::Bpdu(Bpdu::Rst(rst)).frame(SOURCE);
        tree.handle(ms(i), Input::Frame { port: PortId(0), frame: &frame }, &mut out);
        frames += out.drain().filter(|output| matches!(output, Output::Frame { .. })).count();
    }
    assert!(frames <= 4 * (6 + 10 + 1), "at most the hold count and one a second for each port: {frames}");
}

#[test]
fn malformed_ones_are_counted_and_change_nothing() {
    for protocol in [Protocol::Rstp, Protocol::Stp] {
        let mut tree = wide(protocol, 2);
        let mut out = Outbox::new();
        run(&mut tree, ms(40_000));
        let before = tree.view(ms(40_000), "br0", "own ports", &|port| format!("p{}", port.0));
        let good = from_root(0, Flags::default()).frame(SOURCE);
        let mut rng = Rng::new(2);
        for i in 0..100_000u64 {
            let mut frame = good.clone();
            match i % 4 {
                0 => frame.truncate(17 + rng.below(35) as usize),
                1 => frame[17 + rng.below(2) as usize] = 1 + rng.below(255) as u8,
                2 => frame[20] = [1, 3 + rng.below(100) as u8, 0x7f, 0xff][rng.below(4) as usize],
                _ => frame[19] = rng.below(2) as u8,
            }
            // Where the length field says more than there is, and where it says what is left
            if i % 4 == 0 && i % 8 == 0 {
                let left = frame.len() as u16 - 14;
                frame[12..14].copy_from_slice(&left.to_be_bytes());
            }
            tree.handle(ms(40_000), Input::Frame { port: PortId(0), frame: &frame }, &mut out);
            assert!(out.is_empty(), "{i}");
        }
        let after = tree.view(ms(40_000), "br0", "own ports", &|port| format!("p{}", port.0));
        assert_eq!(after.ports[0].counters["malformed"], 100_000);
        assert_eq!((before.root, &before.ports[1]), (after.root, &after.ports[1]));
    }
}

#[test]
fn bpdus_that_are_too_old_or_our_own_are_counted() {
    // IEEE 802.1D-2004 §9.3.4 a
    let mut net = Net::new(1);
    let a = net.bridge(Protocol::Rstp, 4096);
    let stub = net.lan(&[a]);
    let end = net.end(stub, a);
    let port = end.1;
    net.run_until(ms(100));
    let Message::Bpdu(Bpdu::Rst(mut rst)) = from_root(20, Flags::default()) else { unreachable!() };
    let frame = Message::Bpdu(Bpdu::Config(rst.body)).frame(SOURCE);
    net.feed(a, Input::Frame { port, frame: &frame });
    rst.body.bridge = net.bridges[a].config.bridge_id();
    (rst.body.message_age, rst.body.port) = (Time::from_secs(0), PortIdentifier::new(128, 1));
    let frame = Message::Bpdu(Bpdu::Config(rst.body)).frame(SOURCE);
    net.feed(a, Input::Frame { port, frame: &frame });
    let view = net.view(a);
    let counters = &view.ports[0].counters;
    assert_eq!((counters["too_old"], counters["own"], counters["rx_config"]), (1, 1, 2));
    assert_eq!(view.root_port, None);
    // An RST BPDU has no such rule: what is too old counts as expired at once, and the port goes on as designated.
    let frame = from_root(20, Flags::default()).frame(SOURCE);
    net.feed(a, Input::Frame { port, frame: &frame });
    net.run_for(Duration::from_secs(1));
    assert_eq!(net.role(end), PortRole::Designated);
}
