//! Whole networks of bridges in virtual time, through the public interface.

mod article;
mod graphs;
mod rig;
mod rstp;
mod scale;
mod transitions;
