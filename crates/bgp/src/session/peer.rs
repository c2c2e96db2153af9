//! A neighbour's session: the driver's inputs, and what is public of it.

use super::attempts::Attempts;
use super::event::Event;
use super::journal::{Journal, LastOpens, Stats, Verdict};
use super::machine::{Conn, Machine};
use super::negotiation::Suppressed;
use super::timers::idle_hold;
use super::{Input, Local, Negotiated, Output, Restart, State};
use crate::config::NeighborConfig;
use crate::transport::TcpError;
use std::collections::VecDeque;
use std::sync::Arc;
use trunkline_core::{ConnId, Instant, Outbox, Rng, earliest};
use trunkline_wire::bgp::{ErrorCode, Notification};

/// One neighbour's session.
///
/// It has one FSM, and a second one while a second connection exists (RFC 4271 §8.2.1). The first is the neighbour's:
/// it connects and waits between attempts. Where only one of two connections survives, its FSM becomes the first.
#[derive(Debug)]
pub struct Session {
    pub(super) peer: u32,
    pub(super) connections: u32,
    pub(super) local: Arc<Local>,
    pub(super) config: Arc<NeighborConfig>,
    pub(super) dynamic: bool,
    pub(super) rng: Rng,
    pub(super) primary: Machine,
    /// Always with a connection that is up; while there is one, the first has a connection too.
    pub(super) second: Option<Machine>,
    /// Closed connections whose last messages the driver has not pulled yet.
    pub(super) closing: VecDeque<(ConnId, Vec<u8>)>,
    /// Why it does not start by itself.
    pub(super) stopped: Option<Stopped>,
    /// When it starts again by itself (IdleHoldTimer).
    pub(super) idle_hold: Option<Instant>,
    /// How to start again after the AutomaticStop that is being carried out.
    pub(super) restart: Restart,
    /// Errors in a row, for damping.
    pub(super) oscillations: u32,
    /// ConnectRetryCounter.
    pub(super) connect_retry_counter: u32,
    pub(super) suppressed: Suppressed,
    pub(super) last: LastOpens,
    pub(super) stats: Stats,
    pub(super) journal: Journal,
    pub(super) attempts: Attempts,
    /// A connection has ended, and nobody has asked why yet.
    pub(super) news: bool,
    /// What was found to be wrong.
    pub(super) verdict: Option<Verdict>,
    /// Those that were told since it was up.
    pub(super) told: Vec<Verdict>,
}

/// Why a session waits for the operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Stopped {
    /// `enabled = false`.
    Disabled,
    /// A shutdown, with its text.
    Operator(Option<String>),
    /// [`Restart::Never`], with the reason.
    Held(String),
}

/// One of the two FSMs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Which {
    Primary,
    Second,
}

/// What comes with an event.
#[derive(Debug, Default)]
pub(super) struct Cause {
    /// What to send, where the event calls for it.
    pub(super) notification: Option<Notification>,
    /// What came (Events 24 and 25).
    pub(super) received: Option<Notification>,
    /// Why, in words; behind "sent NOTIFICATION …: " where one is sent.
    pub(super) text: String,
    /// The connection that has ended, and how.
    pub(super) ended: Option<(Conn, TcpError)>,
    /// Nothing that an operator needs to hear of: another connection serves.
    pub(super) harmless: bool,
    /// No oscillation of the peer, so no damping.
    pub(super) undamped: bool,
}

impl Cause {
    pub(super) fn text(text: impl Into<String>) -> Cause {
        Cause { text: text.into(), ..Cause::default() }
    }

    pub(super) fn notification(notification: impl Into<Notification>, text: impl Into<String>) -> Cause {
        Cause { notification: Some(notification.into()), ..Cause::text(text) }
    }
}

impl Session {
    /// A session in Idle that has not been started. `peer` makes its outgoing [`ConnId`]s unique in the process;
    /// `dynamic` says that it came through a listen range.
    pub fn new(
        peer: u32,
        local: Arc<Local>,
        config: Arc<NeighborConfig>,
        dynamic: bool,
        rng: Rng,
    ) -> Session {
        Session {
            peer,
            // Not from 0: connections of a speaker that was here before may not be quite closed yet.
            connections: rng.clone().next_u64() as u32,
            local,
            stopped: (!config.enabled).then_some(Stopped::Disabled),
            config,
            dynamic,
            rng,
            primary: Machine::new(State::Idle),
            second: None,
            closing: VecDeque::new(),
            idle_hold: None,
            restart: Restart::Normal,
            oscillations: 0,
            connect_retry_counter: 0,
            suppressed: Suppressed::default(),
            last: LastOpens::default(),
            stats: Stats::default(),
            journal: Journal::new(),
            attempts: Attempts::default(),
            news: false,
            verdict: None,
            told: Vec::new(),
        }
    }

    /// Feeds something in.
    pub fn handle(&mut self, now: Instant, input: Input, out: &mut Outbox<Output>) {
        match input {
            Input::ManualStart => self.manual_start(now, out),
            Input::ManualStop { message } => self.manual_stop(now, message, out),
            Input::AutomaticStart => self.automatic_start(now, out),
            Input::AutomaticStop { notification, reason, restart } => {
                self.automatic_stop(now, notification, reason, restart, out);
            }
            Input::Connected { conn, local, remote } => self.connected(now, conn, (local, remote), out),
            Input::Incoming { conn, local, remote } => self.incoming(now, conn, (local, remote), out),
            Input::Closed { conn, error } => self.closed(now, conn, &error, out),
            Input::Written { conn, pending } => self.written(now, conn, pending),
            Input::SendRouteRefresh(message) => self.send_route_refresh(message, out),
        }
    }

    /// When [`Session::handle_timeout`] wants to be called.
    pub fn poll_timeout(&self) -> Option<Instant> {
        earliest([
            self.primary.timers.next(),
            self.second.as_ref().and_then(|m| m.timers.next()),
            self.idle_hold,
        ])
    }

    /// Does all that is due.
    pub fn handle_timeout(&mut self, now: Instant, out: &mut Outbox<Output>) {
        // Each turn stops a timer; those that a transition starts anew lie in the future, unless a time of zero is
        // configured, which this bound keeps from spinning.
        for _ in 0..16 {
            if let Some(due) = self.primary.timers.pop_due(now) {
                self.timer(now, Which::Primary, due, out);
            } else if let Some(due) = self.second.as_mut().and_then(|m| m.timers.pop_due(now)) {
                self.timer(now, Which::Second, due, out);
            } else if self.idle_hold.take_if(|at| *at <= now).is_some() {
                self.run(now, Which::Primary, Event::IdleHoldTimerExpires, Cause::default(), out);
                self.automatic_start(now, out);
            } else {
                return;
            }
        }
    }

    /// Appends the control messages that wait on `conn` (OPEN, KEEPALIVE, NOTIFICATION, ROUTE-REFRESH), whole ones.
    pub fn poll_transmit(&mut self, conn: ConnId, buf: &mut Vec<u8>) {
        if let Some(which) = self.which(conn) {
            if let Some(conn) = self.machine(which).and_then(|m| m.conn.as_mut()) {
                buf.append(&mut conn.tx);
            }
        } else if let Some(at) = self.closing.iter().position(|(id, _)| *id == conn)
            && let Some((_, mut last)) = self.closing.remove(at)
        {
            buf.append(&mut last);
        }
    }

    /// The highest state of this neighbour's connections.
    #[inline]
    pub fn state(&self) -> State {
        match &self.second {
            Some(second) => self.primary.state.max(second.state),
            None => self.primary.state,
        }
    }

    /// What was agreed; only in Established.
    #[inline]
    pub fn negotiated(&self) -> Option<&Negotiated> {
        self.established().and_then(|m| m.agreed.as_ref()).map(|a| &a.negotiated)
    }

    /// The connection that is Established.
    #[inline]
    pub fn established_conn(&self) -> Option<ConnId> {
        self.established().and_then(Machine::conn_id)
    }

    /// Whether `conn` is one of this session's, or was and has last messages to pull.
    pub fn owns(&self, conn: ConnId) -> bool {
        self.which(conn).is_some() || self.closing.iter().any(|(id, _)| *id == conn)
    }

    /// The egress has handed this many messages to the driver: counts them, and restarts the KeepaliveTimer
    /// (RFC 4271 §8.2.2, Established).
    pub fn note_sent(&mut self, now: Instant, updates: u64, route_refreshes: u64) {
        self.stats.sent.update += updates;
        self.stats.sent.route_refresh += route_refreshes;
        if updates > 0 && self.primary.state == State::Established {
            self.start_keepalive_timer(now, Which::Primary);
        }
    }

    /// The configuration in force.
    pub fn config(&self) -> &Arc<NeighborConfig> {
        &self.config
    }

    /// Whether it came through a listen range.
    pub fn is_dynamic(&self) -> bool {
        self.dynamic
    }

    /// Whether it was taken down by the operator or is disabled in the configuration.
    pub fn is_shutdown(&self) -> bool {
        matches!(self.stopped, Some(Stopped::Disabled | Stopped::Operator(_)))
    }

    /// Whether it is down until the operator starts it: disabled, shut down, or stopped with [`Restart::Never`].
    pub fn is_stopped(&self) -> bool {
        self.stopped.is_some()
    }

    /// Why it waits for the operator, where it does.
    pub(crate) fn stopped(&self) -> Option<&Stopped> {
        self.stopped.as_ref()
    }

    /// Makes a session that was not started wait for the operator, as the one did whose place it takes.
    pub(crate) fn hold(&mut self, why: Stopped) {
        self.stopped = Some(why);
    }

    /// Whether it is in Idle and will not leave it by itself: nothing is lost by dropping it.
    pub fn is_finished(&self) -> bool {
        self.state() == State::Idle && self.idle_hold.is_none()
    }

    /// Counters.
    pub fn stats(&self) -> &Stats {
        &self.stats
    }

    // Administrative events (RFC 4271 §8.1.2).

    fn manual_start(&mut self, now: Instant, out: &mut Outbox<Output>) {
        self.stopped = None;
        self.forget_troubles();
        if self.state() == State::Idle {
            self.idle_hold = None;
            let passive = self.config.passive;
            let event = if passive { Event::ManualStartPassive } else { Event::ManualStart };
            self.run(now, Which::Primary, event, Cause::text("started by the operator"), out);
        }
    }

    pub(super) fn automatic_start(&mut self, now: Instant, out: &mut Outbox<Output>) {
        if self.stopped.is_some() || self.state() != State::Idle || self.idle_hold.is_some() {
            return;
        }
        let event = match (self.config.damp_peer_oscillations, self.config.passive) {
            (false, false) => Event::AutomaticStart,
            (false, true) => Event::AutomaticStartPassive,
            (true, false) => Event::AutomaticStartDamp,
            (true, true) => Event::AutomaticStartDampPassive,
        };
        self.run(now, Which::Primary, event, Cause::text("started"), out);
    }

    fn manual_stop(&mut self, now: Instant, message: Option<String>, out: &mut Outbox<Output>) {
        let text = message.as_deref().unwrap_or("");
        let notification = Notification::with_communication(ErrorCode::ADMINISTRATIVE_SHUTDOWN, text);
        self.stopped = Some(Stopped::Operator(message));
        self.forget_troubles();
        self.stop_all(now, Event::ManualStop, &notification, "shut down by the operator", out);
        self.idle_hold = None;
    }

    /// Runs a stop event through both FSMs.
    pub(super) fn stop_all(
        &mut self,
        now: Instant,
        event: Event,
        notification: &Notification,
        text: &str,
        out: &mut Outbox<Output>,
    ) {
        // No collision is left to decide.
        self.primary.held_keepalive = false;
        if let Some(second) = &mut self.second {
            (second.held_keepalive, second.tracked) = (false, false);
        }
        // The second first: the first would be replaced by it and be Idle only afterwards.
        for which in [Which::Second, Which::Primary] {
            if self.machine(which).is_some_and(|m| m.state != State::Idle) {
                self.run(now, which, event, Cause::notification(notification.clone(), text), out);
            }
        }
    }

    fn automatic_stop(
        &mut self,
        now: Instant,
        notification: Notification,
        reason: String,
        restart: Restart,
        out: &mut Outbox<Output>,
    ) {
        // A reset that the operator or the configuration wants is no oscillation of the peer.
        let wanted = [ErrorCode::ADMINISTRATIVE_RESET, ErrorCode::OTHER_CONFIGURATION_CHANGE];
        let wanted = wanted.contains(&notification.error());
        if restart == Restart::Never && self.stopped.is_none() {
            self.stopped = Some(Stopped::Held(reason.clone()));
        }
        let was_idle = self.state() == State::Idle;
        self.restart = restart;
        self.stop_all(now, Event::AutomaticStop, &notification, &reason, out);
        self.restart = Restart::Normal;
        if wanted {
            self.forget_troubles();
        }
        if was_idle {
            self.idle_hold = match restart {
                _ if self.stopped.is_some() => None,
                Restart::Never => None,
                Restart::After(wait) => Some(now + wait),
                Restart::Normal => self.idle_hold.map(|at| if wanted { now } else { at }),
            };
        } else if wanted && restart == Restart::Normal && self.idle_hold.is_some() {
            self.idle_hold = Some(now + idle_hold(&self.config, 0, &mut self.rng));
        }
    }

    /// The operator or a new configuration gives the peer a fresh start.
    pub(super) fn forget_troubles(&mut self) {
        self.oscillations = 0;
        self.suppressed.forget();
        self.journal.quiet = false;
        self.attempts.clear();
        self.verdict = None;
        self.told.clear();
    }

    /// A timer of one of the FSMs has expired.
    fn timer(&mut self, now: Instant, which: Which, due: Option<Event>, out: &mut Outbox<Output>) {
        match due {
            // The hot path of a router at rest: what `fsm::step` says, without asking it.
            Some(Event::KeepaliveTimerExpires)
                if which == Which::Primary && self.primary.state == State::Established =>
            {
                self.send_keepalive(which, out);
                self.start_keepalive_timer(now, which);
            }
            Some(event) => {
                let text = match event {
                    Event::ConnectRetryTimerExpires => "trying again to connect",
                    _ => "",
                };
                self.run(now, which, event, Cause::text(text), out);
            }
            None => self.verdict_overdue(now, which, out),
        }
    }

    // Access to the FSMs.

    #[inline]
    pub(super) fn established(&self) -> Option<&Machine> {
        // An FSM that becomes Established becomes the first.
        Some(&self.primary).filter(|m| m.state == State::Established)
    }

    #[inline]
    pub(super) fn which(&self, conn: ConnId) -> Option<Which> {
        if self.primary.has(conn) {
            return Some(Which::Primary);
        }
        self.second.as_ref().is_some_and(|m| m.has(conn)).then_some(Which::Second)
    }

    #[inline]
    pub(super) fn machine(&mut self, which: Which) -> Option<&mut Machine> {
        match which {
            Which::Primary => Some(&mut self.primary),
            Which::Second => self.second.as_mut(),
        }
    }

    pub(super) fn machine_ref(&self, which: Which) -> Option<&Machine> {
        match which {
            Which::Primary => Some(&self.primary),
            Which::Second => self.second.as_ref(),
        }
    }
}
