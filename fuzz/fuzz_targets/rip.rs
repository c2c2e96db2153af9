//! RIP with arbitrary inputs: it never panics, what it sends is well-formed, its table is bounded and, left alone, empties.
//!
//! Each step is an octet that says what happens and the octets that needs. Messages are built from fields, so that most are
//! sound; some are octets as they come.
#![no_main]

use libfuzzer_sys::fuzz_target;
use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::Arc;
use trunkline_core::{Duration, Instant, Ipv4Prefix, Outbox, PrefixMatch, Rng};
use trunkline_rip::{
    Algorithm, Authentication, Config, DefaultRoute, Filter, FilterRule, HoldDown, Input, InterfaceConfig,
    InterfaceId, Key, Lifetime, Limits, Offset, Output, Receive, Rip, RouteInfo, Send, SplitHorizon, Timers,
};
use trunkline_view::rip::RoutesQuery;
use trunkline_wire::rip::{self, Command, Entry, Message};

/// Routes at most.
const ROUTES: usize = 40;

struct World<'a> {
    data: &'a [u8],
    now: Instant,
    rip: Rip,
    out: Outbox<Output>,
    /// Our addresses, by interface.
    own: BTreeMap<u32, Vec<Ipv4Addr>>,
    table: BTreeMap<Ipv4Prefix, RouteInfo>,
}

impl World<'_> {
    fn octet(&mut self) -> u8 {
        match self.data.split_first() {
            Some((first, rest)) => {
                self.data = rest;
                *first
            }
            None => 0,
        }
    }

    fn prefix(&mut self) -> Ipv4Prefix {
        let (a, b) = (self.octet(), self.octet());
        let first = [10, 10, 172, 192, 0, 224, 127, 128][usize::from(a >> 5)];
        Ipv4Prefix::from_bits(
            u32::from_be_bytes([first, b, a, 0]),
            [0, 8, 16, 24, 25, 32, 12, 16][usize::from(a & 7)],
        )
    }

    fn entry(&mut self) -> Entry {
        let prefix = self.prefix();
        let (kind, metric) = (self.octet(), self.octet());
        let hop = [0, 0, 0x0a01_0003, 0x0a01_0001, 0xc000_0201][usize::from(kind % 5)];
        let mut entry = Entry::v2(prefix, u16::from(kind & 16), Ipv4Addr::from_bits(hop), metric % 19);
        match kind >> 5 {
            1 => entry = Entry::v1(prefix.addr(), metric % 19),
            2 => entry.address_family = 0,
            3 => entry.subnet_mask = Ipv4Addr::from_bits(u32::from(metric) << 20),
            _ => {}
        }
        entry
    }

    fn config(&mut self) -> Config {
        let mut config = Config {
            hold_down: [HoldDown::Off, HoldDown::SuppressEqualOrWorse, HoldDown::SuppressAll]
                [usize::from(self.octet() % 3)],
            timers: if self.octet() & 1 == 0 { Timers::default() } else { Timers::four() },
            max_paths: usize::from(self.octet() % 5),
            limits: Limits { routes: ROUTES, neighbors: 4, answers_per_second: 3 },
            ..Config::default()
        };
        let bits = self.octet();
        config.default_route = (bits & 1 != 0).then_some(DefaultRoute { metric: bits >> 3, tag: 1 });
        for name in ["a", "b", "c"] {
            let (bits, more) = (self.octet(), self.octet());
            if bits == 0xff {
                continue;
            }
            let filter = |on: bool, prefix: Ipv4Prefix| {
                let prefixes = vec![PrefixMatch { prefix: prefix.into(), ge: 8, le: 24 }];
                on.then(|| Arc::new(Filter { rules: vec![FilterRule { prefixes, accept: on }] }))
            };
            let (one, two) = (self.prefix(), self.prefix());
            let interface = InterfaceConfig {
                cost: bits & 3,
                passive: bits & 4 != 0,
                split_horizon: [SplitHorizon::Off, SplitHorizon::Simple, SplitHorizon::PoisonedReverse]
                    [usize::from(bits >> 3) % 3],
                send: [Send::V2, Send::V1, Send::V1Compatible, Send::None][usize::from(bits >> 5) % 4],
                receive: [Receive::Both, Receive::V2, Receive::V1, Receive::None][usize::from(more & 3)],
                neighbors: if more & 4 != 0 { vec![Ipv4Addr::new(10, 1, 0, 2)] } else { vec![] },
                authentication: self.authentication(more),
                filter_in: filter(more & 8 != 0, one),
                filter_out: filter(more & 16 != 0, two),
                offsets_in: if more & 32 != 0 {
                    vec![Offset { prefixes: vec![], metric: more }]
                } else {
                    vec![]
                },
                offsets_out: vec![],
            };
            config.interfaces.insert(name.into(), interface);
        }
        config
    }

    fn authentication(&self, more: u8) -> Authentication {
        let algorithm =
            [Algorithm::Password, Algorithm::KeyedMd5, Algorithm::HmacSha512][usize::from(more % 3)];
        let until = Some(Instant::from_secs(1000));
        let life = if more & 128 != 0 { Lifetime { from: None, until } } else { Lifetime::ALWAYS };
        let key = Key { id: 1, algorithm, secret: b"secret".to_vec(), send: life, accept: life };
        Authentication {
            keys: if more & 64 != 0 { vec![key] } else { vec![] },
            fail_secure: more & 32 != 0,
            any_after_silence: more & 16 != 0,
        }
    }

    fn interface(&mut self) {
        let (id, bits) = (u32::from(self.octet() % 4), self.octet());
        if bits == 0xff {
            self.own.remove(&id);
            return self.input(Input::InterfaceGone(InterfaceId(id)));
        }
        let len = [16, 24, 31, 32, 8, 0][usize::from(bits >> 3) % 6];
        let first = Ipv4Addr::new(10, 1 + id as u8, 0, 1);
        let addresses = [(first, len), (Ipv4Addr::new(192, 0, 2, 1), 24), (Ipv4Addr::LOCALHOST, 8)];
        let addresses = &addresses[..usize::from(bits & 3)];
        self.own.insert(id, addresses.iter().map(|(address, _)| *address).collect());
        let name = ["a", "b", "c", "d"][id as usize];
        let mtu = u16::from(self.octet()) * 8;
        self.input(Input::Interface { id: InterfaceId(id), name, up: bits & 4 == 0, addresses, mtu });
    }

    fn datagram(&mut self) {
        let (id, from, kind) = (u32::from(self.octet() % 4), self.octet(), self.octet());
        let source = Ipv4Addr::new(10, 1 + id as u8, 0, from % 8);
        let source_port = if from & 128 != 0 { 5000 } else { rip::PORT };
        let octets = if kind & 7 == 7 {
            self.octets()
        } else {
            let command = if kind & 1 == 0 { Command::Response } else { Command::Request };
            let count = usize::from(self.octet()) % 26;
            let mut entries: Vec<Entry> = (0..count).map(|_| self.entry()).collect();
            if kind & 6 == 6 {
                entries = vec![Entry::WHOLE_TABLE];
            }
            let mut message = Message::new(command, 1 + (kind >> 4) % 3, entries);
            if kind & 8 != 0 && message.version > 1 {
                message.entries.truncate(24);
                let mut password = [0; 16];
                password[..6].copy_from_slice(b"secret");
                message.authentication = Some(rip::Authentication::Password(password));
            }
            let mut octets = Vec::new();
            message.emit(&mut octets);
            octets
        };
        self.input(Input::Datagram { interface: InterfaceId(id), source, source_port, octets: &octets });
    }

    fn octets(&mut self) -> Vec<u8> {
        (0..self.octet()).map(|_| self.octet()).collect()
    }

    fn input(&mut self, input: Input<'_>) {
        self.rip.handle(self.now, input, &mut self.out);
    }

    fn step(&mut self) {
        match self.octet() % 16 {
            0..=7 => self.datagram(),
            8 => self.interface(),
            9 => {
                let (prefix, metric) = (self.prefix(), self.octet() % 18);
                let next_hop = (metric & 1 != 0).then_some(Ipv4Addr::new(10, 1, 0, 3));
                self.input(Input::Redistribute { prefix, metric, tag: 3, next_hop });
            }
            10 => {
                let prefix = self.prefix();
                self.input(Input::Withdraw(prefix));
            }
            11 => {
                let prefix = if self.octet() & 1 == 0 { None } else { Some(self.prefix()) };
                self.input(Input::Clear { prefix });
            }
            12 => {
                let config = self.config();
                self.rip.reconfigure(self.now, config, &mut self.out);
            }
            13 => {
                let millis = u64::from(self.octet()) * u64::from(self.octet()) * 4;
                self.now += Duration::from_millis(millis);
            }
            14 => {
                if let Some(at) = self.rip.poll_timeout() {
                    self.now = self.now.max(at);
                }
            }
            _ => {
                let (cursor, limit) = (u64::from(self.octet()) << 30, u32::from(self.octet()));
                let page =
                    self.rip.routes(self.now, &RoutesQuery { cursor, limit, ..RoutesQuery::default() });
                assert!(page.routes.len() as u64 <= page.total);
                // The limit is that of an interface.
                let mut neighbors = BTreeMap::new();
                for neighbor in self.rip.neighbors(self.now).neighbors {
                    *neighbors.entry(neighbor.interface).or_insert(0) += 1;
                }
                assert!(neighbors.values().all(|count| *count <= 4));
                let _ = self.rip.summary(self.now);
            }
        }
        self.settle();
    }

    fn settle(&mut self) {
        let mut rounds = 0;
        while self.rip.poll_timeout().is_some_and(|at| at <= self.now) {
            self.rip.handle_timeout(self.now, &mut self.out);
            rounds += 1;
            assert!(rounds < 1000, "timers that never end");
        }
        while let Some(output) = self.out.pop() {
            match output {
                Output::Send { interface, source, octets, .. } => {
                    assert!(
                        self.own.get(&interface.0).is_some_and(|own| own.contains(&source)),
                        "not from us"
                    );
                    assert!(octets.len() <= rip::MAX_LEN);
                    let parsed = Message::parse(&octets).expect("what we send parses");
                    assert!(parsed.message.entries.len() + parsed.faults.len() > 0);
                }
                Output::Route { prefix, route: Some(route) } => {
                    assert!((1..=15).contains(&route.metric) && !route.next_hops.is_empty());
                    self.table.insert(prefix, route);
                }
                Output::Route { prefix, route: None } => assert!(self.table.remove(&prefix).is_some()),
                Output::Event(event) => drop(event.to_string()),
            }
        }
        assert!(self.table.len() <= ROUTES);
    }
}

fuzz_target!(|data: &[u8]| {
    let start = Instant::from_secs(1);
    let mut world = World {
        data,
        now: start,
        rip: Rip::new(start, Config::default(), 1, Rng::new(1)),
        out: Outbox::new(),
        own: BTreeMap::new(),
        table: BTreeMap::new(),
    };
    world.rip.watch(true);
    let config = world.config();
    world.rip.reconfigure(start, config, &mut world.out);
    for id in 0..2u32 {
        let address = Ipv4Addr::new(10, 1 + id as u8, 0, 1);
        world.own.insert(id, vec![address]);
        let name = ["a", "b"][id as usize];
        world.input(Input::Interface {
            id: InterfaceId(id),
            name,
            up: true,
            addresses: &[(address, 16)],
            mtu: 1500,
        });
    }
    world.settle();
    while !world.data.is_empty() {
        world.step();
    }
    // Nobody says anything any more: what was learnt is forgotten.
    for _ in 0..200 {
        world.now += Duration::from_secs(10);
        world.settle();
    }
    assert!(world.table.is_empty(), "{:?}", world.table);
});
