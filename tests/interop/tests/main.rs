//! All interoperability tests. One by name: `cargo xtask test --only bird::hold_timer`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::disallowed_methods,
    reason = "tests: a panic is a failed test, and they run against real daemons in real time"
)]

mod adapters;
mod pair;

fn main() -> std::process::ExitCode {
    trunkline_interop::main(adapters::tests())
}
