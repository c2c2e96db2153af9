//! What an entry does to the table (RFC 2453 §3.9.2), and a route's timers (§3.8).

use crate::Rip;
use crate::config::HoldDown;
use crate::io::{Event, NextHop, Output, RouteInfo};
use crate::route::{Failure, Origin, Path, Route, State};
use smallvec::smallvec;
use trunkline_core::{Instant, Ipv4Prefix, Outbox};
use trunkline_wire::rip::INFINITY;

/// What becomes of a valid route when a neighbour says something of its destination.
enum Verdict {
    /// It is no better: nothing.
    Ignore,
    /// The path at this place goes on.
    Refresh(usize),
    /// The path at this place is no longer as good as the others.
    Remove(usize),
    /// The path at this place gives way to the new one, which is as good.
    Replace(usize),
    /// There is one path more that is as good.
    Add,
    /// The new path is the only one.
    Adopt,
    /// There is none any more.
    Fail,
}

impl Rip {
    /// A neighbour offers a way to `prefix` with a metric, cost included, and a tag.
    pub(crate) fn learn(
        &mut self,
        now: Instant,
        prefix: Ipv4Prefix,
        path: Path,
        (metric, tag): (u8, u16),
        out: &mut Outbox<Output>,
    ) {
        let Some(route) = self.routes.get(&prefix) else {
            if metric >= INFINITY {
                // "there is no point in adding a route which is unusable"
            } else if self.routes.len() < self.config.limits.routes {
                self.routes.insert(prefix, Route::new(now, Origin::Learned, metric, tag, None));
                self.adopt(now, prefix, path, (metric, tag), out);
            } else {
                self.count(path, |counters| counters.table_full += 1);
                self.notice(now, path.interface, out, Event::TableFull(prefix));
            }
            return;
        };
        match route.state {
            // Our own stands above.
            State::Valid if !route.is_learned() => {}
            State::Valid => self.compare(now, prefix, path, (metric, tag), out),
            _ if metric >= INFINITY => {}
            State::Deleted => self.adopt(now, prefix, path, (metric, tag), out),
            State::PossiblyDown => {
                let believed = match self.config.hold_down {
                    HoldDown::Off => true,
                    HoldDown::SuppressEqualOrWorse => metric < route.metric,
                    HoldDown::SuppressAll => false,
                };
                if believed {
                    self.adopt(now, prefix, path, (metric, tag), out);
                } else {
                    self.count(path, |counters| counters.entries_held_down += 1);
                }
            }
        }
    }

    /// "If there is an existing route, compare": the RFC's rules, for one path or several that are equally good.
    fn compare(
        &mut self,
        now: Instant,
        prefix: Ipv4Prefix,
        path: Path,
        (metric, tag): (u8, u16),
        out: &mut Outbox<Output>,
    ) {
        let (max_paths, invalid) = (self.config.max_paths, self.config.timers.invalid);
        let Some(route) = self.routes.get_mut(&prefix) else { return };
        let held = route.paths.iter().position(|held| held.is_same(&path));
        let verdict = match held {
            Some(at) if metric > route.metric && route.paths.len() > 1 => Verdict::Remove(at),
            Some(_) if metric >= INFINITY => Verdict::Fail,
            Some(at) if metric == route.metric => Verdict::Refresh(at),
            Some(_) => Verdict::Adopt,
            None if metric < route.metric => Verdict::Adopt,
            None if metric > route.metric => Verdict::Ignore,
            None if route.paths.len() < max_paths => Verdict::Add,
            // "If it is at least halfway to the expiration point, switch to the new route."
            None => route
                .paths
                .iter()
                .position(|held| now.since(held.heard) >= invalid / 2)
                .map_or(Verdict::Ignore, Verdict::Replace),
        };
        match verdict {
            Verdict::Ignore => return,
            Verdict::Adopt => return self.adopt(now, prefix, path, (metric, tag), out),
            Verdict::Fail => return self.fail(now, prefix, Failure::Unreachable, out),
            Verdict::Refresh(at) => {
                let tag_changed = at == 0 && route.tag != tag;
                let same = route.paths[at].next_hop == path.next_hop && !tag_changed;
                route.paths[at] = path;
                if tag_changed {
                    route.tag = tag;
                    self.changed.insert(prefix);
                }
                if same {
                    return;
                }
            }
            Verdict::Remove(at) => drop(route.paths.remove(at)),
            Verdict::Replace(at) => route.paths[at] = path,
            Verdict::Add => route.paths.push(path),
        }
        self.tell(prefix, out);
        self.schedule(prefix);
    }

    /// "Adopt the route from the datagram", and make it valid whatever it was.
    fn adopt(
        &mut self,
        now: Instant,
        prefix: Ipv4Prefix,
        path: Path,
        (metric, tag): (u8, u16),
        out: &mut Outbox<Output>,
    ) {
        let Some(route) = self.routes.get_mut(&prefix) else { return };
        let (scheduled, told) = (route.scheduled, route.told);
        let since = if route.state == State::Valid { route.since } else { now };
        *route =
            Route { scheduled, told, since, ..Route::new(now, Origin::Learned, metric, tag, Some(path)) };
        self.changed.insert(prefix);
        self.tell(prefix, out);
        self.schedule(prefix);
        self.note(out, Event::Learned { prefix, metric, from: path.neighbor });
    }

    /// A valid route is one no longer.
    pub(crate) fn fail(
        &mut self,
        now: Instant,
        prefix: Ipv4Prefix,
        failure: Failure,
        out: &mut Outbox<Output>,
    ) {
        let Some(route) = self.routes.get_mut(&prefix) else { return };
        route.fail(now, failure, &self.config.timers, self.config.hold_down);
        let state = route.state;
        self.changed.insert(prefix);
        if !route.is_in_service() {
            self.tell(prefix, out);
        }
        self.schedule(prefix);
        self.note(out, Event::Failed { prefix, state, failure });
    }

    /// Takes away those paths of learnt routes for which `is_lost` holds.
    pub(crate) fn drop_paths(
        &mut self,
        now: Instant,
        why: Failure,
        out: &mut Outbox<Output>,
        is_lost: impl Fn(Ipv4Prefix, &Path) -> bool,
    ) {
        let lost = |prefix: Ipv4Prefix, route: &Route| {
            route.is_learned() && route.paths.iter().any(|path| is_lost(prefix, path))
        };
        let hit: Vec<Ipv4Prefix> = self
            .routes
            .iter()
            .filter(|(prefix, route)| lost(**prefix, route))
            .map(|(prefix, _)| *prefix)
            .collect();
        for prefix in hit {
            let Some(route) = self.routes.get_mut(&prefix) else { continue };
            match route.state {
                State::Valid if route.paths.iter().all(|path| is_lost(prefix, path)) => {
                    self.fail(now, prefix, why, out);
                }
                State::Valid => {
                    route.paths.retain(|path| !is_lost(prefix, path));
                    self.tell(prefix, out);
                    self.schedule(prefix);
                }
                // The operator's order ends hold-down, and what is down leads nowhere.
                State::PossiblyDown => {
                    route.failure = Some(why);
                    if !why.is_held_down() {
                        route.state = State::Deleted;
                    }
                    self.tell(prefix, out);
                    self.schedule(prefix);
                }
                State::Deleted => {}
            }
        }
    }

    /// Does what a route's timers want.
    pub(crate) fn routes_due(&mut self, now: Instant, out: &mut Outbox<Output>) {
        while let Some(prefix) = self.timers.pop_due(now) {
            let Some(route) = self.routes.get_mut(&prefix) else { continue };
            if route.scheduled.is_none_or(|at| at > now) {
                // Another look is planned, or none is needed.
                continue;
            }
            route.scheduled = None;
            if route.deadline(&self.config.timers).is_some_and(|at| at <= now) {
                self.route_due(now, prefix, out);
            }
            self.schedule(prefix);
        }
    }

    fn route_due(&mut self, now: Instant, prefix: Ipv4Prefix, out: &mut Outbox<Output>) {
        let invalid = self.config.timers.invalid;
        let Some(route) = self.routes.get_mut(&prefix) else { return };
        let silent = |path: &Path| path.heard + invalid <= now;
        match route.state {
            State::Valid if route.paths.iter().all(silent) => self.fail(now, prefix, Failure::TimedOut, out),
            State::Valid => {
                route.paths.retain(|path| !silent(path));
                self.tell(prefix, out);
            }
            State::PossiblyDown | State::Deleted if route.flush_at.is_some_and(|at| at <= now) => {
                let told = route.told;
                self.routes.remove(&prefix);
                self.changed.remove(&prefix);
                if told {
                    out.push(Output::Route { prefix, route: None });
                }
                self.note(out, Event::Flushed(prefix));
            }
            State::PossiblyDown => {
                (route.state, route.since) = (State::Deleted, now);
                self.tell(prefix, out);
                self.note(out, Event::Released(prefix));
            }
            State::Deleted => {}
        }
    }

    /// Sees to it that the queue looks at the route in time.
    pub(crate) fn schedule(&mut self, prefix: Ipv4Prefix) {
        let Some(route) = self.routes.get_mut(&prefix) else { return };
        if let Some(at) = route.deadline(&self.config.timers)
            && route.scheduled.is_none_or(|scheduled| at < scheduled)
        {
            route.scheduled = Some(at);
            self.timers.schedule(at, prefix);
        }
    }

    /// Tells the routing table how the route is now.
    pub(crate) fn tell(&mut self, prefix: Ipv4Prefix, out: &mut Outbox<Output>) {
        let Some(route) = self.routes.get_mut(&prefix) else { return };
        let in_service = route.is_in_service();
        if in_service {
            let mut info = RouteInfo { metric: route.metric, tag: route.tag, next_hops: smallvec![] };
            for path in &route.paths {
                let next_hop = NextHop { interface: path.interface, address: path.next_hop };
                if !info.next_hops.contains(&next_hop) {
                    info.next_hops.push(next_hop);
                }
            }
            out.push(Output::Route { prefix, route: Some(info) });
        } else if route.told {
            out.push(Output::Route { prefix, route: None });
        }
        route.told = in_service;
    }

    fn count(&mut self, path: Path, count: impl FnOnce(&mut crate::Counters)) {
        if let Some(interface) = self.interfaces.get_mut(&path.interface) {
            count(&mut interface.counters);
        }
    }
}
