//! The lab: whole networks of simulated nodes in virtual time.
//!
//! | part | module |
//! |---|---|
//! | a lab file → what it says | [`mod@file`] |
//! | what it says | [`scenario`], [`pattern`] |
//! | labs that are built in | [`builtin`] |
//! | nodes, links, time | [`sim`] |
//! | what links do to frames | [`link`] |
//! | a scenario from beginning to end: steps, expectations | [`run`] |
//! | scenarios under random faults | [`fuzz`] |
//! | what each failure of a link or node costs | [`whatif`] |
//! | what links have carried, as pcapng | [`capture`] |
//! | events in words | [`words`]; frames in words: the crate `explain` |
//! | one number for a whole run | [`digest`] |

pub mod builtin;
pub mod capture;
pub mod digest;
pub mod file;
pub mod fuzz;
pub mod link;
pub mod pattern;
pub mod run;
pub mod scenario;
pub mod sim;
pub mod whatif;
pub mod words;
