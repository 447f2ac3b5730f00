"""Train the network that facecluster ships, in sittings: each goes on where the last one stopped.

    python examples/train_bundled.py DATA WORK small --minutes 60   # 64-pixel faces: quick, rough
    python examples/train_bundled.py DATA WORK full --minutes 120   # 96 pixels
    python examples/train_bundled.py DATA WORK full --steps 600     # the rate falls to zero
    python examples/train_bundled.py DATA TINY tiny --steps 6500    # nns2, at once
    torchrun --nproc-per-node 2 -- examples/train_bundled.py LESSONS MORE asked \\
        --start MODEL.safetensors --steps 5000

With --steps the learning rate falls to zero at the last of them; a sitting that was killed on the
way goes on to its end by the same command.
DATA is a folder of aligned faces with faces.csv, faces-*.zip and teacher.npy; LESSONS is what
label_faces.py makes of it, for the stages "asked" (the upper rows only) and "tiny-asked", which
start from a model. WORK keeps the training's state (state.pt), its log
(train.jsonl: a line every 50 steps, held-out figures every 500) and the decoded faces. By torchrun
processes train as one: on two cores two of them are 1.2 times as fast as one with two threads.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from picked import picked
from second_teacher.asked import start_hints, train_by_answers
from second_teacher.hints import adopt_hints
from second_teacher.kept import train_by_kept_answers
from second_teacher.teacher import asked

from facecluster.embed import BUNDLED, find_model
from facecluster.facenet.checkpoint import load
from facecluster.facenet.dataset import (
    FaceTable,
    at_most,
    hold_out,
    read_table,
    towards_identities,
    without_doubtful,
)
from facecluster.facenet.foreign import MOBILEFACENET
from facecluster.facenet.lessons import Lesson, begin
from facecluster.facenet.mobilefacenet import load_mobilefacenet
from facecluster.facenet.parallel import agreed, first_then_others, is_first, joined
from facecluster.facenet.training import (
    Step,
    Training,
    TrainingConfig,
    embed_table,
    picture_size,
    train,
)

COMMON = TrainingConfig(
    learning_rate=1.5e-3,
    averaging=0.997,
    steps=1_000_000,
    mixing=0.5,
    relational_weight=2.0,
    contrastive_weight=0.5,
)
# For what label_faces.py wrote.
ASKED = dataclasses.replace(
    COMMON, batch=128, averaging=0.998, contrastive_faces=8_192, offline_every=2_000
)
STAGES = {
    "small": dataclasses.replace(COMMON, image_size=64, batch=128),
    "full": dataclasses.replace(COMMON, batch=128, mixing=0.65),
    "triplets": dataclasses.replace(COMMON, batch=96, mixing=0.65, P=16, K=4, triplet_weight=0.5),
    # The stem takes a quarter of the time and has long learnt what it can.
    "asked": dataclasses.replace(ASKED, learning_rate=1e-3, frozen=1),
    "tiny": dataclasses.replace(
        COMMON, architecture="nns2", batch=128, learning_rate=2e-3, averaging=0.998
    ),
    "tiny-asked": dataclasses.replace(ASKED, architecture="nns2"),
}
# 64 celebrities have over 200 pictures each, three thousand people have five: a young network would
# learn the few by heart, and see everyone else as one of them.
FACES_A_PERSON = {
    "small": 6,
    "full": 100,
    "triplets": 100,
    "asked": 100,
    "tiny": 30,
    "tiny-asked": 100,
}
TOWARDS_IDENTITIES = {"tiny": 0.1}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("stage", choices=STAGES)
    parser.add_argument("--minutes", type=float, default=1e6)
    parser.add_argument("--steps", type=int, default=0)
    parser.add_argument("--rate", type=float, help="learning rate to start from")
    parser.add_argument("--start", type=Path, help="a model file whose weights to start from")
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    with joined():
        train_stage(options)


def train_stage(options: argparse.Namespace) -> None:
    decoded = options.data / "faces.npy"
    cache = decoded if decoded.is_file() else options.work / "faces.npy"
    with first_then_others():  # the first decodes the faces
        table = read_table(options.data, cache=cache)
    # One picture in eight of the families is labelled wrongly.
    table = without_doubtful(table, limit=1.3)
    rows, held = trained_on(table, FACES_A_PERSON[options.stage])
    training = Training(STAGES[options.stage])
    is_asked = options.stage in ("asked", "tiny-asked")
    start(training, Lesson(options.work), options.start, with_hints=options.stage == "asked")
    if options.rate:
        training.config = dataclasses.replace(training.config, learning_rate=options.rate)
    with first_then_others():
        training.config = sitting(training.config, options.work, training.step, options.steps)
    known = towards_identities(picked(table, rows), TOWARDS_IDENTITIES.get(options.stage, 0.0))
    steps = answered(training, known, rows, options.data) if is_asked else train(training, known)
    run(training, steps, picked(table, held), options.work, options.minutes)


def answered(
    training: Training, table: FaceTable, rows: NDArray[np.int64], lessons: Path
) -> Iterator[Step]:
    """A training by teachers that are asked, and answer in the lessons' directions; the table is
    the rows of the lessons'."""
    adults, before = (find_model(name).path for name in (MOBILEFACENET.name, BUNDLED))
    assert adults and before  # label_faces.py has asked them
    network = load_mobilefacenet(adults).to(training.device)
    teacher = asked(network, load(before)[0], np.load(lessons / "directions.npy"))
    often = np.load(lessons / "often.npy")[rows]
    if training.config.architecture == "nns2":
        return train_by_kept_answers(training, table, often, teacher)
    if not training.step:
        start_hints(training, table, teacher)
    return train_by_answers(training, table, often, teacher)


def start(training: Training, lesson: Lesson, model: Path | None, *, with_hints: bool) -> None:
    """Go on from the lesson's state, or from the model, which has no heads for hints yet."""
    fresh = not lesson.state.is_file()
    if fresh:
        begin(training, lesson, start=model)
    if with_hints:
        adopt_hints(training)
    if not fresh:
        begin(training, lesson, start=None)


def sitting(config: TrainingConfig, work: Path, step: int, steps: int) -> TrainingConfig:
    """The configuration whose rate falls to zero over so many steps, if any, from this one on.

    WORK keeps where they began: killed on the way, the same command ends at the same step.
    """
    kept = work / "sitting.json"
    if not steps:
        kept.unlink(missing_ok=True)
        return config
    begun = json.loads(kept.read_text()) if kept.is_file() else {}
    if begun.get("steps") != steps or not 0 <= step - begun["from"] < steps:
        begun = {"from": step, "steps": steps}
        partial = kept.with_suffix(".part")
        partial.write_text(json.dumps(begun))
        partial.replace(kept)
    return dataclasses.replace(config, steps=begun["from"] + steps, cooldown=steps)


def trained_on(table: FaceTable, most: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The rows to train on, no more than `most` a person, and those of people held out."""
    rows, held = hold_out(table, 0.03, seed=0)
    return at_most(table, rows, most, seed=0), held


def run(
    training: Training, steps: Iterator[Step], held: FaceTable, work: Path, minutes: float
) -> None:
    end = time.monotonic() + minutes * 60
    for step in steps:
        over = agreed(time.monotonic() > end or step.number == training.config.steps)
        if is_first():
            keep(training, step, held, work, over=over)
        if over:
            return


def keep(training: Training, step: Step, held: FaceTable, work: Path, *, over: bool) -> None:
    """The state and the log, where they are due."""
    if step.number % 50 == 0:
        log(work, dataclasses.asdict(step))
    if step.number % 250 == 0 or over:
        training.save(work / "state.pt")
    if step.number % 500 == 0 or over:
        log(work, {"number": step.number, **held_out(training, held)})


def held_out(training: Training, held: FaceTable) -> dict[str, float]:
    """Figures on people never trained on: distance to the teacher, VAL at FAR 1e-2 and 1e-3."""
    embeddings = embed_table(training.average, held, size=picture_size(training.config))
    assert held.targets is not None
    distances = 2 - 2 * embeddings @ embeddings.T
    upper = np.triu(np.ones_like(distances, dtype=bool), 1)
    known = upper & (held.identities[:, None] >= 0)
    same = known & (held.identities[:, None] == held.identities[None])
    different = np.sort(distances[upper & (held.kin[:, None] != held.kin[None])])
    figures = {"teacher_distance": float(((embeddings - held.targets) ** 2).sum(1).mean())}
    for far in (1e-2, 1e-3):
        threshold = different[int(far * len(different))]
        figures[f"VAL@{far:g}"] = float((distances[same] <= threshold).mean())
    return figures


def log(work: Path, figures: dict[str, float]) -> None:
    with (work / "train.jsonl").open("a", encoding="utf-8") as file:
        file.write(json.dumps(figures) + "\n")


if __name__ == "__main__":
    main()
