"""Training as one readable generator: batches in, steps out, exact resume (section 3.2 and 4)."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from facecluster.errors import TrainingError
from facecluster.facenet import parallel
from facecluster.facenet.architectures import ARCHITECTURES, FaceNet, build
from facecluster.facenet.augment import centre_crop, mix, standardise, vary
from facecluster.facenet.dataset import FaceTable
from facecluster.facenet.freezing import freeze, freeze_statistics
from facecluster.facenet.losses import (
    contrastive_loss,
    distillation_loss,
    relational_loss,
    triplet_loss,
)
from facecluster.facenet.mining import MINERS
from facecluster.facenet.offline import are_triplets, draw_triplets, mine_rows, sampled_rows
from facecluster.facenet.optimisers import descend, learning_rate, optimiser
from facecluster.facenet.precision import half_precision
from facecluster.facenet.sampler import identity_batch, uniform_batch
from facecluster.facenet.tensor_file import read_tensors, write_tensors

__all__ = [
    "Step",
    "Training",
    "TrainingConfig",
    "embed_mirrored",
    "embed_table",
    "picture_size",
    "target_bank",
    "taught_losses",
    "train",
    "variations",
]


@dataclass(frozen=True, slots=True)
class TrainingConfig:
    """All that decides a training run.

    batch faces are drawn evenly for the regression, a share `mixing` of them blended; P x K more
    are drawn by identity for the triplets when triplet_weight > 0. The weights say what each loss
    counts; the contrastive one tells each face from the targets of contrastive_faces others, or of
    the whole table (0). miner is one of MINERS, inside the batch, or "offline": every offline_every
    steps over offline_faces faces. image_size 0 is the architecture's own; a smaller one trains
    faster at first. The learning rate warms up, stays, and falls to zero over the last `cooldown`
    steps. frozen_statistics keeps batch normalisation as it is; the first `frozen` parts of an
    Inception network (the stem, then its rows) learn nothing at all, which saves their share of the
    backward pass. harmonic: the table's targets are an old network's vectors, and triplets mix them
    with the new ones.
    # Differs from the paper by default: AdamW instead of SGD and AdaGrad ("sgd", "adagrad"), and a
    # regression on a teacher's embeddings first.
    """

    architecture: str = "nn4"
    dimension: int = 128
    image_size: int = 0
    steps: int = 3000
    batch: int = 256
    P: int = 32
    K: int = 4
    margin: float = 0.2
    distill_weight: float = 1.0
    relational_weight: float = 0.0
    contrastive_weight: float = 0.0
    contrastive_faces: int = 0
    triplet_weight: float = 0.0
    miner: str = "semi_hard"
    offline_every: int = 100
    offline_faces: int = 4096
    mixing: float = 0.0
    optimiser: str = "adamw"
    learning_rate: float = 2e-3
    weight_decay: float = 0.05
    warmup: int = 200
    cooldown: int = 600
    averaging: float = 0.998
    half_precision: bool = True
    frozen_statistics: bool = False
    frozen: int = 0
    harmonic: bool = False
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Step:
    """What one step gave: losses before weighting, triplets found, faces a second of this run."""

    number: int
    distillation: float
    triplet: float
    triplets: int
    learning_rate: float
    faces_per_second: float


class Training:
    """A network with its averaged copy, its optimiser and the number of steps done.

    device is the GPU where there is one, unless it is said.
    """

    def __init__(self, config: TrainingConfig, *, device: str | None = None) -> None:
        device = device or parallel.device()
        torch.manual_seed(config.seed)
        self.config = config
        self.device = device
        self.step = 0
        self.network = build(config.architecture, config.dimension).to(device)
        self.network.to(memory_format=torch.channels_last)
        self.average = build(config.architecture, config.dimension).to(device)
        self.average.load_state_dict(self.network.state_dict())
        self.average.requires_grad_(False)
        self.optimiser = optimiser(self.network, config)
        # Triplets (T, 3) of the table that were mined offline, and stay until the next time.
        self.mined: NDArray[np.int64] = np.empty((0, 3), dtype=np.int64)

    def save(self, path: Path) -> None:
        """Write all that a resume needs, whole or not at all."""
        state = {
            "step": self.step,
            "config": dataclasses.asdict(self.config),
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "mined": torch.from_numpy(self.mined),
        }
        write_tensors(state, path)

    def resume(self, path: Path) -> None:
        """Go on from a saved training of the same architecture; settings may have changed since.

        Every batch and variation is a function of the seed and the step, so nothing else need be
        restored.
        """
        try:
            state: Any = read_tensors(path, self.device)
            for part in ("architecture", "dimension", "optimiser"):
                there = state["config"].get(part, "adamw")  # as it was before there was a choice
                here = getattr(self.config, part)
                if there != here:
                    raise TrainingError(f"{path} trains {part} {there}, not {here}.")
            self.network.load_state_dict(state["network"])
            self.average.load_state_dict(state["average"])
            self.optimiser.load_state_dict(state["optimiser"])
            self.step = int(state["step"])
            if "mined" in state:
                self.mined = state["mined"].cpu().numpy()
        except (OSError, RuntimeError, LookupError, TypeError, ValueError, AttributeError) as error:
            raise TrainingError(f"{path} is not a training checkpoint: {error}") from error


def train(training: Training, table: FaceTable) -> Iterator[Step]:
    """Run to config.steps, yielding after each step; stop or save between any two of them."""
    config = training.config
    _check(config, table)
    _check_size(training)
    training.network.train()
    if config.frozen_statistics:
        freeze_statistics(training.network)
    freeze(training.network, config.frozen)
    bank = None if table.targets is None else target_bank(training, table.targets)
    while training.step < config.steps:
        started = time.perf_counter()
        step = training.step
        generator = variations(training)
        if _is_to_mine(training, table):
            training.mined = _mine(training, table)
        rows = _rows(training, table, step)
        even, drawn = parallel.share(rows[: config.batch]), parallel.share(rows[config.batch :])
        pictures, targets = _prepared(training, table, even, drawn, generator)
        regression, triplet, count = _update(
            training, pictures, targets, bank, table.identities[rows], len(even)
        )
        rate = learning_rate(config, step)
        seconds = time.perf_counter() - started
        yield Step(training.step, regression, triplet, count, rate, len(rows) / seconds)


def variations(training: Training) -> torch.Generator:
    """The random generator of this step's variations: the same for a seed, a step and a process."""
    seed = training.config.seed * 1_000_003 + training.step + parallel.rank() * 1_000_000_007
    return torch.Generator().manual_seed(seed)


def target_bank(training: Training, targets: NDArray[np.float32]) -> Tensor | None:
    """The targets (N, D) that the contrastive loss tells each face from, drawn once by the seed;
    None where that loss has no weight."""
    config = training.config
    if not config.contrastive_weight:
        return None
    if 0 < config.contrastive_faces < len(targets):
        drawn = np.random.default_rng((config.seed, 5)).permutation(len(targets))
        targets = targets[drawn[: config.contrastive_faces]]
    return torch.from_numpy(targets).to(training.device)


def _prepared(
    training: Training,
    table: FaceTable,
    even: NDArray[np.int64],
    drawn: NDArray[np.int64],
    generator: torch.Generator,
) -> tuple[Tensor, Tensor | None]:
    """The varied, standardised faces of the rows drawn evenly and of those drawn by identity, and
    their targets where there are any."""
    config, size, rows = training.config, picture_size(training.config), np.append(even, drawn)
    stored = torch.from_numpy(np.asarray(table.pixels[rows])).to(training.device)
    pictures = standardise(vary(stored, margin=table.margin, size=size, generator=generator))
    if table.targets is None:
        return pictures, None
    targets = torch.from_numpy(table.targets[rows]).to(training.device)
    if config.mixing:
        # Only the faces drawn evenly: a blend has no identity to make triplets of.
        first = slice(0, len(even))
        pictures[first], targets[first] = mix(
            pictures[first], targets[first], share=config.mixing, generator=generator
        )
    return pictures, targets


def _update(
    training: Training,
    pictures: Tensor,
    targets: Tensor | None,
    bank: Tensor | None,
    identities: NDArray[np.int64],
    even: int,
) -> tuple[float, float, int]:
    """One step of descent: the distillation loss, the triplet loss, and the count of triplets.

    pictures and targets are this process's, the first `even` of them drawn evenly; identities are
    those of the whole batch.
    """
    config = training.config
    with half_precision(training.device, config.half_precision):
        embeddings = training.network(pictures.contiguous(memory_format=torch.channels_last))
    embeddings = _whole(config, embeddings, even, len(identities))
    targets = None if targets is None else _whole(config, targets, even, len(identities))
    regression = taught = triplet = embeddings.new_zeros(())
    count = 0
    if config.distill_weight and targets is not None:
        regression, taught = taught_losses(config, embeddings, targets, bank)
    if config.triplet_weight:
        triplet, count = _triplets(config, embeddings, targets, identities)
    descend(training, taught + config.triplet_weight * triplet)
    return float(regression.detach()), float(triplet.detach()), count


def taught_losses(
    config: TrainingConfig, embeddings: Tensor, targets: Tensor, bank: Tensor | None
) -> tuple[Tensor, Tensor]:
    """The distillation loss, and the weighted sum of all losses against a teacher's embeddings."""
    regression = distillation_loss(embeddings, targets)
    total = config.distill_weight * regression
    if config.relational_weight:
        total = total + config.relational_weight * relational_loss(embeddings, targets)
    if bank is not None:
        total = total + config.contrastive_weight * contrastive_loss(embeddings, targets, bank)
    return regression, total


def _whole(config: TrainingConfig, mine: Tensor, even: int, total: int) -> Tensor:
    """The rows of all processes, those drawn evenly first, as in the batch."""
    if parallel.count() == 1:
        return mine
    drawn = parallel.gathered(mine[even:], total - config.batch)
    return torch.cat([parallel.gathered(mine[:even], config.batch), drawn])


def _triplets(
    config: TrainingConfig,
    embeddings: Tensor,
    targets: Tensor | None,
    identities: NDArray[np.int64],
) -> tuple[Tensor, int]:
    """The triplet loss of the faces drawn by identity, and how many triplets there were."""
    drawn = embeddings[config.batch :]
    people = torch.from_numpy(identities[config.batch :]).to(drawn.device)
    if config.miner == "offline":
        triplets = torch.arange(len(drawn), device=drawn.device).reshape(-1, 3)
    elif config.harmonic and targets is not None:
        drawn, people = torch.cat([drawn, targets[config.batch :]]), people.repeat(2)
        triplets = MINERS[config.miner](drawn, people, config.margin)
        # Three old vectors teach nothing.
        triplets = triplets[(triplets < len(drawn) // 2).any(dim=1)]
    else:
        triplets = MINERS[config.miner](drawn, people, config.margin)
    return triplet_loss(drawn, triplets, margin=config.margin), len(triplets)


@torch.inference_mode()
def embed_table(
    network: FaceNet, table: FaceTable, *, size: tuple[int, int], turned: bool = False
) -> NDArray[np.float32]:
    """Embeddings (N, D) of the standard crops, or of their mirror images, float32 arithmetic, with
    the network set to evaluation."""
    network.eval()
    device = next(network.parameters()).device
    pieces = []
    for start in range(0, len(table), 128):
        pictures = torch.from_numpy(np.asarray(table.pixels[start : start + 128])).to(device)
        crops = centre_crop(pictures, margin=table.margin, size=size)
        seen = crops.flip(3) if turned else crops
        pieces.append(network(standardise(seen)).cpu().numpy())
    return np.concatenate(pieces)


def embed_mirrored(
    network: FaceNet, table: FaceTable, *, size: tuple[int, int]
) -> NDArray[np.float32]:
    """As `embed_table`, of each face and its mirror image the mean, as a library keeps them."""
    rows = embed_table(network, table, size=size)
    rows += embed_table(network, table, size=size, turned=True)
    mean: NDArray[np.float32] = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return mean


def _is_to_mine(training: Training, table: FaceTable) -> bool:
    config = training.config
    if not config.triplet_weight or config.miner != "offline":
        return False
    due = training.step % config.offline_every == 0
    return due or not are_triplets(training.mined, table.identities)


def _mine(training: Training, table: FaceTable) -> NDArray[np.int64]:
    """The hardest triplets of a part of the table, by the averaged network."""
    config = training.config
    rows = sampled_rows(
        table.identities, config.offline_faces, seed=config.seed, step=training.step
    )
    embeddings = embed_table(training.average, table.take(rows), size=picture_size(config))
    return mine_rows(embeddings, table.identities, rows, config.margin)


def _rows(training: Training, table: FaceTable, step: int) -> NDArray[np.int64]:
    """The step's batch, as rows of the table: those drawn evenly, then those for the triplets."""
    config = training.config
    rows: NDArray[np.int64] = np.empty(0, dtype=np.int64)
    if config.batch:
        rows = uniform_batch(len(table), config.batch, seed=config.seed, step=step)
    if not config.triplet_weight:
        return rows
    if config.miner == "offline":
        count = config.P * config.K // 3
        triplets = draw_triplets(training.mined, count, seed=config.seed, step=step)
        return np.concatenate([rows, triplets.ravel()])
    drawn = identity_batch(
        table.identities, table.kin, P=config.P, K=config.K, seed=config.seed, step=step
    )
    return np.concatenate([rows, drawn])


def picture_size(config: TrainingConfig) -> tuple[int, int]:
    """Height and width in pixels of the faces that this run trains on."""
    if config.image_size:
        return config.image_size, config.image_size
    architecture = ARCHITECTURES[config.architecture]
    return architecture.height, architecture.width


@torch.no_grad()
def _check_size(training: Training) -> None:
    """Networks that end in a fully connected layer take faces of one size only."""
    height, width = picture_size(training.config)
    try:
        training.average.eval()(torch.zeros(1, 3, height, width, device=training.device))
    except RuntimeError as error:
        name = training.config.architecture
        raise TrainingError(
            f"{name} takes no faces of {width} x {height} pixels: leave out their size."
        ) from error


def _check(config: TrainingConfig, table: FaceTable) -> None:
    if config.harmonic and (table.targets is None or config.miner == "offline"):
        raise TrainingError("Harmonic training needs old vectors, and a miner inside the batch.")
    if config.distill_weight and table.targets is None and not config.triplet_weight:
        raise TrainingError("There are no teacher's embeddings to regress on: set triplet_weight.")
    if (config.distill_weight or config.harmonic) and table.targets is not None:
        teachers, own = table.targets.shape[1], config.dimension
        if teachers != own:
            raise TrainingError(f"The teacher has {teachers} dimensions, the network {own}.")
