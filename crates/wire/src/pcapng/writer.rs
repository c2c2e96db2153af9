//! Writes pcapng: one section, one description for each interface, then packets with times in nanoseconds.

use std::io;

use super::{
    BYTE_ORDER_MAGIC, ENHANCED_PACKET, IF_DESCRIPTION, IF_NAME, IF_TSRESOL, INTERFACE_DESCRIPTION,
    LINKTYPE_ETHERNET, OPT_COMMENT, OPT_END_OF_OPT, SECTION_HEADER,
};

/// An interface at which packets are captured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interface {
    /// Its name, shown for every packet.
    pub name: String,
    /// More about it; left out where empty.
    pub description: String,
}

/// Writes a capture of Ethernet frames, little-endian.
#[derive(Debug)]
pub struct Writer<W: io::Write> {
    inner: W,
    block: Vec<u8>,
    interfaces: u32,
}

impl<W: io::Write> Writer<W> {
    /// Begins a capture. The interfaces are numbered from 0 in their order.
    pub fn new(inner: W, interfaces: &[Interface]) -> io::Result<Writer<W>> {
        let mut writer = Writer { inner, block: Vec::new(), interfaces: 0 };
        writer.begin(SECTION_HEADER);
        writer.u32(BYTE_ORDER_MAGIC);
        writer.block.extend_from_slice(&[1, 0, 0, 0]);
        // The section's length is not known.
        writer.block.extend_from_slice(&(-1i64).to_le_bytes());
        writer.end()?;
        for interface in interfaces {
            writer.interface(interface)?;
        }
        Ok(writer)
    }

    /// Adds an interface; gives its number.
    pub fn interface(&mut self, interface: &Interface) -> io::Result<u32> {
        self.begin(INTERFACE_DESCRIPTION);
        self.block.extend_from_slice(&LINKTYPE_ETHERNET.to_le_bytes());
        self.block.extend_from_slice(&[0; 2]);
        // No limit to the length of a packet.
        self.u32(0);
        self.text(IF_NAME, &interface.name);
        if !interface.description.is_empty() {
            self.text(IF_DESCRIPTION, &interface.description);
        }
        self.option(IF_TSRESOL, &[9]);
        self.option(OPT_END_OF_OPT, &[]);
        self.end()?;
        self.interfaces += 1;
        Ok(self.interfaces - 1)
    }

    /// Writes a packet seen at an interface, `nanos` nanoseconds after 1970.
    pub fn packet(
        &mut self,
        interface: u32,
        nanos: u64,
        frame: &[u8],
        comment: Option<&str>,
    ) -> io::Result<()> {
        if interface >= self.interfaces {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, format!("no interface {interface}")));
        }
        let Ok(length) = u32::try_from(frame.len()) else {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "a frame of more than 4 GiB"));
        };
        self.begin(ENHANCED_PACKET);
        self.u32(interface);
        self.u32((nanos >> 32) as u32);
        self.u32(nanos as u32);
        self.u32(length);
        self.u32(length);
        self.block.extend_from_slice(frame);
        self.pad();
        if let Some(comment) = comment {
            self.text(OPT_COMMENT, comment);
            self.option(OPT_END_OF_OPT, &[]);
        }
        self.end()
    }

    /// Writes out what the writer underneath holds back.
    pub fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }

    /// The writer underneath.
    pub fn into_inner(self) -> W {
        self.inner
    }

    fn begin(&mut self, block_type: u32) {
        self.block.clear();
        self.u32(block_type);
        self.u32(0);
    }

    fn u32(&mut self, value: u32) {
        self.block.extend_from_slice(&value.to_le_bytes());
    }

    fn pad(&mut self) {
        self.block.resize(self.block.len().next_multiple_of(4), 0);
    }

    fn text(&mut self, code: u16, text: &str) {
        let end = text.floor_char_boundary(usize::from(u16::MAX));
        self.option(code, text.get(..end).unwrap_or_default().as_bytes());
    }

    fn option(&mut self, code: u16, value: &[u8]) {
        self.block.extend_from_slice(&code.to_le_bytes());
        self.block.extend_from_slice(&(value.len() as u16).to_le_bytes());
        self.block.extend_from_slice(value);
        self.pad();
    }

    fn end(&mut self) -> io::Result<()> {
        let total = self.block.len() as u32 + 4;
        self.u32(total);
        if let Some(place) = self.block.get_mut(4..8) {
            place.copy_from_slice(&total.to_le_bytes());
        }
        self.inner.write_all(&self.block)
    }
}
