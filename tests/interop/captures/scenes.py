"""The scenes: what is set up, and what is done while the capture runs."""
import os, signal, time

A, B, LO = "10.0.0.1", "10.0.0.2", "10.255.0.1"
ROUTES = ["203.0.113.0/24", "198.51.100.0/24"]
MANY = [f"10.{i}.{j}.0/24" for i in range(100, 110) for j in range(256)]


def register(scene):
    def pair(n, capture=True):
        n.direct()
        if capture:
            n.capture()

    # Healthy: nothing to be found.
    @scene(12)
    def healthy_bird_frr(n):
        pair(n)
        n.frr("b", B, A, 65002, 65001, routes=["192.0.2.0/24"])
        n.bird("a", A, B, 65001, 65002, routes=ROUTES)

    @scene(12)
    def healthy_gobgp_openbgpd(n):
        pair(n)
        n.openbgpd("b", B, A, 65002, 65001, routes=ROUTES)
        n.gobgp("a", A, B, 65001, 65002)

    @scene(12)
    def healthy_both_connect(n):
        pair(n)
        n.bird("b", B, A, 65002, 65001, routes=["192.0.2.0/24"])
        n.bird("a", A, B, 65001, 65002, routes=ROUTES)

    @scene(12)
    def healthy_ipv6(n):
        n.direct("2001:db8::1/64", "2001:db8::2/64")
        n.capture()
        n.bird("b", "2001:db8::2", "2001:db8::1", 65002, 65001, family="ipv6", routes=["2001:db8:2::/48"])
        n.bird("a", "2001:db8::1", "2001:db8::2", 65001, 65002, family="ipv6", routes=["2001:db8:1::/48"])

    @scene(12)
    def healthy_md5_gtsm(n):
        pair(n)
        lines = 'password "secret"; ttl security on;'
        n.bird("b", B, A, 65002, 65001, lines, routes=["192.0.2.0/24"])
        n.bird("a", A, B, 65001, 65002, lines, routes=ROUTES)

    @scene(25)
    def healthy_over_loss(n):
        n.bad("--loss", "10%", "--delay", "10ms", "--reorder", "10%", "--duplicate", "3%")
        n.capture()
        n.bird("b", B, A, 65002, 65001, routes=MANY[:500])
        n.bird("a", A, B, 65001, 65002, routes=MANY[500:1500])

    @scene(10)
    def healthy_after_refusals(n):
        pair(n)
        n.bird("a", A, B, 65001, 65002, routes=ROUTES)
        time.sleep(4)
        n.bird("b", B, A, 65002, 65001, "passive;", routes=["192.0.2.0/24"])

    @scene(10)
    def flap(n):
        pair(n)
        n.bird("b", B, A, 65002, 65001, "passive;", routes=["192.0.2.0/24"])
        n.bird("a", A, B, 65001, 65002, routes=ROUTES)
        time.sleep(6)
        n.birdc("b", "restart", "n")

    # Attempts.
    @scene(6)
    def arp_unanswered(n):
        n.direct(b="10.0.7.2/24")
        n.capture()
        n.bird("a", A, B, 65001, 65002)

    @scene(5)
    def refused(n):
        pair(n)
        n.bird("a", A, B, 65001, 65002)

    @scene(6)
    def unreachable_filter(n):
        pair(n, False)
        n.nft("b", "input", "tcp dport 179 reject with icmpx admin-prohibited")
        n.capture()
        n.bird("a", A, B, 65001, 65002)

    @scene(6)
    def unreachable_no_route(n):
        n.routed()
        n.capture()
        n.bird("a", "10.0.1.1", "10.7.7.7", 65001, 65002, "multihop;")

    @scene(6)
    def ttl_exceeded(n):
        n.routed()
        n.capture()
        n.bird("a", "10.0.1.1", "10.0.2.2", 65001, 65002, "multihop 1;")

    @scene(10)
    def silence(n):
        pair(n, False)
        n.nft("b", "input", "tcp dport 179 drop")
        n.capture()
        n.bird("a", A, B, 65001, 65002, "connect retry time 20;")

    @scene(12)
    def md5_one_side(n):
        pair(n)
        n.bird("b", B, A, 65002, 65001, "connect retry time 20;")
        n.bird("a", A, B, 65001, 65002, 'connect retry time 20; password "secret";')

    @scene(10)
    def md5_silence(n):
        pair(n)
        n.bird("b", B, A, 65002, 65001, 'passive; password "other";')
        n.bird("a", A, B, 65001, 65002, 'connect retry time 20; password "secret";')

    @scene(12)
    def md5_differs(n):
        pair(n)
        n.frr("b", B, A, 65002, 65001, f"neighbor {A} password other")
        n.bird("a", A, B, 65001, 65002, 'connect retry time 20; password "secret";')

    @scene(10)
    def ttl_security(n):
        pair(n)
        n.frr("b", B, A, 65002, 65001, f"neighbor {A} passive")
        time.sleep(2)
        n.bird("a", A, B, 65001, 65002, "connect retry time 20; ttl security on;")

    @scene(10)
    def ttl_security_gobgp(n):
        pair(n)
        n.gobgp("b", B, A, 65002, 65001, passive=True)
        time.sleep(2)
        n.bird("a", A, B, 65001, 65002, "connect retry time 20; ttl security on;")

    @scene(10)
    def syn_ack_unanswered(n):
        n.direct()
        n.nft("a", "input", "tcp sport 179 drop")
        n.capture()
        n.bird("b", B, A, 65002, 65001, "passive;")
        n.bird("a", A, B, 65001, 65002, "connect retry time 20;")

    def unwanted(n, daemon, **options):
        pair(n)
        getattr(n, daemon)("b", B, "10.0.0.77", 65002, 65077, **options)
        n.bird("a", A, B, 65001, 65002)

    @scene(6)
    def closed_before_open_bird(n):
        unwanted(n, "bird", lines="passive;")

    @scene(8)
    def closed_before_open_frr(n):
        unwanted(n, "frr")

    @scene(6)
    def closed_before_open_gobgp(n):
        unwanted(n, "gobgp", passive=True)

    @scene(6)
    def closed_before_open_openbgpd(n):
        unwanted(n, "openbgpd", lines="passive")

    @scene(6)
    def closed_before_open_disabled(n):
        pair(n)
        n.bird("b", B, A, 65002, 65001, "disabled;", top=f"protocol bgp o {{ local {B} as 65002; neighbor 10.0.0.77 as 65077; passive; ipv4 {{ import all; export all; }}; }}")
        n.bird("a", A, B, 65001, 65002)

    @scene(8)
    def update_source(n):
        pair(n, False)
        n.ip("a", "addr", "add", LO + "/32", "dev", "lo")
        n.ip("b", "route", "add", LO + "/32", "via", A)
        n.capture()
        n.bird("b", B, LO, 65002, 65001, "multihop 2;")
        n.bird("a", A, B, 65001, 65002)

    # OPENs.
    @scene(6)
    def bad_peer_as_article(n):
        pair(n)
        n.frr("b", B, A, 8500, 1000)
        n.bird("a", A, B, 600, 8500, "passive;")

    @scene(6)
    def bad_peer_as_gobgp_openbgpd(n):
        pair(n)
        n.openbgpd("b", B, A, 65002, 65009)
        n.gobgp("a", A, B, 65001, 65002)

    @scene(6)
    def bad_identifier(n):
        pair(n)
        n.bird("b", B, A, 65001, 65001, "passive;", rid="9.9.9.9")
        n.bird("a", A, B, 65001, 65001, rid="9.9.9.9")

    @scene(6)
    def hold_time(n):
        pair(n)
        n.bird("b", B, A, 65002, 65001, "passive;")
        n.gobgp("a", A, B, 65001, 65002, hold=2)

    @scene(6)
    def capability(n):
        pair(n)
        n.bird("b", B, A, 65002, 65001, "passive;", family="ipv6")
        n.bird("a", A, B, 65001, 65002)

    @scene(6)
    def role(n):
        pair(n)
        n.bird("b", B, A, 65002, 65001, "passive; local role provider;")
        n.bird("a", A, B, 65001, 65002, "local role provider;")

    def spoken(n, *steps):
        pair(n)
        n.speaker("b", B, *steps)
        n.bird("a", A, B, 65001, 65002, routes=ROUTES)

    @scene(5)
    def version(n):
        spoken(n, "read", "notify:2:1:0003", "close")

    @scene(5)
    def optional_parameter(n):
        spoken(n, "read", "notify:2:4", "close")

    @scene(5)
    def connection_rejected(n):
        spoken(n, "notify:6:5", "close")

    @scene(8)
    def collision(n):
        spoken(n, "read", "open", "notify:6:7", "close")

    @scene(14)
    def open_unanswered(n):
        pair(n)
        n.speaker("b", B, "hang")
        n.bird("a", A, B, 65001, 65002, "startup hold time 9;")

    @scene(5)
    def foreign(n):
        spoken(n, "text:SSH-2.0-OpenSSH_9.2p1 Debian-2", "hang")

    @scene(14)
    def stuck_after_open(n):
        spoken(n, "read", "open", "hang")

    # Sessions.
    @scene(20)
    def mtu_black_hole(n):
        n.routed()
        for end, interface in (("r", "rb"), ("b", "e0")):
            n.ip(end, "link", "set", interface, "mtu", "1500")
        n.ip("r", "link", "set", "rb", "mtu", "1000")
        n.nft("r", "output", "ip protocol icmp drop")
        n.capture()
        n.bird("b", "10.0.2.2", "10.0.1.1", 65002, 65001, "multihop; passive;")
        n.bird("a", "10.0.1.1", "10.0.2.2", 65001, 65002, "multihop;", routes=MANY)

    @scene(25)
    def zero_window(n):
        pair(n)
        n.speaker("b", B, "read", "open", "keepalive", "alive:60")
        n.bird("a", A, B, 65001, 65002, routes=MANY, hold=90)

    @scene(6)
    def send_hold(n):
        spoken(n, "read", "open", "keepalive", "sleep:2", "notify:8:0", "close")

    @scene(14)
    def hold_expired(n):
        pair(n)
        frozen = n.bird("b", B, A, 65002, 65001, "passive;", routes=["192.0.2.0/24"])
        n.bird("a", A, B, 65001, 65002, routes=ROUTES)
        time.sleep(5)
        os.killpg(frozen.pid, signal.SIGSTOP)

    @scene(6)
    def max_prefix(n):
        pair(n)
        n.openbgpd("b", B, A, 65002, 65001, "max-prefix 1")
        n.bird("a", A, B, 65001, 65002, routes=ROUTES)

    @scene(4)
    def shutdown(n):
        pair(n)
        n.bird("b", B, A, 65002, 65001, "passive;", routes=["192.0.2.0/24"])
        n.bird("a", A, B, 65001, 65002, routes=ROUTES)
        time.sleep(5)
        n.birdc("b", "disable", "n", '"back at noon"')

    @scene(4)
    def deconfigured(n):
        pair(n)
        n.bird("b", B, A, 65002, 65001, "passive;", routes=["192.0.2.0/24"])
        n.bird("a", A, B, 65001, 65002, routes=ROUTES)
        time.sleep(5)
        n.file("bird-b.conf", "router id 10.0.0.2; protocol device { }")
        n.birdc("b", "configure")

    @scene(3)
    def resources(n):
        spoken(n, "read", "open", "keepalive", "sleep:1", "notify:6:8", "hang")

    @scene(3)
    def hard_reset(n):
        spoken(n, "read", "open", "keepalive", "sleep:1", "notify:6:9:0604", "hang")

    @scene(3)
    def bfd(n):
        spoken(n, "read", "open", "keepalive", "sleep:1", "notify:6:10", "hang")

    @scene(3)
    def config_change(n):
        spoken(n, "read", "open", "keepalive", "sleep:1", "notify:6:6", "hang")

    @scene(4)
    def update_error(n):
        # More withdrawn routes than the message has room for.
        body = "00ff" + "18c00002" + "0000"
        spoken(n, "read", "open", "keepalive", "sleep:1", "send:" + "ff" * 16 + f"{len(body) // 2 + 19:04x}02" + body, "hang")

    @scene(4)
    def bad_length(n):
        spoken(n, "read", "open", "keepalive", "sleep:1", "send:" + "ff" * 16 + "138802" + "00" * 4981, "hang")

    @scene(4)
    def header_error(n):
        spoken(n, "read", "open", "keepalive", "sleep:1", "send:" + "00" * 19, "hang")

    @scene(4)
    def broken_off(n):
        pair(n)
        killed = n.bird("b", B, A, 65002, 65001, "passive;", routes=["192.0.2.0/24"])
        n.bird("a", A, B, 65001, 65002, routes=ROUTES)
        time.sleep(5)
        os.killpg(killed.pid, signal.SIGKILL)

    @scene(8)
    def no_common_family(n):
        pair(n)
        n.openbgpd("b", B, A, 65002, 65001, routes=ROUTES)
        n.gobgp("a", A, B, 65001, 65002, family="ipv6")

    @scene(8)
    def no_routes(n):
        pair(n)
        n.frr("b", B, A, 65002, 65001, policy=True, routes=["192.0.2.0/24"])
        n.frr("a", A, B, 65001, 65002, policy=True, routes=ROUTES)

    @scene(8)
    def own_as(n):
        pair(n)
        n.bird("b", B, A, 65002, 65001, "passive;", routes=["192.0.2.0/24"])
        n.bird("a", A, B, 65001, 65002, routes=ROUTES, more="export filter { bgp_path.prepend(65002); bgp_path.prepend(65001); accept; };")

    # Below BGP.
    def bridged(n):
        """a and b at a bridge in r; b twice, with e0 and e1."""
        n.spaces_up("abr")
        n.ip("r", "link", "add", "name", "bridge0", "type", "bridge")
        for end, inside, outside, address in (("a", "e0", "p0", A + "/24"), ("b", "e0", "p1", B + "/24"), ("b", "e1", "p2", "")):
            n.link(end, inside, address, "r", outside, "")
            n.ip("r", "link", "set", outside, "master", "bridge0")
        n.ip("r", "link", "set", "bridge0", "up")
        time.sleep(1)

    @scene(3)
    def arp_duplicate(n):
        bridged(n)
        # Both interfaces answer for the address of one: what two hosts with the same address do.
        n.at("b", "sysctl", "-qw", "net.ipv4.conf.all.arp_ignore=0", "net.ipv4.conf.all.rp_filter=0")
        n.ip("b", "addr", "add", B + "/25", "dev", "e1")
        n.capture()
        for _ in range(3):
            n.at("a", "ping", "-c", "1", "-W", "1", B, check=False)
            n.ip("a", "neigh", "flush", "dev", "e0")

    @scene(3)
    def arp_moves_once(n):
        bridged(n)
        n.at("b", "sysctl", "-qw", "net.ipv4.conf.all.arp_ignore=1")
        n.capture()
        n.at("a", "ping", "-c", "1", "-W", "1", B, check=False)
        n.ip("b", "addr", "del", B + "/24", "dev", "e0")
        n.ip("b", "addr", "add", B + "/24", "dev", "e1")
        n.ip("a", "neigh", "flush", "dev", "e0")
        n.at("a", "ping", "-c", "2", "-W", "1", B, check=False)

    @scene(3)
    def arp_proxy(n):
        pair(n, False)
        n.at("b", "sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv4.conf.e0.proxy_arp=1")
        n.ip("b", "link", "add", "name", "dummy0", "type", "veth", "peer", "name", "dummy1")
        n.ip("b", "link", "set", "dummy1", "up")
        n.ip("b", "addr", "add", "10.0.0.129/25", "dev", "dummy0")
        n.ip("b", "link", "set", "dummy0", "up")
        n.capture()
        n.at("b", "ping", "-c", "1", "-W", "1", A, check=False)
        for last in (130, 131, 132):
            n.at("a", "ping", "-c", "1", "-W", "1", f"10.0.0.{last}", check=False)

    @scene(4)
    def icmp_redirect(n):
        n.direct()
        n.spaces_up("r")
        n.at("b", "sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv4.conf.all.send_redirects=1")
        n.ip("b", "route", "add", "10.7.0.0/24", "via", "10.0.0.3")
        for end in "ab":
            n.ip(end, "neigh", "add", "10.0.0.3", "lladdr", "02:00:00:00:00:03", "dev", "e0")
        n.ip("a", "route", "add", "10.7.0.0/24", "via", B)
        n.capture()
        n.at("a", "ping", "-c", "2", "-W", "1", "10.7.0.1", check=False)

    def rip(n, end, own, lines="", routes=("203.0.113.0/24",)):
        static = "".join(f"route {route} blackhole; " for route in routes)
        text = f"""router id {own};
protocol device {{ }}
protocol static own {{ ipv4; {static} }}
protocol rip {{ ipv4 {{ import all; export all; }}; interface "e0" {{ update time 3; {lines} }}; }}
"""
        n.start(end, "bird", "-f", "-c", n.file(f"bird-{end}.conf", text), "-s", f"{n.dir}/{end}.ctl")

    @scene(8)
    def rip_healthy(n):
        pair(n)
        rip(n, "a", A)
        rip(n, "b", B, routes=["198.51.100.0/24"])

    @scene(8)
    def rip_authentication(n):
        pair(n)
        rip(n, "a", A, 'authentication plaintext; password "one";')
        rip(n, "b", B, routes=["198.51.100.0/24"])

    @scene(8)
    def rip_password(n):
        pair(n)
        rip(n, "a", A, 'authentication plaintext; password "one";')
        rip(n, "b", B, 'authentication plaintext; password "two";', routes=["198.51.100.0/24"])

    @scene(5)
    def rip_lost(n):
        pair(n)
        rip(n, "a", A)
        rip(n, "b", B, routes=["198.51.100.0/24"])
        time.sleep(5)
        n.birdc("b", "disable", "own")

    def bridges(n):
        """Two bridges of the kernel, in a and b, with a link between them."""
        n.spaces_up("ab")
        for end in "ab":
            n.ip(end, "link", "add", "name", "bridge0", "type", "bridge", "stp_state", "1", "forward_delay", "400", "hello_time", "100")
            n.ip(end, "link", "set", "bridge0", "address", f"02:00:00:00:00:0{end}")
        n.link("a", "e0", "", "b", "e0", "")
        for end in "ab":
            n.ip(end, "link", "set", "e0", "master", "bridge0")
            n.ip(end, "link", "set", "bridge0", "up")

    @scene(12)
    def stp_healthy(n):
        bridges(n)
        time.sleep(12)
        n.capture()

    @scene(8)
    def stp_root(n):
        bridges(n)
        time.sleep(12)
        n.capture()
        time.sleep(4)
        n.ip("b", "link", "set", "bridge0", "type", "bridge", "priority", "4096")

    @scene(12)
    def stp_two_roots(n):
        bridges(n)
        for end in "ab":
            n.at(end, "nft", "add", "table", "netdev", "t")
            n.at(end, "nft", "add", "chain", "netdev", "t", "i", "{ type filter hook ingress device e0 priority 0; }")
            n.at(end, "nft", "add", "rule", "netdev", "t", "i", "ether", "daddr", "01:80:c2:00:00:00", "drop")
        n.capture()

    @scene(8)
    def stp_change(n):
        bridges(n)
        time.sleep(12)
        n.capture()
        n.ip("b", "link", "add", "name", "x0", "type", "veth", "peer", "name", "x1")
        for interface in ("x0", "x1"):
            n.ip("b", "link", "set", interface, "up")
        n.ip("b", "link", "set", "x0", "master", "bridge0")
