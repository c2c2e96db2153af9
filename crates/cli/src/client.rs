//! Which node is meant.

use crate::Failure;
use crate::args::NodeChoice;
use std::io::ErrorKind;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use trunkline_api::client::{Client, ClientError};

/// Where root's nodes are.
const SYSTEM_DIR: &str = "/run/trunkline";

/// Where `api.socket` is by default: `/run/trunkline` for root, `$XDG_RUNTIME_DIR/trunkline` for others, else
/// `/tmp/trunkline-<uid>`.
pub(crate) fn default_socket_dir() -> PathBuf {
    let uid = rustix::process::geteuid();
    if uid.is_root() {
        return PathBuf::from(SYSTEM_DIR);
    }
    match std::env::var_os("XDG_RUNTIME_DIR").filter(|dir| !dir.is_empty()) {
        Some(dir) => PathBuf::from(dir).join("trunkline"),
        None => PathBuf::from(format!("/tmp/trunkline-{}", uid.as_raw())),
    }
}

/// The node that is meant; of several the first, and a note about the others on stderr.
pub(crate) fn find(choice: &NodeChoice) -> Result<Client, Failure> {
    let mut dirs = vec![default_socket_dir(), PathBuf::from(SYSTEM_DIR)];
    dirs.dedup();
    let found = find_in(choice, &dirs)?;
    if let Some(note) = found.note {
        eprintln!("{note}");
    }
    Ok(Client::new(found.socket))
}

#[derive(Debug)]
struct Found {
    socket: PathBuf,
    note: Option<String>,
}

fn find_in(choice: &NodeChoice, dirs: &[PathBuf]) -> Result<Found, Failure> {
    if let Some(socket) = &choice.socket {
        return Ok(Found { socket: socket.clone(), note: None });
    }
    let nodes = running(dirs);
    let names = || nodes.iter().map(|n| n.name.as_str()).collect::<Vec<_>>().join(", ");
    if let Some(wanted) = &choice.node {
        return match nodes.iter().find(|n| n.name == *wanted) {
            Some(node) => Ok(Found { socket: node.socket.clone(), note: None }),
            None if nodes.is_empty() => Err(none_runs(dirs)),
            None => Err(Failure::Message(format!("no node named {wanted} runs here; these do: {}", names()))),
        };
    }
    match nodes.as_slice() {
        [] => Err(none_runs(dirs)),
        [one] => Ok(Found { socket: one.socket.clone(), note: None }),
        [first, others @ ..] => {
            let others = others.iter().map(|n| n.name.as_str()).collect::<Vec<_>>().join(", ");
            let note = format!("note: this is {}; also running: {others} (choose with --node)", first.name);
            Ok(Found { socket: first.socket.clone(), note: Some(note) })
        }
    }
}

fn none_runs(dirs: &[PathBuf]) -> Failure {
    let dirs = dirs.iter().map(|d| d.display().to_string()).collect::<Vec<_>>().join(" or ");
    Failure::Message(format!(
        "no node runs: there is no socket in {dirs}\n\
         start one with `trunkline run` (two nodes to try out) or `trunkline run FILE`,\n\
         or name the socket of one with --socket PATH"
    ))
}

#[derive(Debug)]
struct Running {
    name: String,
    socket: PathBuf,
}

/// The sockets that somebody serves, by directory and name. One that this user may not use counts: the error that
/// comes of using it says what is wrong.
fn running(dirs: &[PathBuf]) -> Vec<Running> {
    dirs.iter().flat_map(|dir| running_in(dir)).collect()
}

fn running_in(dir: &Path) -> Vec<Running> {
    let Ok(entries) = std::fs::read_dir(dir) else { return Vec::new() };
    let served = |socket: &Path| match UnixStream::connect(socket) {
        Ok(_) => true,
        Err(error) => error.kind() == ErrorKind::PermissionDenied,
    };
    let mut nodes: Vec<Running> = entries
        .filter_map(|entry| {
            let socket = entry.ok()?.path();
            let name = socket.file_name()?.to_str()?.strip_suffix(".sock")?.to_owned();
            served(&socket).then_some(Running { name, socket })
        })
        .collect();
    nodes.sort_by(|a, b| a.name.cmp(&b.name));
    nodes
}

/// The error in words, with what to do about it.
pub(crate) fn explain(error: &ClientError) -> Failure {
    let hint = match error {
        ClientError::Connect(_, e) => match e.kind() {
            ErrorKind::NotFound | ErrorKind::ConnectionRefused => {
                " (does the node run? see `trunkline run --help`)"
            }
            ErrorKind::PermissionDenied => " (run as root, or as a member of the socket's group)",
            _ => "",
        },
        _ => "",
    };
    Failure::Message(format!("{error}{hint}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixListener;

    struct Dir(PathBuf);

    impl Dir {
        fn new(name: &str) -> Dir {
            let dir = std::env::temp_dir().join(format!("trunkline-cli-test-{}-{name}", std::process::id()));
            std::fs::create_dir_all(&dir).unwrap();
            Dir(dir)
        }

        fn serve(&self, name: &str) -> UnixListener {
            UnixListener::bind(self.0.join(name)).unwrap()
        }

        fn find(&self, node: Option<&str>) -> Result<(String, Option<String>), String> {
            let choice = NodeChoice { socket: None, node: node.map(str::to_owned) };
            match find_in(&choice, std::slice::from_ref(&self.0)) {
                Ok(f) => Ok((f.socket.file_name().unwrap().to_str().unwrap().to_owned(), f.note)),
                Err(Failure::Message(m)) => Err(m),
                Err(other) => panic!("{other:?}"),
            }
        }
    }

    impl Drop for Dir {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn the_only_node_is_meant_and_dead_sockets_are_not() {
        let dir = Dir::new("one");
        assert!(dir.find(None).unwrap_err().contains("trunkline run"));
        drop(dir.serve("a.sock"));
        assert!(dir.find(None).unwrap_err().starts_with("no node runs"));
        let _b = dir.serve("b.sock");
        assert_eq!(dir.find(None).unwrap(), ("b.sock".into(), None));
    }

    #[test]
    fn of_several_the_first_is_meant_and_the_others_are_named() {
        let dir = Dir::new("several");
        let _nodes = ["r2.sock", "r1.sock", "r3.sock"].map(|n| dir.serve(n));
        let (socket, note) = dir.find(None).unwrap();
        assert_eq!(socket, "r1.sock");
        assert_eq!(note.unwrap(), "note: this is r1; also running: r2, r3 (choose with --node)");
        assert_eq!(dir.find(Some("r2")).unwrap(), ("r2.sock".into(), None));
        assert_eq!(dir.find(Some("r4")).unwrap_err(), "no node named r4 runs here; these do: r1, r2, r3");
    }
}
