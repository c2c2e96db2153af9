//! Whole networks of bridges in virtual time, through the public interface.

mod graphs;
mod rig;
mod rstp;
mod transitions;
