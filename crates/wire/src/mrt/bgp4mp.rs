//! BGP4MP: messages and state changes of a session (RFC 6396 §4.4).

use super::MrtFaultKind;
use crate::bytes::Reader;
use std::net::IpAddr;
use trunkline_core::Asn;

/// The session of a BGP4MP record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Bgp4mpSession {
    /// Peer AS Number.
    pub peer_as: Asn,
    /// Local AS Number.
    pub local_as: Asn,
    /// Interface Index; 0 where it is unknown.
    pub interface_index: u16,
    /// Peer IP Address.
    pub peer_ip: IpAddr,
    /// Local IP Address.
    pub local_ip: IpAddr,
}

impl Bgp4mpSession {
    fn parse(r: &mut Reader<'_>, as4: bool) -> Result<Bgp4mpSession, MrtFaultKind> {
        let cut = MrtFaultKind::FieldCut;
        let mut asn = || match as4 {
            true => r.u32().map(Asn),
            false => r.u16().map(|n| Asn(n.into())),
        };
        let (peer_as, local_as) = (asn().ok_or(cut)?, asn().ok_or(cut)?);
        let interface_index = r.u16().ok_or(cut)?;
        let address_family = r.u16().ok_or(cut)?;
        let mut address = || match address_family {
            1 => r.ipv4().map(IpAddr::V4).ok_or(cut),
            2 => r.ipv6().map(IpAddr::V6).ok_or(cut),
            _ => Err(MrtFaultKind::AddressFamily),
        };
        let (peer_ip, local_ip) = (address()?, address()?);
        Ok(Bgp4mpSession { peer_as, local_as, interface_index, peer_ip, local_ip })
    }
}

/// One BGP message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Bgp4mpMessage<'a> {
    /// The session.
    pub session: Bgp4mpSession,
    /// AS numbers in it have four octets (the AS4 subtypes).
    pub four_octet_as: bool,
    /// It was sent by the collector (the LOCAL subtypes), not by the peer.
    pub local: bool,
    /// The message, header included; see [`crate::bgp::frame`].
    pub message: &'a [u8],
}

impl<'a> Bgp4mpMessage<'a> {
    pub(super) fn parse(r: &mut Reader<'a>, subtype: u16) -> Result<Bgp4mpMessage<'a>, MrtFaultKind> {
        let four_octet_as = matches!(subtype, 4 | 7);
        let session = Bgp4mpSession::parse(r, four_octet_as)?;
        let message = r.take(r.rest().len()).unwrap_or_default();
        Ok(Bgp4mpMessage { session, four_octet_as, local: matches!(subtype, 6 | 7), message })
    }
}

/// A change of state of the session: 1 Idle, 2 Connect, 3 Active, 4 OpenSent, 5 OpenConfirm, 6 Established.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct StateChange {
    /// The session.
    pub session: Bgp4mpSession,
    /// Old State.
    pub old_state: u16,
    /// New State.
    pub new_state: u16,
}

impl StateChange {
    pub(super) fn parse(r: &mut Reader<'_>, as4: bool) -> Result<StateChange, MrtFaultKind> {
        let session = Bgp4mpSession::parse(r, as4)?;
        let (Some(old_state), Some(new_state)) = (r.u16(), r.u16()) else {
            return Err(MrtFaultKind::FieldCut);
        };
        Ok(StateChange { session, old_state, new_state })
    }
}
