//! Bridge protocol data units (IEEE 802.1D-2004 §9.3).

use std::fmt;

use super::{BridgeId, PortIdentifier};
use crate::Malformed;
use crate::bytes::Reader;

const TYPE_CONFIG: u8 = 0x00;
const TYPE_RST: u8 = 0x02;
const TYPE_TCN: u8 = 0x80;

/// A length of time in a BPDU, in 1/256 s (IEEE 802.1D-2004 §9.2.8).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Time(pub u16);

impl Time {
    /// Whole seconds, 0 to 255.
    pub const fn from_secs(seconds: u8) -> Time {
        Time(seconds as u16 * 256)
    }

    /// The nearest whole seconds; a half goes up.
    pub const fn rounded(self) -> u8 {
        let seconds = (self.0 as u32 + 128) / 256;
        if seconds > 255 { 255 } else { seconds as u8 }
    }
}

impl fmt::Debug for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}s", f64::from(self.0) / 256.0)
    }
}

/// The flags octet (IEEE 802.1D-2004 §9.2.9, §9.3.3). All but the first and the last bit are RSTP's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Flags(pub u8);

/// The port role of an RST BPDU (IEEE 802.1D-2004 §9.2.9).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// None: the BPDU counts as a Configuration BPDU.
    Unknown,
    /// Alternate or Backup.
    AlternateBackup,
    /// Root.
    Root,
    /// Designated.
    Designated,
}

impl Flags {
    /// The topology has changed.
    pub const TOPOLOGY_CHANGE: Flags = Flags(0x01);
    /// The sender would forward at once, if the receiver agrees.
    pub const PROPOSAL: Flags = Flags(0x02);
    /// The sender's port learns.
    pub const LEARNING: Flags = Flags(0x10);
    /// The sender's port forwards.
    pub const FORWARDING: Flags = Flags(0x20);
    /// The receiver may forward at once.
    pub const AGREEMENT: Flags = Flags(0x40);
    /// A Topology Change Notification was heard.
    pub const TOPOLOGY_CHANGE_ACK: Flags = Flags(0x80);

    /// These flags and those.
    #[must_use]
    pub const fn with(self, more: Flags, on: bool) -> Flags {
        if on { Flags(self.0 | more.0) } else { self }
    }

    /// These flags with a role.
    #[must_use]
    pub const fn with_role(self, role: Role) -> Flags {
        let bits = match role {
            Role::Unknown => 0,
            Role::AlternateBackup => 1,
            Role::Root => 2,
            Role::Designated => 3,
        };
        Flags(self.0 & !0x0c | bits << 2)
    }

    /// Whether all of these are set.
    pub const fn has(self, flags: Flags) -> bool {
        self.0 & flags.0 == flags.0
    }

    /// The role.
    pub const fn role(self) -> Role {
        match self.0 >> 2 & 3 {
            1 => Role::AlternateBackup,
            2 => Role::Root,
            3 => Role::Designated,
            _ => Role::Unknown,
        }
    }
}

/// The fields that Configuration and RST BPDUs share, from the flags on (IEEE 802.1D-2004 §9.3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Priority {
    /// The flags octet.
    pub flags: Flags,
    /// The root bridge.
    pub root: BridgeId,
    /// What the way to it costs the sender.
    pub root_path_cost: u32,
    /// The sender.
    pub bridge: BridgeId,
    /// The port that sends.
    pub port: PortIdentifier,
    /// How old the information is.
    pub message_age: Time,
    /// How old it may become.
    pub max_age: Time,
    /// How often it is sent.
    pub hello_time: Time,
    /// How long a port listens, and then learns.
    pub forward_delay: Time,
}

/// An RST BPDU.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Rst {
    /// 2; a higher one is read as if it were 2.
    pub version: u8,
    /// All else.
    pub body: Priority,
}

/// A BPDU.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Bpdu {
    /// Configuration: of STP.
    Config(Priority),
    /// Topology Change Notification: of STP.
    Tcn,
    /// Rapid spanning tree: of RSTP.
    Rst(Rst),
}

impl Bpdu {
    /// Reads a BPDU after its LLC header; what follows it is ignored, as in later versions of the protocol more does
    /// (IEEE 802.1D-2004 §9.3.4).
    pub fn parse(octets: &[u8]) -> Result<Bpdu, Malformed> {
        let mut r = Reader::new(octets);
        let truncated = Malformed::truncated("BPDU");
        if r.u16().ok_or(truncated)? != 0 {
            return Err(Malformed::value("BPDU protocol identifier"));
        }
        let version = r.u8().ok_or(truncated)?;
        match r.u8().ok_or(truncated)? {
            TYPE_CONFIG => Ok(Bpdu::Config(Priority::parse(&mut r).ok_or(truncated)?)),
            TYPE_TCN => Ok(Bpdu::Tcn),
            // §9.3.4 c: the protocol version is 2 or more, and there are 36 octets.
            TYPE_RST if version < 2 => Err(Malformed::version("BPDU protocol version")),
            TYPE_RST => {
                let body = Priority::parse(&mut r).ok_or(truncated)?;
                r.u8().ok_or(Malformed::truncated("BPDU version 1 length"))?;
                Ok(Bpdu::Rst(Rst { version, body }))
            }
            _ => Err(Malformed::value("BPDU type")),
        }
    }

    /// Appends the BPDU.
    pub fn emit(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&[0, 0]);
        match self {
            Bpdu::Config(body) => {
                out.extend_from_slice(&[0, TYPE_CONFIG]);
                body.emit(out);
            }
            Bpdu::Tcn => out.extend_from_slice(&[0, TYPE_TCN]),
            Bpdu::Rst(rst) => {
                out.extend_from_slice(&[rst.version, TYPE_RST]);
                rst.body.emit(out);
                out.push(0);
            }
        }
    }

    /// What Configuration and RST BPDUs say.
    pub const fn body(&self) -> Option<&Priority> {
        match self {
            Bpdu::Config(body) | Bpdu::Rst(Rst { body, .. }) => Some(body),
            Bpdu::Tcn => None,
        }
    }
}

impl Priority {
    pub(super) fn parse(r: &mut Reader<'_>) -> Option<Priority> {
        Some(Priority {
            flags: Flags(r.u8()?),
            root: BridgeId(u64::from_be_bytes(r.array()?)),
            root_path_cost: r.u32()?,
            bridge: BridgeId(u64::from_be_bytes(r.array()?)),
            port: PortIdentifier(r.u16()?),
            message_age: Time(r.u16()?),
            max_age: Time(r.u16()?),
            hello_time: Time(r.u16()?),
            forward_delay: Time(r.u16()?),
        })
    }

    pub(super) fn emit(&self, out: &mut Vec<u8>) {
        out.push(self.flags.0);
        out.extend_from_slice(&self.root.0.to_be_bytes());
        out.extend_from_slice(&self.root_path_cost.to_be_bytes());
        out.extend_from_slice(&self.bridge.0.to_be_bytes());
        out.extend_from_slice(&self.port.0.to_be_bytes());
        for time in [self.message_age, self.max_age, self.hello_time, self.forward_delay] {
            out.extend_from_slice(&time.0.to_be_bytes());
        }
    }
}

/// `Config root 32768.02:… cost 4 bridge 32768.02:… port 128.1 TC`.
impl fmt::Display for Bpdu {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Bpdu::Config(body) => write!(f, "Config {body}"),
            Bpdu::Tcn => f.write_str("TCN"),
            Bpdu::Rst(rst) => {
                let role = match rst.body.flags.role() {
                    Role::Unknown => "unknown",
                    Role::AlternateBackup => "alternate or backup",
                    Role::Root => "root",
                    Role::Designated => "designated",
                };
                write!(f, "RST {role} {}", rst.body)
            }
        }
    }
}

impl fmt::Display for Priority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Priority { root, root_path_cost, bridge, port, .. } = self;
        write!(f, "root {root} cost {root_path_cost} bridge {bridge} port {port}")?;
        for (flag, name) in [
            (Flags::TOPOLOGY_CHANGE, "TC"),
            (Flags::PROPOSAL, "proposal"),
            (Flags::LEARNING, "learning"),
            (Flags::FORWARDING, "forwarding"),
            (Flags::AGREEMENT, "agreement"),
            (Flags::TOPOLOGY_CHANGE_ACK, "TCA"),
        ] {
            if self.flags.has(flag) {
                write!(f, " {name}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::malformed::Reason;
    use trunkline_core::MacAddr;

    fn body() -> Priority {
        Priority {
            flags: Flags::default(),
            root: BridgeId::new(4096, MacAddr([2, 0, 0, 0, 0, 1])),
            root_path_cost: 20_000,
            bridge: BridgeId::new(32768, MacAddr([2, 0, 0, 0, 0, 2])),
            port: PortIdentifier::new(128, 3),
            message_age: Time::from_secs(1),
            max_age: Time::from_secs(20),
            hello_time: Time::from_secs(2),
            forward_delay: Time::from_secs(15),
        }
    }

    #[test]
    fn an_rst_bpdu_octet_by_octet() {
        // IEEE 802.1D-2004 §9.3.3
        let flags = Flags::TOPOLOGY_CHANGE
            .with(Flags::PROPOSAL, true)
            .with(Flags::LEARNING, false)
            .with_role(Role::Designated);
        let bpdu = Bpdu::Rst(Rst { version: 2, body: Priority { flags, ..body() } });
        #[rustfmt::skip]
        let expected = [
            0, 0, 2, 2, 0x0f,
            0x10, 0, 2, 0, 0, 0, 0, 1, 0, 0, 0x4e, 0x20,
            0x80, 0, 2, 0, 0, 0, 0, 2, 0x80, 3,
            1, 0, 20, 0, 2, 0, 15, 0, 0,
        ];
        let mut octets = Vec::new();
        bpdu.emit(&mut octets);
        assert_eq!(octets, expected);
        assert_eq!(Bpdu::parse(&octets), Ok(bpdu));
        let text = bpdu.to_string();
        assert!(text.starts_with("RST designated root 4096.02:00:00:00:00:01 cost 20000 bridge"), "{text}");
        assert!(text.ends_with("port 128.3 TC proposal"), "{text}");
    }

    #[test]
    fn config_and_tcn_have_their_lengths() {
        // IEEE 802.1D-2004 §9.3.1, §9.3.2
        let mut octets = Vec::new();
        Bpdu::Config(body()).emit(&mut octets);
        assert_eq!((octets.len(), &octets[..5]), (35, &[0, 0, 0, 0, 0][..]));
        assert_eq!(Bpdu::parse(&octets), Ok(Bpdu::Config(body())));
        octets.clear();
        Bpdu::Tcn.emit(&mut octets);
        assert_eq!(octets, [0, 0, 0, 0x80]);
        assert_eq!(Bpdu::parse(&octets), Ok(Bpdu::Tcn));
    }

    #[test]
    fn later_versions_are_read_and_what_they_add_is_ignored() {
        // IEEE 802.1D-2004 §9.3.4
        let mut octets = Vec::new();
        Bpdu::Rst(Rst { version: 3, body: body() }).emit(&mut octets);
        octets.extend_from_slice(&[0; 66]);
        assert_eq!(Bpdu::parse(&octets), Ok(Bpdu::Rst(Rst { version: 3, body: body() })));
    }

    #[test]
    fn what_is_no_bpdu() {
        // IEEE 802.1D-2004 §9.3.4
        let mut octets = Vec::new();
        Bpdu::Rst(Rst { version: 2, body: body() }).emit(&mut octets);
        for length in 0..octets.len() {
            assert_eq!(Bpdu::parse(&octets[..length]).unwrap_err().reason, Reason::Truncated, "{length}");
        }
        for (at, value, field) in
            [(0, 1, "BPDU protocol identifier"), (2, 0, "BPDU protocol version"), (3, 1, "BPDU type")]
        {
            let mut wrong = octets.clone();
            wrong[at] = value;
            assert_eq!(Bpdu::parse(&wrong).unwrap_err().field, field);
        }
    }

    #[test]
    fn times_are_rounded_to_seconds() {
        assert_eq!(Time(0x0180).rounded(), 2);
        assert_eq!(Time(0x017f).rounded(), 1);
        assert_eq!(Time(0xffff).rounded(), 255);
    }
}
