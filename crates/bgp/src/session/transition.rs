//! Carries out what the FSM says, and what follows for the neighbour as a whole.

use super::attempts::Before;
use super::event::Event;
use super::fsm::{self, Action, Notify};
use super::machine::{Conn, Machine};
use super::peer::{Cause, Session, Which};
use super::timers::{self, LARGE_HOLD_TIME, STABLE_TIME, TRACK_TIME, idle_hold};
use super::{Output, Restart, State};
use crate::transport::TcpAction;
use trunkline_core::{ConnId, Duration, Instant, Outbox};
use trunkline_view::EventKind;
use trunkline_wire::bgp::{ErrorCode, Family, MessageType, Notification, emit_keepalive};

/// More KEEPALIVEs than this many octets do not wait for a driver that cannot write.
const MAX_WAITING: usize = 4096;

/// A transition while it is carried out.
struct Transition<'a> {
    now: Instant,
    which: Which,
    event: Event,
    cause: &'a Cause,
    /// The NOTIFICATION that is sent, if one is.
    sent: Option<Notification>,
    /// Why, in words.
    reason: String,
}

impl Session {
    /// Feeds an event to one of the FSMs.
    pub(super) fn run(
        &mut self,
        now: Instant,
        which: Which,
        event: Event,
        cause: Cause,
        out: &mut Outbox<Output>,
    ) {
        let Some(machine) = self.machine_ref(which) else { return };
        let before = machine.state;
        let connection = match &cause.ended {
            Some((conn, _)) => Some(Before::with(machine, conn)),
            None => Before::of(machine),
        };
        let (next, actions) = fsm::step(before, event, &machine.attributes(&self.config));
        let sent = actions.iter().find_map(|action| match action {
            Action::SendNotification(kind) => self.notification(*kind, which, event, &cause),
            _ => None,
        });
        let reason = reason(machine, event, &cause, sent.as_ref(), self.config.send_hold_time);
        if machine.established_at.is_some_and(|at| now.since(at) >= STABLE_TIME) {
            self.oscillations = 0;
        }
        let transition = Transition { now, which, event, cause: &cause, sent, reason };
        for action in actions {
            self.act(action, &transition, out);
        }
        let Transition { reason, sent, .. } = transition;
        self.keep_attempt(now, which, connection, (event, &cause, sent.as_ref()));
        if let Some(machine) = self.machine(which) {
            machine.state = next;
        }
        if next != before {
            let failed =
                next == State::Idle && !matches!(event, Event::ManualStop | Event::OpenCollisionDump);
            if (failed || event == Event::TcpConnectionFails) && !cause.harmless {
                self.journal.error(now, &reason);
            }
            self.stats.flaps += u64::from(before == State::Established);
            match next {
                State::Idle => self.went_idle(now, which, cause.undamped, out),
                State::Active => self.keep_the_better(now, out),
                State::Established => self.went_up(now, which, out),
                _ => {}
            }
        }
        self.announce(now, &reason, out);
    }

    fn act(&mut self, action: Action, t: &Transition<'_>, out: &mut Outbox<Output>) {
        let (now, which) = (t.now, t.which);
        match action {
            Action::InitializeResources
            | Action::ProcessConnection
            | Action::RejectConnection
            | Action::TrackSecondConnection
            | Action::ProcessUpdate => {}
            Action::ReleaseResources => {
                if let Some(machine) = self.machine(which) {
                    *machine = Machine { conn: machine.conn.take(), ..Machine::new(machine.state) };
                }
            }
            Action::ZeroConnectRetryCounter => self.connect_retry_counter = 0,
            Action::IncrementConnectRetryCounter => {
                self.connect_retry_counter = self.connect_retry_counter.saturating_add(1);
            }
            Action::DampPeerOscillations => {
                let counts = !(t.cause.undamped || t.cause.harmless);
                self.oscillations = self.oscillations.saturating_add(u32::from(counts));
            }
            Action::StartConnectRetryTimer => {
                // A passive session never connects, so nothing is to be tried again.
                let time = Duration::from_secs(self.config.connect_retry.max(1).into());
                let at = (!self.config.passive).then(|| now + self.rng.jitter(time));
                self.timers(which, |timers| timers.connect_retry = at);
            }
            Action::StopConnectRetryTimer => self.timers(which, |timers| timers.connect_retry = None),
            Action::StartDelayOpenTimer => {
                let time = Duration::from_secs(self.config.delay_open.into());
                if let Some(machine) = self.machine(which) {
                    let time = if machine.tracked { time.max(TRACK_TIME) } else { time };
                    machine.timers.delay_open = Some(now + time);
                }
            }
            Action::StopDelayOpenTimer => self.timers(which, |timers| timers.delay_open = None),
            Action::StartHoldTimerLarge => {
                self.timers(which, |timers| timers.hold = Some(now + LARGE_HOLD_TIME));
            }
            Action::StartHoldTimer => {
                if let Some(machine) = self.machine(which) {
                    machine.timers.hold = machine.agreed.as_ref().and_then(|a| a.hold).map(|d| now + d);
                }
            }
            Action::StartKeepaliveTimer => self.start_keepalive_timer(now, which),
            Action::Connect => self.connect(now, which, out),
            Action::DropConnection => self.close(which, false, out),
            Action::ResetConnection => self.close(which, true, out),
            Action::SendOpen => self.send_open(which, out),
            Action::SendKeepalive => self.send_keepalive(which, out),
            Action::SendNotification(_) => {
                if let Some(notification) = &t.sent {
                    self.send(which, MessageType::Notification, |tx| notification.emit(tx), out);
                }
            }
            Action::DeleteRoutes => {
                let keep_stale = self.keep_stale(t);
                out.push(Output::Down { reason: t.reason.clone(), keep_stale });
            }
        }
    }

    fn timers(&mut self, which: Which, change: impl FnOnce(&mut super::timers::Timers)) {
        if let Some(machine) = self.machine(which) {
            change(&mut machine.timers);
        }
    }

    pub(super) fn start_keepalive_timer(&mut self, now: Instant, which: Which) {
        let time = self.machine_ref(which).and_then(|m| m.agreed.as_ref()).and_then(|a| a.keepalive);
        let at = time.map(|time| timers::keepalive(now, time, &mut self.rng));
        self.timers(which, |timers| timers.keepalive = at);
    }

    fn connect(&mut self, now: Instant, which: Which, out: &mut Outbox<Output>) {
        self.connections = self.connections.wrapping_add(1);
        let id = ConnId::outgoing(u64::from(self.peer) << 32 | u64::from(self.connections));
        let options = self.tcp_options();
        let (remote, local) = (self.remote(), self.config.local_address);
        if let Some(machine) = self.machine(which) {
            machine.conn = Some(Conn::new(id, now));
            out.push(Output::Tcp(TcpAction::Connect { conn: id, remote, local, options }));
        }
    }

    fn send_open(&mut self, which: Which, out: &mut Outbox<Output>) {
        let Some(ours) = self.machine_ref(which).and_then(|m| m.ours.clone()) else { return };
        self.send(which, MessageType::Open, |tx| ours.emit(tx), out);
        self.last.sent = Some(ours);
    }

    pub(super) fn send_keepalive(&mut self, which: Which, out: &mut Outbox<Output>) {
        let waiting = self.machine_ref(which).and_then(|m| m.conn.as_ref()).map_or(0, |c| c.tx.len());
        if waiting <= MAX_WAITING {
            self.send(which, MessageType::Keepalive, emit_keepalive, out);
        }
    }

    /// The NOTIFICATION that a transition sends.
    fn notification(&self, kind: Notify, which: Which, event: Event, cause: &Cause) -> Option<Notification> {
        let machine = self.machine_ref(which)?;
        let given = || cause.notification.clone();
        let notification = match kind {
            Notify::HoldTimerExpired => ErrorCode::HOLD_TIMER_EXPIRED.into(),
            Notify::SendHoldTimerExpired => ErrorCode::SEND_HOLD_TIMER_EXPIRED.into(),
            Notify::MessageError => given().unwrap_or_else(|| ErrorCode::OPEN_MESSAGE_ERROR.into()),
            Notify::Cease => given().unwrap_or_else(|| ErrorCode::CEASE.into()),
            // RFC 6608 §4: the subcode tells the state, where it is a message that was not expected.
            Notify::FsmError => match (event as u8, machine.state) {
                (19..=28, State::OpenSent) => ErrorCode::UNEXPECTED_MESSAGE_IN_OPEN_SENT,
                (19..=28, State::OpenConfirm) => ErrorCode::UNEXPECTED_MESSAGE_IN_OPEN_CONFIRM,
                (19..=28, State::Established) => ErrorCode::UNEXPECTED_MESSAGE_IN_ESTABLISHED,
                _ => ErrorCode::FINITE_STATE_MACHINE_ERROR,
            }
            .into(),
        };
        // RFC 8538 §5.1: where the peer would keep our routes, tell it that we mean it.
        let lasting = [
            ErrorCode::MAXIMUM_NUMBER_OF_PREFIXES_REACHED,
            ErrorCode::ADMINISTRATIVE_SHUTDOWN,
            ErrorCode::PEER_DECONFIGURED,
            ErrorCode::ADMINISTRATIVE_RESET,
        ];
        let covered = machine.state == State::Established
            && machine
                .agreed
                .as_ref()
                .and_then(|a| a.negotiated.graceful_restart.as_ref())
                .is_some_and(|g| g.notification);
        Some(match covered && lasting.contains(&notification.error()) {
            true => Notification::hard_reset(&notification),
            false => notification,
        })
    }

    /// Which routes outlive the session, and how long (RFC 4724 §4.2, RFC 8538 §4).
    ///
    /// Without the N bit only the loss of the TCP connection counts. With it every end does, but for a Hard Reset, and
    /// but for what we or our operator wanted.
    fn keep_stale(&self, t: &Transition<'_>) -> Option<(Vec<Family>, Duration)> {
        if !self.config.graceful_restart_helper {
            return None;
        }
        let negotiated = &self.machine_ref(t.which)?.agreed.as_ref()?.negotiated;
        let graceful = negotiated.graceful_restart.as_ref()?;
        let hard = |n: &Option<Notification>| n.as_ref().is_some_and(|n| n.is(ErrorCode::HARD_RESET));
        let keep = match t.event {
            Event::TcpConnectionFails => true,
            Event::ManualStop | Event::AutomaticStop | Event::OpenCollisionDump => false,
            _ => graceful.notification && !hard(&t.cause.received) && !hard(&t.sent),
        };
        let families: Vec<_> = graceful.families.iter().map(|(family, _)| *family).collect();
        let families: Vec<_> = negotiated.families.iter().filter(|f| families.contains(f)).copied().collect();
        let time = graceful.restart_time.min(self.config.stale_time);
        (keep && !families.is_empty() && time > 0).then(|| (families, Duration::from_secs(time.into())))
    }

    /// An FSM went to Idle: the other one takes its place, or the neighbour waits and starts again.
    fn went_idle(&mut self, now: Instant, which: Which, undamped: bool, out: &mut Outbox<Output>) {
        if which == Which::Second {
            self.second = None;
            self.release(now, out);
            return;
        }
        if self.second.is_some() {
            self.keep_the_better(now, out);
            return;
        }
        self.idle_hold = match (&self.stopped, self.restart) {
            (Some(_), _) | (None, Restart::Never) => None,
            (None, Restart::After(wait)) => Some(now + wait),
            (None, Restart::Normal) => {
                let oscillations = if undamped { 0 } else { self.oscillations };
                Some(now + idle_hold(&self.config, oscillations, &mut self.rng))
            }
        };
    }

    /// An FSM without a connection gives way to one that has one.
    fn keep_the_better(&mut self, now: Instant, out: &mut Outbox<Output>) {
        if self.second.as_ref().is_some_and(|m| m.conn.is_none()) {
            self.second = None;
        }
        if self.primary.conn.is_none()
            && let Some(second) = self.second.take()
        {
            self.primary = second;
        }
        self.release(now, out);
    }

    /// An FSM became Established: it is the neighbour's from now on.
    fn went_up(&mut self, now: Instant, which: Which, out: &mut Outbox<Output>) {
        if which == Which::Second
            && let Some(second) = &mut self.second
        {
            std::mem::swap(&mut self.primary, second);
        }
        self.primary.established_at = Some(now);
        self.primary.timers.verdict = None;
        self.last.received.clone_from(&self.primary.theirs);
        self.last.sent.clone_from(&self.primary.ours);
        self.last.agreed = self.negotiated().cloned();
        self.stats.established += 1;
        self.attempts.went_up();
        self.verdict = None;
        self.told.clear();
        self.journal.quiet = false;
        if let Some(conn) = self.established_conn() {
            out.push(Output::Established { conn });
        }
        self.end_collision(now, out);
    }

    /// Tells a change of the neighbour's state, once.
    pub(super) fn announce(&mut self, now: Instant, reason: &str, out: &mut Outbox<Output>) {
        let state = self.state();
        let journal = &mut self.journal;
        if state != journal.state {
            journal.state = state;
            journal.since = now;
        }
        let news = journal.news.take();
        let neighbor = self.config.address;
        if state != journal.told {
            let low = state < State::OpenConfirm && journal.told < State::OpenConfirm;
            if news.is_none() && journal.quiet && low {
                return;
            }
            let from = journal.told.name().to_owned();
            let to = state.name().to_owned();
            let asn = Some(self.config.asn);
            let reason = reason.to_owned();
            out.push(Output::Event(EventKind::BgpState { neighbor, asn, from, to, reason }));
            journal.told = state;
        } else if let Some(message) = &news {
            out.push(Output::Event(EventKind::BgpNotice { neighbor, message: message.clone() }));
        }
        journal.quiet |= news.is_some();
    }

    /// Ends an FSM without a word to anyone.
    pub(super) fn discard(&mut self, now: Instant, which: Which, out: &mut Outbox<Output>) {
        self.close(which, false, out);
        match which {
            Which::Second => self.second = None,
            Which::Primary => self.primary = Machine::new(State::Idle),
        }
        if which == Which::Primary {
            self.keep_the_better(now, out);
        }
    }
}

/// Why a transition comes, in words.
fn reason(
    machine: &Machine,
    event: Event,
    cause: &Cause,
    sent: Option<&Notification>,
    send_hold: u16,
) -> String {
    match (event, sent) {
        (Event::HoldTimerExpires, _) => {
            let what = match machine.agreed.as_ref().filter(|_| machine.state > State::OpenSent) {
                Some(agreed) => format!("nothing from the peer for {} s", agreed.negotiated.hold_time),
                None => format!("no OPEN from the peer for {} s", LARGE_HOLD_TIME.as_secs()),
            };
            match sent {
                Some(sent) => format!("sent NOTIFICATION {sent}: {what}"),
                None => format!("HoldTimer expired: {what}"),
            }
        }
        (Event::SendHoldTimerExpires, _) => {
            format!("SendHoldTimer expired: the peer has read nothing for {send_hold} s")
        }
        (_, Some(sent)) if cause.text.is_empty() || sent.communication().is_some() => {
            format!("sent NOTIFICATION {sent}")
        }
        (_, Some(sent)) => format!("sent NOTIFICATION {sent}: {}", cause.text),
        (_, None) if cause.text.is_empty() => event.to_string(),
        (_, None) => cause.text.clone(),
    }
}
