#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
"""smc.py eid NAME | serve ADDRESS | echo ADDRESS BYTES: an enterprise ID for SMC-Rv2, as
`smcr ueid add` adds it; a server that sends back what it gets; a client that compares
what comes back."""
import random
import socket
import struct
import sys

IPPROTO_SMC = 256
NETLINK_GENERIC, GENL_ID_CTRL, CTRL_CMD_GETFAMILY, CTRL_ATTR_FAMILY_NAME = 16, 16, 3, 2
SMC_NETLINK_ADD_UEID, SMC_NLA_EID_TABLE_ENTRY = 10, 1
PORT = 5001


def attribute(kind, data):
    data = struct.pack("HH", 4 + len(data), kind) + data
    return data + bytes(-len(data) % 4)


def request(nl, family, command, attributes):
    body = struct.pack("BBH", command, 1, 0) + attributes
    nl.send(struct.pack("IHHII", 16 + len(body), family, 5, 1, 0) + body)
    return nl.recv(65536)


def check_answer(answer):
    kind, error = struct.unpack_from("H", answer, 4)[0], struct.unpack_from("i", answer, 16)[0]
    if kind == 2 and error:
        sys.exit(f"netlink: error {error}")


def family_id(nl, name):
    answer = request(nl, GENL_ID_CTRL, CTRL_CMD_GETFAMILY,
                     attribute(CTRL_ATTR_FAMILY_NAME, name + b"\0"))
    check_answer(answer)
    at = 20
    while at < len(answer):
        length, kind = struct.unpack_from("HH", answer, at)
        if kind == 1:
            return struct.unpack_from("H", answer, at + 4)[0]
        at += length + -length % 4
    sys.exit("there is no SMC")


def eid(name):
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_GENERIC) as nl:
        nl.bind((0, 0))
        family = family_id(nl, b"SMC_GEN_NETLINK")
        nl.recv(65536)  # the acknowledgment of the first request
        check_answer(request(nl, family, SMC_NETLINK_ADD_UEID,
                             attribute(SMC_NLA_EID_TABLE_ENTRY, name.ljust(32).encode() + b"\0")))


def serve(address):
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, IPPROTO_SMC) as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind((address, PORT))
        server.listen()
        connection, _ = server.accept()
        while data := connection.recv(65536):
            connection.sendall(data)
        connection.close()


def echo(address, total):
    rng = random.Random(1)
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, IPPROTO_SMC) as client:
        client.connect((address, PORT))
        while total > 0:
            data = rng.randbytes(rng.randrange(1, 100000))
            client.sendall(data)
            back = b""
            while len(back) < len(data):
                piece = client.recv(len(data) - len(back))
                if not piece:
                    sys.exit("the server is gone")
                back += piece
            if back != data:
                sys.exit("what comes back differs")
            total -= len(data)


if sys.argv[1] == "eid":
    eid(sys.argv[2])
elif sys.argv[1] == "serve":
    serve(sys.argv[2])
else:
    echo(sys.argv[2], int(sys.argv[3]))
