//! An Ethernet frame that many may hold: flooding and capturing it costs a count, not a copy.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

/// The octets of an Ethernet frame from the destination address on, without preamble and frame check sequence.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Frame(Arc<[u8]>);

impl Frame {
    /// The octets to change them; copies them first where someone else holds them too.
    pub fn make_mut(&mut self) -> &mut [u8] {
        Arc::make_mut(&mut self.0)
    }
}

impl Deref for Frame {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl From<&[u8]> for Frame {
    fn from(octets: &[u8]) -> Frame {
        Frame(Arc::from(octets))
    }
}

impl From<Vec<u8>> for Frame {
    fn from(octets: Vec<u8>) -> Frame {
        Frame(Arc::from(octets))
    }
}

impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Frame({} octets)", self.len())
    }
}

/// Names a port of a device: its place in the device's list of ports, from 0. Dense, so that tables are arrays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PortId(pub u32);

impl PortId {
    /// As an index of an array.
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}
