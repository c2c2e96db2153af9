//! Makes a capture of full tables being sent, and lets `trunkline`, tcpdump and tshark read it, each in turn: processor time,
//! wall time and peak memory. `capture TRUNKLINE DIRECTORY [MEGABYTES [ROUNDS]]`.

#![allow(clippy::disallowed_methods, reason = "it measures real time")]

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};
use trunkline_bench_bgp::asn;
use trunkline_bench_bgp::feed::Table;
use trunkline_wire::bgp::{Capability, Family, Open, OptionalParameter, VERSION, emit_keepalive};
use trunkline_wire::ipv4::{Header, Protocol};
use trunkline_wire::tcp::{Flags, Options, Segment, SeqNum};

/// Routes of one transfer.
const ROUTES: usize = 1_000_000;
/// Octets of one segment.
const MSS: usize = 1448;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |at: usize, default| arguments.get(at).map_or(Some(default), |text| text.parse().ok());
    let (Some(trunkline), Some(directory), Some(megabytes), Some(rounds)) =
        (arguments.first(), arguments.get(1), number(2, 1000), number(3, 3))
    else {
        eprintln!("capture TRUNKLINE DIRECTORY [MEGABYTES [ROUNDS]]");
        return ExitCode::FAILURE;
    };
    let file = Path::new(directory).join("full-tables.pcap");
    let made = make(&file, megabytes as u64 * 1_000_000);
    let outcome = made.and_then(|frames| compare(trunkline, &file, frames, rounds));
    let _ = std::fs::remove_file(&file);
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{}: {error}", file.display());
            ExitCode::FAILURE
        }
    }
}

/// The capture: one connection after the other, from the handshake to the RST, until there are so many octets.
fn make(file: &Path, octets: u64) -> io::Result<u64> {
    let mut pcap = Pcap { out: BufWriter::new(File::create(file)?), micros: 0, written: 0, frames: 0 };
    // Magic number, version 2.4, snap length, link type 1: Ethernet.
    pcap.out
        .write_all(&[0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 1, 0, 0, 0])?;
    let table = Table::v4(ROUTES).updates(0).0;
    let mut port = 20_000;
    while pcap.written < octets {
        pcap.transfer(port, &table, octets)?;
        port += 1;
    }
    pcap.out.flush()?;
    Ok(pcap.frames)
}

struct Pcap {
    out: BufWriter<File>,
    micros: u64,
    written: u64,
    frames: u64,
}

impl Pcap {
    fn transfer(&mut self, port: u16, table: &[u8], octets: u64) -> io::Result<()> {
        let mut next = [1_000_000, 2_000_000];
        let mss = Options { mss: Some(MSS as u16), ..Options::NONE };
        self.segment(port, 0, Flags::SYN, mss, &mut next, &[])?;
        self.segment(port, 1, Flags::SYN | Flags::ACK, mss, &mut next, &[])?;
        self.segment(port, 0, Flags::ACK, Options::NONE, &mut next, &[])?;
        for from in [0, 1] {
            let mut words = Vec::new();
            open(from).emit(&mut words);
            emit_keepalive(&mut words);
            self.segment(port, from, Flags::ACK | Flags::PSH, Options::NONE, &mut next, &words)?;
        }
        for (number, part) in table.chunks(MSS).enumerate() {
            self.segment(port, 0, Flags::ACK, Options::NONE, &mut next, part)?;
            // Every other segment is acknowledged.
            if number % 2 == 1 {
                self.segment(port, 1, Flags::ACK, Options::NONE, &mut next, &[])?;
            }
            if self.written >= octets {
                break;
            }
        }
        self.segment(port, 1, Flags::RST | Flags::ACK, Options::NONE, &mut next, &[])
    }

    fn segment(
        &mut self,
        port: u16,
        from: usize,
        flags: Flags,
        options: Options,
        next: &mut [u32; 2],
        payload: &[u8],
    ) -> io::Result<()> {
        let addresses = [Ipv4Addr::new(10, 0, 0, 2), Ipv4Addr::new(10, 0, 0, 1)];
        let ports = [port, 179];
        let (us, them) = (addresses[from], addresses[1 - from]);
        let segment = Segment {
            source_port: ports[from],
            destination_port: ports[1 - from],
            sequence: SeqNum(next[from]),
            acknowledgment: SeqNum(if flags.contains(Flags::ACK) { next[1 - from] } else { 0 }),
            flags,
            window: 60_000,
            urgent_pointer: 0,
            options,
            payload,
        };
        let mut tcp = Vec::with_capacity(1520);
        segment.emit(us, them, &mut tcp);
        let mut frame = vec![2, 0, 0, 0, 0, 1 - from as u8, 2, 0, 0, 0, 0, from as u8, 8, 0];
        Header::new(Protocol::TCP, us, them).emit(tcp.len(), &mut frame);
        frame.extend_from_slice(&tcp);
        self.micros += 12;
        let (seconds, micros) = ((self.micros / 1_000_000) as u32, (self.micros % 1_000_000) as u32);
        for field in [seconds, micros, frame.len() as u32, frame.len() as u32] {
            self.out.write_all(&field.to_le_bytes())?;
        }
        self.out.write_all(&frame)?;
        self.written += 16 + frame.len() as u64;
        self.frames += 1;
        next[from] = next[from].wrapping_add(segment.segment_len());
        Ok(())
    }
}

fn open(from: usize) -> Open {
    Open {
        version: VERSION,
        my_as: asn(from).to_two_octet(),
        hold_time: 90,
        bgp_identifier: Ipv4Addr::new(10, 0, 0, from as u8 + 1),
        parameters: vec![OptionalParameter::Capabilities(vec![
            Capability::Multiprotocol(Family::IPV4_UNICAST),
            Capability::FourOctetAs(asn(from)),
        ])],
    }
}

/// Seconds, seconds, MiB.
type Cost = (f64, f64, f64);

fn compare(trunkline: &str, file: &Path, frames: u64, rounds: usize) -> io::Result<()> {
    let octets = file.metadata()?.len();
    println!("{octets} octets, {frames} frames; median of {rounds}");
    let file = &file.to_string_lossy();
    let programs: [(&str, Vec<&str>); 4] = [
        ("trunkline decode", vec![trunkline, "decode", file]),
        ("trunkline explain", vec![trunkline, "explain", file]),
        ("tcpdump -nn -r, not into BGP", vec!["tcpdump", "-nn", "-r", file]),
        ("tshark -n -r", vec!["tshark", "-n", "-r", file]),
    ];
    let mut costs: Vec<Vec<Cost>> = vec![Vec::new(); programs.len()];
    for _ in 0..rounds {
        for ((name, program), costs) in programs.iter().zip(&mut costs) {
            match cost(program) {
                Ok(cost) => costs.push(cost),
                Err(error) => println!("{name}: {error}"),
            }
        }
    }
    println!("{:<30} {:>8} {:>8} {:>10}", "", "CPU s", "wall s", "peak MiB");
    for ((name, _), costs) in programs.iter().zip(&mut costs) {
        let mut median = |of: fn(&Cost) -> f64| {
            costs.sort_by(|a, b| of(a).total_cmp(&of(b)));
            costs.get(costs.len() / 2).map_or(f64::NAN, of)
        };
        let (cpu, wall, peak) = (median(|c| c.0), median(|c| c.1), median(|c| c.2));
        println!("{name:<30} {cpu:>8.2} {wall:>8.2} {peak:>10.1}");
    }
    Ok(())
}

/// Runs a program to its end, its output thrown away.
fn cost(program: &[&str]) -> io::Result<Cost> {
    let start = Instant::now();
    let mut child = Command::new(program[0])
        .args(&program[1..])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    let proc = Path::new("/proc").join(child.id().to_string());
    let mut peak = 0.0_f64;
    // A process that has ended and has not been waited for still says how much time it took, but no more how much memory.
    let ticks = loop {
        let status = std::fs::read_to_string(proc.join("status"))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
        peak = peak.max(kib.unwrap_or(0.0) / 1024.0);
        let stat = std::fs::read_to_string(proc.join("stat"))?;
        let fields: Vec<&str> = stat.rsplit_once(") ").map_or("", |(_, rest)| rest).split(' ').collect();
        if fields.first() == Some(&"Z") {
            let ticks = |at: usize| fields.get(at).and_then(|field| field.parse::<f64>().ok()).unwrap_or(0.0);
            break ticks(11) + ticks(12);
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    let wall = start.elapsed().as_secs_f64();
    let status = child.wait()?;
    // `explain` ends with 3 where it has found something.
    if !matches!(status.code(), Some(0 | 3)) {
        return Err(io::Error::other(status.to_string()));
    }
    Ok((ticks / 100.0, wall, peak))
}
