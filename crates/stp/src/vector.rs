//! Priority vectors and times: what bridges compare (IEEE 802.1D-2004 §17.5, §17.6).

use std::cmp::Ordering;
use trunkline_wire::stp::{BridgeId, PortIdentifier, Priority, Time};

/// A priority vector without the receiving port (IEEE 802.1D-2004 §17.6): the lower is better, compared from left to
/// right.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub(crate) struct Vector {
    pub(crate) root: BridgeId,
    pub(crate) cost: u32,
    pub(crate) bridge: BridgeId,
    pub(crate) port: PortIdentifier,
}

impl Vector {
    /// What a BPDU carries.
    pub(crate) const fn of(body: &Priority) -> Vector {
        Vector { root: body.root, cost: body.root_path_cost, bridge: body.bridge, port: body.port }
    }

    /// The vector of a bridge that believes to be the root.
    pub(crate) const fn own(bridge: BridgeId) -> Vector {
        Vector { root: bridge, cost: 0, bridge, port: PortIdentifier(0) }
    }

    /// The root path priority vector: by a port with this cost (§17.6). The cost saturates.
    pub(crate) const fn through(self, cost: u32) -> Vector {
        Vector { cost: self.cost.saturating_add(cost), ..self }
    }

    /// Whether this message is superior to what a port holds (§17.6): better, or of the same transmitter, by its address
    /// and its port's number, and different.
    pub(crate) fn is_superior_to(&self, held: &Vector) -> bool {
        let same_transmitter =
            self.bridge.address() == held.bridge.address() && self.port.number() == held.port.number();
        self < held || (same_transmitter && self != held)
    }
}

/// The first component in which two vectors differ, in words, with both values: what decides between them.
pub(crate) fn decides(better: &(Vector, PortIdentifier), worse: &(Vector, PortIdentifier)) -> String {
    let ((a, a_port), (b, b_port)) = (better, worse);
    if a.root != b.root {
        format!("root {} is better than {}", a.root, b.root)
    } else if a.cost != b.cost {
        format!("root path cost {} is less than {}", a.cost, b.cost)
    } else if a.bridge != b.bridge {
        format!("designated bridge {} is better than {}", a.bridge, b.bridge)
    } else if a.port != b.port {
        format!("designated port {} is better than {}", a.port, b.port)
    } else {
        match a_port.cmp(b_port) {
            Ordering::Equal => "both are the same".to_owned(),
            _ => format!("receiving port {a_port} is better than {b_port}"),
        }
    }
}

/// Times as they travel with a vector, whole seconds (§17.19.21 and others).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(crate) struct Times {
    pub(crate) message_age: u8,
    pub(crate) max_age: u8,
    pub(crate) forward_delay: u8,
    pub(crate) hello_time: u8,
}

impl Times {
    /// What a BPDU carries, in whole seconds and inside the ranges that the standard allows (802.1D-1998 and 2004 table
    /// 17-1), so that no neighbour can stop our timers or let them run for ever.
    pub(crate) fn of(body: &Priority) -> Times {
        Times {
            message_age: body.message_age.rounded(),
            max_age: body.max_age.rounded().clamp(6, 40),
            forward_delay: body.forward_delay.rounded().clamp(4, 30),
            hello_time: body.hello_time.rounded().clamp(1, 10),
        }
    }

    /// As they stand in a BPDU.
    pub(crate) fn put(&self, body: &mut Priority) {
        body.message_age = Time::from_secs(self.message_age);
        body.max_age = Time::from_secs(self.max_age);
        body.forward_delay = Time::from_secs(self.forward_delay);
        body.hello_time = Time::from_secs(self.hello_time);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use trunkline_core::MacAddr;

    fn bridge(priority: u16, last: u8) -> BridgeId {
        BridgeId::new(priority, MacAddr([2, 0, 0, 0, 0, last]))
    }

    fn vector(root: u8, cost: u32, by: BridgeId, port: u16) -> Vector {
        Vector { root: bridge(0, root), cost, bridge: by, port: PortIdentifier(port) }
    }

    #[test]
    fn superior_is_better_or_other_news_of_the_same() {
        // IEEE 802.1D-2004 §17.6
        let by = bridge(32768, 5);
        let held = vector(2, 10, by, 0x8001);
        assert!(vector(1, 99, bridge(0, 9), 1).is_superior_to(&held));
        assert!(!held.is_superior_to(&held));
        assert!(vector(3, 0, by, 0x8001).is_superior_to(&held), "worse, of the same transmitter");
        assert!(vector(3, 0, bridge(4096, 5), 0x7001).is_superior_to(&held), "by address and number alone");
        assert!(!vector(3, 0, bridge(4096, 6), 0x8001).is_superior_to(&held));
        assert!(!vector(2, 10, by, 0x8002).is_superior_to(&held), "another port of it, and worse");
    }

    #[test]
    fn what_decides_is_said() {
        let (a, b) = (vector(1, 10, bridge(0, 3), 1), vector(1, 20, bridge(0, 2), 1));
        let (one, two) = (PortIdentifier(0x8001), PortIdentifier(0x8002));
        assert_eq!(decides(&(a, two), &(b, one)), "root path cost 10 is less than 20");
        assert_eq!(decides(&(a, one), &(a, two)), "receiving port 128.1 is better than 128.2");
        assert_eq!(a.through(u32::MAX).cost, u32::MAX);
    }
}
