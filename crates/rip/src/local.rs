//! Routes of our own: subnets of interfaces, what others want advertised, a default route (RFC 2453 §3.5, §3.7).

use crate::Rip;
use crate::io::{Event, Output};
use crate::route::{Failure, Origin, Route, State};
use std::net::Ipv4Addr;
use trunkline_core::{Instant, Ipv4Prefix, Outbox};
use trunkline_wire::rip::{Entry, INFINITY};

/// A route that someone else wants advertised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct External {
    pub(crate) metric: u8,
    pub(crate) tag: u16,
    pub(crate) next_hop: Option<Ipv4Addr>,
}

impl Rip {
    /// A route is to be advertised, changed, or, without `external`, withdrawn.
    pub(crate) fn redistribute(
        &mut self,
        now: Instant,
        prefix: Ipv4Prefix,
        external: Option<External>,
        out: &mut Outbox<Output>,
    ) {
        // What no neighbour would accept is not advertised.
        let sound = Entry::v2(prefix, 0, Ipv4Addr::UNSPECIFIED, 1).check().is_ok();
        match external.filter(|external| external.metric < INFINITY && sound) {
            Some(external) => {
                let known = self.external.contains_key(&prefix);
                if !known && self.external.len() >= self.config.limits.routes {
                    self.counters.table_full += 1;
                    return self.note(out, Event::TableFull(prefix));
                }
                let external = External { metric: external.metric.max(1), ..external };
                self.external.insert(prefix, external);
            }
            None => {
                if self.external.remove(&prefix).is_none() {
                    return;
                }
            }
        }
        self.refresh_local(now, prefix, Failure::Withdrawn, out);
    }

    /// What of our own there is for a prefix: a subnet, else what others want, else the default route.
    fn wanted(&self, prefix: Ipv4Prefix) -> Option<(Origin, u8, u16)> {
        let connected = self.interfaces.iter().filter_map(|(id, interface)| {
            let config = interface.running()?;
            let has = interface.addresses.iter().any(|own| own.subnet == prefix);
            has.then_some((config.cost, *id))
        });
        if let Some((cost, id)) = connected.min() {
            return Some((Origin::Connected(id), cost, 0));
        }
        if let Some(External { metric, tag, next_hop }) = self.external.get(&prefix) {
            return Some((Origin::Redistributed(*next_hop), *metric, *tag));
        }
        let default = self.config.default_route.filter(|_| prefix.len() == 0)?;
        Some((Origin::Default, default.metric, default.tag))
    }

    /// Makes the table agree with what of our own there is for a prefix. `why` is said where it is no more.
    pub(crate) fn refresh_local(
        &mut self,
        now: Instant,
        prefix: Ipv4Prefix,
        why: Failure,
        out: &mut Outbox<Output>,
    ) {
        let Some((origin, metric, tag)) = self.wanted(prefix) else {
            if self.routes.get(&prefix).is_some_and(Route::is_local) {
                self.fail(now, prefix, why, out);
            }
            return;
        };
        let mut new = Route::new(now, origin, metric, tag, None);
        match self.routes.get(&prefix) {
            // Our own are as many as we are configured for: what others fill the table with does not keep them out.
            None => {}
            Some(old) => {
                if old.state == State::Valid && (old.origin, old.metric, old.tag) == (origin, metric, tag) {
                    return;
                }
                (new.scheduled, new.told) = (old.scheduled, old.told);
            }
        }
        self.routes.insert(prefix, new);
        self.changed.insert(prefix);
        // What was learnt of it is no longer used.
        self.tell(prefix, out);
    }
}
