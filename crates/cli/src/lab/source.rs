//! Which lab is meant: a file, or the name of one that is built in.

use crate::Failure;
use std::io::{self, IsTerminal};
use std::path::Path;
use trunkline_lab::builtin::{LABS, find};
use trunkline_lab::file::parse;
use trunkline_lab::scenario::Scenario;

/// Reads and validates it; says on stderr all that is wrong, and what its author may not expect.
pub(crate) fn read(file: &str) -> Result<Scenario, Failure> {
    let (name, text) = load(file)?;
    let color = io::stderr().is_terminal() && crate::show::color_wanted();
    match parse(&name, &text) {
        Ok(parsed) => {
            eprint!("{}", parsed.warnings.render(color));
            Ok(parsed.scenario)
        }
        Err(problems) => {
            eprint!("{}", problems.render(color));
            Err(Failure::Said)
        }
    }
}

/// The name for diagnostics, and the text. A file that is there wins over a name.
fn load(file: &str) -> Result<(String, String), Failure> {
    if !Path::new(file).exists() {
        if let Some(lab) = find(file) {
            return Ok((format!("{file} (built in)"), lab.text.to_owned()));
        }
        if !file.contains(['/', '.']) {
            let names: Vec<&str> = LABS.iter().map(|lab| lab.name).collect();
            let hint = match trunkline_config::nearest(file, names.iter().copied()) {
                Some(near) => format!("did you mean {near}?"),
                None => format!("built in are {}", names.join(", ")),
            };
            return Err(Failure::Message(format!("there is no file and no lab {file}; {hint}")));
        }
    }
    match std::fs::read_to_string(file) {
        Ok(text) => Ok((file.to_owned(), text)),
        Err(error) => Err(Failure::Message(format!("cannot read {file}: {error}"))),
    }
}
