//! RIP between the kernel's UDP and the node, and the calendar that its keys live by.

use super::{CALENDAR, EventLoop, RIP};
use crate::calendar::Calendar;
use crate::clock;
use crate::rip::{Datagram, RipSocket};
use std::io;
use std::net::SocketAddrV4;
use trunkline_node::config::{NodeConfig, PortKind};
use trunkline_node::{InterfaceChange, NodeInput, RipAction};

/// Datagrams taken in a turn, each with up to 25 routes; the others come next.
const DATAGRAMS_PER_TURN: usize = 64;

/// Whether a configuration has RIP on an interface of the kernel: on its own, the node speaks by its own IP.
pub(crate) fn wanted(config: &NodeConfig) -> bool {
    let is_own = |name: &str| {
        let mut own = config.interfaces.iter().filter(|interface| interface.port != PortKind::Kernel);
        config.is_bridge(name) || own.any(|interface| interface.name == name)
    };
    config.rip.as_ref().is_some_and(|rip| rip.machine.interfaces.keys().any(|name| !is_own(name)))
}

impl EventLoop {
    /// Opens what a configuration wants and is not open: done before anything else is changed.
    pub(super) fn prepare_rip(&self, config: &NodeConfig) -> io::Result<Option<RipSocket>> {
        let open = wanted(config) && self.rip.is_none();
        open.then(|| RipSocket::open(self.poll.registry(), RIP)).transpose()
    }

    /// What RIP needs is there before the node begins with it.
    pub(super) fn open_rip(&mut self, config: &NodeConfig, opened: Option<RipSocket>) {
        if opened.is_some() {
            self.rip = opened;
        }
        self.watch_calendar(config.rip.is_some());
    }

    /// After the node has said its farewell, where it has.
    pub(super) fn close_rip(&mut self) {
        let wanted = wanted(self.node.config());
        if let Some(rip) = &mut self.rip {
            rip.keep(self.now, wanted);
        }
    }

    /// Tells the node what the calendar says, now and when its clock is set.
    pub(super) fn watch_calendar(&mut self, wanted: bool) {
        if !wanted {
            self.calendar = None;
        } else if self.calendar.is_none() {
            // First, so that nothing is missed.
            match Calendar::watch(self.poll.registry(), CALENDAR) {
                Ok(calendar) => self.calendar = Some(calendar),
                Err(error) => {
                    tracing::warn!(
                        "cannot hear of it when the clock is set, which RIP's keys live by: {error}"
                    );
                }
            }
            self.tell_calendar();
        }
    }

    fn tell_calendar(&mut self) {
        self.now = clock::now();
        self.feed(NodeInput::WallClock { since_epoch: clock::since_epoch() });
    }

    pub(super) fn follow_calendar(&mut self) {
        if self.calendar.as_mut().is_some_and(Calendar::was_set) {
            tracing::info!("the clock was set: RIP's keys and sequence numbers follow it");
            self.tell_calendar();
        }
    }

    pub(super) fn rip_action(&mut self, action: RipAction) {
        let Some(rip) = &mut self.rip else { return };
        match action {
            RipAction::Group { interface, join: true } => rip.join(interface),
            RipAction::Group { interface, join: false } => rip.leave(interface),
            RipAction::Send { interface, source, destination, port, octets, answer } => {
                let destination = SocketAddrV4::new(destination, port);
                rip.send(Datagram { interface, source, destination, octets, answer });
            }
        }
    }

    /// Netlink tells of an interface. Of one that is gone the node has no more to say.
    pub(super) fn rip_changed(&mut self, change: &InterfaceChange) {
        if let (Some(rip), InterfaceChange::Gone { index }) = (&mut self.rip, change) {
            rip.leave(*index);
        }
    }

    /// Feeds what came in.
    pub(super) fn read_rip(&mut self) {
        for _ in 0..DATAGRAMS_PER_TURN {
            let Some(rip) = &mut self.rip else { return };
            let Some(arrival) = rip.receive(&mut self.read_buffer) else { return };
            let buffer = std::mem::take(&mut self.read_buffer);
            self.feed(NodeInput::Rip {
                interface: arrival.interface,
                source: arrival.source,
                source_port: arrival.source_port,
                octets: buffer.get(..arrival.len).unwrap_or_default(),
            });
            self.read_buffer = buffer;
        }
    }

    /// Sends what the turn brought up; the socket's end, where it is wanted no more.
    pub(super) fn flush_rip(&mut self) {
        if let Some(rip) = &mut self.rip {
            rip.flush();
        }
        if self.rip.take_if(|rip| rip.is_over(self.now)).is_some() {
            tracing::info!("no longer listening for RIP");
        }
    }
}
