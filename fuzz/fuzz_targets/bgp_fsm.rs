//! One neighbour's session with arbitrary inputs: it never panics, and its connections are accounted for.
//!
//! The first octet chooses the configuration. Then each step is an octet that says what happens, an octet that says to
//! which connection, and what that needs.
#![no_main]

use libfuzzer_sys::fuzz_target;
use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use trunkline_bgp::config::NeighborConfig;
use trunkline_bgp::session::{Input, Local, Negotiated, Output, Receiver, Restart, Session, State};
use trunkline_bgp::transport::{TcpAction, TcpError};
use trunkline_core::{Asn, ConnId, Duration, Instant, Outbox, Rng};
use trunkline_wire::bgp::{
    Capability, ErrorCode, Family, MAX_EXTENDED_MESSAGE_LEN, Notification, Open, OptionalParameter, Role,
    RouteRefresh, RouteRefreshSubtype, emit_end_of_rib, emit_keepalive, frame,
};

struct Sink;

impl Receiver for Sink {
    fn update(&mut self, body: &[u8], _: &Negotiated) -> Result<(), Notification> {
        match body.first() {
            Some(0xee) => Err(ErrorCode::MALFORMED_ATTRIBUTE_LIST.into()),
            _ => Ok(()),
        }
    }

    fn route_refresh(&mut self, _: RouteRefresh, _: &Negotiated) {}
}

struct World<'a> {
    data: &'a [u8],
    now: Instant,
    session: Session,
    out: Outbox<Output>,
    open: BTreeSet<ConnId>,
    pending: BTreeSet<ConnId>,
    incoming: u64,
    up: bool,
}

fn config(octet: u8) -> NeighborConfig {
    let mut c = NeighborConfig::new(Ipv4Addr::new(192, 0, 2, 2).into(), Asn(65002), Asn(65001));
    c.delay_open = u16::from(octet & 1) * 3;
    c.passive = octet & 2 != 0;
    c.collision_detect_established = octet & 4 != 0;
    c.notification_without_open = octet & 8 != 0;
    c.idle_hold = u16::from(octet & 16 == 0);
    c.damp_peer_oscillations = octet & 32 != 0;
    c.role = (octet & 64 != 0).then_some(Role::Peer);
    if octet & 128 != 0 {
        c.families.push(Family::IPV6_UNICAST);
    }
    c
}

fn an_open(kind: u8) -> Vec<u8> {
    let mut capabilities = vec![Capability::Multiprotocol(Family::IPV4_UNICAST), Capability::RouteRefresh];
    if kind & 8 != 0 {
        capabilities.push(Capability::GracefulRestart {
            restart_state: false,
            notification: kind & 16 != 0,
            restart_time: 100,
            families: vec![(Family::IPV4_UNICAST, true)],
        });
    }
    if kind & 32 != 0 {
        capabilities.push(Capability::ExtendedMessage);
    }
    let open = Open {
        version: 4,
        my_as: if kind & 1 != 0 { 600 } else { 65002 },
        hold_time: if kind & 2 != 0 { 0 } else { 90 },
        bgp_identifier: Ipv4Addr::new(10, 0, 0, if kind & 4 != 0 { 0 } else { 2 }),
        parameters: vec![OptionalParameter::Capabilities(capabilities)],
    };
    emitted(|b| open.emit(b))
}

fn emitted(emit: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut bytes = Vec::new();
    emit(&mut bytes);
    bytes
}

impl World<'_> {
    fn octet(&mut self) -> Option<u8> {
        let (first, rest) = self.data.split_first()?;
        self.data = rest;
        Some(*first)
    }

    fn conn(&self, pick: u8) -> Option<ConnId> {
        let up: Vec<_> = self.open.difference(&self.pending).collect();
        up.get(usize::from(pick) % up.len().max(1)).map(|c| **c)
    }

    fn step(&mut self) -> Option<()> {
        let (op, pick) = (self.octet()?, self.octet()?);
        let end = |n: u8| SocketAddr::new(Ipv4Addr::new(192, 0, 2, n).into(), 179);
        let (local, remote) = (end(1), end(2));
        let input = match op % 18 {
            0 => Some(Input::ManualStart),
            1 => Some(Input::AutomaticStart),
            2 => Some(Input::ManualStop { message: Some("why not".repeat(usize::from(pick))) }),
            3 => Some(Input::AutomaticStop {
                notification: ErrorCode { code: 6, subcode: pick % 11 }.into(),
                reason: String::new(),
                restart: match pick / 11 % 3 {
                    0 => Restart::Normal,
                    1 => Restart::After(Duration::from_secs(9)),
                    _ => Restart::Never,
                },
            }),
            4 | 5 => {
                let conn = self.pending.iter().copied().nth(usize::from(pick) % self.pending.len().max(1));
                conn.map(|conn| {
                    self.pending.remove(&conn);
                    Input::Connected { conn, local, remote }
                })
            }
            6 => {
                self.incoming += 1;
                let conn = ConnId::incoming(self.incoming);
                self.open.insert(conn);
                Some(Input::Incoming { conn, local, remote })
            }
            7 => {
                let conn = self.open.iter().copied().nth(usize::from(pick) % self.open.len().max(1));
                conn.map(|conn| {
                    self.open.remove(&conn);
                    self.pending.remove(&conn);
                    Input::Closed { conn, error: TcpError::EndOfStream }
                })
            }
            8 => self.conn(pick).map(|conn| Input::Written { conn, pending: pick & 128 != 0 }),
            9 => Some(Input::SendRouteRefresh(RouteRefresh {
                family: Family::IPV4_UNICAST,
                subtype: RouteRefreshSubtype::from(pick % 4),
            })),
            10 => return Some(self.wait(u64::from(pick) * 250)),
            11 => {
                let new = Arc::new(config(self.octet()?));
                self.session.reconfigure(self.now, new, &mut self.out);
                None
            }
            12 | 13 => {
                let open = an_open(self.octet()?);
                return Some(self.receive(pick, &open));
            }
            14 => return Some(self.receive(pick, &emitted(emit_keepalive))),
            15 => return Some(self.receive(pick, &emitted(|b| emit_end_of_rib(Family::IPV4_UNICAST, b)))),
            16 => {
                let error = ErrorCode { code: self.octet()? % 9, subcode: self.octet()? % 12 };
                return Some(self.receive(
                    pick,
                    &emitted(|b| Notification::with_data(error, [6, 0, 1, 4, 0, 2, 0, 1]).emit(b)),
                ));
            }
            _ => {
                let len = usize::from(self.octet()?).min(self.data.len());
                let (bytes, rest) = self.data.split_at(len);
                self.data = rest;
                return Some(self.receive(pick, bytes));
            }
        };
        if let Some(input) = input {
            self.session.handle(self.now, input, &mut self.out);
        }
        Some(())
    }

    fn receive(&mut self, pick: u8, bytes: &[u8]) {
        let Some(conn) = self.conn(pick) else { return };
        let mut rest = Some(bytes);
        while let Some(bytes) = rest {
            rest = self.session.receive(self.now, conn, bytes, &mut Sink, &mut self.out);
            self.carry_out();
        }
    }

    fn wait(&mut self, millis: u64) {
        let until = self.now + Duration::from_millis(millis);
        for _ in 0..1000 {
            let Some(at) = self.session.poll_timeout().filter(|at| *at <= until) else { break };
            self.now = self.now.max(at);
            self.session.handle_timeout(self.now, &mut self.out);
            self.carry_out();
        }
        assert!(self.session.poll_timeout().is_none_or(|at| at > until), "timers spin");
        self.now = until;
    }

    fn pull(&mut self, conn: ConnId) {
        let mut buf = Vec::new();
        self.session.poll_transmit(conn, &mut buf);
        let mut rest = buf.as_slice();
        while !rest.is_empty() {
            let whole = frame(rest, MAX_EXTENDED_MESSAGE_LEN).expect("well-formed").expect("whole");
            rest = &rest[whole.message.len()..];
        }
    }

    fn carry_out(&mut self) {
        while let Some(output) = self.out.pop() {
            match output {
                Output::Tcp(TcpAction::Connect { conn, .. }) => {
                    assert!(self.open.insert(conn));
                    self.pending.insert(conn);
                }
                Output::Tcp(TcpAction::Close { conn, .. }) => {
                    self.pull(conn);
                    assert!(self.open.remove(&conn) && !self.session.owns(conn));
                    self.pending.remove(&conn);
                }
                Output::Tcp(TcpAction::Transmit(conn)) => self.pull(conn),
                Output::Established { .. } => assert!(!std::mem::replace(&mut self.up, true)),
                Output::Down { .. } => assert!(std::mem::replace(&mut self.up, false)),
                _ => {}
            }
        }
        assert_eq!(self.up, self.session.state() == State::Established);
        assert_eq!(self.up, self.session.negotiated().is_some());
        assert!(self.open.len() <= 2 && self.open.iter().all(|c| self.session.owns(*c)));
    }
}

fuzz_target!(|data: &[u8]| {
    let Some((first, data)) = data.split_first() else { return };
    let local =
        Local { asn: Asn(65001), router_id: Ipv4Addr::new(10, 0, 0, 1), host_name: "fuzz".to_owned() };
    let mut world = World {
        data,
        now: Instant::ZERO,
        session: Session::new(1, Arc::new(local), Arc::new(config(*first)), false, Rng::new(1)),
        out: Outbox::new(),
        open: BTreeSet::new(),
        pending: BTreeSet::new(),
        incoming: 0,
        up: false,
    };
    world.session.handle(world.now, Input::AutomaticStart, &mut world.out);
    world.carry_out();
    while world.step().is_some() {
        world.carry_out();
    }
});
