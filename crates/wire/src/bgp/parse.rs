//! Path attributes from bytes, with every fault named (RFC 7606).

use super::attributes::{OPTIONAL_NON_TRANSITIVE, OPTIONAL_TRANSITIVE, WELL_KNOWN};
use super::merge::{as4_is_stale, merge};
use super::multiprotocol::MpFault;
use super::notification::MAX_DATA;
use super::{
    AsPath, AttributeFault, Attributes, Community, ExtendedCommunity, Fault, FaultKind,
    Ipv6ExtendedCommunity, LargeCommunity, MpReach, MpUnreach, Origin, RawAttribute, Severity,
    UnknownAttribute, attribute, flag, raw_attributes,
};
use std::net::Ipv4Addr;
use trunkline_core::Asn;

/// What was agreed on the session, as far as attributes depend on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ParseContext {
    /// Both sides sent the capability for four-octet AS numbers (RFC 6793 §4.1).
    pub four_octet_as: bool,
    /// The neighbor is external: LOCAL_PREF, ORIGINATOR_ID and CLUSTER_LIST are discarded (RFC 7606 §7.5, §7.9, §7.10).
    pub ebgp: bool,
    /// IPv6 next hops were agreed for IPv4 unicast (RFC 8950 §4).
    pub extended_next_hop: bool,
}

/// What was read: a value, and the faults found on the way.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ParsedAttributes<'a> {
    /// The attributes that could be read.
    pub attributes: Attributes,
    /// MP_REACH_NLRI.
    pub reach: Option<MpReach<'a>>,
    /// MP_UNREACH_NLRI.
    pub unreach: Option<MpUnreach<'a>>,
    /// The faults, in the order in which they were found.
    pub faults: Vec<Fault>,
}

impl ParsedAttributes<'_> {
    /// How the UPDATE is to be handled: by the strongest of all (RFC 7606 §3 h). `None` where nothing is wrong.
    pub fn severity(&self) -> Option<Severity> {
        self.faults.iter().map(|f| f.severity).max()
    }

    /// The fault that decides: the first of the strongest.
    pub fn worst(&self) -> Option<&Fault> {
        let severity = self.severity()?;
        self.faults.iter().find(|f| f.severity == severity)
    }
}

/// Reads the path attributes of an UPDATE. `has_nlri`: its NLRI field is not empty.
///
/// The NLRI of MP_REACH_NLRI and MP_UNREACH_NLRI are left to the caller, who must have read them all before it treats
/// an UPDATE as a withdrawal (RFC 7606 §3 j).
pub fn parse_attributes<'a>(bytes: &'a [u8], has_nlri: bool, ctx: &ParseContext) -> ParsedAttributes<'a> {
    let mut parser =
        Parser { ctx, out: ParsedAttributes::default(), seen: Seen::default(), as4: As4::default() };
    let mut list = raw_attributes(bytes);
    loop {
        let offset = list.offset();
        match list.next() {
            None => break,
            Some(Ok(raw)) => parser.attribute(offset, &raw),
            Some(Err(fault)) => parser.list_fault(fault),
        }
    }
    parser.finish(bytes.len(), has_nlri)
}

/// A fault before it is told where it is.
struct Wrong(Severity, FaultKind, &'static str);

/// Treat as withdraw.
const fn withdraw(what: FaultKind, section: &'static str) -> Wrong {
    Wrong(Severity::TreatAsWithdraw, what, section)
}

/// Attribute discard.
const fn discard(what: FaultKind, section: &'static str) -> Wrong {
    Wrong(Severity::AttributeDiscard, what, section)
}

/// Session reset.
const fn reset(what: FaultKind, section: &'static str) -> Wrong {
    Wrong(Severity::SessionReset, what, section)
}

/// The type codes that occurred.
#[derive(Default)]
struct Seen([u64; 4]);

impl Seen {
    /// Marks a code; true where it was marked before.
    fn mark(&mut self, code: u8) -> bool {
        let Some(word) = self.0.get_mut(usize::from(code >> 6)) else { return false };
        let bit = 1 << (code & 63);
        let before = *word & bit != 0;
        *word |= bit;
        before
    }

    fn contains(&self, code: u8) -> bool {
        self.0.get(usize::from(code >> 6)).is_some_and(|word| word & (1 << (code & 63)) != 0)
    }
}

/// What a speaker of two-octet AS numbers sent on behalf of others (RFC 6793 §4.2.3).
#[derive(Default)]
struct As4 {
    path: Option<AsPath>,
    aggregator: Option<(Asn, Ipv4Addr)>,
}

struct Parser<'a, 'c> {
    ctx: &'c ParseContext,
    out: ParsedAttributes<'a>,
    seen: Seen,
    as4: As4,
}

/// The Optional and Transitive bits of the attributes this crate knows.
const fn expected_flags(code: u8) -> Option<u8> {
    use attribute::*;
    Some(match code {
        ORIGIN | AS_PATH | NEXT_HOP | LOCAL_PREF | ATOMIC_AGGREGATE => WELL_KNOWN,
        MULTI_EXIT_DISC | ORIGINATOR_ID | CLUSTER_LIST | MP_REACH_NLRI | MP_UNREACH_NLRI => {
            OPTIONAL_NON_TRANSITIVE
        }
        AGGREGATOR
        | COMMUNITIES
        | EXTENDED_COMMUNITIES
        | AS4_PATH
        | AS4_AGGREGATOR
        | IPV6_EXTENDED_COMMUNITIES
        | LARGE_COMMUNITIES
        | ONLY_TO_CUSTOMER => OPTIONAL_TRANSITIVE,
        _ => return None,
    })
}

impl<'a> Parser<'a, '_> {
    fn attribute(&mut self, offset: usize, raw: &RawAttribute<'a>) {
        if let Err(Wrong(severity, what, section)) = self.checked(raw) {
            let attribute = raw.whole.get(..MAX_DATA).unwrap_or(raw.whole).to_vec();
            self.out.faults.push(Fault { severity, code: raw.code, offset, what, section, attribute });
        }
    }

    /// RFC 7606 §4: the attributes do not fill their field.
    #[cold]
    fn list_fault(&mut self, fault: AttributeFault) {
        let (offset, code, what) = match fault {
            AttributeFault::Underrun { offset } => (offset, 0, FaultKind::ListUnderrun),
            AttributeFault::Overrun { offset, code } => (offset, code, FaultKind::ListOverrun),
        };
        let severity = Severity::TreatAsWithdraw;
        let section = "RFC 7606 §4";
        self.out.faults.push(Fault { severity, code, offset, what, section, attribute: Vec::new() });
    }

    /// Whatever the type: duplicates, who may send it, flags.
    fn checked(&mut self, raw: &RawAttribute<'a>) -> Result<(), Wrong> {
        use attribute::*;
        if self.seen.mark(raw.code) {
            return Err(match raw.code {
                MP_REACH_NLRI | MP_UNREACH_NLRI => reset(FaultKind::Duplicate, "RFC 7606 §3 g"),
                _ => discard(FaultKind::Duplicate, "RFC 7606 §3 g"),
            });
        }
        match raw.code {
            LOCAL_PREF if self.ctx.ebgp => return Err(discard(FaultKind::FromExternal, "RFC 7606 §7.5")),
            ORIGINATOR_ID if self.ctx.ebgp => return Err(discard(FaultKind::FromExternal, "RFC 7606 §7.9")),
            CLUSTER_LIST if self.ctx.ebgp => return Err(discard(FaultKind::FromExternal, "RFC 7606 §7.10")),
            AS4_PATH | AS4_AGGREGATOR if self.ctx.four_octet_as => {
                return Err(discard(FaultKind::FromNewSpeaker, "RFC 6793 §6"));
            }
            _ => {}
        }
        let Some(expected) = expected_flags(raw.code) else { return self.unknown(raw) };
        if raw.flags & (flag::OPTIONAL | flag::TRANSITIVE) != expected {
            let what = FaultKind::Flags { flags: raw.flags };
            return Err(match raw.code {
                MP_REACH_NLRI | MP_UNREACH_NLRI => reset(what, "RFC 7606 §5.3"),
                _ => withdraw(what, "RFC 7606 §3 c"),
            });
        }
        match raw.code {
            MP_REACH_NLRI | MP_UNREACH_NLRI => self.multiprotocol(raw),
            AS_PATH | AS4_PATH => self.as_path(raw),
            _ => self.value(raw),
        }?;
        // RFC 4271 §5: the Partial bit stays.
        if expected == OPTIONAL_TRANSITIVE && raw.flags & flag::PARTIAL != 0 {
            self.out.attributes.partial.set(raw.code);
        }
        Ok(())
    }

    /// RFC 4271 §5, §6.3: a type code this crate does not know.
    fn unknown(&mut self, raw: &RawAttribute<'_>) -> Result<(), Wrong> {
        if raw.flags & flag::OPTIONAL == 0 {
            return Err(reset(FaultKind::UnrecognizedWellKnown, "RFC 4271 §6.3"));
        }
        if raw.flags & flag::TRANSITIVE != 0 {
            let flags = raw.flags & (flag::OPTIONAL | flag::TRANSITIVE | flag::PARTIAL);
            self.out.attributes.unknown.push(UnknownAttribute {
                flags,
                code: raw.code,
                value: raw.value.to_vec(),
            });
        }
        Ok(())
    }

    fn multiprotocol(&mut self, raw: &RawAttribute<'a>) -> Result<(), Wrong> {
        let fault = if raw.code == attribute::MP_REACH_NLRI {
            match MpReach::parse(raw.value, raw.whole, self.ctx.extended_next_hop) {
                Ok(reach) => {
                    self.out.reach = Some(reach);
                    return Ok(());
                }
                Err(fault) => fault,
            }
        } else {
            match MpUnreach::parse(raw.value, raw.whole) {
                Ok(unreach) => {
                    self.out.unreach = Some(unreach);
                    return Ok(());
                }
                Err(fault) => fault,
            }
        };
        Err(match fault {
            MpFault::TooShort => reset(FaultKind::Length { len: raw.value.len() }, "RFC 7606 §5.3"),
            MpFault::NextHopLength(len) => reset(FaultKind::NextHopLength { len }, "RFC 7606 §7.11"),
        })
    }

    fn as_path(&mut self, raw: &RawAttribute<'_>) -> Result<(), Wrong> {
        if raw.code == attribute::AS4_PATH {
            return self.as4_path(raw);
        }
        let path = AsPath::parse(raw.value, self.ctx.four_octet_as)
            .map_err(|what| withdraw(what, "RFC 7606 §7.2"))?;
        if path.segments.iter().any(|s| s.kind.is_confederation()) {
            return Err(withdraw(FaultKind::ConfederationSegment, "RFC 5065 §5"));
        }
        if path.contains(Asn(0)) {
            return Err(withdraw(FaultKind::AsZero, "RFC 7607 §2"));
        }
        self.out.attributes.as_path = Some(path);
        Ok(())
    }

    fn as4_path(&mut self, raw: &RawAttribute<'_>) -> Result<(), Wrong> {
        const SECTION: &str = "RFC 6793 §6";
        if raw.value.len() < 6 {
            return Err(discard(FaultKind::Length { len: raw.value.len() }, SECTION));
        }
        let mut path = AsPath::parse(raw.value, true).map_err(|what| discard(what, SECTION))?;
        if path.contains(Asn(0)) {
            return Err(discard(FaultKind::AsZero, "RFC 7607 §2"));
        }
        let segments = path.segments.len();
        path.segments.retain(|s| !s.kind.is_confederation());
        let dropped = path.segments.len() < segments;
        self.as4.path = Some(path);
        match dropped {
            true => Err(discard(FaultKind::ConfederationSegment, SECTION)),
            false => Ok(()),
        }
    }

    /// The attributes of one value or a list of equal ones.
    fn value(&mut self, raw: &RawAttribute<'_>) -> Result<(), Wrong> {
        use attribute::*;
        let (value, a) = (raw.value, &mut self.out.attributes);
        match raw.code {
            ORIGIN => a.origin = Some(origin(value)?),
            NEXT_HOP => a.next_hop = Some(next_hop(value)?),
            MULTI_EXIT_DISC => a.med = Some(u32::from_be_bytes(exact(value, "RFC 7606 §7.4")?)),
            LOCAL_PREF => a.local_pref = Some(u32::from_be_bytes(exact(value, "RFC 7606 §7.5")?)),
            ATOMIC_AGGREGATE => match value.len() {
                0 => a.atomic_aggregate = true,
                len => return Err(discard(FaultKind::Length { len }, "RFC 7606 §7.6")),
            },
            AGGREGATOR => a.aggregator = Some(aggregator(value, self.ctx.four_octet_as, "RFC 7606 §7.7")?),
            AS4_AGGREGATOR => self.as4.aggregator = Some(aggregator(value, true, "RFC 6793 §6")?),
            COMMUNITIES => {
                a.communities = items(value, "RFC 7606 §7.8", |c| Community(u32::from_be_bytes(c)))?;
            }
            ORIGINATOR_ID => a.originator_id = Some(exact::<4>(value, "RFC 7606 §7.9")?.into()),
            CLUSTER_LIST => a.cluster_list = items::<4, _>(value, "RFC 7606 §7.10", Ipv4Addr::from)?,
            EXTENDED_COMMUNITIES => {
                a.extended_communities = items(value, "RFC 7606 §7.14", ExtendedCommunity)?
            }
            IPV6_EXTENDED_COMMUNITIES => {
                a.ipv6_extended_communities = items(value, "RFC 7606 §7.15", Ipv6ExtendedCommunity)?;
            }
            LARGE_COMMUNITIES => {
                a.large_communities = distinct(items(value, "RFC 8092 §6", LargeCommunity::from_octets)?);
            }
            ONLY_TO_CUSTOMER => {
                a.only_to_customer = Some(Asn(u32::from_be_bytes(exact(value, "RFC 9234 §5")?)))
            }
            // `expected_flags` and this match know the same codes.
            _ => {}
        }
        Ok(())
    }

    /// What can only be said once all attributes are known.
    fn finish(mut self, field_len: usize, has_nlri: bool) -> ParsedAttributes<'a> {
        self.merge_as4();
        let out = &mut self.out;
        if out.reach.is_some() && !has_nlri {
            // RFC 4760 §3: a NEXT_HOP beside MP_REACH_NLRI alone is ignored, right or wrong.
            out.attributes.next_hop = None;
            out.faults.retain(|f| f.code != attribute::NEXT_HOP);
        }
        let reachable = has_nlri || out.reach.is_some_and(|r| !r.nlri.is_empty());
        let mandatory = [
            (attribute::ORIGIN, reachable),
            (attribute::AS_PATH, reachable),
            (attribute::NEXT_HOP, has_nlri),
        ];
        for (code, needed) in mandatory {
            if needed && !self.seen.contains(code) {
                out.faults.push(Fault {
                    severity: Severity::TreatAsWithdraw,
                    code,
                    offset: field_len,
                    what: FaultKind::Missing,
                    section: "RFC 7606 §3 d",
                    attribute: Vec::new(),
                });
            }
        }
        if !reachable {
            // Attributes but no routes for them: that the routes were found cannot be relied on (RFC 7606 §5.2).
            for fault in out.faults.iter_mut().filter(|f| f.severity == Severity::TreatAsWithdraw) {
                fault.severity = Severity::SessionReset;
                fault.section = "RFC 7606 §5.2";
            }
        }
        out.attributes.unknown.sort_by_key(|u| u.code);
        self.out
    }

    /// RFC 6793 §4.2.3.
    fn merge_as4(&mut self) {
        let a = &mut self.out.attributes;
        match (a.aggregator, self.as4.aggregator) {
            (Some((asn, _)), Some(_)) if as4_is_stale(asn) => return,
            (Some(_), Some(exact)) => a.aggregator = Some(exact),
            _ => {}
        }
        if let (Some(_), Some(as4_path)) = (&a.as_path, self.as4.path.take()) {
            a.as_path = a.as_path.take().map(|path| merge(path, as4_path));
        }
    }
}

/// RFC 7606 §7.1.
fn origin(value: &[u8]) -> Result<Origin, Wrong> {
    let [value] = exact(value, "RFC 7606 §7.1")?;
    Origin::from_code(value).ok_or(withdraw(FaultKind::OriginValue { value }, "RFC 7606 §7.1"))
}

/// RFC 7606 §7.3, §3 e; RFC 4271 §6.3: a valid address of a host, so neither 0.0.0.0 nor class D or E. Whether a
/// loopback address or one of ours makes sense is for the caller.
fn next_hop(value: &[u8]) -> Result<Ipv4Addr, Wrong> {
    let address = Ipv4Addr::from(exact::<4>(value, "RFC 7606 §7.3")?);
    let [first, ..] = address.octets();
    match address.is_unspecified() || first >= 224 {
        true => Err(withdraw(FaultKind::NextHop { address }, "RFC 7606 §3 e")),
        false => Ok(address),
    }
}

/// RFC 7606 §7.7; RFC 6793 §6; RFC 7607 §2.
fn aggregator(value: &[u8], four_octet_as: bool, section: &'static str) -> Result<(Asn, Ipv4Addr), Wrong> {
    let length = || discard(FaultKind::Length { len: value.len() }, section);
    let (asn, address) = match four_octet_as {
        true => value.split_first_chunk::<4>().map(|(asn, rest)| (u32::from_be_bytes(*asn), rest)),
        false => value.split_first_chunk::<2>().map(|(asn, rest)| (u16::from_be_bytes(*asn).into(), rest)),
    }
    .ok_or_else(length)?;
    let address = <[u8; 4]>::try_from(address).map_err(|_| length())?;
    match asn {
        0 => Err(discard(FaultKind::AsZero, "RFC 7607 §2")),
        asn => Ok((Asn(asn), address.into())),
    }
}

/// A value of exactly `N` octets; anything else is treat-as-withdraw.
fn exact<const N: usize>(value: &[u8], section: &'static str) -> Result<[u8; N], Wrong> {
    value.try_into().map_err(|_| withdraw(FaultKind::Length { len: value.len() }, section))
}

/// A list of at least one item of `N` octets each; anything else is treat-as-withdraw.
fn items<const N: usize, T>(
    value: &[u8],
    section: &'static str,
    item: impl Fn([u8; N]) -> T,
) -> Result<Vec<T>, Wrong> {
    match value.as_chunks::<N>() {
        (chunks @ [_, ..], []) => Ok(chunks.iter().map(|c| item(*c)).collect()),
        _ => Err(withdraw(FaultKind::Length { len: value.len() }, section)),
    }
}

/// Without repetitions, in the order of first occurrence (RFC 8092 §3).
fn distinct(mut communities: Vec<LargeCommunity>) -> Vec<LargeCommunity> {
    // A sorted copy first: a peer chooses how many there are.
    let mut sorted = communities.clone();
    sorted.sort_unstable();
    let mut fresh = vec![true; sorted.len()];
    if sorted.windows(2).any(|w| matches!(w, [a, b] if a == b)) {
        communities.retain(|c| {
            let first = sorted.partition_point(|s| s < c);
            fresh.get_mut(first).is_some_and(std::mem::take)
        });
    }
    communities
}
