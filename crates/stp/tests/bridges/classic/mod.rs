//! STP of 1998 with what vendors added.

mod backbone;
mod guards;
mod table;
mod tree;
mod uplink;

use crate::rig::{DELAY, Net, address, secs};
use trunkline_core::Instant;
use trunkline_stp::{Config, PortRole, PortState, Protocol};
use trunkline_wire::stp::{Bpdu, Message, Priority, Time};

/// A, the root, is linked to B and C; D to B, its root port, and to C, which is blocked at D.
struct Square {
    net: Net,
    ab: usize,
    ac: usize,
    bd: usize,
    cd: usize,
}

const A: usize = 0;
const B: usize = 1;
const C: usize = 2;
const D: usize = 3;

/// Bridges with priorities that go up by steps from 0, and what the closure sets.
fn bridges(count: u16, change: impl Fn(&mut Config)) -> Net {
    let mut net = Net::new(1);
    for n in 0..count {
        let number = usize::from(n) + 1;
        let mut config = Config { priority: 4096 * n, ..Config::new(Protocol::Stp, address(number)) };
        change(&mut config);
        net.bridge_with(config);
    }
    net
}

fn square(change: impl Fn(&mut Config)) -> Square {
    let mut net = bridges(4, change);
    let (ab, ac) = (net.lan(&[A, B]), net.lan(&[A, C]));
    let (bd, cd) = (net.lan(&[B, D]), net.lan(&[C, D]));
    Square { net, ab, ac, bd, cd }
}

fn settled(change: impl Fn(&mut Config)) -> Square {
    let mut s = square(change);
    s.net.run_for(secs(71.5));
    s.net.assert_settled();
    assert_eq!(s.net.role(s.net.end(s.bd, D)), PortRole::Root);
    assert_eq!(s.net.state(s.net.end(s.cd, D)), PortState::Blocking);
    assert_eq!(s.net.loops, []);
    s
}

fn config(message: &Message) -> Option<Priority> {
    match message {
        Message::Bpdu(Bpdu::Config(body)) => Some(*body),
        _ => None,
    }
}

fn is_tcn(message: &Message) -> bool {
    *message == Message::Bpdu(Bpdu::Tcn)
}

/// When the last Configuration BPDU came to a port, and how old it was.
fn last_heard(net: &Net, bridge: usize, lan: usize) -> (Instant, Time) {
    let from = net.lans[lan].ends.iter().find(|(b, _)| *b != bridge).copied().unwrap();
    let sent = net.sent_by(from, Instant::ZERO);
    let (at, body) = sent.iter().rev().find_map(|(at, m)| Some((*at, config(m)?))).unwrap();
    (at + DELAY, body.message_age)
}
