"""Time and memory of grouping, as one Markdown table; every ratio is of figures of this one run.

    python tests/benchmarks/bench_grouping.py [--sizes 2000 5000] [--scipy 20000] [--rounds 1]

The faces are made: a long tail of people (sizes by Zipf's law, exponent 1.6, the largest a
twentieth of all), same people 0.9 apart on average, strangers 2.0, 128 dimensions, seed 0.
`product` is one symmetric n x n x 128 product in single precision by blocks: the floor.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import time
import tracemalloc

import numpy as np

from facecluster.grouping import Constraints, cut, group, linkage

THRESHOLD = 1.1


def faces(n, seed=0):
    """n unit rows of people with a long tail of sizes, in no order."""
    chance = np.random.default_rng(seed)
    sizes = np.minimum(chance.zipf(1.6, size=n), n // 20 + 1)
    who = np.repeat(np.arange(n), sizes)[:n]
    chance.shuffle(who)
    centres = chance.normal(size=(int(who.max()) + 1, 128))
    centres /= np.linalg.norm(centres, axis=1, keepdims=True)
    rows = centres[who] + chance.normal(size=(n, 128)) * 0.9 / np.sqrt(128)
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def ours(rows):
    tree = linkage(rows, threshold=THRESHOLD, constraints=Constraints.none(len(rows)))
    return cut(tree, THRESHOLD)


def joined(rows):
    return group(
        rows,
        method="agglomerative",
        threshold=THRESHOLD,
        k=None,
        constraints=Constraints.none(len(rows)),
    )


def scipys(rows):
    from scipy.cluster.hierarchy import fcluster
    from scipy.cluster.hierarchy import linkage as textbook
    from scipy.spatial.distance import pdist

    wide = rows.astype(np.float64)
    wide /= np.linalg.norm(wide, axis=1, keepdims=True)
    return fcluster(textbook(pdist(wide, "sqeuclidean"), "average"), THRESHOLD, "distance")


def product(rows, tile=512):
    block = np.empty((tile, tile), dtype=np.float32)
    for top in range(0, len(rows), tile):
        for left in range(top, len(rows), tile):
            a, b = rows[top : top + tile], rows[left : left + tile]
            np.matmul(a, b.T, out=block[: len(a), : len(b)])
    return None


def other(method):
    def run(rows):
        return group(
            rows,
            method=method,
            threshold=THRESHOLD,
            k=None,
            constraints=Constraints.none(len(rows)),
        )

    return run


def measured(work, rows, rounds):
    """The result, the median wall and processor seconds, and the spread of the wall seconds."""
    walls, cpus = [], []
    for _ in range(rounds):
        wall, cpu = time.perf_counter(), time.process_time()
        result = work(rows)
        walls.append(time.perf_counter() - wall)
        cpus.append(time.process_time() - cpu)
    return result, statistics.median(walls), statistics.median(cpus), max(walls) - min(walls)


def peak(work, rows):
    """Bytes allocated at most while working, beside the rows."""
    tracemalloc.start()
    work(rows)
    top = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return top


def same(one, other):
    together = np.unique(np.stack([one, other], axis=1), axis=0)
    return len(together) == len(np.unique(one)) == len(np.unique(other))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[2_000, 5_000])
    parser.add_argument("--scipy", type=int, default=5_000, help="largest n for scipy")
    parser.add_argument("--methods", type=int, default=5_000, help="largest n for the others")
    parser.add_argument("--memory", type=int, default=20_000, help="largest n to trace memory")
    parser.add_argument("--rounds", type=int, default=1)
    chosen = parser.parse_args()
    print("| n | what | wall s (spread) | processor s | x product (processor) | peak MB | note |")
    print("|---|---|---|---|---|---|---|")
    for n in chosen.sizes:
        rows = faces(n)
        _, wall, floor, spread = measured(product, rows, chosen.rounds)
        print(f"| {n} | product | {wall:.2f} ({spread:.2f}) | {floor:.2f} | 1.0 | | |")
        runs = [("average linkage", ours), ("and joined by centroids", joined)]
        if n <= chosen.methods:
            runs += [("kmeans", other("kmeans")), ("hdbscan", other("hdbscan"))]
        if n <= chosen.scipy:
            runs.append(("scipy linkage", scipys))
        first, quick = None, 0.0
        for name, work in runs:
            labels, wall, cpu, spread = measured(work, rows, chosen.rounds)
            note = f"{len(np.unique(labels))} groups"
            if first is None:
                first, quick = labels, cpu
            elif name == "scipy linkage":
                note = "identical" if same(first, labels) else "DIFFERENT"
                note += f", {cpu / quick:.0f} x ours"
            memory = ""
            if work is ours and n <= chosen.memory:
                top = peak(work, rows)
                memory = f"{top / 1e6:.0f} = {top / rows.nbytes:.1f} x vectors"
            print(
                f"| {n} | {name} | {wall:.2f} ({spread:.2f}) | {cpu:.2f} | {cpu / floor:.1f} "
                f"| {memory} | {note} |",
                flush=True,
            )
    # In kilobytes on Linux.
    whole = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    print(f"\nPeak of the whole process, interpreter and faces included: {whole:.0f} MB")


if __name__ == "__main__":
    main()
