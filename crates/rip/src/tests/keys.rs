//! Authentication: digests against ones put together by hand, each refusal, rollover of keys, sequence numbers.

use super::*;
use hmac::{Hmac, KeyInit, Mac};
use md5::Digest;

const NET: &str = "172.16.0.0/12";

const ALL: [Algorithm; 6] = [
    Algorithm::Password,
    Algorithm::KeyedMd5,
    Algorithm::HmacSha1,
    Algorithm::HmacSha256,
    Algorithm::HmacSha384,
    Algorithm::HmacSha512,
];

fn key(id: u8, algorithm: Algorithm, secret: &str) -> Key {
    let secret = secret.as_bytes().to_vec();
    Key { id, algorithm, secret, send: Lifetime::ALWAYS, accept: Lifetime::ALWAYS }
}

fn with(keys: Vec<Key>) -> Config {
    let authentication = Authentication { keys, ..Authentication::default() };
    config_with(|i| i.authentication = authentication.clone())
}

/// A response that someone with these keys sends at `now` on `a`, with this sequence number.
fn signed(keys: Vec<Key>, now: Instant, sequence: u32) -> Arc<[u8]> {
    let config = with(keys);
    let mut them = Us { rip: Rip::new(now, config, sequence, Rng::new(3)), now, out: Outbox::new() };
    them.input(Input::Redistribute { prefix: p(NET), metric: 1, tag: 0, next_hop: None });
    let outputs = them.interface(A, "a", true, &[(PEER, 16)]);
    let has_route = |sent: &Sent| sent.message.entries.iter().any(|entry| entry.prefix() == Some(p(NET)));
    sent(&outputs).into_iter().find(has_route).unwrap().octets
}

#[test]
fn every_message_is_authenticated_the_first_request_too() {
    for algorithm in ALL {
        let mut us = Us::bare(with(vec![key(3, algorithm, "secret")]));
        let mut outputs = us.interface(A, "a", true, &[(US, 16)]);
        outputs.extend(us.interface(B, "b", true, &[(US_B, 16)]));
        outputs.extend(us.run_until(s(100)));
        assert!(sent(&outputs)[0].message.asks_for_whole_table());
        assert!(sent(&outputs).iter().all(|sent| sent.message.authentication.is_some()), "{algorithm:?}");
        // Those who have the key take it.
        us.datagram(A, (PEER, PORT), &signed(vec![key(3, algorithm, "secret")], us.now, 5));
        assert_eq!(us.metric(NET), Some(2), "{algorithm:?}");
    }
}

/// RFC 2082 §3.2.1 and RFC 4822 §2.4, §2.5, put together by hand.
#[test]
fn digests_are_those_of_the_rfcs() {
    for long in [false, true] {
        let secret = if long { "k".repeat(90) } else { "sixteen octets..".into() };
        let check = |algorithm, digest: &dyn Fn(&[u8]) -> Vec<u8>| {
            let octets = signed(vec![key(9, algorithm, &secret)], s(100), 5);
            // Header, authentication, one entry; 0xffff 0x0001; the digest.
            assert_eq!(octets[..8], [2, 2, 0, 0, 0xff, 0xff, 0, 3]);
            let length = usize::from(u16::from_be_bytes([octets[8], octets[9]]));
            assert_eq!(octets[length..length + 4], [0xff, 0xff, 0, 1]);
            let (text, data) = octets.split_at(length + 4);
            assert_eq!((octets[10], usize::from(octets[11])), (9, data.len()));
            assert_eq!(data, digest(text), "{algorithm:?}");
        };
        if !long {
            check(Algorithm::KeyedMd5, &|text| md5::Md5::digest([text, secret.as_bytes()].concat()).to_vec());
        }
        macro_rules! hmac {
            ($algorithm:ident, $hash:ty, $len:literal) => {
                check(Algorithm::$algorithm, &|text| {
                    let key =
                        if long { <$hash>::digest(&secret).to_vec() } else { secret.clone().into_bytes() };
                    let mut mac = Hmac::<$hash>::new_from_slice(&key).unwrap();
                    mac.update(text);
                    mac.update(&[0x87, 0x8f, 0xe1, 0xf3].repeat($len / 4));
                    mac.finalize().into_bytes().to_vec()
                });
            };
        }
        hmac!(HmacSha1, sha1::Sha1, 20);
        hmac!(HmacSha256, sha2::Sha256, 32);
        hmac!(HmacSha384, sha2::Sha384, 48);
        hmac!(HmacSha512, sha2::Sha512, 64);
    }
}

#[test]
fn whatever_is_changed_is_noticed() {
    for algorithm in ALL.into_iter().skip(1) {
        let octets = signed(vec![key(3, algorithm, "secret")], s(100), 5);
        let mut us = Us::up(with(vec![key(3, algorithm, "secret")]));
        for at in 0..octets.len() {
            let mut forged = octets.to_vec();
            forged[at] ^= 1;
            us.datagram(A, (PEER, PORT), &forged);
            assert_eq!(us.route(NET), None, "{algorithm:?}, octet {at}");
        }
        assert_eq!(us.counters().responses_received, 0);
        us.datagram(A, (PEER, PORT), &octets);
        assert_eq!(us.metric(NET), Some(2));
    }
}

#[test]
fn each_refusal_has_its_counter() {
    let md5 = || vec![key(3, Algorithm::KeyedMd5, "secret")];
    let password = || vec![key(3, Algorithm::Password, "secret")];
    let over = |mut key: Key| {
        key.accept.until = Some(s(50));
        key
    };
    let plain = signed(vec![], s(100), 1);
    let version_1 = {
        let mut octets = Vec::new();
        let entry = Entry::v1([172, 16, 0, 0].into(), 1);
        Message::new(Command::Response, 1, vec![entry]).emit(&mut octets);
        octets
    };
    let two = vec![over(key(3, Algorithm::KeyedMd5, "secret")), key(4, Algorithm::KeyedMd5, "new")];
    let passwords = vec![over(key(3, Algorithm::Password, "secret")), key(4, Algorithm::Password, "new")];
    for (ours, octets, counter) in [
        (md5(), plain.to_vec(), "auth_missing"),
        // RFC 2453 §5.2: "authenticated RIP-2 messages shall be discarded".
        (vec![], signed(md5(), s(100), 1).to_vec(), "auth_unexpected"),
        (vec![], signed(password(), s(100), 1).to_vec(), "auth_unexpected"),
        (md5(), signed(password(), s(100), 1).to_vec(), "auth_wrong_type"),
        (password(), signed(md5(), s(100), 1).to_vec(), "auth_wrong_type"),
        (md5(), signed(vec![key(4, Algorithm::KeyedMd5, "secret")], s(100), 1).to_vec(), "auth_unknown_key"),
        (md5(), signed(vec![key(3, Algorithm::KeyedMd5, "Secret")], s(100), 1).to_vec(), "auth_mismatch"),
        (md5(), signed(vec![key(3, Algorithm::HmacSha1, "secret")], s(100), 1).to_vec(), "auth_mismatch"),
        (
            password(),
            signed(vec![key(3, Algorithm::Password, "Secret")], s(100), 1).to_vec(),
            "auth_mismatch",
        ),
        (two, signed(md5(), s(100), 1).to_vec(), "auth_expired_key"),
        (passwords, signed(password(), s(100), 1).to_vec(), "auth_expired_key"),
        // "For maximum security, RIP-1 messages should be ignored when authentication is in use".
        (md5(), version_1, "auth_version_1"),
    ] {
        let mut config = with(ours);
        config.interfaces.values_mut().for_each(|i| i.receive = Receive::Both);
        let mut us = Us::up(config);
        let before = us.counters();
        let outputs = us.datagram(A, (PEER, PORT), &octets);
        assert_eq!(us.since(&before), [("datagrams_received", 1), (counter, 1)]);
        assert!(
            words(&outputs).starts_with("(a: a datagram from 10.1.0.2 is ignored: "),
            "{}",
            words(&outputs)
        );
    }
}

#[test]
fn sequence_numbers_do_not_go_back() {
    // RFC 4822 §2.3.2 (6)
    let keys = || vec![key(3, Algorithm::HmacSha256, "secret"), key(4, Algorithm::HmacSha256, "new")];
    let mut us = Us::up(with(keys()));
    let from = |us: &mut Us, sequence| {
        let before = us.counters().auth_old_sequence;
        let octets = signed(vec![key(3, Algorithm::HmacSha256, "secret")], us.now, sequence);
        us.datagram(A, (PEER, PORT), &octets);
        us.counters().auth_old_sequence == before
    };
    assert!(from(&mut us, 50) && from(&mut us, 50) && from(&mut us, 60));
    assert!(!from(&mut us, 59) && !from(&mut us, 0), "while the neighbor is alive");
    // With another key another count.
    let octets = signed(vec![key(4, Algorithm::HmacSha256, "new")], us.now, 7);
    us.datagram(A, (PEER, PORT), &octets);
    assert_eq!(us.rip.neighbors(us.now).neighbors[0].sequences, [(3, 60), (4, 7)]);
    // When it was silent for long: zero, or higher.
    us.run_for(secs(200));
    assert!(!from(&mut us, 60) && !from(&mut us, 1));
    assert!(from(&mut us, 0));
    assert!(from(&mut us, 1) && !from(&mut us, 0));
    us.run_for(secs(200));
    assert!(from(&mut us, 2));
    // Any, where that is wanted; while it is alive all is as before.
    let mut config = with(keys());
    config.interfaces.values_mut().for_each(|i| i.authentication.any_after_silence = true);
    us.reconfigure(config);
    us.run_for(secs(200));
    assert!(from(&mut us, 1) && !from(&mut us, 0));
}

#[test]
fn our_own_never_goes_back_restarts_included() {
    let sequence = |sent: &Sent| match &sent.message.authentication {
        Some(trunkline_wire::rip::Authentication::Cryptographic { sequence, .. }) => *sequence,
        other => panic!("{other:?}"),
    };
    // The driver gives the wall clock in seconds.
    let (mut last, mut wall) = (0, 1_700_000_000);
    for _ in 0..3 {
        let mut us = Us::bare(with(vec![key(3, Algorithm::KeyedMd5, "secret")]));
        us.rip = Rip::new(us.now, us.rip.config.clone(), wall, Rng::new(1));
        let mut outputs = us.interface(A, "a", true, &[(US, 16)]);
        for n in 0..200u32 {
            let prefix = Ipv4Prefix::from_bits(0xc0a8_0000 | n << 4, 28);
            outputs.extend(us.input(Input::Redistribute { prefix, metric: 1, tag: 0, next_hop: None }));
        }
        outputs.extend(us.run_until(s(100)));
        assert!(sent(&outputs).len() > 20);
        for number in sent(&outputs).iter().map(sequence) {
            assert!(number >= last, "{number} after {last}");
            last = number;
        }
        wall += 100;
        assert!(last <= wall);
    }
}

#[test]
fn keys_roll_over() {
    // RFC 4822 §3.2: the new key is accepted before and after it is sent with; the old one, too.
    let life = |from, until| Lifetime { from: Some(s(from)), until: Some(s(until)) };
    let keys = || {
        let old = Key { send: life(0, 1_000), accept: life(0, 1_200), ..key(1, Algorithm::KeyedMd5, "old") };
        let new =
            Key { send: life(900, 9_000), accept: life(700, 9_200), ..key(2, Algorithm::HmacSha1, "new") };
        vec![old, new]
    };
    let mut us = Us::up(with(keys()));
    let id = |outputs: &[Output]| match &sent(outputs)[0].message.authentication {
        Some(trunkline_wire::rip::Authentication::Cryptographic { key_id, .. }) => *key_id,
        other => panic!("{other:?}"),
    };
    for (at, sends, takes) in [
        (500, 1, [true, false]),
        (800, 1, [true, true]),
        (950, 2, [true, true]),
        (1_100, 2, [true, true]),
        (1_300, 2, [false, true]),
    ] {
        us.run_until(s(at));
        let outputs = us.run_for(secs(40));
        assert_eq!(id(&outputs), sends, "at {at}");
        for (which, wanted) in takes.into_iter().enumerate() {
            let theirs = Key { send: Lifetime::ALWAYS, ..keys()[which].clone() };
            let before = us.counters().responses_received;
            us.datagram(A, (PEER, PORT), &signed(vec![theirs], us.now, at as u32));
            assert_eq!(us.counters().responses_received > before, wanted, "key {} at {at}", which + 1);
        }
    }
    assert!(us.rip.summary(us.now).interfaces[0].authentication.ends_with("hmac-sha-1, key 2"));
}

#[test]
fn the_last_key_is_used_on_and_that_is_told() {
    // RFC 4822 §5.1 (2)
    let keys = || {
        let mut only = key(1, Algorithm::KeyedMd5, "old");
        (only.send.until, only.accept.until) = (Some(s(200)), Some(s(200)));
        vec![only]
    };
    for fail_secure in [false, true] {
        let authentication = Authentication { keys: keys(), fail_secure, ..Authentication::default() };
        let mut us = Us::up(config_with(|i| i.authentication = authentication.clone()));
        us.run_until(s(200));
        let outputs = us.run_for(secs(100));
        let told = words(&outputs);
        assert_eq!(sent(&outputs).is_empty(), fail_secure);
        let text = if fail_secure {
            "no key may be used now"
        } else {
            "the last key is out of date; key 1 is used on"
        };
        assert_eq!(told.matches(text).count(), 2, "once for each interface: {told}");
        us.datagram(A, (PEER, PORT), &signed(vec![key(1, Algorithm::KeyedMd5, "old")], us.now, 5));
        assert_eq!(us.metric(NET).is_some(), !fail_secure);
        let counters = us.counters();
        assert_eq!((counters.expired_key_used > 0, counters.no_key > 0), (!fail_secure, fail_secure));
    }
    // A key whose time has not come is none.
    let mut only = key(1, Algorithm::KeyedMd5, "new");
    only.send.from = Some(s(10_000));
    let mut us = Us::up(with(vec![only]));
    assert!(sent(&us.run_for(secs(100))).is_empty());
}

#[test]
fn with_a_digest_fewer_entries_fit() {
    // RFC 2453 §4.1: 24 with authentication; RFC 1058 §3.1: 512 octets.
    for (algorithm, most) in ALL.into_iter().zip([24, 23, 23, 22, 21, 21]) {
        let mut us = Us::up(with(vec![key(1, algorithm, "secret")]));
        for n in 0..100u32 {
            let prefix = Ipv4Prefix::from_bits(0xc0a8_0000 | n << 8, 24);
            us.input(Input::Redistribute { prefix, metric: 1, tag: 0, next_hop: None });
        }
        us.run_for(secs(10));
        let outputs = us.run_for(secs(36));
        assert_eq!(
            sent(&outputs).iter().map(|sent| sent.message.entries.len()).max(),
            Some(most),
            "{algorithm:?}"
        );
        assert!(sent(&outputs).iter().all(|sent| sent.octets.len() <= 512));
    }
}

#[test]
fn a_storm_of_forgeries_changes_nothing() {
    let keys = || vec![key(3, Algorithm::HmacSha256, "secret")];
    let mut us = Us::up(with(keys()));
    us.datagram(A, (PEER, PORT), &signed(keys(), us.now, 5));
    us.run_for(secs(10));
    let routes = us.rip.routes(us.now, &RoutesQuery { limit: 100, ..RoutesQuery::default() });
    let mut rng = Rng::new(11);
    let genuine = signed(keys(), us.now, 9);
    let (mut outputs, before) = (Vec::new(), us.counters());
    for n in 0..4_000u64 {
        let source = Ipv4Addr::from_bits(0x0a01_0000 + rng.below(65_000) as u32 + 2);
        let mut octets = genuine.to_vec();
        match n % 4 {
            0 => octets = signed_by_nobody(&mut rng),
            1 => {
                let at = rng.below(octets.len() as u64) as usize;
                octets[at] ^= 1 << rng.below(8);
            }
            2 => octets.truncate(rng.below(octets.len() as u64) as usize),
            _ => octets[44] = octets[44].wrapping_add(1 + rng.below(200) as u8),
        }
        outputs.extend(us.datagram(A, (source, PORT), &octets));
    }
    assert_eq!(us.rip.routes(us.now, &RoutesQuery { limit: 100, ..RoutesQuery::default() }), routes);
    assert_eq!(us.rip.neighbors(us.now).neighbors.len(), 1, "nobody new is remembered");
    let seen = us.since(&before);
    let ignored: u64 =
        seen.iter().filter(|(name, _)| *name != "datagrams_received").map(|(_, count)| count).sum();
    assert_eq!(ignored, 4_000, "{seen:?}");
    assert_eq!(outputs.len(), 1, "one notice, and no answer: {}", words(&outputs));
}

fn signed_by_nobody(rng: &mut Rng) -> Vec<u8> {
    let mut octets = Vec::new();
    let prefix = Ipv4Prefix::from_bits(0xc0a8_0000 | rng.below(65_536) as u32, 32);
    Message::new(Command::Response, 2, vec![Entry::v2(prefix, 0, NOBODY, 1)]).emit(&mut octets);
    octets
}

#[test]
fn keys_are_not_shown() {
    let us = Us::up(with(vec![
        key(3, Algorithm::HmacSha256, "very secret"),
        key(4, Algorithm::Password, "very secret"),
    ]));
    let text = format!("{:?} {:?} {:?}", us.rip, us.rip.summary(us.now), us.rip.config);
    assert!(!text.contains("secret") && !text.contains("118, 101"), "{text}");
}
