//! A whole speaker, driven by peers that are scripts.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, reason = "a test")]

mod anew;
mod errors;
mod explain;
mod families;
mod hostile;
mod lifecycle;
mod node;
mod replay;
mod restart;
mod rig;
mod routes;
