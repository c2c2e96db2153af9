//! Captures read as a stream: from a file or a pipe, in memory that does not grow with them.

mod link;

pub use link::{Content, Framing, Link, peel};

use std::fmt;
use std::io::{self, Read};
use trunkline_wire::Malformed;
use trunkline_wire::pcapng::{Decoder, Packet, Record};

/// Octets that are read at once, where a record does not need more.
const CHUNK: usize = 256 << 10;

/// Why a capture cannot be read, or not further.
#[derive(Debug)]
pub enum CaptureError {
    /// The file or pipe cannot be read.
    Io(io::Error),
    /// There is nothing in it.
    Empty,
    /// The octets are of no format that is known here.
    NoCapture,
    /// A record is none.
    Malformed {
        /// Where in the file the record begins.
        offset: u64,
        /// What is wrong with it.
        malformed: Malformed,
    },
    /// The file ends within a record.
    Truncated {
        /// Where in the file that record begins.
        offset: u64,
        /// Octets of it that are there.
        has: usize,
    },
}

impl fmt::Display for CaptureError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CaptureError::Io(error) => error.fmt(f),
            CaptureError::Empty => f.write_str("the capture is empty: not even a file header is there"),
            CaptureError::NoCapture => f.write_str("this is no capture: pcap and pcapng can be read"),
            CaptureError::Malformed { offset, malformed } => {
                write!(f, "the capture cannot be read from octet {offset} on: {malformed}")
            }
            CaptureError::Truncated { offset, has } => write!(
                f,
                "the capture is cut short: the record at octet {offset} has only {has} octets; all before it was read"
            ),
        }
    }
}

impl std::error::Error for CaptureError {}

/// A frame of a capture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Captured<'a> {
    /// Its number, from 1.
    pub number: u64,
    /// When, in nanoseconds since 1970; 0 where the file does not say.
    pub nanos: u64,
    /// How it begins.
    pub link: Link,
    /// Its interface, from 0.
    pub interface: u32,
    /// What was captured of it.
    pub octets: &'a [u8],
    /// How many octets it had.
    pub original_length: u32,
    /// A comment on it.
    pub comment: Option<&'a str>,
}

impl Captured<'_> {
    /// Octets that the capture left out (its snap length).
    pub fn cut(&self) -> u32 {
        self.original_length.saturating_sub(self.octets.len() as u32)
    }
}

/// Reads the frames of a capture in their order.
#[derive(Debug)]
pub struct Capture<R> {
    input: R,
    decoder: Decoder,
    buffer: Vec<u8>,
    /// What of the buffer is read but not yet used.
    start: usize,
    end: usize,
    /// Where in the file `start` is.
    offset: u64,
    number: u64,
}

impl<R: Read> Capture<R> {
    /// Of what `input` gives.
    pub fn new(input: R) -> Capture<R> {
        let buffer = vec![0; CHUNK];
        Capture { input, decoder: Decoder::default(), buffer, start: 0, end: 0, offset: 0, number: 0 }
    }

    /// The next frame; none at the end.
    ///
    /// # Errors
    ///
    /// Nothing more can be read. All frames before came out.
    #[inline]
    pub fn next_frame(&mut self) -> Result<Option<Captured<'_>>, CaptureError> {
        loop {
            let octets = self.buffer.get(self.start..self.end).unwrap_or_default();
            match self.decoder.next(octets) {
                Ok(Record::Whole { len, packet: None }) => self.consume(len),
                Ok(Record::Whole { len, packet: Some(_) }) => {
                    let at = self.start;
                    self.consume(len);
                    self.number += 1;
                    return Ok(self.frame(at, len));
                }
                Ok(Record::Needs { len }) => {
                    if !self.fill(len)? {
                        return self.ended();
                    }
                }
                Err(malformed) if self.offset == 0 && malformed.field == "capture file magic number" => {
                    return Err(CaptureError::NoCapture);
                }
                Err(malformed) => return Err(CaptureError::Malformed { offset: self.offset, malformed }),
            }
        }
    }

    /// The packet of a record that was found whole, read again: the borrow of the one that was found first would not let go.
    #[inline]
    fn frame(&mut self, at: usize, len: usize) -> Option<Captured<'_>> {
        let octets = self.buffer.get(at..at + len).unwrap_or_default();
        let Ok(Record::Whole { packet: Some(packet), .. }) = self.decoder.next(octets) else { return None };
        let Packet { interface, nanos, frame, original_length, comment } = packet;
        let link = self.decoder.interfaces().get(interface as usize).map_or(0, |i| i.link_type);
        let link = Link::from_number(link);
        let original_length = original_length.max(frame.len() as u32);
        let number = self.number;
        Some(Captured { number, nanos, link, interface, octets: frame, original_length, comment })
    }

    #[inline]
    fn consume(&mut self, len: usize) {
        self.start += len;
        self.offset += len as u64;
    }

    /// Whether the next frame is here: if not, it may have to be waited for.
    #[inline]
    pub fn has_next(&self) -> bool {
        self.decoder.has_whole(self.buffer.get(self.start..self.end).unwrap_or_default())
    }

    /// Reads until there are `len` octets; false at the end of the input.
    #[cold]
    fn fill(&mut self, len: usize) -> Result<bool, CaptureError> {
        self.buffer.copy_within(self.start..self.end, 0);
        (self.start, self.end) = (0, self.end - self.start);
        if self.buffer.len() < len {
            self.buffer.resize(len.next_multiple_of(CHUNK), 0);
        }
        while self.end < len {
            let room = self.buffer.get_mut(self.end..).unwrap_or_default();
            match self.input.read(room) {
                Ok(0) => return Ok(false),
                Ok(read) => self.end += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(CaptureError::Io(error)),
            }
        }
        Ok(true)
    }

    fn ended(&self) -> Result<Option<Captured<'_>>, CaptureError> {
        match self.end - self.start {
            0 if self.offset == 0 => Err(CaptureError::Empty),
            0 => Ok(None),
            has => Err(CaptureError::Truncated { offset: self.offset, has }),
        }
    }
}

impl<R> Capture<R> {
    /// Frames that came out so far.
    pub fn frames(&self) -> u64 {
        self.number
    }

    /// Frames that the capturing program says it lost, so far; pcapng only.
    pub fn dropped(&self) -> u64 {
        self.decoder.dropped()
    }
}

#[cfg(test)]
mod tests;
