//! The lab: whole networks of simulated nodes in virtual time.
//!
//! | part | module |
//! |---|---|
//! | a lab file → what it says | [`file`] |
//! | what it says | [`scenario`], [`pattern`] |
//! | labs that are built in | [`builtin`] |
//! | frames in words | [`dissect`] |
//! | what links do to frames | [`link`] |

pub mod builtin;
pub mod dissect;
pub mod file;
pub mod link;
pub mod pattern;
pub mod scenario;
