//! `cargo xtask bench goodput`: octets a second through a wire that loses frames, from our TCP and from Linux with reno.
//!
//! A few losses more or less at a bad time change one transfer by a third, so the two are compared in pairs: the same octets
//! through the same wire, whose seed loses the n-th frame of both. How far the first slow start goes is a matter of luck
//! alone, on a wire without a rate of its own, and is felt for long; so as much as half of the octets goes before them and
//! does not count. What is left is told by many pairs and their spread.

use crate::Outcome;
use crate::bench_tcp::{DEVICE, KERNEL, Running, SEND, Space, client, host_file, ip};
use crate::run::{release, run};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Shares of frames that the wire loses, as the relay takes them and as numbers.
const LOSSES: [(&str, f64); 3] = [("0.1%", 0.001), ("1%", 0.01), ("3%", 0.03)];
/// From one end of the wire to the other, milliseconds.
const DELAY: u32 = 20;
/// Data octets of a segment: MTU 1500, timestamps.
const MSS: f64 = 1448.0;
/// Pairs that run at once; each has wires of its own.
const AT_ONCE: usize = 3;

/// Mbit/s of a pair.
struct Pair {
    ours: f64,
    linux: f64,
}

/// Runs `pairs` for each loss, each transfer about `seconds` long, and prints medians, quartiles and the ratio.
pub(crate) fn bench(root: &Path, pairs: usize, seconds: u32) -> Outcome {
    let trunkline = match std::env::var_os("TRUNKLINE_BIN") {
        Some(path) => PathBuf::from(path),
        None => release(root)?,
    };
    // A wire that gets no processor for a while is longer than it says, and a sender in user space feels it more than the
    // kernel does; so what else runs here has to wait. All that is started from here inherits it, and needs little.
    let me = std::process::id().to_string();
    run(Command::new("chrt").args(["--rr", "--pid", "1", &me]))?;
    println!(
        "Mbit/s to a Linux host, {DELAY} ms each way; {pairs} pairs of the same octets through the same losses"
    );
    println!(
        "{:<6} {:>9}  {:^24}  {:^24}  {:^30}",
        "loss", "octets", "Trunkline: median (quart.)", "Linux, reno", "ratio: mean (95 %), pairs >= 1"
    );
    for (loss, share) in LOSSES {
        // What Mathis et al. say that a Reno sends in that time.
        let octets = (f64::from(seconds) * MSS / (f64::from(DELAY) * 2e-3) * (1.5 / share).sqrt()) as u64;
        let mut measured: Vec<Pair> = Vec::new();
        let seeds: Vec<usize> = (1..=pairs).collect();
        for seeds in seeds.chunks(AT_ONCE) {
            let threads: Vec<_> = seeds
                .iter()
                .flat_map(|seed| [true, false].map(|ours| (*seed, ours)))
                .map(|(seed, ours)| {
                    let (root, trunkline) = (root.to_owned(), trunkline.clone());
                    std::thread::spawn(move || through(&root, &trunkline, ours, loss, seed, octets))
                })
                .collect();
            let mut results = Vec::new();
            for thread in threads {
                results.push(thread.join().map_err(|_| "a measurement failed")??);
            }
            measured.extend(results.chunks(2).map(|pair| Pair { ours: pair[0], linux: pair[1] }));
        }
        report(loss, octets, &measured);
    }
    Ok(())
}

fn report(loss: &str, octets: u64, pairs: &[Pair]) {
    let ours = quartiles(pairs.iter().map(|pair| pair.ours));
    let linux = quartiles(pairs.iter().map(|pair| pair.linux));
    let (mean, low, high) = ratio(pairs);
    let better = pairs.iter().filter(|pair| pair.ours >= pair.linux).count();
    println!(
        "{loss:<6} {octets:>9}  {ours:^24}  {linux:^24}  {mean:.3} ({low:.3} to {high:.3}), {better} of {}",
        pairs.len()
    );
    let list: Vec<_> = pairs.iter().map(|pair| format!("{:.2}/{:.2}", pair.ours, pair.linux)).collect();
    println!("       {}", list.join(" "));
}

/// The median and the quartiles, in words.
fn quartiles(values: impl Iterator<Item = f64>) -> String {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let at = |part: f64| values[((values.len() - 1) as f64 * part).round() as usize];
    format!("{:.2} ({:.2} to {:.2})", at(0.5), at(0.25), at(0.75))
}

/// The geometric mean of the ratios, and between what it lies with 95 % confidence by Student's t.
fn ratio(pairs: &[Pair]) -> (f64, f64, f64) {
    let logs: Vec<f64> = pairs.iter().map(|pair| (pair.ours / pair.linux).ln()).collect();
    let n = logs.len() as f64;
    let mean = logs.iter().sum::<f64>() / n;
    let freedom = n - 1.0;
    let variance = logs.iter().map(|log| (log - mean).powi(2)).sum::<f64>() / freedom;
    // The quantile of t for 95 %, within 2 % from three degrees of freedom on.
    let t = 1.96 + 2.5 / freedom + 3.0 / freedom.powi(2);
    let off = t * (variance / n).sqrt();
    (mean.exp(), (mean - off).exp(), (mean + off).exp())
}

/// One sender, its wire and its receiver; Mbit/s.
fn through(
    root: &Path,
    trunkline: &Path,
    ours: bool,
    loss: &str,
    seed: usize,
    octets: u64,
) -> Result<f64, String> {
    let tag = format!("{}{seed}", if ours { "t" } else { "l" });
    let [sender, wire, receiver] =
        [Space::new(&format!("{tag}s"))?, Space::new(&format!("{tag}w"))?, Space::new(&format!("{tag}r"))?];
    for (space, interface) in [(&sender, "w0"), (&receiver, "w1")] {
        // Frames of IPv6 would take the losses of others.
        sysctl(space, "net.ipv6.conf.all.disable_ipv6=1")?;
        ip(&format!(
            "-n {} link add name {interface} type veth peer name e0 netns {}",
            wire.name(),
            space.name()
        ))?;
        space.no_offload("e0")?;
        wire.no_offload(interface)?;
    }
    sysctl(&wire, "net.ipv6.conf.all.disable_ipv6=1")?;
    for (space, interface) in [(&sender, "w0"), (&receiver, "w1")] {
        space.ip("link set e0 up")?;
        wire.ip(&format!("link set {interface} up"))?;
    }
    receiver.ip(&format!("addr add {KERNEL} dev e0"))?;
    let (seed, delay) = (seed.to_string(), format!("{DELAY}ms"));
    let mut relay = wire.command(trunkline);
    relay
        .args(["relay", "w0", "w1", "--delay", &delay, "--loss", loss, "--seed", &seed])
        .stderr(Stdio::null());
    let _relay = Running(relay.spawn().map_err(|e| e.to_string())?);
    let mut command = if ours {
        let (file, socket) = host_file(root, &tag, "packet")?;
        let _ = std::fs::remove_file(socket);
        let mut command = sender.command(trunkline);
        command.arg("run").arg(file).args(["--log", "warn"]);
        command
    } else {
        sender.ip(&format!("addr add {DEVICE}/24 dev e0"))?;
        sysctl(&sender, "net.ipv4.tcp_congestion_control=reno")?;
        let me = std::env::current_exe().map_err(|e| e.to_string())?;
        let mut command = sender.command(&me);
        command.arg("bench-server");
        command
    };
    let _sender = Running(command.spawn().map_err(|e| e.to_string())?);
    client(&receiver, SEND, &format!("{}+{octets}", octets / 2)).map(|gbit| gbit * 1000.0)
}

fn sysctl(space: &Space, setting: &str) -> Outcome {
    let mut command: Command = space.command(Path::new("sysctl"));
    run(command.args(["-qw", setting]))
}
