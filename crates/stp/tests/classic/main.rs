//! STP of 1998 with what vendors added, seen from outside: several bridges on links in virtual time.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, reason = "a test")]

#[path = "../rig/mod.rs"]
mod rig;

mod backbone;
mod graphs;
mod guards;
mod storm;
mod table;
mod tree;
mod uplink;

use rig::{DELAY, Rig, secs, truth};
use trunkline_core::Instant;
use trunkline_stp::{Config, PortRole, PortState, Protocol};
use trunkline_wire::stp::{Bpdu, Message, Priority, Time};

/// A, the root, is linked to B and C; D to B, its root port, and to C, which is blocked at D.
struct Square {
    rig: Rig,
    ab: usize,
    ac: usize,
    bd: usize,
    cd: usize,
}

const A: usize = 0;
const B: usize = 1;
const C: usize = 2;
const D: usize = 3;

fn square(change: impl Fn(&mut Config)) -> Square {
    let mut rig = Rig::new();
    for n in 0..4u16 {
        rig.bridge(Protocol::Stp, |c| {
            c.priority = 4096 * n;
            change(c);
        });
    }
    let (ab, ac) = (rig.link(A, B), rig.link(A, C));
    let (bd, cd) = (rig.link(B, D), rig.link(C, D));
    rig.start();
    Square { rig, ab, ac, bd, cd }
}

fn settled(change: impl Fn(&mut Config)) -> Square {
    let mut s = square(change);
    s.rig.run(secs(71.5));
    assert_eq!(truth::differences(&s.rig), Vec::<String>::new());
    assert_eq!(s.rig.role(D, s.rig.port(D, s.bd)), PortRole::Root);
    assert_eq!(s.rig.state(D, s.rig.port(D, s.cd)), PortState::Blocking);
    assert_eq!(s.rig.loops, []);
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
fn last_heard(rig: &Rig, bridge: usize, lan: usize) -> (Instant, Time) {
    let from = rig.lans[lan].ends.iter().find(|(b, _)| *b != bridge).copied().unwrap();
    let sent = rig.sent(from, Instant::ZERO);
    let (at, body) = sent.iter().rev().find_map(|(at, m)| Some((*at, config(m)?))).unwrap();
    (at + DELAY, body.message_age)
}
