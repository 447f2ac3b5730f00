"""Where a scan looks at photos: in this process, in several, or on a Dask cluster."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from facecluster.errors import UsageError

if TYPE_CHECKING:
    from facecluster.analyzer import Analyzer
    from facecluster.engines import Engine
    from facecluster.pipeline import Analyse

__all__ = ["Engines", "open_engines"]

# What hashes the files, and what analyses them; None is the scan's own choice.
Engines = tuple["Engine | None", "Analyse | None"]


def open_engines(
    opener: Callable[[], Analyzer], *, jobs: int | None, cluster: str | None
) -> tuple[Analyzer, Engines]:
    """An analyzer, and the engines of `--jobs` or `--dask`; opener opens one in a worker, too."""
    if cluster is not None and jobs:
        raise UsageError("--jobs is for this machine and --dask for a cluster: choose one.")
    from facecluster.engines import dask, processes
    from facecluster.pipeline import Elsewhere

    analyzer = opener()
    if cluster is not None:
        # The cluster hashes, too: this machine need not read each file over the network.
        engine = dask(cluster)
        return analyzer, (engine, Elsewhere(engine, opener, analyzer))
    if jobs:
        return analyzer, (None, Elsewhere(processes(jobs), opener, analyzer))
    return analyzer, (None, None)
