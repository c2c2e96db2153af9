//! The project's tasks, as `cargo xtask TASK`: all that a contributor or CI runs, in one place.

mod bench_goodput;
mod bench_tcp;
mod install;
mod run;
mod test;
mod tidy;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

const HELP: &str = "\
cargo xtask TASK

  tidy                     check what the compiler does not: layers, unsafe, file lengths, forbidden words, ADRs
  test                     run all tests, with the peers installed first (as root, by apt-get)
  test --only unit         only those without peers
  test --only interop      only those against real peers
  test --only NAME         only those whose name contains NAME, such as bird::hold_timer
  fuzz [SECONDS]           run each fuzz target for so long (default 60)
  bench lab                measure the lab: frames a second through switches, virtual seconds a second
  bench tcp [ROUNDS]       measure our TCP against smoltcp's own benchmark and Linux (default 3 rounds; as root)
  bench goodput [PAIRS [SECONDS]]
                           the same through a wire that loses frames, against Linux with reno: so many pairs of transfers
                           for each share of losses, each about so long (default 12 pairs, 30 s; as root)
  bench rip [ROUNDS [SCENARIO]]
                           measure RIP with 10,000 routes beside FRR's ripd and BIRD (default 3 rounds of all; as root)
  bench micro [ARGUMENT…]  count the instructions of each stage of a BGP route's way (gungraun; needs valgrind)
  bench scale [QUESTION]   how BGP's time and memory grow: routes, sets, clients, neighbors (default all); creep: whether
                           memory comes back, and stays, when feeds come and go
  bench shards [ROUNDS]    the same feeds with one, two and four shards of the table: time, and the same digest (default 3)
  bench capture [MEGABYTES [ROUNDS]]
                           a capture of full tables, read by us, tcpdump and tshark (default 1000 MB, 3 rounds)
  bench latency [SECONDS [DAEMON]]
                           measure how long a route takes through a full table that is loaded, shown, reloaded, beside BIRD: each
                           part so long (default 10 s; as root)
  bench [ARGUMENT…]        measure against BIRD 2, where the benchmark lies beside the repository; its arguments follow
";

/// A task that could not be done, or found fault; said in words, or empty where all is said already.
type Outcome = Result<(), String>;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let root = root();
    let outcome = match arguments.as_slice() {
        ["tidy"] => tidy::tidy(&root),
        ["test"] => test::test(&root, test::Only::All),
        ["test", "--only", "unit"] => test::test(&root, test::Only::Unit),
        ["test", "--only", "interop"] => test::test(&root, test::Only::Interop),
        ["test", "--only", name] => test::test(&root, test::Only::Named(name)),
        ["fuzz"] => run::fuzz(&root, 60),
        ["fuzz", seconds] => match seconds.parse() {
            Ok(seconds) => run::fuzz(&root, seconds),
            Err(_) => Err(format!("not a number of seconds: {seconds}")),
        },
        ["bench", "lab"] => run::bench_lab(&root),
        ["bench", "tcp"] => bench_tcp::bench(&root, 3),
        ["bench", "tcp", rounds] => match rounds.parse() {
            Ok(rounds) if rounds > 0 => bench_tcp::bench(&root, rounds),
            _ => Err(format!("not a number of rounds: {rounds}")),
        },
        ["bench", "goodput"] => bench_goodput::bench(&root, 12, 30),
        ["bench", "goodput", pairs] => goodput(&root, pairs, "30"),
        ["bench", "goodput", pairs, seconds] => goodput(&root, pairs, seconds),
        ["bench", "rip", rest @ ..] => run::bench_rip(&root, rest),
        ["bench", "micro", rest @ ..] => run::bench_micro(&root, rest),
        ["bench", "scale", rest @ ..] => run::bench_scale(&root, rest),
        ["bench", "shards", rest @ ..] => run::bench_shards(&root, rest),
        ["bench", "capture", rest @ ..] => run::bench_capture(&root, rest),
        ["bench", "latency", rest @ ..] => run::bench_latency(&root, rest),
        ["bench-client", port, mode] => bench_tcp::measure(port, mode),
        ["bench-server"] => bench_tcp::serve(),
        ["bench", rest @ ..] => run::bench(&root, rest),
        ["help" | "--help" | "-h"] => {
            print!("{HELP}");
            Ok(())
        }
        _ => Err(format!("what shall I do?\n\n{HELP}")),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            if !message.is_empty() {
                eprintln!("{message}");
            }
            ExitCode::FAILURE
        }
    }
}

/// `bench goodput` with what was written.
fn goodput(root: &Path, pairs: &str, seconds: &str) -> Outcome {
    match (pairs.parse(), seconds.parse()) {
        // Fewer pairs have no spread.
        (Ok(pairs), Ok(seconds)) if pairs >= 4 && seconds > 0 => bench_goodput::bench(root, pairs, seconds),
        _ => Err(format!("not a number of pairs, 4 at least, and of seconds: {pairs} {seconds}")),
    }
}

/// The workspace's directory.
fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_owned()
}
