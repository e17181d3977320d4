#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
"""Makes two nodes exchange negative acknowledgements, for a capture.

usage: naks.py DEVICE GID-INDEX [SERVER]

A SEND for which the server posts its receive too late (RNR NAK), then a WRITE with
a key that is not the server's (NAK, remote access error).
"""
import pickle
import socket
import sys
import time

import pyverbs.enums as e
from pyverbs.addr import GID, AHAttr, GlobalRoute
from pyverbs.cq import CQ
from pyverbs.device import Context
from pyverbs.mr import MR
from pyverbs.pd import PD
from pyverbs.qp import QP, QPAttr, QPCap, QPInitAttr
from pyverbs.wr import SGE, RecvWR, SendWR

TCP_PORT = 18601
RIGHTS = e.IBV_ACCESS_LOCAL_WRITE | e.IBV_ACCESS_REMOTE_WRITE
PSN = 0xfffffe      # it wraps at once


def connect(server):
    if server:
        for _ in range(100):
            try:
                return socket.create_connection((server, TCP_PORT))
            except ConnectionRefusedError:
                time.sleep(0.1)
        sys.exit('cannot connect')
    with socket.create_server(('', TCP_PORT)) as listener:
        return listener.accept()[0]


def swap(stream, mine):
    pickle.dump(mine, stream)
    stream.flush()
    return pickle.load(stream)


def qp_connect(qp, theirs, gid_index, qpn):
    attr = QPAttr(port_num=1)
    attr.qp_access_flags = RIGHTS
    qp.to_init(attr)
    attr.dest_qp_num = qpn
    attr.rq_psn = attr.sq_psn = PSN
    attr.path_mtu = e.IBV_MTU_1024
    attr.min_rnr_timer = 14
    attr.timeout, attr.retry_cnt, attr.rnr_retry = 16, 7, 7
    attr.ah_attr = AHAttr(port_num=1, is_global=1, gr=GlobalRoute(
        dgid=GID(theirs), sgid_index=gid_index, hop_limit=64))
    qp.to_rts(attr)


def wait(cq):
    end = time.monotonic() + 30
    while time.monotonic() < end:
        count, done = cq.poll(1)
        if count:
            return done[0].status
    sys.exit('no completion')


def main():
    device, gid_index = sys.argv[1], int(sys.argv[2])
    server = sys.argv[3] if len(sys.argv) > 3 else None
    ctx = Context(name=device)
    pd = PD(ctx)
    cq = CQ(ctx, 16)
    mr = MR(pd, 8192, RIGHTS)
    cap = QPCap(max_send_wr=4, max_recv_wr=4)
    qp = QP(pd, QPInitAttr(qp_type=e.IBV_QPT_RC, scq=cq, rcq=cq, cap=cap), QPAttr())
    stream = connect(server).makefile('rwb')
    gid, qpn, address, rkey = swap(stream, (ctx.query_gid(1, gid_index).gid, qp.qp_num,
                                            mr.buf, mr.rkey))
    qp_connect(qp, gid, gid_index, qpn)
    swap(stream, 'connected')

    sge = SGE(mr.buf, 3000, mr.lkey)
    if server:
        qp.post_send(SendWR(num_sge=1, sg=[sge], opcode=e.IBV_WR_SEND))
        if wait(cq) != e.IBV_WC_SUCCESS:
            sys.exit('the SEND fails though it was to be repeated')
        forged = SendWR(num_sge=1, sg=[sge], opcode=e.IBV_WR_RDMA_WRITE)
        forged.set_wr_rdma(rkey ^ 0x5a, address)
        qp.post_send(forged)
        if wait(cq) != e.IBV_WC_REM_ACCESS_ERR:
            sys.exit('a WRITE with a forged key is not refused')
    else:
        time.sleep(0.5)
        qp.post_recv(RecvWR(num_sge=1, sg=[SGE(mr.buf, 8192, mr.lkey)]))
        if wait(cq) != e.IBV_WC_SUCCESS:
            sys.exit('nothing received')
    swap(stream, 'done')


if __name__ == '__main__':
    main()
