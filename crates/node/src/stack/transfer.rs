//! Transfers: a client that sends octets, closes its side, and takes what comes.

use super::Stack;
use super::pattern::{CHUNK, Pattern};
use super::sockets::{LastWords, Socket, tcp_error};
use super::tasks::Task;
use trunkline_core::{Duration, Instant};
use trunkline_tcp::{Closed, Options, SocketId};
use trunkline_view::probe::{TransferQuery, TransferView};
use trunkline_view::{Answer, ErrorKind};

/// What is sent: the numbers from 0 to 250, again and again. A prime, so that a piece that is lost or doubled shows.
pub(super) const PATTERN: Pattern = Pattern::new(251, |at| at as u8);

/// A transfer under way.
#[derive(Debug)]
pub(super) struct Transfer {
    query: TransferQuery,
    id: SocketId,
    began: Instant,
    connected: Option<Duration>,
    sent: u64,
    received: u64,
    echoed: bool,
    shut: bool,
}

impl Stack {
    /// Begins to connect.
    pub(super) fn begin_transfer(
        &mut self,
        now: Instant,
        task: u64,
        query: &TransferQuery,
    ) -> Result<Transfer, Answer> {
        let refused = |why: &str| {
            Answer::error(ErrorKind::Unavailable, format!("cannot connect to {}: {why}", query.remote))
        };
        let remote = (*query.remote.ip(), query.remote.port());
        let route = self.ip.route(now, remote.0, 0).ok_or_else(|| refused("no route"))?;
        let source = query.source.or(route.source).ok_or_else(|| refused("no source address"))?;
        let options = Options::default();
        let opened = self.tcp.connect(now, (source, 0), remote, options, route.mtu, &mut self.tcp_out);
        let id = opened.map_err(|error| refused(&error.to_string()))?;
        self.tcp_touched = true;
        self.sockets.sockets.insert(id, Socket::Transfer(task));
        Ok(Transfer {
            query: query.clone(),
            id,
            began: now,
            connected: None,
            sent: 0,
            received: 0,
            echoed: true,
            shut: false,
        })
    }

    fn transfer(&mut self, task: u64) -> Option<&mut Transfer> {
        match self.tasks.tasks.get_mut(&task) {
            Some((_, Task::Transfer(transfer))) => Some(transfer),
            _ => None,
        }
    }

    /// At the start, and when the time is over.
    pub(super) fn transfer_go_on(&mut self, now: Instant, task: u64) {
        let Some(transfer) = self.transfer(task) else { return };
        let Some(timeout) = transfer.query.timeout_ms else { return };
        let over = transfer.began + Duration::from_millis(timeout.into());
        let id = transfer.id;
        if over > now {
            return self.wake_task(over, task);
        }
        self.finish_transfer(now, task, Some("timed out".to_owned()));
        self.sockets.sockets.remove(&id);
        let _ = self.tcp.abort(now, id, &mut self.tcp_out);
        self.tcp_touched = true;
    }

    pub(super) fn transfer_connected(&mut self, now: Instant, task: u64) {
        if let Some(transfer) = self.transfer(task) {
            transfer.connected = Some(now.since(transfer.began));
            self.transfer_ready(now, task);
        }
    }

    /// Sends and takes what can be.
    pub(super) fn transfer_ready(&mut self, now: Instant, task: u64) {
        self.transfer_send(now, task);
        let mut octets = std::mem::take(&mut self.octets);
        let done = self.transfer_receive(now, task, &mut octets);
        self.octets = octets;
        if let (true, Some(transfer)) = (done, self.transfer(task)) {
            let id = transfer.id;
            self.finish_transfer(now, task, None);
            self.let_linger(now, id, LastWords::default());
        }
        self.tcp_touched = true;
    }

    fn transfer_send(&mut self, now: Instant, task: u64) {
        let Some((_, Task::Transfer(transfer))) = self.tasks.tasks.get_mut(&task) else { return };
        let id = transfer.id;
        while transfer.sent < transfer.query.send {
            let octets = self.numbers.from(transfer.sent, transfer.query.send - transfer.sent);
            let Ok(taken) = self.tcp.send(now, id, octets, &mut self.tcp_out) else { return };
            transfer.sent += taken as u64;
            if taken < octets.len() {
                return;
            }
        }
        // A number of octets to receive means that the peer talks until we close: so not yet.
        if transfer.query.receive.is_none() && !std::mem::replace(&mut transfer.shut, true) {
            let _ = self.tcp.shutdown_write(now, id, &mut self.tcp_out);
        }
    }

    /// Whether all has come.
    fn transfer_receive(&mut self, now: Instant, task: u64, octets: &mut Vec<u8>) -> bool {
        loop {
            let Some((_, Task::Transfer(transfer))) = self.tasks.tasks.get_mut(&task) else { return false };
            octets.clear();
            let Ok(received) = self.tcp.receive(now, transfer.id, octets, CHUNK, &mut self.tcp_out) else {
                return false;
            };
            transfer.echoed &= self.numbers.from(transfer.received, octets.len() as u64) == *octets;
            transfer.received += received.octets as u64;
            let enough = transfer.query.receive.is_some_and(|wanted| transfer.received >= wanted);
            if received.eof || (enough && transfer.sent == transfer.query.send) {
                return true;
            }
            if received.octets < CHUNK {
                return false;
            }
        }
    }

    /// The connection is gone before we said so.
    pub(super) fn transfer_closed(&mut self, now: Instant, task: u64, why: Closed) {
        let error = (why != Closed::Done).then(|| tcp_error(why).to_string());
        self.finish_transfer(now, task, error);
    }

    fn finish_transfer(&mut self, now: Instant, task: u64, error: Option<String>) {
        let Some((_, Task::Transfer(transfer))) = self.tasks.tasks.get(&task) else { return };
        let id = transfer.id;
        let connection = self.tcp.connections(now).find(|connection| connection.id == id);
        let cut = transfer.sent < transfer.query.send
            || transfer.query.receive.is_some_and(|wanted| transfer.received < wanted);
        let early = cut.then(|| "the peer closed the connection before all was sent and received".to_owned());
        let view = TransferView {
            remote: transfer.query.remote,
            sent: transfer.sent,
            received: transfer.received,
            echoed: transfer.echoed,
            connected: transfer.connected.map(|time| time.as_secs_f64()),
            seconds: now.since(transfer.began).as_secs_f64(),
            retransmits: connection.map_or(0, |connection| connection.retransmits),
            error: error.or(early),
        };
        self.finish_task(task, Answer::Transfer(view));
    }
}
