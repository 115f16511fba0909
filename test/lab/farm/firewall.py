# Run in namespaces of its own, as root: a host with the firewall of a role, and two that knock on
# its ports, one of the public and one of the private network; from the public one, what VRRP says
# too, as a stranger and as another balancer. Prints who was let in, as JSON.
import json, socket, subprocess, sys

rules, number, *ports = sys.argv[1:]
PORTS = [int(port) for port in ports]
ADDRESSES = {"public": [f"192.0.2.{number}", f"2001:db8::{number}"],
             "private": [f"10.20.0.{number}", f"fd20::{number}"]}
KNOCK_S = 3
VRRP = 112
# Who says by VRRP that he has the service address: somebody, and what would be the second balancer.
ANNOUNCERS = {socket.AF_INET: ["198.51.100.7", "192.0.2.62"],
              socket.AF_INET6: ["2001:db8:beef::7", "2001:db8::62"]}


def ip(*words):
    subprocess.run(["ip", *words], check=True)


def lay(network, of_peer):
    """A cable from the host to somebody else, who need not be of that network."""
    ip("netns", "add", network)
    ip("link", "add", network, "type", "veth", "peer", "name", "eth0", "netns", network)
    ip("link", "set", network, "up")
    ip("-n", network, "link", "set", "eth0", "up")
    for own, its in zip(ADDRESSES[network], of_peer):
        length, more = (128, ["nodad"]) if ":" in own else (32, [])
        ip("address", "add", f"{own}/{length}", "dev", network, *more)
        ip("-n", network, "address", "add", f"{its}/{length}", "dev", "eth0", *more)
        ip("route", "add", its, "dev", network)
        ip("-n", network, "route", "add", own, "dev", "eth0")


def listen():
    kept = []
    for port in PORTS:
        kept.append(socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True))
    return kept


KNOCK = f"""
import json, selectors, socket, sys, time
addresses, ports = json.loads(sys.argv[1])
waiting, let_in = selectors.DefaultSelector(), {{address: [] for address in addresses}}
for address in addresses:
    for port in ports:
        one = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
        one.setblocking(False)
        one.connect_ex((address, port))
        waiting.register(one, selectors.EVENT_WRITE, (address, port))
end = time.monotonic() + {KNOCK_S}
while waiting.get_map() and time.monotonic() < end:
    for key, _ in waiting.select(0.2):
        waiting.unregister(key.fileobj)
        if key.fileobj.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0:
            let_in[key.data[0]].append(key.data[1])
print(json.dumps({{address: sorted(ports) for address, ports in let_in.items()}}))
"""

ANNOUNCE = f"""
import json, socket, sys
for family, own, to in json.loads(sys.argv[1]):
    one = socket.socket(family, socket.SOCK_RAW, {VRRP})
    one.bind((own, 0))
    one.sendto(b"advertisement", (to, 0))
"""


def announced():
    """Whose word gets past the firewall: a raw socket sees what the input chain has let in."""
    for family, (_, balancer) in ANNOUNCERS.items():
        length, more = (128, ["nodad"]) if family == socket.AF_INET6 else (32, [])
        if balancer not in ADDRESSES["public"]:
            ip("-n", "public", "address", "add", f"{balancer}/{length}", "dev", "eth0", *more)
            ip("route", "add", balancer, "dev", "public")
    ears, words = {}, []
    for family, own in zip([socket.AF_INET, socket.AF_INET6], ADDRESSES["public"]):
        ears[family] = socket.socket(family, socket.SOCK_RAW, VRRP)
        words += [[family, announcer, own] for announcer in ANNOUNCERS[family]]
    argv = [sys.executable, "-c", ANNOUNCE, json.dumps(words)]
    subprocess.run(["ip", "netns", "exec", "public", *argv], check=True)
    heard = []
    for ear in ears.values():
        ear.settimeout(KNOCK_S)
        try:
            while True:
                heard.append(ear.recvfrom(100)[1][0])
        except TimeoutError:
            pass
    return sorted(heard)


ip("link", "set", "lo", "up")
lay("public", ["198.51.100.7", "2001:db8:beef::7"])
lay("private", ["10.20.0.200", "fd20::200"])
subprocess.run(["nft", "-f", rules], check=True)
kept = listen()
answers = {}
for network, addresses in ADDRESSES.items():
    words = [sys.executable, "-c", KNOCK, json.dumps([addresses, PORTS])]
    said = subprocess.run(["ip", "netns", "exec", network, *words], check=True, capture_output=True)
    answers[network] = json.loads(said.stdout)
print(json.dumps({**answers, "announced": announced()}))
