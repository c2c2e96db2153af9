//! Open vSwitch: a bridge in user space that speaks RSTP.

use crate::lab::{Lab, Netns};
use crate::process::Daemon;
use std::path::PathBuf;

/// A running Open vSwitch with one bridge, `br0`.
#[derive(Debug)]
pub struct OpenVSwitch {
    space: Netns,
    dir: PathBuf,
    /// Kept so that they end with this value.
    _daemons: [Daemon; 2],
}

impl OpenVSwitch {
    /// Starts it in a namespace, with this priority, 0 to 61440 in steps of 4096, and these ports.
    #[track_caller]
    pub fn start(lab: &Lab, space: &Netns, name: &str, priority: u16, ports: &[&str]) -> OpenVSwitch {
        let dir = lab.dir().join(name);
        std::fs::create_dir_all(&dir).unwrap();
        let path = |file: &str| dir.join(file).to_string_lossy().into_owned();
        let remote = format!("--remote=punix:{}", path("db.sock"));
        space.sh(&["ovsdb-tool", "create", &path("conf.db"), "/usr/share/openvswitch/vswitch.ovsschema"]);
        let database = format!("unix:{}", path("db.sock"));
        let env = ["OVS_RUNDIR", "OVS_LOGDIR", "OVS_DBDIR"].map(|key| (key, dir.to_str().unwrap()));
        let argv = ["ovsdb-server", &path("conf.db"), &remote];
        let server = Daemon::start(space, &dir, "ovsdb-server", &argv, &env);
        crate::wait_until(crate::PATIENCE, "ovsdb-server answers", || dir.join("db.sock").exists());
        space.sh(&["ovs-vsctl", &format!("--db={database}"), "--no-wait", "init"]);
        let control = format!("--unixctl={}", path("control"));
        let argv = ["ovs-vswitchd", &database, "--disable-system", &control];
        let switch = Daemon::start(space, &dir, "ovs-vswitchd", &argv, &env);
        let this = OpenVSwitch { space: space.clone(), dir: dir.clone(), _daemons: [server, switch] };
        let database = format!("--db={database}");
        let priority = format!("other_config:rstp-priority={priority}");
        let mut argv = vec!["ovs-vsctl", &database, "add-br", "br0", "--", "set", "bridge", "br0"];
        argv.extend(["datapath_type=netdev", "rstp_enable=true", &priority]);
        space.sh(&argv);
        // One after the other, so that their numbers are in this order.
        for port in ports {
            space.sh(&["ovs-vsctl", &database, "add-port", "br0", port]);
        }
        this
    }

    /// `Role/State` of a port, as `rstp/show` has it; empty where there is none.
    #[track_caller]
    pub fn role(&self, port: &str) -> String {
        let control = self.dir.join("control").to_string_lossy().into_owned();
        let text = self.space.sh(&["ovs-appctl", "-t", &control, "rstp/show", "br0"]);
        let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        let line = text.lines().map(words).find(|line| line.first().is_some_and(|name| name == port));
        line.filter(|line| line.len() >= 3)
            .map_or_else(String::new, |line| format!("{}/{}", line[1], line[2]))
    }
}
