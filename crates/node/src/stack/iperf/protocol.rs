//! What iperf3 and its server say to each other: octets for states, and JSON with its length before it.
//!
//! There is no standard. The states and fields are those that iperf3 3.12 was seen to send and to accept.

use serde::{Deserialize, Serialize};
use trunkline_core::Duration;

/// The cookie, with its zero octet at the end: names a test, and begins each of its connections.
pub(super) const COOKIE: usize = 37;

/// The most octets of JSON that are taken. A client's results have some 120 for each stream.
pub(super) const MAX_JSON: usize = 64 * 1024;

/// The most streams of a test, as iperf3 has it.
const MAX_STREAMS: u32 = 128;

/// The longest test and the longest part of it at the beginning that does not count, as iperf3 has them.
const MAX_SECONDS: f64 = 86_400.0;
const MAX_OMIT: f64 = 600.0;

/// The largest block, as iperf3 has it, octets.
const MAX_BLOCK: f64 = 1_048_576.0;

/// What a state octet means.
pub(super) mod state {
    pub(crate) const TEST_START: u8 = 1;
    pub(crate) const TEST_RUNNING: u8 = 2;
    pub(crate) const TEST_END: u8 = 4;
    pub(crate) const PARAM_EXCHANGE: u8 = 9;
    pub(crate) const CREATE_STREAMS: u8 = 10;
    pub(crate) const CLIENT_TERMINATE: u8 = 12;
    pub(crate) const EXCHANGE_RESULTS: u8 = 13;
    pub(crate) const DISPLAY_RESULTS: u8 = 14;
    pub(crate) const IPERF_DONE: u8 = 16;
    pub(crate) const SERVER_ERROR: u8 = 0xfe;
    pub(crate) const ACCESS_DENIED: u8 = 0xff;
}

/// Why a test is refused or ends; the client has words for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// "test duration too long"
    Duration = 5,
    /// "number of parallel streams too large"
    Streams = 6,
    /// "block size too large"
    BlockSize = 7,
    /// "bogus value for --omit"
    Omit = 12,
    /// "an option you are trying to set is not implemented yet"
    NotImplemented = 13,
    /// "received an unknown control message"
    Message = 110,
    /// "unable to receive parameters from client"
    Parameters = 114,
    /// "unable to receive results"
    Results = 117,
    /// "protocol does not exist"
    Protocol = 131,
}

impl Refusal {
    /// As it is sent: the state, and two numbers of four octets, of which the second is one of the operating system's.
    pub(super) fn octets(self) -> [u8; 9] {
        [state::SERVER_ERROR, 0, 0, 0, self as u8, 0, 0, 0, 0]
    }
}

/// Takes JSON from the front of what came: none as long as some is missing.
pub(super) fn take_json(inbox: &mut Vec<u8>) -> Option<Result<Vec<u8>, ()>> {
    let (length, rest) = inbox.split_first_chunk::<4>()?;
    let length = u32::from_be_bytes(*length) as usize;
    if length > MAX_JSON {
        return Some(Err(()));
    }
    let json = rest.get(..length)?.to_vec();
    inbox.drain(..4 + length);
    Some(Ok(json))
}

/// JSON with its length before it.
pub(super) fn framed(value: &impl Serialize) -> Vec<u8> {
    let json = serde_json::to_vec(value).unwrap_or_default();
    let mut octets = u32::try_from(json.len()).unwrap_or(u32::MAX).to_be_bytes().to_vec();
    octets.extend(json);
    octets
}

/// What the client wants, as it comes. Numbers may have a fraction or an exponent.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Wanted {
    tcp: bool,
    time: f64,
    num: f64,
    blockcount: f64,
    parallel: f64,
    len: f64,
    omit: f64,
    reverse: bool,
    bidirectional: bool,
    bandwidth: f64,
    fqrate: f64,
}

/// What the client wants and gets.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Parameters {
    /// Streams, 1..=128.
    pub(super) streams: u32,
    /// We send.
    pub(super) reverse: bool,
    /// How many octets all streams have together; else the client ends the test in its own time.
    pub(super) octets: Option<u64>,
    /// How long it lasts, as long as `octets` does not say.
    pub(super) time: Duration,
    /// How long at the beginning nothing counts.
    pub(super) omit: Duration,
}

impl Parameters {
    /// Reads them; what we do not do is refused, what is only for the client to do is not looked at.
    pub(super) fn parse(json: &[u8]) -> Result<Parameters, Refusal> {
        let wanted: Wanted = serde_json::from_slice(json).map_err(|_| Refusal::Parameters)?;
        if !wanted.tcp {
            return Err(Refusal::Protocol);
        }
        // How fast we send is for TCP to say.
        let paced = wanted.reverse && (wanted.bandwidth > 0.0 || wanted.fqrate > 0.0);
        if wanted.bidirectional || paced {
            return Err(Refusal::NotImplemented);
        }
        let within =
            |value: f64, most: f64, why| if (0.0..=most).contains(&value) { Ok(value) } else { Err(why) };
        let time = within(wanted.time, MAX_SECONDS, Refusal::Duration)?;
        let omit = within(wanted.omit, MAX_OMIT, Refusal::Omit)?;
        let block = within(wanted.len, MAX_BLOCK, Refusal::BlockSize)?;
        let streams = within(wanted.parallel, f64::from(MAX_STREAMS), Refusal::Streams)?;
        // A cast of a float saturates.
        let octets = if wanted.num > 0.0 { wanted.num } else { wanted.blockcount * block } as u64;
        Ok(Parameters {
            streams: (streams as u32).max(1),
            reverse: wanted.reverse,
            octets: (octets > 0).then_some(octets),
            time: Duration::from_millis((time * 1000.0) as u64),
            omit: Duration::from_millis((omit * 1000.0) as u64),
        })
    }
}

/// How iperf3 counts streams: 1, 3, 4, 5 …
pub(super) fn stream_id(number: usize) -> usize {
    if number == 0 { 1 } else { number + 2 }
}

/// What we say of a test.
#[derive(Debug, Serialize)]
pub(super) struct Results {
    pub(super) cpu_util_total: f64,
    pub(super) cpu_util_user: f64,
    pub(super) cpu_util_system: f64,
    /// Whether `retransmits` are counted: 1, where we send.
    pub(super) sender_has_retransmits: u32,
    pub(super) congestion_used: &'static str,
    pub(super) streams: Vec<StreamResults>,
}

/// What we say of a stream.
#[derive(Debug, Serialize)]
pub(super) struct StreamResults {
    pub(super) id: usize,
    pub(super) bytes: u64,
    pub(super) retransmits: u64,
    pub(super) jitter: u32,
    pub(super) errors: u32,
    pub(super) packets: u32,
    /// Seconds.
    pub(super) start_time: f64,
    pub(super) end_time: f64,
}

/// What the client says of a test, as far as it matters to us.
#[derive(Debug, Deserialize)]
pub(super) struct Theirs {
    streams: Vec<StreamOfTheirs>,
}

#[derive(Debug, Deserialize)]
struct StreamOfTheirs {
    id: f64,
    bytes: f64,
}

impl Theirs {
    /// Reads what the client says.
    pub(super) fn parse(json: &[u8]) -> Result<Theirs, Refusal> {
        serde_json::from_slice(json).map_err(|_| Refusal::Results)
    }

    /// How many octets a stream of ours has according to them.
    pub(super) fn octets(&self, number: usize) -> Option<u64> {
        let id = stream_id(number) as f64;
        self.streams.iter().find(|stream| stream.id == id).map(|stream| stream.bytes as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_as_iperf3_sends_them() {
        let parse = |text: &str| Parameters::parse(text.as_bytes());
        // Seen on the wire.
        let normal = r#"{"tcp":true,"omit":0,"time":0,"num":300000,"blockcount":0,"parallel":2,"len":131072,
            "pacing_timer":1000,"client_version":"3.12"}"#;
        let expected = Parameters {
            streams: 2,
            reverse: false,
            octets: Some(300_000),
            time: Duration::ZERO,
            omit: Duration::ZERO,
        };
        assert_eq!(parse(normal), Ok(expected));
        let reverse = r#"{"tcp":true,"omit":1,"time":10,"num":0,"blockcount":0,"parallel":1,"reverse":true,"len":131072}"#;
        let expected = Parameters {
            streams: 1,
            reverse: true,
            octets: None,
            time: Duration::from_secs(10),
            omit: Duration::from_secs(1),
        };
        assert_eq!(parse(reverse), Ok(expected));
        let blocks = parse(r#"{"tcp":true,"blockcount":3,"len":1000}"#).unwrap();
        assert_eq!((blocks.octets, blocks.streams), (Some(3000), 1));
        let huge = parse(r#"{"tcp":true,"num":1e+18}"#).unwrap();
        assert_eq!(huge.octets, Some(1_000_000_000_000_000_000));
    }

    #[test]
    fn what_is_refused() {
        let refused = |text: &str| Parameters::parse(text.as_bytes()).unwrap_err();
        for (text, why) in [
            (r#"{"udp":true,"time":1}"#, Refusal::Protocol),
            (r#"{"sctp":true}"#, Refusal::Protocol),
            (r#"{"tcp":true,"bidirectional":true}"#, Refusal::NotImplemented),
            (r#"{"tcp":true,"reverse":true,"bandwidth":1000}"#, Refusal::NotImplemented),
            (r#"{"tcp":true,"parallel":129}"#, Refusal::Streams),
            (r#"{"tcp":true,"parallel":-1}"#, Refusal::Streams),
            (r#"{"tcp":true,"time":86401}"#, Refusal::Duration),
            (r#"{"tcp":true,"omit":601}"#, Refusal::Omit),
            (r#"{"tcp":true,"len":1048577}"#, Refusal::BlockSize),
            (r#"{"tcp":"#, Refusal::Parameters),
            (r#"{"tcp":true,"time":"long"}"#, Refusal::Parameters),
            ("", Refusal::Parameters),
        ] {
            assert_eq!(refused(text), why, "{text}");
        }
        assert_eq!(Refusal::Protocol.octets(), [254, 0, 0, 0, 131, 0, 0, 0, 0]);
    }

    #[test]
    fn json_comes_in_pieces() {
        let whole = framed(&[1, 2, 3]);
        assert_eq!(whole, b"\0\0\0\x07[1,2,3]");
        for cut in 0..whole.len() {
            assert_eq!(take_json(&mut whole[..cut].to_vec()), None);
        }
        let mut more = [&whole[..], &[16]].concat();
        assert_eq!(take_json(&mut more), Some(Ok(b"[1,2,3]".to_vec())));
        assert_eq!(more, [16]);
        assert_eq!(take_json(&mut vec![0, 1, 0, 1]), Some(Err(())));
    }

    #[test]
    fn results_as_iperf3_sends_them() {
        let text = r#"{"cpu_util_total":93.8,"sender_has_retransmits":18446744073709551615,"congestion_used":"bbr",
            "streams":[{"id":1,"bytes":262144,"retransmits":18446744073709551615,"jitter":0,"errors":0,"packets":0,
            "start_time":0,"end_time":0.000281},{"id":3,"bytes":131072}]}"#;
        let results = Theirs::parse(text.as_bytes()).unwrap();
        assert_eq!([0, 1, 2].map(|n| results.octets(n)), [Some(262_144), Some(131_072), None]);
        // What does not matter may be anything.
        let results =
            Theirs::parse(br#"{"cpu_util_total":null,"streams":[{"id":1,"bytes":1e+15,"jitter":null}]}"#);
        assert_eq!(results.unwrap().octets(0), Some(1_000_000_000_000_000));
        assert_eq!(Theirs::parse(b"{}").unwrap_err(), Refusal::Results);
    }
}
