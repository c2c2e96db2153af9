//! What a link has carried, to be written as pcapng.

use std::io;
use trunkline_core::{Frame, Instant};
use trunkline_wire::pcapng::{Interface, Writer};

/// Time 0 of a lab, in nanoseconds since 1970: the beginning of 2000.
pub const EPOCH: u64 = 946_684_800_000_000_000;

/// Frames that a link has carried.
#[derive(Debug, Clone)]
pub struct Capture {
    /// The ends of the link, as the interfaces where a frame was sent.
    ends: Vec<Interface>,
    records: Vec<Record>,
}

/// A frame, as it was sent.
#[derive(Debug, Clone)]
struct Record {
    at: Instant,
    end: u32,
    frame: Frame,
    comment: Option<String>,
}

impl Capture {
    /// Of a link with ends of these names.
    pub(crate) fn new(ends: impl Iterator<Item = String>) -> Capture {
        let ends = ends.map(|name| Interface { name, description: String::new() }).collect();
        Capture { ends, records: Vec::new() }
    }

    /// The number of the frame that is recorded next.
    #[inline]
    pub(crate) fn next_record(&self) -> u32 {
        u32::try_from(self.records.len()).unwrap_or(u32::MAX)
    }

    /// A frame is sent at an end.
    pub(crate) fn record(&mut self, at: Instant, end: u32, frame: Frame, comment: Option<&str>) {
        self.records.push(Record { at, end, frame, comment: comment.map(str::to_owned) });
    }

    /// Something is to be known about a frame.
    pub(crate) fn comment(&mut self, record: u32, text: &str) {
        let Some(record) = self.records.get_mut(record as usize) else { return };
        match &mut record.comment {
            None => record.comment = Some(text.to_owned()),
            Some(comment) => {
                comment.push('\n');
                comment.push_str(text);
            }
        }
    }

    /// How many frames there are.
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// Each frame in the order in which the link took them: when it was sent, by which end, its octets, its comment.
    pub fn frames(&self) -> impl Iterator<Item = (Instant, usize, &Frame, Option<&str>)> {
        self.records.iter().map(|r| (r.at, r.end as usize, &r.frame, r.comment.as_deref()))
    }

    /// Writes a pcapng file: the frames in the order of the time at which each was sent, with an interface for each end.
    ///
    /// # Errors
    ///
    /// Those of `out`.
    pub fn write(&self, out: impl io::Write) -> io::Result<()> {
        let mut writer = Writer::new(out, &self.ends)?;
        let mut records: Vec<&Record> = self.records.iter().collect();
        records.sort_by_key(|record| record.at);
        for record in records {
            let nanos = EPOCH.saturating_add(record.at.as_nanos());
            writer.packet(record.end, nanos, &record.frame, record.comment.as_deref())?;
        }
        writer.flush()
    }
}
