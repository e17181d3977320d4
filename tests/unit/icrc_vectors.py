#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
"""Write icrc_vectors.h: packets with the ICRC that others compute for them.

IPv4 packets get it from scapy. scapy has none for IPv6: there it is computed here
from the annex's words (A17.3.3), with zlib, on its own.

    tests/unit/icrc_vectors.py > tests/unit/icrc_vectors.h
"""

import struct
import zlib

from scapy.contrib.roce import AETH, BTH
from scapy.layers.inet import IP, UDP
from scapy.layers.inet6 import IPv6
from scapy.packet import Raw


def pattern(length):
    return bytes((7 * i + 3) & 0xff for i in range(length))


def reth(va, rkey, length):
    return struct.pack("!QII", va, rkey, length)


def ipv6_icrc(packet):
    """The ICRC of an IPv6 packet given from its IP header to its padding."""
    masked = bytearray(packet)
    masked[0] |= 0x0f                       # traffic class, upper half
    masked[1:4] = b"\xff" * 3               # its lower half, flow label
    masked[7] = 0xff                        # hop limit
    masked[46:48] = b"\xff" * 2             # UDP checksum
    masked[52] = 0xff                       # BTH resv8a
    return struct.pack("<I", zlib.crc32(b"\xff" * 8 + bytes(masked)))


def ipv4(bth, payload, checksum=0, **ip):
    udp = UDP(sport=0xc123, dport=4791, chksum=checksum)
    return bytes(IP(src="192.0.2.1", dst="198.51.100.7", flags="DF", **ip)
                 / udp / bth / payload)


def ipv6(bth, payload, checksum=0, **ip):
    bth.icrc = 0
    head = bytes(bth)[:12]
    body = head + bytes(payload)
    # Built by hand: scapy would move the bytes that it takes for the ICRC to the end.
    udp = struct.pack("!HHHH", 0xc123, 4791, 8 + len(body) + 4, checksum)
    packet = bytes(IPv6(src="2001:db8::1", dst="2001:db8:1::7", nh=17, plen=len(udp + body) + 4,
                        **ip)) + udp + body
    return packet + ipv6_icrc(packet)


def bodies():
    yield "send_only_pad_2", BTH(opcode=0x04, padcount=2, migreq=1, dqpn=0x11,
                                 psn=0x123456, ackreq=1), \
        Raw(pattern(6) + bytes(2))
    yield "write_first_256", BTH(opcode=0x06, migreq=1, dqpn=0xabcdef, psn=0xffffff), \
        Raw(reth(0x7f0102030405, 0xdeadbeef, 1000) + pattern(256))
    yield "write_only_1_resv8a", BTH(opcode=0x0a, padcount=3, fecn=1, becn=1, resv6=0x2a,
                                     solicited=1, dqpn=2, psn=0), \
        Raw(reth(0xfffffffffffff000, 1, 1) + pattern(1) + bytes(3))
    yield "ack", BTH(opcode=0x11, migreq=1, dqpn=0x77, psn=9), \
        AETH(syndrome=0x1f, msn=0x010203)
    yield "read_request", BTH(opcode=0x0c, migreq=1, dqpn=0x123, psn=0x800000, ackreq=1), \
        Raw(reth(0x1000, 0x100, 1 << 31))
    yield "send_middle_4096", BTH(opcode=0x01, migreq=1, dqpn=0x456, psn=1), \
        Raw(pattern(4096))


def vectors():
    fields = [{"tos": 0, "ttl": 64, "id": 1}, {"tos": 0xb9, "ttl": 255, "id": 0xfffe}]
    for i, (name, bth, payload) in enumerate(bodies()):
        yield "ipv4_" + name, ipv4(bth, payload, checksum=0x1234 * (i % 2), **fields[i % 2])
    fields = [{"tc": 0, "fl": 0, "hlim": 64}, {"tc": 0xb9, "fl": 0xabcde, "hlim": 1}]
    for i, (name, bth, payload) in enumerate(bodies()):
        yield "ipv6_" + name, ipv6(bth, payload, checksum=0x1234 * (i % 2), **fields[i % 2])


def c_array(data):
    lines = []
    for at in range(0, len(data), 12):
        lines.append("\t" + " ".join("0x%02x," % byte for byte in data[at:at + 12]))
    return "\n".join(lines)


def main():
    print("/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */")
    print("/* Written by icrc_vectors.py: packets from the IP header to the ICRC. */")
    print("#ifndef NOPIN_TEST_ICRC_VECTORS_H\n#define NOPIN_TEST_ICRC_VECTORS_H\n")
    names = []
    for name, data in vectors():
        # Most of a long payload is a pattern; the test generates that part itself.
        names.append((name, len(data)))
        keep = data if len(data) < 1000 else data[:-4 - 4096] + data[-4:]
        print("static const unsigned char %s[] = {\n%s\n};\n" % (name, c_array(keep)))
    print("static const struct icrc_vector {\n\tconst char *name;\n"
          "\tconst unsigned char *data;\n\tsize_t stored;\n"
          "\tsize_t len;\t/* with the pattern before the ICRC where it was left out */\n"
          "} icrc_vectors[] = {")
    for name, length in names:
        print("\t{\n\t\t\"%s\", %s,\n\t\tsizeof(%s), %d,\n\t}," % (name, name, name, length))
    print("};\n\n#endif /* NOPIN_TEST_ICRC_VECTORS_H */")


if __name__ == "__main__":
    main()
