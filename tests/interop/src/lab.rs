//! Namespaces and links of one test, and a directory for its files.

use std::cell::RefCell;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

/// What all our namespaces begin with; then the process id of the run that made them, so that two runs never meet.
const PREFIX: &str = "tl-";

/// What the directories of our labs begin with, in the directory for temporary files; then the process id too.
const DIRECTORY: &str = "trunkline-interop-";

static NUMBER: AtomicU32 = AtomicU32::new(0);

/// The place of one test.
#[derive(Debug)]
pub struct Lab {
    dir: PathBuf,
    number: u32,
    spaces: RefCell<Vec<String>>,
}

/// A network namespace.
#[derive(Debug, Clone)]
pub struct Netns {
    name: String,
}

impl Lab {
    /// An empty one, with an empty directory.
    pub fn new() -> std::io::Result<Lab> {
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let dir = std::env::temp_dir().join(format!("{DIRECTORY}{}-{number}", std::process::id()));
        std::fs::create_dir_all(&dir)?;
        Ok(Lab { dir, number, spaces: RefCell::default() })
    }

    /// Its directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// A new namespace with its loopback up and IPv6 duplicate address detection off.
    pub fn space(&self, role: &str) -> Netns {
        let name = format!("{PREFIX}{}-{}-{role}", std::process::id(), self.number);
        sh("ip", &["netns", "add", &name]);
        self.spaces.borrow_mut().push(name.clone());
        let space = Netns { name };
        space.ip("link set lo up");
        space.sysctl("net.ipv6.conf.default.accept_dad", "0");
        space.sysctl("net.ipv6.conf.all.accept_dad", "0");
        space
    }

    /// A veth pair from `interface` of one namespace to `interface` of another, both up, with these addresses.
    pub fn link(&self, a: (&Netns, &str, &[&str]), b: (&Netns, &str, &[&str])) {
        sh(
            "ip",
            &[
                "-n", &a.0.name, "link", "add", "name", a.1, "type", "veth", "peer", "name", b.1, "netns",
                &b.0.name,
            ],
        );
        for (space, interface, addresses) in [a, b] {
            for address in addresses {
                space.address(interface, address);
            }
            space.ip(&format!("link set {interface} up"));
        }
        a.0.wait_link(a.1);
        b.0.wait_link(b.1);
    }

    /// Kills what still runs in the namespaces, and removes them.
    pub fn clear(&self) {
        for name in self.spaces.borrow_mut().drain(..) {
            remove_space(&name);
        }
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        self.clear();
        if std::env::var_os("TRUNKLINE_KEEP").is_none() {
            let _ = std::fs::remove_dir_all(&self.dir);
        }
    }
}

impl Netns {
    /// Its name, as `ip netns` knows it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// `ip -n THIS …`, arguments apart by spaces; a failure fails the test.
    #[track_caller]
    pub fn ip(&self, arguments: &str) -> String {
        let mut all = vec!["-n", &self.name];
        all.extend(arguments.split_whitespace());
        sh("ip", &all)
    }

    /// Runs a program in here and waits for it.
    pub fn output(&self, argv: &[&str]) -> Output {
        Command::new("ip")
            .args(["netns", "exec", &self.name])
            .args(argv)
            .stdin(Stdio::null())
            .output()
            .unwrap_or_else(|e| panic!("cannot run {argv:?}: {e}"))
    }

    /// Runs a program in here; its standard output. A failure fails the test.
    #[track_caller]
    pub fn sh(&self, argv: &[&str]) -> String {
        checked(argv, self.output(argv))
    }

    /// Runs `work` on a thread that sees this namespace's network.
    #[track_caller]
    pub fn inside<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        let space = std::fs::File::open(format!("/run/netns/{}", self.name)).unwrap();
        let enter = || {
            let kind = Some(rustix::thread::LinkNameSpaceType::Network);
            rustix::thread::move_into_link_name_space(space.as_fd(), kind).unwrap();
            work()
        };
        std::thread::scope(|scope| match scope.spawn(enter).join() {
            Ok(result) => result,
            Err(panic) => std::panic::resume_unwind(panic),
        })
    }

    /// Adds an address.
    pub fn address(&self, interface: &str, address: &str) {
        let nodad = if address.contains(':') { " nodad" } else { "" };
        self.ip(&format!("addr add {address} dev {interface}{nodad}"));
    }

    /// Sets a kernel parameter, `a.b.c`.
    pub fn sysctl(&self, name: &str, value: &str) {
        let script = format!("echo {value} > /proc/sys/{}", name.replace('.', "/"));
        self.sh(&["sh", "-c", &script]);
    }

    /// Lets this namespace forward packets.
    pub fn forward(&self) {
        self.sysctl("net.ipv4.ip_forward", "1");
        self.sysctl("net.ipv6.conf.all.forwarding", "1");
    }

    /// An interface that is up by itself and leads nowhere, as a dummy interface is (which not every kernel has).
    pub fn stub(&self, interface: &str, addresses: &[&str]) {
        self.ip(&format!("link add name {interface} type veth peer name {interface}-end"));
        for address in addresses {
            self.address(interface, address);
        }
        self.ip(&format!("link set {interface}-end up"));
        self.ip(&format!("link set {interface} up"));
        self.wait_link(interface);
    }

    /// Routes of the kernel as `ip -j route show …` gives them; with `-6` in front for IPv6.
    pub fn routes(&self, selector: &str) -> Vec<serde_json::Value> {
        let six = if selector.starts_with("-6 ") { "-6" } else { "-4" };
        let text = self.ip(&format!("{six} -j route show {}", selector.trim_start_matches("-6 ")));
        serde_json::from_str(if text.trim().is_empty() { "[]" } else { &text }).unwrap()
    }

    /// A counter of `/proc/net/netstat`, such as `TCPMD5Failure`; 0 where the kernel has none.
    pub fn counter(&self, name: &str) -> u64 {
        let text = self.sh(&["cat", "/proc/net/netstat"]);
        let lines: Vec<&str> = text.lines().collect();
        lines
            .chunks(2)
            .filter(|pair| pair.len() == 2)
            .flat_map(|pair| pair[0].split_whitespace().zip(pair[1].split_whitespace()))
            .find(|(key, _)| *key == name)
            .map_or(0, |(_, value)| value.parse().unwrap())
    }

    fn wait_link(&self, interface: &str) {
        crate::wait_until(crate::PATIENCE, "link up", || {
            self.ip(&format!("-o link show {interface}")).contains("LOWER_UP")
        });
    }
}

/// Runs a program; its standard output. A failure fails the test.
#[track_caller]
pub(crate) fn sh(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|e| panic!("cannot run {program}: {e}"));
    checked(&[&[program], arguments].concat(), output)
}

#[track_caller]
fn checked(argv: &[&str], output: Output) -> String {
    assert!(
        output.status.success(),
        "{} failed ({}):\n{}{}",
        argv.join(" "),
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Removes what runs before this one left behind because they were killed: their process is gone, so it is safe.
pub(crate) fn remove_leftovers() {
    let Ok(output) = Command::new("ip").args(["netns", "list"]).output() else { return };
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        let name = line.split_whitespace().next().unwrap_or("");
        let owner = name.strip_prefix(PREFIX).and_then(|rest| rest.split('-').next()?.parse::<u32>().ok());
        if owner.is_some_and(|pid| !is_interop_run(pid)) {
            remove_space(name);
        }
    }
    for entry in std::fs::read_dir(std::env::temp_dir()).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let owner = name.strip_prefix(DIRECTORY).and_then(|rest| rest.split('-').next()?.parse::<u32>().ok());
        if owner.is_some_and(|pid| !is_interop_run(pid)) {
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}

/// Whether `pid` is a run of these tests (and not another program that got the number later).
fn is_interop_run(pid: u32) -> bool {
    std::fs::read(format!("/proc/{pid}/cmdline"))
        .is_ok_and(|line| String::from_utf8_lossy(&line).contains("interop"))
}

/// Kills the processes in a namespace of ours, and removes it.
fn remove_space(name: &str) {
    if let Ok(output) = Command::new("ip").args(["netns", "pids", name]).output() {
        for pid in String::from_utf8_lossy(&output.stdout).lines().filter_map(|line| line.trim().parse().ok())
        {
            if let Some(pid) = rustix::process::Pid::from_raw(pid) {
                let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
            }
        }
    }
    let _ = Command::new("ip").args(["netns", "del", name]).stderr(Stdio::null()).status();
}
