//! Arbitrary inputs: nothing panics, and connections are accounted for.

use super::rig::{Sink, config, keepalive, local, open, update};
use crate::session::{Input, Output, Restart, Session, State};
use crate::transport::{TcpAction, TcpError};
use proptest::prelude::*;
use std::collections::BTreeSet;
use trunkline_core::{Applied, ConnId, Duration, Instant, Outbox, Rng};
use trunkline_wire::bgp::{Capability, ErrorCode, Family, Notification, RouteRefresh, RouteRefreshSubtype};

#[derive(Debug, Clone)]
enum Op {
    Start(bool),
    Stop,
    AutomaticStop(u8),
    /// The oldest, newest connection that we ask for comes up.
    Connected(bool),
    Incoming,
    Closed(u8),
    Written(u8, bool),
    Refresh,
    Open(u8, u8),
    Keepalive(u8),
    Update(u8),
    Notify(u8, u8, u8),
    Bytes(u8, Vec<u8>),
    Wait(u16),
    Reconfigure(u8),
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        1 => any::<bool>().prop_map(Op::Start),
        1 => Just(Op::Stop),
        1 => (0u8..3).prop_map(Op::AutomaticStop),
        4 => any::<bool>().prop_map(Op::Connected),
        3 => Just(Op::Incoming),
        2 => any::<u8>().prop_map(Op::Closed),
        1 => (any::<u8>(), any::<bool>()).prop_map(|(c, p)| Op::Written(c, p)),
        1 => Just(Op::Refresh),
        4 => (any::<u8>(), any::<u8>()).prop_map(|(c, k)| Op::Open(c, k)),
        4 => any::<u8>().prop_map(Op::Keepalive),
        2 => any::<u8>().prop_map(Op::Update),
        1 => (any::<u8>(), 1u8..8, 0u8..12).prop_map(|(c, a, b)| Op::Notify(c, a, b)),
        1 => (any::<u8>(), prop::collection::vec(any::<u8>(), 0..60)).prop_map(|(c, b)| Op::Bytes(c, b)),
        3 => (0u16..400).prop_map(Op::Wait),
        1 => (0u8..6).prop_map(Op::Reconfigure),
    ]
}

/// The session with what a driver would know.
struct World {
    now: Instant,
    session: Session,
    out: Outbox<Output>,
    sink: Sink,
    /// Connections that exist at the driver.
    open: BTreeSet<ConnId>,
    /// Those of them that are not up yet.
    pending: BTreeSet<ConnId>,
    incoming: u64,
    up: bool,
}

impl World {
    fn conn(&self, pick: u8) -> Option<ConnId> {
        let up: Vec<_> = self.open.difference(&self.pending).collect();
        up.get(usize::from(pick) % up.len().max(1)).map(|c| **c)
    }

    fn apply(&mut self, op: Op) {
        let ends = ("192.0.2.1:179".parse().unwrap(), "192.0.2.2:179".parse().unwrap());
        let (local, remote) = ends;
        let input = match op {
            Op::Start(true) => Some(Input::ManualStart),
            Op::Start(false) => Some(Input::AutomaticStart),
            Op::Stop => Some(Input::ManualStop { message: Some("x".repeat(300)) }),
            Op::AutomaticStop(n) => Some(Input::AutomaticStop {
                notification: ErrorCode::ADMINISTRATIVE_RESET.into(),
                reason: String::new(),
                restart: [Restart::Normal, Restart::After(Duration::from_secs(9)), Restart::Never]
                    [usize::from(n)],
            }),
            Op::Connected(newest) => {
                let conn = if newest { self.pending.last() } else { self.pending.first() }.copied();
                conn.map(|conn| {
                    self.pending.remove(&conn);
                    Input::Connected { conn, local, remote }
                })
            }
            Op::Incoming => {
                self.incoming += 1;
                let conn = ConnId::incoming(self.incoming);
                self.open.insert(conn);
                Some(Input::Incoming { conn, local, remote })
            }
            Op::Closed(pick) => {
                let all: Vec<_> = self.open.iter().copied().collect();
                all.get(usize::from(pick) % all.len().max(1)).map(|conn| {
                    self.open.remove(conn);
                    self.pending.remove(conn);
                    Input::Closed { conn: *conn, error: TcpError::Reset }
                })
            }
            Op::Written(pick, pending) => self.conn(pick).map(|conn| Input::Written { conn, pending }),
            Op::Refresh => Some(Input::SendRouteRefresh(RouteRefresh {
                family: Family::IPV4_UNICAST,
                subtype: RouteRefreshSubtype::Request,
            })),
            Op::Wait(tenths) => return self.wait(tenths),
            Op::Reconfigure(n) => return self.reconfigure(n),
            Op::Open(pick, kind) => return self.bytes(pick, &an_open(kind)),
            Op::Keepalive(pick) => return self.bytes(pick, &keepalive()),
            Op::Update(pick) => return self.bytes(pick, &update()),
            Op::Notify(pick, code, subcode) => {
                let mut bytes = Vec::new();
                Notification::with_data(ErrorCode { code, subcode }, [64, 2, 0, 0]).emit(&mut bytes);
                return self.bytes(pick, &bytes);
            }
            Op::Bytes(pick, bytes) => return self.bytes(pick, &bytes),
        };
        if let Some(input) = input {
            self.session.handle(self.now, input, &mut self.out);
        }
    }

    fn bytes(&mut self, pick: u8, bytes: &[u8]) {
        if let Some(conn) = self.conn(pick) {
            let mut rest = Some(bytes);
            while let Some(bytes) = rest {
                rest = self.session.receive(self.now, conn, bytes, &mut self.sink, &mut self.out);
            }
        }
    }

    fn wait(&mut self, tenths: u16) {
        let until = self.now + Duration::from_millis(u64::from(tenths) * 100);
        for _ in 0..10_000 {
            let Some(at) = self.session.poll_timeout().filter(|at| *at <= until) else { break };
            self.now = self.now.max(at);
            self.session.handle_timeout(self.now, &mut self.out);
            self.check();
        }
        assert!(self.session.poll_timeout().is_none_or(|at| at > until), "timers spin");
        self.now = until;
    }

    fn reconfigure(&mut self, n: u8) {
        let new = config(65002, |c| match n {
            0 => c.passive = true,
            1 => c.delay_open = 2,
            2 => c.enabled = false,
            3 => c.families.push(Family::IPV6_UNICAST),
            4 => c.collision_detect_established = true,
            _ => c.hold_time = 3,
        });
        let _: Applied = self.session.reconfigure(self.now, new, &mut self.out);
    }

    /// Carries out the outputs as a driver does, and checks that they make sense.
    fn check(&mut self) {
        while let Some(output) = self.out.pop() {
            match output {
                Output::Tcp(TcpAction::Connect { conn, .. }) => {
                    assert!(self.open.insert(conn), "an id is used once");
                    self.pending.insert(conn);
                }
                Output::Tcp(TcpAction::Close { conn, .. }) => {
                    let mut last = Vec::new();
                    self.session.poll_transmit(conn, &mut last);
                    super::rig::read_messages(&last);
                    assert!(self.open.remove(&conn), "{conn:?} is closed once, and only while it exists");
                    self.pending.remove(&conn);
                    assert!(!self.session.owns(conn));
                }
                Output::Tcp(TcpAction::Transmit(conn)) => {
                    let mut buf = Vec::new();
                    self.session.poll_transmit(conn, &mut buf);
                    super::rig::read_messages(&buf);
                }
                Output::Established { .. } => {
                    assert!(!self.up, "Established twice");
                    self.up = true;
                }
                Output::Down { .. } => {
                    assert!(self.up, "down without having been up");
                    self.up = false;
                }
                _ => {}
            }
        }
        assert_eq!(self.up, self.session.state() == State::Established);
        assert_eq!(self.up, self.session.negotiated().is_some());
        assert!(self.open.iter().all(|c| self.session.owns(*c)), "what is open is owned");
        assert!(self.open.len() <= 2);
        assert!(
            self.session.primary.state == State::Established || !self.up,
            "the established FSM is the first"
        );
        if let Some(second) = &self.session.second {
            assert!(
                second.is_up() && self.session.primary.conn.is_some() && second.state != State::Established
            );
        }
        let idle = self.session.state() == State::Idle;
        assert!(!idle || self.open.is_empty(), "Idle has no connections");
        let mut view = super::rig::empty_view();
        self.session.describe(self.now, &mut view);
        assert!(view.errors.len() <= 8);
    }
}

fn an_open(kind: u8) -> Vec<u8> {
    let open = open(|o| {
        match kind % 8 {
            0 => o.my_as = 600,
            1 => o.bgp_identifier = std::net::Ipv4Addr::new(10, 0, 0, 0),
            2 => super::rig::without(o, 65),
            3 => o.hold_time = 0,
            _ => {}
        }
        if kind & 8 != 0 {
            super::rig::with(
                o,
                Capability::GracefulRestart {
                    restart_state: kind & 16 != 0,
                    notification: kind & 32 != 0,
                    restart_time: 100,
                    families: vec![(Family::IPV4_UNICAST, true)],
                },
            );
        }
    });
    let mut bytes = Vec::new();
    open.emit(&mut bytes);
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4096, max_shrink_iters: 4096, ..ProptestConfig::default() })]

    #[test]
    fn any_inputs(ops in prop::collection::vec(op(), 1..60), variant in 0u8..32) {
        let config = config(65002, |c| {
            c.delay_open = u16::from(variant & 1) * 3;
            c.passive = variant & 2 != 0;
            c.collision_detect_established = variant & 4 != 0;
            c.notification_without_open = variant & 8 != 0;
            c.idle_hold = u16::from(variant & 16 == 0);
        });
        let mut world = World {
            now: Instant::ZERO,
            session: Session::new(1, local(65001, 1), config, false, Rng::new(variant.into())),
            out: Outbox::new(),
            sink: Sink::default(),
            open: BTreeSet::new(),
            pending: BTreeSet::new(),
            incoming: 0,
            up: false,
        };
        world.session.handle(world.now, Input::AutomaticStart, &mut world.out);
        world.check();
        for op in ops {
            world.apply(op);
            world.check();
        }
    }
}
