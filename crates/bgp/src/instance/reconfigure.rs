//! Neighbours come, change and go; the configuration changes by difference.

use super::peer::{FamilyState, Peer, PeerState};
use super::{Bgp, Output, Reconfigured, Rib, decision_config, local, peer_facts};
use crate::config::{Config, ListenRange, NeighborConfig};
use crate::rib::table::PeerId;
use crate::session::{self, Restart, Session, State};
use crate::transport::{TcpAction, TcpKey};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;
use trunkline_core::{Applied, Instant, Outbox, Prefix};
use trunkline_wire::bgp::{ErrorCode, Notification};

impl Bgp {
    pub(super) fn set_listener_key(&self, peer: Prefix, key: Option<TcpKey>, out: &mut Outbox<Output>) {
        if key.is_some() {
            out.push(Output::Tcp(TcpAction::ListenerKey { peer, key }));
        }
    }

    /// Takes a key from the listeners, where there is one.
    pub(super) fn remove_listener_key(&self, peer: Prefix, key: Option<&TcpKey>, out: &mut Outbox<Output>) {
        if key.is_some() {
            out.push(Output::Tcp(TcpAction::ListenerKey { peer, key: None }));
        }
    }

    pub(super) fn remove_range_keys(&self, ranges: &[ListenRange], out: &mut Outbox<Output>) {
        for range in ranges {
            self.remove_listener_key(range.prefix, range.template.tcp_key().as_ref(), out);
        }
    }

    /// A neighbour comes, and starts where it is enabled; none where there are too many.
    pub(super) fn add_neighbor(
        &mut self,
        now: Instant,
        config: Arc<NeighborConfig>,
        range: Option<usize>,
        out: &mut Outbox<Output>,
    ) -> Option<PeerId> {
        let free = self.peers.iter().skip(1).position(Option::is_none).map(|at| at + 1);
        let index = free.unwrap_or(self.peers.len());
        let id = PeerId(u16::try_from(index).ok().filter(|n| *n <= PeerId::MAX)?);
        if range.is_none() {
            self.set_listener_key(Prefix::host(config.address), config.tcp_key(), out);
        }
        // The upper half of its connections' ids: the place, and which session in it this is.
        let number = u32::from(self.sessions & 0x7fff) << 16 | u32::from(id.0);
        self.sessions = self.sessions.wrapping_add(1);
        let mut session =
            Session::new(number, self.local.clone(), config.clone(), range.is_some(), self.rng.fork());
        if let Some(why) = self.held.remove(&config.address).filter(|_| config.enabled) {
            session.hold(why);
        }
        let external = config.asn != self.config.asn;
        let facts = peer_facts(config.address, config.asn, self.config.asn, config.route_reflector_client);
        self.rib.shared.peers.set(id, facts);
        self.by_address.insert(config.address, id);
        let state = PeerState {
            id,
            address: config.address,
            range,
            conn: None,
            external,
            families: [FamilyState::default(); 2],
            armed: false,
            scheduled: None,
            faults: BTreeMap::new(),
            judged: None,
            over_limit: None,
            gone: false,
            config,
        };
        let enabled = state.config.enabled;
        let peer = Peer { session, state };
        if index == self.peers.len() {
            self.peers.push(Some(peer));
        } else {
            self.peers[index] = Some(peer);
        }
        // One that is disabled stays as it is made.
        if enabled {
            self.session_input(now, id, session::Input::AutomaticStart, out);
        }
        Some(id)
    }

    /// A neighbour goes: Cease/Peer De-configured (RFC 4486). Its place is free once its routes are swept.
    fn remove_neighbor(&mut self, now: Instant, id: PeerId, out: &mut Outbox<Output>) {
        let stop = session::Input::AutomaticStop {
            notification: Notification::new(ErrorCode::PEER_DECONFIGURED),
            reason: "the neighbor was removed from the configuration".into(),
            restart: Restart::Never,
        };
        self.session_input(now, id, stop, out);
        let Some(Some(peer)) = self.peers.get_mut(id.index()) else { return };
        peer.state.gone = true;
        let (address, key) = (peer.state.address, peer.state.config.tcp_key());
        let dynamic = peer.state.range.is_some();
        if self.by_address.get(&address) == Some(&id) {
            self.by_address.remove(&address);
        }
        if !dynamic {
            self.remove_listener_key(Prefix::host(address), key.as_ref(), out);
        }
        self.rib.request_sweep(id, 0);
        self.rib.request_sweep(id, 1);
    }

    /// Frees the places of neighbours that were removed, and of dynamic ones that are down; their routes are swept.
    pub(super) fn drop_gone_peers(&mut self) {
        (1..self.peers.len()).for_each(|index| self.drop_if_gone(PeerId(index as u16)));
    }

    /// Frees the place of one neighbour, where nothing is left of it.
    pub(super) fn drop_if_gone(&mut self, id: PeerId) {
        let Some(Some(Peer { session, state })) = self.peers.get(id.index()) else { return };
        let idle = state.range.is_some()
            && session.state() <= State::Active
            && !session.is_shutdown()
            && !self.incoming.values().any(|owner| *owner == id);
        let empty = state.families.iter().all(|f| f.received == 0 && f.stale_until.is_none());
        if (state.gone || idle) && empty {
            let address = state.address;
            if self.by_address.get(&address) == Some(&id) {
                self.by_address.remove(&address);
            }
            self.peers[id.index()] = None;
        }
    }

    /// Changes to another configuration; only neighbours that differ are touched.
    pub fn reconfigure(&mut self, now: Instant, config: Config, out: &mut Outbox<Output>) -> Reconfigured {
        let mut done = Reconfigured::default();
        let old = std::mem::replace(&mut self.config, config);
        let identity =
            |c: &Config| (c.asn, c.router_id, c.cluster_id, c.default_local_pref, c.host_name.clone());
        if identity(&old) != identity(&self.config) {
            self.start_over(now, &old, &mut done, out);
            return done;
        }
        if old.table_shards != self.config.table_shards {
            done.changes.push("table-shards changed: that is taken when BGP starts next".into());
        }
        if decision_config(&old) != decision_config(&self.config) {
            done.changes
                .push("the rules of the decision process changed: all routes are compared again".into());
            self.rib.shared.config = decision_config(&self.config);
            self.rib.request_review(PeerId::LOCAL);
            self.ids().into_iter().for_each(|id| self.rib.request_review(id));
        }
        let told = |c: &Config| (decision_config(c), c.distance_external, c.distance_internal);
        if told(&old) != told(&self.config) && self.rib.v4.report.is_some() {
            // All best routes are told anew: what shares the load, and the distance, may be others now.
            self.rib.v4.report_all();
            self.rib.v6.report_all();
        }
        self.reconfigure_networks(now, &old, &mut done);
        self.reconfigure_ranges(now, &old, &mut done, out);
        self.reconfigure_neighbors(now, &mut done, out);
        self.finish(now, out);
        done
    }

    /// Who we are changed: every session ends, and all begins anew.
    fn start_over(&mut self, now: Instant, old: &Config, done: &mut Reconfigured, out: &mut Outbox<Output>) {
        done.changes
            .push("AS, router id, cluster id, name or default LOCAL_PREF changed: BGP starts over".into());
        for id in self.ids() {
            if let Some(Some(Peer { session, state })) = self.peers.get(id.index()) {
                done.reset.push(state.address.to_string());
                // Who waits for the operator goes on waiting. What is off by configuration the new one decides.
                if let Some(why) = session.stopped().filter(|_| state.config.enabled && !state.gone) {
                    self.held.insert(state.address, why.clone());
                }
            }
            self.remove_neighbor(now, id, out);
        }
        self.remove_range_keys(&old.listen_ranges, out);
        let watched = self.rib.v4.watched.is_some();
        let reported = self.rib.v4.report.is_some();
        if reported {
            self.rib.v4.report_all();
            self.rib.v6.report_all();
            for prefix in self.reported() {
                out.push(Output::Route { prefix, route: None });
            }
            (self.rib.v4.report, self.rib.v6.report) = (None, None);
        }
        self.finish(now, out);
        self.rib.shared.attrs.next_hops.tracked().for_each(|hop| out.push(Output::UntrackNextHop(hop)));
        self.rib = Rib::new(&self.config, &mut self.rng);
        self.report_routes(reported);
        self.watch_routes(watched);
        self.local = Arc::new(local(&self.config));
        self.peers = vec![None];
        self.by_address.clear();
        self.incoming.clear();
        let local: BTreeSet<Prefix> =
            self.networks.keys().chain(self.redistributed.keys()).copied().collect();
        for prefix in local {
            self.refresh_local(now, prefix);
        }
        self.start(now, out);
        let ranges = &self.config.listen_ranges;
        self.held.retain(|address, _| ranges.iter().any(|r| r.prefix.contains(*address)));
    }

    fn reconfigure_networks(&mut self, now: Instant, old: &Config, done: &mut Reconfigured) {
        for gone in &old.networks {
            if self.config.networks.contains(gone) {
                continue;
            }
            done.changes.push(format!("network {gone} is announced no more"));
            self.networks.remove(gone);
            self.refresh_local(now, *gone);
        }
        for new in self.config.networks.clone().into_iter().filter(|p| !old.networks.contains(p)) {
            done.changes.push(format!("network {new} is announced while the node has it"));
            if self.networks.get(&new) == Some(&true) {
                self.set_network(now, new, true);
            }
        }
        if old.redistribute != self.config.redistribute {
            done.changes.push("redistribution into BGP changed".to_owned());
            for prefix in self.redistributed.keys().copied().collect::<Vec<_>>() {
                self.refresh_local(now, prefix);
            }
        }
    }

    /// Neighbours of a range that changed or went are removed; they may connect again.
    fn reconfigure_ranges(
        &mut self,
        now: Instant,
        old: &Config,
        done: &mut Reconfigured,
        out: &mut Outbox<Output>,
    ) {
        if old.listen_ranges == self.config.listen_ranges {
            return;
        }
        done.changes.push("listen ranges changed".into());
        self.remove_range_keys(&old.listen_ranges, out);
        for range in &self.config.listen_ranges {
            self.set_listener_key(range.prefix, range.template.tcp_key(), out);
        }
        for id in self.ids() {
            let Some(Some(peer)) = self.peers.get(id.index()) else { continue };
            let Some(before) = peer.state.range.and_then(|r| old.listen_ranges.get(r)) else { continue };
            match self.config.listen_ranges.iter().position(|r| r == before) {
                Some(now_at) => {
                    if let Some(Some(peer)) = self.peers.get_mut(id.index()) {
                        peer.state.range = Some(now_at);
                    }
                }
                None => {
                    done.reset.push(peer.state.address.to_string());
                    self.remove_neighbor(now, id, out);
                }
            }
        }
    }

    fn reconfigure_neighbors(&mut self, now: Instant, done: &mut Reconfigured, out: &mut Outbox<Output>) {
        let wanted: BTreeMap<IpAddr, Arc<NeighborConfig>> =
            self.config.neighbors.iter().map(|n| (n.address, n.clone())).collect();
        for id in self.ids() {
            let Some(Some(Peer { state, .. })) = self.peers.get(id.index()) else { continue };
            let address = state.address;
            match wanted.get(&address) {
                _ if state.gone => {}
                None if state.range.is_some() => {}
                None => {
                    done.changes.push(format!("neighbor {address} removed"));
                    done.reset.push(address.to_string());
                    self.remove_neighbor(now, id, out);
                }
                Some(_) if state.range.is_some() => self.remove_neighbor(now, id, out),
                Some(new) if **new == *state.config => {}
                Some(new) => self.change_neighbor(now, id, new.clone(), done, out),
            }
        }
        for (address, neighbor) in wanted {
            if !self.by_address.contains_key(&address) {
                done.changes.push(format!("neighbor {address} added"));
                self.add_neighbor(now, neighbor, None, out);
            }
        }
    }

    fn change_neighbor(
        &mut self,
        now: Instant,
        id: PeerId,
        new: Arc<NeighborConfig>,
        done: &mut Reconfigured,
        out: &mut Outbox<Output>,
    ) {
        let Some(Some(Peer { session, state })) = self.peers.get_mut(id.index()) else { return };
        let old = std::mem::replace(&mut state.config, new.clone());
        let address = state.address;
        state.external = new.asn != self.config.asn;
        state.judged = None;
        let was_up = session.state() >= State::OpenSent;
        let applied = session.reconfigure(now, new.clone(), &mut self.session_out);
        if old.tcp_key() != new.tcp_key() {
            let action = TcpAction::ListenerKey { peer: Prefix::host(address), key: new.tcp_key() };
            out.push(Output::Tcp(action));
        }
        let facts = self.rib.shared.peers.get_mut(id);
        (facts.external, facts.client) = (new.asn != self.config.asn, new.route_reflector_client);
        self.pump(now, id, out);
        if applied == Applied::Restart {
            self.forget_stale(id);
        }
        if old.enabled != new.enabled {
            let input = if new.enabled {
                session::Input::ManualStart
            } else {
                session::Input::ManualStop { message: None }
            };
            self.session_input(now, id, input, out);
        }
        let how = match applied {
            Applied::Restart if was_up => {
                done.reset.push(address.to_string());
                "changed; its session is reset"
            }
            Applied::Restart => "changed",
            Applied::InPlace => "changed in place",
        };
        done.changes.push(format!("neighbor {address} {how}"));
        self.rib.request_review(id);
        self.join_egress(id);
        self.limit_prefixes(now, id, out);
    }
}
