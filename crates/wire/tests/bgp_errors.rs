//! Every error of RFC 4271 §6.1, §6.2 and of the messages but UPDATE's attributes as a row: bytes in, exact code,
//! subcode and data out.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test")]

mod common;

use common::{hex, summary};
use trunkline_wire::bgp::*;

const MARKER: &str = "ffffffff ffffffff ffffffff ffffffff";

#[test]
fn header_errors_rfc_4271_section_6_1() {
    let table = [
        // stream after the marker, max_len, what comes
        ("0013 04", 4096, "KEEPALIVE 19"),
        ("0013", 4096, "more"),
        ("0017 02 0000", 4096, "more"),
        ("0017 02 0000 0000", 4096, "UPDATE 23"),
        ("0017 05 0001 0001", 4096, "ROUTE-REFRESH 23"),
        // Bad Message Length: data is the Length field.
        ("0012 04", 4096, "1/2 0012"),
        ("0000 04", 4096, "1/2 0000"),
        ("1001 02", 4096, "1/2 1001"),
        ("1000 02", 4096, "more"),
        ("001c 01", 4096, "1/2 001c"),
        ("0016 02", 4096, "1/2 0016"),
        ("0014 03", 4096, "1/2 0014"),
        ("0014 04", 4096, "1/2 0014"),
        // Bad Message Type: data is the Type field.
        ("0013 00", 4096, "1/3 00"),
        ("0013 06", 4096, "1/3 06"),
        ("0013 ff", 4096, "1/3 ff"),
        // RFC 8654 §4: UPDATE, NOTIFICATION and ROUTE-REFRESH grow, OPEN and KEEPALIVE do not.
        ("1001 02", 65535, "more"),
        ("ffff 02", 65535, "more"),
        ("ffff 03", 65535, "more"),
        ("ffff 05", 65535, "more"),
        ("1001 01", 65535, "1/2 1001"),
        ("1000 01", 65535, "more"),
        ("1001 04", 65535, "1/2 1001"),
    ];
    for (bytes, max_len, want) in table {
        let stream = hex(&format!("{MARKER}{bytes}"));
        let got = match frame(&stream, max_len) {
            Ok(None) => "more".to_owned(),
            Ok(Some(f)) => format!("{} {}", f.kind, f.message.len()),
            Err(n) => summary(&n),
        };
        assert_eq!(got, want, "{bytes} with {max_len}");
    }
}

#[test]
fn wrong_marker_is_found_at_once() {
    // RFC 4271 §6.1: Connection Not Synchronized, no data.
    for wrong in ["fe", "ffff00", "ffffffff ffffffff ffffffff fffffffe 0013 04"] {
        assert_eq!(summary(&frame(&hex(wrong), 4096).unwrap_err()), "1/1", "{wrong}");
    }
    assert_eq!(frame(&[], 4096), Ok(None));
    assert_eq!(frame(&[0xff; 16], 4096), Ok(None));
}

#[test]
fn open_errors_rfc_4271_section_6_2() {
    let table = [
        ("04 fde9 00b4 c0000201 00", "ok"),
        ("04 fde9 0000 c0000201 00", "ok"),
        ("04 fde9 0003 c0000201 00", "ok"),
        // Unsupported Version Number: data is the largest supported one.
        ("03 fde9 00b4 c0000201 00", "2/1 0004"),
        ("05 fde9 00b4 c0000201 00", "2/1 0004"),
        // Bad BGP Identifier (RFC 6286 §2.1 left only 0).
        ("04 fde9 00b4 00000000 00", "2/3"),
        // Unacceptable Hold Time.
        ("04 fde9 0001 c0000201 00", "2/6"),
        ("04 fde9 0002 c0000201 00", "2/6"),
        // Malformed: unspecific.
        ("04 fde9 00b4 c0000201", "2/0"),
        ("04 fde9 00b4 c0000201 01", "2/0"),
        ("04 fde9 00b4 c0000201 00 00", "2/0"),
        ("04 fde9 00b4 c0000201 02 0200", "ok"),
        ("04 fde9 00b4 c0000201 02 0201", "2/0"),
        ("04 fde9 00b4 c0000201 01 02", "2/0"),
        // A capability that runs out of its parameter.
        ("04 fde9 00b4 c0000201 03 0201 02", "2/0"),
        ("04 fde9 00b4 c0000201 04 0202 0201", "2/0"),
        // An unknown parameter is kept for the session, which answers 2/4.
        ("04 fde9 00b4 c0000201 03 0101 00", "unsupported parameter 1"),
        // RFC 9072 §2: extended.
        ("04 fde9 00b4 c0000201 ff ff 0000", "ok"),
        ("04 fde9 00b4 c0000201 01 ff 0005 02 0002 0200", "ok"),
        ("04 fde9 00b4 c0000201 ff ff 0005 02 0003 0200", "2/0"),
        ("04 fde9 00b4 c0000201 ff ff 0006 02 0002 0200", "2/0"),
        ("04 fde9 00b4 c0000201 ff ff", "2/0"),
        // RFC 9072 §3: 255 in any other place is an unknown parameter.
        ("04 fde9 00b4 c0000201 04 0200 ff00", "unsupported parameter 255"),
    ];
    for (body, want) in table {
        let got = match Open::parse(&hex(body)) {
            Err(n) => summary(&n),
            Ok(open) => match open.unsupported_parameter() {
                Some(OptionalParameter::Unknown { kind, .. }) => format!("unsupported parameter {kind}"),
                _ => "ok".to_owned(),
            },
        };
        assert_eq!(got, want, "{body}");
    }
}

#[test]
fn malformed_capabilities_are_kept() {
    // code, value
    for (code, value) in [
        (1, "000100"),
        (1, "0001000101"),
        (2, "00"),
        (5, "00010001"),
        (6, "00"),
        (9, ""),
        (9, "05"),
        (9, "0000"),
        (64, "00"),
        (64, "0078000101"),
        (65, "0000fd"),
        (69, "000101"),
        (70, "00"),
        (71, "00010180"),
        (73, "05"),
        (75, "02ff fe"),
    ] {
        let value = hex(value);
        let capability = Capability::parse(code, &value);
        assert!(capability.is_malformed(), "{capability:?}");
        assert_eq!(capability.code(), code);
        let mut out = Vec::new();
        capability.emit(&mut out);
        assert_eq!(out[2..], value);
    }
    assert!(!Capability::parse(200, &[1, 2]).is_malformed());
}

#[test]
fn update_errors_that_reset_the_session() {
    // RFC 4271 §6.3, RFC 7606 §3 b: Malformed Attribute List.
    for body in ["", "00", "0000", "0000 00", "0001", "0001 0000", "0000 0001", "0004 0000 0000", "ffff 0000"]
    {
        assert_eq!(summary(&Update::new_checked(&hex(body)).unwrap_err()), "3/1", "{body}");
    }
    let body = hex("0004 180a0000 0003 c06300 08 0a");
    let update = Update::new_checked(&body).unwrap();
    assert_eq!(update.withdrawn_routes, hex("180a0000"));
    assert_eq!(update.path_attributes, hex("c06300"));
    assert_eq!(update.nlri, hex("080a"));
}

#[test]
fn end_of_rib_rfc_4724_section_2() {
    let table = [
        ("0000 0000", Some(Family::IPV4_UNICAST)),
        ("0000 0006 800f03 000201", Some(Family::IPV6_UNICAST)),
        ("0000 0007 900f0003 000201", Some(Family::IPV6_UNICAST)),
        ("0000 0007 800f04 000201 00", None),
        ("0001 00 0000", None),
        ("0000 0000 00", None),
        ("0000 0009 800f03 000201 c06300", None),
        ("0000 0003 c06300", None),
    ];
    for (body, want) in table {
        let body = hex(body);
        assert_eq!(Update::new_checked(&body).unwrap().end_of_rib(), want, "{body:02x?}");
    }
}

#[test]
fn nlri_errors_rfc_7606_section_5_3() {
    let v4 = |field: &str| -> Vec<String> {
        ipv4_prefixes(&hex(field)).map(|p| p.map_or_else(|f| f.to_string(), |p| p.to_string())).collect()
    };
    assert_eq!(v4("00 08 0a 17 c00002"), ["0.0.0.0/0", "10.0.0.0/8", "192.0.2.0/23"]);
    // Trailing bits are irrelevant (RFC 4271 §4.3).
    assert_eq!(v4("04 ff"), ["240.0.0.0/4"]);
    assert_eq!(
        v4("08 0a 21 00000000 00"),
        ["10.0.0.0/8", "prefix length 33 is too long (at octet 2 of the field)"]
    );
    assert_eq!(v4("18 0a00"), ["prefix of length 24 runs beyond the field (at octet 0 of the field)"]);
    let field = hex("81 00");
    let faults: Vec<_> = ipv6_prefixes(&field).collect();
    assert_eq!(faults, [Err(NlriFault { offset: 0, what: NlriFaultKind::TooLong { len: 129 } })]);
    // RFC 4271 §6.3: Invalid Network Field.
    assert_eq!(summary(&faults[0].unwrap_err().to_notification()), "3/10");
}

#[test]
fn route_refresh_errors_rfc_7313_section_5() {
    // Data is the whole message.
    for body in ["", "000100", "0001000100"] {
        let got = summary(&RouteRefresh::parse(&hex(body)).unwrap_err());
        let want = format!("7/1 {}{:04x}05{body}", "ff".repeat(16), 19 + body.len() / 2);
        assert_eq!(got, want);
    }
}

#[test]
fn notifications_in_words() {
    let table = [
        (Notification::new(ErrorCode::BAD_PEER_AS), "2/2 Bad Peer AS"),
        (Notification { code: 2, subcode: 99, data: vec![] }, "2/99 OPEN Message Error (subcode 99)"),
        (Notification { code: 99, subcode: 1, data: vec![] }, "99/1 unknown error"),
        // RFC 9003 §2.
        (
            Notification::with_communication(ErrorCode::ADMINISTRATIVE_SHUTDOWN, "back\nat noon"),
            "6/2 Administrative Shutdown: \"back\\nat noon\"",
        ),
        (Notification::with_communication(ErrorCode::ADMINISTRATIVE_RESET, ""), "6/4 Administrative Reset"),
        (Notification { code: 6, subcode: 2, data: vec![3, b'a'] }, "6/2 Administrative Shutdown"),
        (Notification { code: 6, subcode: 2, data: vec![1, 0xff] }, "6/2 Administrative Shutdown"),
        // RFC 8538 §3.1.
        (
            Notification::hard_reset(&Notification::with_communication(
                ErrorCode::ADMINISTRATIVE_SHUTDOWN,
                "bye",
            )),
            "6/9 Hard Reset for 6/2 Administrative Shutdown: \"bye\"",
        ),
    ];
    for (notification, want) in table {
        assert_eq!(notification.to_string(), want);
    }
    // 255 octets at most, cut between characters.
    let long = Notification::with_communication(ErrorCode::ADMINISTRATIVE_SHUTDOWN, &"é".repeat(200));
    assert_eq!(long.communication().map(str::len), Some(254));
    for code in ErrorCode::ALL {
        assert_eq!(Notification::new(*code).name(), code.known_name().unwrap());
    }
    assert_eq!(ErrorCode::ALL.len(), 42);
}
