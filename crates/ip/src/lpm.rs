//! The longest-prefix table: a trie with eight bits a level, in which equal neighbours are stored once.
//!
//! Every node stands for 256 slots. A slot holds what the longest prefix covering it says, or a node for longer ones.
//! A bitmap marks the slots that differ from the one before, and only those are stored. So a lookup is at most four
//! steps of two loads each, a node with few routes has about a hundred octets, and a million routes of a real table
//! have some twenty million. The price is that a change rewrites a node.
//!
//! The trie does not know its prefixes: the caller says what covers the one that it takes away.

/// What a lookup finds: a number below 2^25, and the length of its prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Leaf(u32);

impl Leaf {
    /// One more than the largest value.
    pub(crate) const MAX_VALUE: u32 = 1 << 25;

    pub(crate) const fn new(value: u32, len: u8) -> Leaf {
        Leaf((value & (Self::MAX_VALUE - 1)) | ((len as u32) << 25))
    }

    pub(crate) const fn value(self) -> u32 {
        self.0 & (Self::MAX_VALUE - 1)
    }

    const fn len(self) -> u8 {
        (self.0 >> 25) as u8
    }
}

/// A slot: nothing, a leaf, or a node. Lengths end at 32, so that the topmost of the seven bits above a value is set
/// for nodes alone, but for "nothing", which is all ones.
type Slot = u32;

const NODE: Slot = 1 << 31;
const NOTHING: Slot = Slot::MAX;

const fn as_node(slot: Slot) -> Option<usize> {
    if slot & NODE != 0 && slot != NOTHING { Some((slot & !NODE) as usize) } else { None }
}

/// The slots of a node, one for each value of eight bits.
type Slots = [Slot; 256];

#[derive(Debug, Clone)]
struct Node {
    /// Bit n: slot n differs from slot n-1; bit 0 is set.
    starts: [u64; 4],
    /// How many bits are set in the words before.
    before: [u8; 4],
    /// The slots at the bits that are set.
    slots: Box<[Slot]>,
}

impl Node {
    fn new(slots: &Slots) -> Node {
        let mut starts = [0u64; 4];
        let mut stored = Vec::with_capacity(8);
        let mut before = [0u8; 4];
        let mut last = None;
        for ((word, before), part) in starts.iter_mut().zip(&mut before).zip(slots.chunks(64)) {
            // At most 192 here.
            *before = stored.len() as u8;
            for (bit, slot) in part.iter().enumerate() {
                if last != Some(*slot) {
                    *word |= 1 << bit;
                    stored.push(*slot);
                    last = Some(*slot);
                }
            }
        }
        Node { starts, before, slots: stored.into_boxed_slice() }
    }

    #[inline]
    fn get(&self, index: u8) -> Slot {
        let word = usize::from(index >> 6);
        let upto = self.starts[word] << (63 - (index & 63));
        let rank = usize::from(self.before[word]) + upto.count_ones() as usize;
        self.slots.get(rank.wrapping_sub(1)).copied().unwrap_or(NOTHING)
    }

    fn expand(&self) -> Slots {
        let mut slots = [NOTHING; 256];
        let mut stored = self.slots.iter();
        let mut current = NOTHING;
        for (index, slot) in slots.iter_mut().enumerate() {
            if self.starts[index / 64] & (1 << (index % 64)) != 0 {
                current = stored.next().copied().unwrap_or(NOTHING);
            }
            *slot = current;
        }
        slots
    }

    /// The one slot that all are, where it is no node.
    fn uniform(&self) -> Option<Slot> {
        match *self.slots {
            [slot] if as_node(slot).is_none() => Some(slot),
            _ => None,
        }
    }
}

/// Prefixes of IPv4 to leaves.
#[derive(Debug)]
pub(crate) struct Lpm {
    /// The first is the root. Those in `free` are not in use.
    nodes: Vec<Node>,
    free: Vec<usize>,
}

impl Lpm {
    pub(crate) fn new() -> Lpm {
        Lpm { nodes: vec![Node::new(&[NOTHING; 256])], free: Vec::new() }
    }

    /// The leaf of the longest prefix that `address` is in.
    #[inline]
    pub(crate) fn lookup(&self, address: u32) -> Option<Leaf> {
        let mut node = 0;
        for octet in address.to_be_bytes() {
            let slot = self.nodes.get(node)?.get(octet);
            if slot & NODE == 0 {
                return Some(Leaf(slot));
            }
            node = as_node(slot)?;
        }
        None
    }

    /// Sets the leaf of a prefix, new or there already.
    pub(crate) fn insert(&mut self, bits: u32, len: u8, value: u32) {
        let leaf = Leaf::new(value, len).0;
        self.write(0, 0, bits, len, &|slot| {
            if slot == NOTHING || Leaf(slot).len() <= len { leaf } else { slot }
        });
    }

    /// Takes a prefix away; `cover` is the leaf of the longest shorter prefix that holds it.
    pub(crate) fn remove(&mut self, bits: u32, len: u8, cover: Option<Leaf>) {
        let cover = cover.map_or(NOTHING, |leaf| leaf.0);
        self.write(0, 0, bits, len, &|slot| {
            if slot != NOTHING && Leaf(slot).len() == len { cover } else { slot }
        });
    }

    /// Changes every leaf under a prefix. Goes down at most four levels.
    fn write(&mut self, node: usize, depth: u8, bits: u32, len: u8, change: &dyn Fn(Slot) -> Slot) {
        let first = bits.to_be_bytes().get(usize::from(depth)).copied().unwrap_or_default();
        let below = (depth + 1) * 8;
        if len <= below {
            return self.rewrite(node, usize::from(first), 1 << (below - len), change);
        }
        // One slot leads further down.
        let Some(slot) = self.nodes.get(node).map(|node| node.get(first)) else { return };
        let child = match as_node(slot) {
            Some(child) => child,
            None => self.allocate(&[slot; 256]),
        };
        self.write(child, depth + 1, bits, len, change);
        let settled = self.settled(child);
        if settled != slot
            && let Some(place) = self.nodes.get_mut(node)
        {
            let mut slots = place.expand();
            slots[usize::from(first)] = settled;
            *place = Node::new(&slots);
        }
    }

    /// Changes the leaves of some slots of a node and all of those below them.
    fn rewrite(&mut self, node: usize, first: usize, count: usize, change: &dyn Fn(Slot) -> Slot) {
        let Some(mut slots) = self.nodes.get(node).map(Node::expand) else { return };
        for slot in slots.iter_mut().skip(first).take(count) {
            *slot = match as_node(*slot) {
                Some(child) => {
                    self.rewrite(child, 0, 256, change);
                    self.settled(child)
                }
                None => change(*slot),
            };
        }
        if let Some(place) = self.nodes.get_mut(node) {
            *place = Node::new(&slots);
        }
    }

    /// The slot that stands for a node: itself, or its one leaf, and then the node is free.
    fn settled(&mut self, node: usize) -> Slot {
        match self.nodes.get(node).and_then(Node::uniform) {
            Some(slot) => {
                self.free.push(node);
                slot
            }
            // Fewer than 2^31 nodes: each has a route of its own below it.
            None => node as Slot | NODE,
        }
    }

    fn allocate(&mut self, slots: &Slots) -> usize {
        let node = Node::new(slots);
        match self.free.pop() {
            Some(index) => {
                if let Some(place) = self.nodes.get_mut(index) {
                    *place = node;
                }
                index
            }
            None => {
                self.nodes.push(node);
                self.nodes.len() - 1
            }
        }
    }

    /// Octets of memory, for tests and measurements.
    #[cfg(test)]
    pub(crate) fn octets(&self) -> usize {
        let slots: usize = self.nodes.iter().map(|node| node.slots.len() * 4).sum();
        self.nodes.len() * size_of::<Node>() + slots
    }

    #[cfg(test)]
    pub(crate) fn nodes_in_use(&self) -> usize {
        self.nodes.len() - self.free.len()
    }
}
