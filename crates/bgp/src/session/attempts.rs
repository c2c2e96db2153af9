//! What became of the last connections, for whoever explains why a session is not up.

use super::State;
use super::event::Event;
use super::machine::{Conn, Machine};
use super::peer::{Cause, Session, Which};
use crate::transport::TcpError;
use std::collections::VecDeque;
use std::net::IpAddr;
use trunkline_core::Instant;
use trunkline_view::facts::{Attempt, End, Stage, Told};
use trunkline_wire::bgp::{ErrorCode, Notification};

/// How many are kept; those that end alike count as one.
const MAX_ATTEMPTS: usize = 8;

/// Connections that ended alike.
#[derive(Debug, Clone)]
struct Record {
    ours: bool,
    times: u32,
    first: Instant,
    begun: Instant,
    ended: Instant,
    local: Option<IpAddr>,
    stage: Stage,
    end: End,
}

/// The last connections, the newest first.
#[derive(Debug, Clone, Default)]
pub(crate) struct Attempts(VecDeque<Record>);

/// A connection before a transition that may end it.
#[derive(Debug)]
pub(super) struct Before {
    conn: trunkline_core::ConnId,
    begun: Instant,
    local: Option<IpAddr>,
    stage: Stage,
}

fn stage(machine: &Machine, conn: &Conn) -> Stage {
    match machine.state {
        State::Established => Stage::Established,
        _ if machine.theirs.is_some() => Stage::Opened,
        _ if conn.ends.is_some() => Stage::Connected,
        _ => Stage::Connecting,
    }
}

impl Before {
    /// The connection of an FSM, where it has one.
    pub(super) fn of(machine: &Machine) -> Option<Before> {
        let conn = machine.conn.as_ref()?;
        Some(Before::with(machine, conn))
    }

    /// A connection that an FSM had until now.
    pub(super) fn with(machine: &Machine, conn: &Conn) -> Before {
        let local = conn.ends.map(|(local, _)| local.ip().to_canonical());
        Before { conn: conn.id, begun: conn.begun, local, stage: stage(machine, conn) }
    }
}

impl Attempts {
    fn add(&mut self, new: Record) {
        let alike = |old: &Record| {
            (old.ours, old.stage, &old.end, old.local) == (new.ours, new.stage, &new.end, new.local)
        };
        let known = self.0.iter().position(alike).and_then(|at| self.0.remove(at));
        let (times, first) = known.map_or((1, new.first), |old| (old.times.saturating_add(1), old.first));
        self.0.push_front(Record { times, first, ..new });
        self.0.truncate(MAX_ATTEMPTS);
    }

    /// The session is up: what kept it from that has passed, what ended one before may end this one.
    pub(super) fn went_up(&mut self) {
        self.0.retain(|record| record.stage == Stage::Established);
    }

    /// The operator or a new configuration gives the peer a fresh start.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}

impl Session {
    /// After a transition: keeps what became of a connection that is no more.
    pub(super) fn keep_attempt(
        &mut self,
        now: Instant,
        which: Which,
        before: Option<Before>,
        (event, cause, sent): (Event, &Cause, Option<&Notification>),
    ) {
        let Some(before) = before else { return };
        if self.machine_ref(which).and_then(Machine::conn_id) == Some(before.conn) {
            return;
        }
        let end = end(event, cause, sent);
        let (first, begun) = (before.begun, before.begun);
        let (ours, local, stage) = (!before.conn.is_incoming(), before.local, before.stage);
        self.attempts.add(Record { ours, times: 1, first, begun, ended: now, local, stage, end });
        self.news = true;
    }

    /// The last connections, and before them those that there are.
    pub(crate) fn attempts(&self, now: Instant) -> Vec<Attempt> {
        let seconds = |at: Instant| now.since(at).as_secs_f64();
        let current = [Which::Primary, Which::Second]
            .into_iter()
            .filter_map(|which| self.machine_ref(which))
            .filter_map(Before::of)
            .map(|before| Attempt {
                ours: !before.conn.is_incoming(),
                times: 1,
                ago: (seconds(before.begun), 0.0),
                lasted: seconds(before.begun),
                local: before.local,
                stage: before.stage,
                end: End::Pending,
            });
        let past = self.attempts.0.iter().map(|record| Attempt {
            ours: record.ours,
            times: record.times,
            ago: (seconds(record.first), seconds(record.ended)),
            lasted: record.ended.since(record.begun).as_secs_f64(),
            local: record.local,
            stage: record.stage,
            end: record.end.clone(),
        });
        current.chain(past).collect()
    }
}

fn end(event: Event, cause: &Cause, sent: Option<&Notification>) -> End {
    if let Some(received) = &cause.received {
        return End::Received(told(received, String::new()));
    }
    if let Some(sent) = sent {
        return End::Sent(told(sent, cause.text.clone()));
    }
    match (&cause.ended, event) {
        (Some((_, error)), _) => ended(error),
        (None, Event::ConnectRetryTimerExpires) => End::NoAnswer,
        (None, _) => End::Dropped(cause.text.clone()),
    }
}

fn ended(error: &TcpError) -> End {
    let words = error.to_string();
    match error {
        TcpError::EndOfStream => End::Closed,
        TcpError::Reset => End::Reset,
        TcpError::Refused => End::Refused,
        TcpError::TimedOut => End::NoAnswer,
        TcpError::NoRoute(why) => End::NoRoute(why.clone()),
        TcpError::Unreachable => End::Icmp { by: None, what: "unreachable".to_owned(), exceeded: false },
        TcpError::Icmp { by, what, exceeded } => {
            End::Icmp { by: Some(*by), what: what.clone(), exceeded: *exceeded }
        }
        TcpError::Other(_) => End::Failed(words),
    }
}

fn told(notification: &Notification, why: String) -> Told {
    let mut words = notification.to_string();
    match (notification.error(), notification.data.as_slice()) {
        (ErrorCode::BAD_PEER_AS, [a0, a1]) => {
            words.push_str(&format!("; its data name AS {}", u16::from_be_bytes([*a0, *a1])));
        }
        (ErrorCode::BAD_PEER_AS, [a0, a1, a2, a3]) => {
            words.push_str(&format!("; its data name AS {}", u32::from_be_bytes([*a0, *a1, *a2, *a3])));
        }
        _ => {}
    }
    // RFC 8538 §3: a Hard Reset says why inside.
    let code = match notification.encapsulated() {
        Some(inner) => (inner.code, inner.subcode),
        None => (notification.code, notification.subcode),
    };
    Told { code, words, why }
}
