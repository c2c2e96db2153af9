//! The sockets of one node: made before the node starts, so that a second daemon of the same name stops before it
//! touches anything.

use std::fmt;
use std::fs::{self, DirBuilder, Permissions};
use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

/// Where a node wants to be reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// The node's name.
    pub name: String,
    /// Its Unix socket.
    pub socket: PathBuf,
    /// Its TCP addresses.
    pub listen: Vec<SocketAddr>,
}

/// Why a node cannot be reached where it wants to be. The text says what to do.
#[derive(Debug)]
pub enum BindError {
    /// Somebody serves this socket.
    AlreadyRuns {
        /// The node's name.
        name: String,
        /// The Unix socket.
        socket: PathBuf,
        /// The process, where the kernel says it.
        pid: Option<i32>,
    },
    /// Something that is no socket stands there.
    NotASocket(PathBuf),
    /// The directory belongs to somebody else, who could then take the socket's place.
    ForeignDirectory(PathBuf),
    /// Something about the Unix socket failed.
    Socket(PathBuf, io::Error),
    /// The TCP address cannot be listened on.
    Tcp(SocketAddr, io::Error),
}

impl fmt::Display for BindError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BindError::AlreadyRuns { name, socket, pid } => {
                write!(f, "a node named {name} already runs")?;
                if let Some(pid) = pid {
                    write!(f, " (pid {pid})")?;
                }
                let socket = socket.display();
                write!(f, " and serves {socket}: stop it, or give this one another node.name or api.socket")
            }
            BindError::NotASocket(path) => {
                write!(
                    f,
                    "{} is there and is no socket: remove it, or set another api.socket",
                    path.display()
                )
            }
            BindError::ForeignDirectory(path) => write!(
                f,
                "{} belongs to another user or is no directory: remove it, or set another api.socket",
                path.display()
            ),
            BindError::Socket(path, error) => {
                write!(f, "cannot serve the socket {}: {error}", path.display())?;
                if error.kind() == ErrorKind::PermissionDenied {
                    f.write_str(" (run as root, or set another api.socket)")?;
                }
                Ok(())
            }
            BindError::Tcp(address, error) => {
                write!(f, "cannot listen on {address} for HTTP: {error}")?;
                match error.kind() {
                    ErrorKind::AddrInUse => f.write_str(" (set another address in api.listen)"),
                    ErrorKind::AddrNotAvailable => f.write_str(" (no interface has this address)"),
                    _ => Ok(()),
                }
            }
        }
    }
}

impl std::error::Error for BindError {}

/// The sockets of one node, bound. The Unix socket's file is removed when this is dropped.
#[derive(Debug)]
pub struct Listeners {
    pub(crate) unix: UnixListener,
    pub(crate) tcp: Vec<TcpListener>,
    pub(crate) file: SocketFile,
}

impl Listeners {
    /// Binds all sockets of `endpoint`, or none.
    pub fn bind(endpoint: &Endpoint) -> Result<Listeners, BindError> {
        let path = &endpoint.socket;
        make_parent(path)?;
        clear_stale(path, &endpoint.name)?;
        let failed = |error| BindError::Socket(path.clone(), error);
        let unix = UnixListener::bind(path).map_err(failed)?;
        let file = SocketFile::new(path).map_err(failed)?;
        fs::set_permissions(path, Permissions::from_mode(0o660)).map_err(failed)?;
        unix.set_nonblocking(true).map_err(failed)?;
        let mut tcp = Vec::with_capacity(endpoint.listen.len());
        for &address in &endpoint.listen {
            let failed = |error| BindError::Tcp(address, error);
            let listener = TcpListener::bind(address).map_err(failed)?;
            listener.set_nonblocking(true).map_err(failed)?;
            tcp.push(listener);
        }
        Ok(Listeners { unix, tcp, file })
    }

    /// The TCP addresses listened on, with the port that the system chose where 0 was asked for.
    pub fn tcp_addresses(&self) -> Vec<SocketAddr> {
        self.tcp.iter().filter_map(|l| l.local_addr().ok()).collect()
    }
}

/// The file of a Unix socket of ours; removed when dropped, unless another file has taken its place.
#[derive(Debug)]
pub(crate) struct SocketFile {
    path: PathBuf,
    id: (u64, u64),
}

impl SocketFile {
    fn new(path: &Path) -> io::Result<SocketFile> {
        let meta = fs::symlink_metadata(path)?;
        Ok(SocketFile { path: path.to_owned(), id: (meta.dev(), meta.ino()) })
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let ours = fs::symlink_metadata(&self.path).is_ok_and(|m| (m.dev(), m.ino()) == self.id);
        if ours && let Err(error) = fs::remove_file(&self.path) {
            tracing::debug!(path = %self.path.display(), %error, "cannot remove the socket");
        }
    }
}

/// Makes the directory of the socket: open to all under /run, where only root can make one; for us alone elsewhere.
fn make_parent(socket: &Path) -> Result<(), BindError> {
    let Some(parent) = socket.parent().filter(|p| !p.as_os_str().is_empty()) else { return Ok(()) };
    let failed = |error| BindError::Socket(socket.to_owned(), error);
    let shared = parent.starts_with("/run") && rustix::process::geteuid().is_root();
    let mode = if shared { 0o755 } else { 0o700 };
    match DirBuilder::new().recursive(true).mode(mode).create(parent) {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            return Err(BindError::ForeignDirectory(parent.to_owned()));
        }
        Err(error) => return Err(failed(error)),
    }
    // Directly below a directory that everybody may write to, another user may have made ours beforehand.
    let grandparent_is_open =
        parent.parent().and_then(|p| fs::metadata(p).ok()).is_some_and(|m| m.mode() & 0o1002 == 0o1002);
    let meta = fs::symlink_metadata(parent).map_err(failed)?;
    if grandparent_is_open && (!meta.is_dir() || meta.uid() != rustix::process::geteuid().as_raw()) {
        return Err(BindError::ForeignDirectory(parent.to_owned()));
    }
    Ok(())
}

/// Removes a socket that nobody serves any more; says so where somebody does.
fn clear_stale(path: &Path, name: &str) -> Result<(), BindError> {
    let failed = |error| BindError::Socket(path.to_owned(), error);
    match fs::symlink_metadata(path) {
        Ok(meta) if !meta.file_type().is_socket() => return Err(BindError::NotASocket(path.to_owned())),
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed(error)),
    }
    match UnixStream::connect(path) {
        Ok(stream) => {
            let pid =
                rustix::net::sockopt::socket_peercred(&stream).ok().map(|c| c.pid.as_raw_nonzero().get());
            Err(BindError::AlreadyRuns { name: name.to_owned(), socket: path.to_owned(), pid })
        }
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => fs::remove_file(path).map_err(failed),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(failed(error)),
    }
}
