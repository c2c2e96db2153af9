//! The tree as the definition has it: the best bridge that is reached is the root, each bridge goes the cheapest way, each
//! LAN is served by who is nearest (IEEE 802.1D-1998 §8.3.1, 802.1D-2004 §17.3). Computed with all knowledge and no
//! protocol.

use crate::rig::{End, Lan, Net};
use std::collections::BTreeMap;
use trunkline_stp::{BridgeId, PortIdentifier, PortRole, PortState};

/// The best root that each bridge reaches, and what the way there costs.
type Best = Vec<(BridgeId, u64)>;

impl Net {
    /// The role that each port must have at rest.
    pub(crate) fn expected(&self) -> BTreeMap<End, PortRole> {
        let mut best: Best = (0..self.bridges.len()).map(|bridge| (self.id(bridge), 0)).collect();
        while self.relax(&mut best) {}
        let served: Vec<Option<End>> = self.lans.iter().map(|lan| self.designated(lan, &best)).collect();
        let mut roles = BTreeMap::new();
        for (bridge, lan, end) in self.ports_on() {
            let role = match served[lan] {
                None => PortRole::Disabled,
                Some(by) if by == end => PortRole::Designated,
                Some(by) if by.0 == bridge => PortRole::Backup,
                Some(_) => PortRole::Alternate,
            };
            roles.insert(end, role);
        }
        for bridge in 0..self.bridges.len() {
            roles.extend(self.root_port(bridge, &best, &served).map(|end| (end, PortRole::Root)));
        }
        roles
    }

    /// Every port of a bridge that is on: the bridge, its LAN, and itself.
    fn ports_on(&self) -> impl Iterator<Item = (usize, usize, End)> {
        let ends = self
            .lans
            .iter()
            .enumerate()
            .flat_map(|(lan, Lan { ends, .. })| ends.iter().map(move |end| (end.0, lan, *end)));
        ends.filter(|(bridge, ..)| self.bridges[*bridge].tree.is_some())
    }

    /// The ports at a LAN that hear one another; none where the LAN is down.
    fn live(&self, lan: &Lan) -> Vec<End> {
        let on = |end: &End| self.bridges[end.0].tree.is_some();
        let ends: Vec<End> = lan.ends.iter().copied().filter(|end| lan.up && on(end)).collect();
        // A cable has no carrier when the other end is off; a hub has.
        if lan.ends.len() == 2 && ends.len() < 2 { Vec::new() } else { ends }
    }

    /// One step from every bridge to its neighbours; whether one found a better way.
    fn relax(&self, best: &mut Best) -> bool {
        let mut changed = false;
        for ends in self.lans.iter().map(|lan| self.live(lan)) {
            let Some((root, so_far)) = ends.iter().map(|end| best[end.0]).min() else { continue };
            for end in ends {
                let way = (root, so_far + self.cost(end));
                if way < best[end.0] && root < self.id(end.0) {
                    best[end.0] = way;
                    changed = true;
                }
            }
        }
        changed
    }

    fn designated(&self, lan: &Lan, best: &Best) -> Option<End> {
        let claim = |end: &End| (best[end.0], self.id(end.0), self.port_id(*end));
        self.live(lan).into_iter().min_by_key(claim)
    }

    fn root_port(&self, bridge: usize, best: &Best, served: &[Option<End>]) -> Option<End> {
        let way = |(_, lan, end): (usize, usize, End)| {
            let by = served[lan].filter(|by| by.0 != bridge)?;
            let (root, so_far) = best[by.0];
            let cost = so_far + self.cost(end);
            Some(((root, cost, self.id(by.0), self.port_id(by), self.port_id(end)), end))
        };
        let ways = self.ports_on().filter(|(by, ..)| *by == bridge).filter_map(way);
        ways.min().filter(|((root, ..), _)| *root < self.id(bridge)).map(|(_, end)| end)
    }

    fn cost(&self, (bridge, port): End) -> u64 {
        let bridge = &self.bridges[bridge];
        bridge.ports[port.index()].0.cost(&bridge.config, Some(1000)).into()
    }

    fn port_id(&self, (bridge, port): End) -> PortIdentifier {
        self.bridges[bridge].ports[port.index()].0.id()
    }

    /// What is not as it must be at rest: roles, states, no loop. And what must never be: a port that did not keep Hold
    /// Time, or of which the bridge says another state than it told the data plane.
    pub(crate) fn problems(&self) -> Vec<String> {
        let mut problems: Vec<String> =
            self.hasty.iter().map(|(at, end)| format!("{end:?}: Hold Time not kept at {at:?}")).collect();
        for (end, expected) in self.expected() {
            let (role, state) = self.stands(end);
            if role != expected {
                problems.push(format!("{end:?}: {role}, must be {expected}"));
            }
            let forwards = matches!(expected, PortRole::Root | PortRole::Designated);
            if forwards != (state == PortState::Forwarding) {
                problems.push(format!("{end:?}: {state} as {expected}"));
            }
            let tree = self.bridges[end.0].tree.as_ref();
            let says = tree.and_then(|tree| tree.port(self.now, end.1)).map(|(_, state)| state);
            if says != Some(state) {
                problems.push(format!("{end:?}: the data plane was told {state}, the bridge says {says:?}"));
            }
        }
        if self.has_loop() {
            problems.push("a loop".to_owned());
        }
        problems
    }

    #[track_caller]
    pub(crate) fn assert_settled(&self) {
        let problems = self.problems();
        assert!(problems.is_empty(), "at {:?}: {problems:#?}", self.now);
    }
}
