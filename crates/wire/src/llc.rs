//! Logical link control headers (IEEE 802.2-1998 §3.2, unnumbered format) and SNAP (IEEE 802-2014 §9.2).

use crate::Malformed;
use crate::bytes::Reader;

/// The header that follows an Ethernet header whose [`Content`](crate::ethernet::Content) is a length.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Llc {
    /// Destination service access point.
    pub dsap: u8,
    /// Source service access point; its lowest bit says "response".
    pub ssap: u8,
    /// Control field of the unnumbered format, whose two lowest bits are ones.
    pub control: u8,
    /// What the payload is, where both service access points are [`Llc::SNAP_SAP`].
    pub snap: Option<Snap>,
}

/// The protocol identification of the Subnetwork Access Protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Snap {
    /// Whose protocol; zeros mean that `pid` is an EtherType (RFC 1042).
    pub oui: [u8; 3],
    /// Which of theirs.
    pub pid: u16,
}

impl Llc {
    /// The service access point of the Bridge Group Address, for BPDUs (IEEE 802.1D-2004 §7.12.3).
    pub const BRIDGE_SAP: u8 = 0x42;
    /// The service access point that says that a [`Snap`] follows.
    pub const SNAP_SAP: u8 = 0xaa;
    /// Unnumbered information: a datagram.
    pub const UI: u8 = 0x03;
    /// The header of BPDUs.
    pub const BPDU: Llc = Llc { dsap: Llc::BRIDGE_SAP, ssap: Llc::BRIDGE_SAP, control: Llc::UI, snap: None };

    /// Reads the header; what follows it is beside it. The formats of connections (I and S) are refused.
    pub fn parse(octets: &[u8]) -> Result<(Llc, &[u8]), Malformed> {
        let mut r = Reader::new(octets);
        let [dsap, ssap, control] = r.array().ok_or(Malformed::truncated("LLC header"))?;
        if control & 3 != 3 {
            return Err(Malformed::value("LLC control"));
        }
        let mut llc = Llc { dsap, ssap, control, snap: None };
        if llc.announces_snap() {
            let [a, b, c, p, q] = r.array().ok_or(Malformed::truncated("SNAP header"))?;
            llc.snap = Some(Snap { oui: [a, b, c], pid: u16::from_be_bytes([p, q]) });
        }
        Ok((llc, r.rest()))
    }

    /// Appends the header.
    pub fn emit(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&[self.dsap, self.ssap, self.control]);
        if let Some(snap) = self.snap {
            out.extend_from_slice(&snap.oui);
            out.extend_from_slice(&snap.pid.to_be_bytes());
        }
    }

    const fn announces_snap(&self) -> bool {
        self.dsap == Llc::SNAP_SAP && self.ssap & 0xfe == Llc::SNAP_SAP && self.control == Llc::UI
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::malformed::Reason;

    #[test]
    fn a_bpdu_and_a_snap_header() {
        // IEEE 802.1D-2004 §7.12.3
        let mut octets = Vec::new();
        Llc::BPDU.emit(&mut octets);
        assert_eq!(octets, [0x42, 0x42, 0x03]);
        assert_eq!(Llc::parse(&[0x42, 0x42, 3, 0, 0]), Ok((Llc::BPDU, &[0, 0][..])));

        // RFC 1042: an EtherType in a SNAP header
        let octets = [0xaa, 0xaa, 3, 0, 0, 0, 8, 6, 9];
        let snap = Some(Snap { oui: [0; 3], pid: 0x0806 });
        let llc = Llc { dsap: 0xaa, ssap: 0xaa, control: 3, snap };
        assert_eq!(Llc::parse(&octets), Ok((llc, &[9][..])));
        let mut again = Vec::new();
        llc.emit(&mut again);
        assert_eq!(again, octets[..8]);
    }

    #[test]
    fn what_is_no_header() {
        assert_eq!(Llc::parse(&[0x42, 0x42]).unwrap_err().reason, Reason::Truncated);
        assert_eq!(Llc::parse(&[0xaa, 0xaa, 3, 0, 0, 0, 8]).unwrap_err().field, "SNAP header");
        // The information format of connections (IEEE 802.2-1998 §5.3)
        assert_eq!(Llc::parse(&[4, 4, 0, 0]).unwrap_err(), Malformed::value("LLC control"));
    }
}
