//! A blocking client for the Unix socket, small enough to need no library.
//!
//! It speaks HTTP/1.0 on purpose: the answer then ends where the connection ends, so that there is neither chunked
//! coding nor keep-alive to understand, and a stream of events is a file of lines.

use serde::de::DeserializeOwned;
use std::fmt;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;
use trunkline_view::{Answer, Event, Query};

/// How long an answer may take; a reload of a large file is the slowest.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);

/// The longest line of a response's head.
const HEAD_LINE_LIMIT: u64 = 8 * 1024;

/// Why there is no answer.
#[derive(Debug)]
pub enum ClientError {
    /// Nobody listens there.
    Connect(PathBuf, io::Error),
    /// The connection broke, or the answer did not come in time.
    Io(io::Error),
    /// The answer is none that this client understands.
    Protocol(String),
}

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ClientError::Connect(path, error) => {
                write!(f, "cannot reach a node at {}: {error}", path.display())
            }
            ClientError::Io(error) if error.kind() == io::ErrorKind::WouldBlock => {
                write!(f, "the node did not answer within {} seconds", ANSWER_TIMEOUT.as_secs())
            }
            ClientError::Io(error) => write!(f, "the connection to the node broke: {error}"),
            ClientError::Protocol(what) => write!(f, "the node's answer makes no sense: {what}"),
        }
    }
}

impl std::error::Error for ClientError {}

impl From<io::Error> for ClientError {
    fn from(error: io::Error) -> ClientError {
        ClientError::Io(error)
    }
}

/// A response whose body has not been read yet.
#[derive(Debug)]
pub struct Response {
    /// The HTTP status.
    pub status: u16,
    length: Option<u64>,
    body: BufReader<UnixStream>,
}

impl Response {
    /// The whole body.
    pub fn text(mut self) -> Result<String, ClientError> {
        let mut text = String::new();
        let read = self.body.read_to_string(&mut text)?;
        match self.length {
            Some(length) if length != read as u64 => {
                Err(ClientError::Protocol(format!("{read} octets of {length} came")))
            }
            _ => Ok(text),
        }
    }

    /// The whole body, from JSON.
    pub fn json<T: DeserializeOwned>(self) -> Result<T, ClientError> {
        let status = self.status;
        serde_json::from_str(&self.text()?)
            .map_err(|e| ClientError::Protocol(format!("status {status}, {e}")))
    }
}

/// A node's Unix socket. Each request is a connection of its own.
#[derive(Debug, Clone)]
pub struct Client {
    socket: PathBuf,
}

impl Client {
    /// Does not connect yet.
    pub fn new(socket: impl Into<PathBuf>) -> Client {
        Client { socket: socket.into() }
    }

    /// The socket's path.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// Asks the node.
    pub fn query(&self, query: &Query) -> Result<Answer, ClientError> {
        let body = serde_json::to_string(query).map_err(|e| ClientError::Protocol(e.to_string()))?;
        self.request("POST", "/v1/query", Some(&body))?.json()
    }

    /// Follows the node's events; ends when the node ends.
    pub fn events(&self) -> Result<impl Iterator<Item = Result<Event, ClientError>>, ClientError> {
        let response = self.request("GET", "/v1/events", None)?;
        if response.status != 200 {
            return Err(ClientError::Protocol(format!("status {}", response.status)));
        }
        // There may be no event for days.
        response.body.get_ref().set_read_timeout(None)?;
        Ok(response.body.lines().map(|line| {
            serde_json::from_str(&line?).map_err(|e| ClientError::Protocol(format!("an event is odd: {e}")))
        }))
    }

    /// Any request; `body` is JSON.
    pub fn request(&self, method: &str, target: &str, body: Option<&str>) -> Result<Response, ClientError> {
        let mut stream =
            UnixStream::connect(&self.socket).map_err(|e| ClientError::Connect(self.socket.clone(), e))?;
        stream.set_read_timeout(Some(ANSWER_TIMEOUT))?;
        stream.set_write_timeout(Some(ANSWER_TIMEOUT))?;
        let mut head = format!("{method} {target} HTTP/1.0\r\nHost: localhost\r\n");
        if let Some(body) = body {
            head.push_str(&format!("Content-Type: application/json\r\nContent-Length: {}\r\n", body.len()));
        }
        head.push_str("\r\n");
        head.push_str(body.unwrap_or_default());
        stream.write_all(head.as_bytes())?;
        read_head(BufReader::new(stream))
    }
}

/// Reads the status line and the header fields (RFC 9112 §4, §5).
fn read_head(mut body: BufReader<UnixStream>) -> Result<Response, ClientError> {
    let mut line = String::new();
    read_line(&mut body, &mut line)?;
    let status =
        line.strip_prefix("HTTP/1.").and_then(|rest| rest.get(2..5)).and_then(|code| code.parse().ok());
    let status = status.ok_or_else(|| ClientError::Protocol(format!("status line {:?}", line.trim_end())))?;
    let mut length = None;
    loop {
        read_line(&mut body, &mut line)?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        if name.eq_ignore_ascii_case("content-length") {
            length = value.trim().parse().ok();
        }
    }
    Ok(Response { status, length, body })
}

fn read_line(body: &mut BufReader<UnixStream>, line: &mut String) -> Result<(), ClientError> {
    line.clear();
    if body.by_ref().take(HEAD_LINE_LIMIT).read_line(line)? == 0 {
        return Err(ClientError::Protocol("it is empty".to_owned()));
    }
    Ok(())
}
