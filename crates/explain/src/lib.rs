//! Captures in words: of anybody's routers, switches and hosts.
//!
//! | part | module |
//! |---|---|
//! | pcap and pcapng as a stream, link types | [`capture`] |

pub mod capture;
