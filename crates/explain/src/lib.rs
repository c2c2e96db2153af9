//! Captures in words: of anybody's routers, switches and hosts.
//!
//! | part | module |
//! |---|---|
//! | pcap and pcapng as a stream, link types | [`capture`] |
//! | a frame taken apart | [`packet`] |
//! | TCP streams put in order, messages in them | [`stream`], [`framer`] |
//! | a frame in words, as data, in full | [`dissect`] |
//! | what the ends do, as facts | [`follow`] |
//! | what that means | [`rules`] |
//! | how it is told | [`report`] |
//! | the same of a running node's neighbour, from what it knows | [`live`] |

pub mod capture;
pub mod dissect;
pub mod follow;
pub mod framer;
pub mod live;
pub mod packet;
pub mod report;
pub mod rules;
pub mod stream;

pub use dissect::push_number;
