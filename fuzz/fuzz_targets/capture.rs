//! Arbitrary octets as a capture: nothing panics, memory stays small, and every frame can be told in every way.
#![no_main]

use libfuzzer_sys::fuzz_target;
use trunkline_explain::capture::Capture;
use trunkline_explain::dissect::Dissector;

fuzz_target!(|data: &[u8]| {
    let mut capture = Capture::new(data);
    let (mut lines, mut full, mut objects) = (Dissector::default(), Dissector::default(), Dissector::default());
    let mut text = String::new();
    let mut frames = 0;
    while let Ok(Some(frame)) = capture.next_frame() {
        frames += 1;
        assert_eq!(frame.number, frames);
        assert!(frame.octets.len() <= data.len());
        text.clear();
        lines.line(&frame, &mut text);
        assert!(!text.is_empty() && !text.contains('\n'), "{text}");
        text.clear();
        full.verbose(&frame, &mut text);
        let _ = objects.dissect_captured(&frame);
    }
});
