"""The network of the machines: a switch with a socket for each and cables that can be cut.

    switch.py FOLDER CONTROL NAME=MAC ...

A kernel's network card (transport "bess") connects to FOLDER/sw-NAME, a socket of whole packets;
each packet is one Ethernet frame. That is Python since Node knows no such sockets. Commands come
as lines over the socket CONTROL, each answered with "ok" or "no: why"; when whoever connected there
first goes away, the switch ends.

    cut A        no frame goes to or from A        heal A      the cable of A is whole again
    cut A B      none goes between A and B         heal A B
    cut-to A     A hears nothing, but is heard     cut-from A  A is not heard, but hears
    delay A MS   frames from A come MS later       heal-all    nothing is cut or late
"""
import heapq
import itertools
import os
import selectors
import socket
import sys
import time

FRAMES_AT_ONCE = 64
FRAME_OCTETS_MAX = 70000
BUFFER_OCTETS = 1 << 22


class Switch:
    def __init__(self, folder, macs):
        self.selector = selectors.DefaultSelector()
        self.macs = macs
        self.ports = {}
        self.links = set()
        self.deaf = set()
        self.mute = set()
        self.delays = {}
        self.late = []
        self.order = itertools.count()
        for name in macs.values():
            listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            listener.bind(os.path.join(folder, "sw-" + name))
            listener.listen(4)
            self.selector.register(listener, selectors.EVENT_READ, (self.accept, name))

    def accept(self, listener, name):
        port, _ = listener.accept()
        port.setblocking(False)
        port.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER_OCTETS)
        self.ports[name] = port
        self.selector.register(port, selectors.EVENT_READ, (self.receive, name))

    def receive(self, port, name):
        for _ in range(FRAMES_AT_ONCE):
            try:
                frame = port.recv(FRAME_OCTETS_MAX)
            except BlockingIOError:
                return
            except OSError:
                frame = b""
            if not frame:
                self.selector.unregister(port)
                port.close()
                if self.ports.get(name) is port:
                    del self.ports[name]
                return
            self.forward(name, frame)

    def forward(self, name, frame):
        to = self.macs.get(frame[:6])
        for target in [to] if to else list(self.ports):
            if target == name:
                continue
            if name in self.delays:
                due = time.monotonic() + self.delays[name]
                heapq.heappush(self.late, (due, next(self.order), name, target, frame))
            else:
                self.send(name, target, frame)

    def send(self, name, target, frame):
        if name in self.mute or target in self.deaf or frozenset((name, target)) in self.links:
            return
        port = self.ports.get(target)
        if port is None:
            return
        try:
            port.send(frame)
        except OSError:
            pass  # Full or gone: a network may lose a frame.

    def send_due(self):
        """Sends what was held back long enough. Returns seconds until the next, or None."""
        while self.late:
            wait = self.late[0][0] - time.monotonic()
            if wait > 0:
                return wait
            self.send(*heapq.heappop(self.late)[2:])
        return None

    def command(self, words):
        verb, names = words[0], words[1:]
        if verb == "heal-all":
            for cuts in (self.links, self.deaf, self.mute, self.delays):
                cuts.clear()
            return
        first = names[0]
        hosts = names[:1] if verb == "delay" else names
        if not set(hosts) <= set(self.macs.values()):
            raise ValueError("no such host")
        if verb == "delay":
            self.delays[first] = float(names[1]) / 1000
            if self.delays[first] == 0:
                del self.delays[first]
        elif verb == "cut" and len(names) == 2:
            self.links.add(frozenset(names))
        elif verb == "heal" and len(names) == 2:
            self.links.discard(frozenset(names))
        elif verb == "heal":
            self.deaf.discard(first)
            self.mute.discard(first)
        elif verb in ("cut", "cut-to", "cut-from"):
            if verb != "cut-from":
                self.deaf.add(first)
            if verb != "cut-to":
                self.mute.add(first)
        else:
            raise ValueError("unknown command")

    def run(self, control):
        self.selector.register(control, selectors.EVENT_READ, (self.listen, None))
        rest = b""
        while True:
            for key, _ in self.selector.select(self.send_due()):
                handler, name = key.data
                if handler != self.listen:
                    handler(key.fileobj, name)
                    continue
                data = control.recv(4096)
                if not data:
                    return
                *lines, rest = (rest + data).split(b"\n")
                for line in lines:
                    control.sendall(self.answer(line.decode()).encode() + b"\n")

    def listen(self, *_):
        """Marks the control socket; `run` reads it."""

    def answer(self, line):
        try:
            self.command(line.split())
            return "ok"
        except (ValueError, IndexError) as error:
            return "no: %s: %s" % (line, error)


def main():
    folder, control_path = sys.argv[1:3]
    macs = {}
    for word in sys.argv[3:]:
        name, mac = word.split("=")
        macs[bytes.fromhex(mac.replace(":", ""))] = name
    switch = Switch(folder, macs)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(control_path)
    listener.listen(1)
    print("switch: ready", flush=True)
    control, _ = listener.accept()
    switch.run(control)


main()
