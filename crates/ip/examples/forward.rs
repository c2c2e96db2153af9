//! Measures what forwarding a packet costs: `cargo run --release -p trunkline-ip --example forward [ROUTES]`.
#![allow(clippy::disallowed_methods, clippy::expect_used)]

use std::net::Ipv4Addr;
use std::time::Instant as Clock;

use trunkline_core::{Frame, Instant, Ipv4Prefix, Outbox, PortId, Rng};
use trunkline_ip::{Config, HEADROOM, Input, InterfaceConfig, Ip, Output, Route};
use trunkline_wire::ipv4::{Header, Protocol};

const PACKETS: usize = 4096;
const ROUNDS: usize = 500;

fn interface(address: [u8; 4]) -> Option<InterfaceConfig> {
    Some(InterfaceConfig { addresses: vec![(address.into(), 24)], ..InterfaceConfig::new("eth") })
}

fn main() {
    let routes: usize = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(1000);
    let mut rng = Rng::new(1);
    let mut ip = Ip::new(Config { forwarding: true, ..Config::default() }, rng.fork());
    let mut out = Outbox::new();
    for (id, address) in [(PortId(0), [10, 0, 0, 1]), (PortId(1), [10, 0, 1, 1])] {
        ip.handle(Instant::ZERO, Input::Interface { id, config: interface(address) }, &mut out);
    }
    let clock = Clock::now();
    let mut prefixes = Vec::new();
    for _ in 0..routes {
        let bits = 0x1000_0000 + (rng.next_u64() as u32 & 0x3fff_ffff);
        let prefix = Ipv4Prefix::from_bits(bits, 16 + rng.below(9) as u8);
        let gateway = Ipv4Addr::new(10, 0, 1, 2 + rng.below(100) as u8);
        let route = Some(Route::new(prefix, Some(gateway), PortId(1)));
        ip.handle(Instant::ZERO, Input::Route { prefix, route }, &mut out);
        prefixes.push(prefix);
    }
    println!("{routes} routes: {:.0} ns each to install", clock.elapsed().as_nanos() as f64 / routes as f64);
    let mut packets: Vec<Frame> = (0..PACKETS)
        .map(|_| {
            let to = prefixes.get(rng.below(routes as u64) as usize).expect("a route").addr().octets();
            let header = Header {
                ttl: 255,
                ..Header::new(Protocol::UDP, [10, 0, 0, 9].into(), [to[0], to[1], to[2], 9].into())
            };
            let mut packet = vec![0; HEADROOM];
            header.emit(64, &mut packet);
            packet.extend([7; 64]);
            Frame::from(packet)
        })
        .collect();
    let mut best = f64::MAX;
    for _ in 0..ROUNDS {
        for packet in &mut packets {
            // The TTL again, and with it the checksum.
            let header = Header::parse(&packet[HEADROOM..]).expect("a packet").0;
            let mut fresh = Vec::new();
            Header { ttl: 255, ..header }.emit(64, &mut fresh);
            packet.make_mut()[HEADROOM..HEADROOM + 20].copy_from_slice(&fresh);
        }
        let clock = Clock::now();
        let mut next = Vec::with_capacity(PACKETS);
        for packet in packets.drain(..) {
            ip.handle(
                Instant::ZERO,
                Input::Packet { interface: PortId(0), packet, link_broadcast: false },
                &mut out,
            );
            if let Some(Output::Transmit { packet, .. }) = out.pop() {
                next.push(packet);
            }
        }
        best = best.min(clock.elapsed().as_nanos() as f64 / PACKETS as f64);
        packets = next;
        assert_eq!(packets.len(), PACKETS, "a packet was not forwarded");
    }
    println!("forwarding a packet: {best:.1} ns (best of {ROUNDS} rounds of {PACKETS})");
}
