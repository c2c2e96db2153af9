//! Running other programs, and the tasks that do little else.

use crate::Outcome;
use std::path::{Path, PathBuf};
use std::process::Command;

/// `cargo`, the one that runs this task.
pub(crate) fn cargo(root: &Path) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root);
    command
}

/// Runs a command to its end.
pub(crate) fn run(command: &mut Command) -> Outcome {
    let name = command.get_program().to_string_lossy().into_owned();
    let status = command.status().map_err(|e| format!("cannot run {name}: {e}"))?;
    if status.success() { Ok(()) } else { Err(format!("{name} failed: {status}")) }
}

/// Where builds go.
pub(crate) fn target(root: &Path) -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), |dir| root.join(dir))
}

/// Builds the release binary; its path.
pub(crate) fn release(root: &Path) -> Result<PathBuf, String> {
    run(cargo(root).args(["build", "--release", "--package", "trunkline"]))?;
    Ok(target(root).join("release/trunkline"))
}

/// Each target in turn.
pub(crate) fn fuzz(root: &Path, seconds: u32) -> Outcome {
    let targets = root.join("fuzz/fuzz_targets");
    let mut names: Vec<String> = std::fs::read_dir(&targets)
        .map_err(|e| format!("{}: {e}", targets.display()))?
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.strip_suffix(".rs").map(str::to_owned))
        .collect();
    names.sort();
    let known = cargo(root).args(["fuzz", "--version"]).output();
    if !known.is_ok_and(|output| output.status.success()) {
        return Err("cargo-fuzz is missing: cargo install cargo-fuzz".into());
    }
    let mut crashed = Vec::new();
    for name in names {
        println!("== {name}, {seconds} s");
        let limit = format!("-max_total_time={seconds}");
        // The sanitizers want a nightly compiler, or one that is told to be it.
        let mut command = cargo(root);
        command.args(["fuzz", "run", &name, "--", &limit, "-rss_limit_mb=4096", "-timeout=20"]);
        if run(command.env("RUSTC_BOOTSTRAP", "1")).is_err() {
            crashed.push(name);
        }
    }
    if crashed.is_empty() { Ok(()) } else { Err(format!("fuzz targets that failed: {}", crashed.join(", "))) }
}

/// The speed of the lab.
pub(crate) fn bench_lab(root: &Path) -> Outcome {
    run(cargo(root).args([
        "run",
        "--release",
        "--quiet",
        "--package",
        "trunkline-lab",
        "--example",
        "lab_speed",
    ]))
}

/// RIP beside ripd and BIRD, by the harness of the interoperability tests.
pub(crate) fn bench_rip(root: &Path, arguments: &[&str]) -> Outcome {
    interop_example(root, &[], "interop_rip", arguments)
}

/// How long a route takes through a daemon that has much to do, for us and for BIRD.
pub(crate) fn bench_latency(root: &Path, arguments: &[&str]) -> Outcome {
    interop_example(root, &["--release"], "interop_latency", arguments)
}

fn interop_example(root: &Path, flags: &[&str], name: &str, arguments: &[&str]) -> Outcome {
    let binary = match std::env::var_os("TRUNKLINE_BIN") {
        Some(path) => PathBuf::from(path),
        None => release(root)?,
    };
    let mut command = cargo(root);
    command.args(["run", "--quiet"]).args(flags).args([
        "--package",
        "trunkline-interop",
        "--example",
        name,
        "--",
    ]);
    run(command.args(arguments).env("TRUNKLINE_BIN", binary))
}

/// Instructions by gungraun, whose runner must be of the same release as the crate.
pub(crate) fn bench_micro(root: &Path, arguments: &[&str]) -> Outcome {
    if Command::new("valgrind").arg("--version").output().is_err() {
        return Err("valgrind is missing: apt-get install valgrind".into());
    }
    let lock = root.join("benches/bgp/Cargo.lock");
    let text = std::fs::read_to_string(&lock).map_err(|e| format!("{}: {e}", lock.display()))?;
    let (_, rest) =
        text.split_once("name = \"gungraun\"\nversion = \"").ok_or("Cargo.lock has no gungraun")?;
    let version = rest.split('"').next().unwrap_or_default();
    let place = target(root).join("bench");
    let runner = place.join(format!("gungraun-{version}"));
    if !runner.exists() {
        let mut install = cargo(root);
        install.args(["install", "gungraun-runner", "--locked", "--version", version, "--root"]);
        run(install.arg(&runner).arg("--target-dir").arg(&place))?;
    }
    let mut bench = cargo(root);
    bench.args(["bench", "--manifest-path", "benches/bgp/Cargo.toml", "--bench", "stages"]);
    bench.env("CARGO_TARGET_DIR", place).env("GUNGRAUN_RUNNER", runner.join("bin/gungraun-runner"));
    run(bench.arg("--").args(arguments))
}

/// How time and memory grow.
pub(crate) fn bench_scale(root: &Path, arguments: &[&str]) -> Outcome {
    run(benches(root, "scale").args(arguments))
}

/// What shards of the table bring, and that they change nothing.
pub(crate) fn bench_shards(root: &Path, arguments: &[&str]) -> Outcome {
    run(benches(root, "shards").args(arguments))
}

/// How fast captures are read, beside tcpdump and tshark.
pub(crate) fn bench_capture(root: &Path, arguments: &[&str]) -> Outcome {
    let binary = release(root)?;
    run(benches(root, "capture").arg(binary).arg(target(root).join("bench")).args(arguments))
}

/// A program of the benchmarks that have a workspace of their own.
fn benches(root: &Path, name: &str) -> Command {
    let mut command = cargo(root);
    command.args([
        "run",
        "--quiet",
        "--release",
        "--manifest-path",
        "benches/bgp/Cargo.toml",
        "--bin",
        name,
        "--",
    ]);
    command.env("CARGO_TARGET_DIR", target(root).join("bench"));
    command
}

/// The benchmark against other daemons, which lies beside the repository.
pub(crate) fn bench(root: &Path, arguments: &[&str]) -> Outcome {
    let script = root.join("../shared/bench/bgp.py");
    if !script.exists() {
        return Err(format!("no benchmark at {}", script.display()));
    }
    let binary = release(root)?;
    let mut command = Command::new("python3");
    command.arg(script).arg("--bin").arg(format!("trunkline={}", binary.display()));
    if !arguments.contains(&"--dut") {
        command.args(["--dut", "bird2,trunkline"]);
    }
    if !arguments.contains(&"--scenario") {
        command.args(["--scenario", "S1"]);
    }
    if !arguments.contains(&"--json") {
        let results = target(root).join("bench");
        std::fs::create_dir_all(&results).map_err(|e| format!("{}: {e}", results.display()))?;
        command.arg("--json").arg(results.join("latest.json"));
    }
    run(command.args(arguments))
}
