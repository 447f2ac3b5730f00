"""Ways to map a function over items, in order, never far ahead of who takes the results."""

from facecluster.engines.cluster import dask
from facecluster.engines.here import Engine, WorkerLost, serial, threads
from facecluster.engines.pool import processes

__all__ = ["Engine", "WorkerLost", "dask", "processes", "serial", "threads"]
