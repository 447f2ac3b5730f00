"""Train a network on one's own pictures."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from facecluster.cli.network import open_analyzer
from facecluster.cli.options import (
    SQUARED_DISTANCE,
    NamedPath,
    NumberRange,
    check_plot,
    database_option,
    examples,
    with_library,
    write_plot,
)
from facecluster.cli.output import Progress, hint, note
from facecluster.cli.tune import SHARE, tune_library
from facecluster.counted import counted
from facecluster.errors import UsageError
from facecluster.facenet.sizes import OF_THE_PAPER

if TYPE_CHECKING:
    from facecluster.facenet.dataset import FaceTable
    from facecluster.facenet.lessons import Lesson
    from facecluster.facenet.training import Training, TrainingConfig

__all__ = ["COMMANDS"]

F = TypeVar("F", bound=Callable[..., object])
FILE = click.Path(dir_okay=False, path_type=Path)
MINERS = ("semi_hard", "all", "hardest", "offline")
FOREVER = 1e9
TOLD = 3  # left-out pictures that are told one by one


@dataclass(frozen=True, slots=True)
class Options:
    """The command line's choices, by the names of its options."""

    aligned: bool
    start: Path | None
    distill: Path | None
    harmonic_with: Path | None
    architecture: str
    dimension: int
    size: int
    steps: int
    minutes: float | None
    batch: int
    people: int
    faces: int
    margin: float
    miner: str
    optimiser: str
    learning_rate: float
    hold_out: float
    every: int
    patience: int
    seed: int
    plot: Path | None


def _option(*names: str, kind: Any, default: object, help: str) -> Callable[[F], F]:
    return click.option(*names, type=kind, default=default, show_default=True, help=help)


@click.command()
@click.argument("folder", metavar="[DIR]", required=False, type=NamedPath())
@click.option("-o", "--output", type=FILE, metavar="MODEL", help="The model to write.")
@click.option(
    "--library", "from_library", is_flag=True, help="Tune the library's network to its people."
)
@click.option("--aligned", is_flag=True, help="The pictures are aligned 112 x 112 faces already.")
@click.option("--start", type=FILE, metavar="MODEL", help="Begin with this model's weights.")
@click.option(
    "--distill", type=FILE, metavar="CSV", help="Regress on these embeddings: path, numbers."
)
@click.option(
    "--harmonic-with",
    type=FILE,
    metavar="MODEL",
    help="Make vectors that compare with this model's.",
)
@_option(
    "--architecture", kind=click.Choice(OF_THE_PAPER), default="nn4", help="One of the paper's."
)
@_option("--dimension", kind=click.IntRange(2, 4096), default=128, help="Of the embedding.")
@_option("--size", kind=click.IntRange(0, 512), default=0, help="A face's pixels; 0: its own.")
@_option("--steps", kind=click.IntRange(min=1), default=3000, help="In all, over all sittings.")
@click.option("--minutes", type=NumberRange(min=0), help="Stop then; run again to go on.")
@_option("--batch", kind=click.IntRange(min=0), default=64, help="Faces for the regression.")
@_option("-P", "--people", kind=click.IntRange(min=2), default=16, help="People in a batch.")
@_option("-K", "--faces", kind=click.IntRange(min=2), default=4, help="Faces of each of them.")
@_option("--margin", kind=SQUARED_DISTANCE, default=0.2, help="Of the triplet loss.")
@_option("--miner", kind=click.Choice(MINERS), default="semi_hard", help="Which triplets.")
@_option(
    "--optimiser", kind=click.Choice(("adamw", "adagrad", "sgd")), default="adamw", help="How."
)
@_option("--learning-rate", kind=NumberRange(0, 10, min_open=True), default=1e-3, help="Most.")
@_option(
    "--hold-out",
    kind=NumberRange(0, 0.9),
    default=0.1,
    help="The people to judge by, chosen once.",
)
@_option("--every", kind=click.IntRange(min=1), default=100, help="Steps between two verdicts.")
@_option("--patience", kind=click.IntRange(min=0), default=0, help="End after worse verdicts.")
@_option(
    "--seed", kind=click.IntRange(0, 2**32 - 1), default=0, help="Another one, another training."
)
@click.option("--plot", type=FILE, metavar="FILE.svg", help="Draw VAL and EER over the steps.")
@examples(
    "train people -o mine.safetensors --minutes 60",
    "train people -o mine.safetensors --start nn4.safetensors",
    "train crops -o tiny.safetensors --aligned --architecture nns2",
    "train people -o new.safetensors --harmonic-with old.safetensors",
    "train --library",
)
@database_option
def train(folder: Path | None, output: Path | None, from_library: bool, **options: Any) -> None:
    """Train a FaceNet on the pictures below DIR, a folder for each person.

    The main face of each picture is found and aligned; triplets of the paper teach the network,
    after or beside the embeddings of a teacher (--distill). Some people are held out: the network
    with the best VAL at FAR 1e-2 on them is the one that is written, with thresholds measured on
    them. State and log (train.jsonl) are in MODEL.training; the same command goes on from there,
    also after people were added: those held out stay held out.
    Use the model with 'facecluster scan --model MODEL'.

    With --harmonic-with the triplets mix the new vectors with an old model's, so that they can be
    compared with those it stored; the verdicts then tell VAL across both.

    On several GPUs or machines: torchrun --nproc-per-node 2 -m -- facecluster train DIR
    -o MODEL.

    With --library there is no DIR: the library's own network is tuned to the faces you named. Some
    people, and the latest days of the others, are held out; only if VAL at the same FAR rises on
    them is the tuned network installed, under a new name, and all faces embedded again. Names stay;
    'facecluster models use OLD' goes back. -P, -K, --batch, --steps, --margin, --miner,
    --learning-rate, --hold-out and --seed then have defaults of their own.
    """
    chosen = Options(**options)
    if from_library:
        if folder or output:
            raise UsageError("--library takes no DIR and no -o: it names the network itself.")
        with_library(tune_library)(*_tuning(chosen))
        return
    folder, output = _checked(folder, output, chosen)
    from facecluster.facenet.lessons import Lesson
    from facecluster.facenet.parallel import joined

    lesson = Lesson(output.with_name(f"{output.name}.training"))
    with joined():
        table, held = _tables(folder, lesson, chosen)
        _run(table, held, lesson, output, chosen)


def _checked(folder: Path | None, output: Path | None, chosen: Options) -> tuple[Path, Path]:
    """The folder and the model, when they and the options make sense."""
    if folder is None or output is None:
        raise UsageError("Say DIR and -o MODEL, or --library.")
    if output.suffix != ".safetensors":
        raise UsageError(f"{output} is no .safetensors file: models are kept as these.")
    check_plot(chosen.plot)
    if chosen.distill and chosen.harmonic_with:
        raise UsageError("--distill and --harmonic-with cannot both be: leave one out.")
    return folder, output


def _tables(folder: Path, lesson: Lesson, chosen: Options) -> tuple[FaceTable, FaceTable]:
    """The faces to train on and those held out."""
    from facecluster.facenet.header import read_header
    from facecluster.facenet.parallel import first_then_others, is_first
    from facecluster.training_set import read_folder, read_targets

    for model in (chosen.harmonic_with, None if lesson.has_begun else chosen.start):
        if model:
            read_header(model)  # before thousands of pictures are read
    analyzer = None if chosen.aligned else open_analyzer(None)
    cache = lesson.folder / "faces.npz"
    try:
        with Progress("pictures") as bar, first_then_others():
            found = read_folder(folder, cache=cache, analyzer=analyzer, progress=bar.show)
    except KeyboardInterrupt:
        note("Stopped: the faces found are kept; run the same again to go on.")
        click.get_current_context().exit(130)
    for sentence in found.skipped[:TOLD] if is_first() else ():
        note(sentence)
    if len(found.skipped) > TOLD and is_first():
        note(f"And {len(found.skipped) - TOLD} more like that.")
    table = found.table
    if chosen.distill:
        table = replace(table, targets=read_targets(chosen.distill, found.paths))
    if chosen.harmonic_with:
        from facecluster.facenet.harmonic import old_vectors

        old = old_vectors(chosen.harmonic_with, table, dimension=chosen.dimension)
        table = replace(table, targets=old)
    return _divided(table, found.people, lesson, chosen)


def _divided(
    table: FaceTable, names: Sequence[str], lesson: Lesson, chosen: Options
) -> tuple[FaceTable, FaceTable]:
    """The table without the people held out, and they."""
    from facecluster.facenet.dataset import hold_out
    from facecluster.facenet.lessons import divide
    from facecluster.facenet.parallel import is_first

    rows, held = divide(lesson, table, names, chosen.hold_out, seed=chosen.seed)
    people = len(set(table.identities[held].tolist()))
    if people < 2 or len(held) <= people:
        more = "raise --hold-out, or add people"
        back = "put their pictures back, or begin anew with another -o"
        raise UsageError(
            f"{counted(people, 'person is', 'people are')} held out, too few to judge by: "
            f"{back if lesson.has_begun else more}."
        )
    if is_first():
        if set(held) != set(hold_out(table, chosen.hold_out, seed=chosen.seed)[1]):
            note("The people held out stay those that were at first; all others are trained on.")
        note(
            f"{counted(len(rows), 'face')} to train on; {len(held)} of {people} others to judge by."
        )
    return table.take(rows), table.take(held)


# What --library has of the options, by its name in the configuration; the others make no sense.
TUNABLE = {
    "steps": "steps",
    "batch": "batch",
    "people": "P",
    "faces": "K",
    "margin": "margin",
    "miner": "miner",
    "learning_rate": "learning_rate",
    "seed": "seed",
}


def _tuning(chosen: Options) -> tuple[dict[str, Any], float]:
    """What was said on the command line for --library: settings, and the share held out."""
    context = click.get_current_context()
    said = [
        name
        for name in context.params
        if context.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE
    ]
    strange = [name for name in said if name not in {*TUNABLE, "hold_out", "from_library"}]
    if strange:
        raise UsageError(f"--{strange[0].replace('_', '-')} is not for --library: leave it out.")
    settings = {TUNABLE[name]: getattr(chosen, name) for name in said if name in TUNABLE}
    return settings, chosen.hold_out if "hold_out" in said else SHARE


def _config(chosen: Options, taught: bool) -> TrainingConfig:
    from facecluster.facenet.training import TrainingConfig

    return TrainingConfig(
        architecture=chosen.architecture,
        dimension=chosen.dimension,
        image_size=chosen.size,
        steps=chosen.steps,
        batch=chosen.batch if taught and not chosen.harmonic_with else 0,
        distill_weight=0.0 if chosen.harmonic_with else 1.0,
        harmonic=chosen.harmonic_with is not None,
        P=chosen.people,
        K=chosen.faces,
        margin=chosen.margin,
        triplet_weight=1.0,
        miner=chosen.miner,
        optimiser=chosen.optimiser,
        learning_rate=chosen.learning_rate,
        warmup=min(200, chosen.steps // 10),
        cooldown=chosen.steps // 3,
        seed=chosen.seed,
    )


def _run(table: FaceTable, held: FaceTable, lesson: Lesson, output: Path, chosen: Options) -> None:
    from facecluster.facenet.lessons import Verdict, begin, learn
    from facecluster.facenet.parallel import is_first
    from facecluster.facenet.training import Training

    config = _config(chosen, taught=table.targets is not None)
    training = Training(config)
    if begin(training, lesson, start=chosen.start) and is_first():
        note(f"Going on after step {training.step} of {config.steps}.")
    seconds = FOREVER if chosen.minutes is None else 60 * chosen.minutes
    began = time.monotonic()
    try:
        with Progress("steps") as bar:
            for one in learn(
                training,
                table,
                held,
                lesson,
                seconds=seconds,
                every=chosen.every,
                patience=chosen.patience,
            ):
                if is_first():
                    bar.show(one.number, config.steps)
                if isinstance(one, Verdict):
                    across = "" if one.across is None else f" ({one.across:.3f} across models)"
                    click.echo(
                        f"step {one.number}: VAL {one.val:.3f}{across} at FAR 1e-2, "
                        f"EER {one.equal_error_rate:.3f} on people held out"
                    )
    except KeyboardInterrupt:
        note("Stopped: run the same again to go on from the last verdict.")
        click.get_current_context().exit(130)
    if is_first():
        _tell(training, held, lesson, output, chosen, time.monotonic() - began)


def _tell(
    training: Training,
    held: FaceTable,
    lesson: Lesson,
    output: Path,
    chosen: Options,
    seconds: float,
) -> None:
    """Write the model and the curve, and say what they are."""
    from facecluster.facenet.lessons import publish

    done = training.step
    header = publish(training, held, lesson, output)
    verdicts = lesson.verdicts()
    best = max(verdicts, key=lambda one: one.merit)
    click.echo(
        f"{output}: of step {best.number}, VAL {best.val:.3f} at FAR 1e-2; thresholds "
        + ", ".join(f"{use} {value:.2f}" for use, value in header.thresholds.items())
    )
    note(f"{seconds:.0f} s; step {done} of {training.config.steps}.")
    if chosen.plot:
        from facecluster.curves import steps_svg

        steps = [float(one.number) for one in verdicts]
        curves = {
            "VAL at FAR 1e-2": (steps, [one.val for one in verdicts]),
            "EER": (steps, [one.equal_error_rate for one in verdicts]),
        }
        write_plot(chosen.plot, steps_svg(output.name, curves))
    hint(
        f"'facecluster scan PATH --model {output}'"
        if done >= training.config.steps
        else "the same command goes on from here"
    )


COMMANDS = (train,)
