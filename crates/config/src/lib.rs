//! Text → file model with spans → validated [`NodeConfig`].
//!
//! A file is TOML. It is walked by hand, section by section (`section`, `value`), so that *every* problem is reported at
//! once, each with its line, what is allowed there and what to write instead. Nothing is applied of a file that has
//! an error. All keys are described in `docs/configuration.md`; a test holds that document and this crate together.
//!
//! | part of the file | module |
//! |---|---|
//! | `[node]`, `[api]`, `[fib]`, `[[static]]`, between sections | `node` |
//! | `kind`, `gateway`, `[[service]]` | `device` |
//! | `[bridge.NAME]` | `bridge` |
//! | spanning tree in it, `[bridge.NAME.port.PORT]` | `spanning_tree` |
//! | `[interface.NAME]` | `interface` |
//! | `[bgp]` | `bgp` |
//! | `[[bgp.neighbor]]`, `[[bgp.listen-range]]`, `[bgp.group.NAME]` | `neighbor` |
//! | `[[policy.NAME]]` | `policy` |
//! | `[rip]` | `rip` |
//! | `[rip.interface.NAME]` | `rip_interface` |
//! | `[[key-chain.NAME]]`, `authentication` | `key_chain` |
//! | `redistribute` of BGP and RIP | `redistribute` |
//! | dates | `date` |
//! | syntax errors | `syntax` |

mod bgp;
mod bridge;
mod date;
mod device;
mod diagnostic;
mod interface;
mod key_chain;
mod neighbor;
mod node;
mod policy;
mod quick_start;
mod redistribute;
mod rip;
mod rip_interface;
mod section;
mod spanning_tree;
mod syntax;
mod value;

pub use diagnostic::{Diagnostic, Diagnostics, Severity, Span};
pub use node::lab_node;
pub use quick_start::quick_start;
pub use section::{Reader, Section, alternatives, nearest};
pub use value::{Misread, Text, Value, misread};

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use toml::de::DeTable;
use trunkline_node::config::NodeConfig;

/// Where the keys of a node's file are described.
const PAGE: &str = "docs/configuration.md";

/// What defaults depend on, handed in so that reading a file is a pure function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Environment {
    /// The default of `node.name`.
    pub host_name: String,
    /// Where the default of `api.socket`, `<name>.sock`, lies.
    pub default_socket_dir: PathBuf,
}

impl Environment {
    /// What a process finds. `uid` is its effective user, 0 for root; `runtime_dir` is `$XDG_RUNTIME_DIR`.
    pub fn new(host_name: String, uid: u32, runtime_dir: Option<&Path>) -> Environment {
        let default_socket_dir = match runtime_dir {
            _ if uid == 0 => PathBuf::from("/run/trunkline"),
            Some(dir) => dir.join("trunkline"),
            None => PathBuf::from(format!("/tmp/trunkline-{uid}")),
        };
        Environment { host_name, default_socket_dir }
    }
}

/// A file that can be used.
#[derive(Debug, Clone, PartialEq)]
pub struct Parsed {
    /// What it says.
    pub config: NodeConfig,
    /// What its author may not expect.
    pub warnings: Diagnostics,
}

/// Reads a file's text. `name` is what diagnostics call it.
///
/// # Errors
///
/// Everything that is wrong with the text, warnings included, in the order of lines.
pub fn parse(name: &str, text: &str, env: &Environment) -> Result<Parsed, Diagnostics> {
    let (config, warnings) = parse_with(name, text, PAGE, |root| node::node(root, env))?;
    Ok(Parsed { config, warnings })
}

/// Reads the text of any file that is made of sections: `read` gets its root. `page` describes the keys. What comes back
/// beside what `read` made of it are warnings.
///
/// # Errors
///
/// Everything that is wrong with the text, warnings included, in the order of lines.
pub fn parse_with<T>(
    name: &str,
    text: &str,
    page: &'static str,
    read: impl FnOnce(Section<'_>) -> Option<T>,
) -> Result<(T, Diagnostics), Diagnostics> {
    let reader = Reader::new(page);
    let made = walk(text, &reader, read);
    let (problems, secrets) = reader.finish();
    let diagnostics = Diagnostics::new(name, text, problems, &secrets);
    match made {
        Some(made) if diagnostics.error_count() == 0 => Ok((made, diagnostics)),
        _ => Err(diagnostics),
    }
}

/// Every key that `read` asks `text` for, by the title of its section.
pub fn keys_with<T>(
    text: &str,
    read: impl FnOnce(Section<'_>) -> Option<T>,
) -> BTreeMap<&'static str, BTreeSet<&'static str>> {
    let reader = Reader::new("");
    walk(text, &reader, read);
    reader.keys()
}

/// Every key that a file may have, by the title of its section as `docs/configuration.md` writes it.
pub fn keys() -> BTreeMap<&'static str, BTreeSet<&'static str>> {
    // The sections that are only looked into where they exist.
    const SKELETON: &str = "
        policy.p = [{ prepend = {} }]
        key-chain.k = [{}]
        static = [{}]
        interface.i = {}
        bridge.b = { port.p = {} }
        service = [{}]
        [bgp]
        redistribute = [{}]
        listen-range = [{}]
        group.g = {}
        neighbor = [{ maximum-prefixes = {}, tcp-ao = { keys = [{}] } }]
        [rip]
        timers = {}
        redistribute = [{}]
        default-route = {}
        interface.i = { authentication = {}, offset-in = [{}], offset-out = [{}] }
    ";
    let env = Environment { host_name: String::new(), default_socket_dir: PathBuf::new() };
    keys_with(SKELETON, |root| node::node(root, &env))
}

fn walk<T>(text: &str, reader: &Reader, read: impl FnOnce(Section<'_>) -> Option<T>) -> Option<T> {
    let (table, errors) = DeTable::parse_recoverable(text);
    let syntax = syntax::Syntax::new(text, &errors);
    if !errors.is_empty() {
        reader.mark_damaged();
    }
    let made = read(Section::new(reader, "", 0..0, Some(table.get_ref())));
    syntax.report(reader);
    made
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets_lie_where_the_user_may_write() {
        let dir = |uid, runtime_dir: Option<&str>| {
            let env = Environment::new("r1".to_owned(), uid, runtime_dir.map(Path::new));
            env.default_socket_dir.display().to_string()
        };
        assert_eq!(dir(0, Some("/run/user/0")), "/run/trunkline");
        assert_eq!(dir(1000, Some("/run/user/1000")), "/run/user/1000/trunkline");
        assert_eq!(dir(1000, None), "/tmp/trunkline-1000");
    }
}
