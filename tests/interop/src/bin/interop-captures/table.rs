//! `captures.toml`: what is in each capture.

use serde::{Deserialize, Serialize};
use std::path::Path;

/// One capture.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Entry {
    /// Its file.
    pub(crate) file: String,
    /// The signature that it has, by its number; 0 where nothing is wrong.
    pub(crate) signature: u8,
    /// Others whose verdict would be right too.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) also: Vec<u8>,
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

    /// Puts an entry in the place of the one for that file.
    pub(crate) fn put(&mut self, entry: Entry) {
        self.capture.retain(|old| old.file != entry.file);
        self.capture.push(entry);
    }

    /// Writes those that are in `order`, in that order.
    pub(crate) fn write(&mut self, directory: &Path, order: &[String]) {
        let place = |entry: &Entry| order.iter().position(|file| *file == entry.file);
        self.capture.retain(|entry| place(entry).is_some());
        self.capture.sort_by_key(|entry| place(entry));
        let head = "# What is in each capture; written by interop-captures, see README.md.\n\n";
        let text = toml::to_string(self).unwrap();
        std::fs::write(directory.join("captures.toml"), format!("{head}{text}")).unwrap();
    }
}
