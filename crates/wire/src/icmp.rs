//! ICMP messages (RFC 792), with the codes of RFC 1122 §3.2.2 and RFC 1812 §5.2.7 and the next-hop MTU of RFC 1191.

use std::fmt;
use std::net::Ipv4Addr;

use crate::Malformed;
use crate::checksum;

/// Octets that every message has.
pub const LEN: usize = 8;

/// Type, by RFC 792.
const ECHO_REPLY: u8 = 0;
const DESTINATION_UNREACHABLE: u8 = 3;
const SOURCE_QUENCH: u8 = 4;
const REDIRECT: u8 = 5;
const ECHO: u8 = 8;
const TIME_EXCEEDED: u8 = 11;
const PARAMETER_PROBLEM: u8 = 12;
const TIMESTAMP: u8 = 13;
const TIMESTAMP_REPLY: u8 = 14;

/// A message. `original` is the header of the packet that it is about and the first octets of that one's payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Message<'a> {
    /// Echo: "answer me".
    EchoRequest {
        /// Tells the sender's own apart.
        identifier: u16,
        /// Counts them.
        sequence: u16,
        /// Comes back as it is.
        data: &'a [u8],
    },
    /// Echo Reply.
    EchoReply {
        /// That of the request.
        identifier: u16,
        /// That of the request.
        sequence: u16,
        /// Those of the request.
        data: &'a [u8],
    },
    /// Destination Unreachable.
    DestinationUnreachable {
        /// Why.
        code: UnreachableCode,
        /// The largest packet that fits, octets, where fragmentation was needed (RFC 1191 §4); else 0.
        next_hop_mtu: u16,
        /// The packet that could not be delivered.
        original: &'a [u8],
    },
    /// Source Quench; deprecated (RFC 6633).
    SourceQuench {
        /// The packet that was dropped.
        original: &'a [u8],
    },
    /// Redirect: there is a better first hop.
    Redirect {
        /// For which packets.
        code: RedirectCode,
        /// Where to send them.
        gateway: Ipv4Addr,
        /// The packet that took the detour.
        original: &'a [u8],
    },
    /// Time Exceeded.
    TimeExceeded {
        /// Where.
        code: TimeExceededCode,
        /// The packet that was dropped.
        original: &'a [u8],
    },
    /// Parameter Problem.
    ParameterProblem {
        /// 0: `pointer` says where; 1: a required option is missing (RFC 1122 §3.2.2.5).
        code: u8,
        /// The octet of `original` that is wrong, from 0.
        pointer: u8,
        /// The packet that was dropped.
        original: &'a [u8],
    },
    /// Timestamp; times are milliseconds since midnight UT.
    TimestampRequest {
        /// Tells the sender's own apart.
        identifier: u16,
        /// Counts them.
        sequence: u16,
        /// When the sender last touched it.
        originate: u32,
        /// When the echoer first touched it.
        receive: u32,
        /// When the echoer last touched it.
        transmit: u32,
    },
    /// Timestamp Reply; times are milliseconds since midnight UT.
    TimestampReply {
        /// That of the request.
        identifier: u16,
        /// That of the request.
        sequence: u16,
        /// That of the request.
        originate: u32,
        /// When the echoer first touched it.
        receive: u32,
        /// When the echoer last touched it.
        transmit: u32,
    },
    /// Another type, or a code other than 0 where the type has no others.
    Unknown {
        /// Type.
        kind: u8,
        /// Code.
        code: u8,
        /// What follows the checksum.
        rest: &'a [u8],
    },
}

/// Makes an enum of codes, with `From<u8>`, `From<_> for u8` and names.
macro_rules! codes {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $code:literal $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name {
            $($(#[$variant_doc])* $variant,)*
            /// A code without a name.
            Unknown(u8),
        }

        impl From<u8> for $name {
            fn from(code: u8) -> $name {
                match code {
                    $($code => $name::$variant,)*
                    other => $name::Unknown(other),
                }
            }
        }

        impl From<$name> for u8 {
            fn from(code: $name) -> u8 {
                code.number()
            }
        }

        impl $name {
            /// The code in the message.
            pub const fn number(self) -> u8 {
                match self {
                    $($name::$variant => $code,)*
                    $name::Unknown(other) => other,
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self {
                    $($name::$variant => f.write_str($text),)*
                    $name::Unknown(other) => write!(f, "code {other}"),
                }
            }
        }
    };
}

codes! {
    /// Why a destination cannot be reached (RFC 792, RFC 1122 §3.2.2.1, RFC 1812 §5.2.7.1).
    UnreachableCode {
        /// No route to the network.
        Net = 0 "network unreachable",
        /// No answer from the host, on a network that is connected.
        Host = 1 "host unreachable",
        /// The host does not know the protocol.
        Protocol = 2 "protocol unreachable",
        /// Nobody listens at the port.
        Port = 3 "port unreachable",
        /// Too large for a link, and Don't Fragment is set.
        FragmentationNeeded = 4 "fragmentation needed and DF set",
        /// The source route cannot be followed.
        SourceRouteFailed = 5 "source route failed",
        /// The network is not known; routers say [`Net`](UnreachableCode::Net) instead.
        NetUnknown = 6 "destination network unknown",
        /// The host is known not to exist.
        HostUnknown = 7 "destination host unknown",
        /// Obsolete.
        SourceHostIsolated = 8 "source host isolated",
        /// Forbidden; routers say [`CommunicationProhibited`](UnreachableCode::CommunicationProhibited) instead.
        NetProhibited = 9 "network administratively prohibited",
        /// Forbidden; routers say [`CommunicationProhibited`](UnreachableCode::CommunicationProhibited) instead.
        HostProhibited = 10 "host administratively prohibited",
        /// Not with this type of service.
        NetTos = 11 "network unreachable for type of service",
        /// Not with this type of service.
        HostTos = 12 "host unreachable for type of service",
        /// A filter forbids it.
        CommunicationProhibited = 13 "communication administratively prohibited",
        /// The precedence is not permitted here.
        HostPrecedenceViolation = 14 "host precedence violation",
        /// The precedence is below the least that the network takes.
        PrecedenceCutoff = 15 "precedence cutoff in effect",
    }
}

codes! {
    /// For which packets a redirect is (RFC 792). Routers send no network redirects (RFC 1812 §5.2.7.2).
    RedirectCode {
        /// All to the network.
        Network = 0 "for the network",
        /// All to the host.
        Host = 1 "for the host",
        /// All to the network with this type of service.
        TosNetwork = 2 "for the type of service and network",
        /// All to the host with this type of service.
        TosHost = 3 "for the type of service and host",
    }
}

codes! {
    /// Which time ran out (RFC 792).
    TimeExceededCode {
        /// The time to live, on the way.
        TtlExceeded = 0 "in transit",
        /// The time to wait for all fragments, at the end.
        FragmentReassembly = 1 "in fragment reassembly",
    }
}

impl<'a> Message<'a> {
    /// Reads the payload of an IPv4 packet, all of it, and checks the checksum.
    pub fn parse(octets: &'a [u8]) -> Result<Message<'a>, Malformed> {
        if octets.len() >= LEN && checksum::checksum(octets) != 0 {
            return Err(Malformed::checksum("ICMP checksum"));
        }
        Message::parse_without_checksum(octets)
    }

    /// Reads a message that may be cut short, as in a capture.
    pub fn parse_without_checksum(octets: &'a [u8]) -> Result<Message<'a>, Malformed> {
        let Some((&[kind, code, _, _, a, b, c, d], body)) = octets.split_first_chunk::<LEN>() else {
            return Err(Malformed::truncated("ICMP header"));
        };
        let identifier = u16::from_be_bytes([a, b]);
        let sequence = u16::from_be_bytes([c, d]);
        Ok(match (kind, code) {
            (ECHO, 0) => Message::EchoRequest { identifier, sequence, data: body },
            (ECHO_REPLY, 0) => Message::EchoReply { identifier, sequence, data: body },
            (DESTINATION_UNREACHABLE, _) => Message::DestinationUnreachable {
                code: code.into(),
                next_hop_mtu: u16::from_be_bytes([c, d]),
                original: body,
            },
            (SOURCE_QUENCH, 0) => Message::SourceQuench { original: body },
            (REDIRECT, _) => {
                Message::Redirect { code: code.into(), gateway: Ipv4Addr::new(a, b, c, d), original: body }
            }
            (TIME_EXCEEDED, _) => Message::TimeExceeded { code: code.into(), original: body },
            (PARAMETER_PROBLEM, _) => Message::ParameterProblem { code, pointer: a, original: body },
            (TIMESTAMP | TIMESTAMP_REPLY, 0) => {
                let times = body.first_chunk::<12>().ok_or(Malformed::truncated("ICMP timestamps"))?;
                let &[o0, o1, o2, o3, r0, r1, r2, r3, t0, t1, t2, t3] = times;
                let originate = u32::from_be_bytes([o0, o1, o2, o3]);
                let receive = u32::from_be_bytes([r0, r1, r2, r3]);
                let transmit = u32::from_be_bytes([t0, t1, t2, t3]);
                if kind == TIMESTAMP {
                    Message::TimestampRequest { identifier, sequence, originate, receive, transmit }
                } else {
                    Message::TimestampReply { identifier, sequence, originate, receive, transmit }
                }
            }
            _ => Message::Unknown { kind, code, rest: octets.get(4..).unwrap_or_default() },
        })
    }

    /// Appends the message, with its checksum.
    pub fn emit(&self, out: &mut Vec<u8>) {
        let (kind, code) = self.type_and_code();
        let start = out.len();
        out.extend_from_slice(&[kind, code, 0, 0]);
        let two = |a: u16, b: u16| [a.to_be_bytes(), b.to_be_bytes()];
        match *self {
            Message::EchoRequest { identifier, sequence, data }
            | Message::EchoReply { identifier, sequence, data } => {
                out.extend_from_slice(two(identifier, sequence).as_flattened());
                out.extend_from_slice(data);
            }
            Message::DestinationUnreachable { next_hop_mtu, original, .. } => {
                out.extend_from_slice(two(0, next_hop_mtu).as_flattened());
                out.extend_from_slice(original);
            }
            Message::SourceQuench { original } | Message::TimeExceeded { original, .. } => {
                out.extend_from_slice(&[0; 4]);
                out.extend_from_slice(original);
            }
            Message::Redirect { gateway, original, .. } => {
                out.extend_from_slice(&gateway.octets());
                out.extend_from_slice(original);
            }
            Message::ParameterProblem { pointer, original, .. } => {
                out.extend_from_slice(&[pointer, 0, 0, 0]);
                out.extend_from_slice(original);
            }
            Message::TimestampRequest { identifier, sequence, originate, receive, transmit }
            | Message::TimestampReply { identifier, sequence, originate, receive, transmit } => {
                out.extend_from_slice(two(identifier, sequence).as_flattened());
                out.extend_from_slice([originate, receive, transmit].map(u32::to_be_bytes).as_flattened());
            }
            Message::Unknown { rest, .. } => out.extend_from_slice(rest),
        }
        let message = out.get_mut(start..).unwrap_or_default();
        let sum = checksum::checksum(message);
        if let [_, _, c0, c1, ..] = message {
            [*c0, *c1] = sum.to_be_bytes();
        }
    }

    /// Whether it is an error message, about which no ICMP error may be sent (RFC 1122 §3.2.2). Types that this crate
    /// does not know are queries.
    pub const fn is_error(&self) -> bool {
        matches!(
            self.type_and_code().0,
            DESTINATION_UNREACHABLE | SOURCE_QUENCH | REDIRECT | TIME_EXCEEDED | PARAMETER_PROBLEM
        )
    }

    /// The packet that an error message is about.
    pub const fn original(&self) -> Option<&'a [u8]> {
        match *self {
            Message::DestinationUnreachable { original, .. }
            | Message::SourceQuench { original }
            | Message::Redirect { original, .. }
            | Message::TimeExceeded { original, .. }
            | Message::ParameterProblem { original, .. } => Some(original),
            _ => None,
        }
    }

    const fn type_and_code(&self) -> (u8, u8) {
        match *self {
            Message::EchoRequest { .. } => (ECHO, 0),
            Message::EchoReply { .. } => (ECHO_REPLY, 0),
            Message::DestinationUnreachable { code, .. } => (DESTINATION_UNREACHABLE, code.number()),
            Message::SourceQuench { .. } => (SOURCE_QUENCH, 0),
            Message::Redirect { code, .. } => (REDIRECT, code.number()),
            Message::TimeExceeded { code, .. } => (TIME_EXCEEDED, code.number()),
            Message::ParameterProblem { code, .. } => (PARAMETER_PROBLEM, code),
            Message::TimestampRequest { .. } => (TIMESTAMP, 0),
            Message::TimestampReply { .. } => (TIMESTAMP_REPLY, 0),
            Message::Unknown { kind, code, .. } => (kind, code),
        }
    }
}

impl fmt::Display for Message<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Message::EchoRequest { identifier, sequence, .. } => {
                write!(f, "echo request, identifier {identifier}, sequence {sequence}")
            }
            Message::EchoReply { identifier, sequence, .. } => {
                write!(f, "echo reply, identifier {identifier}, sequence {sequence}")
            }
            Message::DestinationUnreachable {
                code: UnreachableCode::FragmentationNeeded,
                next_hop_mtu,
                ..
            } => {
                write!(f, "{}, next-hop MTU {next_hop_mtu}", UnreachableCode::FragmentationNeeded)
            }
            Message::DestinationUnreachable { code: UnreachableCode::Unknown(code), .. } => {
                write!(f, "destination unreachable, code {code}")
            }
            Message::DestinationUnreachable { code, .. } => code.fmt(f),
            Message::SourceQuench { .. } => f.write_str("source quench"),
            Message::Redirect { code, gateway, .. } => write!(f, "redirect {code} to {gateway}"),
            Message::TimeExceeded { code, .. } => write!(f, "time exceeded, {code}"),
            Message::ParameterProblem { code: 1, .. } => {
                f.write_str("parameter problem, required option missing")
            }
            Message::ParameterProblem { pointer, .. } => write!(f, "parameter problem at octet {pointer}"),
            Message::TimestampRequest { .. } => f.write_str("timestamp request"),
            Message::TimestampReply { .. } => f.write_str("timestamp reply"),
            Message::Unknown { kind, code, .. } => write!(f, "ICMP type {kind}, code {code}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn emit(message: Message<'_>) -> Vec<u8> {
        let mut octets = Vec::new();
        message.emit(&mut octets);
        octets
    }

    #[test]
    fn every_type_octet_by_octet() {
        // RFC 792; RFC 1191 §4 for the next-hop MTU. Octets without the checksum.
        let gateway = Ipv4Addr::new(192, 0, 2, 1);
        let (identifier, sequence) = (0x0102, 0x0304);
        let (originate, receive, transmit) = (5, 6, 7);
        for (message, start, text) in [
            (
                Message::EchoRequest { identifier, sequence, data: &[9] },
                &[8, 0, 1, 2, 3, 4, 9][..],
                "echo request, identifier 258, sequence 772",
            ),
            (
                Message::EchoReply { identifier, sequence, data: &[9] },
                &[0, 0, 1, 2, 3, 4, 9],
                "echo reply, identifier 258, sequence 772",
            ),
            (
                Message::DestinationUnreachable {
                    code: UnreachableCode::Host,
                    next_hop_mtu: 0,
                    original: &[9],
                },
                &[3, 1, 0, 0, 0, 0, 9],
                "host unreachable",
            ),
            (
                Message::DestinationUnreachable {
                    code: UnreachableCode::FragmentationNeeded,
                    next_hop_mtu: 1400,
                    original: &[9],
                },
                &[3, 4, 0, 0, 5, 0x78, 9],
                "fragmentation needed and DF set, next-hop MTU 1400",
            ),
            (Message::SourceQuench { original: &[9] }, &[4, 0, 0, 0, 0, 0, 9], "source quench"),
            (
                Message::Redirect { code: RedirectCode::Host, gateway, original: &[9] },
                &[5, 1, 192, 0, 2, 1, 9],
                "redirect for the host to 192.0.2.1",
            ),
            (
                Message::TimeExceeded { code: TimeExceededCode::TtlExceeded, original: &[9] },
                &[11, 0, 0, 0, 0, 0, 9],
                "time exceeded, in transit",
            ),
            (
                Message::ParameterProblem { code: 0, pointer: 20, original: &[9] },
                &[12, 0, 20, 0, 0, 0, 9],
                "parameter problem at octet 20",
            ),
            (
                Message::TimestampRequest { identifier, sequence, originate, receive, transmit },
                &[13, 0, 1, 2, 3, 4, 0, 0, 0, 5, 0, 0, 0, 6, 0, 0, 0, 7],
                "timestamp request",
            ),
            (
                Message::TimestampReply { identifier, sequence, originate, receive, transmit },
                &[14, 0, 1, 2, 3, 4, 0, 0, 0, 5, 0, 0, 0, 6, 0, 0, 0, 7],
                "timestamp reply",
            ),
            (
                Message::Unknown { kind: 17, code: 2, rest: &[1, 2, 3, 4, 9] },
                &[17, 2, 1, 2, 3, 4, 9],
                "ICMP type 17, code 2",
            ),
        ] {
            let octets = emit(message);
            assert_eq!([&octets[..2], &octets[4..]].concat(), start, "{text}");
            assert_eq!(Message::parse(&octets), Ok(message), "{text}");
            assert_eq!(message.to_string(), text);
            // RFC 1122 §3.2.2: the five error messages
            assert_eq!(message.is_error(), [3, 4, 5, 11, 12].contains(&start[0]), "{text}");
            assert_eq!(message.original().is_some(), message.is_error(), "{text}");
        }
    }

    #[test]
    fn codes_survive() {
        for code in 0..=255u8 {
            assert_eq!(UnreachableCode::from(code).number(), code);
            assert_eq!(u8::from(RedirectCode::from(code)), code);
            assert_eq!(TimeExceededCode::from(code).number(), code);
        }
        // RFC 1812 §5.2.7.1
        assert_eq!(UnreachableCode::from(13), UnreachableCode::CommunicationProhibited);
        assert_eq!(UnreachableCode::from(16).to_string(), "code 16");
    }

    #[test]
    fn what_is_no_message() {
        let mut octets = emit(Message::EchoRequest { identifier: 1, sequence: 2, data: b"x" });
        assert_eq!(Message::parse(&octets[..7]), Err(Malformed::truncated("ICMP header")));
        octets[8] ^= 1;
        assert_eq!(Message::parse(&octets), Err(Malformed::checksum("ICMP checksum")));
        let mut octets = emit(Message::Unknown { kind: TIMESTAMP, code: 0, rest: &[0; 15] });
        assert_eq!(Message::parse(&octets), Err(Malformed::truncated("ICMP timestamps")));
        octets.clear();
        assert_eq!(Message::parse(&octets), Err(Malformed::truncated("ICMP header")));
    }
}
