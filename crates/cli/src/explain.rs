//! `trunkline explain`: what went wrong in a capture.

use crate::Failure;
use crate::args::{ExplainOptions, LadderFormat};
use crate::decode::{named, open};
use crate::show::{Color, Style};
use std::collections::BTreeSet;
use std::io::Write;
use std::net::IpAddr;
use std::path::Path;
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
    let style = Style::of_stdout();
    let paint = |severity: Severity| {
        let color = match severity {
            Severity::Error => Color::Red,
            Severity::Warning => Color::Yellow,
            Severity::Note => Color::Green,
        };
        color.paint(severity.name(), style)
    };
    let mut capture = Capture::new(open(file)?);
    let mut facts = Facts::default();
    // Who follows a capture that is being made hears of each new verdict at once.
    let live = file == Path::new("-") && !json && options.ladder.is_none();
    let mut told = Told::default();
    let end = loop {
        if live && !capture.has_next() {
            told.tell_new(&facts, options.peer, &paint, out)?;
        }
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

/// The verdicts that were told while a capture was being made.
#[derive(Default)]
struct Told {
    /// By rule and ends.
    known: BTreeSet<(&'static str, (String, String))>,
    /// The frame up to which was judged.
    up_to: u64,
}

impl Told {
    fn tell_new(
        &mut self,
        facts: &Facts,
        peer: Option<IpAddr>,
        paint: &dyn Fn(Severity) -> String,
        out: &mut impl Write,
    ) -> Result<(), Failure> {
        let Some(last) = facts.last.filter(|last| last.frame > self.up_to) else { return Ok(()) };
        self.up_to = last.frame;
        for verdict in judge(facts, peer).iter().flat_map(|judged| &judged.verdicts) {
            let new = verdict.severity > Severity::Note
                && self.known.insert((verdict.rule.id, verdict.ends.clone()));
            if new {
                writeln!(out, "{}", report::verdict(verdict, facts, paint))?;
            }
        }
        Ok(out.flush()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::{Cli, Command};
    use clap::Parser;

    fn capture(name: &str) -> String {
        format!("{}/../../tests/captures/{name}.pcap", env!("CARGO_MANIFEST_DIR"))
    }

    fn run(line: &[&str]) -> (String, Result<(), Failure>) {
        let cli = Cli::try_parse_from([&["trunkline", "explain"], line].concat()).unwrap();
        let Command::Explain(options) = cli.command else { panic!("{line:?}") };
        let mut out = Vec::new();
        let done = explain(&options, cli.json, &mut out);
        (String::from_utf8(out).unwrap(), done)
    }

    #[test]
    fn the_verdict_its_evidence_and_the_ladder() {
        let (text, done) = run(&[&capture("article-notification")]);
        assert!(matches!(done, Err(Failure::Found)));
        for words in [
            "error: 10.82.1.10 expects another AS number than 10.82.1.9 says it has. (bad-peer-as, ",
            "10.82.1.10 sends NOTIFICATION 2/2 Bad Peer AS; its data name AS 600 (frame ",
            "-->  NOTIFICATION 2/2 Bad Peer AS",
            "One thing is wrong.",
        ] {
            assert!(text.contains(words), "{words}:\n{text}");
        }
        let (text, done) = run(&[&capture("healthy-bird-frr")]);
        assert!(done.is_ok() && text.contains("Nothing wrong was seen."), "{text}");
    }

    #[test]
    fn for_programs_and_browsers() {
        let (text, done) = run(&[&capture("s03-no-daemon-bird"), "--json"]);
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert!(matches!(done, Err(Failure::Found)));
        assert_eq!(value["judged"][0]["verdicts"][0]["rule"], "refused");
        assert!(value["judged"][0]["ladder"][0]["words"].as_str().unwrap().starts_with("SYN"));
        assert!(run(&[&capture("s03-no-daemon-bird"), "--ladder", "svg"]).0.starts_with("<svg"));
        assert!(matches!(
            run(&[&capture("s34-stp-root-changes-linux"), "--ladder", "svg"]).1,
            Err(Failure::Message(_))
        ));
    }

    #[test]
    fn only_one_peer_and_all_rules() {
        let (text, done) = run(&[&capture("s03-no-daemon-bird"), "--peer", "192.0.2.9"]);
        assert!(matches!(done, Err(Failure::Found)) && text.contains("(no-attempt)"), "{text}");
        assert!(run(&["--list"]).0.contains("mtu-black-hole (error)"));
        let rules: serde_json::Value = serde_json::from_str(&run(&["--list", "--json"]).0).unwrap();
        assert!(rules.as_array().unwrap().len() > 50);
    }

    #[test]
    fn new_verdicts_are_told_once() {
        let file = std::fs::read(capture("s03-no-daemon-bird")).unwrap();
        let mut capture = Capture::new(&file[..]);
        let (mut facts, mut told, mut out) = (Facts::default(), Told::default(), Vec::new());
        let paint = |severity: Severity| severity.name().to_owned();
        while let Some(frame) = capture.next_frame().unwrap() {
            facts.add(&frame);
            told.tell_new(&facts, None, &paint, &mut out).unwrap();
        }
        let text = String::from_utf8(out).unwrap();
        assert_eq!(text.matches("(refused").count(), 1, "{text}");
    }
}
