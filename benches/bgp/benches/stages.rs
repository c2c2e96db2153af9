//! Instructions of each stage of a route's way: decode, intern, best path, export and encode. 20,000 routes of 3,600 sets.

use gungraun::{library_benchmark, library_benchmark_group, main};
use std::hint::black_box;
use trunkline_bench_bgp::World;
use trunkline_bench_bgp::feed::Table;
use trunkline_wire::bgp::{
    MAX_MESSAGE_LEN, MessageType, ParseContext, Update, frame, ipv4_prefixes, parse_attributes,
};

const ROUTES: usize = 20_000;

fn table(longer: usize) -> Table {
    Table { longer, ..Table::v4(ROUTES) }
}

fn octets() -> Vec<u8> {
    table(0).updates(0).0
}

/// Nobody reads, so nothing is exported; neighbor 0 has sent its table `before`, the octets are what it sends next.
fn ingest(neighbors: usize, before: bool, from: usize, longer: usize) -> (World, usize, Vec<u8>) {
    let mut world = World::new(neighbors, |_, _| {});
    world.hold_back(neighbors);
    if before {
        world.send(0, &table(1).updates(0).0);
    }
    (world, from, table(longer).updates(from).0)
}

/// Neighbor 0 has sent its table, and neighbor 1 has not read yet.
fn loaded() -> World {
    let mut world = World::new(2, |_, _| {});
    // It is in step before the table comes, as a neighbor is for nearly all of its life.
    world.hold_back(2);
    world.send(0, &octets());
    world
}

// Framing, the attributes checked and owned, the prefixes.
#[library_benchmark]
#[bench::table(setup = octets)]
fn decode(octets: Vec<u8>) -> usize {
    let context = ParseContext { four_octet_as: true, ebgp: true, extended_next_hop: false };
    let (mut at, mut prefixes) = (0, 0);
    while let Ok(Some(frame)) = frame(&octets[at..], MAX_MESSAGE_LEN) {
        at += frame.message.len();
        if frame.kind == MessageType::Update
            && let Ok(update) = Update::new_checked(frame.body)
        {
            black_box(parse_attributes(update.path_attributes, true, &context));
            prefixes += ipv4_prefixes(update.nlri).flatten().count();
        }
    }
    prefixes
}

// A table comes in: `new` where nothing is known of it, `again` where all is known and nothing changes.
#[library_benchmark]
#[bench::new(args = (1, false, 0, 1), setup = ingest)]
#[bench::again(args = (1, true, 0, 1), setup = ingest)]
fn intern((mut world, from, octets): (World, usize, Vec<u8>)) -> World {
    world.send(from, &octets);
    world
}

// A second neighbor has the same destinations: all its paths better, or all worse.
#[library_benchmark]
#[bench::better(args = (2, true, 1, 0), setup = ingest)]
#[bench::worse(args = (2, true, 1, 2), setup = ingest)]
fn best_path((mut world, from, octets): (World, usize, Vec<u8>)) -> World {
    world.send(from, &octets);
    world
}

// A neighbor reads the whole table: export policy and encoding.
#[library_benchmark]
#[bench::table(setup = loaded)]
fn export_encode(mut world: World) -> (u64, World) {
    (world.read(1), world)
}

library_benchmark_group!(name = stages; benchmarks = decode, intern, best_path, export_encode);
main!(library_benchmark_groups = stages);
