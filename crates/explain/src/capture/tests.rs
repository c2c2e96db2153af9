//! Captures of every kind, whole, cut short and damaged, in pieces of any size.

use super::*;
use proptest::collection::vec;
use proptest::prelude::*;
use trunkline_core::MacAddr;
use trunkline_wire::ethernet::EtherType;
use trunkline_wire::malformed::Reason;
use trunkline_wire::pcapng::{Interface, MAX_RECORD, Writer};

/// Gives its octets in pieces of at most so many.
struct Pieces<'a>(&'a [u8], usize);

impl Read for Pieces<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let len = buffer.len().min(self.1);
        self.0.read(&mut buffer[..len])
    }
}

/// Time, octets, original length.
type Frame = (u64, Vec<u8>, u32);

/// What a capture gives: frames, and how it ended.
fn read(file: &[u8], piece: usize) -> (Vec<Frame>, Option<CaptureError>) {
    let mut capture = Capture::new(Pieces(file, piece));
    let mut frames = Vec::new();
    loop {
        match capture.next_frame() {
            Ok(Some(frame)) => {
                assert_eq!(frame.number, frames.len() as u64 + 1);
                frames.push((frame.nanos, frame.octets.to_vec(), frame.original_length));
            }
            Ok(None) => return (frames, None),
            Err(error) => return (frames, Some(error)),
        }
    }
}

fn pcapng(frames: &[(u64, Vec<u8>)]) -> Vec<u8> {
    let interfaces = ["a", "b"].map(|name| Interface { name: name.into(), description: String::new() });
    let mut writer = Writer::new(Vec::new(), &interfaces).unwrap();
    for (number, (nanos, frame)) in frames.iter().enumerate() {
        writer.packet(number as u32 % 2, *nanos, frame, None).unwrap();
    }
    writer.into_inner()
}

/// A pcap file, times in nanoseconds; each frame was one octet longer than what was captured of it.
fn pcap(frames: &[(u64, Vec<u8>)], big_endian: bool) -> Vec<u8> {
    let order = if big_endian { u32::to_be_bytes } else { u32::to_le_bytes };
    let mut file: Vec<u8> = [0xa1b2_3c4d, 0, 0, 0, 65_535, 1].into_iter().flat_map(order).collect();
    for (nanos, frame) in frames {
        let length = frame.len() as u32;
        let head = [(nanos / 1_000_000_000) as u32, (nanos % 1_000_000_000) as u32, length, length + 1];
        file.extend(head.into_iter().flat_map(order));
        file.extend_from_slice(frame);
    }
    file
}

proptest! {
    #[test]
    fn what_was_written_is_read_in_pieces_of_any_size(
        frames in vec((0..4_000_000_000_000_000_000u64, vec(any::<u8>(), 0..99)), 1..20),
        piece in 1usize..300,
        big_endian: bool,
    ) {
        let expected: Vec<_> = frames.iter().map(|(n, f)| (*n, f.clone(), f.len() as u32)).collect();
        let (got, error) = read(&pcapng(&frames), piece);
        prop_assert!(error.is_none());
        prop_assert_eq!(got, expected);
        let expected: Vec<_> = frames.iter().map(|(n, f)| (*n, f.clone(), f.len() as u32 + 1)).collect();
        let (got, error) = read(&pcap(&frames, big_endian), piece);
        prop_assert!(error.is_none());
        prop_assert_eq!(got, expected);
    }

    #[test]
    fn a_capture_that_is_cut_short_is_read_as_far_as_it_goes(
        frames in vec((0..1u64 << 40, vec(any::<u8>(), 0..40)), 1..9),
        end: prop::sample::Index,
        piece in 1usize..99,
    ) {
        for whole in [pcapng(&frames), pcap(&frames, false)] {
            let (all, _) = read(&whole, 1 << 20);
            let end = end.index(whole.len() - 1) + 1;
            let (got, error) = read(&whole[..end], piece);
            prop_assert_eq!(&got[..], &all[..got.len()]);
            match error {
                // Between two records: nobody can know.
                None => prop_assert!(got.len() < all.len()),
                Some(CaptureError::Truncated { offset, has }) => prop_assert_eq!(offset + has as u64, end as u64),
                Some(other) => prop_assert!(false, "{other}"),
            }
        }
    }

    #[test]
    fn nothing_makes_it_panic_or_grow(
        damage in vec((any::<prop::sample::Index>(), any::<u8>()), 0..9),
        noise in vec(any::<u8>(), 0..99),
    ) {
        let frames = vec![(7, vec![1; 60]), (8, vec![2; 60])];
        for mut file in [pcapng(&frames), pcap(&frames, true), noise] {
            for (at, value) in &damage {
                if !file.is_empty() {
                    let at = at.index(file.len());
                    file[at] = *value;
                }
            }
            let mut capture = Capture::new(&file[..]);
            while let Ok(Some(frame)) = capture.next_frame() {
                let _ = peel(frame.link, frame.octets);
            }
            prop_assert!(capture.buffer.len() <= MAX_RECORD + CHUNK);
        }
    }

    #[test]
    fn no_frame_of_any_link_makes_it_panic(number in 0u16..300, octets in vec(any::<u8>(), 0..60)) {
        if let Ok(framing) = peel(Link::from_number(number), &octets) {
            prop_assert!(framing.offset + framing.payload.len() <= octets.len());
        }
    }
}

#[test]
fn what_is_no_capture_says_so() {
    for (file, words) in [
        (&b""[..], "empty"),
        (b"GET / HTTP/1.1", "no capture"),
        (b"\x0a\x0d", "octet 0 has only 2"),
        (&[0x0a, 0x0d, 0x0d, 0x0a, 28, 0, 0, 0, 9, 9, 9, 9], "octet 0 on: pcapng byte-order magic"),
    ] {
        let (frames, error) = read(file, 3);
        let error = error.unwrap().to_string();
        assert!(frames.is_empty() && error.contains(words), "{error}");
    }
    // A record whose length cannot be: where it is, is said.
    let mut file = pcap(&[(1, vec![0; 4])], false);
    file[24 + 8..24 + 12].fill(0xff);
    assert!(read(&file, 9).1.unwrap().to_string().contains("octet 24"), "{:?}", read(&file, 9).1);
}

#[test]
fn memory_does_not_grow_with_the_capture() {
    let file = pcap(&vec![(1, vec![0; 1000]); 2000], false);
    let mut capture = Capture::new(&file[..]);
    while capture.next_frame().unwrap().is_some() {}
    assert_eq!((capture.frames(), capture.buffer.len()), (2000, CHUNK));
    // One that is larger than what is read at once makes room for itself.
    let file = pcap(&[(1, vec![7; CHUNK * 2])], false);
    assert_eq!(read(&file, 4096).0[0].1.len(), CHUNK * 2);
}

#[test]
fn frames_of_every_link() {
    let packet = [0x45, 0, 0, 20];
    let address = [2, 0, 0, 0, 0, 1];
    let sll = [&[0, 0, 0, 1, 0, 6][..], &address, &[0, 0, 8, 0], &packet].concat();
    let sll2 = [&[8, 0, 0, 0, 0, 0, 0, 2, 0, 1, 0, 6][..], &address, &[0, 0], &packet].concat();
    let loopback = [&[2, 0, 0, 0][..], &packet].concat();
    let openbsd = [&[0, 0, 0, 2][..], &packet].concat();
    let ethernet = [&[9; 6][..], &address, &[8, 0], &packet].concat();
    let tagged = [&[9; 6][..], &address, &[0x88, 0xa8, 0, 7, 0x81, 0, 0xa1, 0x23, 8, 0], &packet].concat();
    for (number, octets, offset, source) in [
        (113, &sll, 16, true),
        (276, &sll2, 20, true),
        (0, &loopback, 4, false),
        (108, &openbsd, 4, false),
        (101, &packet.to_vec(), 0, false),
        (1, &ethernet, 14, true),
        (1, &tagged, 22, true),
    ] {
        let framing = peel(Link::from_number(number), octets).unwrap();
        assert_eq!(framing.content, Content::Type(EtherType::IPV4), "{number}");
        assert_eq!((framing.payload, framing.offset), (&packet[..], offset));
        assert_eq!(framing.source, source.then_some(MacAddr(address)));
        for end in 0..offset {
            let cut = peel(Link::from_number(number), &octets[..end]);
            assert!(cut.is_err_and(|e| e.reason == Reason::Truncated), "{number} {end}");
        }
    }
    let framing = peel(Link::Ethernet, &tagged).unwrap();
    assert_eq!((framing.tags, framing.tag.map(|tag| tag.vlan)), (2, Some(7)));
    // A BPDU: 802.3 on Ethernet, in a cooked capture, and with a length that cuts the padding.
    let bpdu = [&[9; 6][..], &address, &[0, 3, 0x42, 0x42, 3, 0, 0, 0]].concat();
    let framing = peel(Link::Ethernet, &bpdu).unwrap();
    assert_eq!((framing.content, framing.payload.len()), (Content::Llc, 3));
    let mut cooked = sll.clone();
    cooked[14..16].copy_from_slice(&[0, 4]);
    assert_eq!(peel(Link::LinuxCooked, &cooked).unwrap().content, Content::Llc);
    assert_eq!(peel(Link::Raw, &[0x60; 40]).unwrap().content, Content::Type(EtherType::IPV6));
    assert_eq!(peel(Link::Unknown(147), &[1]).unwrap().content, Content::Unknown);
    let wrong = [&[9; 12][..], &[0x05, 0xee]].concat();
    assert_eq!(peel(Link::Ethernet, &wrong).unwrap_err().reason, Reason::Value);
}
