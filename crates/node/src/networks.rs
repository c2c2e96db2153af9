//! The networks BGP announces while the node has a route to them (RFC 4271 §9.4).

use crate::rib::Rib;
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use trunkline_core::Prefix;

/// `bgp.networks`, each with what BGP was told last.
#[derive(Debug, Default)]
pub(crate) struct Networks {
    told: BTreeMap<Prefix, bool>,
}

impl Networks {
    /// Changes to another list; gives the new ones with whether they are there, to be told.
    pub(crate) fn set(&mut self, wanted: &[Prefix], rib: &Rib) -> Vec<(Prefix, bool)> {
        let wanted: BTreeSet<Prefix> = wanted.iter().copied().collect();
        self.told.retain(|prefix, _| wanted.contains(prefix));
        let mut news = Vec::new();
        for prefix in wanted {
            if let Entry::Vacant(entry) = self.told.entry(prefix) {
                news.push((prefix, *entry.insert(rib.best(prefix).is_some())));
            }
        }
        news
    }

    /// The routing table changed at `prefix`: what is to be told, if anything.
    pub(crate) fn update(&mut self, prefix: Prefix, rib: &Rib) -> Option<bool> {
        let told = self.told.get_mut(&prefix)?;
        let present = rib.best(prefix).is_some();
        (std::mem::replace(told, present) != present).then_some(present)
    }

    /// All of them, with what was told last.
    pub(crate) fn all(&self) -> impl Iterator<Item = (Prefix, bool)> {
        self.told.iter().map(|(prefix, present)| (*prefix, *present))
    }
}
