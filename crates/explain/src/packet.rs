//! A frame taken apart, from its link down to its transport: what all that follows reads.

use crate::capture::{Content, Framing, Link, peel};
use std::net::IpAddr;
use trunkline_core::MacAddr;
use trunkline_wire::arp::Arp;
use trunkline_wire::ethernet::EtherType;
use trunkline_wire::ipv4::{self, Protocol};
use trunkline_wire::malformed::Reason;
use trunkline_wire::stp;
use trunkline_wire::tcp::Segment;
use trunkline_wire::{Malformed, checksum, icmp, icmpv6, ipv6, udp};

/// What cannot be read in a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault {
    /// Where in the frame that begins of which the field is a part.
    pub offset: usize,
    /// The field, and what is wrong with it.
    pub malformed: Malformed,
}

/// A frame taken apart.
#[derive(Debug, Clone, PartialEq)]
pub struct Packet<'a> {
    /// Without its link's header; none where not even that can be read.
    pub framing: Option<Framing<'a>>,
    /// What it carries.
    pub network: Network<'a>,
    /// Where it can be read no further.
    pub fault: Option<Fault>,
    /// Whether the capture has left out its end.
    pub cut: bool,
}

/// What a frame carries.
#[derive(Debug, Clone, PartialEq)]
#[allow(clippy::large_enum_variant, reason = "most frames are IP packets, and none is kept")]
pub enum Network<'a> {
    /// ARP.
    Arp(Arp),
    /// IPv4 or IPv6.
    Ip(Ip<'a>),
    /// Spanning tree.
    SpanningTree(stp::Message),
    /// Anything else, or nothing that can be read.
    Other,
}

/// An IP packet.
#[derive(Debug, Clone, PartialEq)]
pub struct Ip<'a> {
    /// From whom.
    pub source: IpAddr,
    /// To whom.
    pub destination: IpAddr,
    /// Time to Live, or Hop Limit.
    pub ttl: u8,
    /// What the payload is.
    pub protocol: Protocol,
    /// The header.
    pub header: Header,
    /// The payload as far as it was captured.
    pub payload: &'a [u8],
    /// Where in the frame the payload begins.
    pub payload_offset: usize,
    /// Whether it is a part of a packet that was cut into fragments.
    pub fragment: bool,
    /// The payload, read.
    pub transport: Transport<'a>,
}

/// The header of an IP packet.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Header {
    /// IPv4.
    V4(ipv4::Header),
    /// IPv6.
    V6(ipv6::Header),
}

/// What an IP packet carries.
#[derive(Debug, Clone, PartialEq)]
pub enum Transport<'a> {
    /// A segment, and how many octets of its payload the capture has left out.
    Tcp(Segment<'a>, u32),
    /// A datagram.
    Udp(udp::Datagram<'a>),
    /// ICMP.
    Icmp(icmp::Message<'a>),
    /// ICMPv6.
    Icmpv6(icmpv6::Message<'a>),
    /// Anything else, a fragment, or nothing that can be read.
    Other,
}

impl<'a> Packet<'a> {
    /// Takes a frame apart that had `original_length` octets.
    #[inline]
    pub fn read(link: Link, octets: &'a [u8], original_length: u32) -> Packet<'a> {
        let cut = (original_length as usize) > octets.len();
        let mut packet = Packet { framing: None, network: Network::Other, fault: None, cut };
        match peel(link, octets) {
            Ok(framing) => {
                packet.framing = Some(framing);
                packet.network(framing, octets);
            }
            Err(malformed) => packet.fault(0, malformed),
        }
        packet
    }

    /// The MAC addresses from and to which it goes, where the link has such.
    pub fn stations(&self) -> Option<(MacAddr, MacAddr)> {
        let framing = self.framing.as_ref()?;
        framing.source.zip(framing.destination)
    }

    /// The IP packet in it.
    pub fn ip(&self) -> Option<&Ip<'a>> {
        match &self.network {
            Network::Ip(ip) => Some(ip),
            _ => None,
        }
    }

    fn fault(&mut self, offset: usize, malformed: Malformed) {
        // What the capture has cut off is nobody's fault.
        if !(self.cut && malformed.reason == Reason::Truncated) {
            self.fault = Some(Fault { offset, malformed });
        }
    }

    #[inline]
    fn network(&mut self, framing: Framing<'a>, octets: &'a [u8]) {
        match framing.content {
            Content::Type(EtherType::IPV4) => self.ipv4(framing),
            Content::Type(EtherType::IPV6) => self.ipv6(framing),
            Content::Type(EtherType::ARP) => match Arp::parse(framing.payload) {
                Ok(arp) => self.network = Network::Arp(arp),
                Err(malformed) => self.fault(framing.offset, malformed),
            },
            Content::Llc if framing.tags == 0 && framing.destination.is_some() => {
                match stp::Message::parse(octets) {
                    Ok(Some(message)) => self.network = Network::SpanningTree(message),
                    Ok(None) => {}
                    Err(malformed) => self.fault(framing.offset, malformed),
                }
            }
            _ => {}
        }
    }

    #[inline]
    fn ipv4(&mut self, framing: Framing<'a>) {
        let octets = framing.payload;
        let parsed = match ipv4::Header::parse(octets) {
            // Segmentation offload: the network card would have written the length.
            Err(Malformed { reason: Reason::Length, .. }) if octets.get(2..4) == Some(&[0, 0]) => {
                ipv4::Header::parse_quoted(octets)
                    .map(|(header, _)| (header, octets.get(header.header_len()..).unwrap_or_default()))
            }
            Err(Malformed { reason: Reason::Truncated, .. }) if self.cut => {
                ipv4::Header::parse_quoted(octets)
            }
            parsed => parsed,
        };
        let (header, payload) = match parsed {
            Ok(parsed) => parsed,
            Err(malformed) => return self.fault(framing.offset, malformed),
        };
        let total = octets.get(2..4).and_then(<[u8]>::first_chunk).map_or(0, |l| u16::from_be_bytes(*l));
        let left_out = usize::from(total).saturating_sub(header.header_len() + payload.len());
        let ip = Ip {
            source: header.source.into(),
            destination: header.destination.into(),
            ttl: header.ttl,
            protocol: header.protocol,
            header: Header::V4(header),
            payload,
            payload_offset: framing.offset + header.header_len(),
            fragment: header.is_fragment(),
            transport: Transport::Other,
        };
        self.transport(ip, left_out as u32);
    }

    fn ipv6(&mut self, framing: Framing<'a>) {
        let parsed = match ipv6::Header::parse(framing.payload) {
            Err(Malformed { reason: Reason::Truncated, .. }) if self.cut => {
                ipv6::Header::parse_quoted(framing.payload)
            }
            parsed => parsed,
        };
        let (header, payload) = match parsed {
            Ok(parsed) => parsed,
            Err(malformed) => return self.fault(framing.offset, malformed),
        };
        let end = ipv6::LEN + usize::from(header.payload_length);
        let left_out = end.saturating_sub(header.header_len + payload.len());
        let ip = Ip {
            source: header.source.into(),
            destination: header.destination.into(),
            ttl: header.hop_limit,
            protocol: header.protocol,
            header: Header::V6(header),
            payload,
            payload_offset: framing.offset + header.header_len,
            fragment: header.fragment,
            transport: Transport::Other,
        };
        self.transport(ip, left_out as u32);
    }

    #[inline]
    fn transport(&mut self, mut ip: Ip<'a>, left_out: u32) {
        let whole = left_out == 0;
        let read = match ip.protocol {
            _ if ip.fragment => Ok(Transport::Other),
            Protocol::TCP => ip.tcp(whole).map(|segment| Transport::Tcp(segment, left_out)),
            Protocol::UDP => ip.udp(whole).map(Transport::Udp),
            Protocol::ICMP if whole => icmp::Message::parse(ip.payload).map(Transport::Icmp),
            Protocol::ICMP => icmp::Message::parse_without_checksum(ip.payload).map(Transport::Icmp),
            ipv6::ICMPV6 => ip.icmpv6(whole).map(Transport::Icmpv6),
            _ => Ok(Transport::Other),
        };
        match read {
            Ok(transport) => ip.transport = transport,
            Err(malformed) => self.fault(ip.payload_offset, malformed),
        }
        self.network = Network::Ip(ip);
    }
}

impl<'a> Ip<'a> {
    /// Whether the datagram in it is there to its end.
    pub fn is_whole_datagram(&self, udp: &udp::Datagram<'_>) -> bool {
        let length = self.payload.get(4..).and_then(<[u8]>::first_chunk);
        length.is_some_and(|length| usize::from(u16::from_be_bytes(*length)) == udp::LEN + udp.payload.len())
    }

    #[inline]
    fn tcp(&self, whole: bool) -> Result<Segment<'a>, Malformed> {
        let segment = Segment::parse_without_checksum(self.payload)?;
        if whole && !self.is_summed(16) {
            return Err(Malformed { field: "TCP checksum", reason: Reason::Checksum });
        }
        Ok(segment)
    }

    fn udp(&self, whole: bool) -> Result<udp::Datagram<'a>, Malformed> {
        let truncated = Malformed { field: "UDP header", reason: Reason::Truncated };
        let Some((&[s0, s1, d0, d1, l0, l1, c0, c1], rest)) = self.payload.split_first_chunk::<8>() else {
            return Err(truncated);
        };
        let length = usize::from(u16::from_be_bytes([l0, l1]));
        if length < udp::LEN {
            return Err(Malformed { field: "UDP length", reason: Reason::Length });
        }
        let payload = match rest.get(..length - udp::LEN) {
            Some(payload) => payload,
            None if !whole => rest,
            None => return Err(Malformed { field: "UDP length", ..truncated }),
        };
        // All zeros: the sender made none.
        if whole && [c0, c1] != [0, 0] && !self.is_summed(6) {
            return Err(Malformed { field: "UDP checksum", reason: Reason::Checksum });
        }
        let (source_port, destination_port) = (u16::from_be_bytes([s0, s1]), u16::from_be_bytes([d0, d1]));
        Ok(udp::Datagram { source_port, destination_port, payload })
    }

    fn icmpv6(&self, whole: bool) -> Result<icmpv6::Message<'a>, Malformed> {
        match (self.source, self.destination) {
            (IpAddr::V6(source), IpAddr::V6(destination)) if whole => {
                icmpv6::Message::parse(self.payload, source, destination)
            }
            _ => icmpv6::Message::parse_without_checksum(self.payload),
        }
    }

    /// Whether the checksum, which stands at `at`, is right. One of the pseudo-header alone is right too: the frame was
    /// captured before the network card finished it.
    #[inline]
    fn is_summed(&self, at: usize) -> bool {
        let length = self.payload.len() as u32;
        let sum = checksum::sum(self.pseudo_header(length), self.payload);
        if checksum::finish(sum) == 0 {
            return true;
        }
        let found =
            self.payload.get(at..at + 2).and_then(<[u8]>::first_chunk).map(|c| u16::from_be_bytes(*c));
        [length, 0].iter().any(|length| found == Some(!checksum::finish(self.pseudo_header(*length))))
    }

    #[inline]
    fn pseudo_header(&self, length: u32) -> u32 {
        match (self.source, self.destination) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => {
                checksum::pseudo_header(source, destination, self.protocol.0, length as u16)
            }
            (IpAddr::V6(source), IpAddr::V6(destination)) => {
                ipv6::pseudo_header(source, destination, self.protocol, length)
            }
            // An IP packet has two addresses of one family.
            _ => 0,
        }
    }
}

#[cfg(test)]
mod tests;
