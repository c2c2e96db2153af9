//! Tests of address resolution. One machine, "us" (10.0.0.1/24), is driven by hand; in `lan` several drive each other.

mod cache;
mod lan;
mod matrix;
mod own;
mod receive;
mod storm;

use crate::*;
use std::net::Ipv4Addr;
use trunkline_core::{Duration, Frame, Instant, MacAddr, Outbox, Rng};
use trunkline_wire::arp::{Arp as Packet, Operation};

const US: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
const PEER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);
const OTHER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 3);
const NOBODY: Ipv4Addr = Ipv4Addr::UNSPECIFIED;
const OUR_MAC: MacAddr = MacAddr([2, 0, 0, 0, 0, 1]);
const PEER_MAC: MacAddr = MacAddr([2, 0, 0, 0, 0, 2]);
const NEW_MAC: MacAddr = MacAddr([2, 0, 0, 0, 0, 0x22]);
const OTHER_MAC: MacAddr = MacAddr([2, 0, 0, 0, 0, 3]);

const fn s(secs: u64) -> Instant {
    Instant::from_secs(secs)
}

const fn ms(millis: u64) -> Instant {
    Instant::from_nanos(millis * 1_000_000)
}

fn frame(n: u8) -> Frame {
    Frame::from(vec![n; 20])
}

fn packet(operation: Operation, sender: (Ipv4Addr, MacAddr), target: Ipv4Addr) -> Packet {
    let target_hardware = if operation == Operation::Reply { OUR_MAC } else { MacAddr::UNSPECIFIED };
    Packet {
        operation,
        sender_hardware: sender.1,
        sender_protocol: sender.0,
        target_hardware,
        target_protocol: target,
    }
}

fn request(sender: (Ipv4Addr, MacAddr), target: Ipv4Addr) -> Packet {
    packet(Operation::Request, sender, target)
}

fn reply(sender: (Ipv4Addr, MacAddr), target: Ipv4Addr) -> Packet {
    packet(Operation::Reply, sender, target)
}

/// A machine with its clock.
struct Us {
    arp: Arp,
    now: Instant,
    out: Outbox<Output>,
}

impl Us {
    /// Nothing is known yet.
    fn bare(config: Config) -> Us {
        Us { arp: Arp::new(config, Rng::new(7)), now: Instant::ZERO, out: Outbox::new() }
    }

    /// The link is up, we have 10.0.0.1/24, all announcements are over.
    fn up(config: Config) -> Us {
        let mut us = Us::bare(config);
        us.input(Input::Link { up: true, address: OUR_MAC });
        us.input(Input::Addresses(&[(US, 24)]));
        us.run_until(s(20));
        us
    }

    fn input(&mut self, input: Input<'_>) -> Vec<Output> {
        self.arp.handle(self.now, input, &mut self.out);
        self.out.drain().collect()
    }

    /// A packet by broadcast, or to us alone where it is a reply.
    fn hear(&mut self, packet: Packet) -> Vec<Output> {
        let to_us = packet.operation == Operation::Reply && packet.target_hardware == OUR_MAC;
        self.input(Input::Packet { arp: &packet, source: packet.sender_hardware, to_us })
    }

    fn send(&mut self, next_hop: Ipv4Addr, n: u8) -> Vec<Output> {
        self.input(Input::Send { next_hop, packet: frame(n) })
    }

    /// What comes out until `end`, with the time.
    fn run_until(&mut self, end: Instant) -> Vec<(Instant, Output)> {
        let mut all = Vec::new();
        while let Some(at) = self.arp.poll_timeout().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.arp.handle_timeout(self.now, &mut self.out);
            all.extend(self.out.drain().map(|output| (self.now, output)));
        }
        self.now = end;
        all
    }

    fn state(&self, address: Ipv4Addr) -> Option<State> {
        self.entry(address).map(|entry| entry.state)
    }

    fn entry(&self, address: Ipv4Addr) -> Option<Entry> {
        self.arp.entries(self.now).find(|entry| entry.address == address)
    }

    fn mac(&self, address: Ipv4Addr) -> Option<MacAddr> {
        self.entry(address).and_then(|entry| entry.mac)
    }

    /// Makes a neighbour be in a state.
    fn put(&mut self, address: Ipv4Addr, mac: MacAddr, state: State) {
        match state {
            State::Incomplete => drop(self.send(address, 0)),
            State::Failed => {
                self.send(address, 0);
                self.run_until(self.now + Duration::from_secs(3));
            }
            State::Reachable => {
                self.send(address, 0);
                self.hear(reply((address, mac), US));
            }
            State::Stale => drop(self.hear(request((address, mac), US))),
            State::Delay => {
                self.put(address, mac, State::Stale);
                assert_eq!(self.arp.lookup(self.now, address), Some(mac));
            }
            State::Probe => {
                self.put(address, mac, State::Delay);
                self.run_until(self.now + Duration::from_secs(5));
            }
            State::Permanent => drop(self.input(Input::Static { address, mac: Some(mac) })),
        }
        assert_eq!(self.state(address), Some(state));
    }
}

/// Outputs in short words.
fn words(outputs: &[Output]) -> String {
    let mut words = Vec::new();
    for output in outputs {
        words.push(match output {
            Output::Arp { destination, arp } if destination.is_broadcast() => format!("all: {arp}"),
            Output::Arp { destination, arp } => format!("{destination}: {arp}"),
            Output::Packet { destination, packet } => format!("packet {} to {destination}", packet[0]),
            Output::Unreachable { packet, .. } => format!("packet {} is unreachable", packet[0]),
            Output::Proxy(request) => format!("proxy for {}?", request.target),
            Output::Address { address, state } => format!("{address} is {state}"),
            Output::Event(event) => format!("({event})"),
        });
    }
    words.join("; ")
}

fn at(timed: &[(Instant, Output)]) -> Vec<String> {
    timed
        .iter()
        .map(|(at, output)| {
            format!("{} ms {}", at.as_nanos() / 1_000_000, words(std::slice::from_ref(output)))
        })
        .collect()
}
