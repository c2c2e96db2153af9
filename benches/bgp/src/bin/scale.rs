//! How time and memory grow with routes, neighbors and sets of attributes: each point in a process of its own, each twice
//! the one before. Prints a table for each question; the last columns show what a single one costs, and should stay level.
//! `creep` loses the best of four feeds and has it back again and again, and loses all in the end: memory after each.

#![allow(clippy::disallowed_methods, reason = "it measures real time")]

use std::process::{Command, ExitCode};
use std::sync::Arc;
use std::time::Instant;
use trunkline_bench_bgp::World;
use trunkline_bench_bgp::feed::Table;
use trunkline_bgp::policy::{Action, Policy, PrefixList, Rule, Verdict};
use trunkline_wire::bgp::Community;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What is measured, the sizes, by what time and memory are divided, and what happens.
const QUESTIONS: &[(&str, &[usize], [&str; 2], &str)] = &[
    (
        "routes",
        &[62_500, 125_000, 250_000, 500_000, 1_000_000],
        ["path", "path"],
        "three neighbors with the same destinations, half as many of IPv6 beside them, to a fourth",
    ),
    (
        "sets",
        &[25_000, 50_000, 100_000, 200_000, 400_000],
        ["set", "set"],
        "one neighbor, a set of attributes for each two routes, to a second",
    ),
    (
        "clients",
        &[25, 50, 100, 200],
        ["route told", "route told"],
        "neighbors with 5,000 routes each and an export policy for each, all told all others'",
    ),
    (
        "neighbors",
        &[250, 500, 1000, 2000],
        ["route told", "neighbor"],
        "neighbors with ten routes each, told all others', and then ten minutes of keepalives",
    ),
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["point", question, size] => {
            let point = measure(question, size.parse().unwrap_or(0));
            println!(
                "{} {} {} {} {}",
                point.seconds, point.mebibytes, point.units.0, point.units.1, point.idle
            );
        }
        ["creeping"] => creep(),
        ["creep"] => {
            let program = std::env::current_exe().unwrap_or_else(|_| "scale".into());
            let status = Command::new(program).arg("creeping").env("MIMALLOC_PURGE_DELAY", "0").status();
            return if status.is_ok_and(|status| status.success()) {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            };
        }
        [] => QUESTIONS.iter().for_each(ask),
        [name] if QUESTIONS.iter().any(|question| question.0 == *name) => {
            QUESTIONS.iter().filter(|question| question.0 == *name).for_each(ask);
        }
        _ => {
            eprintln!("scale [routes|sets|clients|neighbors|creep]");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

struct Point {
    seconds: f64,
    mebibytes: f64,
    /// What the time is divided by, and the memory.
    units: (f64, f64),
    /// Seconds of processor time for ten minutes of rest.
    idle: f64,
}

fn ask((name, sizes, [time, memory], words): &(&str, &[usize], [&str; 2], &str)) {
    println!("\n{name}: {words}");
    let (time, memory) = (format!("µs/{time}"), format!("octets/{memory}"));
    println!("{name:>10} {:>10} {:>10} {time:>14} {memory:>18}", "CPU s", "MiB");
    for size in *sizes {
        let program = std::env::current_exe().unwrap_or_else(|_| "scale".into());
        // As the daemon has it: what becomes free goes back to the system at once.
        let point = ["point", name, &size.to_string()];
        let output = Command::new(program).args(point).env("MIMALLOC_PURGE_DELAY", "0").output();
        let text =
            output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
        let figures: Vec<f64> = text.split_whitespace().filter_map(|figure| figure.parse().ok()).collect();
        let [seconds, mebibytes, of_time, of_memory, idle] = figures[..] else {
            println!("{size:>10} failed");
            continue;
        };
        let rest = if idle > 0.0 { format!("  at rest {:.3} %", idle / 6.0) } else { String::new() };
        println!(
            "{size:>10} {seconds:>10.2} {mebibytes:>10.1} {:>14.3} {:>18.1}{rest}",
            seconds * 1e6 / of_time,
            mebibytes * 1_048_576.0 / of_memory
        );
    }
}

fn measure(question: &str, size: usize) -> Point {
    match question {
        "routes" => routes(size),
        "sets" => sets(size),
        "clients" => clients(size),
        _ => neighbors(size),
    }
}

/// Sends the feeds, one after the other; time and memory of the speaker alone.
fn load(world: &mut World, feeds: &[(usize, &Table)]) -> (f64, f64) {
    let before = resident();
    let mut seconds = 0.0;
    for (number, table) in feeds {
        let (octets, _) = table.updates(*number);
        let start = Instant::now();
        world.send(*number, &octets);
        seconds += start.elapsed().as_secs_f64();
    }
    (seconds, resident() - before)
}

fn routes(size: usize) -> Point {
    let mut world = World::new(4, |_, _| {});
    let v4 = [0, 1, 2].map(|longer| Table { longer: (longer + 1) % 3, ..Table::v4(size) });
    let v6 = [0, 1, 2].map(|longer| Table { longer: (longer + 1) % 3, v6: true, ..Table::v4(size / 2) });
    let feeds: Vec<_> = v4.iter().enumerate().chain(v6.iter().enumerate()).collect();
    let (seconds, mebibytes) = load(&mut world, &feeds);
    Point { seconds, mebibytes, units: (4.5 * size as f64, 4.5 * size as f64), idle: 0.0 }
}

fn sets(size: usize) -> Point {
    let mut world = World::new(2, |_, _| {});
    let table = Table { per_set: 2, ..Table::v4(2 * size) };
    let (_, sets) = table.updates(0);
    let (seconds, mebibytes) = load(&mut world, &[(0, &table)]);
    Point { seconds, mebibytes, units: (sets as f64, sets as f64), idle: 0.0 }
}

fn clients(size: usize) -> Point {
    let mut world = World::new(size, |number, neighbor| {
        let rule = Rule {
            prefixes: Vec::new(),
            verdict: Verdict::Accept,
            actions: vec![Action::AddCommunity(Community(0xfde8_0000 + number as u32))],
        };
        neighbor.export =
            Policy::List(Arc::new(PrefixList { name: format!("to-{number}"), rules: vec![rule] }));
    });
    let tables: Vec<_> = (0..size).map(|number| Table { first: 5000 * number, ..Table::v4(5000) }).collect();
    let feeds: Vec<_> = tables.iter().enumerate().collect();
    let (seconds, mebibytes) = load(&mut world, &feeds);
    let told = (5000 * size * (size - 1)) as f64;
    Point { seconds, mebibytes, units: (told, told), idle: 0.0 }
}

fn neighbors(size: usize) -> Point {
    let before = resident();
    let start = Instant::now();
    let mut world = World::new(size, |_, _| {});
    let up = start.elapsed().as_secs_f64();
    let tables: Vec<_> = (0..size).map(|number| Table { first: 10 * number, ..Table::v4(10) }).collect();
    let feeds: Vec<_> = tables.iter().enumerate().collect();
    let (seconds, _) = load(&mut world, &feeds);
    let mebibytes = resident() - before;
    let start = Instant::now();
    world.pass(600);
    let idle = start.elapsed().as_secs_f64();
    let told = (10 * size * (size - 1)) as f64;
    Point { seconds: up + seconds, mebibytes, units: (told, size as f64), idle }
}

fn creep() {
    const ROUTES: usize = 500_000;
    let empty = resident();
    let mut world = World::new(5, |_, _| {});
    let tables = [0, 1, 2, 3].map(|longer| Table { longer, ..Table::v4(ROUTES) });
    let _ = load(&mut world, &tables.iter().enumerate().collect::<Vec<_>>());
    println!("four feeds of {ROUTES} routes, told a fifth neighbor: {:.1} MiB", resident() - empty);
    for round in 1..=20 {
        world.cut(0);
        let without = resident() - empty;
        world.again(0);
        let _ = load(&mut world, &[(0, &tables[0])]);
        println!(
            "round {round:>2}: without the best feed {without:.1} MiB, with it again {:.1} MiB",
            resident() - empty
        );
    }
    (0..4).for_each(|number| world.cut(number));
    world.pass(60);
    println!("all feeds gone: {:.1} MiB", resident() - empty);
}

/// Resident memory of this process, in MiB.
fn resident() -> f64 {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = text.split_whitespace().nth(1).and_then(|pages| pages.parse::<f64>().ok()).unwrap_or(0.0);
    pages * 4096.0 / 1_048_576.0
}
