//! The next hop of a destination as packets from here see it: route, redirect, path MTU (RFC 1122 §3.3.1).

use std::net::Ipv4Addr;

use trunkline_core::{Instant, PortId};

use crate::Ip;
use crate::api::{Lookup, PathMtuEntry, RedirectEntry, SendError};
use crate::config::{NextHop, RouteKind};
use crate::fib::{choose, mix};
use crate::interface::Own;

/// A better gateway for one destination.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Redirect {
    /// The next hop that the route gives. Where it gives another one, the redirect is about something else.
    pub(crate) base: NextHop,
    /// On the same interface.
    pub(crate) gateway: Ipv4Addr,
}

/// What is known of the MTU of a path.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PathMtu {
    pub(crate) mtu: u16,
    /// The path claims less than we believe: packets go without Don't Fragment.
    pub(crate) may_fragment: bool,
}

/// A next hop, and whether it is so by redirect.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Resolved {
    pub(crate) hop: NextHop,
    pub(crate) base: NextHop,
}

impl Ip {
    /// Where packets of a flow to `destination` go; redirects and path MTU included. `None`: nowhere.
    ///
    /// `flow` is a [`flow_hash`](Ip::flow_hash), or 0: it chooses among equally good next hops.
    pub fn route(&self, now: Instant, destination: Ipv4Addr, flow: u32) -> Option<Lookup> {
        if let Some(interface) = self.local_interface(destination) {
            let source = Some(destination);
            return Some(Lookup {
                interface,
                gateway: None,
                source,
                mtu: u16::MAX,
                local: true,
                redirected: false,
            });
        }
        let Resolved { hop, base } = self.resolve(now, destination, flow, None).ok()?;
        let mtu = self.interface(hop.interface)?.config.mtu;
        let known = self.path_mtus.get(now, destination).map_or(mtu, |path| path.mtu);
        Some(Lookup {
            interface: hop.interface,
            gateway: hop.gateway,
            source: self.source_towards(hop.interface, hop.gateway.unwrap_or(destination)),
            mtu: mtu.min(known),
            local: false,
            redirected: hop != base,
        })
    }

    /// The source that packets to `destination` get (RFC 1122 §3.3.4.3).
    pub fn select_source(&self, now: Instant, destination: Ipv4Addr) -> Option<Ipv4Addr> {
        self.route(now, destination, 0)?.source
    }

    /// The hash of a flow, for [`Ip::route`]; ports are 0 where there are none. Another device has another hash, so
    /// that the ways do not all fall together (RFC 2992 §4 on polarisation).
    #[inline]
    pub fn flow_hash(&self, source: Ipv4Addr, destination: Ipv4Addr, protocol: u8, ports: (u16, u16)) -> u32 {
        let addresses = (u64::from(source.to_bits()) << 32) | u64::from(destination.to_bits());
        let rest = (u64::from(protocol) << 32) | (u64::from(ports.0) << 16) | u64::from(ports.1);
        (mix(mix(self.seed ^ addresses) ^ rest) >> 32) as u32
    }

    /// Whether this device answers for `target` when `requester` asks by ARP on `ingress` (RFC 1027 §2): it would send
    /// packets for it on through another interface, and `target` is neither the requester itself nor ours nor no host.
    pub fn proxy_target(&self, ingress: PortId, requester: Ipv4Addr, target: Ipv4Addr) -> bool {
        let other = |hop: &NextHop| hop.interface != ingress && self.is_usable(hop);
        self.config.forwarding
            && target != requester
            && self.is_one_host(target)
            && !self.is_local(target)
            && self.fib.lookup(target.to_bits()).is_some_and(|path| {
                path.kind == RouteKind::Unicast
                    && path.next_hops.iter().all(|hop| hop.interface != ingress)
                    && path.next_hops.iter().any(other)
            })
    }

    /// Redirects in force, by destination.
    pub fn redirects(&self, now: Instant) -> Vec<RedirectEntry> {
        let all = self.redirects.sorted(now).into_iter();
        all.map(|(destination, redirect, expires)| RedirectEntry {
            destination,
            gateway: redirect.gateway,
            interface: redirect.base.interface,
            expires,
        })
        .collect()
    }

    /// Paths with a known MTU, by destination.
    pub fn path_mtus(&self, now: Instant) -> Vec<PathMtuEntry> {
        let all = self.path_mtus.sorted(now).into_iter();
        all.map(|(destination, path, expires)| PathMtuEntry { destination, mtu: path.mtu, expires }).collect()
    }

    /// The interface that has an address of ours; for 127.0.0.0/8 a loopback, or else the first.
    pub(crate) fn local_interface(&self, address: Ipv4Addr) -> Option<PortId> {
        if let Some(Own::Local(interface)) = self.own(address) {
            return Some(interface);
        }
        if !address.is_loopback() {
            return None;
        }
        let loopback = self
            .interfaces
            .iter()
            .position(|interface| interface.as_ref().is_some_and(|interface| interface.config.loopback));
        Some(PortId(loopback.unwrap_or_default() as u32))
    }

    #[inline]
    pub(crate) fn is_usable(&self, hop: &NextHop) -> bool {
        self.interface(hop.interface).is_some_and(|interface| interface.sends())
    }

    /// The next hop of a packet from here to one host; `by`: only through that interface, where the destination is then
    /// taken to be on the link if no route leads there.
    pub(crate) fn resolve(
        &self,
        now: Instant,
        destination: Ipv4Addr,
        flow: u32,
        by: Option<PortId>,
    ) -> Result<Resolved, SendError> {
        let usable = |hop: &NextHop| self.is_usable(hop) && by.is_none_or(|by| hop.interface == by);
        let path = self.fib.lookup(destination.to_bits());
        let chosen = match path.map(|path| path.kind) {
            Some(RouteKind::Blackhole | RouteKind::Unreachable) => return Err(SendError::Unreachable),
            Some(RouteKind::Prohibit) => return Err(SendError::Prohibited),
            _ => path.and_then(|path| choose(&path.next_hops, flow, usable)).copied(),
        };
        let on_link = by.map(|interface| NextHop { gateway: None, interface });
        let base = chosen.or(on_link.filter(|hop| self.is_usable(hop))).ok_or(SendError::NoRoute)?;
        let mut hop = base;
        if let Some(redirect) = self.redirects.get(now, destination)
            && redirect.base == base
        {
            hop.gateway = Some(redirect.gateway);
        }
        Ok(Resolved { hop, base })
    }
}
