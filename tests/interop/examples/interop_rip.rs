//! `cargo xtask bench rip`: what many routes by RIP cost Trunkline, FRR's ripd with its zebra, and BIRD, one after the other
//! under the same load.
//!
//! The load plays the neighbours: one socket for each, bound to its address and RIP's port, since the source is all that a
//! neighbour is to RIP. It says its routes again and again, then some of them with another metric, then all with 16. Its
//! datagrams come one after the other with a pause, since the others keep room for few of them.
//!
//! It has `interop` in its name because that is how the harness knows that its namespaces are still wanted.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a benchmark: it ends where something is wrong, and is about real time"
)]

use md5::{Digest as _, Md5};
use std::net::{SocketAddrV4, UdpSocket};
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};
use trunkline_interop::{Daemon, Lab, Netns, RipDaemon, RipKind, RipSpec};

/// Routes of all neighbours together, each a /24.
const ROUTES: usize = 10_000;
/// Seconds between regular updates, of the load and of those who are measured: the fewest that all of them allow.
const UPDATE: u64 = 5;
/// Regular updates of the load without any news.
const QUIET_UPDATES: u32 = 4;
/// Of so many routes one changes its metric.
const CHANGE_EACH: usize = 10;
/// Updates after which it is given up that all routes are there, or gone.
const MAX_UPDATES: u32 = 8;
/// Between two looks at the kernel.
const LOOK: Duration = Duration::from_millis(20);
const SECRET: &str = "secret";
const INFINITY: u8 = 16;

/// What the neighbours are.
struct Scenario {
    name: &'static str,
    about: &'static str,
    neighbors: usize,
    md5: bool,
    /// Between two datagrams.
    pause: Duration,
}

const SCENARIOS: [Scenario; 4] = [
    Scenario {
        name: "one",
        about: "one neighbour with 10,000 routes, 2 ms between two datagrams",
        neighbors: 1,
        md5: false,
        pause: Duration::from_millis(2),
    },
    Scenario {
        name: "lan",
        about: "100 neighbours on one LAN with 100 routes each, 2 ms between two datagrams",
        neighbors: 100,
        md5: false,
        pause: Duration::from_millis(2),
    },
    Scenario {
        name: "md5",
        about: "one neighbour with 10,000 routes and keyed MD5, 2 ms between two datagrams",
        neighbors: 1,
        md5: true,
        pause: Duration::from_millis(2),
    },
    Scenario {
        name: "burst",
        about: "one neighbour with 10,000 routes, all datagrams at once",
        neighbors: 1,
        md5: false,
        pause: Duration::ZERO,
    },
];

/// Who is measured.
const KINDS: [Option<RipKind>; 3] = [None, Some(RipKind::Frr), Some(RipKind::Bird)];

/// The parts of a run, by what the load does.
const PARTS: [&str; 4] = ["learning", "quiet", "change", "end"];

/// What one process, or several, used.
#[derive(Debug, Clone, Default)]
struct Cost {
    /// Seconds of processor time in each of [`PARTS`].
    seconds: [f64; 4],
    /// Memory before the load, and the most of it ever, MiB.
    idle: f64,
    memory: f64,
}

#[derive(Debug, Clone, Default)]
struct Measured {
    /// Seconds from the first datagram until all routes are in the kernel, and from the first with metric 16 until none is;
    /// infinite where that takes too long.
    there: f64,
    gone: f64,
    /// Datagrams that the socket had no room for, and that were sent.
    lost: f64,
    sent: f64,
    rip: Cost,
    zebra: Option<Cost>,
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let rounds: usize = arguments.next().map_or(3, |rounds| rounds.parse().unwrap());
    let only = arguments.next();
    let wanted = |scenario: &&Scenario| only.as_deref().is_none_or(|only| only == scenario.name);
    for scenario in SCENARIOS.iter().filter(wanted) {
        println!("== {}: {}; {rounds} rounds", scenario.name, scenario.about);
        let mut results: [Vec<Measured>; KINDS.len()] = Default::default();
        for round in 0..rounds {
            for turn in 0..KINDS.len() {
                let who = (round + turn) % KINDS.len();
                let measured = measure(KINDS[who], scenario);
                println!("{}", row(name(KINDS[who]), &measured, &total(&measured)));
                results[who].push(measured);
            }
        }
        report(&results);
    }
}

fn name(kind: Option<RipKind>) -> &'static str {
    match kind {
        None => "Trunkline",
        Some(RipKind::Frr) => "ripd + zebra",
        Some(RipKind::Bird) => "BIRD",
    }
}

/// Of all processes.
fn total(measured: &Measured) -> Cost {
    let mut sum = measured.rip.clone();
    if let Some(zebra) = &measured.zebra {
        (sum.idle, sum.memory) = (sum.idle + zebra.idle, sum.memory + zebra.memory);
        sum.seconds.iter_mut().zip(zebra.seconds).for_each(|(sum, more)| *sum += more);
    }
    sum
}

fn row(name: &str, measured: &Measured, cost: &Cost) -> String {
    let [learning, quiet, change, end] = cost.seconds;
    format!(
        "{name:<14} {:>7.2} {:>7.2}   {learning:>8.3} {quiet:>8.3} {change:>8.3} {end:>8.3} {:>8.3}   {:>6.1} {:>6.1}   {:>6} {:>6}",
        measured.there,
        measured.gone,
        cost.seconds.iter().sum::<f64>(),
        cost.idle,
        cost.memory,
        measured.lost,
        measured.sent
    )
}

/// Medians, each figure for itself; the whole processor time is the sum of its parts'.
fn report(results: &[Vec<Measured>; KINDS.len()]) {
    let median = |who: usize, of: &dyn Fn(&Measured) -> f64| {
        let mut values: Vec<f64> = results[who].iter().map(of).collect();
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    };
    let cost = |who: usize, of: &dyn Fn(&Measured) -> Cost| Cost {
        seconds: std::array::from_fn(|part| median(who, &|measured| of(measured).seconds[part])),
        idle: median(who, &|measured| of(measured).idle),
        memory: median(who, &|measured| of(measured).memory),
    };
    println!("medians:");
    println!(
        "{:<14} {:>7} {:>7}   {:>8} {:>8} {:>8} {:>8} {:>8}   {:>6} {:>6}   {:>6} {:>6}   ours to theirs: CPU, MiB",
        "",
        "there s",
        "gone s",
        PARTS[0],
        PARTS[1],
        PARTS[2],
        PARTS[3],
        "CPU s",
        "idle",
        "MiB",
        "lost",
        "sent"
    );
    let sum = |cost: &Cost| cost.seconds.iter().sum::<f64>();
    let ours = cost(0, &total);
    for (who, kind) in KINDS.into_iter().enumerate() {
        let common = Measured {
            there: median(who, &|measured| measured.there),
            gone: median(who, &|measured| measured.gone),
            lost: median(who, &|measured| measured.lost),
            sent: median(who, &|measured| measured.sent),
            ..Measured::default()
        };
        let mut rows = vec![(name(kind), cost(who, &total))];
        if kind == Some(RipKind::Frr) {
            rows.push(("ripd alone", cost(who, &|measured| measured.rip.clone())));
        }
        for (name, cost) in rows {
            let (cpu, memory) = (sum(&ours) / sum(&cost), ours.memory / cost.memory);
            println!("{}   {cpu:.2} {memory:.2}", row(name, &common, &cost));
        }
    }
}

/// Starts one of them in a lab of its own, and loads it.
fn measure(kind: Option<RipKind>, scenario: &Scenario) -> Measured {
    let lab = Lab::new().unwrap();
    let (space, others) = (lab.space("dut"), lab.space("load"));
    let addresses: Vec<String> = (0..scenario.neighbors).map(|n| format!("192.0.2.{}/24", n + 2)).collect();
    let addresses: Vec<&str> = addresses.iter().map(String::as_str).collect();
    lab.link((&space, "e0", &["192.0.2.1/24"]), (&others, "e0", &addresses));
    space.forward();
    match kind {
        None => {
            let daemon = trunkline(&lab, &space, scenario.md5);
            run(daemon.pid(), None, &others, scenario)
        }
        Some(kind) => {
            let update = u16::try_from(UPDATE).unwrap();
            // All of them say routes back with metric 16, as is Trunkline's and BIRD's default.
            let (mode, lines) = match kind {
                RipKind::Frr => ("md5", " ip rip split-horizon poisoned-reverse"),
                RipKind::Bird => ("keyed md5", ""),
            };
            let spec = RipSpec {
                timers: (update, 3 * update, 2 * update),
                key: scenario.md5.then_some((mode, SECRET)),
                interface_lines: lines,
                ..RipSpec::new()
            };
            let daemon = RipDaemon::start(kind, &lab, &space, "dut", &spec);
            run(daemon.process.pid(), daemon.zebra.as_ref().map(Daemon::pid), &others, scenario)
        }
    }
}

/// Trunkline without the log of the tests, which would cost.
fn trunkline(lab: &Lab, space: &Netns, md5: bool) -> Daemon {
    let binary = std::env::var("TRUNKLINE_BIN").unwrap_or_else(|_| panic!("TRUNKLINE_BIN names no binary"));
    let (file, socket) = (lab.dir().join("dut.toml"), lab.dir().join("dut.sock"));
    let mut text = format!(
        "api.socket = \"{}\"\n[node]\nname = \"dut\"\n[fib]\ninstall = true\n[rip]\n\
         timers = {{ update = {UPDATE}, invalid = {}, garbage-collection = {} }}\nredistribute = [\"connected\"]\n\
         [rip.interface.e0]\n",
        socket.display(),
        3 * UPDATE,
        2 * UPDATE
    );
    if md5 {
        text += "authentication = { mode = \"md5\", key-chain = \"k\" }\n";
        text += &format!("[[key-chain.k]]\nid = 7\nkey = \"{SECRET}\"\n");
    }
    std::fs::write(&file, text).unwrap();
    let argv = [&binary, "run", file.to_str().unwrap()];
    let daemon = Daemon::start(space, lab.dir(), "trunkline", &argv, &[]);
    trunkline_interop::wait_until(trunkline_interop::PATIENCE, "trunkline listens", || socket.exists());
    daemon
}

/// The load on a daemon, and what that cost it.
fn run(pid: u32, zebra: Option<u32>, others: &Netns, scenario: &Scenario) -> Measured {
    // What it does when it starts is over then.
    sleep(Duration::from_secs(2));
    let mut load = Load::new(others, scenario);
    let pids = [Some(pid), zebra];
    let idle = pids.map(|pid| pid.map_or(0.0, most_memory));
    let mut used = vec![pids.map(|pid| pid.map_or(0.0, processor_time))];
    let mut part_ends = |load: &Load| {
        load.wait();
        used.push(pids.map(|pid| pid.map_or(0.0, processor_time)));
    };
    let before = kernel_routes(pid);
    let (_, sent_before) = datagrams(pid);
    let there = load.until(pid, before + ROUTES, &|_| 2);
    part_ends(&load);
    for _ in 0..QUIET_UPDATES {
        load.update(&|_| 2);
        load.wait();
    }
    part_ends(&load);
    load.update(&|route| if route % CHANGE_EACH == 0 { 3 } else { 2 });
    part_ends(&load);
    let gone = load.until(pid, before, &|_| INFINITY);
    part_ends(&load);
    let (lost, sent) = datagrams(pid);
    let cost = |at: usize, pid: u32| Cost {
        seconds: std::array::from_fn(|part| used[part + 1][at] - used[part][at]),
        idle: idle[at],
        memory: most_memory(pid),
    };
    let zebra = zebra.map(|pid| cost(1, pid));
    Measured { there, gone, lost, sent: sent - sent_before, rip: cost(0, pid), zebra }
}

/// The neighbours.
struct Load<'a> {
    scenario: &'a Scenario,
    sockets: Vec<UdpSocket>,
    sequence: u32,
    /// When the next update is due.
    next: Instant,
}

impl Load<'_> {
    fn new<'a>(space: &Netns, scenario: &'a Scenario) -> Load<'a> {
        let bind = |n: usize| UdpSocket::bind(format!("192.0.2.{}:520", n + 2)).unwrap();
        let sockets = space.inside(|| (0..scenario.neighbors).map(bind).collect());
        Load { scenario, sockets, sequence: 1, next: Instant::now() }
    }

    /// Waits until the next update is due.
    fn wait(&self) {
        sleep(self.next.saturating_duration_since(Instant::now()));
    }

    /// All neighbours say all their routes.
    fn update(&mut self, metric: &dyn Fn(usize) -> u8) {
        let to: SocketAddrV4 = "224.0.0.9:520".parse().unwrap();
        let routes: Vec<usize> = (0..ROUTES).collect();
        // "There may be between 1 and 25 (inclusive) RIP entries" (RFC 2453 §4). One of them is for authentication, and ripd
        // takes only 23 others then, as it has room for 512 octets.
        let most = if self.scenario.md5 { 23 } else { 25 };
        for (socket, own) in self.sockets.iter().zip(routes.chunks(ROUTES / self.sockets.len())) {
            for part in own.chunks(most) {
                let sequence = self.scenario.md5.then_some(self.sequence);
                socket.send_to(&message(part, metric, sequence), to).unwrap();
                self.sequence += 1;
                sleep(self.scenario.pause);
            }
        }
        self.next += Duration::from_secs(UPDATE);
    }

    /// Says the routes again until the kernel has so many; how long that takes, in seconds.
    fn until(&mut self, pid: u32, wanted: usize, metric: &dyn Fn(usize) -> u8) -> f64 {
        let begin = Instant::now();
        for _ in 0..MAX_UPDATES {
            self.update(metric);
            loop {
                if kernel_routes(pid) == wanted {
                    return begin.elapsed().as_secs_f64();
                }
                if Instant::now() + LOOK > self.next {
                    break;
                }
                sleep(LOOK);
            }
            self.wait();
        }
        println!("the kernel has {} routes instead of {wanted}", kernel_routes(pid));
        f64::INFINITY
    }
}

/// A response of version 2, with keyed MD5 where there is a sequence number (RFC 2082 §2).
fn message(routes: &[usize], metric: &dyn Fn(usize) -> u8, sequence: Option<u32>) -> Vec<u8> {
    let mut octets = vec![2, 2, 0, 0];
    if let Some(sequence) = sequence {
        let length = u16::try_from(24 + 20 * routes.len()).unwrap();
        octets.extend([0xff, 0xff, 0, 3]);
        octets.extend(length.to_be_bytes());
        octets.extend([7, 16]);
        octets.extend(sequence.to_be_bytes());
        octets.extend([0; 8]);
    }
    for route in routes {
        let [.., high, low] = route.to_be_bytes();
        octets.extend([0, 2, 0, 0, 10, high, low, 0, 255, 255, 255, 0, 0, 0, 0, 0, 0, 0, 0, metric(*route)]);
    }
    if sequence.is_some() {
        octets.extend([0xff, 0xff, 0, 1]);
        let mut key = [0; 16];
        key[..SECRET.len()].copy_from_slice(SECRET.as_bytes());
        let digest = Md5::new().chain_update(&octets).chain_update(key).finalize();
        octets.extend_from_slice(&digest);
    }
    octets
}

fn read(path: impl AsRef<Path>) -> String {
    std::fs::read_to_string(path).unwrap()
}

/// Seconds of processor time of all threads. None of the daemons has any that ends before it does.
fn processor_time(pid: u32) -> f64 {
    let threads = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    let nanoseconds = |thread: std::fs::DirEntry| -> u64 {
        read(thread.path().join("schedstat")).split_whitespace().next().unwrap().parse().unwrap()
    };
    threads.map(|thread| nanoseconds(thread.unwrap())).sum::<u64>() as f64 / 1e9
}

/// MiB.
fn most_memory(pid: u32) -> f64 {
    let status = read(format!("/proc/{pid}/status"));
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.split_whitespace().next().unwrap().parse::<f64>().unwrap() / 1024.0
}

/// How many prefixes the main table of the daemon's namespace has: counted by the kernel, which costs less than to read them.
fn kernel_routes(pid: u32) -> usize {
    let text = read(format!("/proc/{pid}/net/fib_triestat"));
    let line = text.lines().find_map(|line| line.trim().strip_prefix("Prefixes:")).unwrap();
    line.trim().parse().unwrap()
}

/// Datagrams of the namespace that a socket had no room for, and that were sent.
fn datagrams(pid: u32) -> (f64, f64) {
    let text = read(format!("/proc/{pid}/net/snmp"));
    let lines: Vec<&str> = text.lines().filter(|line| line.starts_with("Udp:")).collect();
    let value = |name: &str| -> f64 {
        let at = lines[0].split_whitespace().position(|column| column == name).unwrap();
        lines[1].split_whitespace().nth(at).unwrap().parse().unwrap()
    };
    (value("RcvbufErrors"), value("OutDatagrams"))
}
