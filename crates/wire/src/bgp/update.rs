//! UPDATE messages as three ranges (RFC 4271 §4.3).

use super::{AttributeFault, ErrorCode, Family, Notification, RawAttributes, attribute, raw_attributes};
use crate::bytes::Reader;

/// An UPDATE message body, its three fields found and nothing more looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Update<'a> {
    /// Withdrawn Routes: IPv4 prefixes.
    pub withdrawn_routes: &'a [u8],
    /// Path Attributes.
    pub path_attributes: &'a [u8],
    /// Network Layer Reachability Information: IPv4 prefixes.
    pub nlri: &'a [u8],
}

impl<'a> Update<'a> {
    /// Finds the fields. `Err` is Malformed Attribute List, which still resets the session (RFC 7606 §3 b).
    #[inline]
    pub fn new_checked(body: &'a [u8]) -> Result<Update<'a>, Notification> {
        Update::split(body).ok_or_else(|| ErrorCode::MALFORMED_ATTRIBUTE_LIST.into())
    }

    #[inline]
    fn split(body: &'a [u8]) -> Option<Update<'a>> {
        let mut r = Reader::new(body);
        let withdrawn_routes_length = r.u16()?;
        let withdrawn_routes = r.take(withdrawn_routes_length.into())?;
        let total_path_attribute_length = r.u16()?;
        let path_attributes = r.take(total_path_attribute_length.into())?;
        Some(Update { withdrawn_routes, path_attributes, nlri: r.rest() })
    }

    /// The path attributes one by one, unparsed.
    pub fn raw_attributes(&self) -> RawAttributes<'a> {
        raw_attributes(self.path_attributes)
    }

    /// Whether this is an End-of-RIB marker, and of which family (RFC 4724 §2): an empty UPDATE for IPv4 unicast,
    /// otherwise an UPDATE with nothing but an MP_UNREACH_NLRI that names no route.
    pub fn end_of_rib(&self) -> Option<Family> {
        if !self.withdrawn_routes.is_empty() || !self.nlri.is_empty() {
            return None;
        }
        if self.path_attributes.is_empty() {
            return Some(Family::IPV4_UNICAST);
        }
        let mut attributes = self.raw_attributes();
        let only: Result<_, AttributeFault> = attributes.next()?;
        let only = only.ok().filter(|_| attributes.next().is_none())?;
        match (only.code, only.value) {
            (attribute::MP_UNREACH_NLRI, [a0, a1, safi]) => {
                Some(Family::from_codes(u16::from_be_bytes([*a0, *a1]), *safi))
            }
            _ => None,
        }
    }
}
