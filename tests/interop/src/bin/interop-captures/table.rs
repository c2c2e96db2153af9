//! `captures.toml`: what is in each capture.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;

/// One capture.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Entry {
    /// Its file.
    pub(crate) file: String,
    /// The signature that it has, by its number; 0 where nothing is wrong.
    pub(crate) signature: u8,
    /// On whose side it was captured.
    pub(crate) captured: String,
    /// Who was there, with address and version.
    pub(crate) daemons: Vec<String>,
    /// What was configured or done.
    pub(crate) how: String,
    /// What is on the wire, with the frames' numbers.
    pub(crate) seen: String,
    /// Counters of the kernels afterwards.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) counters: Vec<String>,
    /// What a reader of captures shall say of it.
    #[serde(flatten)]
    pub(crate) verdicts: Verdicts,
}

/// What a reader of captures shall say: written by hand, and kept when the capture is made again. README.md says what the keys mean.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Verdicts {
    #[serde(skip_serializing_if = "Option::is_none")]
    first: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    notes: Vec<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    others: BTreeMap<String, String>,
}

/// All of them.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Table {
    #[serde(default)]
    capture: Vec<Entry>,
}

impl Table {
    /// What the directory has already.
    pub(crate) fn read(directory: &Path) -> Table {
        match std::fs::read_to_string(directory.join("captures.toml")) {
            Ok(text) => toml::from_str(&text).unwrap(),
            Err(_) => Table::default(),
        }
    }

    /// Puts an entry in the place of the one for that file, whose verdicts it keeps.
    pub(crate) fn put(&mut self, mut entry: Entry) {
        if let Some(at) = self.capture.iter().position(|old| old.file == entry.file) {
            entry.verdicts = self.capture.remove(at).verdicts;
        }
        self.capture.push(entry);
    }

    /// Writes those that are in `order`, in that order.
    pub(crate) fn write(&mut self, directory: &Path, order: &[String]) {
        let place = |entry: &Entry| order.iter().position(|file| *file == entry.file);
        self.capture.retain(|entry| place(entry).is_some());
        self.capture.sort_by_key(|entry| place(entry));
        let head = "# What is in each capture, written by interop-captures, and what shall be said of it, written by hand: see README.md.\n\n";
        let text = toml::to_string(self).unwrap();
        std::fs::write(directory.join("captures.toml"), format!("{head}{text}")).unwrap();
    }
}
