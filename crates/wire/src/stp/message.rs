//! Whole frames of spanning tree: who they are to, and which header says what follows.

use std::fmt;

use trunkline_core::MacAddr;

use super::bpdu::{Bpdu, Priority};
use crate::Malformed;
use crate::bytes::Reader;
use crate::ethernet::{self, Content, Header};
use crate::llc::{Llc, Snap};

/// The Bridge Group Address (IEEE 802.1D-2004 table 7-10).
pub const BRIDGE_GROUP: MacAddr = MacAddr([0x01, 0x80, 0xc2, 0, 0, 0]);

/// Cisco's group for what its bridges tell one another beyond the standard.
pub const CISCO_GROUP: MacAddr = MacAddr([0x01, 0x00, 0x0c, 0xcc, 0xcc, 0xcd]);

const CISCO: [u8; 3] = [0x00, 0x00, 0x0c];
const PID_REQUEST: u16 = 0x0108;
const PID_RESPONSE: u16 = 0x0109;

/// A Root Link Query: is the root still there behind this port? Its fields are those of a Configuration BPDU.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RootLinkQuery {
    /// Whether it answers one.
    pub response: bool,
    /// `root`: in a request whom the asker takes for the root, in a response whom who answers does. `bridge`: the asker.
    pub body: Priority,
}

/// What a frame of spanning tree says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Message {
    /// A BPDU.
    Bpdu(Bpdu),
    /// A Root Link Query.
    RootLinkQuery(RootLinkQuery),
}

/// Whether a frame may be one of spanning tree's, by its destination alone.
#[inline]
pub fn is_spanning_tree(frame: &[u8]) -> bool {
    matches!(ethernet::destination(frame), Some(BRIDGE_GROUP | CISCO_GROUP))
}

impl Message {
    /// Reads a whole frame; none where it is of another protocol.
    pub fn parse(frame: &[u8]) -> Result<Option<Message>, Malformed> {
        if !is_spanning_tree(frame) {
            return Ok(None);
        }
        let (header, payload) = Header::parse(frame)?;
        if header.tag.is_some() || !matches!(header.content, Content::Length(_)) {
            return Ok(None);
        }
        let (llc, rest) = Llc::parse(payload)?;
        if llc == Llc::BPDU {
            return Bpdu::parse(rest).map(|bpdu| Some(Message::Bpdu(bpdu)));
        }
        let response = match llc.snap {
            Some(Snap { oui: CISCO, pid: PID_REQUEST }) => false,
            Some(Snap { oui: CISCO, pid: PID_RESPONSE }) => true,
            _ => return Ok(None),
        };
        let mut r = Reader::new(rest);
        let truncated = Malformed::truncated("Root Link Query");
        if r.u32().ok_or(truncated)? != 0 {
            return Err(Malformed::value("Root Link Query protocol identifier, version or type"));
        }
        let body = Priority::parse(&mut r).ok_or(truncated)?;
        Ok(Some(Message::RootLinkQuery(RootLinkQuery { response, body })))
    }

    /// The frame that a port with the address `source` sends, padded to the shortest length.
    pub fn frame(&self, source: MacAddr) -> Vec<u8> {
        let mut payload = Vec::with_capacity(ethernet::MIN_LEN);
        match self {
            Message::Bpdu(bpdu) => {
                Llc::BPDU.emit(&mut payload);
                bpdu.emit(&mut payload);
            }
            Message::RootLinkQuery(query) => {
                let pid = if query.response { PID_RESPONSE } else { PID_REQUEST };
                let snap = Some(Snap { oui: CISCO, pid });
                Llc { dsap: Llc::SNAP_SAP, ssap: Llc::SNAP_SAP, control: Llc::UI, snap }.emit(&mut payload);
                payload.extend_from_slice(&[0; 4]);
                query.body.emit(&mut payload);
            }
        }
        let content = Content::Length(payload.len() as u16);
        let mut frame = Vec::with_capacity(ethernet::MIN_LEN);
        Header { destination: BRIDGE_GROUP, source, tag: None, content }.emit(&mut frame);
        frame.extend_from_slice(&payload);
        ethernet::pad(&mut frame);
        frame
    }
}

impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Message::Bpdu(bpdu) => bpdu.fmt(f),
            Message::RootLinkQuery(RootLinkQuery { response, body }) => {
                let kind = if *response { "response" } else { "request" };
                write!(f, "RLQ {kind} root {} for bridge {}", body.root, body.bridge)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::bpdu::{Flags, Time};
    use super::super::{BridgeId, PortIdentifier};
    use super::*;

    const SOURCE: MacAddr = MacAddr([2, 0, 0, 0, 0, 9]);

    fn query(response: bool) -> RootLinkQuery {
        let body = Priority {
            flags: Flags::default(),
            root: BridgeId::new(4096, MacAddr([2, 0, 0, 0, 0, 1])),
            root_path_cost: 8,
            bridge: BridgeId::new(32768, MacAddr([2, 0, 0, 0, 0, 2])),
            port: PortIdentifier::new(128, 3),
            message_age: Time::default(),
            max_age: Time::from_secs(20),
            hello_time: Time::from_secs(2),
            forward_delay: Time::from_secs(15),
        };
        RootLinkQuery { response, body }
    }

    #[test]
    fn bpdus_have_their_addresses_and_length_fields() {
        // IEEE 802.1D-2004 §7.12.3, §9.3: 3 octets of LLC and 4 or 35 or 36 of BPDU
        let tcn = Message::Bpdu(Bpdu::Tcn);
        let frame = tcn.frame(SOURCE);
        assert_eq!(frame.len(), ethernet::MIN_LEN);
        assert_eq!(frame[..17], [1, 0x80, 0xc2, 0, 0, 0, 2, 0, 0, 0, 0, 9, 0, 7, 0x42, 0x42, 3]);
        assert_eq!(Message::parse(&frame), Ok(Some(tcn)));
        let config = Message::Bpdu(Bpdu::Config(query(false).body));
        let frame = config.frame(SOURCE);
        assert_eq!(frame[12..14], [0, 38]);
        assert_eq!(Message::parse(&frame), Ok(Some(config)));
    }

    #[test]
    fn root_link_queries_are_snap() {
        for (response, pid) in [(false, 8), (true, 9)] {
            let message = Message::RootLinkQuery(query(response));
            let frame = message.frame(SOURCE);
            assert_eq!(frame[12..14], [0, 8 + 35]);
            assert_eq!(frame[14..22], [0xaa, 0xaa, 3, 0, 0, 0x0c, 1, pid]);
            assert_eq!(Message::parse(&frame), Ok(Some(message)));
            // To Cisco's group too
            let mut other = frame.clone();
            other[..6].copy_from_slice(&CISCO_GROUP.0);
            assert_eq!(Message::parse(&other), Ok(Some(message)));
        }
        let text = Message::RootLinkQuery(query(true)).to_string();
        assert_eq!(text, "RLQ response root 4096.02:00:00:00:00:01 for bridge 32768.02:00:00:00:00:02");
    }

    #[test]
    fn frames_of_others_are_none() {
        let mut frame = Message::Bpdu(Bpdu::Tcn).frame(SOURCE);
        frame[5] = 0x0e;
        assert_eq!(Message::parse(&frame), Ok(None));
        let mut frame = Message::Bpdu(Bpdu::Tcn).frame(SOURCE);
        frame[14] = 0xfe;
        assert_eq!(Message::parse(&frame), Ok(None));
        frame[12..14].copy_from_slice(&[0x88, 0xcc]);
        assert_eq!(Message::parse(&frame), Ok(None));
        let mut frame = Message::RootLinkQuery(query(false)).frame(SOURCE);
        frame[22] = 1;
        assert!(Message::parse(&frame).is_err());
        frame[13] = 20;
        assert_eq!(
            Message::parse(&frame).unwrap_err().field,
            "Root Link Query protocol identifier, version or type"
        );
    }
}
