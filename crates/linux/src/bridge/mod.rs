//! The ports of Linux bridges in our hands: a node decides what they do with frames, the kernel does it.
//!
//! | concept | file |
//! |---|---|
//! | which bridges there are, their ports as they come and go, what the node wants done | `mod.rs` |
//! | one bridge: taken, its ports opened and closed, given back | `held.rs` |
//! | the gate in nftables and its dead man's switch | `gate.rs`, `nft.rs` |
//! | how it was before we came | `restore.rs` |
//! | settings, port states and stations by rtnetlink | `control.rs` |
//! | frames of spanning tree, speed and duplex of a port | `frames.rs`, `speed.rs` |
//! | UplinkFast's announcements | `announce.rs` |
//!
//! docs/adr/0011-linux-bridges.md says why it is so.

mod announce;
mod control;
mod frames;
mod gate;
mod held;
mod nft;
mod restore;

use crate::netlink::links::{Link, Links};
use frames::{MAX_FRAME, PortSocket};
use held::{Held, Kernel, Refusal};
use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use trunkline_core::{Duration, Instant, MacAddr, earliest};
use trunkline_node::{InterfaceChange, KernelBridgeAction, KernelBridgeInput};
use trunkline_stp::PortState;

/// Ports of a bridge that are run; others stay closed. The kernel itself has a limit of 1023.
const MAX_PORTS: usize = 1024;

/// A bridge that may be had a little later is tried again after this time.
const RETRY: Duration = Duration::from_secs(1);

/// After a pause of this length neighbours have taken over (three times the shortest hello time, IEEE 802.1D-2004
/// §17.14): a port begins anew rather than opening as it was.
const TOO_LATE: Duration = Duration::from_secs(3);

/// All bridges that a node runs the spanning tree of.
#[derive(Debug)]
pub(crate) struct Bridges {
    registry: Registry,
    /// The epoll token of a port is this and its interface index.
    first_token: usize,
    kernel: Option<Kernel>,
    bridges: BTreeMap<String, Bridge>,
    /// Those of all bridges, by interface index.
    ports: BTreeMap<u32, Port>,
    inputs: VecDeque<KernelBridgeInput<'static>>,
}

#[derive(Debug)]
enum Bridge {
    Held(Held),
    Waiting { reason: Option<String>, retry_at: Option<Instant> },
}

const WAITING: Bridge = Bridge::Waiting { reason: None, retry_at: None };

#[derive(Debug)]
struct Port {
    bridge: String,
    socket: PortSocket,
    ready: bool,
    state: PortState,
    /// What the node was told.
    told: Option<Facts>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Facts {
    name: String,
    up: bool,
    mac: MacAddr,
    speed: Option<u32>,
    full_duplex: Option<bool>,
}

impl Facts {
    fn new(link: &Link, bridge_up: bool) -> Facts {
        let interface = &link.interface;
        let up = interface.up && bridge_up;
        let (speed, full_duplex) = if up { crate::speed::speed(&interface.name) } else { (None, None) };
        Facts { name: interface.name.clone(), up, mac: mac(link), speed, full_duplex }
    }
}

fn mac(link: &Link) -> MacAddr {
    link.interface.mac.as_deref().and_then(|mac| mac.parse().ok()).unwrap_or_default()
}

impl Bridges {
    /// None yet. Readiness of the ports to come is told with tokens from `first_token` on.
    pub(crate) fn new(registry: Registry, first_token: usize) -> Bridges {
        let (bridges, ports) = (BTreeMap::new(), BTreeMap::new());
        Bridges { registry, first_token, kernel: None, bridges, ports, inputs: VecDeque::new() }
    }

    /// Runs these from now on, and gives back others.
    pub(crate) fn configure(&mut self, now: Instant, wanted: &BTreeSet<&str>, links: &Links) {
        let unwanted: Vec<_> =
            self.bridges.keys().filter(|name| !wanted.contains(name.as_str())).cloned().collect();
        for name in unwanted {
            // The node knows of it no more, so it is told nothing.
            self.let_go(&name);
            self.bridges.remove(&name);
        }
        for &name in wanted {
            if !self.bridges.contains_key(name) {
                self.bridges.insert(name.to_owned(), WAITING);
                self.look(now, name, links);
            }
        }
    }

    /// What happened, for the node.
    pub(crate) fn pop(&mut self) -> Option<KernelBridgeInput<'static>> {
        self.inputs.pop_front()
    }

    /// Something about an interface changed: `change` as it was then, `links` as all are now.
    pub(crate) fn link_changed(&mut self, now: Instant, change: &InterfaceChange, links: &Links) {
        if self.bridges.is_empty() {
            return;
        }
        let (index, name) = match change {
            InterfaceChange::Set { interface, .. } => (interface.index, Some(interface.name.as_str())),
            InterfaceChange::Gone { index } => (*index, None),
        };
        // It may be up again by now, but the kernel has opened it meanwhile.
        if matches!(change, InterfaceChange::Set { interface, .. } if !interface.up) {
            self.went_down(index);
        }
        let concerned = self.bridges.iter().filter(|(bridge, state)| match state {
            Bridge::Held(held) if held.index == index => true,
            Bridge::Waiting { .. } if name.is_none() => true,
            _ => Some(bridge.as_str()) == name,
        });
        for bridge in concerned.map(|(bridge, _)| bridge.clone()).collect::<Vec<_>>() {
            self.look(now, &bridge, links);
        }
        self.look_at_port(index, links);
    }

    /// A port lost its link: closed before the node says so.
    fn went_down(&mut self, index: u32) {
        if let Some(told) = self.ports.get(&index).and_then(|port| port.told.clone()).filter(|told| told.up) {
            self.tell_port(index, Facts { up: false, speed: None, full_duplex: None, ..told });
        }
    }

    /// Compares a bridge with what there is, takes it where it can be had.
    fn look(&mut self, now: Instant, name: &str, links: &Links) {
        let link = links.named(name);
        if let (Some(Bridge::Held(held)), Some(kernel)) = (self.bridges.get_mut(name), &mut self.kernel) {
            let same = link.filter(|link| link.interface.index == held.index);
            if let Some(link) = same.filter(|link| !held.is_lost(kernel, link.bridge.as_ref())) {
                held.up = link.interface.admin == trunkline_view::AdminState::Up;
                let index = held.index;
                links.ports_of(index).into_iter().for_each(|port| self.look_at_port(port, links));
                return;
            }
            let ports = self.let_go(name);
            self.inputs.extend(ports.into_iter().map(|index| KernelBridgeInput::PortGone { index }));
            self.bridges.insert(name.to_owned(), WAITING);
        }
        match self.take(now, name, link, links) {
            Ok(held) => {
                let ready = KernelBridgeInput::Ready {
                    bridge: name.to_owned(),
                    address: link.map(mac).unwrap_or_default(),
                    method: held.method().to_owned(),
                };
                tracing::info!("bridge {name}: its spanning tree is ours, by {}", held.method());
                let index = held.index;
                self.bridges.insert(name.to_owned(), Bridge::Held(held));
                self.inputs.push_back(ready);
                links.ports_of(index).into_iter().for_each(|port| self.look_at_port(port, links));
            }
            Err(Refusal { reason, again }) => self.refuse(name, reason, again.then(|| now + RETRY)),
        }
    }

    fn take(
        &mut self,
        now: Instant,
        name: &str,
        link: Option<&Link>,
        links: &Links,
    ) -> Result<Held, Refusal> {
        let Some(link) = link else {
            return Err("there is no bridge of this name; it is waited for".to_owned().into());
        };
        if link.bridge.is_none() {
            return Err(format!("the interface {name} is no bridge").into());
        }
        let kernel = match &mut self.kernel {
            Some(kernel) => kernel,
            none => none.insert(Kernel::open().map_err(|error| format!("cannot use netlink: {error}"))?),
        };
        Held::take(kernel, now, link, &links.ports_of(link.interface.index))
    }

    fn refuse(&mut self, name: &str, reason: String, retry_at: Option<Instant>) {
        let Some(Bridge::Waiting { reason: before, retry_at: at }) = self.bridges.get_mut(name) else {
            return;
        };
        *at = retry_at;
        if before.as_ref() != Some(&reason) {
            *before = Some(reason.clone());
            tracing::warn!("bridge {name} cannot be had: {reason}");
            self.inputs.push_back(KernelBridgeInput::Refused { bridge: name.to_owned(), reason });
        }
    }

    /// Gives a bridge back; the ports that it had. It must be removed or replaced then.
    fn let_go(&mut self, name: &str) -> Vec<u32> {
        let Some(Bridge::Held(held)) = self.bridges.insert(name.to_owned(), WAITING) else {
            return Vec::new();
        };
        let (given, kept) =
            std::mem::take(&mut self.ports).into_iter().partition(|(_, port)| port.bridge == name);
        self.ports = kept;
        let given: BTreeMap<u32, Port> = given;
        let ports: Vec<_> = given.keys().copied().collect();
        if let Some(kernel) = &mut self.kernel {
            held.let_go(kernel, &ports);
        }
        // To close a packet socket the kernel waits until no processor looks at it: of many, that takes seconds.
        let closing = std::thread::Builder::new().name("close".to_owned()).spawn(|| drop(given));
        if let Err(error) = closing {
            tracing::debug!("cannot start a thread to close sockets, so it was done at once: {error}");
        }
        ports
    }

    /// Compares a port with what there is.
    fn look_at_port(&mut self, index: u32, links: &Links) {
        let link = links.get(index);
        let master = link.and_then(|link| link.master);
        let bridge = self.bridges.iter().find_map(|(name, bridge)| match bridge {
            Bridge::Held(held) if Some(held.index) == master => Some((name.clone(), held.up)),
            _ => None,
        });
        let name = bridge.as_ref().map(|(name, _)| name);
        if self.ports.get(&index).is_some_and(|port| Some(&port.bridge) != name) {
            self.remove_port(index);
        }
        let (Some(link), Some((name, up))) = (link, bridge) else { return };
        if !self.ports.contains_key(&index) && !self.add_port(index, &name) {
            return;
        }
        self.tell_port(index, Facts::new(link, up));
    }

    /// Closes a port that has joined; whether it is run.
    fn add_port(&mut self, index: u32, bridge: &str) -> bool {
        let (Some(Bridge::Held(held)), Some(kernel)) = (self.bridges.get_mut(bridge), &mut self.kernel)
        else {
            return false;
        };
        held.take_in(kernel, index);
        if self.ports.values().filter(|port| port.bridge == bridge).count() >= MAX_PORTS {
            tracing::error!("bridge {bridge}: more than {MAX_PORTS} ports: interface {index} stays closed");
            return false;
        }
        let socket = PortSocket::open(index).and_then(|socket| {
            let token = Token(self.first_token + index as usize);
            self.registry.register(&mut SourceFd(&socket.raw_fd()), token, Interest::READABLE)?;
            Ok(socket)
        });
        match socket {
            Ok(socket) => {
                let (bridge, state) = (bridge.to_owned(), PortState::Discarding);
                self.ports.insert(index, Port { bridge, socket, ready: true, state, told: None });
                true
            }
            Err(error) => {
                tracing::error!("bridge {bridge}: interface {index} stays closed: cannot receive: {error}");
                false
            }
        }
    }

    fn remove_port(&mut self, index: u32) {
        let Some(port) = self.ports.remove(&index) else { return };
        if let (Some(Bridge::Held(held)), Some(kernel)) =
            (self.bridges.get_mut(&port.bridge), &mut self.kernel)
        {
            held.forget(kernel, index);
        }
        self.inputs.push_back(KernelBridgeInput::PortGone { index });
    }

    fn tell_port(&mut self, index: u32, facts: Facts) {
        let Some(port) = self.ports.get_mut(&index) else { return };
        if port.told.as_ref() == Some(&facts) {
            return;
        }
        let was_up = port.told.as_ref().is_some_and(|told| told.up);
        let Facts { name, up, mac, speed, full_duplex } = facts.clone();
        port.told = Some(facts);
        let bridge = port.bridge.clone();
        if up != was_up {
            // A link that comes back begins closed. The kernel has set a state of its own.
            port.state = if up { port.state } else { PortState::Discarding };
            self.set_state(index);
        }
        self.inputs.push_back(KernelBridgeInput::Port { bridge, index, name, up, mac, speed, full_duplex });
    }

    fn set_state(&mut self, index: u32) {
        if let Some(port) = self.ports.get(&index)
            && let Some(Bridge::Held(held)) = self.bridges.get_mut(&port.bridge)
            && let Some(kernel) = &mut self.kernel
        {
            held.set(kernel, index, port.state);
        }
    }

    /// Carries out what the node wants.
    pub(crate) fn act(&mut self, now: Instant, action: KernelBridgeAction) {
        match action {
            KernelBridgeAction::State { index, state } => {
                if let Some(port) = self.ports.get_mut(&index) {
                    port.state = state;
                    self.set_state(index);
                }
            }
            KernelBridgeAction::Frame { index, frame } => self.send(index, &frame),
            KernelBridgeAction::Flush { index } => {
                if self.ports.contains_key(&index)
                    && let Some(kernel) = &mut self.kernel
                    && let Err(error) = kernel.control.flush(index)
                {
                    tracing::error!("cannot forget the stations behind interface {index}: {error}");
                }
            }
            KernelBridgeAction::AgeingTime { bridge, time } => {
                if let (Some(Bridge::Held(held)), Some(kernel)) =
                    (self.bridges.get_mut(&bridge), &mut self.kernel)
                {
                    let hundredths =
                        time.map(|time| (time.as_millis() / 10).min(u128::from(u32::MAX)) as u32);
                    held.set_ageing_time(kernel, hundredths);
                }
            }
            KernelBridgeAction::AnnounceStations { bridge, by, lost } => {
                self.announce(now, &bridge, by, lost);
            }
        }
    }

    fn announce(&mut self, now: Instant, bridge: &str, by: u32, lost: u32) {
        let (Some(Bridge::Held(held)), Some(kernel)) = (self.bridges.get_mut(bridge), &mut self.kernel)
        else {
            return;
        };
        let wanted = |port| port != by && port != lost;
        match kernel.control.stations(held.index, announce::MAX_STATIONS, wanted) {
            Ok(stations) => held.announcer.start(now, by, stations),
            Err(error) => tracing::error!("bridge {bridge}: cannot read its stations: {error}"),
        }
    }

    fn send(&mut self, index: u32, frame: &[u8]) {
        if let Some(port) = self.ports.get(&index)
            && let Err(error) = port.socket.send(frame)
        {
            let name = port.told.as_ref().map_or("?", |told| told.name.as_str());
            tracing::debug!("bridge {}: {name}: a frame was not sent: {error}", port.bridge);
        }
    }

    /// epoll says that a port has frames.
    pub(crate) fn ready(&mut self, token: usize) {
        let index = token.checked_sub(self.first_token).and_then(|index| u32::try_from(index).ok());
        if let Some(port) = index.and_then(|index| self.ports.get_mut(&index)) {
            port.ready = true;
        }
    }

    /// The ports that may have frames.
    pub(crate) fn readable(&self) -> Vec<u32> {
        self.ports.iter().filter(|(_, port)| port.ready).map(|(&index, _)| index).collect()
    }

    /// The next frame of a port; its length. `buf` is as long as the longest frame that matters.
    pub(crate) fn receive(&mut self, index: u32, buf: &mut [u8]) -> Option<usize> {
        let port = self.ports.get_mut(&index)?;
        let limit = buf.len().min(MAX_FRAME);
        let received = port.socket.receive(buf.get_mut(..limit)?);
        let received = received.unwrap_or_else(|error| {
            tracing::error!("bridge {}: interface {index}: cannot receive: {error}", port.bridge);
            None
        });
        port.ready = received.is_some();
        received
    }

    /// Whether a turn has something to do here.
    pub(crate) fn has_work(&self) -> bool {
        !self.inputs.is_empty() || self.ports.values().any(|port| port.ready)
    }

    /// When [`Bridges::handle_timeout`] wants to be called.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        earliest(self.bridges.values().map(|bridge| match bridge {
            Bridge::Held(held) => earliest([held.refresh_at(), held.announcer.poll_timeout()]),
            Bridge::Waiting { retry_at, .. } => *retry_at,
        }))
    }

    /// Says that we live, announces stations, tries again.
    pub(crate) fn handle_timeout(&mut self, now: Instant, links: &Links) {
        if self.poll_timeout().is_none_or(|at| at > now) {
            return;
        }
        for name in self.bridges.keys().cloned().collect::<Vec<_>>() {
            match self.bridges.get_mut(&name) {
                Some(Bridge::Held(held)) => {
                    let due = held.announcer.due(now);
                    if held.refresh_at().is_some_and(|at| at <= now) {
                        self.refresh(now, &name, links);
                    }
                    if let Some((port, frames)) = due {
                        frames.iter().for_each(|frame| self.send(port, frame));
                    }
                }
                Some(Bridge::Waiting { retry_at: Some(at), .. }) if *at <= now => {
                    self.look(now, &name, links)
                }
                _ => {}
            }
        }
    }

    fn refresh(&mut self, now: Instant, name: &str, links: &Links) {
        let Some(Bridge::Held(held)) = self.bridges.get(name) else { return };
        let pause = now.since(held.refreshed);
        if pause >= TOO_LATE {
            tracing::warn!("bridge {name}: this program stood still for {pause:?}: its ports begin anew");
            self.begin_anew(name, links);
        }
        if let (Some(Bridge::Held(held)), Some(kernel)) = (self.bridges.get_mut(name), &mut self.kernel) {
            held.refresh(kernel, now);
        }
    }

    /// Closes all ports of a bridge, and tells the node of each that it went down and came back.
    fn begin_anew(&mut self, name: &str, links: &Links) {
        let ports: Vec<_> =
            self.ports.iter().filter(|(_, port)| port.bridge == name).map(|(&index, _)| index).collect();
        for index in ports {
            self.went_down(index);
            self.look_at_port(index, links);
        }
    }

    /// Gives all bridges back.
    pub(crate) fn end(&mut self) {
        for name in self.bridges.keys().cloned().collect::<Vec<_>>() {
            self.let_go(&name);
        }
        self.bridges.clear();
    }
}
