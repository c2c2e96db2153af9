//! Tests of the session.

mod arbitrary;
mod behaviour;
mod fallback;
mod matrix;
mod pair;
mod rig;
