//! TABLE_DUMP and TABLE_DUMP_V2: whole tables (RFC 6396 §4.2, §4.3).

use super::MrtFaultKind;
use crate::bgp::{
    Afi, Attributes, Family, Fault, FaultKind, MpNextHop, ParseContext, ParsedAttributes, Safi, attribute,
    ipv4_prefixes, ipv6_prefixes, parse_attributes, raw_attributes,
};
use crate::bytes::Reader;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use trunkline_core::{Asn, Prefix};

/// A route of TABLE_DUMP (RFC 6396 §4.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TableDump<'a> {
    /// View Number.
    pub view_number: u16,
    /// Sequence Number; it wraps.
    pub sequence_number: u16,
    /// Prefix and Prefix Length; bits beyond the length are cleared.
    pub prefix: Prefix,
    /// Status; unused.
    pub status: u8,
    /// Originated Time: seconds since 1970.
    pub originated_time: u32,
    /// Peer IP Address.
    pub peer_ip: IpAddr,
    /// Peer AS.
    pub peer_as: Asn,
    /// BGP Attributes with two-octet AS numbers, for [`parse_attributes`].
    pub attributes: &'a [u8],
}

impl<'a> TableDump<'a> {
    pub(super) fn parse(r: &mut Reader<'a>, subtype: u16) -> Result<TableDump<'a>, MrtFaultKind> {
        const CUT: MrtFaultKind = MrtFaultKind::FieldCut;
        let address = |r: &mut Reader<'a>| match subtype {
            1 => r.ipv4().map(IpAddr::V4).ok_or(CUT),
            _ => r.ipv6().map(IpAddr::V6).ok_or(CUT),
        };
        let (view_number, sequence_number) = (r.u16().ok_or(CUT)?, r.u16().ok_or(CUT)?);
        let prefix_address = address(r)?;
        let prefix = Prefix::new(prefix_address, r.u8().ok_or(CUT)?).ok_or(MrtFaultKind::PrefixLength)?;
        let status = r.u8().ok_or(CUT)?;
        let originated_time = r.u32().ok_or(CUT)?;
        let peer_ip = address(r)?;
        let peer_as = Asn(r.u16().ok_or(CUT)?.into());
        let length = r.u16().ok_or(CUT)?;
        let attributes = r.take(length.into()).ok_or(CUT)?;
        Ok(TableDump {
            view_number,
            sequence_number,
            prefix,
            status,
            originated_time,
            peer_ip,
            peer_as,
            attributes,
        })
    }
}

/// One peer of a PEER_INDEX_TABLE.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PeerEntry {
    /// Peer BGP ID.
    pub bgp_id: Ipv4Addr,
    /// Peer IP Address.
    pub ip: IpAddr,
    /// Peer AS.
    pub asn: Asn,
}

/// The peers to which [`RibEntry::peer_index`] refers (RFC 6396 §4.3.1).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PeerIndexTable<'a> {
    /// Collector BGP ID.
    pub collector_bgp_id: Ipv4Addr,
    /// View Name; often empty.
    pub view_name: &'a str,
    /// The peers, by index.
    pub peers: Vec<PeerEntry>,
}

impl<'a> PeerIndexTable<'a> {
    pub(super) fn parse(r: &mut Reader<'a>) -> Result<PeerIndexTable<'a>, MrtFaultKind> {
        const CUT: MrtFaultKind = MrtFaultKind::FieldCut;
        let collector_bgp_id = r.ipv4().ok_or(CUT)?;
        let view_name_length = r.u16().ok_or(CUT)?;
        let view_name = r.take(view_name_length.into()).ok_or(CUT)?;
        let view_name = std::str::from_utf8(view_name).map_err(|_| MrtFaultKind::ViewName)?;
        let count = r.u16().ok_or(CUT)?;
        let peers = (0..count).map(|_| peer_entry(r).ok_or(CUT)).collect::<Result<_, _>>()?;
        Ok(PeerIndexTable { collector_bgp_id, view_name, peers })
    }
}

fn peer_entry(r: &mut Reader<'_>) -> Option<PeerEntry> {
    let peer_type = r.u8()?;
    let bgp_id = r.ipv4()?;
    let ip = if peer_type & 1 != 0 { IpAddr::V6(r.ipv6()?) } else { IpAddr::V4(r.ipv4()?) };
    let asn = if peer_type & 2 != 0 { Asn(r.u32()?) } else { Asn(r.u16()?.into()) };
    Some(PeerEntry { bgp_id, ip, asn })
}

/// The routes of one prefix (RFC 6396 §4.3.2, §4.3.3).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Rib<'a> {
    /// Sequence Number.
    pub sequence_number: u32,
    /// Address family, of the subtype or of RIB_GENERIC.
    pub family: Family,
    /// Prefix.
    pub prefix: Prefix,
    /// RIB Entries, checked to be whole.
    pub entries: RibEntries<'a>,
}

impl<'a> Rib<'a> {
    /// `None` for a family of RIB_GENERIC whose NLRI are no prefixes.
    pub(super) fn parse(r: &mut Reader<'a>, subtype: u16) -> Result<Option<Rib<'a>>, MrtFaultKind> {
        const CUT: MrtFaultKind = MrtFaultKind::FieldCut;
        let sequence_number = r.u32().ok_or(CUT)?;
        let family = match subtype {
            2 => Family::IPV4_UNICAST,
            3 => Family::IPV4_MULTICAST,
            4 => Family::IPV6_UNICAST,
            5 => Family::IPV6_MULTICAST,
            _ => Family::from_codes(r.u16().ok_or(CUT)?, r.u8().ok_or(CUT)?),
        };
        if !matches!(family.afi, Afi::Ipv4 | Afi::Ipv6)
            || !matches!(family.safi, Safi::Unicast | Safi::Multicast)
        {
            return Ok(None);
        }
        let prefix = prefix(r, family)?;
        let count = r.u16().ok_or(CUT)?;
        let entries = RibEntries { left: count, reader: Reader::new(r.rest()) };
        let mut walk = entries.clone();
        if walk.by_ref().count() != usize::from(count) {
            return Err(CUT);
        }
        r.take(walk.reader.offset());
        Ok(Some(Rib { sequence_number, family, prefix, entries }))
    }
}

/// Prefix Length and Prefix, as in an NLRI field.
fn prefix(r: &mut Reader<'_>, family: Family) -> Result<Prefix, MrtFaultKind> {
    let length = *r.rest().first().ok_or(MrtFaultKind::FieldCut)?;
    if length > if family.afi == Afi::Ipv4 { 32 } else { 128 } {
        return Err(MrtFaultKind::PrefixLength);
    }
    let field = r.take(1 + usize::from(length.div_ceil(8))).ok_or(MrtFaultKind::FieldCut)?;
    let prefix = match family.afi {
        Afi::Ipv4 => ipv4_prefixes(field).next().and_then(Result::ok).map(Prefix::V4),
        _ => ipv6_prefixes(field).next().and_then(Result::ok).map(Prefix::V6),
    };
    prefix.ok_or(MrtFaultKind::FieldCut)
}

/// Iterates over RIB Entries.
#[derive(Debug, Clone)]
pub struct RibEntries<'a> {
    left: u16,
    reader: Reader<'a>,
}

impl PartialEq for RibEntries<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.left == other.left && self.reader.rest() == other.reader.rest()
    }
}

impl Eq for RibEntries<'_> {}

impl std::hash::Hash for RibEntries<'_> {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        (self.left, self.reader.rest()).hash(state);
    }
}

impl<'a> Iterator for RibEntries<'a> {
    type Item = RibEntry<'a>;

    fn next(&mut self) -> Option<RibEntry<'a>> {
        self.left = self.left.checked_sub(1)?;
        let r = &mut self.reader;
        let (peer_index, originated_time, length) = (r.u16()?, r.u32()?, r.u16()?);
        Some(RibEntry { peer_index, originated_time, attributes: r.take(length.into())? })
    }
}

/// One route of a prefix (RFC 6396 §4.3.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RibEntry<'a> {
    /// Peer Index, into [`PeerIndexTable::peers`].
    pub peer_index: u16,
    /// Originated Time: seconds since 1970.
    pub originated_time: u32,
    /// BGP Attributes with four-octet AS numbers and an MP_REACH_NLRI that is only a next hop; see
    /// [`RibEntry::parse`].
    pub attributes: &'a [u8],
}

/// The attributes of a [`RibEntry`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RibAttributes {
    /// All but MP_REACH_NLRI.
    pub attributes: Attributes,
    /// The next hop of the abbreviated MP_REACH_NLRI.
    pub mp_next_hop: Option<MpNextHop>,
    /// The faults found.
    pub faults: Vec<Fault>,
}

impl RibEntry<'_> {
    /// Reads the attributes. The next hop is in `attributes.next_hop` or in `mp_next_hop`; the mandatory ones are not
    /// asked for.
    pub fn parse(&self) -> RibAttributes {
        let ctx = ParseContext { four_octet_as: true, ebgp: false, extended_next_hop: true };
        let mut others = Vec::with_capacity(self.attributes.len());
        let mut mp_next_hop = None;
        let mut list = raw_attributes(self.attributes);
        loop {
            let rest = list.rest();
            match list.next() {
                Some(Ok(raw)) if raw.code == attribute::MP_REACH_NLRI => {
                    mp_next_hop = mp_next_hop.or_else(|| next_hop(raw.value));
                }
                Some(Ok(raw)) => others.extend_from_slice(raw.whole),
                // What cannot be read goes along, so that its fault is found.
                Some(Err(_)) => others.extend_from_slice(rest),
                None => break,
            }
        }
        let ParsedAttributes { attributes, mut faults, .. } = parse_attributes(&others, true, &ctx);
        faults.retain(|f| f.what != FaultKind::Missing);
        RibAttributes { attributes, mp_next_hop, faults }
    }
}

/// RFC 6396 §4.3.4: Next Hop Address Length and Next Hop Address; some writers put the whole attribute there.
fn next_hop(value: &[u8]) -> Option<MpNextHop> {
    let v6 = |a: &[u8; 16]| Ipv6Addr::from(*a);
    let address = match value {
        [len, address @ ..] if usize::from(*len) == address.len() => address,
        [_, _, _, len, rest @ ..] => rest.get(..usize::from(*len))?,
        _ => return None,
    };
    Some(match (address.len(), address.as_chunks::<16>().0) {
        (4, _) => MpNextHop::V4(Ipv4Addr::from(<[u8; 4]>::try_from(address).ok()?)),
        (16, [global]) => MpNextHop::V6 { global: v6(global), link_local: None },
        (32, [global, link_local]) => MpNextHop::V6 { global: v6(global), link_local: Some(v6(link_local)) },
        _ => MpNextHop::Other,
    })
}
