#!/usr/bin/env python3
"""Makes the captures that the rules of `trunkline explain` are tested with: real daemons in network namespaces.

    tests/interop/captures/make.py [SCENE ...]      needs root, iproute2, nftables, tcpdump, bird2, frr, gobgpd, openbgpd

Each scene has two namespaces, a and b, joined by a veth pair, or by a router r between them. It is captured at a. Where no
daemon of Debian does what a scene needs (such as a NOTIFICATION that is never sent by one), `speaker.py` plays that end, and the
other end is real. Expected verdicts are in crates/explain/tests/captures.rs.
"""
import concurrent.futures, os, shutil, signal, subprocess, sys, tempfile, time

HERE = os.path.dirname(os.path.abspath(__file__))
A, B, LO = "10.0.0.1", "10.0.0.2", "10.255.0.1"
SCENES = {}


def scene(seconds=8):
    def register(function):
        SCENES[function.__name__.replace("_", "-")] = (function, seconds)
        return function
    return register


class Net:
    """The namespaces of a scene, and what runs in them."""

    def __init__(self, name, number):
        self.name, self.processes = name, []
        self.dir = tempfile.mkdtemp(prefix="explain-")
        os.chmod(self.dir, 0o777)
        self.spaces = {end: f"explain-{os.getpid()}-{number}{end}" for end in "abr"}

    def run(self, *argv, check=True):
        return subprocess.run(argv, check=check, capture_output=True, text=True)

    def ip(self, end, *argv):
        self.run("ip", "-n", self.spaces[end], *argv)

    def at(self, end, *argv, check=True):
        return self.run("ip", "netns", "exec", self.spaces[end], *argv, check=check)

    def link(self, end1, if1, addr1, end2, if2, addr2, mtu=None):
        self.run("ip", "-n", self.spaces[end1], "link", "add", if1, "type", "veth", "peer", "name", if2, "netns", self.spaces[end2])
        for end, interface, address in ((end1, if1, addr1), (end2, if2, addr2)):
            if mtu:
                self.ip(end, "link", "set", interface, "mtu", str(mtu))
            self.at(end, "ethtool", "-K", interface, "tso", "off", "gso", "off", "gro", "off", "tx", "off", check=False)
            for one in address.split():
                self.ip(end, "addr", "add", one, "dev", interface, *(["nodad"] if ":" in one else []))
            self.ip(end, "link", "set", interface, "up")

    def direct(self, a=A + "/24", b=B + "/24"):
        self.spaces_up("ab")
        self.link("a", "e0", a, "b", "e0", b)
        return self

    def routed(self):
        """a 10.0.1.1 - r - 10.0.2.2 b"""
        self.spaces_up("abr")
        self.link("a", "e0", "10.0.1.1/24", "r", "ra", "10.0.1.9/24")
        self.link("r", "rb", "10.0.2.9/24", "b", "e0", "10.0.2.2/24")
        self.at("r", "sysctl", "-qw", "net.ipv4.ip_forward=1")
        self.ip("a", "route", "add", "default", "via", "10.0.1.9")
        self.ip("b", "route", "add", "default", "via", "10.0.2.9")
        return self

    def bad(self, *options):
        """a and b in one network, behind a wire that is as bad as the options of `trunkline relay` say."""
        self.spaces_up("abr")
        self.link("a", "e0", A + "/24", "r", "ra", "")
        self.link("b", "e0", B + "/24", "r", "rb", "")
        self.start("r", os.environ.get("TRUNKLINE", f"{HERE}/../../../target/debug/trunkline"), "relay", "ra", "rb", *options)
        time.sleep(1)

    def spaces_up(self, ends):
        for end in ends:
            self.run("ip", "netns", "add", self.spaces[end])
            self.at(end, "sysctl", "-qw", "net.ipv6.conf.default.accept_dad=0", "net.ipv4.tcp_mtu_probing=0")
            self.ip(end, "link", "set", "lo", "up")

    def nft(self, end, hook, rule):
        self.at(end, "nft", "add", "table", "inet", "t")
        self.at(end, "nft", "add", "chain", "inet", "t", hook, f"{{ type filter hook {hook} priority 0; }}")
        self.at(end, "nft", "add", "rule", "inet", "t", hook, *rule.split())

    def start(self, end, *argv):
        log = open(f"{self.dir}/{end}-{os.path.basename(argv[0])}.log", "a")
        process = subprocess.Popen(["ip", "netns", "exec", self.spaces[end], *argv], stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        self.processes.append(process)
        return process

    def file(self, name, text):
        path = f"{self.dir}/{name}"
        with open(path, "w") as file:
            file.write(text)
        os.chmod(path, 0o640)
        return path

    def capture(self, end="a", interface="e0"):
        path = f"{self.dir}/{self.name}.pcap"
        self.tcpdump = self.start(end, "tcpdump", "-i", interface, "-U", "--immediate-mode", "-Z", "root", "-s", "0", "-w", path, "not ip6 or tcp port 179 or (icmp6 and ip6[40] >= 135)")
        for _ in range(100):
            if os.path.exists(path) and os.path.getsize(path) >= 24:
                return
            time.sleep(0.05)

    # Daemons: each has one neighbor.
    def bird(self, end, own, peer, asn, peer_asn, lines="", routes=(), family="ipv4", rid=None, top="", hold=9, more=""):
        routes = "".join(f"route {route} blackhole; " for route in routes)
        text = f"""router id {rid or own if ":" not in own else rid or "10.9.9." + str(asn % 100)};
protocol device {{ }}
protocol static {{ {family}; {routes} }}
{top}
protocol bgp n {{ local {own} as {asn}; neighbor {peer} as {peer_asn}; hold time {hold}; connect retry time 1;
  connect delay time 1; error wait time 1,2; error forget time 1; {lines}
  {family} {{ import all; export all; {more} }}; }}
"""
        path = self.file(f"bird-{end}.conf", text)
        return self.start(end, "bird", "-f", "-c", path, "-s", f"{self.dir}/{end}.ctl")

    def birdc(self, end, *command):
        self.at(end, "birdc", "-s", f"{self.dir}/{end}.ctl", *command)

    def frr(self, end, own, peer, asn, peer_asn, lines="", policy=False, routes=(), rid=None, remote=True):
        networks = "".join(f"  network {route}\n" for route in routes)
        text = f"""router bgp {asn}
 bgp router-id {rid or own}
 {"" if policy else "no bgp ebgp-requires-policy"}
 no bgp network import-check
 neighbor {peer} remote-as {peer_asn}
 neighbor {peer} timers 3 9
 neighbor {peer} timers connect 1
 {lines}
 address-family ipv4 unicast
{networks} exit-address-family
"""
        path = self.file(f"bgpd-{end}.conf", text)
        shutil.chown(path, "frr", "frr")
        os.makedirs(f"{self.dir}/{end}", exist_ok=True)
        shutil.chown(f"{self.dir}/{end}", "frr", "frr")
        return self.start(end, "/usr/lib/frr/bgpd", "-f", path, "-n", "-Z", "-S", "-p", "179", "-i", f"{self.dir}/{end}/pid", "--vty_socket", f"{self.dir}/{end}", "-P", "0", "-l", own)

    def gobgp(self, end, own, peer, asn, peer_asn, passive=False, hold=9, family="ipv4", lines=""):
        text = f"""[global.config]
as = {asn}
router-id = "{own}"
port = 179
local-address-list = ["{own}"]
[[neighbors]]
[neighbors.config]
neighbor-address = "{peer}"
peer-as = {peer_asn}
{lines}
[neighbors.transport.config]
passive-mode = {str(passive).lower()}
local-address = "{own}"
[neighbors.timers.config]
hold-time = {hold}.0
keepalive-interval = 3.0
connect-retry = 1.0
[[neighbors.afi-safis]]
[neighbors.afi-safis.config]
afi-safi-name = "{family}-unicast"
"""
        return self.start(end, "gobgpd", "-f", self.file(f"gobgp-{end}.toml", text), "-p", "--api-hosts", "127.0.0.1:50051", "--pprof-disable")

    def openbgpd(self, end, own, peer, asn, peer_asn, lines="", routes=()):
        networks = "".join(f"network {route}\n" for route in routes)
        text = f"""AS {asn}
router-id {own}
fib-update no
holdtime 9
connect-retry 1
socket "{self.dir}/{end}.sock"
listen on {own}
{networks}
neighbor {peer} {{
 remote-as {peer_asn}
 local-address {own}
 announce IPv4 unicast
 announce IPv6 none
 {lines}
}}
allow from any
allow to any
"""
        return self.start(end, "/usr/sbin/bgpd", "-d", "-f", self.file(f"openbgpd-{end}.conf", text))

    def speaker(self, end, own, *what):
        return self.start(end, sys.executable, f"{HERE}/speaker.py", own, *map(str, what))

    def down(self):
        for process in reversed(self.processes):
            try:
                os.killpg(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            process.wait()
        for space in self.spaces.values():
            pids = self.run("ip", "netns", "pids", space, check=False).stdout.split()
            for pid in pids:
                try:
                    os.kill(int(pid), signal.SIGKILL)
                except ProcessLookupError:
                    pass
            self.run("ip", "netns", "del", space, check=False)
        shutil.rmtree(self.dir, ignore_errors=True)


sys.dont_write_bytecode = True
sys.path.insert(0, HERE)
import scenes  # noqa: E402


def make(name, number):
    function, seconds = SCENES[name]
    net = Net(name, number)
    try:
        function(net)
        time.sleep(seconds)
        os.killpg(net.tcpdump.pid, signal.SIGTERM)
        net.tcpdump.wait()
        target = f"{HERE}/{name}.pcap"
        shutil.copyfile(f"{net.dir}/{name}.pcap", target)
        return f"{name}: {os.path.getsize(target)} octets"
    except subprocess.CalledProcessError as error:
        return f"{name}: {error} {error.stderr}"
    finally:
        net.down()


if __name__ == "__main__":
    scenes.register(scene)
    names = sys.argv[1:] or list(SCENES)
    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        for line in pool.map(make, names, range(len(names))):
            print(line, flush=True)
