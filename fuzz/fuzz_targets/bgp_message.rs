//! A stream of BGP messages: framing, every parser, and what parses is written and read back the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use trunkline_wire::bgp::{
    self, Frame, MAX_EXTENDED_MESSAGE_LEN, MAX_MESSAGE_LEN, MessageType, Notification, Open, RouteRefresh,
    Update,
};

fuzz_target!(|data: &[u8]| {
    // As a stream.
    for max_len in [MAX_MESSAGE_LEN, MAX_EXTENDED_MESSAGE_LEN] {
        let mut stream = data;
        while let Ok(Some(frame)) = bgp::frame(stream, max_len) {
            assert!(frame.message.len() >= bgp::HEADER_LEN && frame.message.len() <= max_len);
            message(&frame);
            stream = &stream[frame.message.len()..];
        }
    }
    // As one body, so that the fuzzer need not guess the marker.
    if let Some((kind, body)) = data.split_first()
        && let Some(kind) = MessageType::from_code(kind % 6)
    {
        message(&Frame { kind, message: data, body });
    }
});

fn message(frame: &Frame<'_>) {
    match frame.kind {
        MessageType::Open => open(frame.body),
        MessageType::Update => update(frame.body),
        MessageType::Notification => {
            if let Ok(n) = Notification::parse(frame.body) {
                let _ = (n.to_string(), n.name(), n.communication(), n.encapsulated());
                let mut out = Vec::new();
                n.emit(&mut out);
                if frame.body.len() <= MAX_MESSAGE_LEN - bgp::HEADER_LEN {
                    assert_eq!(Notification::parse(body(&out)), Ok(n));
                }
            }
        }
        MessageType::Keepalive => {}
        MessageType::RouteRefresh => {
            if let Ok(r) = RouteRefresh::parse(frame.body) {
                let _ = r.to_string();
                let mut out = Vec::new();
                r.emit(&mut out);
                assert_eq!(RouteRefresh::parse(body(&out)), Ok(r));
            }
        }
    }
}

fn open(bytes: &[u8]) {
    let Ok(open) = Open::parse(bytes) else { return };
    for capability in open.capabilities() {
        let _ = (capability.to_string(), capability.is_malformed());
    }
    if bytes.len() > MAX_MESSAGE_LEN - bgp::HEADER_LEN {
        return;
    }
    for emit in [Open::emit, Open::emit_extended] {
        let mut out = Vec::new();
        emit(&open, &mut out);
        assert_eq!(Open::parse(body(&out)), Ok(open.clone()));
    }
}

fn update(bytes: &[u8]) {
    let Ok(update) = Update::new_checked(bytes) else { return };
    let _ = update.end_of_rib();
    for field in [update.withdrawn_routes, update.nlri, update.path_attributes] {
        let good: Vec<_> = bgp::ipv4_prefixes(field).map_while(Result::ok).collect();
        let mut out = Vec::new();
        good.iter().for_each(|p| bgp::emit_ipv4_prefix(*p, &mut out));
        let again: Vec<_> = bgp::ipv4_prefixes(&out).map_while(Result::ok).collect();
        assert_eq!(good, again);

        let good: Vec<_> = bgp::ipv6_prefixes(field).map_while(Result::ok).collect();
        let mut out = Vec::new();
        good.iter().for_each(|p| bgp::emit_ipv6_prefix(*p, &mut out));
        let again: Vec<_> = bgp::ipv6_prefixes(&out).map_while(Result::ok).collect();
        assert_eq!(good, again);
    }
    assert!(bgp::raw_attributes(update.path_attributes).filter(Result::is_err).count() <= 1);
}

/// The body of the one whole message that `out` must be.
fn body(out: &[u8]) -> &[u8] {
    let frame = bgp::frame(out, MAX_MESSAGE_LEN).expect("a good header").expect("a whole message");
    assert_eq!(frame.message.len(), out.len());
    frame.body
}
