//! Octets from the peer: framing, and what each message means to the FSM.

use super::event::Event;
use super::machine::{Agreed, Machine};
use super::negotiation::{Refusal, agree, parse_open};
use super::peer::{Cause, Session, Which};
use super::{Output, Receiver, State};
use trunkline_core::{ConnId, Instant, Outbox};
use trunkline_wire::bgp::{
    Capability, ErrorCode, Frame, HEADER_LEN, MAX_EXTENDED_MESSAGE_LEN, MAX_MESSAGE_LEN, MessageType,
    Notification, Open, RouteRefresh, RouteRefreshSubtype, frame,
};

impl Session {
    /// Octets from the peer. Only the start of a message that is not complete yet is copied.
    ///
    /// It stops where the session came up or went down, so that no route is filed under the wrong session: then it
    /// returns what is left. The caller carries out what is in `out`, and gives it that, even if it is empty.
    pub fn receive<'a>(
        &mut self,
        now: Instant,
        conn: ConnId,
        bytes: &'a [u8],
        receiver: &mut dyn Receiver,
        out: &mut Outbox<Output>,
    ) -> Option<&'a [u8]> {
        let partial = self.partial(conn)?;
        let mut bytes = bytes;
        if !partial.is_empty() {
            let mut message = std::mem::take(partial);
            bytes = complete(&mut message, bytes);
            let (used, stopped) = self.consume(now, conn, &message, receiver, out);
            if used > 0 {
                message.clear();
            }
            if let Some(partial) = self.partial(conn) {
                *partial = message;
            }
            // With nothing used and no stop it is not complete yet, and `complete` has taken all there was.
            if stopped || used == 0 {
                return stopped.then_some(bytes);
            }
        }
        let (used, stopped) = self.consume(now, conn, bytes, receiver, out);
        let rest = bytes.get(used..).unwrap_or_default();
        if !stopped {
            self.keep(conn, rest);
        }
        stopped.then_some(rest)
    }

    fn partial(&mut self, conn: ConnId) -> Option<&mut Vec<u8>> {
        let which = self.which(conn)?;
        self.machine(which)?.conn.as_mut().map(|c| &mut c.partial)
    }

    fn keep(&mut self, conn: ConnId, rest: &[u8]) {
        if !rest.is_empty()
            && let Some(partial) = self.partial(conn)
        {
            partial.extend_from_slice(rest);
        }
    }

    /// The longest message that may come on a connection; none: it is no more.
    #[inline]
    fn max_len(&self, conn: ConnId) -> Option<usize> {
        self.which(conn).and_then(|which| self.machine_ref(which)).map(|m| m.max_message_len)
    }

    /// Takes whole messages from the front of `stream`; returns how many octets it used, and whether it stopped since
    /// the session came up or went down.
    fn consume(
        &mut self,
        now: Instant,
        conn: ConnId,
        stream: &[u8],
        receiver: &mut dyn Receiver,
        out: &mut Outbox<Output>,
    ) -> (usize, bool) {
        let mut used = 0;
        let sessions = |s: &Session| s.stats.established + s.stats.flaps;
        let before = sessions(self);
        while let Some(max_len) = self.max_len(conn) {
            let rest = stream.get(used..).unwrap_or_default();
            match frame(rest, max_len) {
                Ok(Some(message)) => {
                    let len = message.message.len();
                    if self.message(now, conn, message, receiver, out) {
                        used += len;
                    }
                    if sessions(self) != before {
                        return (used, true);
                    }
                }
                Ok(None) => return (used, false),
                Err(notification) => {
                    let Some(which) = self.which(conn) else { break };
                    let cause = Cause::notification(notification.clone(), header_error(&notification, rest));
                    self.run(now, which, Event::BgpHeaderErr, cause, out);
                    break;
                }
            }
        }
        // The connection is no more.
        (stream.len(), false)
    }

    /// Whether it was taken: it comes again where something else had to happen before.
    #[inline]
    fn message(
        &mut self,
        now: Instant,
        conn: ConnId,
        message: Frame<'_>,
        receiver: &mut dyn Receiver,
        out: &mut Outbox<Output>,
    ) -> bool {
        if self.in_established(now, conn, message, receiver, out) {
            return true;
        }
        let held = |m: &Machine| m.held_keepalive;
        if message.kind != MessageType::Notification
            && let Some(which) = self.which(conn).filter(|w| self.machine_ref(*w).is_some_and(held))
        {
            // More after the KEEPALIVE: the peer is Established on this connection. That is its decision.
            self.go_up(now, which, out);
            return false;
        }
        *self.stats.received.of(message.kind) += 1;
        self.control(now, conn, message, out);
        true
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
        if !primary.has(conn) {
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
        *self.stats.received.of(message.kind) += 1;
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
        let conn = machine.conn_id();
        if machine.state >= State::OpenConfirm {
            let cause = Cause::text("the peer sends a second OPEN");
            return self.run(now, which, Event::BgpOpen, cause, out);
        }
        if let Err(Refusal { notification, text }) = self.negotiate(which, body) {
            let cause = Cause::notification(notification, text);
            return self.run(now, which, Event::BgpOpenMsgErr, cause, out);
        }
        if !self.collision(now, which, out) {
            return;
        }
        // The end of another connection may have changed place and state of this one.
        let Some(which) = conn.and_then(|conn| self.which(conn)) else { return };
        let event = match self.machine_ref(which).map(|m| m.state) {
            Some(State::OpenSent) => Event::BgpOpen,
            _ => Event::BgpOpenWithDelayOpenTimerRunning,
        };
        self.run(now, which, event, Cause::text("OPEN from the peer"), out);
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
            // What we offered, the peer may use at once (RFC 8654 §4).
            let offered =
                machine.ours.iter().flat_map(Open::capabilities).any(|c| *c == Capability::ExtendedMessage);
            machine.max_message_len = if offered { MAX_EXTENDED_MESSAGE_LEN } else { MAX_MESSAGE_LEN };
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
        let harmless = received.is(ErrorCode::CONNECTION_COLLISION_RESOLUTION) && self.second.is_some();
        let cause = Cause { received: Some(received), harmless, undamped: learned, ..Cause::text(text) };
        self.run(now, which, event, cause, out);
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
