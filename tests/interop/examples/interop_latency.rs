//! `cargo xtask bench latency`: how long a route takes from one neighbour to another while the daemon has much else to do,
//! for Trunkline and for BIRD 2.
//!
//! Four feeds announce the same 500,000 routes each, with other attributes each time. Beside them one neighbour announces a
//! mark every few milliseconds: a prefix of its own that tells by its number when it was due. Two neighbours see the marks
//! come: one is sent nothing else ("alone"), the other everything. Twenty more are sent nothing at all, and tell how late
//! KEEPALIVEs come after the third of the hold time.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::disallowed_methods,
    reason = "a measurement against real daemons in real time"
)]

use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use trunkline_core::{Asn, Ipv4Prefix};
use trunkline_interop::{
    Config, Daemon, Identity, Lab, Neighbor, Netns, PATIENCE, Source, Speaker, Table, Trunkline, holds_within,
};
use trunkline_wire::bgp::{
    AsPath, Attributes, MAX_MESSAGE_LEN, MessageType, Origin, Update, emit_keepalive, emit_update_ipv4,
    ipv4_prefixes,
};

const ROUTES: u32 = 500_000;
/// Between two marks.
const PERIOD: Duration = Duration::from_millis(5);
/// Octets that a feed writes at once.
const PIECE: usize = 64 * 1024;
/// Between two reloads.
const RELOAD: Duration = Duration::from_millis(500);
/// Everything a mark may be.
const MARKS: &str = "198.18.0.0/15";

const OUR_AS: u32 = 65000;
const DAEMON: &str = "10.99.0.1";
const FEEDS: [(&str, u32); 4] =
    [("10.99.1.1", 65001), ("10.99.1.2", 65002), ("10.99.1.3", 65003), ("10.99.1.4", 65004)];
const PROBE: (&str, u32) = ("10.99.2.1", 65011);
const ALONE: (&str, u32) = ("10.99.2.2", 65012);
const EVERYTHING: (&str, u32) = ("10.99.2.3", 65013);
const STALLED: (&str, u32) = ("10.99.2.4", 65014);
const IDLE: usize = 20;

fn idle(number: usize) -> (String, u32) {
    (format!("10.99.3.{}", number + 1), 65100 + number as u32)
}

/// What a daemon is asked to do beside the load.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Beside {
    Nothing,
    Show,
    ReloadExport,
    ReloadImport,
    Stalled,
}

/// What one part of a run brought.
#[derive(Default)]
struct Samples {
    alone: Vec<f64>,
    everything: Vec<f64>,
    keepalives: Vec<f64>,
}

/// What all threads of a run see.
struct Shared {
    begin: Instant,
    samples: Mutex<Samples>,
    /// Marks that were announced, and the number of the last that each receiver saw.
    announced: AtomicU32,
    seen: [AtomicU32; 2],
    feeding: AtomicBool,
    /// Rounds of all feeds together.
    rounds: AtomicUsize,
    stop: AtomicBool,
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let seconds: u64 = arguments.next().map_or(10, |seconds| seconds.parse().unwrap());
    let only = arguments.next();
    // Other work on the machine is to wait, ours among itself is not favoured.
    let _ = Command::new("renice").args(["-n", "-15", "-p", &std::process::id().to_string()]).output();
    let table = Table::new(ROUTES, 1);
    let editions: Vec<[Arc<Vec<u8>>; 2]> = FEEDS
        .iter()
        .map(|(address, asn)| {
            let source = |edition| Source { asn: *asn, address: address.parse().unwrap(), edition };
            [0, 1].map(|edition| Arc::new(table.announce(source(edition))))
        })
        .collect();
    drop(table);
    for ours in [true, false] {
        let name = if ours { "trunkline" } else { "bird" };
        if only.as_deref().is_none_or(|only| only == name) {
            measure(ours, Duration::from_secs(seconds), &editions);
        }
    }
}

fn measure(ours: bool, time: Duration, editions: &[[Arc<Vec<u8>>; 2]]) {
    println!("== {}: marks in ms, median / 99 % / most", if ours { "Trunkline" } else { "BIRD 2" });
    let lab = Lab::new().unwrap();
    let (space, tester) = (lab.space("dut"), lab.space("load"));
    let mut addresses: Vec<String> = (FEEDS.iter().chain([&PROBE, &ALONE, &EVERYTHING, &STALLED]))
        .map(|(address, _)| format!("{address}/16"))
        .collect();
    addresses.extend((0..IDLE).map(|n| format!("{}/16", idle(n).0)));
    let addresses: Vec<&str> = addresses.iter().map(String::as_str).collect();
    lab.link((&space, "e0", &["10.99.0.1/16"]), (&tester, "e0", &addresses));
    let daemon = Dut::start(ours, &lab, &space);
    let shared = Arc::new(Shared {
        begin: Instant::now(),
        samples: Mutex::default(),
        announced: AtomicU32::new(0),
        seen: [AtomicU32::new(0), AtomicU32::new(0)],
        feeding: AtomicBool::new(false),
        rounds: AtomicUsize::new(0),
        stop: AtomicBool::new(false),
    });
    let speak =
        |(address, asn): (&str, u32)| Speaker::establish(&tester, Identity::new(address, DAEMON, asn));
    for (which, who) in [ALONE, EVERYTHING].into_iter().enumerate() {
        let (shared, speaker) = (Arc::clone(&shared), speak(who));
        std::thread::spawn(move || receive(&shared, speaker, which));
    }
    for number in 0..IDLE {
        let (address, asn) = idle(number);
        let identity = Identity { hold_time: 3, ..Identity::new(&address, DAEMON, asn) };
        let (shared, speaker) = (Arc::clone(&shared), Speaker::establish(&tester, identity));
        std::thread::spawn(move || stay_alive(&shared, speaker));
    }
    for (who, editions) in FEEDS.into_iter().zip(editions) {
        let (shared, speaker, editions) = (Arc::clone(&shared), speak(who), editions.clone());
        std::thread::spawn(move || feed(&shared, speaker, &editions));
    }
    let probe = (Arc::clone(&shared), speak(PROBE));
    std::thread::spawn(move || announce_marks(&probe.0, probe.1));

    part(&shared, "quiet", time, false, || {});
    // Until each feed has said all once.
    shared.feeding.store(true, Ordering::Relaxed);
    let limit = Duration::from_secs(180);
    part(&shared, "S2: four feeds of 500,000, from nothing", limit, true, || {
        assert!(holds_within(limit, || shared.rounds.load(Ordering::Relaxed) >= FEEDS.len()), "never loaded");
    });
    let mut stalled = None;
    for (name, beside) in [
        ("S2 again and again", Beside::Nothing),
        ("and all routes are shown", Beside::Show),
        ("and a receiver's policy changes", Beside::ReloadExport),
        ("and a feed's policy changes", Beside::ReloadImport),
        ("and a peer stops reading", Beside::Stalled),
    ] {
        if beside == Beside::ReloadImport && !ours {
            println!("{name:<40} (BIRD starts the session anew)");
            continue;
        }
        if beside == Beside::Stalled {
            let identity = Identity::new(STALLED.0, DAEMON, STALLED.1);
            stalled = Some(Speaker::establish(&tester, Identity { receive_buffer: Some(4096), ..identity }));
        }
        let before = shared.rounds.load(Ordering::Relaxed);
        let mut done = 0;
        part(&shared, name, time, true, || {
            let end = Instant::now() + time;
            while Instant::now() < end {
                done += 1;
                match beside {
                    Beside::Show => daemon.show(),
                    Beside::ReloadExport | Beside::ReloadImport => {
                        daemon.reload(beside, done % 2 == 1);
                        std::thread::sleep(RELOAD);
                    }
                    Beside::Nothing | Beside::Stalled => std::thread::sleep(end - Instant::now().min(end)),
                }
            }
        });
        let rounds = shared.rounds.load(Ordering::Relaxed) - before;
        let times = if matches!(beside, Beside::Nothing | Beside::Stalled) {
            String::new()
        } else {
            format!(", {done} times that")
        };
        println!("{:<40} {rounds} rounds of a feed{times}", "");
    }
    drop(stalled);
    shared.stop.store(true, Ordering::Relaxed);
    shared.feeding.store(true, Ordering::Relaxed);
}

/// One part of a run: what `work` is beside, until all marks of it have come.
fn part(shared: &Shared, name: &str, time: Duration, feeding: bool, work: impl FnOnce()) {
    *shared.samples.lock().unwrap() = Samples::default();
    shared.feeding.store(feeding, Ordering::Relaxed);
    let begin = Instant::now();
    if feeding {
        work()
    } else {
        std::thread::sleep(time)
    }
    let seconds = begin.elapsed().as_secs_f64();
    let last = shared.announced.load(Ordering::Relaxed);
    shared.feeding.store(false, Ordering::Relaxed);
    let all_came = || shared.seen.iter().all(|seen| seen.load(Ordering::Relaxed) >= last);
    let came = holds_within(PATIENCE, all_came);
    let mut samples = std::mem::take(&mut *shared.samples.lock().unwrap());
    println!(
        "{name:<40} {seconds:>6.1} s   alone {}   everything {}   KEEPALIVEs late {}{}",
        row(&mut samples.alone),
        row(&mut samples.everything),
        row(&mut samples.keepalives),
        if came { "" } else { "   MARKS ARE MISSING" }
    );
}

fn row(samples: &mut [f64]) -> String {
    samples.sort_by(f64::total_cmp);
    let at = |share: f64| samples.get((samples.len() as f64 * share) as usize).or(samples.last()).copied();
    let ms = |value: Option<f64>| value.map_or("-".to_owned(), |value| format!("{:.1}", value * 1e3));
    format!("{:>6} /{:>7} /{:>7}", ms(at(0.5)), ms(at(0.99)), ms(at(1.0)))
}

/// This thread is not to wait for a processor: it measures.
fn ahead_of_others() {
    let thread = rustix::thread::gettid().as_raw_nonzero().to_string();
    let done = Command::new("chrt").args(["--rr", "--pid", "10", &thread]).status();
    assert!(done.is_ok_and(|status| status.success()), "chrt");
}

fn announce_marks(shared: &Shared, mut speaker: Speaker) {
    ahead_of_others();
    speaker.reader().drain();
    let attributes = Attributes {
        origin: Some(Origin::Igp),
        as_path: Some(AsPath::sequence([Asn(PROBE.1)])),
        next_hop: Some(PROBE.0.parse().unwrap()),
        ..Attributes::default()
    };
    let (mut block, mut octets) = (Vec::new(), Vec::new());
    attributes.emit(true, &mut block);
    for number in 0u32.. {
        let due = shared.begin + PERIOD * number;
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        octets.clear();
        // Beyond its prefix they begin again, which no run is long enough for.
        let prefix = Ipv4Prefix::from_bits(0xc612_0000 + number, 32);
        emit_update_ipv4(MAX_MESSAGE_LEN, &block, &[prefix], &mut octets);
        if speaker.send(&octets).is_err() {
            return;
        }
        shared.announced.store(number, Ordering::Relaxed);
    }
}

fn receive(shared: &Shared, mut speaker: Speaker, which: usize) {
    ahead_of_others();
    // Each once: an export policy that changes sends all of them again.
    let (mut marks, mut known) = (Vec::new(), std::collections::BTreeSet::new());
    loop {
        let take = |kind: MessageType, body: &[u8]| {
            if kind != MessageType::Update {
                return;
            }
            let update = Update::new_checked(body).unwrap();
            let found = ipv4_prefixes(update.nlri).flatten().filter(|p| p.len() == 32);
            marks.extend(found.map(|prefix| prefix.bits() - 0xc612_0000).filter(|mark| known.insert(*mark)));
        };
        if speaker.receive(take).is_err() {
            return;
        }
        let now = Instant::now();
        if let Some(highest) = marks.iter().max() {
            shared.seen[which].fetch_max(*highest, Ordering::Relaxed);
            let mut samples = shared.samples.lock().unwrap();
            let Samples { alone, everything, .. } = &mut *samples;
            let list = if which == 0 { alone } else { everything };
            let late = |mark: u32| now.saturating_duration_since(shared.begin + PERIOD * mark).as_secs_f64();
            list.extend(marks.drain(..).map(late));
        }
    }
}

/// Keeps a session of 3 s alive, and sees how late the other side's KEEPALIVEs are.
fn stay_alive(shared: &Arc<Shared>, mut speaker: Speaker) {
    ahead_of_others();
    let mut writer = speaker.reader();
    let clone = Arc::clone(shared);
    std::thread::spawn(move || {
        let mut keepalive = Vec::new();
        emit_keepalive(&mut keepalive);
        while !clone.stop.load(Ordering::Relaxed) && writer.send(&keepalive).is_ok() {
            std::thread::sleep(Duration::from_millis(900));
        }
    });
    let mut last = Instant::now();
    loop {
        let mut came = false;
        if speaker.receive(|kind, _| came |= kind == MessageType::Keepalive).is_err() {
            return;
        }
        if came {
            let late = last.elapsed().saturating_sub(Duration::from_secs(1));
            last = Instant::now();
            shared.samples.lock().unwrap().keepalives.push(late.as_secs_f64());
        }
    }
}

fn feed(shared: &Shared, mut speaker: Speaker, editions: &[Arc<Vec<u8>>; 2]) {
    speaker.reader().drain();
    while !shared.stop.load(Ordering::Relaxed) {
        for edition in editions {
            for piece in edition.chunks(PIECE) {
                while !shared.feeding.load(Ordering::Relaxed) {
                    std::thread::sleep(Duration::from_millis(5));
                }
                if shared.stop.load(Ordering::Relaxed) || speaker.send(piece).is_err() {
                    return;
                }
            }
            shared.rounds.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// The daemon under test.
enum Dut {
    Ours(Trunkline),
    Bird { _process: Daemon, dir: std::path::PathBuf, space: Netns },
}

impl Dut {
    fn start(ours: bool, lab: &Lab, space: &Netns) -> Dut {
        if ours {
            return Dut::Ours(Trunkline::start(lab, space, "us", &our_config(false, false)));
        }
        let dir = lab.dir().join("bird");
        std::fs::create_dir_all(&dir).unwrap();
        std::fs::write(dir.join("bird.conf"), bird_config(false)).unwrap();
        let path = |name: &str| dir.join(name).to_string_lossy().into_owned();
        let argv = ["bird", "-f", "-c", &path("bird.conf"), "-s", &path("bird.ctl"), "-P", &path("bird.pid")];
        let process = Daemon::start(space, &dir, "bird", &argv, &[]);
        Dut::Bird { _process: process, dir, space: space.clone() }
    }

    /// The whole table, to nowhere.
    fn show(&self) {
        match self {
            Dut::Ours(node) => {
                node.cli_to_nowhere(&["show", "bgp", "routes", "--all"]);
            }
            Dut::Bird { dir, space, .. } => birdc(space, dir, &["show", "route", "all"]),
        }
    }

    /// Changes one neighbour, there and back.
    fn reload(&self, beside: Beside, there: bool) {
        match self {
            Dut::Ours(node) => {
                let config = match beside {
                    Beside::ReloadImport => our_config(false, there),
                    _ => our_config(there, false),
                };
                node.reload(&config);
            }
            Dut::Bird { dir, space, .. } => {
                std::fs::write(dir.join("bird.conf"), bird_config(there)).unwrap();
                birdc(space, dir, &["configure"]);
            }
        }
    }
}

fn birdc(space: &Netns, dir: &Path, arguments: &[&str]) {
    let mut command = Command::new("ip");
    command.args(["netns", "exec", space.name(), "birdc", "-s"]).arg(dir.join("bird.ctl")).args(arguments);
    assert!(command.stdin(Stdio::null()).stdout(Stdio::null()).status().unwrap().success(), "birdc");
}

/// With another export policy towards the one that is sent everything, or another import policy for the last feed.
fn our_config(other_export: bool, other_import: bool) -> Config {
    let mut config = Config::new(OUR_AS, DAEMON);
    let quoted = |policy: &str| format!("\"{policy}\"");
    let mut add = |(address, asn): (&str, u32), import: &str, export: &str| {
        let neighbor = Neighbor::new(address, asn).set("passive", "true").set("hold-time", "180");
        let neighbor = neighbor.set("import", &quoted(import)).set("export", &quoted(export));
        config.neighbors.push(neighbor);
    };
    for (number, who) in FEEDS.into_iter().enumerate() {
        add(who, if other_import && number == 3 { "mark" } else { "accept" }, "accept");
    }
    add(PROBE, "accept", "reject");
    add(ALONE, "reject", "marks");
    add(EVERYTHING, "reject", if other_export { "mark" } else { "accept" });
    add(STALLED, "reject", "accept");
    for number in 0..IDLE {
        let (address, asn) = idle(number);
        add((&address, asn), "reject", "reject");
    }
    config.tables = format!(
        "[[policy.marks]]\nmatch = \"{MARKS} ge 32\"\naction = \"accept\"\n\n\
         [[policy.mark]]\naction = \"accept\"\nadd-communities = [\"65000:1\"]\n"
    );
    config
}

fn bird_config(other_export: bool) -> String {
    let mut text = format!(
        "router id {DAEMON};\nlog stderr {{ warning, error, fatal, bug }};\nprotocol device {{ }}\n\
         filter marks {{ if net ~ [ {MARKS}{{32,32}} ] then accept; reject; }}\n\
         filter mark {{ bgp_community.add((65000,1)); accept; }}\n"
    );
    let mut add = |(address, asn): (&str, u32), import: &str, export: &str| {
        let name = address.replace('.', "_");
        let _ = writeln!(
            text,
            "protocol bgp n{name} {{\n  local {DAEMON} as {OUR_AS}; neighbor {address} as {asn}; passive on; hold time 180;\n  \
             ipv4 {{ import {import}; export {export}; }};\n}}"
        );
    };
    FEEDS.into_iter().for_each(|who| add(who, "all", "all"));
    add(PROBE, "all", "none");
    add(ALONE, "none", "filter marks");
    add(EVERYTHING, "none", if other_export { "filter mark" } else { "all" });
    add(STALLED, "none", "all");
    for number in 0..IDLE {
        let (address, asn) = idle(number);
        add((&address, asn), "none", "none");
    }
    text
}
