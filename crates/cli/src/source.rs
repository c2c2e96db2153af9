//! Where configurations come from.

use crate::client::default_socket_dir;
use std::path::{Path, PathBuf};
use trunkline_config::{Diagnostics, Environment, Parsed};

/// One configuration that can be read, and read again.
#[derive(Debug, Clone)]
pub(crate) enum Source {
    /// A file.
    File(PathBuf),
    /// Part of the quick start.
    BuiltIn(&'static str, &'static str),
}

/// Why a configuration cannot be used.
#[derive(Debug)]
pub(crate) enum SourceError {
    /// The file cannot be read; why.
    Unreadable(String),
    /// It can, but it is not valid.
    Invalid(Diagnostics),
}

impl SourceError {
    /// For people; ends with a newline.
    pub(crate) fn render(&self, color: bool) -> String {
        match self {
            SourceError::Unreadable(why) => format!("{why}\n"),
            SourceError::Invalid(diagnostics) => diagnostics.render(color),
        }
    }
}

impl Source {
    /// The files named, or the quick start where none is.
    pub(crate) fn all(files: &[PathBuf]) -> Vec<Source> {
        if files.is_empty() {
            return trunkline_config::quick_start().map(|(name, text)| Source::BuiltIn(name, text)).into();
        }
        // An absolute path, so that what `show node` says is of use elsewhere.
        files.iter().map(|f| Source::File(std::path::absolute(f).unwrap_or_else(|_| f.clone()))).collect()
    }

    /// Reads and validates it.
    pub(crate) fn read(&self) -> Result<Parsed, SourceError> {
        let parsed = match self {
            Source::File(path) => {
                let text = std::fs::read_to_string(path)
                    .map_err(|e| SourceError::Unreadable(format!("cannot read {}: {e}", path.display())))?;
                trunkline_config::parse(&shown(path), &text, &environment())
            }
            Source::BuiltIn(name, text) => trunkline_config::parse(name, text, &environment()),
        };
        parsed.map_err(SourceError::Invalid)
    }

    /// The path, where it is a file.
    pub(crate) fn path(&self) -> Option<&Path> {
        match self {
            Source::File(path) => Some(path),
            Source::BuiltIn(..) => None,
        }
    }
}

/// A path as people would write it: relative where the file is below the working directory.
fn shown(path: &Path) -> String {
    let here = std::env::current_dir().ok();
    let relative = here.and_then(|here| path.strip_prefix(here).ok().map(Path::to_owned));
    relative.as_deref().unwrap_or(path).display().to_string()
}

fn environment() -> Environment {
    let host_name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    Environment { host_name, default_socket_dir: default_socket_dir() }
}
