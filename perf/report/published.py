# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
"""What others have published about page faults of hardware. Other machines, other
methods: to show the order of magnitude, not to compare."""

from dataclasses import dataclass

LESOKHIN = ("Lesokhin et al., Page Fault Support for Network Controllers, ASPLOS 2017")
SHEN = ("Shen et al., NP-RDMA: Using Commodity RDMA without Pinning Memory, "
        "arXiv:2310.11062, 2023")


@dataclass
class Published:
    """@us: where its line is drawn; @label: at the line"""

    us: float
    words: str
    text: str
    label: str
    source: str


PUBLISHED = (
    Published(3.5, "+3.5 to 5.7", "NP-RDMA: minor fault, beside the operation's own time",
              "NP-RDMA minor +3.5", SHEN),
    Published(5.7, "", "", "+5.7", SHEN),
    Published(60, "+60", "NP-RDMA: major fault, beside the operation's own time",
              "NP-RDMA major +60", SHEN),
    Published(220, "220", "mlx5 (ConnectX): fault of one page of 4 KiB", "mlx5 220", LESOKHIN),
)
