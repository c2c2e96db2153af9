//! Cutting a packet into fragments (RFC 791 §3.2).

use trunkline_core::Frame;
use trunkline_wire::ipv4::Header;

use crate::HEADROOM;

/// Gives the fragments of a packet, each at most `mtu` octets, 68 or more; the packet may be a fragment itself.
pub(crate) fn fragments(header: &Header, payload: &[u8], mtu: u16, mut give: impl FnMut(Frame)) {
    let mut header = *header;
    let last_has_more = header.more_fragments;
    let mut rest = payload;
    while !rest.is_empty() {
        let room = usize::from(mtu).saturating_sub(header.header_len());
        let len = if rest.len() <= room { rest.len() } else { (room & !7).max(8).min(rest.len()) };
        let (part, after) = rest.split_at(len);
        rest = after;
        header.more_fragments = last_has_more || !rest.is_empty();
        let mut packet = Vec::with_capacity(HEADROOM + header.header_len() + len);
        packet.resize(HEADROOM, 0);
        header.emit(len, &mut packet);
        packet.extend_from_slice(part);
        give(Frame::from(packet));
        // At most 65,535 octets in all, so no wrap.
        header.fragment_offset = header.fragment_offset.wrapping_add(len as u16);
        header.options = header.options.copied_on_fragmentation();
    }
}
