//! Walks through all eleven states by name, told by both sides (RFC 9293 figures 5 to 13).

use super::sim::{A, B, Sim};
use crate::{Options, Output, SocketId, State};
use std::collections::BTreeSet;
use trunkline_core::{Duration, Outbox};

struct Walk {
    sim: Sim,
    out: [Outbox<Output>; 2],
    ids: [Option<SocketId>; 2],
    /// Which side went from where to where, and why.
    steps: Vec<String>,
    seen: BTreeSet<State>,
}

impl Walk {
    fn new() -> Walk {
        let mut sim = Sim::new(3);
        sim.hosts.iter_mut().for_each(|host| host.watch(true));
        let out = [Outbox::new(), Outbox::new()];
        Walk { sim, out, ids: [None; 2], steps: Vec::new(), seen: BTreeSet::new() }
    }

    fn hear(&mut self) {
        for host in 0..2 {
            while let Some(output) = self.out[host].pop() {
                match output {
                    Output::State { from, to, why, .. } => {
                        self.seen.extend([from, to]);
                        self.steps.push(format!("{}: {from} -> {to} ({why})", ["A", "B"][host]));
                    }
                    Output::Incoming { id, .. } => self.ids[host] = Some(id),
                    _ => {}
                }
            }
        }
    }

    /// Lets `time` go by.
    fn pass(&mut self, time: Duration) {
        let until = self.sim.now + time;
        while self.sim.next_event().is_some_and(|at| at <= until) {
            self.sim.step(&mut self.out);
            self.hear();
        }
        self.sim.now = until;
    }

    fn listen(&mut self, host: usize) {
        self.sim.listen(host, 179, Options::default());
        self.seen.insert(State::Listen);
    }

    fn open(&mut self, host: usize, local_port: u16, port: u16) {
        let remote = ([B, A][host], port);
        let local = ([A, B][host], local_port);
        let now = self.sim.now;
        let id =
            self.sim.hosts[host].connect(now, local, remote, Options::default(), 1500, &mut self.out[host]);
        self.ids[host] = Some(id.unwrap());
        self.hear();
    }

    fn close(&mut self, host: usize) {
        let id = self.ids[host].unwrap();
        self.sim.hosts[host].close(self.sim.now, id, &mut self.out[host]).unwrap();
        self.hear();
    }

    fn steps(&mut self) -> Vec<String> {
        std::mem::take(&mut self.steps)
    }
}

/// Long enough for segments there and back, too short for TIME-WAIT.
const ROUND: Duration = Duration::from_millis(20);

#[test]
fn every_state_by_name() {
    let mut walk = Walk::new();
    walk.listen(1);
    walk.open(0, 0, 179);
    walk.pass(ROUND);
    assert_eq!(
        walk.steps(),
        [
            "A: CLOSED -> SYN-SENT (OPEN call)",
            "B: LISTEN -> SYN-RECEIVED (SYN received)",
            "A: SYN-SENT -> ESTABLISHED (SYN,ACK received)",
            "B: SYN-RECEIVED -> ESTABLISHED (ACK of SYN received)",
        ],
        "figure 6"
    );
    walk.close(0);
    walk.pass(ROUND);
    assert_eq!(
        walk.steps(),
        [
            "A: ESTABLISHED -> FIN-WAIT-1 (CLOSE call)",
            "B: ESTABLISHED -> CLOSE-WAIT (FIN received)",
            "A: FIN-WAIT-1 -> FIN-WAIT-2 (ACK of FIN received)",
        ],
        "figure 12, the first half: B has not closed"
    );
    walk.close(1);
    walk.pass(ROUND);
    assert_eq!(
        walk.steps(),
        [
            "B: CLOSE-WAIT -> LAST-ACK (CLOSE call)",
            "A: FIN-WAIT-2 -> TIME-WAIT (FIN received)",
            "B: LAST-ACK -> CLOSED (ACK of FIN received)",
        ],
        "figure 12, the second half"
    );
    walk.pass(Duration::from_secs(241));
    assert_eq!(walk.steps(), ["A: TIME-WAIT -> CLOSED (timeout)"]);

    // Simultaneous open (figure 7), then simultaneous close (figure 13).
    walk.open(0, 1000, 2000);
    walk.open(1, 2000, 1000);
    walk.pass(ROUND);
    let mut steps = walk.steps();
    steps.sort();
    assert_eq!(
        steps,
        [
            "A: CLOSED -> SYN-SENT (OPEN call)",
            "A: SYN-RECEIVED -> ESTABLISHED (ACK of SYN received)",
            "A: SYN-SENT -> SYN-RECEIVED (SYN received)",
            "B: CLOSED -> SYN-SENT (OPEN call)",
            "B: SYN-RECEIVED -> ESTABLISHED (ACK of SYN received)",
            "B: SYN-SENT -> SYN-RECEIVED (SYN received)",
        ]
    );
    walk.close(0);
    walk.close(1);
    walk.pass(ROUND);
    let mut steps = walk.steps();
    steps.sort();
    assert_eq!(
        steps,
        [
            "A: CLOSING -> TIME-WAIT (ACK of FIN received)",
            "A: ESTABLISHED -> FIN-WAIT-1 (CLOSE call)",
            "A: FIN-WAIT-1 -> CLOSING (FIN received)",
            "B: CLOSING -> TIME-WAIT (ACK of FIN received)",
            "B: ESTABLISHED -> FIN-WAIT-1 (CLOSE call)",
            "B: FIN-WAIT-1 -> CLOSING (FIN received)",
        ]
    );
    walk.pass(Duration::from_secs(241));
    assert_eq!(walk.steps(), ["A: TIME-WAIT -> CLOSED (timeout)", "B: TIME-WAIT -> CLOSED (timeout)"]);
    assert_eq!(walk.seen, BTreeSet::from(State::ALL), "all eleven");
}

#[test]
fn a_refused_open_and_an_abort() {
    let mut walk = Walk::new();
    walk.open(0, 0, 179);
    walk.pass(ROUND);
    assert_eq!(walk.steps(), ["A: CLOSED -> SYN-SENT (OPEN call)", "A: SYN-SENT -> CLOSED (RST received)"]);
    walk.listen(1);
    walk.open(0, 0, 179);
    walk.pass(ROUND);
    walk.steps();
    let id = walk.ids[0].unwrap();
    walk.sim.hosts[0].abort(walk.sim.now, id, &mut walk.out[0]).unwrap();
    walk.pass(ROUND);
    assert_eq!(
        walk.steps(),
        ["A: ESTABLISHED -> CLOSED (ABORT call)", "B: ESTABLISHED -> CLOSED (RST received)"]
    );
}

#[test]
fn a_half_closed_connection_still_carries_the_other_way() {
    let mut walk = Walk::new();
    walk.listen(1);
    walk.open(0, 0, 179);
    walk.pass(ROUND);
    let (a, b) = (walk.ids[0].unwrap(), walk.ids[1].unwrap());
    walk.sim.hosts[0].shutdown_write(walk.sim.now, a, &mut walk.out[0]).unwrap();
    walk.pass(ROUND);
    // B sends for long in CLOSE-WAIT; A is in FIN-WAIT-2 beyond the timeout that a closed socket has.
    walk.pass(Duration::from_secs(300));
    let mut got = Vec::new();
    for _ in 0..100 {
        assert_eq!(walk.sim.hosts[1].send(walk.sim.now, b, &[9; 1000], &mut walk.out[1]), Ok(1000));
        walk.pass(ROUND);
        walk.sim.hosts[0].receive(walk.sim.now, a, &mut got, usize::MAX, &mut walk.out[0]).unwrap();
    }
    walk.pass(Duration::from_millis(100));
    walk.sim.hosts[0].receive(walk.sim.now, a, &mut got, usize::MAX, &mut walk.out[0]).unwrap();
    assert_eq!(got.len(), 100_000);
    assert_eq!(walk.sim.hosts[0].state(a), Some(State::FinWait2));
    assert_eq!(walk.sim.hosts[1].state(b), Some(State::CloseWait));
}
