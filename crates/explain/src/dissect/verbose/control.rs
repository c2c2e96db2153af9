//! The fields of spanning tree and RIP.

use super::Fields;
use trunkline_wire::Malformed;
use trunkline_wire::rip::{self, Authentication, Entry};
use trunkline_wire::stp::{Bpdu, Message, Priority, RootLinkQuery};

impl Fields {
    /// IEEE 802.1D-2004 §9.3; `at` is where the LLC header begins.
    pub(super) fn spanning_tree(&mut self, message: &Message, at: usize) {
        let (kind, body, at) = match message {
            Message::Bpdu(Bpdu::Config(body)) => ("Configuration BPDU", Some(body), at + 3),
            Message::Bpdu(Bpdu::Rst(rst)) => ("RST BPDU", Some(&rst.body), at + 3),
            Message::Bpdu(Bpdu::Tcn) => ("Topology Change Notification BPDU", None, at + 3),
            Message::RootLinkQuery(RootLinkQuery { response: false, body }) => {
                ("Root Link Query, request", Some(body), at + 8)
            }
            Message::RootLinkQuery(RootLinkQuery { response: true, body }) => {
                ("Root Link Query, response", Some(body), at + 8)
            }
        };
        self.head("Spanning tree (IEEE 802.1D-2004 §9.3)");
        self.field(at, "Protocol Identifier", 0);
        if let Message::Bpdu(Bpdu::Rst(rst)) = message {
            self.field(at + 2, "Protocol Version Identifier", rst.version);
        }
        self.field(at + 3, "BPDU Type", kind);
        if let Some(body) = body {
            self.priority(body, at + 4);
        }
    }

    fn priority(&mut self, body: &Priority, at: usize) {
        self.field(at, "Flags", format!("{:#04x}", body.flags.0));
        self.field(at + 1, "Root Identifier", body.root);
        self.field(at + 9, "Root Path Cost", body.root_path_cost);
        self.field(at + 13, "Bridge Identifier", body.bridge);
        self.field(at + 21, "Port Identifier", body.port);
        for (offset, name, time) in [
            (23, "Message Age", body.message_age),
            (25, "Max Age", body.max_age),
            (27, "Hello Time", body.hello_time),
            (29, "Forward Delay", body.forward_delay),
        ] {
            self.field(at + offset, name, format!("{:?}", time));
        }
    }

    /// RFC 2453 §3.6, §4.
    pub(super) fn rip(&mut self, parsed: &Result<rip::Parsed, Malformed>, octets: &[u8], at: usize) {
        self.head("RIP (RFC 2453)");
        let rip::Parsed { message, faults } = match parsed {
            Ok(parsed) => parsed,
            Err(malformed) => return self.field(at, "malformed", malformed),
        };
        self.field(at, "command", message.command);
        self.field(at + 1, "version", message.version);
        let mut place = at + rip::HEADER_LEN;
        if let Some(authentication) = &message.authentication {
            let words = match authentication {
                Authentication::Password(_) => "2, a password".to_owned(),
                Authentication::Cryptographic { key_id, sequence, digest } => {
                    format!("3, key {key_id}, sequence {sequence}, digest of {} octets", digest.len())
                }
                Authentication::Unknown(kind, _) => kind.to_string(),
            };
            self.field(place + 2, "Authentication Type", words);
            place += rip::ENTRY_LEN;
        }
        // All entries as they came, those that cannot be used too.
        let entries = octets.get(place - at..).unwrap_or_default();
        for entry in entries.chunks_exact(rip::ENTRY_LEN).take(rip::MAX_ENTRIES) {
            if entry.starts_with(&[0xff, 0xff, 0, 1]) {
                break;
            }
            self.entry(entry, place);
            place += rip::ENTRY_LEN;
        }
        for fault in faults {
            match fault {
                rip::Fault::MustBeZero => self.field(at, "malformed", "a field that must be zero is not"),
                rip::Fault::Entry(Entry { address, .. }, fault) => {
                    self.field(at, "malformed", format!("{address}: {fault}"));
                }
            }
        }
    }

    fn entry(&mut self, octets: &[u8], at: usize) {
        let (words, []) = octets.as_chunks::<4>() else { return };
        let [family_tag, address, mask, next_hop, metric] = words else { return };
        let [f0, f1, t0, t1] = *family_tag;
        let (family, tag) = (u16::from_be_bytes([f0, f1]), u16::from_be_bytes([t0, t1]));
        self.field(at, "Address Family Identifier", family);
        self.field(at + 2, "Route Tag", tag);
        let address_of = |octets: &[u8; 4]| std::net::Ipv4Addr::from(*octets);
        self.field(at + 4, "IP Address", address_of(address));
        self.field(at + 8, "Subnet Mask", address_of(mask));
        self.field(at + 12, "Next Hop", address_of(next_hop));
        self.field(at + 16, "Metric", u32::from_be_bytes(*metric));
    }
}
