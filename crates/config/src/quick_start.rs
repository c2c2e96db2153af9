//! What runs where no file is named: two nodes that peer with each other on this machine.

const R1: &str = r#"# Trunkline's quick start, first of two nodes: AS 65001 on 127.0.0.1.

[node]
name = "r1"
router-id = "192.0.2.1"

[fib]
install = false                        # nothing reaches the kernel: no root needed

[[static]]                             # routes to announce
prefix = "198.51.100.0/25"
blackhole = true

[[static]]
prefix = "203.0.113.0/25"
blackhole = true

[[static]]
prefix = "2001:db8:1::/48"
blackhole = true

[bgp]
asn = 65001
listen = ["127.0.0.1:1790"]
networks = ["198.51.100.0/25", "203.0.113.0/25", "2001:db8:1::/48"]

[[bgp.neighbor]]
description = "r2"
address = "127.0.0.2"
port = 1790
local-address = "127.0.0.1"
asn = 65002
families = ["ipv4-unicast", "ipv6-unicast"]
connect-retry = 2
import = "accept"                      # an external neighbor without these two exchanges nothing (RFC 8212)
export = "accept"
"#;

const R2: &str = r#"# Trunkline's quick start, second of two nodes: AS 65002 on 127.0.0.2.

[node]
name = "r2"
router-id = "192.0.2.2"

[fib]
install = false

[[static]]
prefix = "198.51.100.128/25"
blackhole = true

[[static]]
prefix = "203.0.113.128/25"
blackhole = true

[[static]]
prefix = "2001:db8:2::/48"
blackhole = true

[bgp]
asn = 65002
listen = ["127.0.0.2:1790"]
networks = ["198.51.100.128/25", "203.0.113.128/25", "2001:db8:2::/48"]

[[bgp.neighbor]]
description = "r1"
address = "127.0.0.1"
port = 1790
local-address = "127.0.0.2"
asn = 65001
families = ["ipv4-unicast", "ipv6-unicast"]
connect-retry = 2
import = "accept"
export = "accept"
"#;

/// The built-in quick start: two files as name and text, to be read by [`parse`](crate::parse) like any other.
///
/// "r1" at 127.0.0.1:1790 in AS 65001 and "r2" at 127.0.0.2:1790 in AS 65002 peer over real TCP without root, leave
/// the kernel's routes alone and announce three blackhole routes each.
pub fn quick_start() -> [(&'static str, &'static str); 2] {
    [("quick-start-r1.toml", R1), ("quick-start-r2.toml", R2)]
}
