//! What is in an UPDATE, and whether it is sound: a quick look that allocates nothing, and a thorough one where that fails.

use trunkline_wire::bgp::{
    self, Afi, Fault, NlriFault, ParseContext, RawAttribute, Safi, Update, attribute, flag, parse_attributes,
};

/// Prefixes of one field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Field<'a> {
    /// Of IPv6.
    v6: bool,
    /// The prefixes, as they are on the wire.
    octets: &'a [u8],
}

/// An UPDATE, looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Looked<'a> {
    /// Its fields.
    pub(crate) update: Update<'a>,
    /// New routes: of the NLRI field, and of MP_REACH_NLRI where that is of unicast.
    pub(crate) new: [Field<'a>; 2],
    /// Withdrawn routes: of the field of that name, and of MP_UNREACH_NLRI where that is of unicast.
    pub(crate) withdrawn: [Field<'a>; 2],
    /// Whether routes of a family are there whose prefixes are not read here.
    pub(crate) other_family: bool,
    sound: bool,
}

/// What is wrong with an UPDATE.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Wrong {
    /// The lengths of its fields do not fit the message (RFC 7606 §3 b).
    Lengths,
    /// A path attribute; where in the message.
    Attribute(Fault, usize),
    /// A prefix; where in the message, none where it is in an attribute.
    Prefix(NlriFault, Option<usize>),
}

impl std::fmt::Display for Wrong {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Wrong::Lengths => f.write_str(
                "Withdrawn Routes Length or Total Path Attribute Length runs beyond the message: \
                 session reset (RFC 7606 §3 b)",
            ),
            Wrong::Attribute(fault, offset) => write!(f, "at octet {offset}: {fault}"),
            Wrong::Prefix(fault, Some(offset)) => write!(f, "at octet {offset}: {fault} (RFC 7606 §5.3)"),
            Wrong::Prefix(fault, None) => write!(f, "in a path attribute: {fault} (RFC 7606 §5.3)"),
        }
    }
}

/// Octets of the message before its path attributes, apart from the withdrawn routes.
const BEFORE: usize = bgp::HEADER_LEN + 2;

impl<'a> Looked<'a> {
    /// Of a message's body; none where its fields do not fit.
    pub(crate) fn at(body: &'a [u8]) -> Option<Looked<'a>> {
        let update = Update::new_checked(body).ok()?;
        let none = Field { v6: false, octets: &[] };
        let mut looked = Looked {
            update,
            new: [Field { v6: false, octets: update.nlri }, none],
            withdrawn: [Field { v6: false, octets: update.withdrawn_routes }, none],
            other_family: false,
            sound: true,
        };
        let (mut seen, mut sizes) = (0u64, TWO | FOUR);
        for raw in update.raw_attributes() {
            let Ok(raw) = raw else {
                looked.sound = false;
                break;
            };
            let bit = 1u64.checked_shl(raw.code.into()).unwrap_or(0);
            looked.sound &= seen & bit == 0 && is_sound(&raw);
            sizes &= as_number_sizes(&raw);
            seen |= bit;
            looked.multiprotocol(&raw);
        }
        // ORIGIN, AS_PATH and NEXT_HOP (RFC 4271 §5).
        looked.sound &= sizes != 0;
        if !update.nlri.is_empty() && seen & 0b1110 != 0b1110 {
            looked.sound = false;
        }
        Some(looked)
    }

    fn multiprotocol(&mut self, raw: &RawAttribute<'a>) {
        let (place, skip) = match (raw.code, raw.value) {
            (attribute::MP_REACH_NLRI, [_, _, _, next_hop, ..]) => {
                (&mut self.new, 5 + usize::from(*next_hop))
            }
            (attribute::MP_UNREACH_NLRI, _) => (&mut self.withdrawn, 3),
            _ => return,
        };
        let (Some([a0, a1, safi]), Some(octets)) = (raw.value.first_chunk::<3>(), raw.value.get(skip..))
        else {
            self.sound = false;
            return;
        };
        let (afi, safi) = (Afi::from(u16::from_be_bytes([*a0, *a1])), Safi::from(*safi));
        match (afi, safi) {
            (Afi::Ipv4 | Afi::Ipv6, Safi::Unicast | Safi::Multicast) => {
                let [_, field] = place;
                *field = Field { v6: afi == Afi::Ipv6, octets };
            }
            _ => self.other_family = true,
        }
    }

    /// What is wrong with it, if anything; offsets are those of the whole message.
    pub(crate) fn wrong(&self) -> Option<Wrong> {
        let attributes = BEFORE + self.update.withdrawn_routes.len() + 2;
        if !self.sound {
            // Whether AS numbers have two or four octets was agreed in OPENs that may not have been captured.
            let faults = [true, false].map(|four_octet_as| {
                let context = ParseContext { four_octet_as, ebgp: false, extended_next_hop: true };
                parse_attributes(self.update.path_attributes, !self.update.nlri.is_empty(), &context)
            });
            let parsed = faults.into_iter().min_by_key(|parsed| (parsed.severity(), parsed.faults.len()));
            if let Some(fault) = parsed.as_ref().and_then(|parsed| parsed.worst()) {
                return Some(Wrong::Attribute(fault.clone(), attributes + fault.offset));
            }
        }
        let nlri = attributes + self.update.path_attributes.len();
        let fields = [(self.withdrawn, BEFORE), (self.new, nlri)];
        fields.into_iter().find_map(|([plain, in_attribute], offset)| {
            let plain = plain.fault().map(|fault| Wrong::Prefix(fault, Some(offset + fault.offset)));
            plain.or_else(|| in_attribute.fault().map(|fault| Wrong::Prefix(fault, None)))
        })
    }
}

impl<'a> Field<'a> {
    /// Its prefixes as text, in order, up to one that cannot be read.
    pub(crate) fn prefixes(self) -> impl Iterator<Item = Prefix> + 'a {
        let (v4, v6) = if self.v6 { (&[][..], self.octets) } else { (self.octets, &[][..]) };
        let v4 = bgp::ipv4_prefixes(v4).map_while(Result::ok).map(|p| Prefix::V4(p.addr(), p.len()));
        v4.chain(bgp::ipv6_prefixes(v6).map_while(Result::ok).map(|p| Prefix::V6(p.addr(), p.len())))
    }

    /// What is on the wire.
    pub(crate) fn octets(self) -> &'a [u8] {
        self.octets
    }

    /// How many there are, as far as they can be read.
    #[inline]
    pub(crate) fn count(self) -> u32 {
        let mut rest = self.octets;
        let mut count = 0;
        while let [length, tail @ ..] = rest {
            let Some(next) = tail.get(usize::from(length.div_ceil(8))..) else { break };
            (rest, count) = (next, count + 1);
        }
        count
    }

    fn fault(self) -> Option<NlriFault> {
        if self.v6 {
            bgp::ipv6_prefixes(self.octets).find_map(Result::err)
        } else {
            bgp::ipv4_prefixes(self.octets).find_map(Result::err)
        }
    }
}

/// A prefix of either family.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Prefix {
    /// IPv4.
    V4(std::net::Ipv4Addr, u8),
    /// IPv6.
    V6(std::net::Ipv6Addr, u8),
}

impl Prefix {
    /// Its length in bits.
    pub(crate) fn len(self) -> u8 {
        let (Prefix::V4(_, len) | Prefix::V6(_, len)) = self;
        len
    }

    /// Appends it as text.
    pub(crate) fn push(self, out: &mut String) {
        let (address, len) = match self {
            Prefix::V4(address, len) => (address.into(), len),
            Prefix::V6(address, len) => (address.into(), len),
        };
        super::line::push_address(address, out);
        out.push('/');
        super::line::number(len.into(), out);
    }
}

/// Whether flags and length of an attribute are those that nearly all have; if not, the parser decides.
#[inline]
fn is_sound(raw: &RawAttribute<'_>) -> bool {
    use attribute::*;
    let flags = raw.flags & (flag::OPTIONAL | flag::TRANSITIVE);
    let len = raw.value.len();
    let is_list_of = |size: usize| len != 0 && len.is_multiple_of(size);
    let (well_known, non_transitive, transitive) =
        (flags == flag::TRANSITIVE, flags == flag::OPTIONAL, flags == flag::OPTIONAL | flag::TRANSITIVE);
    match raw.code {
        ORIGIN => well_known && matches!(raw.value, [0..=2]),
        AS_PATH => well_known,
        NEXT_HOP => well_known && len == 4 && !matches!(raw.value, [0 | 127 | 224..=255, ..]),
        LOCAL_PREF => well_known && len == 4,
        ATOMIC_AGGREGATE => well_known && len == 0,
        MULTI_EXIT_DISC | ORIGINATOR_ID => non_transitive && len == 4,
        CLUSTER_LIST => non_transitive && is_list_of(4),
        MP_REACH_NLRI => non_transitive && len >= 5,
        MP_UNREACH_NLRI => non_transitive && len >= 3,
        AGGREGATOR => transitive && matches!(len, 6 | 8),
        COMMUNITIES => transitive && is_list_of(4),
        EXTENDED_COMMUNITIES => transitive && is_list_of(8),
        LARGE_COMMUNITIES => transitive && is_list_of(12),
        ONLY_TO_CUSTOMER => transitive && len == 4,
        AS4_PATH | AS4_AGGREGATOR | IPV6_EXTENDED_COMMUNITIES => false,
        _ => flags & flag::OPTIONAL != 0,
    }
}

/// The sizes of AS numbers, octets, in a set.
const TWO: u8 = 1;
const FOUR: u8 = 2;

/// Which sizes of AS numbers an attribute can have: all have the same, which was agreed in the OPENs.
#[inline]
fn as_number_sizes(raw: &RawAttribute<'_>) -> u8 {
    match (raw.code, raw.value) {
        (attribute::AS_PATH, path) => {
            (u8::from(is_path(path, 2)) * TWO) | (u8::from(is_path(path, 4)) * FOUR)
        }
        (attribute::AGGREGATOR, [0, 0, _, _, _, _] | [0, 0, 0, 0, _, _, _, _]) => 0,
        (attribute::AGGREGATOR, [_, _, _, _, _, _]) => TWO,
        (attribute::AGGREGATOR, [_, _, _, _, _, _, _, _]) => FOUR,
        _ => TWO | FOUR,
    }
}

/// Whether octets are segments of an AS_PATH whose numbers have `size` octets.
#[inline]
fn is_path(mut rest: &[u8], size: usize) -> bool {
    while let [kind, count, tail @ ..] = rest {
        let Some((numbers, next)) = tail.split_at_checked(usize::from(*count) * size) else { return false };
        if !matches!(kind, 1 | 2) || *count == 0 || numbers.chunks(size).any(|n| n.iter().all(|o| *o == 0)) {
            return false;
        }
        rest = next;
    }
    rest.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn body(withdrawn: &[u8], attributes: &[u8], nlri: &[u8]) -> Vec<u8> {
        let length = |field: &[u8]| (field.len() as u16).to_be_bytes();
        [&length(withdrawn), withdrawn, &length(attributes), attributes, nlri].concat()
    }

    const GOOD: &[u8] = &[0x40, 1, 1, 0, 0x40, 2, 6, 2, 1, 0, 0, 0xfd, 0xe9, 0x40, 3, 4, 192, 0, 2, 1];

    #[test]
    fn what_is_wrong_is_said_with_offset_and_rule() {
        assert_eq!(Looked::at(&body(&[], GOOD, &[8, 10])).unwrap().wrong(), None);
        let mut bad = GOOD.to_vec();
        bad[3] = 7;
        for (body, words) in [
            (body(&[8, 11], &bad, &[8, 10]), "at octet 25: ORIGIN has the undefined value 7"),
            (body(&[], &GOOD[..13], &[8, 10]), "NEXT_HOP is missing"),
            (body(&[], GOOD, &[33, 10]), "at octet 43: prefix length 33 is too long"),
            (body(&[33], GOOD, &[]), "at octet 21: prefix length 33 is too long"),
            (body(&[], &[0x80, 15, 4, 0, 2, 1, 129], &[]), "in a path attribute: prefix length 129"),
            (body(&[], &[0x40, 1], &[]), "too few octets are left for an attribute"),
        ] {
            let wrong = Looked::at(&body).unwrap().wrong().unwrap().to_string();
            assert!(wrong.contains(words), "{wrong}");
        }
        assert_eq!(Looked::at(&[0, 9, 0, 0]), None);
    }

    #[test]
    fn prefixes_of_both_families_are_counted() {
        let reach =
            [&[0x80, 14, 5 + 16 + 5, 0, 2, 1, 16][..], &[0x20; 16], &[0, 32, 0x20, 1, 0xd, 0xb8]].concat();
        let body = body(&[0], &reach, &[]);
        let looked = Looked::at(&body).unwrap();
        assert_eq!(looked.new.map(Field::count), [0, 1]);
        assert_eq!(looked.withdrawn.map(Field::count), [1, 0]);
        let mut text = String::new();
        looked.new[1].prefixes().for_each(|prefix| prefix.push(&mut text));
        assert_eq!(text, "2001:db8::/32");
    }

    #[test]
    fn as_numbers_have_one_size() {
        // RFC 6793 §4.1: an AS_PATH of two octets and an AGGREGATOR of four cannot both be right.
        let mut attributes = GOOD.to_vec();
        attributes.splice(4..13, [0x40, 2, 4, 2, 1, 0xfd, 0xe9]);
        assert_eq!(Looked::at(&body(&[], &attributes, &[8, 10])).unwrap().wrong(), None);
        attributes.extend([0xc0, 7, 8, 0, 0, 0, 1, 1, 2, 3, 4]);
        assert!(Looked::at(&body(&[], &attributes, &[8, 10])).unwrap().wrong().is_some());
    }

    proptest! {
        /// The quick look finds nothing wrong only where the parser finds nothing wrong either.
        #[test]
        fn the_quick_look_misses_nothing(
            flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        ) {
            let more = [0x80, 4, 4, 0, 0, 0, 9, 0xc0, 8, 8, 0, 1, 0, 2, 0, 1, 0, 3, 0xc0, 7, 8, 0, 0, 0, 1, 1, 2, 3, 4];
            let mut attributes = [GOOD, &more].concat();
            for (at, value) in flips {
                let at = at.index(attributes.len());
                attributes[at] = value;
            }
            let body = body(&[], &attributes, &[8, 10]);
            let looked = Looked::at(&body).unwrap();
            let faults = [true, false].map(|four_octet_as| {
                let context = ParseContext { four_octet_as, ebgp: false, extended_next_hop: true };
                parse_attributes(&attributes, true, &context).faults.len()
            });
            if looked.sound {
                prop_assert!(faults.contains(&0), "{faults:?}");
            }
        }
    }
}
