#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
"""Checks a capture of RoCEv2 traffic, packet by packet.

usage: wire.py CAPTURE WORDS [packed|late|newer]

tshark decodes it: every packet as InfiniBand, none malformed, and every kind that
is wanted is there; or, with "packed", packets that were packed in one buffer and
taken apart by the stack: those have UDP checksums, which are right; or, with "late",
what a responder sends while a READ waits for a page; or, with "newer", the kinds of
annex A19. Every ICRC is computed again from the specification (InfiniBand architecture,
annex A17), and those of some packets of each kind by scapy's contrib.roce where that can,
over IPv4. Prints PASS, FAIL and SKIP lines; WORDS end their names.
"""
import collections
import subprocess
import sys
import zlib

# BTH opcodes of RC and UD, as the specification names them.
WANTED = {
    0: 'SEND First', 1: 'SEND Middle', 2: 'SEND Last', 3: 'SEND Last with Immediate',
    4: 'SEND Only', 5: 'SEND Only with Immediate',
    6: 'RDMA WRITE First', 7: 'RDMA WRITE Middle', 8: 'RDMA WRITE Last',
    9: 'RDMA WRITE Last with Immediate', 10: 'RDMA WRITE Only',
    11: 'RDMA WRITE Only with Immediate', 12: 'RDMA READ Request',
    13: 'RDMA READ response First', 14: 'RDMA READ response Middle',
    15: 'RDMA READ response Last', 16: 'RDMA READ response Only',
    17: 'Acknowledge', 18: 'ATOMIC Acknowledge', 19: 'CmpSwap', 20: 'FetchAdd',
    22: 'SEND Last with Invalidate', 23: 'SEND Only with Invalidate',
    100: 'UD SEND Only (connection management)', 129: 'Congestion Notification',
}
# Of annex A19, and what answers them.
NEWER = {16: 'RDMA READ response Only', 28: 'FLUSH', 29: 'ATOMIC WRITE'}
SYNDROMES = {0: 'ACK', 1: 'RNR NAK', 3: 'NAK'}
AETH_OPCODES = (13, 15, 16, 17, 18)
CNP = 129
SCAPY_PACKETS = 100     # of each kind
CE = 3          # of the traffic class: congestion experienced

FIELDS = ['frame.number', 'frame.protocols', '_ws.malformed', '_ws.expert.message',
          'infiniband.bth.opcode', 'infiniband.invariant.crc',
          'udp.checksum', 'udp.checksum.status']

failures = 0


def say(verdict, name, reason=''):
    global failures
    failures += verdict == 'FAIL'
    print(f'{verdict} {name} {WORDS}' + (f': {reason}' if reason else ''), flush=True)


def heuristics():
    """tshark's guesses at what a payload may be, by protocol; ours is random bytes."""
    done = subprocess.run(['tshark', '-G', 'heuristic-decodes'], capture_output=True,
                          text=True, check=True)
    for line in done.stdout.splitlines():
        words = line.split('\t')
        if words[0] == 'infiniband.payload' and words[1] != 'ethertype':
            yield words[1]


def tshark(path):
    command = ['tshark', '-n', '-r', path, '-T', 'fields', '-E', 'separator=/t',
               '-o', 'udp.check_checksum:TRUE', '--disable-heuristic', 'eth_over_ib']
    for guess in heuristics():
        command += ['--disable-protocol', guess]
    for field in FIELDS:
        command += ['-e', field]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    for line in done.stdout.splitlines():
        yield dict(zip(FIELDS, line.split('\t')))


def frames(path):
    """The frames' bytes, whatever the capture's format."""
    from scapy.utils import RawPcapNgReader, RawPcapReader
    try:
        reader = RawPcapNgReader(path)
    except Exception:  # scapy has an exception of its own for each format
        reader = RawPcapReader(path)
    for data, _ in reader:
        yield bytes(data)


def icrc(packet):
    """The ICRC of an IP packet, computed from annex A17's words.

    The CRC is Ethernet's, over 64 bits of ones in place of the LRH, then the packet
    without its last 4 bytes, with all bits of what routers change set: traffic
    class, flow label, hop limit, checksums, and the BTH's resv8a.
    """
    data = bytearray(packet[:-4])
    if data[0] >> 4 == 4:
        bth = (data[0] & 15) * 4 + 8
        data[1] = 0xff                      # TOS
        data[8] = 0xff                      # TTL
        data[10:12] = b'\xff\xff'           # header checksum
    else:
        bth = 40 + 8
        data[0] |= 0x0f                     # traffic class, flow label
        data[1:4] = b'\xff\xff\xff'
        data[7] = 0xff                      # hop limit
    data[bth - 2:bth] = b'\xff\xff'         # UDP checksum
    data[bth + 4] = 0xff                    # resv8a: FECN, BECN, reserved
    return zlib.crc32(bytes(data), zlib.crc32(b'\xff' * 8)).to_bytes(4, 'little')


def scapy_icrc(packet):
    """The same by scapy, which knows IPv4 only; None if it cannot."""
    from scapy.contrib.roce import BTH
    from scapy.layers.inet import IP
    if packet[0] >> 4 != 4:
        return None
    parsed = IP(packet)
    if BTH not in parsed:
        return None
    return parsed[BTH].compute_icrc(b'')


def ip_of(frame):
    """The IP packet of an Ethernet frame, without padding, or None."""
    if frame[12:14] == b'\x08\x00':
        length = int.from_bytes(frame[16:18], 'big')
    elif frame[12:14] == b'\x86\xdd':
        length = 40 + int.from_bytes(frame[18:20], 'big')
    else:
        return None
    return frame[14:14 + length]


def check_decoding(rows):
    others = [r['frame.number'] for r in rows if 'infiniband' not in r['frame.protocols']]
    broken = [r['frame.number'] for r in rows
              if r['_ws.malformed'] or 'Malformed' in r['_ws.expert.message']]
    if others:
        say('FAIL', 'tshark decodes every packet', f'not frames {others[:10]}')
    else:
        say('PASS', f'tshark decodes every packet ({len(rows)})')
    if broken:
        say('FAIL', 'none is malformed', f'frames {broken[:10]}')
    else:
        say('PASS', 'none is malformed')


def bth_of(packet):
    """Where the BTH begins."""
    return (packet[0] & 15) * 4 + 8 if packet[0] >> 4 == 4 else 48


def check_kinds(packets, wanted, wanted_syndromes):
    opcodes, syndromes = collections.Counter(), collections.Counter()
    for packet in packets:
        bth = bth_of(packet)
        opcodes[packet[bth]] += 1
        if packet[bth] in AETH_OPCODES:
            syndromes[packet[bth + 12] >> 5 & 3] += 1
    for opcode, name in wanted.items():
        if opcodes[opcode]:
            say('PASS', f'captured {name}, {opcodes[opcode]} times')
        else:
            say('FAIL', f'captured {name}', 'never')
    for syndrome, name in wanted_syndromes.items():
        if syndromes[syndrome]:
            say('PASS', f'captured syndrome {name}, {syndromes[syndrome]} times')
        else:
            say('FAIL', f'captured syndrome {name}', 'never')


def ecn_of(packet):
    return (packet[1] if packet[0] >> 4 == 4 else packet[1] >> 4) & 3


def ends_of(packet):
    """Source and destination."""
    return (packet[12:16], packet[16:20]) if packet[0] >> 4 == 4 else \
        (packet[8:24], packet[24:40])


def is_cnp(packet):
    """As annex A17.9.3 draws it: BECN, a PSN of 0, 16 bytes of zeros."""
    bth = bth_of(packet)
    return packet[bth + 1] & 0x3f == 0 and packet[bth + 4] == 0x40 and \
        not any(packet[bth + 8:-4]) and len(packet) == bth + 12 + 16 + 4


def check_congestion(packets):
    """Marked packets are answered, and nothing else is."""
    marked, unasked, odd = collections.Counter(), [], []
    for number, packet in enumerate(packets, 1):
        source, destination = ends_of(packet)
        if packet[bth_of(packet)] != CNP:
            marked[source, destination] += ecn_of(packet) == CE
            continue
        if not marked[destination, source]:
            unasked.append(number)
        if not is_cnp(packet):
            odd.append(number)
    if not sum(marked.values()) or unasked:
        say('FAIL', 'CNPs answer marked packets',
            f'packets {unasked[:10]} answer none' if unasked else 'none was marked')
    else:
        say('PASS', f'CNPs answer marked packets ({sum(marked.values())})')
    if odd:
        say('FAIL', 'CNPs are of the form that annex A17 gives', f'not packets {odd[:10]}')
    else:
        say('PASS', 'CNPs are of the form that annex A17 gives')


def check_packed(rows):
    packed = [r for r in rows if int(r['udp.checksum'], 16)]
    wrong = [r['frame.number'] for r in packed
             if r['udp.checksum.status'] not in ('1', 'Good')]
    if not packed or wrong:
        say('FAIL', 'UDP checksums of packed packets',
            f'wrong in frames {wrong[:10]}' if packed else 'there are none')
    else:
        say('PASS', f'UDP checksums of packed packets ({len(packed)})')


def check_late(packets):
    """An ACK that comes behind a READ's first response would end the READ for rxe."""
    signs, acks, read = 0, 0, None
    for packet in packets:
        bth = bth_of(packet)
        opcode, psn = packet[bth], int.from_bytes(packet[bth + 9:bth + 12], 'big')
        if opcode == 12:
            read = psn
        elif read is not None and opcode == 17:
            acks += 1
        elif read is not None and opcode == 16 and psn != read:
            signs += 1
        elif opcode in (15, 16):
            read = None
    if acks or not signs:
        say('FAIL', 'no ACK while a READ waits for a page',
            f'{acks} ACKs and {signs} other signs of life')
    else:
        say('PASS', f'no ACK while a READ waits for a page ({signs} other signs of life)')


def some_of_each(packets):
    """With their numbers: scapy takes milliseconds for each, and much more in a VM."""
    seen = collections.Counter()
    for number, packet in enumerate(packets, 1):
        opcode = packet[bth_of(packet)]
        seen[opcode] += 1
        if seen[opcode] <= SCAPY_PACKETS:
            yield number, packet


def check_icrc(packets):
    by_spec = [n for n, p in enumerate(packets, 1) if icrc(p) != p[-4:]]
    if by_spec:
        say('FAIL', 'ICRC by the specification', f'packets {by_spec[:10]}')
    else:
        say('PASS', f'ICRC by the specification ({len(packets)} packets)')
    verdicts = [(n, scapy_icrc(p), p[-4:]) for n, p in some_of_each(packets)]
    known = [v for v in verdicts if v[1] is not None]
    wrong = [n for n, theirs, ours in known if theirs != ours]
    if not known:
        say('SKIP', "ICRC by scapy's contrib.roce", 'it has none over IPv6')
    elif wrong or len(known) != len(verdicts):
        say('FAIL', "ICRC by scapy's contrib.roce",
            f'packets {wrong[:10]}, {len(verdicts) - len(known)} not known to it')
    else:
        say('PASS', f"ICRC by scapy's contrib.roce ({len(known)} packets)")


def main():
    rows = list(tshark(sys.argv[1]))
    packets = [p for p in map(ip_of, frames(sys.argv[1])) if p]
    if len(rows) != len(packets) or not rows:
        say('FAIL', 'capture', f'{len(packets)} packets, {len(rows)} by tshark')
        return 1
    check_decoding(rows)
    if sys.argv[3:] == ['packed']:
        check_packed(rows)
    elif sys.argv[3:] == ['late']:
        check_late(packets)
    elif sys.argv[3:] == ['newer']:
        check_kinds(packets, NEWER, {})
    else:
        check_kinds(packets, WANTED, SYNDROMES)
        check_congestion(packets)
    check_icrc(packets)
    return 1 if failures else 0


if __name__ == '__main__':
    WORDS = sys.argv[2]
    sys.exit(main())
