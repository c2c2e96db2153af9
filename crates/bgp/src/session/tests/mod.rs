//! Tests of the session.

mod arbitrary;
mod behaviour;
mod collision;
mod fallback;
mod letter;
mod matrix;
mod opening;
mod pair;
mod rig;
mod timing;
