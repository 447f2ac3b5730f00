"""A Dask cluster of two worker processes: prints its address, ends when its input does.

A program, as Dask's workers run the main module of the program that starts them once more. Its
argument, if any, is another number of workers.
"""

import sys

if __name__ == "__main__":
    import dask
    from distributed import LocalCluster

    dask.config.set({"distributed.scheduler.allowed-failures": 0})
    workers = int(sys.argv[1]) if sys.argv[1:] else 2
    with LocalCluster(
        n_workers=workers, threads_per_worker=1, dashboard_address=None, silence_logs=60
    ) as cluster:
        print(cluster.scheduler_address, flush=True)
        sys.stdin.read()
