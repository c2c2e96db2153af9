//! The vectors of RFC 9235, MD5 against a digest computed elsewhere, rollover, and what is refused.

use super::*;
use trunkline_wire::ipv4;

fn octets(text: &str) -> Vec<u8> {
    let digits: String = text.split_whitespace().collect();
    (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap()).collect()
}

/// A packet of RFC 9235, IPv4 header on.
struct Vector {
    algorithm: Algorithm,
    include_options: bool,
    /// The client's initial sequence number and the server's.
    isn: (u32, u32),
    packet: &'static str,
}

/// The client's key is 61, the server's 84; the master key is "testvector" (RFC 9235 §3.1).
fn keys(vector: &Vector, client: bool) -> Key {
    let (send_id, recv_id) = if client { (61, 84) } else { (84, 61) };
    let tuple = MasterKeyTuple {
        send_id,
        recv_id,
        algorithm: vector.algorithm,
        key: b"testvector".to_vec(),
        include_options: vector.include_options,
    };
    Key::Ao(AoKeys::new(vec![tuple], send_id).unwrap())
}

#[test]
fn vectors_of_rfc_9235() {
    for vector in VECTORS {
        let packet = octets(vector.packet);
        let (header, segment) = ipv4::Header::parse(&packet).unwrap();
        let fields = Fields::of(segment).unwrap();
        let client = header.source == Ipv4Addr::new(10, 11, 12, 13);
        let (ours, theirs) = if client { vector.isn } else { (vector.isn.1, vector.isn.0) };
        let (source, destination) = (header.source, header.destination);
        let unknown = fields.syn && !fields.ack;
        // The sender makes the same MAC.
        let irs = if unknown { None } else { Some(SeqNum(theirs)) };
        let context = Context { source, destination, iss: SeqNum(ours), irs };
        let mut again = segment.to_vec();
        let range = digest_range(segment).unwrap();
        again[range.clone()].fill(0);
        Signer::new(&keys(vector, client)).sign(&context, &mut again);
        assert_eq!(again[range], segment[digest_range(segment).unwrap()], "{}", vector.packet);
        // The receiver takes it, and not when an octet of it is another.
        let context = Context { source, destination, iss: SeqNum(theirs), irs: Some(SeqNum(ours)) };
        let mut receiver = Signer::new(&keys(vector, !client));
        assert_eq!(receiver.verify(&context, segment), Ok(()), "{}", vector.packet);
        for at in [4, 8, 13, 15, segment.len() - 1] {
            let mut forged = segment.to_vec();
            forged[at] ^= 1;
            assert_eq!(receiver.verify(&context, &forged), Err(AuthFailure::Mismatch), "octet {at}");
        }
        // A window scale that a middlebox changed matters only where options are signed.
        if fields.syn {
            let mut changed = segment.to_vec();
            changed[27] ^= 1;
            assert_eq!(receiver.verify(&context, &changed).is_err(), vector.include_options);
        }
    }
}

/// RFC 9235 §4.1, §4.2, §5.1: SHA-1 with options, SHA-1 without, AES-128 with.
const VECTORS: &[Vector] = &[
    Vector {
        algorithm: Algorithm::HmacSha1,
        include_options: true,
        isn: (0xfbfb_ab5a, 0x11c1_4261),
        packet: "45e0004c dd0f4000 ff06bf6b 0a0b0c0d ac1b1c1d e9d700b3 fbfbab5a 00000000 e002ffff cac40000
                 020405b4 01030308 0402080a 00155ab7 00000000 1d103d54 2ee437c6 f8ede6d7 c4d602e7",
    },
    Vector {
        algorithm: Algorithm::HmacSha1,
        include_options: true,
        isn: (0xfbfb_ab5a, 0x11c1_4261),
        packet: "45e0004c 65064000 ff063775 ac1b1c1d 0a0b0c0d 00b3e9d7 11c14261 fbfbab5b e012ffff 37760000
                 020405b4 01030308 0402080a 84a50beb 00155ab7 1d10543d eeab0fe2 4c301081 5116b3be",
    },
    Vector {
        algorithm: Algorithm::HmacSha1,
        include_options: true,
        isn: (0xfbfb_ab5a, 0x11c1_4261),
        packet: "45e00087 36a14000 ff06659f 0a0b0c0d ac1b1c1d e9d700b3 fbfbab5b 11c14262 c0180104 a1620000
                 0101080a 00155ac1 84a50beb 1d103d54 7064cf99 8cc6c315 c2c2e2bf
                 ffffffff ffffffff ffffffff ffffffff 00430104 dabf00b4 0a0b0c0d 26020601 04000100 01020280
                 00020202 00020242 00020641 040000da bf020840 06006400 010100",
    },
    Vector {
        algorithm: Algorithm::HmacSha1,
        include_options: false,
        isn: (0xcb0e_fbee, 0xacd5_b5e1),
        packet: "45e0004c 53994000 ff0648e2 0a0b0c0d ac1b1c1d ff1200b3 cb0efbee 00000000 e002ffff 541f0000
                 020405b4 01030308 0402080a 00024cce 00000000 1d103d54 80af3cfe b8536893 7b8f9ec2",
    },
    Vector {
        algorithm: Algorithm::Aes128Cmac,
        include_options: true,
        isn: (0x787a_1ddf, 0xfadd_6de9),
        packet: "45e0004c 7b9f4000 ff0620dc 0a0b0c0d ac1b1c1d c4fa00b3 787a1ddf 00000000 e002ffff 5a0f0000
                 020405b4 01030308 0402080a 00017ed0 00000000 1d103d54 e477e99c 80407654 98e55091",
    },
];

const US: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
const PEER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 2);

/// A segment with data from us to the peer, signed.
fn signed(signer: &mut Signer, context: &Context, sequence: u32) -> Vec<u8> {
    use trunkline_wire::tcp::{Flags, Segment};
    let mut options = Options::NONE;
    signer.reserve(&mut options);
    let segment = Segment {
        source_port: 40_000,
        destination_port: 179,
        sequence: SeqNum(sequence),
        acknowledgment: SeqNum(9),
        flags: Flags::ACK | Flags::PSH,
        window: 1000,
        urgent_pointer: 0,
        options,
        payload: b"hello",
    };
    let mut octets = Vec::new();
    segment.emit(context.source, context.destination, &mut octets);
    signer.sign(context, &mut octets);
    octets
}

fn contexts() -> (Context, Context) {
    let ours = Context { source: US, destination: PEER, iss: SeqNum(100), irs: Some(SeqNum(8)) };
    (ours, Context { iss: SeqNum(8), irs: Some(SeqNum(100)), ..ours })
}

#[test]
fn md5_is_that_of_rfc_2385() {
    let (context, theirs) = contexts();
    let key = Key::Md5(b"secret".to_vec());
    let mut segment = signed(&mut Signer::new(&key), &context, 101);
    // RFC 2385 §2.0, put together by hand: pseudo-header, 20 octets of header, data, key.
    let mut text = vec![192, 0, 2, 1, 192, 0, 2, 2, 0, 6, 0, 45];
    text.extend_from_slice(&segment[..16]);
    text.extend_from_slice(&[0, 0, 0, 0]);
    text.extend_from_slice(b"hello");
    text.extend_from_slice(b"secret");
    let wanted: [u8; 16] =
        ::md5::Digest::finalize(<::md5::Md5 as ::md5::Digest>::new_with_prefix(&text)).into();
    let range = digest_range(&segment).unwrap();
    assert_eq!(segment[range.clone()], wanted);
    assert_eq!(Signer::new(&key).verify(&theirs, &segment), Ok(()));
    let other = Key::Md5(b"Secret".to_vec());
    assert_eq!(Signer::new(&other).verify(&theirs, &segment), Err(AuthFailure::Mismatch));
    segment[range.start] ^= 1;
    assert_eq!(Signer::new(&key).verify(&theirs, &segment), Err(AuthFailure::Mismatch));
    assert_eq!(Signer::new(&key).verify(&theirs, &segment[..20]), Err(AuthFailure::Missing));
}

fn tuple(send_id: u8, recv_id: u8, key: &str) -> MasterKeyTuple {
    MasterKeyTuple {
        send_id,
        recv_id,
        algorithm: Algorithm::Aes128Cmac,
        key: key.as_bytes().to_vec(),
        include_options: true,
    }
}

/// RFC 5925 §7.5: the peer prefers a newer key; its RNextKeyID makes us use it.
#[test]
fn keys_roll_over_when_the_peer_asks() {
    let (ours, theirs) = contexts();
    let old = || (tuple(1, 1, "old"), tuple(2, 2, "the new one 1234"));
    let us = AoKeys::new(vec![old().0, old().1], 1).unwrap();
    let peer = AoKeys::new(vec![old().0, old().1], 2).unwrap();
    let (mut us, mut peer) = (Signer::new(&Key::Ao(us)), Signer::new(&Key::Ao(peer)));
    let id = |segment: &[u8]| segment[digest_range(segment).unwrap().start - 2];
    let first = signed(&mut us, &ours, 101);
    assert_eq!(id(&first), 1);
    assert_eq!(peer.verify(&theirs, &first), Ok(()));
    // What the peer sends is from PEER to US.
    let back = |context: &Context| Context { source: PEER, destination: US, ..*context };
    let answer = signed(&mut peer, &back(&theirs), 9);
    assert_eq!(us.verify(&back(&ours), &answer), Ok(()));
    let second = signed(&mut us, &ours, 106);
    assert_eq!(id(&second), 2, "the peer asked for the new key");
    assert_eq!(peer.verify(&theirs, &second), Ok(()));
}

#[test]
fn an_unknown_key_is_said_to_be_unknown() {
    let (ours, theirs) = contexts();
    let us = AoKeys::new(vec![tuple(1, 1, "a")], 1).unwrap();
    let peer = AoKeys::new(vec![tuple(2, 2, "a")], 2).unwrap();
    let segment = signed(&mut Signer::new(&Key::Ao(us)), &ours, 101);
    let mut peer = Signer::new(&Key::Ao(peer));
    assert_eq!(peer.verify(&theirs, &segment), Err(AuthFailure::UnknownKey));
    assert_eq!(peer.verify(&theirs, &[0; 19]), Err(AuthFailure::Missing));
    assert_eq!(AoKeys::new(vec![tuple(1, 1, "a")], 2), Err(AoKeysError::NoKey));
    assert_eq!(AoKeys::new(vec![tuple(1, 1, "a"), tuple(1, 2, "b")], 1), Err(AoKeysError::SameId));
    assert_eq!(AoKeys::new(vec![tuple(1, 1, "a"), tuple(2, 1, "b")], 1), Err(AoKeysError::SameId));
}

/// RFC 5925 §6.2: the extension grows by one when the sequence number wraps, for both sides alike, and a segment that
/// comes late from before the wrap is still genuine.
#[test]
fn sequence_numbers_wrap() {
    let (ours, theirs) = contexts();
    let keys = Key::Ao(AoKeys::new(vec![tuple(1, 1, "a")], 1).unwrap());
    let (mut us, mut peer) = (Signer::new(&keys), Signer::new(&keys));
    let late = signed(&mut us, &ours, 0xffff_ff00);
    for sequence in [0xffff_ff05_u32, 0xffff_fffe, 3, 0x4000_0000, 0x9000_0000, 0xf000_0000, 5] {
        let segment = signed(&mut us, &ours, sequence);
        assert_eq!(peer.verify(&theirs, &segment), Ok(()), "{sequence:#x}");
        if sequence == 3 {
            assert_eq!(peer.verify(&theirs, &late), Ok(()));
            // The same octets signed as in the round before are not.
            let replay = signed(&mut Signer::new(&keys), &ours, 3);
            assert_eq!(peer.verify(&theirs, &replay), Err(AuthFailure::Mismatch));
        }
    }
}

#[test]
fn keys_are_not_shown() {
    let keys = AoKeys::new(vec![tuple(1, 1, "very secret")], 1).unwrap();
    let text = format!("{:?} {:?}", Key::Md5(b"very secret".to_vec()), Signer::new(&Key::Ao(keys)));
    assert!(!text.contains("secret") && !text.contains("118, 101"), "{text}");
}
