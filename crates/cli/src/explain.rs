//! `trunkline explain`: what went wrong in a capture.

use crate::Failure;
use crate::args::{ExplainOptions, LadderFormat};
use crate::decode::{named, open};
use crate::show::{Color, Style};
use std::io::Write;
use trunkline_explain::capture::Capture;
use trunkline_explain::follow::Facts;
use trunkline_explain::report;
use trunkline_explain::rules::{Severity, is_wrong, judge};

/// Reads it to its end and says what is wrong.
pub(crate) fn explain(options: &ExplainOptions, json: bool, out: &mut impl Write) -> Result<(), Failure> {
    let Some(file) = options.file.as_ref().filter(|_| !options.list) else {
        match json {
            true => writeln!(out, "{:#}", report::list_json())?,
            false => write!(out, "{}", report::list())?,
        }
        return Ok(());
    };
    let mut capture = Capture::new(open(file)?);
    let mut facts = Facts::default();
    let end = loop {
        match capture.next_frame() {
            Ok(Some(frame)) => facts.add(&frame),
            Ok(None) => break None,
            Err(error) => break Some(format!("{}: {error}", named(file))),
        }
    };
    facts.finish(capture.dropped());
    if let (Some(error), 0) = (&end, capture.frames()) {
        return Err(Failure::Message(error.clone()));
    }
    let judged = judge(&facts, options.peer);
    let style = Style::of_stdout();
    let paint = |severity: Severity| {
        let color = match severity {
            Severity::Error => Color::Red,
            Severity::Warning => Color::Yellow,
            Severity::Note => Color::Green,
        };
        color.paint(severity.name(), style)
    };
    match (options.ladder, json) {
        (Some(LadderFormat::Svg), _) => match report::svg(&judged, &facts) {
            Some(drawing) => out.write_all(drawing.as_bytes())?,
            None => return Err(Failure::Message("there is no conversation of BGP to draw".to_owned())),
        },
        (None, true) => {
            let mut value = report::to_json(&judged, &facts);
            value["incomplete"] = end.clone().into();
            writeln!(out, "{value:#}")?;
        }
        (None, false) => {
            out.write_all(report::text(&judged, &facts, &paint).as_bytes())?;
        }
    }
    out.flush()?;
    // What could be read of a capture that is cut short is judged all the same.
    if let Some(error) = end {
        eprintln!("trunkline: {error}");
    }
    if is_wrong(&judged) { Err(Failure::Found) } else { Ok(()) }
}
