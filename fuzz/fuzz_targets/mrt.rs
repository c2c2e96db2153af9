//! MRT dumps: every record and what is inside.
#![no_main]

use libfuzzer_sys::fuzz_target;
use trunkline_wire::mrt::{self, RecordBody};

fuzz_target!(|data: &[u8]| {
    let mut end = 0;
    for record in mrt::records(data) {
        let Ok(record) = record else { continue };
        assert!(record.offset >= end);
        end = record.offset + 12;
        match record.body() {
            Ok(RecordBody::Rib(rib)) => {
                for entry in rib.entries {
                    let parsed = entry.parse();
                    let _ = parsed.faults.iter().map(ToString::to_string).count();
                }
            }
            Ok(RecordBody::Message(m)) => {
                let _ = trunkline_wire::bgp::frame(m.message, 4096);
            }
            Ok(_) => {}
            Err(fault) => assert_eq!(fault.offset, record.offset),
        }
    }
});
