//! Path attributes under every context: faults are consistent, and what was read is written and read back the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use trunkline_wire::bgp::{AsPath, ParseContext, Severity, parse_attributes};

fuzz_target!(|data: &[u8]| {
    let Some((choice, block)) = data.split_first() else { return };
    let ctx = ParseContext {
        four_octet_as: choice & 1 != 0,
        ebgp: choice & 2 != 0,
        extended_next_hop: choice & 4 != 0,
    };
    let has_nlri = choice & 8 != 0;
    let block = &block[..block.len().min(usize::from(u16::MAX))];
    let parsed = parse_attributes(block, has_nlri, &ctx);
    for fault in &parsed.faults {
        let _ = (fault.to_string(), fault.to_notification());
        assert!(fault.offset <= block.len());
        assert!(fault.severity <= parsed.severity().unwrap_or(Severity::AttributeDiscard));
    }
    let attributes = &parsed.attributes;
    for c in &attributes.communities {
        assert_eq!(c.to_string().parse(), Ok(*c));
    }
    for c in &attributes.extended_communities {
        assert_eq!(c.to_string().parse(), Ok(*c));
    }
    for c in &attributes.large_communities {
        assert_eq!(c.to_string().parse(), Ok(*c));
    }
    if let Some(path) = &attributes.as_path {
        let text = path.to_string();
        assert_eq!(text.parse::<AsPath>().map(|p| p.to_string()), Ok(text));
        let mut value = Vec::new();
        path.emit(true, &mut value);
        assert_eq!(value.len(), path.emitted_len(true));
        assert_eq!(AsPath::parse(&value, true).as_ref(), Ok(path));
    }
    // Four octets lose nothing. Two octets lose where AS4_PATH cannot say all, but must be stable after one turn.
    for four_octet_as in [true, false] {
        let ctx = ParseContext { four_octet_as, ebgp: false, extended_next_hop: false };
        let mut out = Vec::new();
        attributes.emit(four_octet_as, &mut out);
        let again = parse_attributes(&out, false, &ctx);
        assert_eq!(again.faults, []);
        if four_octet_as {
            let mut expected = attributes.clone();
            // AS4_PATH and AS4_AGGREGATOR are not sent here, so their Partial bits are not either.
            expected.partial.clear(17);
            expected.partial.clear(18);
            expected.unknown.iter_mut().for_each(|u| u.flags |= 0x20);
            assert_eq!(again.attributes, expected);
        } else {
            let mut twice = Vec::new();
            again.attributes.emit(false, &mut twice);
            assert_eq!(parse_attributes(&twice, false, &ctx).attributes, again.attributes);
        }
    }
});
