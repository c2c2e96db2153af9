//! BPDUs and Root Link Queries as data.

use serde_json::{Value, json};
use trunkline_wire::stp::{Bpdu, BridgeId, Flags, Message, Priority, Role, RootLinkQuery};

/// A message as data.
pub(super) fn layer(message: &Message) -> Value {
    let (kind, body) = match message {
        Message::Bpdu(bpdu @ Bpdu::Config(_)) => ("config", bpdu.body()),
        Message::Bpdu(bpdu @ Bpdu::Rst(_)) => ("rst", bpdu.body()),
        Message::Bpdu(Bpdu::Tcn) => ("tcn", None),
        Message::RootLinkQuery(RootLinkQuery { response: false, body }) => ("rlq-request", Some(body)),
        Message::RootLinkQuery(RootLinkQuery { response: true, body }) => ("rlq-response", Some(body)),
    };
    let mut layer = json!({"type": kind});
    if let Some(body) = body {
        set_body(&mut layer, body);
    }
    if kind == "rst"
        && let Some(body) = body
    {
        layer["role"] = json!(match body.flags.role() {
            Role::Unknown => "unknown",
            Role::AlternateBackup => "alternate or backup",
            Role::Root => "root",
            Role::Designated => "designated",
        });
        for (flag, name) in [
            (Flags::PROPOSAL, "proposal"),
            (Flags::LEARNING, "learning"),
            (Flags::FORWARDING, "forwarding"),
            (Flags::AGREEMENT, "agreement"),
        ] {
            layer[name] = json!(body.flags.has(flag));
        }
    }
    layer
}

fn set_body(layer: &mut Value, body: &Priority) {
    let id = |id: BridgeId| json!({"priority": id.priority(), "address": id.address().to_string()});
    let seconds = |time: trunkline_wire::stp::Time| json!(f64::from(time.0) / 256.0);
    layer["topology-change"] = json!(body.flags.has(Flags::TOPOLOGY_CHANGE));
    layer["topology-change-ack"] = json!(body.flags.has(Flags::TOPOLOGY_CHANGE_ACK));
    layer["root"] = id(body.root);
    layer["root-path-cost"] = json!(body.root_path_cost);
    layer["bridge"] = id(body.bridge);
    layer["port"] = json!(body.port.to_string());
    layer["message-age"] = seconds(body.message_age);
    layer["max-age"] = seconds(body.max_age);
    layer["hello-time"] = seconds(body.hello_time);
    layer["forward-delay"] = seconds(body.forward_delay);
}

#[cfg(test)]
mod tests {
    use super::super::dissect;
    use super::*;
    use trunkline_core::MacAddr;
    use trunkline_wire::stp::{PortIdentifier, Rst, Time};

    fn body(flags: Flags) -> Priority {
        Priority {
            flags,
            root: BridgeId::new(4096, MacAddr([2, 0, 0, 0, 0, 1])),
            root_path_cost: 20_000,
            bridge: BridgeId::new(32_768, MacAddr([2, 0, 0, 0, 0, 2])),
            port: PortIdentifier::new(128, 3),
            message_age: Time::from_secs(1),
            max_age: Time::from_secs(20),
            hello_time: Time::from_secs(2),
            forward_delay: Time::from_secs(15),
        }
    }

    #[test]
    fn messages_of_spanning_tree() {
        let flags = Flags::PROPOSAL.with(Flags::LEARNING, true).with_role(Role::Designated);
        let rst = Message::Bpdu(Bpdu::Rst(Rst { version: 2, body: body(flags) }));
        let source = MacAddr([2, 0, 0, 0, 0, 9]);
        let dissection = dissect(&rst.frame(source));
        assert_eq!(dissection.summary, rst.to_string());
        let stp = &dissection.layers["stp"];
        let members = ["type", "role", "proposal", "agreement", "topology-change", "port", "message-age"];
        let values = members.map(|member| stp[member].clone());
        let (no, yes) = (json!(false), json!(true));
        let expected = [json!("rst"), json!("designated"), yes, no.clone(), no, json!("128.3"), json!(1.0)];
        assert_eq!(values, expected);
        assert_eq!(stp["root"], json!({"priority": 4096, "address": "02:00:00:00:00:01"}));

        let kind = |message: Message| dissect(&message.frame(source)).layers["stp"]["type"].clone();
        assert_eq!(kind(Message::Bpdu(Bpdu::Tcn)), "tcn");
        assert_eq!(kind(Message::Bpdu(Bpdu::Config(body(Flags::default())))), "config");
        let query = RootLinkQuery { response: true, body: body(Flags::default()) };
        assert_eq!(kind(Message::RootLinkQuery(query)), "rlq-response");
    }

    #[test]
    fn others_with_a_length() {
        let mut frame = Message::Bpdu(Bpdu::Tcn).frame(MacAddr([2, 0, 0, 0, 0, 9]));
        frame[..6].copy_from_slice(&[0x01, 0x00, 0x0c, 0xcd, 0xcd, 0xcd]);
        assert!(!dissect(&frame).layers.contains_key("stp"));
        frame[12..22].copy_from_slice(&[0, 8, 0xaa, 0xaa, 3, 0, 0, 0x0c, 0x20, 0x0a]);
        let dissection = dissect(&frame);
        assert_eq!(dissection.summary, "UplinkFast: 02:00:00:00:00:09 is behind this port now");
        assert_eq!(dissection.layers["stp"]["type"], "announcement");
    }
}
