//! `cargo xtask bench tcp`: octets a second between Linux and our TCP, between Linux and smoltcp by its own benchmark, and
//! between two Linux hosts, one after the other on the same machine, with the same MTU and without offloads.

use crate::Outcome;
use crate::run::{cargo, release, run, target};
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Octets of one transfer: as many as smoltcp's benchmark moves.
const AMOUNT: u64 = 1_000_000_000;

/// smoltcp's benchmark has its addresses built in.
const DEVICE: &str = "192.168.69.1";
const KERNEL: &str = "192.168.69.100/24";

const SEND: u16 = 1234;
const RECEIVE: u16 = 1235;

/// A network namespace that goes away with this value.
struct Space(String);

impl Space {
    fn new(role: &str) -> Result<Space, String> {
        let space = Space(format!("tl-bench-{}-{role}", std::process::id()));
        ip(&format!("netns add {}", space.0))?;
        space.ip("link set lo up")?;
        Ok(space)
    }

    fn ip(&self, arguments: &str) -> Outcome {
        ip(&format!("-n {} {arguments}", self.0))
    }

    /// A command that runs in it.
    fn command(&self, program: &Path) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.0]).arg(program);
        command
    }

    /// Segments and checksums are made by the processor, not by a device that is none.
    fn no_offload(&self, interface: &str) -> Outcome {
        let mut command = self.command(Path::new("ethtool"));
        command.args(["-K", interface, "tso", "off", "gso", "off", "gro", "off", "tx", "off", "rx", "off"]);
        run(command.stdout(Stdio::null()))
    }
}

impl Drop for Space {
    fn drop(&mut self) {
        let _ = ip(&format!("netns del {}", self.0));
    }
}

fn ip(arguments: &str) -> Outcome {
    run(Command::new("ip").args(arguments.split_whitespace()))
}

/// A program that ends with this value.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Gbit/s towards Linux and from Linux.
struct Measured {
    name: &'static str,
    to_linux: f64,
    from_linux: f64,
}

/// Runs all, `rounds` times, and prints the medians and the ratios.
pub(crate) fn bench(root: &Path, rounds: usize) -> Outcome {
    let trunkline = match std::env::var_os("TRUNKLINE_BIN") {
        Some(path) => PathBuf::from(path),
        None => release(root)?,
    };
    let smoltcp = build_smoltcp(root)?;
    let mut results: Vec<Vec<Measured>> = Vec::new();
    for round in 1..=rounds {
        println!("== round {round} of {rounds}");
        results.push(vec![
            smoltcp_tap(&smoltcp)?,
            ours(root, &trunkline, "tap")?,
            ours(root, &trunkline, "packet")?,
            linux(root)?,
        ]);
    }
    let median = |index: usize, of: fn(&Measured) -> f64| {
        let mut values: Vec<f64> = results.iter().map(|round| of(&round[index])).collect();
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    };
    println!("\nGbit/s, median of {rounds}: {AMOUNT} octets, MTU 1500, no offload");
    println!("{:<28} {:>10} {:>10}   ratio to smoltcp", "", "to Linux", "from Linux");
    let base = (median(0, |r| r.to_linux), median(0, |r| r.from_linux));
    for (index, result) in results[0].iter().enumerate() {
        let (to, from) = (median(index, |r| r.to_linux), median(index, |r| r.from_linux));
        println!("{:<28} {to:>10.2} {from:>10.2}   {:.2} / {:.2}", result.name, to / base.0, from / base.1);
    }
    Ok(())
}

/// smoltcp's benchmark, from the sources of its release.
fn build_smoltcp(root: &Path) -> Result<PathBuf, String> {
    let manifest = root.join("benches/smoltcp/Cargo.toml");
    let output = cargo(root)
        .args(["metadata", "--format-version", "1", "--manifest-path"])
        .arg(&manifest)
        .output()
        .map_err(|e| e.to_string())?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let needle = "\"manifest_path\":\"";
    let path = text
        .split(needle)
        .skip(1)
        .filter_map(|rest| rest.split('"').next())
        .find(|path| path.contains("/smoltcp-0"))
        .ok_or("cargo metadata does not name smoltcp")?;
    let place = target(root).join("bench/smoltcp");
    run(cargo(root)
        .args([
            "build",
            "--release",
            "--quiet",
            "--example",
            "benchmark",
            "--manifest-path",
            path,
            "--target-dir",
        ])
        .arg(&place))?;
    Ok(place.join("release/examples/benchmark"))
}

fn smoltcp_tap(binary: &Path) -> Result<Measured, String> {
    let space = Space::new("smoltcp")?;
    let mut gbit = [0.0; 2];
    space.ip("tuntap add name tap0 mode tap")?;
    space.ip("link set tap0 up")?;
    space.ip(&format!("addr add {KERNEL} dev tap0"))?;
    for (gbit, mode) in gbit.iter_mut().zip(["reader", "writer"]) {
        let output =
            space.command(binary).args(["--tap", "tap0", mode]).output().map_err(|e| e.to_string())?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let number = text.split("throughput: ").nth(1).and_then(|rest| rest.split_whitespace().next());
        *gbit = number.and_then(|n| n.parse().ok()).ok_or(format!("smoltcp said: {text}"))?;
        println!("smoltcp, TAP, {mode}: {gbit:.2} Gbit/s");
    }
    Ok(Measured { name: "smoltcp, TAP", to_linux: gbit[0], from_linux: gbit[1] })
}

fn ours(root: &Path, trunkline: &Path, port: &str) -> Result<Measured, String> {
    let space = Space::new("us")?;
    let peer = Space::new("linux")?;
    let linux = if port == "packet" { &peer } else { &space };
    if port == "packet" {
        ip(&format!("-n {} link add name e0 type veth peer name e0 netns {}", space.0, peer.0))?;
        space.no_offload("e0")?;
        peer.no_offload("e0")?;
        space.ip("link set e0 up")?;
        peer.ip("link set e0 up")?;
        peer.ip(&format!("addr add {KERNEL} dev e0"))?;
    }
    let (file, _) = host_file(root, "host", port)?;
    let mut command = space.command(trunkline);
    let child = command.arg("run").arg(&file).args(["--log", "warn"]).spawn().map_err(|e| e.to_string())?;
    let _running = Running(child);
    if port == "tap" {
        for _ in 0..100 {
            std::thread::sleep(Duration::from_millis(50));
            if space
                .command(Path::new("ip"))
                .args(["link", "show", "e0"])
                .output()
                .is_ok_and(|o| o.status.success())
            {
                break;
            }
        }
        space.ip(&format!("addr add {KERNEL} dev e0"))?;
    }
    let to_linux = client(linux, SEND, "read")?;
    let from_linux = client(linux, RECEIVE, "write")?;
    let name = if port == "tap" { "Trunkline, TAP" } else { "Trunkline, veth (AF_PACKET)" };
    println!("{name}: {to_linux:.2} Gbit/s to Linux, {from_linux:.2} from Linux");
    Ok(Measured { name, to_linux, from_linux })
}

fn linux(_root: &Path) -> Result<Measured, String> {
    let (one, other) = (Space::new("a")?, Space::new("b")?);
    ip(&format!("-n {} link add name e0 type veth peer name e0 netns {}", one.0, other.0))?;
    for (space, address) in [(&one, KERNEL), (&other, "192.168.69.1/24")] {
        space.no_offload("e0")?;
        space.ip("link set e0 up")?;
        space.ip(&format!("addr add {address} dev e0"))?;
    }
    let me = std::env::current_exe().map_err(|e| e.to_string())?;
    let mut command = other.command(&me);
    let child = command.args(["bench-server"]).spawn().map_err(|e| e.to_string())?;
    let _running = Running(child);
    let (to_linux, from_linux) = (client(&one, SEND, "read")?, client(&one, RECEIVE, "write")?);
    println!("Linux, veth: {to_linux:.2} and {from_linux:.2} Gbit/s");
    Ok(Measured { name: "Linux to Linux, veth", to_linux, from_linux })
}

/// Runs [`measure`] in a namespace.
fn client(space: &Space, port: u16, mode: &str) -> Result<f64, String> {
    let me = std::env::current_exe().map_err(|e| e.to_string())?;
    let mut command = space.command(&me);
    let output = command.args(["bench-client", &port.to_string(), mode]).stderr(Stdio::inherit()).output();
    let output = output.map_err(|e| e.to_string())?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.trim().parse().map_err(|_| format!("the client on port {port} failed: {text}"))
}

/// Shares of frames that the wire of [`goodput`] loses.
const LOSSES: [&str; 3] = ["0.1%", "1%", "3%"];

/// `cargo xtask bench goodput SECONDS`: Mbit/s from us, and from Linux with reno, to a Linux host through the same bad wire:
/// 20 ms each way, each loss, the same seed. All run at the same time, each on wires of its own; they need little.
pub(crate) fn goodput(root: &Path, seconds: u64) -> Outcome {
    let trunkline = match std::env::var_os("TRUNKLINE_BIN") {
        Some(path) => PathBuf::from(path),
        None => release(root)?,
    };
    println!("Mbit/s to a Linux host, 20 ms each way, {seconds} s, three seeds at once");
    println!("{:<8} {:>22} {:>22} {:>8}", "loss", "Trunkline", "Linux, reno", "ratio");
    for loss in LOSSES {
        let mut threads = Vec::new();
        for seed in 1..=3_u32 {
            for ours in [true, false] {
                let (root, trunkline) = (root.to_owned(), trunkline.clone());
                threads.push((
                    ours,
                    std::thread::spawn(move || through(&root, &trunkline, ours, loss, seed, seconds)),
                ));
            }
        }
        let mut mbit: [Vec<f64>; 2] = Default::default();
        for (ours, thread) in threads {
            let measured = thread.join().map_err(|_| "a measurement failed")??;
            mbit[usize::from(!ours)].push(measured);
        }
        let list = |values: &[f64]| values.iter().map(|v| format!("{v:.2}")).collect::<Vec<_>>().join(" ");
        let sum = |values: &[f64]| values.iter().sum::<f64>();
        let ratio = sum(&mbit[0]) / sum(&mbit[1]);
        println!("{loss:<8} {:>22} {:>22} {ratio:>8.2}", list(&mbit[0]), list(&mbit[1]));
    }
    Ok(())
}

/// One sender, its wire and its receiver.
fn through(
    root: &Path,
    trunkline: &Path,
    ours: bool,
    loss: &str,
    seed: u32,
    seconds: u64,
) -> Result<f64, String> {
    let tag = format!("{}{seed}", if ours { "t" } else { "l" });
    let [sender, wire, receiver] =
        [Space::new(&format!("{tag}s"))?, Space::new(&format!("{tag}w"))?, Space::new(&format!("{tag}r"))?];
    for (space, interface) in [(&sender, "w0"), (&receiver, "w1")] {
        ip(&format!("-n {} link add name {interface} type veth peer name e0 netns {}", wire.0, space.0))?;
        space.no_offload("e0")?;
        wire.no_offload(interface)?;
        space.ip("link set e0 up")?;
        wire.ip(&format!("link set {interface} up"))?;
    }
    receiver.ip(&format!("addr add {KERNEL} dev e0"))?;
    let seed = seed.to_string();
    let mut relay = wire.command(trunkline);
    relay
        .args(["relay", "w0", "w1", "--delay", "20ms", "--loss", loss, "--seed", &seed])
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
        run(sender.command(Path::new("sysctl")).args(["-qw", "net.ipv4.tcp_congestion_control=reno"]))?;
        let me = std::env::current_exe().map_err(|e| e.to_string())?;
        let mut command = sender.command(&me);
        command.arg("bench-server");
        command
    };
    let _sender = Running(command.spawn().map_err(|e| e.to_string())?);
    client(&receiver, SEND, &seconds.to_string()).map(|gbit| gbit * 1000.0)
}

/// A configuration of our host for a measurement, and its socket.
fn host_file(root: &Path, tag: &str, port: &str) -> Result<(PathBuf, PathBuf), String> {
    let directory = target(root).join("bench");
    std::fs::create_dir_all(&directory).map_err(|e| e.to_string())?;
    let (file, socket) = (directory.join(format!("{tag}.toml")), directory.join(format!("{tag}.sock")));
    let text = format!(
        "api.socket = \"{}\"\n[node]\nname = \"bench-{tag}\"\nkind = \"host\"\n\n[interface.e0]\nport = \"{port}\"\n\
         address = [\"{DEVICE}/24\"]\n\n[[service]]\nkind = \"chargen\"\nport = {SEND}\n\n\
         [[service]]\nkind = \"discard\"\nport = {RECEIVE}\n",
        socket.display()
    );
    std::fs::write(&file, text).map_err(|e| e.to_string())?;
    Ok((file, socket))
}

/// `xtask bench-client PORT read|write|SECONDS`: Gbit/s, as smoltcp's benchmark counts them.
pub(crate) fn measure(port: &str, mode: &str) -> Outcome {
    let port: u16 = port.parse().map_err(|_| "no port")?;
    let mut stream = connect(port)?;
    let mut buffer = vec![0x55; 1_000_000];
    #[allow(clippy::disallowed_methods, reason = "a benchmark is about real time")]
    let start = Instant::now();
    let mut moved = 0;
    let limit = mode.parse().ok().map(Duration::from_secs);
    while limit.map_or(moved < AMOUNT, |limit| start.elapsed() < limit) {
        let want = if limit.is_some() { buffer.len() } else { buffer.len().min((AMOUNT - moved) as usize) };
        let n = match mode {
            "write" => stream.write(&buffer[..want]),
            _ => stream.read(&mut buffer[..want]),
        };
        match n.map_err(|e| e.to_string())? {
            0 => return Err(format!("the connection ended after {moved} octets")),
            n => moved += n as u64,
        }
    }
    println!("{:.4}", moved as f64 * 8.0 / start.elapsed().as_secs_f64() / 1e9);
    Ok(())
}

fn connect(port: u16) -> Result<TcpStream, String> {
    let mut last = String::new();
    for _ in 0..100 {
        match TcpStream::connect((DEVICE, port)) {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error.to_string(),
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    Err(format!("cannot connect to {DEVICE}:{port}: {last}"))
}

/// `xtask bench-server`: the kernel's side of the comparison between two kernels.
pub(crate) fn serve() -> Outcome {
    let listen = |port| TcpListener::bind((DEVICE, port)).map_err(|e: std::io::Error| e.to_string());
    let (send, receive) = (listen(SEND)?, listen(RECEIVE)?);
    let mut buffer = vec![0x55; 1_000_000];
    let (mut stream, _) = send.accept().map_err(|e| e.to_string())?;
    while stream.write(&buffer).is_ok_and(|n| n > 0) {}
    let (mut stream, _) = receive.accept().map_err(|e| e.to_string())?;
    while stream.read(&mut buffer).is_ok_and(|n| n > 0) {}
    let _ = stream.shutdown(Shutdown::Both);
    Ok(())
}
