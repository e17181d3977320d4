#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
"""rds.py serve ADDRESS | echo ADDRESS SERVER BYTES: RDS over RDMA. A server that sends back
what it gets, and fetches a client's buffer by RDMA READ and fills it again by RDMA WRITE
where the client asks for that; a client that compares what comes back. For both BYTES are
the client's."""
import ctypes
import os
import random
import socket
import struct
import sys

AF_RDS, SOL_RDS = 21, 276
SO_RDS_TRANSPORT, RDS_TRANS_IB = 8, 0
RDMA_ARGS, RDMA_DEST, RDMA_MAP, RDMA_STATUS = 1, 2, 3, 4  # control messages
RDMA_READWRITE, RDMA_USE_ONCE, RDMA_NOTIFY = 0x01, 0x08, 0x20
PORT = 4000
TEXT, WINDOW, FETCHED, END = b"t", b"w", b"f", b"e"

libc = ctypes.CDLL(None, use_errno=True)


class Address(ctypes.Structure):
    """A sockaddr_in: Python's own calls do not know that RDS has these."""
    _fields_ = [("family", ctypes.c_ushort), ("port", ctypes.c_ubyte * 2),
                ("host", ctypes.c_ubyte * 4), ("zero", ctypes.c_ubyte * 8)]

    def __init__(self, host, port):
        super().__init__(socket.AF_INET, tuple(struct.pack(">H", port)),
                         tuple(socket.inet_aton(host)))


class Vector(ctypes.Structure):
    _fields_ = [("base", ctypes.c_void_p), ("length", ctypes.c_size_t)]


class Message(ctypes.Structure):
    """A msghdr."""
    _fields_ = [("name", ctypes.c_void_p), ("namelen", ctypes.c_uint),
                ("iov", ctypes.c_void_p), ("iovlen", ctypes.c_size_t),
                ("control", ctypes.c_void_p), ("controllen", ctypes.c_size_t),
                ("flags", ctypes.c_int)]


def checked(status):
    if status < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def opened(address, port):
    rds = socket.socket(AF_RDS, socket.SOCK_SEQPACKET, 0)
    rds.setsockopt(SOL_RDS, SO_RDS_TRANSPORT, struct.pack("i", RDS_TRANS_IB))
    checked(libc.bind(rds.fileno(), ctypes.byref(Address(address, port)), 16))
    return rds


def send(rds, to, data, control=b""):
    """A message to (host, port), with control messages."""
    name, body = Address(*to), ctypes.create_string_buffer(data, max(1, len(data)))
    iov = Vector(ctypes.addressof(body), len(data))
    words = ctypes.create_string_buffer(control, max(1, len(control)))
    message = Message(ctypes.addressof(name), 16, ctypes.addressof(iov), 1,
                      ctypes.addressof(words) if control else None, len(control), 0)
    checked(libc.sendmsg(rds.fileno(), ctypes.byref(message), 0))


def control(kind, *words):
    body = struct.pack("Q" * len(words), *words)
    return struct.pack("Nii", 16 + len(body), SOL_RDS, kind) + body


def rdma(cookie, memory, flags):
    """The control message that moves memory into, or out of, the window of cookie, and the
    vector that it points to."""
    vector = Vector(ctypes.addressof(memory), len(memory))
    return control(RDMA_ARGS, cookie, 0, len(memory), ctypes.addressof(vector), 1, flags, 7), vector


def told(ancillary, wanted):
    for level, kind, data in ancillary:
        if (level, kind) == (SOL_RDS, wanted):
            return data
    sys.exit(f"no control message {wanted}")


def fetch(rds, client, cookie, memory):
    """Returns when it is there. The client gets a message, too: RDS asks for no completion of
    the READ, and tells of it when the message behind it has been acknowledged."""
    words, _vector = rdma(cookie, memory, RDMA_NOTIFY)
    send(rds, client, FETCHED, words)
    token, status = struct.unpack("Qi", told(rds.recvmsg(0, 64)[1], RDMA_STATUS)[:12])
    if (token, status) != (7, 0):
        sys.exit(f"an RDMA READ ends with status {status}")


def inverted(data):
    return bytes(byte ^ 0xff for byte in data)


def serve_window(rds, client, request, ancillary):
    """The answer goes behind the WRITE."""
    cookie, = struct.unpack("Q", told(ancillary, RDMA_DEST))
    memory = (ctypes.c_char * struct.unpack("Q", request[1:])[0])()
    fetch(rds, client, cookie, memory)
    memory.raw = inverted(memory.raw)
    words, _vector = rdma(cookie, memory, RDMA_READWRITE)
    send(rds, client, request, words)


def serve(address):
    with opened(address, PORT) as rds:
        print("listens", flush=True)  # what comes before that, RDS drops
        while True:
            data, ancillary, _, client = rds.recvmsg(1 << 20, 256)
            if data[:1] == END:
                return
            if data[:1] == TEXT:
                send(rds, client, data)
            elif data[:1] == WINDOW:
                serve_window(rds, client, data, ancillary)


def echo_text(rds, server, rng):
    data = TEXT + rng.randbytes(rng.randrange(1, 100000))
    send(rds, server, data)
    if rds.recv(1 << 20) != data:
        sys.exit("what comes back differs")
    return len(data)


def echo_window(rds, server, rng):
    data = rng.randbytes(rng.randrange(1, 100000))
    memory = ctypes.create_string_buffer(data, len(data))
    request = WINDOW + struct.pack("Q", len(data))
    send(rds, server, request, control(RDMA_MAP, ctypes.addressof(memory), len(memory), 0,
                                       RDMA_READWRITE | RDMA_USE_ONCE))
    if (rds.recv(1 << 20), rds.recv(1 << 20)) != (FETCHED, request):
        sys.exit("the answers differ")
    if memory.raw != inverted(data):
        sys.exit("what was written by RDMA differs")
    return len(data)


def echo(address, host, total):
    rng, server = random.Random(1), (host, PORT)
    with opened(address, PORT + 1) as rds:
        for exchange in (echo_text, echo_window):
            moved = 0
            while moved < total:
                moved += exchange(rds, server, rng)
        send(rds, server, END)


if sys.argv[1] == "serve":
    serve(sys.argv[2])
else:
    echo(sys.argv[2], sys.argv[3], int(sys.argv[4]))
