//! All interoperability tests. Those of one name: `cargo xtask test --only bird::hold_timer`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::disallowed_methods,
    reason = "tests: a panic is a failed test, and they run against real daemons in real time"
)]

mod adapters;
mod bird;
mod daemon;
mod device;
mod iperf;
mod kernel;
mod labs;
mod live;
mod pair;
mod peers;
mod rip;
mod spanning_tree;
mod table;
mod wire;

fn main() -> std::process::ExitCode {
    let groups = [
        adapters::tests(),
        peers::tests(),
        bird::tests(),
        kernel::tests(),
        table::tests(),
        wire::tests(),
        daemon::tests(),
        device::tests(),
        iperf::tests(),
        rip::tests(),
        spanning_tree::tests(),
        live::tests(),
        labs::tests(),
    ];
    trunkline_interop::main(groups.into_iter().flatten().collect())
}
