//! OPEN messages (RFC 4271 §4.2, §6.2; RFC 5492; RFC 9072).

use super::header::{begin_message, end_message, patch_u16};
use super::{Capability, ErrorCode, HEADER_LEN, MAX_MESSAGE_LEN, MessageType, Notification, VERSION};
use crate::bytes::Reader;
use std::net::Ipv4Addr;

/// The Optional Parameter Type of capabilities (RFC 5492 §4).
const CAPABILITIES: u8 = 2;
/// Octets of parameters that fit in an OPEN message beside the fixed fields of the extended format.
const MAX_PARAMETERS: usize = MAX_MESSAGE_LEN - HEADER_LEN - 13;
/// In the place of the first type: lengths have two octets (RFC 9072 §2).
const EXTENDED_LENGTH: u8 = 255;

/// One optional parameter.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum OptionalParameter {
    /// Type 2 (RFC 5492 §4).
    Capabilities(Vec<Capability>),
    /// Any other, for which the session answers Unsupported Optional Parameter.
    Unknown {
        /// Parm. Type.
        kind: u8,
        /// Parameter Value.
        value: Vec<u8>,
    },
}

/// An OPEN message.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Open {
    /// Version; 4.
    pub version: u8,
    /// My Autonomous System; AS_TRANS where the number needs four octets (RFC 6793 §4.1).
    pub my_as: u16,
    /// Hold Time in seconds; 0, or at least 3.
    pub hold_time: u16,
    /// BGP Identifier; not 0 (RFC 6286 §2.1).
    pub bgp_identifier: Ipv4Addr,
    /// Optional Parameters.
    pub parameters: Vec<OptionalParameter>,
}

impl Open {
    /// The capabilities of all parameters, in order (RFC 5492 §4: they may be spread over several).
    pub fn capabilities(&self) -> impl Iterator<Item = &Capability> {
        self.parameters.iter().flat_map(|p| match p {
            OptionalParameter::Capabilities(capabilities) => capabilities.as_slice(),
            OptionalParameter::Unknown { .. } => &[],
        })
    }

    /// The first optional parameter that is not understood, where there is one.
    pub fn unsupported_parameter(&self) -> Option<&OptionalParameter> {
        self.parameters.iter().find(|p| matches!(p, OptionalParameter::Unknown { .. }))
    }

    /// Reads a message body. `Err` is the 2/x to send (RFC 4271 §6.2). Whether the AS number is the expected one, and
    /// what to do about [`Open::unsupported_parameter`] (2/4), is for the session.
    pub fn parse(body: &[u8]) -> Result<Open, Notification> {
        let malformed = || Notification::new(ErrorCode::OPEN_MESSAGE_ERROR);
        let mut r = Reader::new(body);
        let version = r.u8().ok_or_else(malformed)?;
        if version != VERSION {
            let largest = u16::from(VERSION).to_be_bytes();
            return Err(Notification::with_data(ErrorCode::UNSUPPORTED_VERSION_NUMBER, largest));
        }
        let (Some(my_as), Some(hold_time), Some(bgp_identifier)) = (r.u16(), r.u16(), r.ipv4()) else {
            return Err(malformed());
        };
        if matches!(hold_time, 1 | 2) {
            return Err(ErrorCode::UNACCEPTABLE_HOLD_TIME.into());
        }
        if bgp_identifier.is_unspecified() {
            return Err(ErrorCode::BAD_BGP_IDENTIFIER.into());
        }
        let parameters = parse_parameters(&mut r).ok_or_else(malformed)?;
        Ok(Open { version, my_as, hold_time, bgp_identifier, parameters })
    }

    /// Appends the message, header included; in the extended format of RFC 9072 where the parameters need more than
    /// 255 octets. Parameters behind the point where the message would be longer than 4096 octets (RFC 8654 §4) are
    /// left out.
    pub fn emit(&self, out: &mut Vec<u8>) {
        let mut parameters = Vec::new();
        let whole = emit_parameters(&self.parameters, false, &mut parameters);
        match whole && parameters.first() != Some(&EXTENDED_LENGTH) {
            true if parameters.len() <= usize::from(u8::MAX) => {
                let start = self.emit_fixed(out);
                out.push(parameters.len() as u8);
                out.extend_from_slice(&parameters);
                end_message(start, out);
            }
            _ => self.emit_extended(out),
        }
    }

    /// Appends the message, header included, in the extended format of RFC 9072.
    pub fn emit_extended(&self, out: &mut Vec<u8>) {
        let start = self.emit_fixed(out);
        out.extend_from_slice(&[EXTENDED_LENGTH, EXTENDED_LENGTH]);
        let length = out.len();
        out.extend_from_slice(&[0, 0]);
        emit_parameters(&self.parameters, true, out);
        let parameters_len = out.len() - length - 2;
        patch_u16(out, length, parameters_len);
        end_message(start, out);
    }

    fn emit_fixed(&self, out: &mut Vec<u8>) -> usize {
        let start = begin_message(MessageType::Open, out);
        out.push(self.version);
        out.extend_from_slice(&self.my_as.to_be_bytes());
        out.extend_from_slice(&self.hold_time.to_be_bytes());
        out.extend_from_slice(&self.bgp_identifier.octets());
        start
    }
}

/// Reads from Optional Parameters Length to the end of the message.
fn parse_parameters(r: &mut Reader<'_>) -> Option<Vec<OptionalParameter>> {
    let length = r.u8()?;
    // RFC 9072 §2: the octet where the first type would be tells the format, unless there are no parameters.
    let extended = length != 0 && r.rest().first() == Some(&EXTENDED_LENGTH);
    let field = match extended {
        true => {
            r.u8()?;
            let length = r.u16()?;
            r.take(length.into())?
        }
        false => r.take(length.into())?,
    };
    if !r.is_empty() {
        return None;
    }
    let mut fields = Reader::new(field);
    let mut parameters = Vec::new();
    while !fields.is_empty() {
        let kind = fields.u8()?;
        let length = if extended { usize::from(fields.u16()?) } else { usize::from(fields.u8()?) };
        let value = fields.take(length)?;
        parameters.push(match kind {
            CAPABILITIES => OptionalParameter::Capabilities(parse_capabilities(value)?),
            _ => OptionalParameter::Unknown { kind, value: value.to_vec() },
        });
    }
    Some(parameters)
}

fn parse_capabilities(value: &[u8]) -> Option<Vec<Capability>> {
    let mut r = Reader::new(value);
    let mut capabilities = Vec::new();
    while !r.is_empty() {
        let (code, length) = (r.u8()?, r.u8()?);
        capabilities.push(Capability::parse(code, r.take(length.into())?));
    }
    Some(capabilities)
}

/// Returns false where a parameter was too long, for its length field or for the message; it and what follows is
/// left out.
fn emit_parameters(parameters: &[OptionalParameter], extended: bool, out: &mut Vec<u8>) -> bool {
    let start = out.len();
    let mut value = Vec::new();
    for parameter in parameters {
        value.clear();
        let kind = match parameter {
            OptionalParameter::Capabilities(capabilities) => {
                capabilities.iter().for_each(|c| c.emit(&mut value));
                CAPABILITIES
            }
            OptionalParameter::Unknown { kind, value: v } => {
                value.extend_from_slice(v);
                *kind
            }
        };
        if out.len() - start + 3 + value.len() > MAX_PARAMETERS {
            return false;
        }
        match (extended, u8::try_from(value.len()), u16::try_from(value.len())) {
            (false, Ok(len), _) => out.extend_from_slice(&[kind, len]),
            (true, _, Ok(len)) => {
                out.push(kind);
                out.extend_from_slice(&len.to_be_bytes());
            }
            _ => return false,
        }
        out.extend_from_slice(&value);
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(parameters: Vec<OptionalParameter>) -> Open {
        Open { version: 4, my_as: 65001, hold_time: 90, bgp_identifier: [192, 0, 2, 1].into(), parameters }
    }

    fn emitted(open: &Open) -> Vec<u8> {
        let mut out = Vec::new();
        open.emit(&mut out);
        out
    }

    #[test]
    fn extended_format_only_where_needed() {
        // RFC 9072 §2: fixed fields are 29 octets with Opt Parm Len, 32 with the extended length.
        let unknown = |kind, len| OptionalParameter::Unknown { kind, value: vec![0; len] };
        for (parameters, len) in [
            (vec![], 29),
            (vec![unknown(9, 253)], 29 + 255),
            (vec![unknown(9, 254)], 32 + 257),
            (vec![unknown(9, 126), unknown(9, 126)], 32 + 258),
            // 255 as the first type would be read as the sign of the extended format.
            (vec![unknown(255, 1)], 32 + 4),
            (vec![unknown(9, 4061)], 4096),
            (vec![unknown(9, 1), unknown(9, 4061), unknown(9, 1)], 32 + 4),
        ] {
            let out = emitted(&open(parameters));
            assert_eq!(out.len(), len);
            assert!(Open::parse(&out[19..]).is_ok());
        }
    }

    #[test]
    fn octets_of_a_usual_open() {
        let capabilities = vec![
            Capability::Multiprotocol(super::super::Family::IPV4_UNICAST),
            Capability::RouteRefresh,
            Capability::FourOctetAs(trunkline_core::Asn(65001)),
        ];
        let out = emitted(&open(vec![OptionalParameter::Capabilities(capabilities)]));
        let body =
            [4, 0xfd, 0xe9, 0, 90, 192, 0, 2, 1, 16, 2, 14, 1, 4, 0, 1, 0, 1, 2, 0, 65, 4, 0, 0, 0xfd, 0xe9];
        assert_eq!(out[19..], body);
    }
}
