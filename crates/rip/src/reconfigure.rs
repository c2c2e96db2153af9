//! Another configuration in flight: what is advertised no longer is poisoned, what may no longer come in is dropped.

use crate::Rip;
use crate::config::{Config, Flush, InterfaceConfig};
use crate::interface::Classful;
use crate::io::{InterfaceId, Output};
use crate::output::advert;
use crate::route::Failure;
use std::collections::BTreeMap;
use std::sync::Arc;
use trunkline_core::{Instant, Ipv4Prefix, Outbox};
use trunkline_wire::rip::INFINITY;

impl Rip {
    /// Goes on with another configuration. Routes stay, but for those that a filter now rejects and those of interfaces that
    /// RIP no longer runs on; what was advertised and is no longer to be, is said to be unreachable for as long as a deleted
    /// route is. Timers of routes that have failed already, and hold-down that has begun, go on as they were.
    pub fn reconfigure(&mut self, now: Instant, config: Config, out: &mut Outbox<Output>) {
        let config = config.sensible();
        let mut by_name = BTreeMap::new();
        for (name, new) in &config.interfaces {
            // The same as before stays the same thing.
            let old = self.by_name.get(name).filter(|old| ***old == *new).cloned();
            by_name.insert(name.clone(), old.unwrap_or_else(|| Arc::new(new.clone())));
        }
        self.by_name = by_name;
        let changed: Vec<(InterfaceId, Option<Arc<InterfaceConfig>>)> = self
            .interfaces
            .iter()
            .map(|(id, interface)| (*id, self.by_name.get(&interface.name).cloned()))
            .filter(|(id, new)| self.interfaces.get(id).is_some_and(|i| i.config != *new))
            .collect();
        let advertised: Vec<(InterfaceId, Vec<Ipv4Prefix>)> =
            changed.iter().map(|(id, _)| (*id, self.advertised(*id))).collect();
        let old = std::mem::replace(&mut self.config, config);
        for (id, new) in changed {
            self.reconfigure_interface(now, id, new, out);
        }
        if old.default_route != self.config.default_route {
            self.refresh_local(now, Ipv4Prefix::from_bits(0, 0), Failure::Withdrawn, out);
        }
        for (id, before) in advertised {
            self.poison(now, id, &before);
        }
        if old.timers != self.config.timers {
            self.restart_update_timer(now);
            let all: Vec<Ipv4Prefix> = self.routes.keys().copied().collect();
            all.into_iter().for_each(|prefix| self.schedule(prefix));
        }
        if self.config.max_paths < old.max_paths {
            self.cut_paths(out);
        }
    }

    fn reconfigure_interface(
        &mut self,
        now: Instant,
        id: InterfaceId,
        new: Option<Arc<InterfaceConfig>>,
        out: &mut Outbox<Output>,
    ) {
        let Some(interface) = self.interfaces.get(&id) else { return };
        let before = interface.connected();
        if let (Some(old), None) = (interface.running().cloned(), &new) {
            self.send_farewell(now, id, &old, out);
        }
        let Some(interface) = self.interfaces.get_mut(&id) else { return };
        interface.config = new.clone();
        self.interface_changed(now, id, &before, out);
        if let Some(config) = new {
            self.drop_paths(now, Failure::Filtered, out, |prefix, path| {
                path.interface == id && !config.lets_in(prefix)
            });
        }
    }

    /// What is advertised on an interface as reachable.
    fn advertised(&self, id: InterfaceId) -> Vec<Ipv4Prefix> {
        let Some(interface) = self.interfaces.get(&id) else { return Vec::new() };
        let Some(config) = interface.running().filter(|config| !interface.destinations(config).is_empty())
        else {
            return Vec::new();
        };
        let told = |prefix: &Ipv4Prefix, route| {
            let understood = interface.classful(*prefix) != Classful::Hidden || !config.is_classful();
            understood
                && advert((*prefix, route), (id, interface), config, true)
                    .is_some_and(|a| a.metric < INFINITY)
        };
        self.routes.iter().filter(|(prefix, route)| told(prefix, route)).map(|(prefix, _)| *prefix).collect()
    }

    /// Sees to it that what is advertised no longer on an interface is said to be unreachable.
    fn poison(&mut self, now: Instant, id: InterfaceId, before: &[Ipv4Prefix]) {
        let after = self.advertised(id);
        let until = now
            + match self.config.timers.flush {
                Flush::AfterInvalid(time) => time,
                Flush::AfterUpdate(time) => time.saturating_sub(self.config.timers.invalid),
            }
            .max(self.config.timers.update * 2);
        let Some(interface) = self.interfaces.get_mut(&id) else { return };
        if interface.running().is_none() {
            return interface.poisoned.clear();
        }
        interface.poisoned.retain(|prefix, _| after.binary_search(prefix).is_err());
        for prefix in before.iter().filter(|prefix| after.binary_search(prefix).is_err()) {
            interface.poisoned.insert(*prefix, until);
            self.changed.insert(*prefix);
        }
        // What is new to this interface is told soon.
        self.changed.extend(after.iter().filter(|prefix| before.binary_search(prefix).is_err()));
    }

    fn cut_paths(&mut self, out: &mut Outbox<Output>) {
        let max = self.config.max_paths;
        let all = self.routes.iter().filter(|(_, route)| route.paths.len() > max);
        let all: Vec<Ipv4Prefix> = all.map(|(prefix, _)| *prefix).collect();
        for prefix in all {
            if let Some(route) = self.routes.get_mut(&prefix) {
                route.paths.truncate(max);
            }
            self.tell(prefix, out);
        }
    }
}
