//! One session and the hands of its driver.

use crate::config::NeighborConfig;
use crate::session::{Input, Local, Negotiated, Output, Receiver, Session, State};
use crate::transport::{TcpAction, TcpError};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use trunkline_core::{Asn, ConnId, Duration, Instant, Outbox, Rng};
use trunkline_view::EventKind;
use trunkline_view::bgp::{NeighborSummary, NeighborView};
use trunkline_wire::bgp::{
    Capability, Family, MAX_EXTENDED_MESSAGE_LEN, MessageType, Notification, Open, OptionalParameter,
    RouteRefresh, frame,
};

pub(super) const PEER: &str = "192.0.2.2";

/// Counts what an established session receives.
#[derive(Default, Debug)]
pub(super) struct Sink {
    pub(super) updates: Vec<Vec<u8>>,
    pub(super) refreshes: Vec<RouteRefresh>,
    pub(super) error: Option<Notification>,
}

impl Receiver for Sink {
    fn update(&mut self, body: &[u8], _: &Negotiated) -> Result<(), Notification> {
        self.updates.push(body.to_vec());
        self.error.take().map_or(Ok(()), Err)
    }

    fn route_refresh(&mut self, message: RouteRefresh, _: &Negotiated) {
        self.refreshes.push(message);
    }
}

/// A message that the session sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Sent {
    Open(Open),
    Update,
    Notification(Notification),
    Keepalive,
    RouteRefresh(RouteRefresh),
}

pub(super) fn read_messages(mut bytes: &[u8]) -> Vec<Sent> {
    let mut messages = Vec::new();
    while let Some(f) = frame(bytes, MAX_EXTENDED_MESSAGE_LEN).expect("well-formed") {
        messages.push(match f.kind {
            MessageType::Open => Sent::Open(Open::parse(f.body).expect("a valid OPEN")),
            MessageType::Update => Sent::Update,
            MessageType::Notification => Sent::Notification(Notification::parse(f.body).unwrap()),
            MessageType::Keepalive => Sent::Keepalive,
            MessageType::RouteRefresh => Sent::RouteRefresh(RouteRefresh::parse(f.body).unwrap()),
        });
        bytes = &bytes[f.message.len()..];
    }
    assert!(bytes.is_empty(), "whole messages only");
    messages
}

pub(super) fn local(asn: u32, id: u8) -> Arc<Local> {
    Arc::new(Local { asn: Asn(asn), router_id: Ipv4Addr::new(10, 0, 0, id), host_name: "r".to_owned() })
}

pub(super) fn config(asn: u32, change: impl FnOnce(&mut NeighborConfig)) -> Arc<NeighborConfig> {
    let mut config = NeighborConfig::new(PEER.parse().unwrap(), Asn(asn), Asn(65001));
    config.hold_time = 90;
    change(&mut config);
    Arc::new(config)
}

/// A peer's OPEN: AS 65002, 10.0.0.2, what a modern speaker offers.
pub(super) fn open(change: impl FnOnce(&mut Open)) -> Open {
    let mut open = Open {
        version: 4,
        my_as: 65002,
        hold_time: 180,
        bgp_identifier: Ipv4Addr::new(10, 0, 0, 2),
        parameters: vec![OptionalParameter::Capabilities(vec![
            Capability::Multiprotocol(Family::IPV4_UNICAST),
            Capability::RouteRefresh,
            Capability::EnhancedRouteRefresh,
            Capability::FourOctetAs(Asn(65002)),
        ])],
    };
    change(&mut open);
    open
}

pub(super) fn with(open: &mut Open, capability: Capability) {
    match open.parameters.first_mut() {
        Some(OptionalParameter::Capabilities(list)) => list.push(capability),
        _ => open.parameters.push(OptionalParameter::Capabilities(vec![capability])),
    }
}

pub(super) fn without(open: &mut Open, code: u8) {
    if let Some(OptionalParameter::Capabilities(list)) = open.parameters.first_mut() {
        list.retain(|c| c.code() != code);
    }
}

pub(super) fn bytes(emit: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut out = Vec::new();
    emit(&mut out);
    out
}

pub(super) fn keepalive() -> Vec<u8> {
    bytes(trunkline_wire::bgp::emit_keepalive)
}

pub(super) fn update() -> Vec<u8> {
    bytes(|b| trunkline_wire::bgp::emit_end_of_rib(Family::IPV4_UNICAST, b))
}

pub(super) struct Rig {
    pub(super) now: Instant,
    pub(super) session: Session,
    pub(super) out: Outbox<Output>,
    pub(super) sink: Sink,
    incoming: u64,
}

impl Rig {
    pub(super) fn new(config: Arc<NeighborConfig>) -> Rig {
        Rig::of(local(65001, 1), config)
    }

    pub(super) fn of(local: Arc<Local>, config: Arc<NeighborConfig>) -> Rig {
        Rig {
            now: Instant::from_secs(1000),
            session: Session::new(7, local, config, false, Rng::new(1)),
            out: Outbox::new(),
            sink: Sink::default(),
            incoming: 0,
        }
    }

    /// Started, with the connection it asks for up.
    pub(super) fn connected(config: Arc<NeighborConfig>) -> (Rig, ConnId) {
        let mut rig = Rig::new(config);
        rig.input(Input::AutomaticStart);
        let conn = rig.connect();
        rig.accept(conn);
        (rig, conn)
    }

    /// Up to Established with [`open`] changed; what was sent is forgotten.
    pub(super) fn established(config: Arc<NeighborConfig>, change: impl FnOnce(&mut Open)) -> (Rig, ConnId) {
        let (mut rig, conn) = Rig::connected(config);
        rig.receive(conn, &bytes(|b| open(change).emit(b)));
        rig.receive(conn, &keepalive());
        assert_eq!(rig.session.state(), State::Established, "{:?}", rig.last_error());
        rig.sent(conn);
        rig.drain();
        (rig, conn)
    }

    pub(super) fn input(&mut self, input: Input) {
        self.session.handle(self.now, input, &mut self.out);
    }

    pub(super) fn drain(&mut self) -> Vec<Output> {
        self.out.drain().collect()
    }

    /// The connection that it asks for; all other outputs are forgotten.
    pub(super) fn connect(&mut self) -> ConnId {
        self.drain()
            .into_iter()
            .find_map(|o| match o {
                Output::Tcp(TcpAction::Connect { conn, .. }) => Some(conn),
                _ => None,
            })
            .expect("it connects")
    }

    fn ends(&self) -> (SocketAddr, SocketAddr) {
        ("192.0.2.1:50000".parse().unwrap(), "192.0.2.2:179".parse().unwrap())
    }

    pub(super) fn accept(&mut self, conn: ConnId) {
        let (local, remote) = self.ends();
        self.input(Input::Connected { conn, local, remote });
    }

    pub(super) fn incoming(&mut self) -> ConnId {
        self.incoming += 1;
        let conn = ConnId::incoming(self.incoming);
        let (local, remote) = self.ends();
        self.input(Input::Incoming { conn, local, remote });
        conn
    }

    pub(super) fn close(&mut self, conn: ConnId, error: TcpError) {
        self.input(Input::Closed { conn, error });
    }

    pub(super) fn receive(&mut self, conn: ConnId, bytes: &[u8]) {
        let mut rest = Some(bytes);
        while let Some(bytes) = rest {
            rest = self.session.receive(self.now, conn, bytes, &mut self.sink, &mut self.out);
        }
    }

    pub(super) fn receive_open(&mut self, conn: ConnId, change: impl FnOnce(&mut Open)) {
        self.receive(conn, &bytes(|b| open(change).emit(b)));
    }

    pub(super) fn notify(&mut self, conn: ConnId, notification: impl Into<Notification>) {
        self.receive(conn, &bytes(|b| notification.into().emit(b)));
    }

    /// What waits to be sent on a connection.
    pub(super) fn sent(&mut self, conn: ConnId) -> Vec<Sent> {
        let mut buf = Vec::new();
        self.session.poll_transmit(conn, &mut buf);
        read_messages(&buf)
    }

    /// The only message that waits.
    pub(super) fn sent_one(&mut self, conn: ConnId) -> Sent {
        let mut sent = self.sent(conn);
        assert_eq!(sent.len(), 1, "{sent:?}");
        sent.remove(0)
    }

    pub(super) fn sent_open(&mut self, conn: ConnId) -> Open {
        match self.sent(conn).into_iter().next() {
            Some(Sent::Open(open)) => open,
            other => panic!("no OPEN but {other:?}"),
        }
    }

    /// Lets time pass; timers run when they are due.
    pub(super) fn wait(&mut self, seconds: f64) {
        let until = self.now + Duration::from_secs_f64(seconds);
        while let Some(at) = self.session.poll_timeout().filter(|at| *at <= until) {
            self.now = self.now.max(at);
            self.session.handle_timeout(self.now, &mut self.out);
        }
        self.now = until;
    }

    /// Lets time pass until the next timer.
    pub(super) fn wait_for_timer(&mut self) -> f64 {
        let at = self.session.poll_timeout().expect("a timer runs");
        let waited = at.since(self.now).as_secs_f64();
        self.wait(waited);
        waited
    }

    pub(super) fn last_error(&self) -> Option<String> {
        self.view().summary.last_error
    }

    pub(super) fn closes(&mut self) -> Vec<(ConnId, bool)> {
        let closes = |o| match o {
            Output::Tcp(TcpAction::Close { conn, reset }) => Some((conn, reset)),
            _ => None,
        };
        self.drain().into_iter().filter_map(closes).collect()
    }

    /// State events and notices since the last look: "Idle→Connect: started".
    pub(super) fn events(&mut self) -> Vec<String> {
        let event = |o| match o {
            Output::Event(EventKind::BgpState { from, to, reason, .. }) => {
                Some(format!("{from}→{to}: {reason}"))
            }
            Output::Event(EventKind::BgpNotice { message, .. }) => Some(message),
            _ => None,
        };
        self.drain().into_iter().filter_map(event).collect()
    }

    pub(super) fn view(&self) -> NeighborView {
        let mut view = empty_view();
        self.session.describe(self.now, &mut view);
        view
    }
}

pub(super) fn empty_view() -> NeighborView {
    NeighborView {
        summary: NeighborSummary {
            address: PEER.parse().unwrap(),
            asn: None,
            description: None,
            state: String::new(),
            since: 0.0,
            shutdown: false,
            dynamic: false,
            messages_received: 0,
            messages_sent: 0,
            prefixes_received: 0,
            prefixes_accepted: 0,
            prefixes_advertised: 0,
            last_error: None,
        },
        local_asn: Asn(0),
        session_type: String::new(),
        router_id: None,
        local: None,
        remote: None,
        opened_by: None,
        hold_time_configured: 0,
        hold_time: None,
        keepalive_time: None,
        timers: Vec::new(),
        capabilities_sent: Vec::new(),
        capabilities_received: Vec::new(),
        capabilities_agreed: Vec::new(),
        capabilities_suppressed: Vec::new(),
        families: Vec::new(),
        messages: Vec::new(),
        faults: Vec::new(),
        flaps: 0,
        established: 0,
        errors: Vec::new(),
        down_because: None,
        down_rule: None,
        idle_hold: None,
        graceful_restart: None,
    }
}

/// The NOTIFICATION that was sent last on a connection.
pub(super) fn sent_notification(rig: &mut Rig, conn: ConnId) -> Notification {
    match rig.sent(conn).pop() {
        Some(Sent::Notification(n)) => n,
        other => panic!("no NOTIFICATION but {other:?}; {:?}", rig.last_error()),
    }
}

/// A graceful restart capability for both unicast families.
pub(super) fn gr(notification: bool, restart_time: u16) -> Capability {
    Capability::GracefulRestart {
        restart_state: false,
        notification,
        restart_time,
        families: vec![(Family::IPV4_UNICAST, true), (Family::IPV6_UNICAST, false)],
    }
}
