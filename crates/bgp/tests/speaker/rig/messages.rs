//! Messages by hand.

use super::{p4, p6};
use trunkline_core::{Asn, Ipv4Prefix};
use trunkline_wire::bgp::*;

/// ORIGIN, AS_PATH and NEXT_HOP.
pub(crate) fn attrs(path: &[u32], next_hop: &str) -> Attributes {
    Attributes {
        origin: Some(Origin::Igp),
        as_path: Some(AsPath::sequence(path.iter().map(|n| Asn(*n)))),
        next_hop: next_hop.parse().ok(),
        ..Attributes::default()
    }
}

pub(crate) fn block(attributes: &Attributes) -> Vec<u8> {
    let mut out = Vec::new();
    attributes.emit(true, &mut out);
    out
}

/// An UPDATE of three raw fields.
pub(crate) fn raw_update(withdrawn: &[Ipv4Prefix], attributes: &[u8], nlri: &[Ipv4Prefix]) -> Vec<u8> {
    let field = |prefixes: &[Ipv4Prefix]| {
        let mut out = Vec::new();
        prefixes.iter().for_each(|p| emit_ipv4_prefix(*p, &mut out));
        out
    };
    let withdrawn = field(withdrawn);
    let mut body = (withdrawn.len() as u16).to_be_bytes().to_vec();
    body.extend(withdrawn);
    body.extend((attributes.len() as u16).to_be_bytes());
    body.extend(attributes);
    body.extend(field(nlri));
    message(2, &body)
}

pub(crate) fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut out = vec![0xff; 16];
    out.extend(((19 + body.len()) as u16).to_be_bytes());
    out.push(kind);
    out.extend(body);
    out
}

pub(crate) fn update(attributes: &Attributes, nlri: &[&str]) -> Vec<u8> {
    let nlri: Vec<_> = nlri.iter().map(|p| p4(p)).collect();
    raw_update(&[], &block(attributes), &nlri)
}

pub(crate) fn withdraw(prefixes: &[&str]) -> Vec<u8> {
    let prefixes: Vec<_> = prefixes.iter().map(|p| p4(p)).collect();
    raw_update(&prefixes, &[], &[])
}

pub(crate) fn update6(attributes: &Attributes, next_hop: MpNextHop, nlri: &[&str]) -> Vec<u8> {
    let nlri: Vec<_> = nlri.iter().map(|p| p6(p)).collect();
    let mut out = Vec::new();
    let family = Family::IPV6_UNICAST;
    assert_eq!(emit_mp_reach(4096, family, next_hop, &block(attributes), &nlri, &mut out), nlri.len());
    out
}

pub(crate) fn end_of_rib(family: Family) -> Vec<u8> {
    let mut out = Vec::new();
    emit_end_of_rib(family, &mut out);
    out
}

pub(crate) fn refresh(family: Family, subtype: RouteRefreshSubtype) -> Vec<u8> {
    let mut out = Vec::new();
    RouteRefresh { family, subtype }.emit(&mut out);
    out
}
