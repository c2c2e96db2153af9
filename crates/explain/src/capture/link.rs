//! What frames begin with: link types of the registry of tcpdump.org, down to what the frame carries.

use trunkline_core::MacAddr;
use trunkline_wire::Malformed;
use trunkline_wire::bytes::Reader;
use trunkline_wire::ethernet::{self, EtherType, Tag};
use trunkline_wire::malformed::Reason;

/// The most VLAN tags of a frame that are read.
const MAX_TAGS: usize = 4;

/// A tag of a kind that some makers used before IEEE 802.1ad.
const OLD_QINQ: EtherType = EtherType(0x9100);

/// What the frames of an interface begin with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Link {
    /// LINKTYPE_NULL, LINKTYPE_LOOP: four octets that say which family, in an order that one must guess.
    Loopback,
    /// LINKTYPE_ETHERNET.
    Ethernet,
    /// LINKTYPE_RAW, LINKTYPE_IPV4, LINKTYPE_IPV6: an IP packet.
    Raw,
    /// LINKTYPE_LINUX_SLL: of tcpdump's `-i any`.
    LinuxCooked,
    /// LINKTYPE_LINUX_SLL2.
    LinuxCooked2,
    /// Not known here.
    Unknown(u16),
}

impl Link {
    /// By its number in the file.
    pub const fn from_number(number: u16) -> Link {
        match number {
            0 | 108 => Link::Loopback,
            1 => Link::Ethernet,
            // 12 and 14 are what LINKTYPE_RAW was on some systems.
            12 | 14 | 101 | 228 | 229 => Link::Raw,
            113 => Link::LinuxCooked,
            276 => Link::LinuxCooked2,
            other => Link::Unknown(other),
        }
    }
}

/// What a frame carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// A packet of an EtherType.
    Type(EtherType),
    /// A frame with a length: an LLC header follows.
    Llc,
    /// What that is, is not known.
    Unknown,
}

/// A frame without what its link needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Framing<'a> {
    /// From whom, where the link says so.
    pub source: Option<MacAddr>,
    /// To whom, where the link says so.
    pub destination: Option<MacAddr>,
    /// The outermost VLAN tag.
    pub tag: Option<Tag>,
    /// How many VLAN tags there are.
    pub tags: u8,
    /// What is in it.
    pub content: Content,
    /// That, without the padding of a frame with a length.
    pub payload: &'a [u8],
    /// Where in the frame it begins.
    pub offset: usize,
}

/// Takes the link's header off. Of a frame that the capture has cut, the payload may be shorter than the header says.
#[inline]
pub fn peel(link: Link, octets: &[u8]) -> Result<Framing<'_>, Malformed> {
    match link {
        Link::Ethernet => of_ethernet(octets),
        Link::Raw => Ok(plain(ip_version(octets), octets, 0)),
        Link::Loopback => loopback(octets),
        Link::LinuxCooked => cooked(octets),
        Link::LinuxCooked2 => cooked2(octets),
        Link::Unknown(_) => Ok(plain(Content::Unknown, octets, 0)),
    }
}

fn plain(content: Content, payload: &[u8], offset: usize) -> Framing<'_> {
    Framing { source: None, destination: None, tag: None, tags: 0, content, payload, offset }
}

fn ip_version(packet: &[u8]) -> Content {
    match packet.first().map(|first| first >> 4) {
        Some(4) => Content::Type(EtherType::IPV4),
        Some(6) => Content::Type(EtherType::IPV6),
        _ => Content::Unknown,
    }
}

fn truncated(field: &'static str) -> Malformed {
    Malformed { field, reason: Reason::Truncated }
}

#[inline]
fn of_ethernet(octets: &[u8]) -> Result<Framing<'_>, Malformed> {
    let Some((&[d0, d1, d2, d3, d4, d5, s0, s1, s2, s3, s4, s5, t0, t1], rest)) =
        octets.split_first_chunk::<{ ethernet::LEN }>()
    else {
        return Err(truncated("Ethernet header"));
    };
    let mut framing = Framing {
        source: Some(MacAddr([s0, s1, s2, s3, s4, s5])),
        destination: Some(MacAddr([d0, d1, d2, d3, d4, d5])),
        ..plain(Content::Unknown, rest, ethernet::LEN)
    };
    framing.follow(u16::from_be_bytes([t0, t1]))?;
    Ok(framing)
}

impl Framing<'_> {
    /// Reads tags, from the length/type field in front of the payload on.
    #[inline]
    fn follow(&mut self, mut length_type: u16) -> Result<(), Malformed> {
        for _ in 0..MAX_TAGS {
            if !matches!(EtherType(length_type), EtherType::VLAN | EtherType::QINQ | OLD_QINQ) {
                break;
            }
            let Some((&[c0, c1, t0, t1], rest)) = self.payload.split_first_chunk::<4>() else {
                return Err(truncated("VLAN tag"));
            };
            if self.tags == 0 {
                let bits = u16::from_be_bytes([c0, c1]);
                let (priority, drop_eligible, vlan) = ((bits >> 13) as u8, bits & 0x1000 != 0, bits & 0xfff);
                self.tag = Some(Tag { priority, drop_eligible, vlan });
            }
            self.tags += 1;
            length_type = u16::from_be_bytes([t0, t1]);
            (self.payload, self.offset) = (rest, self.offset + 4);
        }
        // IEEE 802.3-2018 §3.2.6
        match length_type {
            0..=1500 => {
                self.content = Content::Llc;
                self.payload = self.payload.get(..usize::from(length_type)).unwrap_or(self.payload);
            }
            1536.. => self.content = Content::Type(EtherType(length_type)),
            _ => return Err(Malformed { field: "Ethernet length/type", reason: Reason::Value }),
        }
        Ok(())
    }
}

/// LINKTYPE_NULL is in the byte order of the machine that captured; IPv6 has another number on each system.
fn loopback(octets: &[u8]) -> Result<Framing<'_>, Malformed> {
    let (family, payload) = octets.split_first_chunk::<4>().ok_or(truncated("loopback header"))?;
    let family = u32::from_be_bytes(*family).min(u32::from_le_bytes(*family));
    let content = match family {
        2 => Content::Type(EtherType::IPV4),
        10 | 24 | 28 | 30 => Content::Type(EtherType::IPV6),
        _ => Content::Unknown,
    };
    Ok(plain(content, payload, 4))
}

/// The header of LINKTYPE_LINUX_SLL: packet type, ARPHRD, length of the address, address, protocol.
fn cooked(octets: &[u8]) -> Result<Framing<'_>, Malformed> {
    let mut r = Reader::new(octets);
    let field = "Linux cooked header";
    r.take(4).ok_or(truncated(field))?;
    let length = r.u16().ok_or(truncated(field))?;
    let address: [u8; 8] = r.array().ok_or(truncated(field))?;
    let protocol = r.u16().ok_or(truncated(field))?;
    of_protocol(protocol, length, address, r)
}

/// The header of LINKTYPE_LINUX_SLL2: protocol, reserved, interface, ARPHRD, packet type, length of the address, address.
fn cooked2(octets: &[u8]) -> Result<Framing<'_>, Malformed> {
    let mut r = Reader::new(octets);
    let field = "Linux cooked header";
    let protocol = r.u16().ok_or(truncated(field))?;
    r.take(9).ok_or(truncated(field))?;
    let length = r.u8().ok_or(truncated(field))?;
    let address: [u8; 8] = r.array().ok_or(truncated(field))?;
    of_protocol(protocol, length.into(), address, r)
}

fn of_protocol(
    protocol: u16,
    length: u16,
    address: [u8; 8],
    r: Reader<'_>,
) -> Result<Framing<'_>, Malformed> {
    let [a, b, c, d, e, f, ..] = address;
    let mut framing = plain(Content::Unknown, r.rest(), r.offset());
    framing.source = (length == 6).then_some(MacAddr([a, b, c, d, e, f]));
    // ETH_P_802_2 in the place of an EtherType: an LLC header follows.
    if protocol == 4 {
        framing.content = Content::Llc;
    } else if protocol >= 1536 {
        framing.follow(protocol)?;
    }
    Ok(framing)
}
