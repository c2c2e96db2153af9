//! What the tests of errors share.

#![allow(clippy::unwrap_used, dead_code, unreachable_pub, reason = "each test binary uses its part")]

use trunkline_wire::bgp::Notification;

/// Bytes from hexadecimal text; spaces do not matter.
pub fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u32> =
        text.chars().filter(|c| !c.is_whitespace()).map(|c| c.to_digit(16).unwrap()).collect();
    assert!(digits.len().is_multiple_of(2), "{text}");
    digits.chunks(2).map(|d| (d[0] * 16 + d[1]) as u8).collect()
}

/// `code/subcode data` of a NOTIFICATION.
pub fn summary(n: &Notification) -> String {
    let data: String = n.data.iter().map(|b| format!("{b:02x}")).collect();
    format!("{}/{} {data}", n.code, n.subcode).trim_end().to_owned()
}
