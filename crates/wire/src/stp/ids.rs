//! Who a bridge is, and which of its ports: the numbers that an election compares.

use std::fmt;

use trunkline_core::MacAddr;

/// A bridge identifier (IEEE 802.1D-2004 §9.2.5): 16 bits of priority, then the bridge's address. The lower is better.
///
/// In the upper 16 bits the lower 12 are the system ID extension, zero where there is one tree for all VLANs; in 1998
/// all 16 were priority.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct BridgeId(pub u64);

impl BridgeId {
    /// The identifier of a bridge with this priority, 0 to 65535, and address.
    pub const fn new(priority: u16, address: MacAddr) -> BridgeId {
        let [a, b, c, d, e, f] = address.0;
        let [p, q] = priority.to_be_bytes();
        BridgeId(u64::from_be_bytes([p, q, a, b, c, d, e, f]))
    }

    /// The upper 16 bits.
    pub const fn priority(self) -> u16 {
        (self.0 >> 48) as u16
    }

    /// The bridge's address.
    pub const fn address(self) -> MacAddr {
        let [_, _, a, b, c, d, e, f] = self.0.to_be_bytes();
        MacAddr([a, b, c, d, e, f])
    }
}

/// `32768.02:00:00:00:00:01`.
impl fmt::Display for BridgeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.priority(), self.address())
    }
}

impl fmt::Debug for BridgeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A port identifier (IEEE 802.1D-2004 §9.2.7): 4 bits of priority, 12 bits of number. The lower is better.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct PortIdentifier(pub u16);

impl PortIdentifier {
    /// The largest number of a port; the smallest is 1.
    pub const MAX_NUMBER: u16 = 0x0fff;

    /// The identifier of a port with this priority, 0 to 240 in steps of 16, and number, 1 to 4095. Other bits are lost.
    pub const fn new(priority: u8, number: u16) -> PortIdentifier {
        PortIdentifier((priority as u16 & 0xf0) << 8 | number & Self::MAX_NUMBER)
    }

    /// The priority, 0 to 240 in steps of 16.
    pub const fn priority(self) -> u8 {
        (self.0 >> 8) as u8 & 0xf0
    }

    /// The number.
    pub const fn number(self) -> u16 {
        self.0 & Self::MAX_NUMBER
    }
}

/// `128.1`.
impl fmt::Display for PortIdentifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.priority(), self.number())
    }
}

impl fmt::Debug for PortIdentifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn priority_counts_before_the_address() {
        // IEEE 802.1D-2004 §9.2.5, §9.2.7
        let low = BridgeId::new(4096, MacAddr([0xfe, 0xff, 0xff, 0xff, 0xff, 0xff]));
        let high = BridgeId::new(32768, MacAddr([2, 0, 0, 0, 0, 1]));
        assert!(low < high);
        assert_eq!((high.priority(), high.address()), (32768, MacAddr([2, 0, 0, 0, 0, 1])));
        assert_eq!(high.to_string(), "32768.02:00:00:00:00:01");
        let port = PortIdentifier::new(128, 4095);
        assert_eq!((port.0, port.priority(), port.number()), (0x8fff, 128, 4095));
        assert!(PortIdentifier::new(112, 4095) < PortIdentifier::new(128, 1));
        assert_eq!(PortIdentifier::new(128, 1).to_string(), "128.1");
    }
}
