//! Whole networks of bridges in virtual time, through the public interface.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test")]

mod anything;
mod changes;
mod classic;
mod graphs;
mod rig;
mod rstp;
mod scale;
mod truth;
