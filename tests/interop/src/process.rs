//! A daemon in a namespace: started, stopped, continued, killed; its output goes to a file.

use crate::lab::Netns;
use rustix::process::{Pid, Signal, kill_process_group};
use std::fs::File;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

/// A running (or ended) daemon. Dropped, it is killed, with the processes it began.
#[derive(Debug)]
pub struct Daemon {
    child: Child,
    log: PathBuf,
}

impl Daemon {
    /// Starts `argv` in `space`, with `dir` as working directory and `dir/NAME.out` for its output (appended to).
    pub fn start(space: &Netns, dir: &Path, name: &str, argv: &[&str], env: &[(&str, &str)]) -> Daemon {
        let log = dir.join(format!("{name}.out"));
        let out = File::options().create(true).append(true).open(&log).unwrap();
        // setpriv: when the test run is killed, the kernel kills the daemon too. A process group of its own, so that
        // signals reach the children of daemons that have some.
        let child = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "ip", "netns", "exec", space.name()])
            .args(argv)
            .envs(env.iter().copied())
            .current_dir(dir)
            .stdin(Stdio::null())
            .stdout(out.try_clone().unwrap())
            .stderr(out)
            .process_group(0)
            .spawn()
            .unwrap_or_else(|e| panic!("cannot start {argv:?}: {e}"));
        Daemon { child, log }
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it wrote so far.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    /// Whether it runs.
    pub fn running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// SIGSTOP to it and its children: it answers nobody any more, but its connections stay.
    pub fn stop(&self) {
        self.signal(Signal::STOP);
    }

    /// SIGCONT: on it goes.
    pub fn cont(&self) {
        self.signal(Signal::CONT);
    }

    /// SIGHUP to the daemon alone.
    pub fn hangup(&self) {
        let _ = rustix::process::kill_process(self.group(), Signal::HUP);
    }

    /// SIGTERM to the daemon alone.
    pub fn terminate(&self) {
        let _ = rustix::process::kill_process(self.group(), Signal::TERM);
    }

    /// SIGKILL to it and its children, and waits for it.
    pub fn kill(&mut self) {
        self.signal(Signal::KILL);
        let _ = self.child.wait();
    }

    /// Waits for its end.
    #[track_caller]
    pub fn wait(&mut self) -> ExitStatus {
        let mut status = None;
        crate::wait_until(crate::PATIENCE, "the daemon ends", || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        });
        status.unwrap()
    }

    fn group(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    fn signal(&self, signal: Signal) {
        let _ = kill_process_group(self.group(), signal);
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.kill();
    }
}
