//! Next hops as dense ids with what the node's routing table says of them.

use super::Wish;
use crate::instance::NextHopState;
use std::collections::BTreeMap;
use std::net::IpAddr;

/// Index of a next hop. [`NextHopId::SELF`] is this node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct NextHopId(u32);

impl NextHopId {
    /// Routes that originate here.
    pub(crate) const SELF: NextHopId = NextHopId(0);
}

#[derive(Debug)]
struct NextHop {
    address: IpAddr,
    /// Attribute sets that name it.
    refs: u32,
    state: Option<NextHopState>,
    /// The state changed and not every route that uses it was looked at since.
    changed: Wish,
}

/// All next hops in use.
#[derive(Debug)]
pub(crate) struct NextHops {
    all: Vec<NextHop>,
    free: Vec<u32>,
    by_address: BTreeMap<IpAddr, u32>,
    /// To tell the node: track (`true`) or no more.
    requests: Vec<(IpAddr, bool)>,
}

impl NextHops {
    pub(crate) fn new() -> NextHops {
        let own = NextHop {
            address: IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED),
            refs: 1,
            state: Some(NextHopState { metric: 0, connected: true }),
            changed: Wish::None,
        };
        NextHops { all: vec![own], free: Vec::new(), by_address: BTreeMap::new(), requests: Vec::new() }
    }

    /// The id of `address`, held once more.
    pub(crate) fn acquire(&mut self, address: IpAddr) -> NextHopId {
        if let Some(&index) = self.by_address.get(&address) {
            self.all[index as usize].refs += 1;
            return NextHopId(index);
        }
        let hop = NextHop { address, refs: 1, state: None, changed: Wish::None };
        let index = match self.free.pop() {
            Some(index) => {
                self.all[index as usize] = hop;
                index
            }
            None => {
                self.all.push(hop);
                (self.all.len() - 1) as u32
            }
        };
        self.by_address.insert(address, index);
        self.requests.push((address, true));
        NextHopId(index)
    }

    /// Held once less.
    pub(crate) fn release(&mut self, id: NextHopId) {
        if id == NextHopId::SELF {
            return;
        }
        let hop = &mut self.all[id.0 as usize];
        hop.refs -= 1;
        if hop.refs == 0 {
            self.by_address.remove(&hop.address);
            self.requests.push((hop.address, false));
            self.free.push(id.0);
        }
    }

    /// The node said how `address` is reached. Whether that is news.
    pub(crate) fn set(&mut self, address: IpAddr, state: Option<NextHopState>) -> bool {
        let Some(&index) = self.by_address.get(&address) else { return false };
        let hop = &mut self.all[index as usize];
        let news = hop.state != state;
        hop.state = state;
        if news {
            hop.changed = Wish::New;
        }
        news
    }

    #[inline]
    pub(crate) fn state(&self, id: NextHopId) -> Option<NextHopState> {
        self.all[id.0 as usize].state
    }

    pub(crate) fn address(&self, id: NextHopId) -> IpAddr {
        self.all[id.0 as usize].address
    }

    #[inline]
    pub(crate) fn changed(&self, id: NextHopId) -> bool {
        self.all[id.0 as usize].changed.is_some()
    }

    /// A round of walks begins or ends.
    pub(crate) fn each_wish(&mut self, change: impl Fn(&mut Wish)) {
        self.all.iter_mut().for_each(|hop| change(&mut hop.changed));
    }

    /// All that the node tracks for us.
    pub(crate) fn tracked(&self) -> impl Iterator<Item = IpAddr> + '_ {
        self.by_address.keys().copied()
    }

    /// What the node must be told: addresses to track (`true`) and to forget.
    pub(crate) fn take_requests(&mut self) -> Vec<(IpAddr, bool)> {
        std::mem::take(&mut self.requests)
    }
}
