//! Packets off the wire: tcpdump writes them, tshark dissects them.

use crate::lab::Netns;
use crate::process::Daemon;
use std::path::{Path, PathBuf};

/// A running capture.
#[derive(Debug)]
pub struct Capture {
    process: Daemon,
    file: PathBuf,
}

impl Capture {
    /// Captures TCP port 179 on an interface from now on.
    pub fn start(space: &Netns, interface: &str, dir: &Path) -> Capture {
        Capture::of(space, interface, dir, "tcp port 179")
    }

    /// Captures what tcpdump's `filter` lets through on an interface from now on.
    pub fn of(space: &Netns, interface: &str, dir: &Path, filter: &str) -> Capture {
        let file = dir.join(format!("{interface}.pcap"));
        let path = file.to_str().unwrap();
        let argv = ["tcpdump", "-i", interface, "-U", "--immediate-mode", "-Z", "root", "-w", path, filter];
        let process = Daemon::start(space, dir, "tcpdump", &argv, &[]);
        crate::wait_until(crate::PATIENCE, "tcpdump listens", || process.log().contains("listening on"));
        Capture { process, file }
    }

    /// What tshark says of the capture so far: one line for each frame that `filter` lets through, the fields apart
    /// by tabs, several of one kind by commas.
    pub fn fields(&self, filter: &str, fields: &[&str]) -> Vec<String> {
        tshark(&self.file, filter, fields)
    }

    /// Ends it; the file stays until the lab goes.
    pub fn finish(mut self) -> PathBuf {
        self.process.terminate();
        self.process.wait();
        self.file.clone()
    }
}

/// Dissects a capture file: one line for each frame that `filter` lets through.
pub fn tshark(file: &Path, filter: &str, fields: &[&str]) -> Vec<String> {
    tshark_with(file, &[], filter, fields)
}

/// The same with settings, such as `ip.check_checksum:TRUE`.
pub fn tshark_with(file: &Path, settings: &[&str], filter: &str, fields: &[&str]) -> Vec<String> {
    let mut argv = vec!["-r", file.to_str().unwrap(), "-Y", filter, "-T", "fields", "-E", "occurrence=a"];
    for setting in settings {
        argv.extend(["-o", setting]);
    }
    for field in fields {
        argv.extend(["-e", field]);
    }
    // A capture that is still being written may end in the middle of a packet: its status says so, its output is
    // good all the same.
    let output = std::process::Command::new("tshark").args(&argv).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() || error.contains("cut short"), "tshark {argv:?} failed: {error}");
    text.lines().map(str::to_owned).collect()
}
