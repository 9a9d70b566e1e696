"""Unfolds and folds with ClusterShell's NodeSet: the seconds of each, best of as many rounds as are given."""

import sys
import time

from ClusterShell.NodeSet import NodeSet, expand, fold

text, rounds = sys.argv[1], int(sys.argv[2])


def best(work):
    times = []
    for _ in range(rounds):
        began = time.perf_counter()
        made = work()
        times.append(time.perf_counter() - began)
    return min(times), made


unfolding, names = best(lambda: expand(text))
folding, folded = best(lambda: fold(",".join(names)))
listed, same = best(lambda: str(NodeSet.fromlist(names)))
assert len(names) == 100_000 and NodeSet(folded) == NodeSet(text) and same == folded
# Whichever of its two ways to fold is the faster.
print(unfolding, min(folding, listed))
