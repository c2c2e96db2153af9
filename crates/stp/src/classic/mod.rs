//! STP as of 1998 (IEEE 802.1D-1998 clause 8), with UplinkFast and BackboneFast. Sections in this module are of that
//! edition.
//!
//! | part | module |
//! |---|---|
//! | variables, and what the bridge is told | here |
//! | elements of procedure (§8.6) | `procedures` |
//! | operation: BPDUs, timers, management (§8.7, §8.8) | `operation` |
//! | a port, its state and its timers | `port` |
//! | UplinkFast, BackboneFast | `fast` |
//! | how it stands | `facts` |
//!
//! Beyond 1998: PortFast, root guard and loop guard. RST BPDUs are of a type that 1998 does not know: they end PortFast and
//! are dropped. Where this module does more than the standard's text:
//!
//! - A port that goes down while it forwards counts as a change of the topology.
//! - What a port heard of this bridge itself is no way to the root, as in IEEE 802.1D-2004 §17.21.25.
//! - Message age is kept in 1/256 s, as it travels.
//! - The hello timer starts when the first port is enabled, and expires at once.

mod facts;
mod fast;
mod operation;
mod port;
mod procedures;

use crate::engine::{BridgeFacts, Engine, PortFacts, PortSettings, Said};
use crate::vector::{Times, Vector};
use crate::{BridgeId, Config, Event, Output, PortIdentifier};
use fast::Inquiry;
use port::Port;
use std::collections::{BTreeMap, BTreeSet};
use trunkline_core::{Duration, Instant, Outbox, PortId, earliest};
use trunkline_wire::stp::{Bpdu, RootLinkQuery};

/// A bridge (§8.5.3, §8.5.4).
#[derive(Debug)]
pub(crate) struct Bridge {
    bridge_id: BridgeId,
    /// bridge_max_age, bridge_hello_time, bridge_forward_delay.
    own: Times,
    uplink_fast: bool,
    backbone_fast: bool,
    designated_root: BridgeId,
    root_path_cost: u32,
    /// None: this bridge is the root.
    root_port: Option<PortId>,
    /// max_age, hello_time, forward_delay: the root's.
    times: Times,
    topology_change_detected: bool,
    topology_change: bool,
    hello_timer: Option<Instant>,
    tcn_timer: Option<Instant>,
    topology_change_timer: Option<Instant>,
    ports: BTreeMap<PortId, Port>,
    /// Which port is to be looked after next: one entry for each that has a deadline.
    deadlines: BTreeSet<(Instant, PortId)>,
    /// BackboneFast: a Root Link Query of ours that is under way.
    inquiry: Option<Inquiry>,
    /// The root and the root port that were told last.
    told: (BridgeId, Option<PortId>),
    /// The ageing time that was told last.
    ageing: Option<Duration>,
}

impl Bridge {
    pub(crate) fn new(config: &Config) -> Bridge {
        let bridge_id = config.bridge_id();
        Bridge {
            bridge_id,
            own: own_times(config),
            uplink_fast: config.uplink_fast,
            backbone_fast: config.backbone_fast,
            designated_root: bridge_id,
            root_path_cost: 0,
            root_port: None,
            times: own_times(config),
            topology_change_detected: false,
            topology_change: false,
            hello_timer: None,
            tcn_timer: None,
            topology_change_timer: None,
            ports: BTreeMap::new(),
            deadlines: BTreeSet::new(),
            inquiry: None,
            told: (bridge_id, None),
            ageing: None,
        }
    }

    fn is_root(&self) -> bool {
        self.root_port.is_none()
    }

    /// What this bridge sends by a port.
    fn vector(&self, port: PortIdentifier) -> Vector {
        Vector { root: self.designated_root, cost: self.root_path_cost, bridge: self.bridge_id, port }
    }

    fn forward_delay(&self) -> Duration {
        Duration::from_secs(self.times.forward_delay.into())
    }

    fn max_age(&self) -> Duration {
        Duration::from_secs(self.times.max_age.into())
    }

    /// Files a port's deadline anew.
    fn file(&mut self, id: PortId) {
        if let Some(port) = self.ports.get_mut(&id) {
            file(&mut self.deadlines, id, port, self.times.max_age);
        }
    }

    /// What is told after each input: the root, and the ageing time (§8.6.3, §7.9.2).
    fn finish(&mut self, out: &mut Outbox<Said>) {
        let now = (self.designated_root, self.root_port);
        let before = std::mem::replace(&mut self.told, now);
        if before != now {
            let event = Event::Root { from: before.0, to: now.0, port: now.1 };
            out.push(Said::Out(Output::Event(event)));
        }
        let ageing = self.topology_change.then(|| self.forward_delay());
        if self.ageing != ageing {
            self.ageing = ageing;
            out.push(Said::Out(Output::AgeingTime(ageing)));
        }
    }
}

fn own_times(config: &Config) -> Times {
    Times {
        message_age: 0,
        max_age: config.max_age,
        forward_delay: config.forward_delay,
        hello_time: config.hello_time,
    }
}

fn file(deadlines: &mut BTreeSet<(Instant, PortId)>, id: PortId, port: &mut Port, max_age: u8) {
    let deadline = port.deadline(max_age);
    if port.filed != deadline {
        if let Some(at) = port.filed {
            deadlines.remove(&(at, id));
        }
        deadlines.extend(deadline.map(|at| (at, id)));
        port.filed = deadline;
    }
}

impl Engine for Bridge {
    fn set_port(&mut self, now: Instant, port: PortId, settings: PortSettings, out: &mut Outbox<Said>) {
        self.change_port(now, port, settings, out);
        self.finish(out);
    }

    fn remove_port(&mut self, now: Instant, port: PortId, out: &mut Outbox<Said>) {
        self.disable_port(now, port, out);
        if let Some(Port { filed: Some(at), .. }) = self.ports.remove(&port) {
            self.deadlines.remove(&(at, port));
        }
        self.finish(out);
    }

    fn enable(&mut self, now: Instant, port: PortId, on: bool, out: &mut Outbox<Said>) {
        if on {
            self.enable_port(now, port, out);
        } else {
            self.disable_port(now, port, out);
        }
        self.finish(out);
    }

    fn bpdu(&mut self, now: Instant, port: PortId, bpdu: &Bpdu, out: &mut Outbox<Said>) {
        if self.ports.get(&port).is_some_and(Port::enabled) {
            self.leave_edge(now, port, out);
            match bpdu {
                Bpdu::Config(body) => self.received_config_bpdu(now, port, body, out),
                Bpdu::Tcn => self.received_tcn_bpdu(now, port, out),
                Bpdu::Rst(_) => {}
            }
        }
        self.finish(out);
    }

    fn query(&mut self, now: Instant, port: PortId, query: &RootLinkQuery, out: &mut Outbox<Said>) {
        self.root_link_query(now, port, query, out);
        self.finish(out);
    }

    fn own_bpdu(&mut self, now: Instant, port: PortId) {
        self.self_looped(now, port);
    }

    fn mcheck(&mut self, _: Instant, _: PortId, _: &mut Outbox<Said>) {}

    fn reconfigure(&mut self, now: Instant, config: &Config, out: &mut Outbox<Said>) {
        self.change_bridge(now, config, out);
        self.finish(out);
    }

    fn poll_timeout(&self) -> Option<Instant> {
        earliest([
            self.hello_timer,
            self.tcn_timer,
            self.topology_change_timer,
            self.inquiry.as_ref().map(|inquiry| inquiry.until),
            self.deadlines.first().map(|(at, _)| *at),
        ])
    }

    fn handle_timeout(&mut self, now: Instant, out: &mut Outbox<Said>) {
        self.bridge_timers(now, out);
        // A port's timers run anew from now, so that each port is looked after once.
        let due: Vec<PortId> =
            self.deadlines.iter().take_while(|(at, _)| *at <= now).map(|(_, id)| *id).collect();
        for id in due {
            self.port_timers(now, id, out);
            self.file(id);
        }
        self.finish(out);
    }

    fn trace(&mut self, _: bool) {}

    fn bridge(&self) -> BridgeFacts {
        self.bridge_facts()
    }

    fn port(&self, now: Instant, port: PortId) -> Option<PortFacts> {
        self.port_facts(now, port)
    }
}
