//! What the kernel knows of a BGP neighbour, for the node that asks.

use super::EventLoop;
use crate::facts::{Target, probe};
use crate::handle::Command;
use std::sync::Arc;
use trunkline_node::{NodeInput, Wanted};
use trunkline_view::facts::Probe;

/// Probes at a time; each has a thread of its own for some seconds.
const MAX_PROBES: usize = 4;

impl EventLoop {
    /// Finds out what is known now; a probe first, where one is wanted.
    pub(super) fn gather(&mut self, wanted: Wanted) {
        let Some(tcp) = wanted.probe else { return self.tell_facts(wanted, None) };
        if self.probes >= MAX_PROBES {
            let left_out = vec!["no probe: too many are under way".to_owned()];
            return self.tell_facts(wanted, Some(Probe { left_out, ..Probe::default() }));
        }
        let mtu = self.mtu_towards(&wanted);
        let target = Target {
            address: wanted.neighbor,
            local: wanted.local,
            mtu,
            tcp: tcp.then_some(wanted.port),
            sources: (wanted.sources.clone(), wanted.port),
        };
        let shared = Arc::clone(&self.shared);
        let question = wanted.clone();
        let thread = std::thread::Builder::new().name("probe".to_owned()).spawn(move || {
            shared.push(Command::Probed { wanted: question, found: Box::new(probe(&target)) });
        });
        match thread {
            Ok(_) => self.probes += 1,
            Err(error) => {
                let left_out = vec![format!("no probe: {error}")];
                self.tell_facts(wanted, Some(Probe { left_out, ..Probe::default() }));
            }
        }
    }

    fn mtu_towards(&mut self, wanted: &Wanted) -> Option<u32> {
        let found =
            self.facts.gather(self.now, wanted.neighbor, None::<&mio::net::TcpStream>, &self.monitor.links);
        let name = found.way?.interface?;
        self.monitor.links.named(&name).map(|link| link.interface.mtu)
    }

    /// A probe is done.
    pub(super) fn probed(&mut self, wanted: Wanted, found: Probe) {
        self.probes -= 1;
        self.tell_facts(wanted, Some(found));
    }

    fn tell_facts(&mut self, wanted: Wanted, probe: Option<Probe>) {
        let index = wanted.conn.and_then(|conn| self.connections.index(conn));
        let conn = index.and_then(|index| self.connections.get(index)).filter(|conn| !conn.is_connecting());
        let socket = conn.map(|conn| conn.stream());
        let mut found = self.facts.gather(self.now, wanted.neighbor, socket, &self.monitor.links);
        found.probe = probe;
        self.feed(NodeInput::Gathered { wanted, found: Box::new(found) });
    }
}
