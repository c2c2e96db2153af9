//! Trunkline itself: its configuration file, its daemon, its command line.

use crate::lab::{Lab, Netns};
use crate::process::Daemon;
use serde_json::Value;
use std::fmt::Write;
use std::io::Write as _;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// The binary under test: `$TRUNKLINE_BIN`, else the release build beside this test.
pub(crate) fn binary() -> Result<PathBuf, String> {
    if let Some(path) = std::env::var_os("TRUNKLINE_BIN") {
        let path = std::path::absolute(PathBuf::from(path)).map_err(|e| e.to_string())?;
        return if path.exists() { Ok(path) } else { Err(format!("no TRUNKLINE_BIN {}", path.display())) };
    }
    let me = std::env::current_exe().map_err(|e| e.to_string())?;
    let release = me.ancestors().nth(3).map(|target| target.join("release/trunkline"));
    match release {
        Some(path) if path.exists() => Ok(path),
        _ => Err("no binary to test: cargo build --release, or set TRUNKLINE_BIN".into()),
    }
}

/// Runs the program with these arguments and this standard input, without a node and outside of all namespaces.
#[track_caller]
pub fn trunkline(arguments: &[&str], input: &str) -> Output {
    let mut child = Command::new(binary().unwrap())
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // It may end before it has read all: then what it printed tells why.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

/// The export policy that [`rule`]s make.
pub const POLICY: &str = "out";

/// A rule of the policy [`POLICY`]: this prefix goes out with these attributes.
pub fn rule(prefix: &str, med: Option<u32>, communities: &[String]) -> String {
    let med = med.map_or(String::new(), |med| format!("set-med = {med}\n"));
    format!(
        "[[policy.{POLICY}]]\nmatch = [\"{prefix}\"]\naction = \"accept\"\n{med}add-communities = {communities:?}\n\n"
    )
}

/// The last rule of the policy [`POLICY`]: all else goes out as it is.
pub fn rule_for_others() -> String {
    format!("[[policy.{POLICY}]]\naction = \"accept\"\n")
}

/// `[[bgp.neighbor]]`.
#[derive(Debug, Clone)]
pub struct Neighbor {
    /// Its address.
    pub address: String,
    /// Its AS.
    pub asn: u32,
    keys: Vec<(String, String)>,
}

impl Neighbor {
    /// With short timers and all routes let through; the family is that of the address.
    pub fn new(address: &str, asn: u32) -> Neighbor {
        let keys = Vec::new();
        Neighbor { address: address.into(), asn, keys }
            .set("import", "\"accept\"")
            .set("export", "\"accept\"")
            .set("hold-time", "30")
            .set("connect-retry", "1")
            .set("damp-peer-oscillations", "false")
    }

    /// Sets a key to a value in TOML's notation.
    #[must_use]
    pub fn set(mut self, key: &str, value: &str) -> Neighbor {
        self.keys.retain(|(k, _)| k != key);
        self.keys.push((key.into(), value.into()));
        self
    }
}

/// A configuration file.
#[derive(Debug, Clone)]
pub struct Config {
    /// `bgp.asn`.
    pub asn: u32,
    /// `node.router-id`.
    pub router_id: String,
    /// `fib.install`.
    pub install: bool,
    /// `bgp.networks`.
    pub networks: Vec<String>,
    /// Further lines of `[bgp]`.
    pub bgp: String,
    /// The neighbours.
    pub neighbors: Vec<Neighbor>,
    /// Further tables at the end of the file.
    pub tables: String,
}

impl Config {
    /// Of a node that has no neighbour yet.
    pub fn new(asn: u32, router_id: &str) -> Config {
        Config {
            asn,
            router_id: router_id.into(),
            install: false,
            networks: Vec::new(),
            bgp: String::new(),
            neighbors: Vec::new(),
            tables: String::new(),
        }
    }

    /// Adds a neighbour.
    #[must_use]
    pub fn neighbor(mut self, neighbor: Neighbor) -> Config {
        self.neighbors.push(neighbor);
        self
    }

    /// Announces a network.
    #[must_use]
    pub fn network(mut self, prefix: &str) -> Config {
        self.networks.push(prefix.into());
        self
    }

    fn text(&self, name: &str, socket: &Path) -> String {
        let mut text = format!(
            "[node]\nname = \"{name}\"\nrouter-id = \"{}\"\n\n[api]\nsocket = \"{}\"\n\n[fib]\ninstall = {}\n\n\
             [bgp]\nasn = {}\nnetworks = {:?}\n{}\n",
            self.router_id,
            socket.display(),
            self.install,
            self.asn,
            self.networks,
            self.bgp
        );
        for neighbor in &self.neighbors {
            let _ = write!(
                text,
                "\n[[bgp.neighbor]]\naddress = \"{}\"\nasn = {}\n",
                neighbor.address, neighbor.asn
            );
            for (key, value) in &neighbor.keys {
                let _ = writeln!(text, "{key} = {value}");
            }
        }
        text + "\n" + &self.tables
    }
}

/// A running node.
#[derive(Debug)]
pub struct Trunkline {
    /// Its process.
    pub process: Daemon,
    /// Its configuration file.
    pub file: PathBuf,
    space: Netns,
    dir: PathBuf,
    name: String,
    socket: PathBuf,
    binary: PathBuf,
}

impl Trunkline {
    /// Starts one in a namespace and waits until it answers.
    #[track_caller]
    pub fn start(lab: &Lab, space: &Netns, name: &str, config: &Config) -> Trunkline {
        Trunkline::start_with(lab, space, name, |socket| config.text(name, socket))
    }

    /// Starts a node that is described by the keys of `[node]`, name aside, and the tables after it.
    #[track_caller]
    pub fn start_device(lab: &Lab, space: &Netns, name: &str, node: &str) -> Trunkline {
        Trunkline::start_with(lab, space, name, |socket| device(name, socket, node))
    }

    #[track_caller]
    fn start_with(lab: &Lab, space: &Netns, name: &str, text: impl FnOnce(&Path) -> String) -> Trunkline {
        let binary = binary().unwrap();
        let dir = lab.dir().join(name);
        std::fs::create_dir_all(&dir).unwrap();
        let (file, socket) = (dir.join("trunkline.toml"), dir.join("trunkline.sock"));
        std::fs::write(&file, text(&socket)).unwrap();
        let process = launch(space, &dir, &binary, &file);
        let node = Trunkline { process, file, space: space.clone(), dir, name: name.into(), socket, binary };
        node.wait_ready();
        node
    }

    /// Starts it again after its end, with the file as it is now.
    #[track_caller]
    pub fn start_again(&mut self) {
        assert!(!self.process.running(), "it still runs");
        self.process = launch(&self.space, &self.dir, &self.binary, &self.file);
        self.wait_ready();
    }

    /// Writes another configuration; nothing is reloaded yet.
    pub fn write(&self, config: &Config) {
        self.write_text(&config.text(&self.name, &self.socket));
    }

    /// Puts this text in the place of the file, at once: the node may be reading it just now.
    pub fn write_text(&self, text: &str) {
        let new = self.file.with_extension("new");
        std::fs::write(&new, text).unwrap();
        std::fs::rename(new, &self.file).unwrap();
    }

    /// Writes another configuration and orders a reload, which must work.
    #[track_caller]
    pub fn reload(&self, config: &Config) -> Value {
        self.write(config);
        let answer = self.json(&["reload"]);
        assert_eq!(answer["applied"], true, "reload: {answer}");
        answer
    }

    /// Describes the node anew, as for [`Trunkline::start_device`], and orders a reload, which must work.
    #[track_caller]
    pub fn reload_device(&self, node: &str) -> Value {
        self.write_text(&device(&self.name, &self.socket, node));
        let answer = self.json(&["reload"]);
        assert_eq!(answer["applied"], true, "reload: {answer}");
        answer
    }

    /// The command line with these arguments and `--socket`.
    pub fn cli(&self, arguments: &[&str]) -> Output {
        let mut argv = vec![self.binary.to_str().unwrap()];
        argv.extend(arguments);
        argv.extend(["--socket", self.socket.to_str().unwrap()]);
        self.space.output(&argv)
    }

    /// The same, where nobody wants to read what it prints; it must succeed.
    #[track_caller]
    pub fn cli_to_nowhere(&self, arguments: &[&str]) {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", self.space.name()]).arg(&self.binary).args(arguments);
        command.arg("--socket").arg(&self.socket).stdin(Stdio::null()).stdout(Stdio::null());
        assert!(command.status().unwrap().success(), "trunkline {arguments:?}");
    }

    /// The program with these arguments, to be started as a process of its own.
    pub fn argv(&self, arguments: &[&str]) -> Vec<String> {
        let program = self.binary.to_string_lossy().into_owned();
        std::iter::once(program).chain(arguments.iter().map(|a| (*a).to_owned())).collect()
    }

    /// The command line without `--socket`, for `check` and the like.
    pub fn program(&self, arguments: &[&str]) -> Output {
        let mut argv = vec![self.binary.to_str().unwrap()];
        argv.extend(arguments);
        self.space.output(&argv)
    }

    /// The same; it must succeed.
    #[track_caller]
    pub fn run(&self, arguments: &[&str]) -> String {
        let output = self.cli(arguments);
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "trunkline {arguments:?}: {}\n{error}", output.status);
        String::from_utf8(output.stdout).unwrap()
    }

    /// The same with `--json`.
    #[track_caller]
    pub fn json(&self, arguments: &[&str]) -> Value {
        let text = self.run(&[arguments, &["--json"]].concat());
        serde_json::from_str(&text).unwrap_or_else(|e| panic!("trunkline {arguments:?} --json: {e}\n{text}"))
    }

    /// `show bgp neighbors ADDRESS`.
    #[track_caller]
    pub fn neighbor(&self, address: IpAddr) -> Value {
        let view = self.json(&["show", "bgp", "neighbors", &address.to_string()]);
        view["neighbors"].get(0).unwrap_or_else(|| panic!("no neighbour {address} in {view}")).clone()
    }

    /// Whether the session with this neighbour is up.
    pub fn established(&self, address: IpAddr) -> bool {
        self.neighbor(address)["state"] == "Established"
    }

    /// A counter of a neighbour's messages, `way` is "sent" or "received".
    pub fn messages(&self, address: IpAddr, kind: &str, way: &str) -> u64 {
        let view = self.neighbor(address);
        let counts = view["messages"].as_array().unwrap();
        counts.iter().find(|count| count["kind"] == kind).and_then(|count| count[way].as_u64()).unwrap_or(0)
    }

    /// The newest and the older errors of a neighbour, one a line.
    pub fn errors(&self, address: IpAddr) -> String {
        let view = self.neighbor(address);
        let mut text = view["last_error"].as_str().unwrap_or("").to_owned();
        for error in view["errors"].as_array().into_iter().flatten() {
            text = text + "\n" + error["message"].as_str().unwrap_or("");
        }
        text
    }

    /// `show bgp routes … --all`: the paths, of all pages.
    #[track_caller]
    pub fn paths(&self, arguments: &[&str]) -> Vec<Value> {
        let text = self.run(&[&["show", "bgp", "routes", "--all", "--json"], arguments].concat());
        let pages = serde_json::Deserializer::from_str(&text).into_iter::<Value>();
        pages.flat_map(|page| page.unwrap()["paths"].as_array().unwrap().clone()).collect()
    }

    /// What this neighbour sent for this prefix.
    pub fn received(&self, address: IpAddr, prefix: &str) -> Option<Value> {
        let paths = self.paths(&[prefix, "--received", &address.to_string()]);
        paths.into_iter().find(|path| path["prefix"] == prefix)
    }

    #[track_caller]
    fn wait_ready(&self) {
        crate::wait_until(crate::PATIENCE, "trunkline answers", || {
            self.socket.exists() && self.cli(&["show", "node", "--json"]).status.success()
        });
    }
}

fn device(name: &str, socket: &Path, node: &str) -> String {
    format!("api.socket = \"{}\"\n\n[node]\nname = \"{name}\"\n{node}", socket.display())
}

fn launch(space: &Netns, dir: &Path, binary: &Path, file: &Path) -> Daemon {
    let argv = [binary.to_str().unwrap(), "run", file.to_str().unwrap()];
    Daemon::start(space, dir, "trunkline", &argv, &[("RUST_LOG", "debug")])
}
