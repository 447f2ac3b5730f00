"""A trained network fitted to the people of one library, and judged on faces it never saw."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facecluster.errors import TrainingError
from facecluster.facenet.checkpoint import load
from facecluster.facenet.dataset import FaceTable
from facecluster.facenet.evaluation import all_pairs, validation_at_far
from facecluster.facenet.header import Header
from facecluster.facenet.training import (
    Step,
    Training,
    TrainingConfig,
    embed_mirrored,
    picture_size,
    train,
)

__all__ = [
    "TUNING",
    "DistanceMap",
    "Split",
    "Trial",
    "fit_distance_map",
    "split",
    "trial",
    "tune",
    "tuned_from",
]

Rows = NDArray[np.int64]
Vectors = NDArray[np.float32]

# Small steps that keep the network near what it was: the regression is on its own embeddings, and
# batch normalisation keeps the statistics of the many faces that it was trained on.
TUNING = TrainingConfig(
    steps=100,
    batch=32,
    P=12,
    K=4,
    triplet_weight=1.0,
    distill_weight=2.0,
    learning_rate=1e-4,
    weight_decay=0.0,
    warmup=20,
    cooldown=50,
    averaging=0.98,
    frozen_statistics=True,
)
_PEOPLE, _FACES = 6, 3
# A rate is counted only where so many false accepts are allowed: fewer are chance.
_RATES, _ACCEPTS = (1e-3, 1e-2, 1e-1), 10


@dataclass(frozen=True, slots=True)
class Split:
    """Rows to train on, and the rows held back: all faces of some people, later days of others."""

    train: Rows
    people: Rows
    dates: Rows


def split(identities: Rows, days: Rows, *, share: float, seed: int) -> Split:
    """Hold out a share of the people and, of everybody else, of the latest days.

    identities (N,) are -1 where nobody knows: these faces are for training. days (N,) are whole
    numbers, -1 = unknown, which counts as early. A day is held whole, so that pictures of one
    moment are never on both sides, and two faces of everybody stay. TrainingError, with what is
    needed, when there are too few people.
    """
    values, counts = np.unique(identities[identities >= 0], return_counts=True)
    enough = values[counts >= _FACES]
    if len(enough) < _PEOPLE:
        raise TrainingError(
            f"Tuning needs {_PEOPLE} people with {_FACES} named faces each: there "
            f"{'is' if len(enough) == 1 else 'are'} {len(enough)}. Name more groups first."
        )
    count = max(2, round(share * len(enough)))
    held = np.random.default_rng((seed, 7)).permutation(enough)[:count]
    people = np.isin(identities, held)
    dates = np.zeros(len(identities), dtype=np.bool_)
    for identity in np.setdiff1d(values, held):
        rows = np.flatnonzero(identities == identity)
        dates[rows[_late(days[rows], share)]] = True
    return Split(*(np.flatnonzero(rows) for rows in (~(people | dates), people, dates)))


def _late(days: Rows, share: float) -> NDArray[np.bool_]:
    """Which of a person's faces are of the latest days, as many days as make up to that share."""
    most = min(round(share * len(days)), len(days) - 2)
    late = np.zeros(len(days), dtype=np.bool_)
    for day in np.unique(days[days >= 0])[::-1]:
        if (days >= day).sum() > most:
            break
        late = days >= day
    return late


def tuned_from(path: Path, config: TrainingConfig) -> Training:
    """A training that begins with the network in the file, at its own picture size."""
    network, header = load(path)
    if not header.batch_norm:
        raise TrainingError(f"{path} has no batch normalisation, which training needs.")
    size = header.height if header.height == header.width else 0
    training = Training(
        dataclasses.replace(
            config, architecture=header.architecture, dimension=header.dimension, image_size=size
        )
    )
    for part in (training.network, training.average):
        part.load_state_dict(network.state_dict())
    return training


def tune(training: Training, table: FaceTable) -> Iterator[Step]:
    """Train on the table's people by triplets, held to the network's own embeddings of all faces.

    The averaged network is the result. TrainingError when the people are too few for a batch.
    """
    config = training.config
    own = embed_mirrored(training.average, table, size=picture_size(config))
    counts = np.unique(table.identities[table.identities >= 0], return_counts=True)[1]
    pairs = int((counts > 1).sum())  # people with one face make no triplets
    training.config = dataclasses.replace(
        config, P=max(2, min(config.P, pairs)), batch=min(config.batch, len(table))
    )
    yield from train(training, dataclasses.replace(table, targets=own))


@dataclass(frozen=True, slots=True)
class Trial:
    """VAL before and after at one FAR, over all pairs of some faces."""

    same: int
    different: int
    far: float
    before: float
    after: float


def trial(identities: Rows, before: Vectors, after: Vectors) -> Trial | None:
    """Both networks' VAL at the lowest FAR that the pairs can tell, each at its own threshold.

    identities (N,), vectors (N, D) and (N, D'). None when there are fewer than a hundred pairs of
    two people, or none of one.
    """
    pairs = [all_pairs(identities, vectors) for vectors in (before, after)]
    same, different = (len(kind) for kind in pairs[0])
    rates = [far for far in _RATES if far * different >= _ACCEPTS - 1e-9]
    if not rates or not same:
        return None
    old, new = (validation_at_far(mine, others, rates[0]) for mine, others in pairs)
    return Trial(same, different, rates[0], old, new)


@dataclass(frozen=True, slots=True)
class DistanceMap:
    """Squared distances of a network before, as the tuned one has them: offset + factor x d."""

    offset: float
    factor: float

    def __call__(self, distance: float) -> float:
        """The tuned network's squared distance, kept above 0 and to 4."""
        return min(4.0, max(1e-6, self.offset + self.factor * distance))

    def moved(self, header: Header) -> Header:
        """The header with all that it says of distances said of the tuned network's."""
        thresholds = {use: self(value) for use, value in header.thresholds.items()}
        old = header.calibration
        if old is None:
            return dataclasses.replace(header, thresholds=thresholds)
        new = dataclasses.replace(
            old,
            source=f"{old.source}; moved as the distances of a library's strangers did",
            slope=old.slope / self.factor,
            intercept=old.intercept - old.slope * self.offset / self.factor,
            rates=tuple(
                dataclasses.replace(rate, threshold=self(rate.threshold)) for rate in old.rates
            ),
        )
        return dataclasses.replace(header, thresholds=thresholds, calibration=new)


def fit_distance_map(identities: Rows, before: Vectors, after: Vectors) -> DistanceMap:
    """The map from a network's squared distances to the tuned one's that keeps each FAR as it was.

    identities (N,), the same faces' unit rows by both networks (N, D). A straight line through the
    quantiles of both networks' distances of different pairs, over the nearest fifth of them;
    distances below the nearest pair are on the same line.
    """
    shares = np.linspace(0.01, 0.2, 20)
    old, new = (np.quantile(all_pairs(identities, rows)[1], shares) for rows in (before, after))
    spread = float(((old - old.mean()) ** 2).sum())
    factor = float(((old - old.mean()) * (new - new.mean())).sum() / spread) if spread else 1.0
    factor = max(factor, 1e-3)  # quantiles rise; only rounding could make it flat
    return DistanceMap(float(new.mean() - factor * old.mean()), factor)
