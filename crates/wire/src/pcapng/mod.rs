//! Files of captured packets: pcapng (draft-ietf-opsawg-pcapng) written and read, the older pcap
//! (draft-ietf-opsawg-pcap) read.

mod decoder;
mod reader;
mod writer;

pub use decoder::{CapturedInterface, Decoder, MAX_RECORD, Packet, Record};
pub use reader::Reader;
pub use writer::{Interface, Writer};

/// The link type of Ethernet frames.
pub const LINKTYPE_ETHERNET: u16 = 1;

const SECTION_HEADER: u32 = 0x0a0d_0d0a;
const INTERFACE_DESCRIPTION: u32 = 1;
const OBSOLETE_PACKET: u32 = 2;
const SIMPLE_PACKET: u32 = 3;
const INTERFACE_STATISTICS: u32 = 5;
const ENHANCED_PACKET: u32 = 6;
const BYTE_ORDER_MAGIC: u32 = 0x1a2b_3c4d;

const OPT_END_OF_OPT: u16 = 0;
const OPT_COMMENT: u16 = 1;
const IF_NAME: u16 = 2;
const IF_DESCRIPTION: u16 = 3;
const IF_TSRESOL: u16 = 9;
const IF_TSOFFSET: u16 = 14;
const ISB_IFDROP: u16 = 5;
