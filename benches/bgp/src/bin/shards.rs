//! What shards bring: the same feeds go to a speaker whose tables have one, two and four, each with a thread of its own. What
//! the receiver of everything holds in the end must be the same: a digest over its destinations and their attributes, in no
//! order.

#![allow(clippy::disallowed_methods, reason = "it measures real time")]

use std::collections::BTreeMap;
use std::hash::{BuildHasher, Hasher};
use std::process::ExitCode;
use std::time::Instant;
use trunkline_bench_bgp::World;
use trunkline_bench_bgp::feed::Table;
use trunkline_core::Ipv4Prefix;
use trunkline_wire::bgp::{MAX_MESSAGE_LEN, MessageType, Update, frame, ipv4_prefixes};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const LOADS: &[(&str, usize, usize)] =
    &[("one feed of 1,000,000", 1, 1_000_000), ("four feeds of the same 500,000", 4, 500_000)];

fn main() -> ExitCode {
    let rounds = std::env::args().nth(1).and_then(|rounds| rounds.parse().ok()).unwrap_or(3);
    let mut same = true;
    for (words, feeds, routes) in LOADS {
        println!("\n{words}, all told one receiver; medians of {rounds}");
        println!("shards   wall s   to one   CPU s   to one   told MiB   UPDATEs   digest");
        let octets: Vec<Vec<u8>> = (0..*feeds)
            .map(|number| Table { longer: (number + 1) % 3, ..Table::v4(*routes) }.updates(number).0)
            .collect();
        let mut first: Option<Point> = None;
        for shards in [1, 2, 4] {
            let points: Vec<Point> = (0..rounds).map(|_| load(&octets, shards)).collect();
            let point = median(points);
            let one = first.get_or_insert_with(|| point.clone());
            same &= one.digest == point.digest;
            println!(
                "{shards:>6} {:>8.2} {:>8.2} {:>7.2} {:>8.2} {:>10.1} {:>9} {:>8x}",
                point.wall,
                point.wall / one.wall,
                point.cpu,
                point.cpu / one.cpu,
                point.octets as f64 / 1_048_576.0,
                point.updates,
                point.digest >> 32
            );
        }
    }
    if same { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

#[derive(Clone)]
struct Point {
    wall: f64,
    cpu: f64,
    octets: u64,
    updates: u64,
    digest: u64,
}

fn median(mut points: Vec<Point>) -> Point {
    points.sort_by(|a, b| a.wall.total_cmp(&b.wall));
    points.swap_remove(points.len() / 2)
}

/// A hash with all its bits mixed.
fn hash(octets: &[u8]) -> u64 {
    let mut hasher = foldhash::quality::FixedState::with_seed(5).build_hasher();
    hasher.write(octets);
    hasher.finish()
}

fn each_update(octets: &[u8], mut with: impl FnMut(Update<'_>)) {
    let mut at = 0;
    while let Ok(Some(frame)) = frame(&octets[at..], MAX_MESSAGE_LEN) {
        at += frame.message.len();
        if frame.kind == MessageType::Update
            && let Ok(update) = Update::new_checked(frame.body)
        {
            with(update);
        }
    }
}

/// Takes the feeds in, and tells the receiver all.
fn load(feeds: &[Vec<u8>], shards: u8) -> Point {
    let mut world = World::with_shards(shards, feeds.len() + 1, |_, _| {});
    world.keep(feeds.len());
    let (start, from) = (Instant::now(), processor_time());
    feeds.iter().enumerate().for_each(|(number, octets)| world.send(number, octets));
    let (wall, cpu) = (start.elapsed().as_secs_f64(), processor_time() - from);
    let told = world.kept();
    let mut held: BTreeMap<Ipv4Prefix, u64> = BTreeMap::new();
    let mut updates = 0;
    each_update(&told, |update| {
        updates += 1;
        for prefix in ipv4_prefixes(update.withdrawn_routes).flatten() {
            held.remove(&prefix);
        }
        for prefix in ipv4_prefixes(update.nlri).flatten() {
            held.insert(prefix, hash(update.path_attributes));
        }
    });
    let digest = held.iter().fold(held.len() as u64, |sum, (prefix, attributes)| {
        let [a, b, c, d] = prefix.bits().to_be_bytes();
        let mut words = [a, b, c, d, prefix.len(), 0, 0, 0, 0, 0, 0, 0, 0];
        words[5..].copy_from_slice(&attributes.to_be_bytes());
        sum.wrapping_add(hash(&words))
    });
    Point { wall, cpu, octets: told.len() as u64, updates, digest }
}

/// Seconds of processor time of this process.
fn processor_time() -> f64 {
    let threads = std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let nanos = threads.filter_map(|thread| {
        let text = std::fs::read_to_string(thread.path().join("schedstat")).ok()?;
        text.split_whitespace().next()?.parse::<f64>().ok()
    });
    nanos.sum::<f64>() / 1e9
}
