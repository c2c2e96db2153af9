//! What a session tells the operator.

use super::State;
use super::journal::Verdict;
use super::machine::Machine;
use super::negotiation::describe_agreed;
use super::peer::{Session, Stopped, Which};
use trunkline_core::{ConnId, Duration, Instant};
use trunkline_view::bgp::{ErrorRecord, MessageCount, NeighborSummary, NeighborView, TimerView};
use trunkline_wire::bgp::Open;

/// How many verdicts are remembered, so that two that take turns are not told again and again.
const MAX_TOLD: usize = 8;

impl Session {
    /// Fills in what the session knows of a line of the summary: all but the routes.
    pub fn describe_summary(&self, now: Instant, view: &mut NeighborSummary) {
        view.address = self.config.address;
        view.asn = Some(self.config.asn);
        view.description.clone_from(&self.config.description);
        view.state = self.state().name().to_owned();
        view.since = now.since(self.journal.since).as_secs_f64();
        view.shutdown = self.is_shutdown();
        view.dynamic = self.dynamic;
        view.messages_received = self.stats.received.total();
        view.messages_sent = self.stats.sent.total();
        view.last_error = self.journal.last_error().map(str::to_owned);
    }

    /// Fills in what the session knows: all but families, faults and stale routes.
    pub fn describe(&self, now: Instant, view: &mut NeighborView) {
        self.describe_summary(now, &mut view.summary);
        view.local_asn = self.local.asn;
        view.session_type = if self.is_external() { "external" } else { "internal" }.to_owned();
        self.describe_connection(view);
        self.describe_opens(view);
        self.describe_timers(now, view);
        view.messages = self.message_counts();
        view.flaps = self.stats.flaps;
        view.established = self.stats.established;
        view.errors = self
            .journal
            .errors
            .iter()
            .map(|(at, text)| ErrorRecord { ago: now.since(*at).as_secs_f64(), message: text.clone() })
            .collect();
        view.down_because = self.down_because();
        let says = |verdict: &&Verdict| view.down_because.as_ref() == Some(&verdict.says);
        view.down_rule = self.verdict.as_ref().filter(says).map(|verdict| verdict.rule.clone());
        view.idle_hold = self.idle_hold.map(|at| at.since(now).as_secs_f64());
    }

    /// Whether the peer is of another AS.
    pub(super) fn is_external(&self) -> bool {
        self.config.asn != self.local.asn
    }

    /// Why it waits for the operator, in words, where it does; and whether that is wanted.
    pub(crate) fn stopped_because(&self) -> Option<(String, bool)> {
        let stopped = self.stopped.as_ref()?;
        let words = match stopped {
            Stopped::Disabled => "disabled in the configuration".to_owned(),
            Stopped::Operator(None) => "shut down by the operator".to_owned(),
            Stopped::Operator(Some(text)) => format!("shut down by the operator: {text:?}"),
            Stopped::Held(reason) => format!("stopped until started by hand: {reason}"),
        };
        Some((words, !matches!(stopped, Stopped::Held(_))))
    }

    /// The state's name, and for how many seconds it is so.
    pub(crate) fn state_since(&self, now: Instant) -> (String, f64) {
        (self.state().name().to_owned(), now.since(self.journal.since).as_secs_f64())
    }

    /// Seconds until it starts again by itself, where it rests after an error.
    pub(crate) fn rests(&self, now: Instant) -> Option<f64> {
        self.idle_hold.map(|at| at.since(now).as_secs_f64())
    }

    /// The connection that has come furthest.
    pub(crate) fn best_conn(&self) -> Option<ConnId> {
        self.best().conn_id()
    }

    /// Whether a connection has ended, other than one beside an Established one, since this was asked last.
    pub(crate) fn take_news(&mut self) -> bool {
        std::mem::take(&mut self.news) && self.state() != State::Established
    }

    /// What was found to be wrong; whether it was not found before, since the session was up.
    pub(crate) fn set_verdict(&mut self, rule: &str, says: &str) -> bool {
        if self.state() == State::Established {
            return false;
        }
        let verdict = Verdict { rule: rule.to_owned(), says: says.to_owned() };
        let new = !self.told.contains(&verdict);
        if new {
            self.told.truncate(MAX_TOLD - 1);
            self.told.insert(0, verdict.clone());
        }
        self.verdict = Some(verdict);
        new
    }

    /// The FSM that has come furthest.
    fn best(&self) -> &Machine {
        match &self.second {
            Some(second) if second.state > self.primary.state => second,
            _ => &self.primary,
        }
    }

    fn describe_connection(&self, view: &mut NeighborView) {
        let conn = self.best().conn.as_ref();
        let ends = conn.and_then(|c| c.ends);
        view.local = ends.map(|(local, _)| local.to_string());
        view.remote = ends.map(|(_, remote)| remote.to_string());
        let opened_by = |incoming: bool| if incoming { "peer" } else { "us" }.to_owned();
        view.opened_by = conn.filter(|c| c.ends.is_some()).map(|c| opened_by(c.id.is_incoming()));
    }

    fn describe_opens(&self, view: &mut NeighborView) {
        let words = |open: &Option<Open>| -> Vec<String> {
            open.iter().flat_map(Open::capabilities).map(ToString::to_string).collect()
        };
        view.router_id = self.last.received.as_ref().map(|open| open.bgp_identifier);
        view.capabilities_sent = words(&self.last.sent);
        view.capabilities_received = words(&self.last.received);
        view.capabilities_agreed = self.last.agreed.as_ref().map(describe_agreed).unwrap_or_default();
        view.capabilities_suppressed = self.suppressed.describe();
        view.hold_time_configured = self.config.hold_time;
        let up = self.established().and_then(|m| m.agreed.as_ref());
        view.hold_time = up.map(|agreed| agreed.negotiated.hold_time);
        view.keepalive_time = up.and_then(|agreed| agreed.keepalive).map(|d| Duration::as_secs_f64(&d));
    }

    fn describe_timers(&self, now: Instant, view: &mut NeighborView) {
        let running = [Which::Primary, Which::Second]
            .into_iter()
            .filter_map(|which| self.machine_ref(which))
            .flat_map(|machine| machine.timers.running());
        let idle_hold = self.idle_hold.map(|at| ("IdleHoldTimer", at));
        view.timers = running
            .chain(idle_hold)
            .map(|(name, at)| TimerView { name: name.to_owned(), left: at.since(now).as_secs_f64() })
            .collect();
    }

    fn message_counts(&self) -> Vec<MessageCount> {
        let (received, sent) = (&self.stats.received, &self.stats.sent);
        [
            ("OPEN", received.open, sent.open),
            ("UPDATE", received.update, sent.update),
            ("NOTIFICATION", received.notification, sent.notification),
            ("KEEPALIVE", received.keepalive, sent.keepalive),
            ("ROUTE-REFRESH", received.route_refresh, sent.route_refresh),
        ]
        .map(|(kind, received, sent)| MessageCount { kind: kind.to_owned(), received, sent })
        .to_vec()
    }

    /// Why the neighbour is not up, where it is not.
    pub(super) fn down_because(&self) -> Option<String> {
        let state = self.state();
        if state == State::Established {
            return None;
        }
        if let Some((stopped, _)) = self.stopped_because().filter(|_| state == State::Idle) {
            return Some(stopped);
        }
        Some(match &self.verdict {
            Some(verdict) => verdict.says.clone(),
            None => match (self.journal.last_error(), state) {
                (Some(error), _) => error.to_owned(),
                (None, State::Active) if self.config.passive => {
                    "passive: waits for the peer to connect".to_owned()
                }
                (None, State::Idle) => "not started".to_owned(),
                (None, State::Connect) => "no answer yet to our connection request".to_owned(),
                (None, State::Active) => "waits to connect again, or for the peer to connect".to_owned(),
                (None, State::OpenSent) => "waits for the peer's OPEN".to_owned(),
                (None, _) => "waits for the peer's KEEPALIVE".to_owned(),
            },
        })
    }
}
