//! Reads a capture that is in memory as a whole.

use super::decoder::{CapturedInterface, Decoder, Packet, Record};
use crate::Malformed;

/// Reads the packets of a capture in their order; ends with the first fault.
#[derive(Debug, Clone)]
pub struct Reader<'a> {
    rest: &'a [u8],
    decoder: Decoder,
}

impl<'a> Reader<'a> {
    /// Looks at what the file is; a file of neither format is refused.
    pub fn new(file: &'a [u8]) -> Result<Reader<'a>, Malformed> {
        let mut reader = Reader { rest: file, decoder: Decoder::default() };
        match reader.decoder.next(file)? {
            Record::Whole { len, .. } => reader.rest = file.get(len..).unwrap_or_default(),
            Record::Needs { len: 4 } => return Err(Malformed::truncated("capture file magic number")),
            Record::Needs { .. } => return Err(Malformed::truncated("capture file header")),
        }
        Ok(reader)
    }

    /// The interfaces that were described so far, of all sections.
    pub fn interfaces(&self) -> &[CapturedInterface] {
        self.decoder.interfaces()
    }
}

impl<'a> Iterator for Reader<'a> {
    type Item = Result<Packet<'a>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.rest.is_empty() {
            let found = match self.decoder.next(self.rest) {
                Ok(Record::Whole { len, packet }) => {
                    self.rest = self.rest.get(len..).unwrap_or_default();
                    packet.map(Ok)
                }
                Ok(Record::Needs { .. }) => Some(Err(Malformed::truncated("capture file record"))),
                Err(malformed) => Some(Err(malformed)),
            };
            if let Some(Err(_)) = found {
                self.rest = &[];
            }
            if found.is_some() {
                return found;
            }
        }
        None
    }
}
