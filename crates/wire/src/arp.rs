//! ARP packets (RFC 826) for IPv4 addresses on Ethernet.

use std::fmt;
use std::net::Ipv4Addr;

use trunkline_core::MacAddr;

use crate::Malformed;
use crate::bytes::Reader;
use crate::ethernet::EtherType;

/// Octets of a packet.
pub const LEN: usize = 28;

/// `ar$hrd` of Ethernet.
const ETHERNET: u16 = 1;

/// What a packet asks or says (`ar$op`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operation {
    /// Who has the target's protocol address?
    Request,
    /// The sender has the sender's protocol address.
    Reply,
    /// Neither.
    Unknown(u16),
}

/// An ARP packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Arp {
    /// What it asks or says.
    pub operation: Operation,
    /// Who sends it (`ar$sha`).
    pub sender_hardware: MacAddr,
    /// The address the sender says it has (`ar$spa`); 0.0.0.0 in a probe.
    pub sender_protocol: Ipv4Addr,
    /// In a reply, who asked; in a request without meaning, and zeros by convention (`ar$tha`).
    pub target_hardware: MacAddr,
    /// In a request, the address that is looked for (`ar$tpa`).
    pub target_protocol: Ipv4Addr,
}

impl Arp {
    /// Reads a packet; what follows it is padding.
    pub fn parse(octets: &[u8]) -> Result<Arp, Malformed> {
        let mut r = Reader::new(octets);
        let truncated = Malformed::truncated("ARP packet");
        if r.u16().ok_or(truncated)? != ETHERNET {
            return Err(Malformed::value("ARP hardware address space (ar$hrd)"));
        }
        if r.u16().ok_or(truncated)? != EtherType::IPV4.0 {
            return Err(Malformed::value("ARP protocol address space (ar$pro)"));
        }
        if r.u8().ok_or(truncated)? != 6 {
            return Err(Malformed::length("ARP length of hardware address (ar$hln)"));
        }
        if r.u8().ok_or(truncated)? != 4 {
            return Err(Malformed::length("ARP length of protocol address (ar$pln)"));
        }
        Ok(Arp {
            operation: Operation::from(r.u16().ok_or(truncated)?),
            sender_hardware: MacAddr(r.array().ok_or(truncated)?),
            sender_protocol: r.ipv4().ok_or(truncated)?,
            target_hardware: MacAddr(r.array().ok_or(truncated)?),
            target_protocol: r.ipv4().ok_or(truncated)?,
        })
    }

    /// Appends the packet.
    pub fn emit(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&ETHERNET.to_be_bytes());
        out.extend_from_slice(&EtherType::IPV4.0.to_be_bytes());
        out.extend_from_slice(&[6, 4]);
        out.extend_from_slice(&u16::from(self.operation).to_be_bytes());
        out.extend_from_slice(&self.sender_hardware.0);
        out.extend_from_slice(&self.sender_protocol.octets());
        out.extend_from_slice(&self.target_hardware.0);
        out.extend_from_slice(&self.target_protocol.octets());
    }

    /// Whether it asks for an address that the sender does not yet use: a request from 0.0.0.0 (RFC 5227 §1.1).
    pub fn is_probe(&self) -> bool {
        self.operation == Operation::Request && self.sender_protocol.is_unspecified()
    }

    /// Whether it tells all about the sender's own address: the ARP Announcement of RFC 5227 §1.1 where it is a
    /// request, the gratuitous ARP of RFC 2002 §4.6 either way.
    pub fn is_announcement(&self) -> bool {
        self.sender_protocol == self.target_protocol && !self.sender_protocol.is_unspecified()
    }
}

impl From<u16> for Operation {
    fn from(code: u16) -> Operation {
        match code {
            1 => Operation::Request,
            2 => Operation::Reply,
            other => Operation::Unknown(other),
        }
    }
}

impl From<Operation> for u16 {
    fn from(operation: Operation) -> u16 {
        match operation {
            Operation::Request => 1,
            Operation::Reply => 2,
            Operation::Unknown(code) => code,
        }
    }
}

impl fmt::Display for Arp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Arp { operation, sender_hardware, sender_protocol, target_protocol, .. } = self;
        match operation {
            _ if self.is_announcement() => {
                write!(f, "{sender_protocol} is at {sender_hardware} (announcement)")
            }
            Operation::Request if self.is_probe() => {
                write!(f, "who has {target_protocol}? probe by {sender_hardware}")
            }
            Operation::Request => write!(f, "who has {target_protocol}? tell {sender_protocol}"),
            Operation::Reply => write!(f, "{sender_protocol} is at {sender_hardware}"),
            Operation::Unknown(code) => {
                write!(f, "ARP operation {code} from {sender_protocol} for {target_protocol}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REQUEST: [u8; LEN] =
        [0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0, 0, 0, 2, 10, 0, 0, 2, 0, 0, 0, 0, 0, 0, 10, 0, 0, 1];

    #[test]
    fn a_request_octet_by_octet() {
        // RFC 826, "Packet format"
        let arp = Arp::parse(&[REQUEST.as_slice(), &[0; 18]].concat()).unwrap();
        let expected = Arp {
            operation: Operation::Request,
            sender_hardware: MacAddr([2, 0, 0, 0, 0, 2]),
            sender_protocol: Ipv4Addr::new(10, 0, 0, 2),
            target_hardware: MacAddr::UNSPECIFIED,
            target_protocol: Ipv4Addr::new(10, 0, 0, 1),
        };
        assert_eq!(arp, expected);
        let mut octets = Vec::new();
        arp.emit(&mut octets);
        assert_eq!(octets, REQUEST);
    }

    #[test]
    fn what_it_is_in_words() {
        let ask = Arp::parse(&REQUEST).unwrap();
        assert_eq!(ask.to_string(), "who has 10.0.0.1? tell 10.0.0.2");
        let reply = Arp { operation: Operation::Reply, ..ask };
        assert_eq!(reply.to_string(), "10.0.0.2 is at 02:00:00:00:00:02");
        // RFC 5227 §1.1
        let probe = Arp { sender_protocol: Ipv4Addr::UNSPECIFIED, ..ask };
        assert!(probe.is_probe() && !probe.is_announcement());
        assert_eq!(probe.to_string(), "who has 10.0.0.1? probe by 02:00:00:00:00:02");
        let announcement = Arp { target_protocol: ask.sender_protocol, ..ask };
        assert!(announcement.is_announcement() && !announcement.is_probe());
        assert_eq!(announcement.to_string(), "10.0.0.2 is at 02:00:00:00:00:02 (announcement)");
        assert!(!ask.is_announcement() && !ask.is_probe());
    }

    #[test]
    fn other_hardware_and_protocols_are_refused() {
        // RFC 826, "Packet Reception": "Do I have the hardware type?", "Do I speak the protocol?"
        for (at, expected) in [
            (1, Malformed::value("ARP hardware address space (ar$hrd)")),
            (2, Malformed::value("ARP protocol address space (ar$pro)")),
            (4, Malformed::length("ARP length of hardware address (ar$hln)")),
            (5, Malformed::length("ARP length of protocol address (ar$pln)")),
        ] {
            let mut octets = REQUEST;
            octets[at] ^= 0x10;
            assert_eq!(Arp::parse(&octets), Err(expected));
        }
        for len in 0..LEN {
            assert_eq!(Arp::parse(&REQUEST[..len]), Err(Malformed::truncated("ARP packet")));
        }
    }
}
