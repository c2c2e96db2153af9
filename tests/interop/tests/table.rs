//! The same input to BIRD and to us: what comes out must be the same routes with the same attributes, whatever happens to
//! those that sent them.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::{Arc, Mutex};
use trunkline_core::{Asn, Ipv4Prefix};
use trunkline_interop::{
    Config, Daemon, Identity, Lab, Neighbor, Netns, PATIENCE, Source, Speaker, Table, Test, Trunkline,
    holds_within,
};
use trunkline_wire::bgp::{
    AsPath, Attributes, MAX_MESSAGE_LEN, MessageType, Origin, ParseContext, Update, emit_update_ipv4,
    ipv4_prefixes, parse_attributes,
};

pub(crate) fn tests() -> Vec<Test> {
    vec![Test::new("table::the_same_as_birds", the_same_as_birds)]
}

const PREFIXES: u32 = 20_000;
const OUR_AS: u32 = 65000;
const FEED_SIDE: &str = "10.99.0.1";
const RECEIVER_SIDE: &str = "10.98.0.1";
const RECEIVER: &str = "10.98.0.2";
const RECEIVER_AS: u32 = 65100;

/// Addresses and ASes of those that announce; two are of the same AS, so that MULTI_EXIT_DISC is compared.
const FEEDS: [(&str, u32); 4] =
    [("10.99.1.1", 65001), ("10.99.1.2", 65001), ("10.99.1.3", 65003), ("10.99.1.4", 65004)];

type Received = BTreeMap<Ipv4Prefix, Attributes>;

/// A daemon between four neighbours that announce and one that receives.
struct Side {
    tester: Netns,
    /// What the one that receives holds.
    received: Arc<Mutex<Received>>,
    feeds: Vec<Option<Speaker>>,
    _daemon: Daemon,
}

impl Side {
    fn new(lab: &Lab, name: &str, start: impl FnOnce(&Netns) -> Daemon) -> Side {
        let (daemon, tester) = (lab.space(name), lab.space(&format!("{name}-test")));
        let addresses: Vec<String> = FEEDS.iter().map(|(address, _)| format!("{address}/16")).collect();
        let addresses: Vec<&str> = addresses.iter().map(String::as_str).collect();
        lab.link((&daemon, "e0", &["10.99.0.1/16"]), (&tester, "e0", &addresses));
        lab.link((&daemon, "e1", &["10.98.0.1/16"]), (&tester, "e1", &["10.98.0.2/16"]));
        let _daemon = start(&daemon);
        let received = Arc::new(Mutex::new(Received::new()));
        let mut receiver = Speaker::establish(&tester, Identity::new(RECEIVER, RECEIVER_SIDE, RECEIVER_AS));
        let table = Arc::clone(&received);
        std::thread::spawn(move || {
            // Until the daemon ends.
            while receiver.receive(|kind, body| apply(&table, kind, body)).is_ok() {}
        });
        let mut side = Side { tester, received, feeds: Vec::new(), _daemon };
        for number in 0..FEEDS.len() {
            side.feeds.push(None);
            side.connect(number);
        }
        side
    }

    fn connect(&mut self, number: usize) {
        let (address, asn) = FEEDS[number];
        let speaker = Speaker::establish(&self.tester, Identity::new(address, FEED_SIDE, asn));
        speaker.reader().drain();
        self.feeds[number] = Some(speaker);
    }

    fn say(&mut self, number: usize, octets: &[u8]) {
        self.feeds[number].as_mut().unwrap().send(octets).unwrap();
    }

    fn lose(&mut self, number: usize) {
        self.feeds[number].take().unwrap().reset();
    }
}

/// Files an UPDATE. What is no route would be a fault of the daemon's, and fails the comparison.
fn apply(table: &Mutex<Received>, kind: MessageType, body: &[u8]) {
    if kind != MessageType::Update {
        return;
    }
    let mut table = table.lock().unwrap();
    let update = Update::new_checked(body).unwrap();
    for prefix in ipv4_prefixes(update.withdrawn_routes) {
        table.remove(&prefix.unwrap());
    }
    let context = ParseContext { four_octet_as: true, ebgp: true, extended_next_hop: false };
    let parsed = parse_attributes(update.path_attributes, !update.nlri.is_empty(), &context);
    assert_eq!(parsed.faults, [], "the attributes of an UPDATE");
    let mut attributes = parsed.attributes;
    // They are sets (RFC 1997), which BIRD sorts.
    attributes.communities.sort();
    attributes.large_communities.sort();
    attributes.extended_communities.sort();
    for prefix in ipv4_prefixes(update.nlri) {
        table.insert(prefix.unwrap(), attributes.clone());
    }
}

fn the_same_as_birds(lab: &Lab) {
    let ours = |space: &Netns| -> Daemon {
        let mut config = Config::new(OUR_AS, FEED_SIDE).neighbor(neighbor(RECEIVER, RECEIVER_AS));
        // Its parts are changed by threads: that must show nowhere.
        config.bgp = "table-shards = 4".into();
        for (address, asn) in FEEDS {
            config = config.neighbor(neighbor(address, asn));
        }
        Trunkline::start(lab, space, "us", &config).process
    };
    let birds = |space: &Netns| bird(lab, space);
    let mut sides = [Side::new(lab, "us", ours), Side::new(lab, "bird", birds)];
    let table = Table::new(PREFIXES, 1);
    let source = |number: usize, edition: u64| {
        let (address, asn) = FEEDS[number];
        Source { asn, address: address.parse().unwrap(), edition }
    };
    // What a neighbour says, with a route behind it that tells when all of it was heard.
    let mut marks = 0;
    let mut all_say = |sides: &mut [Side; 2], number: usize, mut octets: Vec<u8>| {
        let prefix = Ipv4Prefix::new([203, 0, 113, marks].into(), 32).unwrap();
        marks += 1;
        let source = source(number, 255);
        let attributes = Attributes {
            origin: Some(Origin::Igp),
            as_path: Some(AsPath::sequence([Asn(source.asn)])),
            next_hop: Some(source.address),
            ..Attributes::default()
        };
        let mut block = Vec::new();
        attributes.emit(true, &mut block);
        emit_update_ipv4(MAX_MESSAGE_LEN, &block, &[prefix], &mut octets);
        sides.iter_mut().for_each(|side| side.say(number, &octets));
        prefix
    };
    let tagged = |table: &Received, source: Source| {
        table.values().filter(|attributes| attributes.communities.contains(&source.tag())).count()
    };
    let prefixes = PREFIXES as usize;

    let heard: Vec<Ipv4Prefix> =
        (0..FEEDS.len()).map(|n| all_say(&mut sides, n, table.announce(source(n, 0)))).collect();
    compare("four feeds", &sides, prefixes + 4, |received| {
        heard.iter().all(|mark| received.contains_key(mark))
    });
    let sources = |n| tagged(&sides[0].received.lock().unwrap(), source(n, 0));
    assert!((0..FEEDS.len()).all(|n| sources(n) > prefixes / 20), "each is the best for some");

    sides.iter_mut().for_each(|side| side.lose(1));
    compare("a feed is lost", &sides, prefixes + 3, |received| tagged(received, source(1, 0)) == 0);

    let (withdrawn, gone) = table.withdraw_some();
    let heard = [all_say(&mut sides, 0, withdrawn), all_say(&mut sides, 2, table.announce(source(2, 1)))];
    compare("one withdraws, one has other attributes", &sides, prefixes + 5, |received| {
        heard.iter().all(|mark| received.contains_key(mark)) && tagged(received, source(2, 0)) == 0
    });

    sides.iter_mut().for_each(|side| side.connect(1));
    let heard = all_say(&mut sides, 1, table.announce(source(1, 2)));
    compare("the lost feed is back", &sides, prefixes + 6, |received| received.contains_key(&heard));

    for side in &mut sides {
        (1..FEEDS.len()).for_each(|number| side.lose(number));
    }
    compare("one feed is left", &sides, prefixes - gone + 2, |received| {
        tagged(received, source(0, 0)) == prefixes - gone
    });
}

fn neighbor(address: &str, asn: u32) -> Neighbor {
    Neighbor::new(address, asn).set("passive", "true")
}

/// BIRD, which chooses among the paths of an AS as a set where it is told to (RFC 4271 §9.1.2.2 c).
fn bird(lab: &Lab, space: &Netns) -> Daemon {
    let dir = lab.dir().join("bird");
    std::fs::create_dir_all(&dir).unwrap();
    let mut text = format!("router id {FEED_SIDE};\nlog stderr all;\nprotocol device {{ }}\n");
    for (i, (address, asn)) in FEEDS.into_iter().chain([(RECEIVER, RECEIVER_AS)]).enumerate() {
        let local = if address == RECEIVER { RECEIVER_SIDE } else { FEED_SIDE };
        let _ = writeln!(
            text,
            "protocol bgp n{i} {{\n  local {local} as {OUR_AS}; neighbor {address} as {asn}; passive on; deterministic med on;\n  \
             error wait time 1,1; ipv4 {{ import all; export all; }};\n}}"
        );
    }
    let file = dir.join("bird.conf");
    std::fs::write(&file, text).unwrap();
    let path = |name: &str| dir.join(name).to_string_lossy().into_owned();
    let argv = ["bird", "-f", "-c", &path("bird.conf"), "-s", &path("bird.ctl"), "-P", &path("bird.pid")];
    Daemon::start(space, &dir, "bird", &argv, &[])
}

/// Both receivers come to hold the same, so many prefixes of it, once both daemons have `heard` what they were told.
fn compare(what: &str, sides: &[Side; 2], prefixes: usize, heard: impl Fn(&Received) -> bool) {
    let begin = std::time::Instant::now();
    let difference = || {
        let [ours, birds] = sides.each_ref().map(|side| side.received.lock().unwrap());
        let not_heard = [("we", &ours), ("BIRD", &birds)].into_iter().find(|(_, table)| !heard(table));
        let not_heard = not_heard.map(|(who, _)| format!("{who} did not hear all of it"));
        let counts = (ours.len() != prefixes || birds.len() != prefixes)
            .then(|| format!("we told {} of {prefixes} prefixes, BIRD {}", ours.len(), birds.len()));
        let differ = || {
            let other = |(prefix, attributes): (&Ipv4Prefix, &Attributes)| {
                let theirs = birds.get(prefix);
                (theirs != Some(attributes))
                    .then(|| format!("{prefix}:\nours    {attributes:?}\nBIRD\u{2019}s  {theirs:?}"))
            };
            ours.iter().find_map(other)
        };
        not_heard.or(counts).or_else(differ)
    };
    if !holds_within(PATIENCE, || difference().is_none()) {
        panic!("{what}: {}", difference().unwrap_or_default());
    }
    if std::env::var_os("TRUNKLINE_STEPS").is_some() {
        println!("    {:6.2} s: {what}", begin.elapsed().as_secs_f64());
    }
}
