//! RIP as part of a node: interfaces and datagrams go in, datagrams and routes come out.
//!
//! On interfaces of the node's own the datagrams go by its own IP, on others by the kernel's UDP. RIP hears of all
//! interfaces, since the addresses of those that it does not run on are our own too.

use crate::config::{CalendarLifetime, RipConfig, RipKey};
use crate::node::Node;
use crate::rib::Candidate;
use crate::stack::FIRST_INDEX;
use crate::{FibNextHop, NodeOutput, RipAction};
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};
use trunkline_core::{Duration, Instant, Outbox, PortId, Prefix, Rng};
use trunkline_rip::{Authentication, Input, InterfaceId, Key, Lifetime, Output, Rip, RouteInfo};
use trunkline_view::rip::{RouteView, RoutesQuery};
use trunkline_view::{Answer, DoneView, ErrorKind, EventKind, Query, RouteSource};
use trunkline_wire::rip::MULTICAST;

/// Which time of the calendar a moment is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct WallClock {
    /// This moment
    pub(crate) at: Instant,
    /// is so long after 1970-01-01 00:00 UTC.
    pub(crate) since_epoch: Duration,
}

impl Default for WallClock {
    fn default() -> WallClock {
        WallClock { at: Instant::ZERO, since_epoch: Duration::ZERO }
    }
}

impl WallClock {
    fn seconds(&self, now: Instant) -> u32 {
        u32::try_from((self.since_epoch + now.since(self.at)).as_secs()).unwrap_or(u32::MAX)
    }

    /// The moment of a second of the calendar; none: it is not after the start.
    fn moment(&self, seconds: u64) -> Option<Instant> {
        let from_epoch = Duration::from_secs(seconds);
        if from_epoch >= self.since_epoch {
            return Some(self.at + (from_epoch - self.since_epoch));
        }
        let ago = u64::try_from((self.since_epoch - from_epoch).as_nanos()).ok()?;
        self.at.as_nanos().checked_sub(ago).filter(|at| *at > 0).map(Instant::from_nanos)
    }

    /// When a key may be used. What was before the start keeps its order: of two keys the one that became valid last still
    /// did, and that went out of date last. The ranks are their places among all.
    fn lifetime(&self, lifetime: CalendarLifetime, (from_rank, until_rank): (u64, u64)) -> Lifetime {
        let moment = |time, rank| self.moment(time).unwrap_or(Instant::from_nanos(rank));
        Lifetime {
            from: lifetime.from.map(|from| moment(from, from_rank)),
            until: lifetime.until.map(|until| moment(until, until_rank)),
        }
    }
}

/// RIP, where it is configured.
#[derive(Debug)]
pub(crate) struct RipState {
    machine: Rip,
    out: Outbox<Output>,
    /// Interfaces on which we are members of 224.0.0.9.
    groups: BTreeSet<u32>,
}

impl RipState {
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.machine.poll_timeout()
    }

    pub(crate) fn watch(&mut self, on: bool) {
        self.machine.watch(on);
    }
}

/// The machine's configuration, with keys that are valid by its own clock.
fn machine_config(config: &RipConfig, clock: &WallClock) -> trunkline_rip::Config {
    let mut machine = config.machine.clone();
    for (name, authentication) in &config.authentication {
        let Some(interface) = machine.interfaces.get_mut(name) else { continue };
        let rank = |which: fn(&RipKey) -> CalendarLifetime, of: CalendarLifetime| {
            let earlier = |time: fn(CalendarLifetime) -> Option<u64>| {
                authentication.keys.iter().filter(|other| time(which(other)) < time(of)).count() as u64
            };
            (earlier(|lifetime| lifetime.from), earlier(|lifetime| lifetime.until))
        };
        let keys = authentication.keys.iter().map(|key| Key {
            id: key.id,
            algorithm: key.algorithm,
            secret: key.secret.clone(),
            send: clock.lifetime(key.send, rank(|key| key.send, key.send)),
            accept: clock.lifetime(key.accept, rank(|key| key.accept, key.accept)),
        });
        let crate::config::RipAuthentication { fail_secure, any_after_silence, .. } = *authentication;
        interface.authentication = Authentication { keys: keys.collect(), fail_secure, any_after_silence };
    }
    machine
}

impl Node {
    /// Makes the machine that the configuration wants, and tells it of all interfaces.
    pub(crate) fn start_rip(&mut self, now: Instant, out: &mut Outbox<NodeOutput>) {
        let Some(config) = &self.config.rip else { return };
        let sequence = self.wall_clock.seconds(now).max(self.rip_sequence);
        let rng: Rng = self.rng.fork();
        let mut machine = Rip::new(now, machine_config(config, &self.wall_clock), sequence, rng);
        machine.watch(self.watched);
        self.rip = Some(Box::new(RipState { machine, out: Outbox::new(), groups: BTreeSet::new() }));
        if let Some(stack) = &mut self.stack {
            stack.open_rip(true);
        }
        // First those that RIP runs on: there is an end to how many it takes.
        let mut indices = self.routing.interfaces.indices();
        indices.sort_by_key(|index| {
            !self.routing.interfaces.name(*index).is_some_and(|name| runs(&self.config, name))
        });
        for index in indices {
            self.rip_interface(now, index, out);
        }
    }

    /// RIP goes on as the configuration wants it now; says in words what changed.
    pub(crate) fn reconfigure_rip(
        &mut self,
        now: Instant,
        before: Option<&RipConfig>,
        out: &mut Outbox<NodeOutput>,
    ) -> Vec<String> {
        let mut changes = Vec::new();
        match (before, self.config.rip.clone()) {
            (None, Some(_)) => {
                changes.push("rip added".to_owned());
                if self.started.is_some() {
                    self.start_rip(now, out);
                }
            }
            (Some(_), None) => {
                changes.push("rip removed".to_owned());
                self.stop_rip(now, out);
            }
            (Some(old), Some(new)) if *old != new => {
                changes.extend(differences(old, &new));
                if old.distance != new.distance {
                    self.routing.set_rip_distance(new.distance);
                }
                self.apply_rip(now, &new, out);
            }
            // The node may have a stack only now.
            (Some(_), Some(_)) => {
                if let Some(stack) = self.stack.as_mut().filter(|_| self.rip.is_some()) {
                    stack.open_rip(true);
                }
            }
            (None, None) => {}
        }
        changes
    }

    fn apply_rip(&mut self, now: Instant, config: &RipConfig, out: &mut Outbox<NodeOutput>) {
        let machine_config = machine_config(config, &self.wall_clock);
        // First, so that the answer to a first request is heard.
        self.rip_groups(out);
        if let Some(rip) = &mut self.rip {
            rip.machine.reconfigure(now, machine_config, &mut rip.out);
            if let Some(stack) = &mut self.stack {
                stack.open_rip(true);
            }
        }
        self.carry_rip(now, out);
    }

    /// The neighbours hear that there is nothing more by us, then RIP is no more.
    pub(crate) fn stop_rip(&mut self, now: Instant, out: &mut Outbox<NodeOutput>) {
        let Some(config) = self.rip.as_ref().map(|_| RipConfig::default()) else { return };
        self.apply_rip(now, &config, out);
        if let Some(mut rip) = self.rip.take() {
            self.rip_sequence = rip.machine.sequence(now);
        }
        if let Some(stack) = &mut self.stack {
            stack.open_rip(false);
        }
        self.routing.forget_rip();
        self.redistribution.forget_rip();
    }

    /// The calendar was set: the lifetimes of keys are others by our own clock.
    pub(crate) fn set_wall_clock(
        &mut self,
        now: Instant,
        since_epoch: Duration,
        out: &mut Outbox<NodeOutput>,
    ) {
        self.wall_clock = WallClock { at: now, since_epoch };
        if let Some(rip) = &mut self.rip {
            rip.machine.raise_sequence(now, self.wall_clock.seconds(now));
        }
        if let Some(config) = self.config.rip.clone() {
            self.apply_rip(now, &config, out);
        }
    }

    /// Tells RIP of an interface as it is now.
    pub(crate) fn rip_interface(&mut self, now: Instant, index: u32, out: &mut Outbox<NodeOutput>) {
        let Some(rip) = &mut self.rip else { return };
        let id = InterfaceId(index);
        match self.routing.interfaces.get(index) {
            Some(interface) => {
                let v4 = interface.addresses.iter().filter_map(|address| match address.address {
                    IpAddr::V4(v4) => Some((v4, address.length)),
                    IpAddr::V6(_) => None,
                });
                let addresses: Vec<(Ipv4Addr, u8)> = v4.collect();
                let (name, up) = (interface.name.as_str(), self.routing.interfaces.is_up(index));
                let mtu = u16::try_from(interface.mtu).unwrap_or(u16::MAX);
                let input = Input::Interface { id, name, up, addresses: &addresses, mtu };
                // First, so that the answer to the first request is heard.
                Self::rip_group(rip, index, up && runs(&self.config, name), (&mut self.stack, out));
                rip.machine.handle(now, input, &mut rip.out);
            }
            None => {
                rip.groups.remove(&index);
                rip.machine.handle(now, Input::InterfaceGone(id), &mut rip.out);
            }
        }
        self.carry_rip(now, out);
    }

    /// We are members of the group on the interfaces that RIP runs on, and on no others.
    fn rip_groups(&mut self, out: &mut Outbox<NodeOutput>) {
        let Some(rip) = &mut self.rip else { return };
        for index in self.routing.interfaces.indices() {
            let name = self.routing.interfaces.name(index).unwrap_or_default();
            let wanted = self.routing.interfaces.is_up(index) && !self.stopped && runs(&self.config, name);
            Self::rip_group(rip, index, wanted, (&mut self.stack, out));
        }
    }

    fn rip_group(
        rip: &mut RipState,
        index: u32,
        wanted: bool,
        (stack, out): (&mut Option<Box<crate::stack::Stack>>, &mut Outbox<NodeOutput>),
    ) {
        if rip.groups.contains(&index) == wanted {
            return;
        }
        if wanted {
            rip.groups.insert(index);
        } else {
            rip.groups.remove(&index);
        }
        match (index.checked_sub(FIRST_INDEX), stack) {
            (Some(number), Some(stack)) => stack.rip_group(PortId(number), MULTICAST, wanted),
            _ => out.push(NodeOutput::Rip(RipAction::Group { interface: index, join: wanted })),
        }
    }

    /// A datagram came to RIP's port.
    pub(crate) fn rip_datagram(
        &mut self,
        now: Instant,
        interface: u32,
        (source, source_port): (Ipv4Addr, u16),
        octets: &[u8],
        out: &mut Outbox<NodeOutput>,
    ) {
        if let Some(rip) = &mut self.rip {
            let interface = InterfaceId(interface);
            let input = Input::Datagram { interface, source, source_port, octets };
            rip.machine.handle(now, input, &mut rip.out);
            self.carry_rip(now, out);
        }
    }

    pub(crate) fn rip_timeout(&mut self, now: Instant, out: &mut Outbox<NodeOutput>) {
        if let Some(rip) = &mut self.rip
            && rip.machine.poll_timeout().is_some_and(|due| due <= now)
        {
            rip.machine.handle_timeout(now, &mut rip.out);
            self.carry_rip(now, out);
        }
    }

    /// Another source's route is RIP's to advertise, or no more.
    pub(crate) fn rip_input(&mut self, now: Instant, input: Input<'_>, out: &mut Outbox<NodeOutput>) {
        if let Some(rip) = &mut self.rip {
            rip.machine.handle(now, input, &mut rip.out);
            self.carry_rip(now, out);
        }
    }

    /// Carries out what the machine wants.
    fn carry_rip(&mut self, now: Instant, out: &mut Outbox<NodeOutput>) {
        let distance = self.config.rip.as_ref().map_or(crate::config::DISTANCE_RIP, |rip| rip.distance);
        let Some(rip) = &mut self.rip else { return };
        while let Some(output) = rip.out.pop() {
            match output {
                Output::Send { interface, source, destination, port, octets, answer } => {
                    match (interface.0.checked_sub(FIRST_INDEX), &mut self.stack) {
                        (Some(number), Some(stack)) => {
                            stack.send_rip(now, PortId(number), (source, destination), port, &octets);
                        }
                        _ => out.push(NodeOutput::Rip(RipAction::Send {
                            interface: interface.0,
                            source,
                            destination,
                            port,
                            octets,
                            answer,
                        })),
                    }
                }
                Output::Route { prefix, route } => {
                    let candidate = route.map(|route| candidate(&route, distance));
                    self.routing.rip_route(prefix.into(), candidate);
                }
                Output::Event(event) => {
                    let prefix = event.route().map(Prefix::from);
                    out.push(NodeOutput::Event(EventKind::Rip { prefix, message: event.to_string() }));
                }
            }
        }
    }

    pub(crate) fn query_rip(&mut self, now: Instant, query: &Query, out: &mut Outbox<NodeOutput>) -> Answer {
        let Some(rip) = &mut self.rip else {
            return match self.config.rip {
                None => {
                    let message = "this node does not run RIP: its file has no [rip]";
                    Answer::error(ErrorKind::NotRunning, message)
                }
                Some(_) => Answer::error(ErrorKind::Unavailable, "RIP does not run now"),
            };
        };
        match query {
            Query::Rip => {
                let mut view = rip.machine.summary(now);
                if let Some(config) = &self.config.rip {
                    view.distance = config.distance;
                    view.redistribute = config.redistribute.iter().map(|from| from.source).collect();
                }
                Answer::Rip(Box::new(view))
            }
            Query::RipNeighbors => Answer::RipNeighbors(rip.machine.neighbors(now)),
            Query::RipRoutes(query) => Answer::RipRoutes(rip.machine.routes(now, query)),
            Query::RipClear { prefix } => self.clear_rip(now, *prefix, out),
            _ => Answer::error(ErrorKind::Invalid, "this is no question about RIP"),
        }
    }

    /// What RIP has of exactly this prefix.
    pub(crate) fn rip_route(&self, now: Instant, prefix: Prefix) -> Option<RouteView> {
        let query = RoutesQuery { prefix: Some(prefix), cursor: 0, limit: 1 };
        let view = self.rip.as_ref()?.machine.routes(now, &query);
        view.routes.into_iter().find(|route| route.prefix == prefix)
    }

    fn clear_rip(&mut self, now: Instant, prefix: Option<Prefix>, out: &mut Outbox<NodeOutput>) -> Answer {
        let (prefix, words) = match prefix {
            None => (None, "all that RIP has learnt is forgotten".to_owned()),
            Some(Prefix::V4(prefix)) => {
                (Some(prefix), format!("what RIP has learnt of {prefix} is forgotten"))
            }
            Some(Prefix::V6(prefix)) => {
                return Answer::error(ErrorKind::Invalid, format!("RIP has no IPv6 routes as {prefix}"));
            }
        };
        if let (Some(prefix), Some(rip)) = (prefix, &self.rip) {
            let query = RoutesQuery { prefix: Some(prefix.into()), cursor: 0, limit: 1 };
            let mut found = rip.machine.routes(now, &query).routes.into_iter();
            if !found.any(|route| route.prefix == Prefix::from(prefix) && route.origin == "learned") {
                let message = format!("RIP has learnt no route to {prefix}");
                return Answer::error(ErrorKind::NotFound, message);
            }
        }
        self.rip_input(now, Input::Clear { prefix }, out);
        Answer::Done(DoneView { message: format!("{words}, and asked for again") })
    }
}

/// Whether RIP runs on an interface of this name.
fn runs(config: &crate::config::NodeConfig, name: &str) -> bool {
    config.rip.as_ref().is_some_and(|rip| rip.machine.interfaces.contains_key(name))
}

fn candidate(route: &RouteInfo, distance: u8) -> Candidate {
    let way = |hop: &trunkline_rip::NextHop| FibNextHop {
        gateway: Some(IpAddr::V4(hop.address)),
        interface: hop.interface.0,
    };
    let mut next_hops: Vec<FibNextHop> = route.next_hops.iter().map(way).collect();
    next_hops.sort_unstable();
    next_hops.dedup();
    Candidate {
        source: RouteSource::Rip,
        id: 0,
        distance,
        metric: u32::from(route.metric),
        next_hops,
        active: true,
    }
}

/// What is different, in words.
fn differences(old: &RipConfig, new: &RipConfig) -> Vec<String> {
    let mut words = Vec::new();
    let (before, after) = (&old.machine, &new.machine);
    for name in after.interfaces.keys().filter(|name| !before.interfaces.contains_key(*name)) {
        words.push(format!("rip runs on {name}"));
    }
    for (name, interface) in &before.interfaces {
        match after.interfaces.get(name) {
            None => words.push(format!("rip runs on {name} no more")),
            Some(other) if other != interface => words.push(format!("rip on {name} changed")),
            Some(_) if old.authentication.get(name) != new.authentication.get(name) => {
                words.push(format!("rip on {name}: the keys changed"));
            }
            Some(_) => {}
        }
    }
    if old.redistribute != new.redistribute {
        words.push("redistribution into RIP changed".to_owned());
    }
    let rest = |config: &RipConfig| {
        let m = &config.machine;
        (config.distance, m.timers.clone(), m.hold_down, m.max_paths, m.default_route, m.limits)
    };
    if rest(old) != rest(new) {
        words.push("rip's settings changed".to_owned());
    }
    words
}
