//! The fields of BGP messages.

use super::Fields;
use crate::dissect::line::put;
use crate::dissect::messages;
use crate::dissect::update::{Field, Looked};
use crate::framer::Piece;
use std::fmt::Write;
use trunkline_wire::bgp::{
    self, MessageType, Notification, Open, OptionalParameter, ParseContext, RawAttribute, attribute,
    parse_attributes, raw_attributes,
};

/// The most prefixes of a field that are told.
const MAX_PREFIXES: usize = 4096;

impl Fields {
    /// RFC 4271 §4. Offsets are those in the frame where the message begins in it, else those in the message.
    pub(super) fn bgp(&mut self, piece: &Piece<'_>) {
        let (frame, at) = match piece {
            Piece::Message { frame, at } => (frame, at.map(|at| self.payload + at)),
            Piece::Fault { error, octets } => {
                let mut text = String::new();
                messages::fault(error, octets, &mut text);
                self.head("BGP (RFC 4271)");
                return self.field(self.payload, "malformed (RFC 4271 §6.1)", text);
            }
        };
        match at {
            Some(_) => self.head("BGP (RFC 4271)"),
            None => {
                self.head("BGP (RFC 4271), begun in an earlier segment: offsets are those in the message")
            }
        }
        let at = at.unwrap_or(0);
        self.field(at, "Marker", "ones");
        self.field(at + 16, "Length", frame.message.len());
        self.field(at + 18, "Type", format!("{}, {}", frame.kind.code(), frame.kind));
        let body = at + bgp::HEADER_LEN;
        match frame.kind {
            MessageType::Open => self.open(frame.body, body),
            MessageType::Update => self.update(frame.body, at),
            MessageType::Notification => {
                if let Ok(notification) = Notification::parse(frame.body) {
                    self.field(body, "Error Code", notification.code);
                    self.field(
                        body + 1,
                        "Error Subcode",
                        format!("{}: {notification}", notification.subcode),
                    );
                    if !notification.data.is_empty() {
                        self.field(body + 2, "Data", hex(&notification.data));
                    }
                }
            }
            MessageType::RouteRefresh => match bgp::RouteRefresh::parse(frame.body) {
                Ok(refresh) => self.field(body, "AFI, subtype, SAFI", refresh),
                Err(error) => self.field(body, "malformed (RFC 7313 §5)", error.error()),
            },
            MessageType::Keepalive => {}
        }
    }

    /// RFC 4271 §4.2, RFC 5492 §4.
    fn open(&mut self, octets: &[u8], at: usize) {
        let [version, a0, a1, h0, h1, i0, i1, i2, i3, length, ..] = *octets else { return };
        self.field(at, "Version", version);
        self.field(at + 1, "My Autonomous System", u16::from_be_bytes([a0, a1]));
        self.field(at + 3, "Hold Time", format!("{} s", u16::from_be_bytes([h0, h1])));
        self.field(at + 5, "BGP Identifier", std::net::Ipv4Addr::new(i0, i1, i2, i3));
        self.field(at + 9, "Opt Parm Len", length);
        let open = match Open::parse(octets) {
            Ok(open) => open,
            Err(error) => return self.field(at, "malformed (RFC 4271 §6.2)", error),
        };
        // RFC 9072 §2: 255 in the place of the first type makes all lengths longer.
        let extended = length != 0 && octets.get(10) == Some(&255);
        let header = if extended { 3 } else { 2 };
        let mut place = at + if extended { 13 } else { 10 };
        for parameter in &open.parameters {
            place += header;
            match parameter {
                OptionalParameter::Capabilities(capabilities) => {
                    for capability in capabilities {
                        self.field(place, "Capability", format!("{}: {capability}", capability.code()));
                        let mut encoded = Vec::new();
                        capability.emit(&mut encoded);
                        place += encoded.len();
                    }
                }
                OptionalParameter::Unknown { kind, value } => {
                    self.field(place - header, "Parm. Type", format!("{kind}: {}", hex(value)));
                    place += value.len();
                }
            }
        }
    }

    /// RFC 4271 §4.3; `at` is where the message begins.
    fn update(&mut self, octets: &[u8], at: usize) {
        let body = at + bgp::HEADER_LEN;
        let Some(looked) = Looked::at(octets) else {
            return self.field(body, "malformed (RFC 7606 §3 b)", "the lengths do not fit the message");
        };
        let update = looked.update;
        self.field(body, "Withdrawn Routes Length", update.withdrawn_routes.len());
        let [withdrawn, withdrawn_in_attribute] = looked.withdrawn;
        self.prefixes(withdrawn, body + 2, "Withdrawn Routes");
        let attributes = body + 2 + update.withdrawn_routes.len() + 2;
        self.field(attributes - 2, "Total Path Attribute Length", update.path_attributes.len());
        let mut list = raw_attributes(update.path_attributes);
        loop {
            let offset = attributes + list.offset();
            match list.next() {
                None => break,
                Some(Ok(raw)) => self.attribute(&raw, offset),
                Some(Err(fault)) => self.field(offset, "malformed (RFC 7606 §4)", fault),
            }
        }
        let nlri = attributes + update.path_attributes.len();
        let [new, new_in_attribute] = looked.new;
        self.prefixes(new, nlri, "NLRI");
        for (field, name) in
            [(withdrawn_in_attribute, "MP_UNREACH_NLRI"), (new_in_attribute, "MP_REACH_NLRI")]
        {
            // The prefixes are a part of the body.
            let inside = field.octets().as_ptr().addr().wrapping_sub(octets.as_ptr().addr());
            self.prefixes(field, body.wrapping_add(inside), name);
        }
        if let Some(wrong) = looked.wrong() {
            self.field(at, "malformed", wrong);
        }
    }

    fn prefixes(&mut self, field: Field<'_>, mut at: usize, name: &str) {
        for prefix in field.prefixes().take(MAX_PREFIXES) {
            let mut text = String::new();
            prefix.push(&mut text);
            self.field(at, name, text);
            at += 1 + usize::from(prefix.len().div_ceil(8));
        }
    }

    fn attribute(&mut self, raw: &RawAttribute<'_>, at: usize) {
        let name = attribute::name(raw.code).map_or_else(|| format!("attribute {}", raw.code), str::to_owned);
        // Which size AS numbers have was agreed in OPENs that may not have been captured.
        let value = [true, false].into_iter().find_map(|four_octet_as| value(raw, four_octet_as));
        let value = value.unwrap_or_else(|| hex(raw.value));
        self.field(at, &name, format!("flags {:#04x}: {value}", raw.flags));
    }
}

/// The value of an attribute in words, read alone; none where that cannot be.
fn value(raw: &RawAttribute<'_>, four_octet_as: bool) -> Option<String> {
    let context = ParseContext { four_octet_as, ebgp: false, extended_next_hop: true };
    let parsed = parse_attributes(raw.whole, false, &context);
    if parsed.faults.iter().any(|fault| fault.what != bgp::FaultKind::Missing) {
        return None;
    }
    let attributes = &parsed.attributes;
    let list = |items: Vec<String>| Some(items.join(" "));
    match raw.code {
        attribute::ORIGIN => attributes.origin.map(|origin| origin.to_string()),
        attribute::AS_PATH => attributes.as_path.as_ref().map(|path| path.to_string()),
        attribute::NEXT_HOP => attributes.next_hop.map(|address| address.to_string()),
        attribute::MULTI_EXIT_DISC => attributes.med.map(|med| med.to_string()),
        attribute::LOCAL_PREF => attributes.local_pref.map(|preference| preference.to_string()),
        attribute::ATOMIC_AGGREGATE => Some(String::new()),
        attribute::AGGREGATOR => attributes.aggregator.map(|(asn, address)| format!("{asn} {address}")),
        attribute::COMMUNITIES => list(attributes.communities.iter().map(ToString::to_string).collect()),
        attribute::ORIGINATOR_ID => attributes.originator_id.map(|id| id.to_string()),
        attribute::CLUSTER_LIST => list(attributes.cluster_list.iter().map(ToString::to_string).collect()),
        attribute::EXTENDED_COMMUNITIES => {
            list(attributes.extended_communities.iter().map(ToString::to_string).collect())
        }
        attribute::LARGE_COMMUNITIES => {
            list(attributes.large_communities.iter().map(ToString::to_string).collect())
        }
        attribute::ONLY_TO_CUSTOMER => attributes.only_to_customer.map(|asn| asn.to_string()),
        attribute::MP_REACH_NLRI => {
            parsed.reach.map(|reach| format!("{}, next hop {}", reach.family, reach.next_hop))
        }
        attribute::MP_UNREACH_NLRI => parsed.unreach.map(|unreach| unreach.family.to_string()),
        _ => None,
    }
}

fn hex(octets: &[u8]) -> String {
    let mut text = String::new();
    octets.iter().for_each(|octet| put!(text, "{octet:02x}"));
    text
}
