#!/usr/bin/env python3
"""A BGP speaker that does what no daemon does: listens at ADDRESS, and for each connection plays a script.

    speaker.py ADDRESS STEP ...

Steps: open[:AS[:HOLD]] keepalive notify:CODE:SUBCODE[:HEX] send:HEX text:TEXT read (a message) sleep:SECONDS
       alive:SECONDS (a KEEPALIVE each second, reads nothing) hang (for good) close
"""
import socket, struct, sys, threading, time


def message(kind, body=b""):
    return b"\xff" * 16 + struct.pack(">HB", 19 + len(body), kind) + body


def play(connection, own, steps):
    for step in steps:
        name, _, rest = step.partition(":")
        fields = rest.split(":") if rest else []
        if name == "open":
            asn, hold = int(fields[0]) if fields else 65002, int(fields[1]) if len(fields) > 1 else 9
            capabilities = b"\x01\x04\x00\x01\x00\x01" + b"\x41\x04" + struct.pack(">I", asn)
            body = struct.pack(">BHH", 4, asn, hold) + socket.inet_aton(own)
            connection.sendall(message(1, body + bytes([len(capabilities) + 2, 2, len(capabilities)]) + capabilities))
        elif name == "keepalive":
            connection.sendall(message(4))
        elif name == "notify":
            data = bytes.fromhex(fields[2]) if len(fields) > 2 else b""
            connection.sendall(message(3, bytes([int(fields[0]), int(fields[1])]) + data))
        elif name == "send":
            connection.sendall(bytes.fromhex(rest))
        elif name == "text":
            connection.sendall(rest.encode() + b"\r\n")
        elif name == "read":
            head = connection.recv(19, socket.MSG_WAITALL)
            if len(head) == 19:
                connection.recv(struct.unpack(">H", head[16:18])[0] - 19, socket.MSG_WAITALL)
        elif name == "sleep":
            time.sleep(float(rest))
        elif name == "alive":
            for _ in range(int(rest)):
                connection.sendall(message(4))
                time.sleep(1)
        elif name == "hang":
            time.sleep(1000)
    connection.close()


def guarded(connection, own, steps):
    try:
        play(connection, own, steps)
    except OSError:
        pass


own, steps = sys.argv[1], sys.argv[2:]
listener = socket.socket()
listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
if any(step.startswith("alive") for step in steps):
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
listener.bind((own, 179))
listener.listen(16)
while True:
    connection, _ = listener.accept()
    threading.Thread(target=guarded, args=(connection, own, steps), daemon=True).start()
