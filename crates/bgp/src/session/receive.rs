//! Octets from the peer: framing, and what each message means to the FSM.

use super::event::Event;
use super::collision::Verdict;
use super::machine::{Agreed, Held, Machine};
use super::negotiation::{Refusal, agree, parse_open};
use super::peer::{Cause, Session, Which};
use super::{Negotiated, Output, Receiver, State};
use trunkline_core::{ConnId, Instant, Outbox};
use trunkline_wire::bgp::{
    Capability, ErrorCode, Frame, HEADER_LEN, MessageType, Notification, RouteRefresh, RouteRefreshSubtype, frame,
};

/// How many octets a connection may send while a collision keeps its OPEN waiting. The peer has nothing to say then but
/// a KEEPALIVE.
const MAX_HELD: usize = 4096;

/// Whether a connection's octets can be looked at.
enum Reading {
    /// Messages of up to this many octets.
    Open(usize),
    /// A collision keeps them waiting.
    Held,
    /// The connection is no more.
    Gone,
}

impl Session {
    /// Octets from the peer. Only the start of a message that is not complete yet is copied.
    pub fn receive(
        &mut self,
        now: Instant,
        conn: ConnId,
        bytes: &[u8],
        receiver: &mut dyn Receiver,
        out: &mut Outbox<Output>,
    ) {
        let Some(partial) = self.partial(conn) else { return };
        if partial.is_empty() {
            let used = self.consume(now, conn, bytes, Some(receiver), out);
            return self.keep(conn, bytes.get(used..).unwrap_or_default());
        }
        let mut message = std::mem::take(partial);
        if matches!(self.reading(conn), Reading::Held) || message.len() >= message_len(&message) {
            // What a collision keeps or has kept waiting: rare, so the copy does not matter.
            message.extend_from_slice(bytes);
            let used = self.consume(now, conn, &message, Some(receiver), out);
            return self.keep(conn, message.get(used..).unwrap_or_default());
        }
        let rest = complete(&mut message, bytes);
        let used = self.consume(now, conn, &message, Some(&mut *receiver), out);
        if used == 0 {
            // Not complete yet; and `complete` has taken all there was.
            if let Some(partial) = self.partial(conn) {
                *partial = message;
            }
            return;
        }
        message.clear();
        if let Some(partial) = self.partial(conn) {
            *partial = message;
        }
        let used = self.consume(now, conn, rest, Some(receiver), out);
        self.keep(conn, rest.get(used..).unwrap_or_default());
    }

    fn partial(&mut self, conn: ConnId) -> Option<&mut Vec<u8>> {
        let which = self.which(conn)?;
        self.machine(which)?.conn.as_mut().map(|c| &mut c.partial)
    }

    fn keep(&mut self, conn: ConnId, rest: &[u8]) {
        if rest.is_empty() {
            return;
        }
        let held = matches!(self.reading(conn), Reading::Held);
        if let Some(partial) = self.partial(conn) {
            let room = if held { MAX_HELD.saturating_sub(partial.len()) } else { rest.len() };
            partial.extend_from_slice(rest.get(..room).unwrap_or(rest));
        }
    }

    #[inline]
    fn reading(&self, conn: ConnId) -> Reading {
        let machine = match self.which(conn).and_then(|which| self.machine_ref(which)) {
            Some(machine) => machine,
            None => return Reading::Gone,
        };
        match machine.held {
            Some(Held::Open) => Reading::Held,
            _ => Reading::Open(machine.max_message_len()),
        }
    }

    /// Takes whole messages from the front of `stream`; returns how many octets it used. Without a receiver it stops
    /// where one would be needed.
    fn consume(
        &mut self,
        now: Instant,
        conn: ConnId,
        stream: &[u8],
        mut receiver: Option<&mut dyn Receiver>,
        out: &mut Outbox<Output>,
    ) -> usize {
        let mut used = 0;
        loop {
            let max_len = match self.reading(conn) {
                Reading::Open(max_len) => max_len,
                Reading::Held => return used,
                Reading::Gone => return stream.len(),
            };
            if receiver.is_none() && self.established_conn() == Some(conn) {
                return used;
            }
            match frame(stream.get(used..).unwrap_or_default(), max_len) {
                Ok(Some(message)) => {
                    used += message.message.len();
                    match receiver.as_deref_mut() {
                        Some(receiver) => self.message(now, conn, message, receiver, out),
                        None => self.message(now, conn, message, &mut Nobody, out),
                    }
                }
                Ok(None) => return used,
                Err(notification) => {
                    if let Some(which) = self.which(conn) {
                        let text = header_error(&notification, stream.get(used..).unwrap_or_default());
                        let cause = Cause::notification(notification, text);
                        self.run(now, which, Event::BgpHeaderErr, cause, out);
                    }
                    return stream.len();
                }
            }
        }
    }

    /// What came while a collision was undecided.
    pub(super) fn replay(&mut self, now: Instant, out: &mut Outbox<Output>) {
        let Some(conn) = self.primary.conn.as_mut() else { return };
        let (id, waiting) = (conn.id, std::mem::take(&mut conn.partial));
        let used = self.consume(now, id, &waiting, None, out);
        self.keep(id, waiting.get(used..).unwrap_or_default());
    }

    #[inline]
    fn message(
        &mut self,
        now: Instant,
        conn: ConnId,
        message: Frame<'_>,
        receiver: &mut dyn Receiver,
        out: &mut Outbox<Output>,
    ) {
        *self.stats.received.of(message.kind) += 1;
        if self.in_established(now, conn, message, receiver, out) {
            return;
        }
        let held = |m: &Machine| matches!(m.held, Some(Held::Keepalive));
        if message.kind != MessageType::Notification
            && let Some(which) = self.which(conn).filter(|w| self.machine_ref(*w).is_some_and(held))
        {
            // More after the KEEPALIVE: the peer is Established on this connection. That is its decision.
            self.go_up(now, which, out);
            if self.in_established(now, conn, message, receiver, out) {
                return;
            }
        }
        self.control(now, conn, message, out);
    }

    /// The hot path: what `fsm::step` says of Events 26 to 28 in Established, without asking it for each message.
    /// Returns whether it was for it.
    #[inline]
    fn in_established(
        &mut self,
        now: Instant,
        conn: ConnId,
        message: Frame<'_>,
        receiver: &mut dyn Receiver,
        out: &mut Outbox<Output>,
    ) -> bool {
        let primary = &mut self.primary;
        let Some(agreed) = primary.agreed.as_ref().filter(|_| primary.state == State::Established) else {
            return false;
        };
        if !primary.conn.as_ref().is_some_and(|c| c.id == conn) {
            return false;
        }
        let result = match message.kind {
            MessageType::Keepalive => Ok(()),
            MessageType::Update => receiver.update(message.body, &agreed.negotiated),
            MessageType::RouteRefresh => {
                route_refresh(message.body, primary, &mut self.stats.ignored_route_refreshes, receiver)
            }
            MessageType::Open | MessageType::Notification => return false,
        };
        match result {
            Ok(()) => {
                if let Some(hold) = agreed.hold {
                    self.primary.timers.hold = Some(now + hold);
                }
            }
            Err(notification) => {
                let cause = Cause::notification(notification, "");
                self.run(now, Which::Primary, Event::UpdateMsgErr, cause, out);
            }
        }
        true
    }

    /// All but what is usual in Established.
    fn control(&mut self, now: Instant, conn: ConnId, message: Frame<'_>, out: &mut Outbox<Output>) {
        let Some(which) = self.which(conn) else { return };
        let unexpected = || Cause::text(format!("the peer sends {} too early", message.kind));
        match message.kind {
            MessageType::Open => self.open_received(now, which, message.body, out),
            MessageType::Notification => self.notification_received(now, which, message.body, out),
            MessageType::Keepalive => {
                if self.machine_ref(which).is_none_or(|m| m.state != State::OpenConfirm) {
                    self.run(now, which, Event::KeepAliveMsg, unexpected(), out);
                } else if self.may_go_up(now, which) {
                    self.go_up(now, which, out);
                }
            }
            MessageType::Update | MessageType::RouteRefresh => {
                self.run(now, which, Event::UpdateMsg, unexpected(), out);
            }
        }
    }

    fn open_received(&mut self, now: Instant, which: Which, body: &[u8], out: &mut Outbox<Output>) {
        let Some(machine) = self.machine_ref(which) else { return };
        let event = match machine.state {
            State::OpenSent => Event::BgpOpen,
            State::Connect | State::Active => Event::BgpOpenWithDelayOpenTimerRunning,
            _ => {
                let cause = Cause::text("the peer sends a second OPEN");
                return self.run(now, which, Event::BgpOpen, cause, out);
            }
        };
        let conn = machine.conn_id();
        if let Err(Refusal { notification, text }) = self.negotiate(which, body) {
            let cause = Cause::notification(notification, text);
            return self.run(now, which, Event::BgpOpenMsgErr, cause, out);
        }
        if self.collision(now, which, out) == Verdict::Proceed
            && let Some(which) = conn.and_then(|conn| self.which(conn))
        {
            self.run(now, which, event, Cause::text("OPEN from the peer"), out);
        }
    }

    fn negotiate(&mut self, which: Which, body: &[u8]) -> Result<(), Refusal> {
        let theirs = parse_open(body)?;
        self.last.received = Some(theirs.clone());
        self.last.agreed = None;
        let Some(machine) = self.machine_ref(which) else { return Ok(()) };
        let (Some(ours), Some(ends)) = (&machine.ours, machine.conn.as_ref().and_then(|c| c.ends)) else {
            return Ok(());
        };
        let negotiated = agree(&self.local, &self.config, ours, &theirs, ends)?;
        self.last.agreed = Some(negotiated.clone());
        if let Some(machine) = self.machine(which) {
            machine.theirs = Some(theirs);
            machine.agreed = Some(Agreed::new(negotiated));
        }
        Ok(())
    }

    fn notification_received(&mut self, now: Instant, which: Which, body: &[u8], out: &mut Outbox<Output>) {
        let Ok(received) = Notification::parse(body) else { return };
        let Some(machine) = self.machine_ref(which) else { return };
        let mut text = format!("received NOTIFICATION {received}");
        let opening = matches!(machine.state, State::OpenSent | State::OpenConfirm);
        let ours = machine.ours.clone().filter(|_| opening);
        let learned = ours.is_some_and(|ours| self.suppressed.learn(&received, &ours));
        if learned {
            text.push_str("; trying again without ");
            text.push_str(&self.suppressed.describe().join(", "));
        }
        let event = match received.is(ErrorCode::UNSUPPORTED_VERSION_NUMBER) {
            true => Event::NotifMsgVerErr,
            false => Event::NotifMsg,
        };
        // Neither is an oscillation of the peer.
        let harmless = received.is(ErrorCode::CONNECTION_COLLISION_RESOLUTION) && self.second.is_some();
        let oscillations = self.oscillations;
        if learned || harmless {
            self.oscillations = 0;
        }
        self.run(now, which, event, Cause { received: Some(received), harmless, ..Cause::text(text) }, out);
        if learned || harmless {
            self.oscillations = oscillations;
        }
    }
}

/// A ROUTE-REFRESH in Established. Ignored are those we did not ask for by advertising the capability, of families
/// that were not agreed (RFC 2918 §4), and of unknown or not agreed subtypes (RFC 7313 §5).
fn route_refresh(
    body: &[u8],
    machine: &Machine,
    ignored: &mut u64,
    receiver: &mut dyn Receiver,
) -> Result<(), Notification> {
    let offered = |wanted: &Capability| {
        machine.ours.as_ref().is_some_and(|open| open.capabilities().any(|c| c == wanted))
    };
    let Some(agreed) = machine.agreed.as_ref().filter(|_| offered(&Capability::RouteRefresh)) else {
        *ignored += 1;
        return Ok(());
    };
    let message = RouteRefresh::parse(body)?;
    let known = match message.subtype {
        RouteRefreshSubtype::Request => true,
        RouteRefreshSubtype::BoRR | RouteRefreshSubtype::EoRR => agreed.negotiated.enhanced_route_refresh,
        RouteRefreshSubtype::Unknown(_) => false,
    };
    if known && agreed.negotiated.families.contains(&message.family) {
        receiver.route_refresh(message, &agreed.negotiated);
    } else {
        *ignored += 1;
    }
    Ok(())
}

/// What a header error says in words.
fn header_error(notification: &Notification, stream: &[u8]) -> String {
    match (notification.error(), stream) {
        (ErrorCode::CONNECTION_NOT_SYNCHRONIZED, _) => {
            "these octets are no BGP message; is it another service, or a proxy?".to_owned()
        }
        (ErrorCode::BAD_MESSAGE_LENGTH, [.., l0, l1, kind]) if stream.len() == HEADER_LEN => {
            length_error(*l0, *l1, *kind)
        }
        (ErrorCode::BAD_MESSAGE_LENGTH, stream) => match stream.get(16..HEADER_LEN) {
            Some(&[l0, l1, kind]) => length_error(l0, l1, kind),
            _ => String::new(),
        },
        (ErrorCode::BAD_MESSAGE_TYPE, stream) => match stream.get(HEADER_LEN - 1) {
            Some(kind) => format!("the peer sends a message of type {kind}"),
            None => String::new(),
        },
        _ => String::new(),
    }
}

fn length_error(l0: u8, l1: u8, kind: u8) -> String {
    let kind = MessageType::from_code(kind).map_or_else(|| format!("type {kind}"), |kind| kind.to_string());
    format!("the peer sends {kind} of {} octets", u16::from_be_bytes([l0, l1]))
}

/// How long the message that starts here is; at least a header.
fn message_len(start: &[u8]) -> usize {
    match start.get(16..18) {
        Some(&[l0, l1]) if start.len() >= HEADER_LEN => usize::from(u16::from_be_bytes([l0, l1])),
        _ => HEADER_LEN,
    }
    .max(HEADER_LEN)
}

/// Adds to the start of a message what belongs to it; returns what follows.
fn complete<'a>(message: &mut Vec<u8>, mut bytes: &'a [u8]) -> &'a [u8] {
    // Once for the header, once for the rest.
    for _ in 0..2 {
        let missing = message_len(message).saturating_sub(message.len()).min(bytes.len());
        let (head, tail) = bytes.split_at(missing);
        message.extend_from_slice(head);
        bytes = tail;
    }
    bytes
}

/// Takes what an established session would give to its owner, where the owner is not at hand: never called, since
/// [`Session::consume`] stops before.
struct Nobody;

impl Receiver for Nobody {
    fn update(&mut self, _body: &[u8], _negotiated: &Negotiated) -> Result<(), Notification> {
        Ok(())
    }

    fn route_refresh(&mut self, _message: RouteRefresh, _negotiated: &Negotiated) {}
}
