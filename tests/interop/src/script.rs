//! A peer that follows a script, for what no daemon does.

use crate::lab::Netns;
use std::io::{Read, Result, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

/// A listener on port 179 that plays its script with each connection, one after another. Dropped, it ends.
#[derive(Debug)]
pub struct Script {
    end: Arc<AtomicBool>,
    current: Arc<Mutex<Option<TcpStream>>>,
    thread: Option<JoinHandle<()>>,
}

impl Script {
    /// Starts one at an address of a namespace; the script's connection is closed when it returns.
    pub fn start(
        space: &Netns,
        address: &str,
        play: impl Fn(&mut TcpStream) -> Result<()> + Send + 'static,
    ) -> Script {
        let address = SocketAddr::new(address.parse().unwrap(), 179);
        let listener = space.inside(|| TcpListener::bind(address).unwrap());
        listener.set_nonblocking(true).unwrap();
        let end = Arc::new(AtomicBool::new(false));
        let current = Arc::new(Mutex::new(None));
        let (ended, playing) = (end.clone(), current.clone());
        let thread = std::thread::spawn(move || {
            while !ended.load(Ordering::Relaxed) {
                let Ok((mut stream, _)) = listener.accept() else {
                    std::thread::sleep(Duration::from_millis(20));
                    continue;
                };
                let _ = stream.set_nonblocking(false);
                let _ = stream.set_read_timeout(Some(Duration::from_secs(40)));
                *playing.lock().unwrap() = stream.try_clone().ok();
                // That the other side hangs up is part of the play.
                let _ = play(&mut stream);
                *playing.lock().unwrap() = None;
            }
        });
        Script { end, current, thread: Some(thread) }
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        self.end.store(true, Ordering::Relaxed);
        if let Some(stream) = &*self.current.lock().unwrap() {
            let _ = stream.shutdown(Shutdown::Both);
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// A message with its header.
pub fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = (19 + body.len() as u16).to_be_bytes();
    [&[0xff; 16], &length[..], &[kind], body].concat()
}

/// An OPEN of AS 65002: this version, hold time and identifier, IPv4 unicast and 4-octet AS numbers.
pub fn open(version: u8, hold: u16, id: [u8; 4]) -> Vec<u8> {
    let capabilities = [2, 12, 1, 4, 0, 1, 0, 1, 65, 4, 0, 0, 0xfd, 0xea];
    let [high, low] = hold.to_be_bytes();
    let fixed = [version, 0xfd, 0xea, high, low, id[0], id[1], id[2], id[3], capabilities.len() as u8];
    message(1, &[&fixed[..], &capabilities].concat())
}

/// The OPEN that nobody objects to.
pub fn good_open() -> Vec<u8> {
    open(4, 30, [192, 0, 2, 2])
}

/// KEEPALIVE.
pub fn keepalive() -> Vec<u8> {
    message(4, &[])
}

/// NOTIFICATION.
pub fn notification(code: u8, subcode: u8, data: &[u8]) -> Vec<u8> {
    message(3, &[&[code, subcode], data].concat())
}

/// Reads one message; its type.
pub fn read(stream: &mut TcpStream) -> Result<u8> {
    let mut header = [0; 19];
    stream.read_exact(&mut header)?;
    let length = usize::from(u16::from_be_bytes([header[16], header[17]]));
    let mut body = vec![0; length.saturating_sub(19)];
    stream.read_exact(&mut body)?;
    Ok(header[18])
}

/// Brings a session up: waits for the other's OPEN, sends ours and KEEPALIVE, waits for KEEPALIVE.
pub fn establish(stream: &mut TcpStream) -> Result<()> {
    read(stream)?;
    stream.write_all(&[good_open(), keepalive()].concat())?;
    while read(stream)? != 4 {}
    Ok(())
}

/// Reads whatever comes until the other side hangs up.
pub fn linger(stream: &mut TcpStream) -> Result<()> {
    while read(stream).is_ok() {}
    Ok(())
}
