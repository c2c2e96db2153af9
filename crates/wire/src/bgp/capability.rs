//! Capabilities (RFC 5492) and their values.

use super::{Afi, Family};
use crate::bytes::Reader;
use std::fmt;
use std::str::FromStr;
use trunkline_core::Asn;

/// The roles of RFC 9234 §3.1: what the sender of the capability is to the other side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// 0: the sender is a provider of the receiver.
    Provider = 0,
    /// 1: the sender is a route server.
    RouteServer = 1,
    /// 2: the sender is a client of a route server.
    RouteServerClient = 2,
    /// 3: the sender is a customer of the receiver.
    Customer = 3,
    /// 4: the two are peers.
    Peer = 4,
}

impl Role {
    const NAMED: [(Role, &'static str); 5] = [
        (Role::Provider, "provider"),
        (Role::RouteServer, "route-server"),
        (Role::RouteServerClient, "route-server-client"),
        (Role::Customer, "customer"),
        (Role::Peer, "peer"),
    ];

    /// The octet on the wire.
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// The role of an octet.
    pub fn from_code(code: u8) -> Option<Role> {
        Role::NAMED.iter().map(|(role, _)| *role).find(|role| role.code() == code)
    }

    /// The one role that the other side may have (RFC 9234 §4.2, table 2).
    pub const fn counterpart(self) -> Role {
        match self {
            Role::Provider => Role::Customer,
            Role::Customer => Role::Provider,
            Role::RouteServer => Role::RouteServerClient,
            Role::RouteServerClient => Role::RouteServer,
            Role::Peer => Role::Peer,
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Role::NAMED.iter().find(|(role, _)| role == self).map_or("", |(_, name)| name))
    }
}

impl FromStr for Role {
    type Err = ();

    fn from_str(s: &str) -> Result<Role, ()> {
        Role::NAMED.iter().find(|(_, name)| *name == s).map(|(role, _)| *role).ok_or(())
    }
}

/// One family of the Long-Lived Graceful Restart capability (RFC 9494 §3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct LongLivedStaleTime {
    /// The family.
    pub family: Family,
    /// The F bit: forwarding state was preserved.
    pub forwarding_state: bool,
    /// Long-Lived Stale Time in seconds, 24 bits.
    pub stale_time: u32,
}

/// One capability.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Capability {
    /// 1: Multiprotocol Extensions (RFC 4760 §8).
    Multiprotocol(Family),
    /// 2: Route Refresh (RFC 2918 §2).
    RouteRefresh,
    /// 5: Extended Next Hop Encoding (RFC 8950 §4): families and the AFI their next hops may be of.
    ExtendedNextHop(Vec<(Family, Afi)>),
    /// 6: BGP Extended Message (RFC 8654 §3).
    ExtendedMessage,
    /// 9: BGP Role (RFC 9234 §4.1).
    Role(Role),
    /// 64: Graceful Restart (RFC 4724 §3; RFC 8538 §2).
    GracefulRestart {
        /// The R bit: the sender has restarted.
        restart_state: bool,
        /// The N bit: NOTIFICATION messages are covered too (RFC 8538 §2).
        notification: bool,
        /// Restart Time in seconds, 12 bits.
        restart_time: u16,
        /// The families, and whether forwarding state was preserved for each (the F bit).
        families: Vec<(Family, bool)>,
    },
    /// 65: Support for four-octet AS numbers (RFC 6793 §3), with the sender's.
    FourOctetAs(Asn),
    /// 69: ADD-PATH (RFC 7911 §4): families, and 1 for receive, 2 for send, 3 for both.
    AddPath(Vec<(Family, u8)>),
    /// 70: Enhanced Route Refresh (RFC 7313 §3.1).
    EnhancedRouteRefresh,
    /// 71: Long-Lived Graceful Restart (RFC 9494 §3.1).
    LongLivedGracefulRestart(Vec<LongLivedStaleTime>),
    /// 73: FQDN (draft-walton-bgp-hostname-capability).
    Fqdn {
        /// Hostname; at most 255 octets, and both together at most 253.
        host_name: String,
        /// Domain name.
        domain_name: String,
    },
    /// 75: Software Version (draft-ietf-idr-bgp-version-capability), at most 254 octets.
    SoftwareVersion(String),
    /// Any other code, or a known one whose value cannot be read: see [`Capability::is_malformed`].
    Unknown {
        /// Capability Code.
        code: u8,
        /// Capability Value.
        value: Vec<u8>,
    },
}

/// Capability Codes.
mod code {
    pub(super) const MULTIPROTOCOL: u8 = 1;
    pub(super) const ROUTE_REFRESH: u8 = 2;
    pub(super) const EXTENDED_NEXT_HOP: u8 = 5;
    pub(super) const EXTENDED_MESSAGE: u8 = 6;
    pub(super) const ROLE: u8 = 9;
    pub(super) const GRACEFUL_RESTART: u8 = 64;
    pub(super) const FOUR_OCTET_AS: u8 = 65;
    pub(super) const ADD_PATH: u8 = 69;
    pub(super) const ENHANCED_ROUTE_REFRESH: u8 = 70;
    pub(super) const LONG_LIVED_GRACEFUL_RESTART: u8 = 71;
    pub(super) const FQDN: u8 = 73;
    pub(super) const SOFTWARE_VERSION: u8 = 75;

    pub(super) const KNOWN: [u8; 12] = [
        MULTIPROTOCOL,
        ROUTE_REFRESH,
        EXTENDED_NEXT_HOP,
        EXTENDED_MESSAGE,
        ROLE,
        GRACEFUL_RESTART,
        FOUR_OCTET_AS,
        ADD_PATH,
        ENHANCED_ROUTE_REFRESH,
        LONG_LIVED_GRACEFUL_RESTART,
        FQDN,
        SOFTWARE_VERSION,
    ];
}

/// The R bit of the Restart Flags and Restart Time field (RFC 4724 §3).
const RESTART_STATE: u16 = 0x8000;
/// The N bit (RFC 8538 §2).
const NOTIFICATION: u16 = 0x4000;
/// The Restart Time in that field.
const RESTART_TIME: u16 = 0x0fff;
/// The F bit of the flags for a family (RFC 4724 §3; RFC 9494 §3.1).
const FORWARDING_STATE: u8 = 0x80;

impl Capability {
    /// Capability Code.
    pub const fn code(&self) -> u8 {
        match self {
            Capability::Multiprotocol(_) => code::MULTIPROTOCOL,
            Capability::RouteRefresh => code::ROUTE_REFRESH,
            Capability::ExtendedNextHop(_) => code::EXTENDED_NEXT_HOP,
            Capability::ExtendedMessage => code::EXTENDED_MESSAGE,
            Capability::Role(_) => code::ROLE,
            Capability::GracefulRestart { .. } => code::GRACEFUL_RESTART,
            Capability::FourOctetAs(_) => code::FOUR_OCTET_AS,
            Capability::AddPath(_) => code::ADD_PATH,
            Capability::EnhancedRouteRefresh => code::ENHANCED_ROUTE_REFRESH,
            Capability::LongLivedGracefulRestart(_) => code::LONG_LIVED_GRACEFUL_RESTART,
            Capability::Fqdn { .. } => code::FQDN,
            Capability::SoftwareVersion(_) => code::SOFTWARE_VERSION,
            Capability::Unknown { code, .. } => *code,
        }
    }

    /// Whether the code is a known one but the value could not be read; the capability counts as not sent.
    pub fn is_malformed(&self) -> bool {
        matches!(self, Capability::Unknown { code, .. } if code::KNOWN.contains(code))
    }

    /// Reads a value. What cannot be read is kept as `Unknown`.
    pub fn parse(code: u8, value: &[u8]) -> Capability {
        Capability::parse_known(code, value)
            .unwrap_or_else(|| Capability::Unknown { code, value: value.to_vec() })
    }

    fn parse_known(code: u8, value: &[u8]) -> Option<Capability> {
        let mut r = Reader::new(value);
        let capability = match code {
            code::MULTIPROTOCOL => {
                let [a0, a1, _reserved, safi] = r.array()?;
                Capability::Multiprotocol(Family::from_codes(u16::from_be_bytes([a0, a1]), safi))
            }
            code::ROUTE_REFRESH => Capability::RouteRefresh,
            code::EXTENDED_NEXT_HOP => Capability::ExtendedNextHop(list(&mut r, extended_next_hop)?),
            code::EXTENDED_MESSAGE => Capability::ExtendedMessage,
            code::ROLE => Capability::Role(Role::from_code(r.u8()?)?),
            code::GRACEFUL_RESTART => {
                let flags_and_time = r.u16()?;
                Capability::GracefulRestart {
                    restart_state: flags_and_time & RESTART_STATE != 0,
                    notification: flags_and_time & NOTIFICATION != 0,
                    restart_time: flags_and_time & RESTART_TIME,
                    families: list(&mut r, |r| Some((family(r)?, r.u8()? & FORWARDING_STATE != 0)))?,
                }
            }
            code::FOUR_OCTET_AS => Capability::FourOctetAs(Asn(r.u32()?)),
            code::ADD_PATH => Capability::AddPath(list(&mut r, |r| Some((family(r)?, r.u8()?)))?),
            code::ENHANCED_ROUTE_REFRESH => Capability::EnhancedRouteRefresh,
            code::LONG_LIVED_GRACEFUL_RESTART => {
                Capability::LongLivedGracefulRestart(list(&mut r, long_lived_stale_time)?)
            }
            code::FQDN => Capability::Fqdn { host_name: text(&mut r)?, domain_name: text(&mut r)? },
            code::SOFTWARE_VERSION => Capability::SoftwareVersion(text(&mut r)?),
            _ => return None,
        };
        r.is_empty().then_some(capability)
    }

    /// Appends code, length and value; nothing where the value needs more than 255 octets, since no length can say so.
    pub fn emit(&self, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(&[self.code(), 0]);
        self.emit_value(out);
        match (u8::try_from(out.len() - start - 2), out.get_mut(start + 1)) {
            (Ok(len), Some(field)) => *field = len,
            _ => out.truncate(start),
        }
    }

    fn emit_value(&self, out: &mut Vec<u8>) {
        match self {
            Capability::RouteRefresh | Capability::ExtendedMessage | Capability::EnhancedRouteRefresh => {}
            Capability::Multiprotocol(Family { afi, safi }) => {
                let [a0, a1] = afi.code().to_be_bytes();
                out.extend_from_slice(&[a0, a1, 0, safi.code()]);
            }
            Capability::ExtendedNextHop(entries) => {
                for (Family { afi, safi }, next_hop_afi) in entries {
                    out.extend_from_slice(&afi.code().to_be_bytes());
                    out.extend_from_slice(&u16::from(safi.code()).to_be_bytes());
                    out.extend_from_slice(&next_hop_afi.code().to_be_bytes());
                }
            }
            Capability::Role(role) => out.push(role.code()),
            Capability::GracefulRestart { restart_state, notification, restart_time, families } => {
                let mut flags_and_time = restart_time & RESTART_TIME;
                flags_and_time |= if *restart_state { RESTART_STATE } else { 0 };
                flags_and_time |= if *notification { NOTIFICATION } else { 0 };
                out.extend_from_slice(&flags_and_time.to_be_bytes());
                for (family, forwarding) in families {
                    emit_family(*family, out);
                    out.push(if *forwarding { FORWARDING_STATE } else { 0 });
                }
            }
            Capability::FourOctetAs(asn) => out.extend_from_slice(&asn.0.to_be_bytes()),
            Capability::AddPath(entries) => {
                for (family, send_receive) in entries {
                    emit_family(*family, out);
                    out.push(*send_receive);
                }
            }
            Capability::LongLivedGracefulRestart(entries) => {
                for entry in entries {
                    emit_family(entry.family, out);
                    let [_, t0, t1, t2] = entry.stale_time.to_be_bytes();
                    out.extend_from_slice(&[
                        if entry.forwarding_state { FORWARDING_STATE } else { 0 },
                        t0,
                        t1,
                        t2,
                    ]);
                }
            }
            Capability::Fqdn { host_name, domain_name } => {
                emit_text(host_name, out);
                emit_text(domain_name, out);
            }
            Capability::SoftwareVersion(version) => emit_text(version, out),
            Capability::Unknown { value, .. } => out.extend_from_slice(value),
        }
    }
}

fn list<'a, T>(r: &mut Reader<'a>, entry: impl Fn(&mut Reader<'a>) -> Option<T>) -> Option<Vec<T>> {
    let mut entries = Vec::new();
    while !r.is_empty() {
        entries.push(entry(r)?);
    }
    Some(entries)
}

fn family(r: &mut Reader<'_>) -> Option<Family> {
    Some(Family::from_codes(r.u16()?, r.u8()?))
}

fn emit_family(family: Family, out: &mut Vec<u8>) {
    out.extend_from_slice(&family.afi.code().to_be_bytes());
    out.push(family.safi.code());
}

fn extended_next_hop(r: &mut Reader<'_>) -> Option<(Family, Afi)> {
    let (afi, safi, next_hop_afi) = (r.u16()?, r.u16()?, r.u16()?);
    // The SAFI has two octets here (RFC 8950 §4), the first of them 0.
    Some((Family::from_codes(afi, u8::try_from(safi).ok()?), Afi::from(next_hop_afi)))
}

fn long_lived_stale_time(r: &mut Reader<'_>) -> Option<LongLivedStaleTime> {
    let family = family(r)?;
    let [flags, t0, t1, t2] = r.array()?;
    Some(LongLivedStaleTime {
        family,
        forwarding_state: flags & FORWARDING_STATE != 0,
        stale_time: u32::from_be_bytes([0, t0, t1, t2]),
    })
}

/// A length octet and that many octets of UTF-8.
fn text(r: &mut Reader<'_>) -> Option<String> {
    let len = r.u8()?;
    let bytes = r.take(len.into())?;
    std::str::from_utf8(bytes).ok().map(str::to_owned)
}

fn emit_text(text: &str, out: &mut Vec<u8>) {
    // Longer than 255 octets, the whole capability is too long and `emit` takes it back.
    out.push(u8::try_from(text.len()).unwrap_or(u8::MAX));
    out.extend_from_slice(text.as_bytes());
}

impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Capability::Multiprotocol(family) => write!(f, "multiprotocol {family}"),
            Capability::RouteRefresh => f.write_str("route refresh"),
            Capability::ExtendedNextHop(entries) => {
                f.write_str("extended next hop")?;
                entries.iter().try_for_each(|(family, afi)| write!(f, " {family}-over-{afi}"))
            }
            Capability::ExtendedMessage => f.write_str("extended message"),
            Capability::Role(role) => write!(f, "role {role}"),
            Capability::GracefulRestart { restart_state, notification, restart_time, families } => {
                write!(f, "graceful restart {restart_time} s")?;
                f.write_str(if *restart_state { ", has restarted" } else { "" })?;
                f.write_str(if *notification { ", covers notifications" } else { "" })?;
                families.iter().try_for_each(|(family, forwarding)| {
                    write!(f, ", {family}{}", if *forwarding { " (forwarding state kept)" } else { "" })
                })
            }
            Capability::FourOctetAs(asn) => write!(f, "four-octet AS number {asn}"),
            Capability::AddPath(entries) => {
                f.write_str("add-path")?;
                entries.iter().try_for_each(|(family, mode)| match mode {
                    1 => write!(f, " {family} receive"),
                    2 => write!(f, " {family} send"),
                    3 => write!(f, " {family} send and receive"),
                    other => write!(f, " {family} mode {other}"),
                })
            }
            Capability::EnhancedRouteRefresh => f.write_str("enhanced route refresh"),
            Capability::LongLivedGracefulRestart(entries) => {
                f.write_str("long-lived graceful restart")?;
                entries.iter().try_for_each(|e| {
                    let kept = if e.forwarding_state { " (forwarding state kept)" } else { "" };
                    write!(f, ", {} {} s{kept}", e.family, e.stale_time)
                })
            }
            Capability::Fqdn { host_name, domain_name } => write!(f, "name {host_name:?} {domain_name:?}"),
            Capability::SoftwareVersion(version) => write!(f, "software version {version:?}"),
            Capability::Unknown { code, value } => {
                let kind = if self.is_malformed() { "malformed" } else { "unknown" };
                write!(f, "{kind} capability {code} of {} octets", value.len())
            }
        }
    }
}
