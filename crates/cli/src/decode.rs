//! `trunkline decode`: the frames of a capture.

use crate::Failure;
use crate::args::DecodeOptions;
use serde_json::{Value, json};
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;
use trunkline_explain::capture::{Capture, CaptureError, Captured};
use trunkline_explain::dissect::Dissector;

/// Octets of text that are written at once.
const CHUNK: usize = 64 << 10;

/// Prints every frame.
pub(crate) fn decode(options: &DecodeOptions, json: bool, out: &mut impl Write) -> Result<(), Failure> {
    let name = named(&options.file);
    let input = open(&options.file)?;
    let mut printer = Printer { dissector: Dissector::default(), first: None, text: String::new() };
    let error = printer.all(Capture::new(input), options.verbose, json, out)?;
    match error {
        Some(error) => Err(Failure::Message(format!("{name}: {error}"))),
        None => Ok(()),
    }
}

/// A file, or standard input for `-`.
pub(crate) fn open(file: &Path) -> Result<Box<dyn Read>, Failure> {
    if file == Path::new("-") {
        return Ok(Box::new(io::stdin().lock()));
    }
    match File::open(file) {
        Ok(file) => Ok(Box::new(file)),
        Err(error) => Err(Failure::Message(format!("{}: {error}", file.display()))),
    }
}

/// What a file is called in messages.
pub(crate) fn named(file: &Path) -> String {
    if file == Path::new("-") { "standard input".to_owned() } else { file.display().to_string() }
}

struct Printer {
    dissector: Dissector,
    /// When the first frame was.
    first: Option<u64>,
    text: String,
}

impl Printer {
    /// How the capture ends, where it does not end well.
    fn all(
        &mut self,
        mut capture: Capture<Box<dyn Read>>,
        verbose: bool,
        json: bool,
        out: &mut impl Write,
    ) -> Result<Option<CaptureError>, Failure> {
        loop {
            // Before it waits for more of a pipe, what it has is to be seen.
            if self.text.len() >= CHUNK || !capture.has_next() {
                out.write_all(self.text.as_bytes())?;
                out.flush()?;
                self.text.clear();
            }
            match capture.next_frame() {
                Ok(Some(frame)) => self.frame(&frame, verbose, json),
                end => {
                    out.write_all(self.text.as_bytes())?;
                    out.flush()?;
                    return Ok(end.err());
                }
            }
        }
    }

    fn frame(&mut self, frame: &Captured<'_>, verbose: bool, json: bool) {
        let first = *self.first.get_or_insert(frame.nanos);
        let micros = (i128::from(frame.nanos) - i128::from(first)) / 1000;
        if json {
            let dissection = self.dissector.dissect_captured(frame);
            let mut object = json!({
                "frame": frame.number,
                "time": micros as f64 / 1e6,
                "octets": frame.original_length,
                "captured": frame.octets.len(),
                "summary": dissection.summary,
            });
            if let Some(comment) = frame.comment {
                object["comment"] = json!(comment);
            }
            object["layers"] = Value::Object(dissection.layers);
            self.text.push_str(&object.to_string());
        } else {
            head(frame.number, micros, &mut self.text);
            if verbose {
                self.dissector.verbose(frame, &mut self.text);
            } else {
                self.dissector.line(frame, &mut self.text);
            }
        }
        self.text.push('\n');
    }
}

/// Number and seconds, in columns.
fn head(number: u64, micros: i128, text: &mut String) {
    let start = text.len();
    digits(number, text);
    right(start, 7, text);
    let start = text.len();
    text.push_str(if micros < 0 { "-" } else { "" });
    let micros = u64::try_from(micros.unsigned_abs()).unwrap_or(u64::MAX);
    digits(micros / 1_000_000, text);
    text.push('.');
    // Six digits: a one in front keeps the zeros.
    let fraction = text.len();
    digits(1_000_000 + micros % 1_000_000, text);
    text.remove(fraction);
    right(start, 13, text);
    text.push_str("  ");
}

fn digits(number: u64, text: &mut String) {
    trunkline_explain::push_number(number, text);
}

/// Puts spaces before what was added since `start`, so that it has a width.
fn right(start: usize, width: usize, text: &mut String) {
    const SPACES: &str = "             ";
    let missing = width.saturating_sub(text.len() - start);
    text.insert_str(start, SPACES.get(..missing).unwrap_or_default());
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;
    use trunkline_core::MacAddr;
    use trunkline_wire::pcapng::{Interface, Writer};
    use trunkline_wire::stp::{Bpdu, Message};

    fn capture() -> Vec<u8> {
        let interface = Interface { name: "a".into(), description: String::new() };
        let mut writer = Writer::new(Vec::new(), &[interface]).unwrap();
        let frame = Message::Bpdu(Bpdu::Tcn).frame(MacAddr([2, 0, 0, 0, 0, 1]));
        for (nanos, comment) in [(5_000_000_000, None), (6_000_001_500, Some("late")), (4_999_999_000, None)]
        {
            writer.packet(0, nanos, &frame, comment).unwrap();
        }
        writer.packet(0, 7_000_000_000, &[1, 2, 3], None).unwrap();
        writer.into_inner()
    }

    fn decoded(file: &[u8], verbose: bool, json: bool) -> (String, Result<(), Failure>) {
        let path = std::env::temp_dir().join(format!(
            "trunkline-decode-{}-{json}-{verbose}-{}",
            std::process::id(),
            file.len()
        ));
        std::fs::write(&path, file).unwrap();
        let mut out = Vec::new();
        let done = decode(&DecodeOptions { file: path.clone(), verbose }, json, &mut out);
        std::fs::remove_file(path).unwrap();
        (String::from_utf8(out).unwrap(), done)
    }

    #[test]
    fn a_line_for_each_frame_that_names_what_is_malformed() {
        let (text, done) = decoded(&capture(), false, false);
        assert!(done.is_ok());
        assert_eq!(
            text,
            "      1     0.000000  TCN\n      2     1.000001  TCN\n      3    -0.000001  TCN\n\
             \x20     4     2.000000  malformed: Ethernet header: the octets end too early (what begins at octet 0)\n"
        );
        let (text, _) = decoded(&capture(), true, false);
        assert!(text.contains("TCN\n    Comment of the capture\n            late\n"), "{text}");
        assert!(text.contains("BPDU Type"), "{text}");
    }

    #[test]
    fn json_has_an_object_for_each_frame() {
        let (text, _) = decoded(&capture(), false, true);
        let objects: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(objects.len(), 4);
        assert_eq!(objects[1]["comment"], "late");
        assert_eq!(objects[1]["layers"]["stp"]["type"], "tcn");
        assert_eq!(objects[3]["layers"]["malformed-at"], 0);
    }

    #[test]
    fn a_capture_that_is_cut_is_read_and_then_named() {
        let file = capture();
        let (text, done) = decoded(&file[..file.len() - 1], false, false);
        assert_eq!(text.lines().count(), 3);
        let Err(Failure::Message(message)) = done else { panic!("{done:?}") };
        assert!(message.contains("cut short"), "{message}");
        let missing = DecodeOptions { file: PathBuf::from("/does/not/exist"), verbose: false };
        assert!(matches!(decode(&missing, false, &mut Vec::new()), Err(Failure::Message(_))));
    }
}
