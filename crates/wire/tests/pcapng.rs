//! Captures that others wrote: both byte orders, other resolutions, simple packets, several sections, and pcap.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test")]

use trunkline_wire::Malformed;
use trunkline_wire::malformed::Reason;
use trunkline_wire::pcapng::{
    Decoder, Interface, LINKTYPE_ETHERNET, MAX_RECORD, Packet, Reader, Record, Writer,
};

/// Puts fields together, in one byte order.
struct File {
    octets: Vec<u8>,
    big_endian: bool,
}

impl File {
    fn new(big_endian: bool) -> File {
        File { octets: Vec::new(), big_endian }
    }

    fn u16s(&self, values: &[u16]) -> Vec<u8> {
        let order = if self.big_endian { u16::to_be_bytes } else { u16::to_le_bytes };
        values.iter().flat_map(|&value| order(value)).collect()
    }

    fn u32s(&self, values: &[u32]) -> Vec<u8> {
        let order = if self.big_endian { u32::to_be_bytes } else { u32::to_le_bytes };
        values.iter().flat_map(|&value| order(value)).collect()
    }

    fn block(&mut self, block_type: u32, body: &[&[u8]]) {
        let mut body = body.concat();
        body.resize(body.len().next_multiple_of(4), 0);
        let total = body.len() as u32 + 12;
        let start = self.u32s(&[block_type, total]);
        let end = self.u32s(&[total]);
        self.octets.extend([start, body, end].concat());
    }

    fn section(&mut self) {
        let start = self.u32s(&[0x1a2b_3c4d]);
        let version = self.u16s(&[1, 0]);
        self.block(0x0a0d_0d0a, &[&start, &version, &[0xff; 8]]);
    }

    fn interface(&mut self, snap_len: u32, options: &[u8]) {
        let link_type = self.u16s(&[LINKTYPE_ETHERNET, 0]);
        let snap_len = self.u32s(&[snap_len]);
        self.block(1, &[&link_type, &snap_len, options]);
    }

    fn enhanced(&mut self, interface: u32, timestamp: u64, frame: &[u8]) {
        let length = frame.len() as u32;
        let start = self.u32s(&[interface, (timestamp >> 32) as u32, timestamp as u32, length, length + 1]);
        self.block(6, &[&start, frame]);
    }

    fn read(&self) -> Vec<Result<Packet<'_>, Malformed>> {
        Reader::new(&self.octets).unwrap().collect()
    }
}

#[test]
fn what_the_writer_writes_octet_by_octet() {
    // draft-ietf-opsawg-pcapng §4.1, §4.2, §4.3
    let interface = Interface { name: "r1".into(), description: String::new() };
    let mut writer = Writer::new(Vec::new(), &[interface]).unwrap();
    let start = writer.packet(0, 0x1_0000_0002, &[9; 5], Some("hi")).map(|()| writer.into_inner()).unwrap();
    #[rustfmt::skip]
    let expected = [
        0x0a, 0x0d, 0x0d, 0x0a, 28, 0, 0, 0, 0x4d, 0x3c, 0x2b, 0x1a, 1, 0, 0, 0,
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 28, 0, 0, 0,
        1, 0, 0, 0, 40, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0,
        2, 0, 2, 0, b'r', b'1', 0, 0, 9, 0, 1, 0, 9, 0, 0, 0, 0, 0, 0, 0, 40, 0, 0, 0,
        6, 0, 0, 0, 52, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 5, 0, 0, 0, 5, 0, 0, 0,
        9, 9, 9, 9, 9, 0, 0, 0, 1, 0, 2, 0, b'h', b'i', 0, 0, 0, 0, 0, 0, 52, 0, 0, 0,
    ];
    assert_eq!(start, expected);
}

#[test]
fn a_writer_knows_its_interfaces() {
    let mut writer = Writer::new(Vec::new(), &[]).unwrap();
    assert!(writer.packet(0, 0, &[], None).is_err());
    let interface = Interface { name: "late".into(), description: "added later".into() };
    assert_eq!(writer.interface(&interface).unwrap(), 0);
    writer.packet(0, 0, &[], None).unwrap();
    writer.flush().unwrap();
    let file = writer.into_inner();
    let mut reader = Reader::new(&file).unwrap();
    assert_eq!(reader.by_ref().count(), 1);
    assert_eq!(reader.interfaces()[0].description, "added later");
    assert_eq!(reader.interfaces()[0].link_type, LINKTYPE_ETHERNET);
}

#[test]
fn both_byte_orders_and_every_resolution() {
    for big_endian in [false, true] {
        let mut file = File::new(big_endian);
        file.section();
        file.interface(0, &[]);
        let resolution = |value: u8| [file.u16s(&[9, 1]), vec![value, 0, 0, 0]].concat();
        // if_tsresol: milliseconds, 2^-10 seconds, picoseconds, nothing that can be
        let resolutions = [3, 0x8a, 12, 0x7f].map(resolution);
        let offset = [
            file.u16s(&[14, 8]),
            if big_endian { 10i64.to_be_bytes() } else { 10i64.to_le_bytes() }.to_vec(),
        ];
        for option in &resolutions {
            file.interface(0, option);
        }
        file.interface(0, &offset.concat());
        for (interface, timestamp) in [(0, 1_000_001), (1, 1_001), (2, 1536), (3, 5_000), (4, 7), (5, 1)] {
            file.enhanced(interface, timestamp, &[1, 2, 3]);
        }
        let nanos: Vec<u64> = file.read().into_iter().map(|packet| packet.unwrap().nanos).collect();
        assert_eq!(nanos, [1_000_001_000, 1_001_000_000, 1_500_000_000, 5, 0, 10_000_001_000]);
        let packet = file.read()[0].unwrap();
        assert_eq!((packet.frame, packet.original_length, packet.comment), (&[1, 2, 3][..], 4, None));
    }
}

#[test]
fn simple_packets_end_at_the_snap_length() {
    // draft-ietf-opsawg-pcapng §4.4
    let mut file = File::new(true);
    file.section();
    file.interface(3, &[]);
    for len in [2u32, 5] {
        let start = file.u32s(&[len]);
        file.block(3, &[&start, &[7; 3][..len.min(3) as usize]]);
    }
    let lengths: Vec<_> =
        file.read().into_iter().map(|p| p.map(|p| (p.frame.len(), p.original_length))).collect();
    assert_eq!(lengths, [Ok((2, 2)), Ok((3, 5))]);
}

#[test]
fn each_section_has_its_interfaces_and_other_blocks_are_passed_over() {
    let mut file = File::new(false);
    file.section();
    file.interface(0, &[]);
    file.enhanced(0, 1, &[]);
    file.big_endian = true;
    file.section();
    file.block(0x0bad, &[&[1, 2, 3, 4]]);
    file.interface(0, &[]);
    file.enhanced(0, 2, &[]);
    let read: Vec<_> = file.read().into_iter().map(|p| p.map(|p| (p.interface, p.nanos))).collect();
    assert_eq!(read, [Ok((0, 1000)), Ok((1, 2000))]);
    // The first section's interface is not one of the second.
    file.enhanced(1, 3, &[]);
    assert_eq!(file.read()[2].unwrap_err().field, "pcapng interface ID");
}

#[test]
fn a_fault_ends_it() {
    let mut file = File::new(false);
    file.section();
    file.interface(0, &[]);
    file.enhanced(0, 1, &[1, 2, 3]);
    let whole = file.octets.len();
    file.enhanced(0, 2, &[4, 5, 6]);
    for end in whole + 1..file.octets.len() {
        let read: Vec<_> = Reader::new(&file.octets[..end]).unwrap().collect();
        assert_eq!(read.len(), 2);
        assert_eq!(read[1].unwrap_err().reason, Reason::Truncated);
    }
    file.octets[whole + 4] = 13;
    assert_eq!(file.read()[1].unwrap_err().reason, Reason::Length);
    assert_eq!(Reader::new(b"no capture").unwrap_err().reason, Reason::Value);
    assert_eq!(Reader::new(b"no").unwrap_err().reason, Reason::Truncated);
}

#[test]
fn pcap_of_both_byte_orders_and_resolutions() {
    // draft-ietf-opsawg-pcap §4, §5
    for big_endian in [false, true] {
        for (magic, nanos) in [(0xa1b2_c3d4, 5_000_007_000), (0xa1b2_3c4d, 5_000_000_007)] {
            let mut file = File::new(big_endian);
            let header = file.u32s(&[magic, 0, 0, 0, 65_535, 1]);
            let record = file.u32s(&[5, 7, 2, 60]);
            file.octets = [header, record, vec![8, 9]].concat();
            let mut reader = Reader::new(&file.octets).unwrap();
            let expected = Packet { interface: 0, nanos, frame: &[8, 9], original_length: 60, comment: None };
            assert_eq!(reader.next(), Some(Ok(expected)));
            assert_eq!(reader.next(), None);
            assert_eq!(reader.interfaces()[0].link_type, LINKTYPE_ETHERNET);
            let mut cut = Reader::new(&file.octets[..file.octets.len() - 1]).unwrap();
            assert_eq!(cut.next().unwrap().unwrap_err().reason, Reason::Truncated);
            assert_eq!(cut.next(), None);
            assert!(Reader::new(&file.octets[..23]).is_err());
        }
    }
}

#[test]
fn older_packet_blocks_and_drops_are_read() {
    // draft-ietf-opsawg-pcapng §4.6 and its appendix on obsolete blocks
    for big_endian in [false, true] {
        let mut file = File::new(big_endian);
        file.section();
        file.interface(0, &[]);
        let start = [file.u16s(&[0, 3]), file.u32s(&[0, 7, 2, 9])].concat();
        file.block(2, &[&start, &[5, 6]]);
        let dropped = if big_endian { 12u64.to_be_bytes() } else { 12u64.to_le_bytes() };
        let option = [file.u16s(&[5, 8]), dropped.to_vec(), file.u16s(&[0, 0])].concat();
        let start = file.u32s(&[0, 0, 0]);
        file.block(5, &[&start, &option]);
        let mut decoder = Decoder::default();
        let (mut rest, mut packets) = (&file.octets[..], Vec::new());
        while !rest.is_empty() {
            let Record::Whole { len, packet } = decoder.next(rest).unwrap() else { panic!("{rest:?}") };
            packets.extend(packet.map(|packet| (packet.nanos, packet.frame, packet.original_length)));
            rest = &rest[len..];
        }
        assert_eq!(packets, [(7000, &[5, 6][..], 9)]);
        assert_eq!(decoder.dropped(), 12);
    }
}

#[test]
fn a_decoder_says_how_much_more_it_needs() {
    let mut file = File::new(false);
    file.section();
    file.interface(0, &[]);
    file.enhanced(0, 1, &[1, 2, 3]);
    let pcap = [file.u32s(&[0xa1b2_c3d4, 0, 0, 0, 65_535, 1, 5, 7, 2, 60]), vec![8, 9]].concat();
    for octets in [file.octets, pcap] {
        let (mut decoder, mut at, mut have) = (Decoder::default(), 0, 0);
        while at < octets.len() {
            let known = decoder.has_whole(&octets[at..at + have]);
            match decoder.next(&octets[at..at + have]).unwrap() {
                Record::Needs { .. } if known => panic!("a record at {at} that is not whole"),
                Record::Whole { len, .. } => (at, have) = (at + len, 0),
                Record::Needs { len } => {
                    assert!(len > have, "{len} of {have} at {at}");
                    have = len;
                }
            }
        }
        assert_eq!(at, octets.len());
    }
    // Nobody reads a record without end.
    let endless = File::new(false).u32s(&[0xa1b2_c3d4, 0, 0, 0, 65_535, 1, 5, 7, MAX_RECORD as u32 + 1, 60]);
    let mut decoder = Decoder::default();
    assert!(matches!(decoder.next(&endless), Ok(Record::Whole { len: 24, packet: None })));
    assert_eq!(decoder.next(&endless[24..]).unwrap_err().reason, Reason::Length);
}
