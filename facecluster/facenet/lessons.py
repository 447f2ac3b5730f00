"""A whole training run that can be stopped: kept in a folder, validated on people held out.

A `Lesson` is the run's folder; a sitting is what one process does of it, going on where the last
one stopped; a `Verdict` is one validation, by which the best network and early stopping are chosen.
"""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facecluster.errors import TrainingError
from facecluster.facenet import evaluation, parallel
from facecluster.facenet.augment import MEAN, STD
from facecluster.facenet.checkpoint import load, save
from facecluster.facenet.dataset import FaceTable, hold_out
from facecluster.facenet.header import Header
from facecluster.facenet.tensor_file import read_tensors, write_tensors
from facecluster.facenet.training import (
    Step,
    Training,
    embed_mirrored,
    picture_size,
    train,
)

__all__ = ["Lesson", "Verdict", "begin", "divide", "judge", "learn", "publish"]

# Enough pairs of each kind to judge by; more would take longer than the steps between.
_PAIRS = 200_000
_FAR = 1e-2


@dataclass(frozen=True, slots=True)
class Verdict:
    """How the averaged network does on people never trained on: VAL at FAR 1e-2, and EER.

    across is VAL of its vectors against an old network's, in harmonic training.
    """

    number: int
    val: float
    equal_error_rate: float
    across: float | None = None

    @property
    def merit(self) -> tuple[float, float]:
        """More is better: VAL, the lower of both if there are two; then, as young networks have
        none, EER."""
        across = self.val if self.across is None else self.across
        return min(self.val, across), -self.equal_error_rate


@dataclass(frozen=True, slots=True)
class Lesson:
    """Where a training is kept: its state, the best network so far, and its log, train.jsonl."""

    folder: Path

    @property
    def state(self) -> Path:
        """All that goes on."""
        return self.folder / "state.pt"

    @property
    def best(self) -> Path:
        """The averaged weights that did best on the people held out, and their verdict."""
        return self.folder / "best.pt"

    @property
    def log(self) -> Path:
        """A line of JSON for each verdict and every tenth step."""
        return self.folder / "train.jsonl"

    @property
    def held(self) -> Path:
        """The names of the people held out, as JSON."""
        return self.folder / "held.json"

    @property
    def has_begun(self) -> bool:
        """Whether there is something to go on from."""
        return self.state.is_file()

    def verdicts(self) -> list[Verdict]:
        """All verdicts until now."""
        if not self.log.is_file():
            return []
        found: list[Verdict] = []
        try:
            for line in map(json.loads, self.log.read_text(encoding="utf-8").splitlines()):
                if "val" in line:
                    verdict = Verdict(**line)
                    # What a training had after the step that it went on from never was.
                    found = [one for one in found if one.number < verdict.number] + [verdict]
        except (OSError, ValueError, TypeError) as error:
            raise TrainingError(f"{self.log} is damaged: {error}.") from error
        return found

    def since_best(self) -> int:
        """How many verdicts came after the best."""
        merits = [one.merit for one in self.verdicts()]
        return len(merits) - 1 - merits.index(max(merits)) if merits else 0


def divide(
    lesson: Lesson, table: FaceTable, people: Sequence[str], share: float, *, seed: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The rows to train on and those to judge by: of a new lesson as `hold_out` chooses them.

    people (N,) are the names of who the faces show. A lesson that has begun goes on holding out the
    same people, and trains on all others, whoever came since: so it is never judged by people that
    it was trained on, and all its verdicts are of the same ones.
    """
    if lesson.has_begun and lesson.held.is_file():
        try:
            names = set(json.loads(lesson.held.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError) as error:
            raise TrainingError(
                f"{lesson.held} is damaged: delete {lesson.folder} to begin anew."
            ) from error
        held = np.array([name in names for name in people], dtype=np.bool_)
        return np.flatnonzero(~held), np.flatnonzero(held)
    rows, kept = hold_out(table, share, seed=seed)
    if parallel.is_first():
        lesson.folder.mkdir(parents=True, exist_ok=True)
        partial = lesson.held.with_suffix(".part")
        partial.write_text(json.dumps(sorted({people[row] for row in kept})), encoding="utf-8")
        partial.replace(lesson.held)
    return rows, kept


def begin(training: Training, lesson: Lesson, *, start: Path | None) -> bool:
    """Go on from the lesson's state if there is one (True), else from the weights in `start`."""
    lesson.folder.mkdir(parents=True, exist_ok=True)
    if parallel.is_first():
        _drop_torn_line(lesson.log)
        lesson.verdicts()  # a log that is damaged is told now, not at the next verdict
    if lesson.has_begun:
        training.resume(lesson.state)
        return True
    if start is not None:
        network, header = load(start)
        for part in ("architecture", "dimension"):
            there, here = getattr(header, part), getattr(training.config, part)
            if there != here:
                raise TrainingError(f"{start} has {part} {there}, the training {here}.")
        training.network.load_state_dict(network.state_dict())
        training.average.load_state_dict(network.state_dict())
    return False


def learn(
    training: Training,
    table: FaceTable,
    held: FaceTable,
    lesson: Lesson,
    *,
    seconds: float,
    every: int,
    patience: int,
) -> Iterator[Step | Verdict]:
    """Train until the steps, the seconds or the patience are over, saving at every verdict.

    A verdict comes every so many steps and at the end; with patience p the training ends when the
    last p of them, of earlier sittings too, are all below the best. Stopped between two, all after
    the last verdict is lost.
    Of several processes only the first judges and writes.
    """
    end = time.monotonic() + seconds
    for step in train(training, table):
        yield step
        over = parallel.agreed(step.number == training.config.steps or time.monotonic() > end)
        if parallel.is_first() and step.number % 10 == 0:
            _note(lesson, dataclasses.asdict(step))
        if not (over or step.number % every == 0):
            continue
        if parallel.is_first():
            yield _judged(training, held, lesson)
            over = over or 0 < patience <= lesson.since_best()
        if parallel.agreed(over):
            return
    # All steps were done before; only if files were lost is there anything to do.
    if parallel.is_first() and not (lesson.verdicts() and lesson.best.is_file()):
        yield _judged(training, held, lesson)


def _judged(training: Training, held: FaceTable, lesson: Lesson) -> Verdict:
    """The verdict on the network as it is, which is kept if it is the best; so is the state."""
    verdict = judge(training, held, training.step)
    before = [one.merit for one in lesson.verdicts() if one.number < training.step]
    if not lesson.best.is_file() or verdict.merit > max(before, default=(-1.0, 0.0)):
        write_tensors(training.average.state_dict(), lesson.best)
    # The state last: if all ends here, the step is done again, and this verdict given again.
    _note(lesson, dataclasses.asdict(verdict))
    training.save(lesson.state)
    return verdict


def judge(training: Training, held: FaceTable, number: int) -> Verdict:
    """The verdict on the averaged network."""
    vectors = embed_mirrored(training.average, held, size=picture_size(training.config))
    across = None
    if training.config.harmonic and held.targets is not None:
        across = evaluation.validation_at_far(
            *evaluation.all_pairs(held.identities, vectors, held.targets), _FAR
        )
    same, different = _distances(held.identities, vectors)
    val = evaluation.validation_at_far(same, different, _FAR)
    return Verdict(number, val, evaluation.equal_error_rate(same, different)[0], across)


def publish(training: Training, held: FaceTable, lesson: Lesson, output: Path) -> Header:
    """Write the best network as a model file, its thresholds measured on the people held out.

    verify: the best accuracy; identify and group: FAR 1e-3 and 1e-4, as far as there are pairs.
    """
    try:
        best: Any = read_tensors(lesson.best, training.device)
        training.average.load_state_dict(best)
    except (OSError, RuntimeError, TypeError, ValueError) as error:
        raise TrainingError(f"{lesson.best} is damaged: {error}") from error
    height, width = picture_size(training.config)
    vectors = embed_mirrored(training.average, held, size=(height, width))
    same, different = _distances(held.identities, vectors)
    distances = np.concatenate([same, different])
    kinds = np.arange(len(distances)) < len(same)
    thresholds = {
        "verify": evaluation.best_threshold(distances, kinds)[0],
        "identify": evaluation.threshold_at_far(different, 1e-3),
        "group": evaluation.threshold_at_far(different, 1e-4),
    }
    header = Header(
        name=output.stem,
        architecture=training.config.architecture,
        dimension=training.config.dimension,
        height=height,
        width=width,
        batch_norm=True,
        mean=MEAN,
        std=STD,
        thresholds={use: max(0.0, threshold) for use, threshold in thresholds.items()},
        created=date.today().isoformat(),
    )
    return save(training.average, output, header)


def _distances(
    identities: NDArray[np.int64], vectors: NDArray[np.float32]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Squared distances of the same and of the different pairs of faces; where there are more than
    _PAIRS of a kind, as many drawn by a fixed seed."""

    def some(distances: NDArray[np.float64]) -> NDArray[np.float64]:
        if len(distances) <= _PAIRS:
            return distances
        return np.random.default_rng(0).choice(distances, _PAIRS, replace=False)

    same, different = evaluation.all_pairs(identities, vectors)
    return some(same), some(different)


def _note(lesson: Lesson, figures: dict[str, object]) -> None:
    try:
        with lesson.log.open("a", encoding="utf-8") as file:
            file.write(json.dumps(figures) + "\n")
    except OSError as error:
        raise TrainingError(f"{lesson.log} cannot be written: {error.strerror}.") from error


def _drop_torn_line(log: Path) -> None:
    """Leave out a last line that was being written when all ended."""
    if log.is_file():
        text = log.read_bytes()
        whole = text[: text.rfind(b"\n") + 1]
        if whole != text:
            log.write_bytes(whole)
