//! Installs what the interoperability tests need, where it is missing: Debian packages, as root.

use crate::run::run;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::{Command, Stdio};

/// What the tests run, and the service that a package starts by itself, if any.
const PACKAGES: &[(&str, Option<&str>)] = &[
    ("bird2", Some("bird")),
    ("frr", Some("frr")),
    ("gobgpd", Some("gobgpd")),
    ("openbgpd", Some("openbgpd")),
    ("tshark", None),
    ("tcpdump", None),
    ("iproute2", None),
    ("iputils-ping", None),
    ("iputils-arping", None),
    ("traceroute", None),
    ("socat", None),
    ("iperf3", None),
    ("ethtool", None),
    ("nftables", Some("nftables")),
    ("openvswitch-switch", Some("openvswitch-switch")),
];

/// Debian asks this program whether a package may start its service.
const POLICY: &str = "/usr/sbin/policy-rc.d";

/// Installs the missing packages; says what to do where it cannot. The tests themselves judge whether all is there.
pub(crate) fn peers() {
    let missing: Vec<_> = PACKAGES.iter().filter(|(package, _)| !installed(package)).collect();
    if missing.is_empty() {
        return;
    }
    let names: Vec<&str> = missing.iter().map(|(package, _)| *package).collect();
    let by_hand = format!("apt-get install {}", names.join(" "));
    if !is_root() {
        println!("The interop tests need root and these packages; as root: {by_hand}");
        return;
    }
    println!("Installing for the interop tests: {}", names.join(" "));
    let guard = NoServices::new();
    let result = apt(&["update"]).and_then(|()| {
        let mut arguments = vec!["install", "--yes", "--no-install-recommends"];
        arguments.extend(&names);
        apt(&arguments)
    });
    drop(guard);
    if let Err(error) = result {
        println!("{error}\nInstall by hand: {by_hand}");
        return;
    }
    // What was installed for tests shall not come up as a router at the next boot either.
    if Path::new("/run/systemd/system").exists() {
        for service in missing.iter().filter_map(|(_, service)| *service) {
            let _ = Command::new("systemctl")
                .args(["disable", "--quiet", service])
                .stderr(Stdio::null())
                .status();
        }
    }
}

fn installed(package: &str) -> bool {
    let query = ["-W", "-f", "${db:Status-Status}", package];
    Command::new("dpkg-query")
        .args(query)
        .stderr(Stdio::null())
        .output()
        .is_ok_and(|output| output.stdout == b"installed")
}

fn apt(arguments: &[&str]) -> Result<(), String> {
    let quiet = ["-qq", "-o", "Dpkg::Use-Pty=0", "-o", "DPkg::Lock::Timeout=300"];
    run(Command::new("apt-get")
        .args(quiet)
        .args(arguments)
        .env("DEBIAN_FRONTEND", "noninteractive")
        .stdin(Stdio::null()))
}

fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|me| me.uid() == 0)
}

/// While it lives, packages do not start their services: they would take port 179. A policy that is there already
/// is left as it is.
struct NoServices {
    ours: bool,
}

impl NoServices {
    fn new() -> NoServices {
        let ours = !Path::new(POLICY).exists()
            && std::fs::write(POLICY, "#!/bin/sh\nexit 101\n").is_ok()
            && std::fs::set_permissions(POLICY, std::fs::Permissions::from_mode(0o755)).is_ok();
        NoServices { ours }
    }
}

impl Drop for NoServices {
    fn drop(&mut self) {
        if self.ours {
            let _ = std::fs::remove_file(POLICY);
        }
    }
}
