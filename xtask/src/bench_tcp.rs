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
pub(crate) const DEVICE: &str = "192.168.69.1";
pub(crate) const KERNEL: &str = "192.168.69.100/24";

pub(crate) const SEND: u16 = 1234;
const RECEIVE: u16 = 1235;

/// A network namespace that goes away with this value.
pub(crate) struct Space(String);

impl Space {
    pub(crate) fn new(role: &str) -> Result<Space, String> {
        let space = Space(format!("tl-bench-{}-{role}", std::process::id()));
        ip(&format!("netns add {}", space.0))?;
        space.ip("link set lo up")?;
        Ok(space)
    }

    /// Its name.
    pub(crate) fn name(&self) -> &str {
        &self.0
    }

    pub(crate) fn ip(&self, arguments: &str) -> Outcome {
        ip(&format!("-n {} {arguments}", self.0))
    }

    /// A command that runs in it.
    pub(crate) fn command(&self, program: &Path) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.0]).arg(program);
        command
    }

    /// Segments and checksums are made by the processor, not by a device that is none.
    pub(crate) fn no_offload(&self, interface: &str) -> Outcome {
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

pub(crate) fn ip(arguments: &str) -> Outcome {
    run(Command::new("ip").args(arguments.split_whitespace()))
}

/// A program that ends with this value.
pub(crate) struct Running(pub(crate) Child);

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
pub(crate) fn client(space: &Space, port: u16, mode: &str) -> Result<f64, String> {
    let me = std::env::current_exe().map_err(|e| e.to_string())?;
    let mut command = space.command(&me);
    let output = command.args(["bench-client", &port.to_string(), mode]).stderr(Stdio::inherit()).output();
    let output = output.map_err(|e| e.to_string())?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.trim().parse().map_err(|_| format!("the client on port {port} failed: {text}"))
}

/// A configuration of our host for a measurement, and its socket.
pub(crate) fn host_file(root: &Path, tag: &str, port: &str) -> Result<(PathBuf, PathBuf), String> {
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

/// `xtask bench-client PORT read|write|SKIP+OCTETS`: Gbit/s, as smoltcp's benchmark counts them; of so many octets to read,
/// after some that do not count.
pub(crate) fn measure(port: &str, mode: &str) -> Outcome {
    let port: u16 = port.parse().map_err(|_| "no port")?;
    let mut stream = connect(port)?;
    let mut buffer = vec![0x55; 1_000_000];
    #[allow(clippy::disallowed_methods, reason = "a benchmark is about real time")]
    let now = Instant::now;
    let (skip, amount) = match mode.split_once('+') {
        Some((skip, octets)) => {
            let number = |text: &str| text.parse::<u64>().map_err(|e| format!("{text}: {e}"));
            (number(skip)?, number(skip)? + number(octets)?)
        }
        None => (0, AMOUNT),
    };
    let (mut start, mut moved) = (now(), 0);
    while moved < amount {
        let until = if moved < skip { skip } else { amount };
        let want = buffer.len().min((until - moved) as usize);
        let n = match mode {
            "write" => stream.write(&buffer[..want]),
            _ => stream.read(&mut buffer[..want]),
        };
        match n.map_err(|e| e.to_string())? {
            0 => return Err(format!("the connection ended after {moved} octets")),
            n => moved += n as u64,
        }
        if moved == skip {
            start = now();
        }
    }
    println!("{:.6}", (moved - skip) as f64 * 8.0 / start.elapsed().as_secs_f64() / 1e9);
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
