//! Writes netlink messages: a header, attributes, attributes within attributes.

use super::socket::HEADER_LEN;

/// NLA_F_NESTED (linux/netlink.h).
const NESTED: u16 = 1 << 15;

/// A buffer of messages, and where the last of them begins.
#[derive(Debug, Default)]
pub(crate) struct Writer(Vec<u8>, usize);

impl Writer {
    /// What was written.
    pub(crate) fn octets(&self) -> &[u8] {
        &self.0
    }

    /// Sets more flags on the last message.
    pub(crate) fn set_flags(&mut self, flags: u16) {
        if let Some(octets) = self.0.get_mut(self.1 + 6..self.1 + 8) {
            octets.iter_mut().zip(flags.to_ne_bytes()).for_each(|(octet, flags)| *octet |= flags);
        }
    }

    /// Appends a message: `header` is what its family has between `nlmsghdr` and the attributes, which `fill` writes.
    pub(crate) fn message(
        &mut self,
        kind: u16,
        flags: u16,
        sequence: u32,
        header: &[u8],
        fill: impl FnOnce(&mut Writer),
    ) {
        let start = self.0.len();
        self.1 = start;
        self.0.extend_from_slice(&[0; 4]);
        self.0.extend_from_slice(&kind.to_ne_bytes());
        self.0.extend_from_slice(&flags.to_ne_bytes());
        self.0.extend_from_slice(&sequence.to_ne_bytes());
        self.0.extend_from_slice(&[0; 4]);
        debug_assert_eq!(self.0.len() - start, HEADER_LEN);
        self.0.extend_from_slice(header);
        fill(self);
        let len = (self.0.len() - start) as u32;
        self.0[start..start + 4].copy_from_slice(&len.to_ne_bytes());
    }

    /// An attribute that holds octets; at most 64 KiB.
    pub(crate) fn octets_of(&mut self, kind: u16, value: &[u8]) {
        self.nested_as(kind, |inner| inner.0.extend_from_slice(value));
    }

    /// A string with the NUL that ends it.
    pub(crate) fn text(&mut self, kind: u16, value: &str) {
        self.nested_as(kind, |inner| {
            inner.0.extend_from_slice(value.as_bytes());
            inner.0.push(0);
        });
    }

    /// A number in the machine's order, as rtnetlink has them.
    pub(crate) fn u32(&mut self, kind: u16, value: u32) {
        self.octets_of(kind, &value.to_ne_bytes());
    }

    /// A number in network order, as nf_tables has them.
    pub(crate) fn u32_be(&mut self, kind: u16, value: u32) {
        self.octets_of(kind, &value.to_be_bytes());
    }

    /// An attribute made of attributes.
    pub(crate) fn nested(&mut self, kind: u16, fill: impl FnOnce(&mut Writer)) {
        self.nested_as(kind | NESTED, fill);
    }

    fn nested_as(&mut self, kind: u16, fill: impl FnOnce(&mut Writer)) {
        let start = self.0.len();
        self.0.extend_from_slice(&[0; 2]);
        self.0.extend_from_slice(&kind.to_ne_bytes());
        fill(self);
        let len = (self.0.len() - start) as u16;
        self.0[start..start + 2].copy_from_slice(&len.to_ne_bytes());
        self.0.resize(self.0.len().next_multiple_of(4), 0);
    }
}

/// The attributes in `octets`: kind without its flags, and value.
pub(crate) fn attributes(mut octets: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let len = usize::from(super::socket::read_u16(octets, 0)?);
        let kind = super::socket::read_u16(octets, 2)? & 0x3fff;
        let value = octets.get(4..len)?;
        octets = octets.get(len.next_multiple_of(4)..).unwrap_or_default();
        Some((kind, value))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::netlink::socket::messages;

    #[test]
    fn what_is_written_can_be_read_back() {
        let mut writer = Writer::default();
        writer.message(16, 5, 7, &[1, 2, 3, 4], |w| {
            w.text(1, "br0");
            w.nested(2, |w| {
                w.u32_be(3, 9);
                w.octets_of(4, &[]);
            });
        });
        writer.message(17, 1, 8, &[], |_| {});
        let all: Vec<_> = messages(writer.octets()).collect();
        assert_eq!((all[0].kind, all[0].flags, all[0].sequence, all[1].kind), (16, 5, 7, 17));
        let (header, rest) = all[0].payload.split_at(4);
        assert_eq!(header, [1, 2, 3, 4]);
        let outer: Vec<_> = attributes(rest).collect();
        assert_eq!(outer[0], (1, &b"br0\0"[..]));
        let inner: Vec<_> = attributes(outer[1].1).collect();
        assert_eq!((outer[1].0, &inner[..]), (2, &[(3, &[0, 0, 0, 9][..]), (4, &[][..])][..]));
    }

    #[test]
    fn attributes_that_are_cut_off_end_the_list() {
        assert_eq!(attributes(&[9, 0, 1, 0, 1, 2]).count(), 0);
        assert_eq!(attributes(&[3, 0, 1, 0]).count(), 0);
    }
}
