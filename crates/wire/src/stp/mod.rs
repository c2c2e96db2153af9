//! What spanning tree bridges send one another: BPDUs (IEEE 802.1D-2004 §9), and Cisco's Root Link Queries.
//!
//! ```text
//! Ethernet: 01-80-C2-00-00-00, length ─▶ LLC 42 42 03 ──────────────────────▶ Config, RST or TCN BPDU
//!                                     └▶ LLC AA AA 03, SNAP 00-00-0C 01 08/09 ─▶ Root Link Query
//! ```

mod bpdu;
mod ids;
mod message;

pub use bpdu::{Bpdu, Flags, Priority, Role, Rst, Time};
pub use ids::{BridgeId, PortIdentifier};
pub use message::{BRIDGE_GROUP, CISCO_GROUP, Message, RootLinkQuery, is_spanning_tree};
