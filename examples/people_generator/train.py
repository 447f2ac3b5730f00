"""Train the small generator of faces that the sample photos are drawn with.

A decoder draws a face from an identity (a unit vector, as a face recogniser would give it) and a
residual (pose, light, expression, hair). It learns from aligned faces whose identities a teacher
network has measured; an encoder supplies the residual while training, and a critic supplies the
sharpness: its features compare pictures, its patches tell drawn from real, and its own reading of
the identity keeps the drawing true to the vector it was asked for.

    python examples/people_generator/train.py --faces faces.npy --data FOLDER --out generator.pt

--faces: (N, 128, 128, 3) uint8, aligned to the standard five points shifted by (8, 8), black where
nothing is known. --data: the folder with faces.csv (columns score, scale) and teacher.npy (N, 128).
Running the same command again goes on where it was interrupted. About 45 minutes on one CPU core
give soft but pleasant faces.
"""

from __future__ import annotations

import argparse
import csv
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from facenet_pytorch.models.mtcnn import ONet
from numpy.typing import NDArray
from torch import Tensor, nn

from facecluster.facenet.precision import half_precision

IDENTITY = 128
RESIDUAL = 24
SIZE = 96  # pixels of a drawn face; the 128 x 128 picture reduced
SHARPEN = 0.5  # share of the training after which the critics also tell drawn from real
BATCH = 32


def _norm(channels: int) -> nn.Module:
    return nn.GroupNorm(8, channels)


class _Draw(nn.Module):
    """A 3 x 3 convolution whose channels are steered by the style, after enlarging if `twice`."""

    def __init__(self, incoming: int, outgoing: int, style: int, twice: bool = True) -> None:
        super().__init__()
        self.twice = twice
        self.convolution = nn.Conv2d(incoming, outgoing, 3, padding=1)
        self.norm = _norm(outgoing)
        self.steer = nn.Linear(style, 2 * outgoing)

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        if self.twice:
            x = F.interpolate(x, scale_factor=2.0)
        gain, bias = self.steer(style)[:, :, None, None].chunk(2, dim=1)
        return F.leaky_relu(torch.addcmul(bias, self.norm(self.convolution(x)), 1 + gain), 0.2)


class Decoder(nn.Module):
    """(N, 128) unit identities and (N, 24) residuals -> (N, 3, 96, 96) pictures of about [-1, 1].

    Above 32 pixels it enlarges by turning channels into pixels, far cheaper than convolving at full
    size.
    """

    def __init__(self) -> None:
        super().__init__()
        style = 192
        self.style = nn.Sequential(
            nn.Linear(IDENTITY + RESIDUAL, 256),
            nn.LeakyReLU(0.2),
            nn.Linear(256, style),
            nn.LeakyReLU(0.2),
        )
        self.start = nn.Linear(style, 256 * 16)
        self.blocks = nn.ModuleList(
            [
                _Draw(256, 256, style),
                _Draw(256, 192, style),
                _Draw(192, 128, style),
                _Draw(128, 128, style, twice=False),
            ]
        )
        self.pixels = nn.Conv2d(128, 12 * 9, 3, padding=1)
        self.colours = nn.Conv2d(12, 3, 3, padding=1)

    def forward(self, identity: Tensor, residual: Tensor) -> Tensor:
        style = self.style(torch.cat([identity * IDENTITY**0.5, residual], dim=1))
        x = self.start(style).view(-1, 256, 4, 4).contiguous(memory_format=torch.channels_last)
        for block in self.blocks:
            x = block(x, style)
        picture: Tensor = self.colours(F.leaky_relu(F.pixel_shuffle(self.pixels(x), 3), 0.2))
        return picture


class Encoder(nn.Module):
    """(N, 4, 64, 64) pictures with their mask and (N, 128) identities -> mean and log variance of
    the residual.
    """

    def __init__(self) -> None:
        super().__init__()
        widths = [4, 32, 64, 128, 128]
        layers: list[nn.Module] = []
        for a, b in pairwise(widths):
            layers += [nn.Conv2d(a, b, 3, stride=2, padding=1), _norm(b), nn.LeakyReLU(0.2)]
        self.trunk = nn.Sequential(*layers)
        self.mix = nn.Sequential(nn.Linear(128 * 16 + IDENTITY, 256), nn.LeakyReLU(0.2))
        self.out = nn.Linear(256, 2 * RESIDUAL)

    def forward(self, picture: Tensor, identity: Tensor) -> tuple[Tensor, Tensor]:
        seen = self.trunk(picture).flatten(1)
        mean, spread = self.out(self.mix(torch.cat([seen, identity * IDENTITY**0.5], dim=1))).chunk(
            2, dim=1
        )
        return mean, spread.clamp(-8, 2)


class Critic(nn.Module):
    """(N, 3, 64, 64) -> features of four scales, patch logits, and the identity it reads (unit
    rows).
    """

    def __init__(self) -> None:
        super().__init__()
        widths = [3, 48, 96, 160, 192]
        self.layers = nn.ModuleList(
            nn.Conv2d(a, b, 4, stride=2, padding=1) for a, b in pairwise(widths)
        )
        self.norms = nn.ModuleList(_norm(b) if b > 48 else nn.Identity() for b in widths[1:])
        self.patches = nn.Conv2d(160, 1, 3, padding=1)
        self.identity = nn.Sequential(
            nn.Linear(192 * 16, 256), nn.LeakyReLU(0.2), nn.Linear(256, IDENTITY)
        )

    def forward(self, x: Tensor) -> tuple[list[Tensor], Tensor, Tensor]:
        features = []
        for layer, norm in zip(self.layers, self.norms, strict=True):
            x = F.leaky_relu(norm(layer(x)), 0.2)
            features.append(x)
        read = F.normalize(self.identity(x.flatten(1)).float(), dim=1)
        return features, self.patches(features[2]), read


@dataclass
class Faces:
    """Sharp colour faces: pictures (N, 128, 128, 3) uint8 (on disk), rows worth learning,
    identities (N, 128).
    """

    pictures: NDArray[np.uint8]
    rows: NDArray[np.int64]
    identities: NDArray[np.float32]

    @classmethod
    def open(cls, faces: Path, data: Path) -> Faces:
        pictures = np.load(faces, mmap_mode="r")
        with (data / "faces.csv").open(newline="") as file:
            table = list(csv.DictReader(file))
        good = np.array([float(r["score"]) > 0.995 and float(r["scale"]) > 0.8 for r in table])
        rows = []
        for row in np.flatnonzero(good):
            inner = pictures[row, 40:112:4, 36:92:4].astype(np.int16)
            # Grey pictures would teach grey people.
            if (inner.max(axis=2) - inner.min(axis=2)).mean() > 18:
                rows.append(row)
        identities = np.load(data / "teacher.npy").astype(np.float32)
        identities /= np.linalg.norm(identities, axis=1, keepdims=True)
        return cls(pictures, np.array(rows, dtype=np.int64), identities)

    def batches(self, size: int, seed: int) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """Endless (pictures, masks, identities); all faces equally often, half of them mirrored."""
        rng = np.random.default_rng(seed)
        while True:
            order = rng.permutation(self.rows)
            for start in range(0, len(order) - size + 1, size):
                rows = np.sort(order[start : start + size])
                x = torch.from_numpy(self.pictures[rows]).permute(0, 3, 1, 2)
                if rng.random() < 0.5:
                    x = x.flip(3)
                mask = known(x)
                x = F.interpolate(x.float() / 127.5 - 1, (SIZE, SIZE), mode="area")
                mask = (F.interpolate(mask, (SIZE, SIZE), mode="area") > 0.99).float()
                yield (
                    x.contiguous(memory_format=torch.channels_last),
                    mask,
                    torch.from_numpy(self.identities[rows]),
                )


def known(pictures: Tensor) -> Tensor:
    """Where (N, 3, S, S) uint8 pictures show something: (N, 1, S, S) of 0 and 1; the black surround
    is 0.
    """
    lit = (pictures.amax(1, keepdim=True) > 14).float()

    def between(axis: int) -> Tensor:
        ahead = lit.cummax(axis)[0]
        behind = lit.flip(axis).cummax(axis)[0].flip(axis)
        return ahead * behind

    unknown = 1 - between(2) * between(3)
    return 1 - F.max_pool2d(unknown, 5, stride=1, padding=2)


class Detail(nn.Module):
    """What MTCNN's last network sees of a (N, 3, S, S) face: two maps of features."""

    def __init__(self) -> None:
        super().__init__()
        self.net = ONet().eval().requires_grad_(False)

    def forward(self, x: Tensor) -> list[Tensor]:
        size = x.shape[2]
        part = slice(size * 20 // 128, size * 124 // 128)
        x = F.interpolate(
            x[:, :, part, size * 16 // 128 : size * 112 // 128], (48, 48), mode="bilinear"
        )
        net = self.net
        first = net.pool2(net.prelu2(net.conv2(net.pool1(net.prelu1(net.conv1(x))))))
        return [first, net.pool3(net.prelu3(net.conv3(first)))]


def _apart(a: list[Tensor], b: list[Tensor]) -> Tensor:
    total = torch.zeros(())
    for x, y in zip(a, b, strict=True):
        y = y.detach()
        total = total + (x - y).abs().mean().float() / (y.abs().mean().float() + 0.1)
    return total


def mixtures(identities: Tensor) -> Tensor:
    """Identities of nobody: each a mixture of four of the batch with random weights, unit rows."""
    count = len(identities)
    weights = torch.rand(count, 4).clamp_min(0.2)
    chosen = torch.randint(count, (count, 4))
    return F.normalize((weights[:, :, None] * identities[chosen]).sum(1), dim=1)


class Trainer:
    """All that is trained, and one step of it; `progress` runs from 0 to 1 over the training."""

    def __init__(self) -> None:
        last = torch.channels_last
        self.decoder = Decoder().to(memory_format=last)
        self.average = Decoder().to(memory_format=last).requires_grad_(False)
        self.average.load_state_dict(self.decoder.state_dict())
        self.encoder = Encoder().to(memory_format=last)
        self.critic = Critic().to(memory_format=last)
        self.detail = Detail()
        self.drawing = torch.optim.AdamW(
            [*self.decoder.parameters(), *self.encoder.parameters()],
            5e-4,
            (0.5, 0.99),
            weight_decay=1e-4,
        )
        self.judging = torch.optim.AdamW(
            self.critic.parameters(), 4e-4, (0.5, 0.99), weight_decay=1e-4
        )
        self.step = 0
        self.seconds = 0.0
        # Mean and covariance of the residuals, so that drawn ones are like the encoded ones.
        self.residual_mean = torch.zeros(RESIDUAL)
        self.residual_square = torch.eye(RESIDUAL)

    def state(self) -> dict[str, object]:
        nets = ("decoder", "average", "encoder", "critic", "drawing", "judging")
        state: dict[str, object] = {name: getattr(self, name).state_dict() for name in nets}
        plain = ("step", "seconds", "residual_mean", "residual_square")
        return (
            state | {name: getattr(self, name) for name in plain} | {"rng": torch.get_rng_state()}
        )

    def load(self, state: dict[str, object]) -> None:
        torch.set_rng_state(state.pop("rng"))  # type: ignore[arg-type]
        for name, value in state.items():
            if isinstance(value, dict):
                getattr(self, name).load_state_dict(value)
            else:
                setattr(self, name, value)

    def train(self, x: Tensor, mask: Tensor, identity: Tensor, progress: float) -> dict[str, float]:
        """One step of decoder and encoder, then one of the critic; returns the loss in parts."""
        for optimizer, rate in ((self.drawing, 8e-4), (self.judging, 5e-4)):
            for group in optimizer.param_groups:
                group["lr"] = rate * min(1.0, self.step / 200 + 0.05) * (1 - 0.92 * progress)
        adversarial = 0.0 if progress < SHARPEN else 0.04
        n, invent = len(x), (len(x) // 4 if adversarial else 0)
        with half_precision("cpu", wanted=True):
            small, small_mask = _seen(x * mask), _seen(mask)
            mean, spread = self.encoder(torch.cat([small, small_mask], 1), identity)
            mean, spread = mean.float(), spread.float()
            residual = mean + torch.randn_like(mean) * (spread / 2).exp()
            wanted = torch.cat([identity, mixtures(identity)[:invent]])
            residuals = torch.cat([residual, residual[torch.randperm(n)[:invent]]])
            masks = torch.cat([mask, mask[:invent]])
            drawn = self.decoder(wanted, residuals)
            l1 = ((drawn[:n].float() - x).abs() * mask).sum() / mask.sum() / 3
            fakes = drawn * masks
            with torch.no_grad():
                real_features, _, _ = self.critic(small)
                real_detail = self.detail(x * mask)
            features, logits, read = self.critic(_seen(fakes))
            percept = _apart([f[:n] for f in features], real_features)
            percept = percept + _apart(self.detail(fakes[:n]), real_detail)
            who = (1 - (read * wanted).sum(1)).mean()
            fool = torch.zeros(())
            if adversarial:
                fool = -logits.float().mean()
        kl = -0.5 * (1 + spread - mean**2 - spread.exp()).sum(1).mean()
        loss = 4 * l1 + 0.5 * percept + who + 0.004 * kl + adversarial * fool
        self.drawing.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.decoder.parameters(), 5.0)
        self.drawing.step()
        parts = {"l1": l1, "percept": percept, "who": who, "kl": kl, "fool": fool}
        parts |= self._judge(x * mask, fakes.detach(), identity, adversarial > 0)
        self._average(mean.detach())
        return {name: float(value.detach()) for name, value in parts.items()}

    def _judge(self, x: Tensor, fakes: Tensor, identity: Tensor, tells: bool) -> dict[str, Tensor]:
        with half_precision("cpu", wanted=True):
            _, real, read = self.critic(_seen(x))
            who = (1 - (read * identity).sum(1)).mean()
            tell = torch.zeros(())
            if tells:
                tell = _hinge(real, self.critic(_seen(fakes))[1])
            loss = who + 0.3 * tell
        self.judging.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.critic.parameters(), 5.0)
        self.judging.step()
        return {"reads": who, "tell": tell}

    def _average(self, residual: Tensor) -> None:
        self.step += 1
        keep = min(0.998, 1 - 1 / (self.step + 1))
        with torch.no_grad():
            for kept, new in zip(self.average.parameters(), self.decoder.parameters(), strict=True):
                kept.lerp_(new, 1 - keep)
            self.residual_mean = self.residual_mean.lerp(residual.mean(0), 1 - keep)
            square = residual.T @ residual / len(residual)
            self.residual_square = self.residual_square.lerp(square, 1 - keep)


def _hinge(real: Tensor, fake: Tensor) -> Tensor:
    return F.relu(1 - real.float()).mean() + F.relu(1 + fake.float()).mean()


def _seen(x: Tensor) -> Tensor:
    """At the 64 pixels that encoder and critic look at."""
    return F.interpolate(x, (64, 64), mode="bilinear").contiguous(memory_format=torch.channels_last)


def run(faces: Faces, out: Path, minutes: float) -> None:
    """Train for `minutes` in all, going on from the checkpoint `out` if there is one."""
    torch.manual_seed(0)
    trainer = Trainer()
    if out.exists():
        trainer.load(torch.load(out, weights_only=True))
    budget, saved = minutes * 60, time.monotonic()
    batches = faces.batches(BATCH, seed=trainer.step)
    while trainer.seconds < budget:
        began = time.monotonic()
        parts = trainer.train(*next(batches), trainer.seconds / budget)
        trainer.seconds += time.monotonic() - began
        if trainer.step % 50 == 0:
            figures = " ".join(f"{name} {value:.3f}" for name, value in parts.items())
            print(f"{trainer.step} {trainer.seconds:.0f}s {figures}", flush=True)
        if time.monotonic() - saved > 120 or trainer.seconds >= budget:
            saved = time.monotonic()
            torch.save(trainer.state(), out.with_suffix(".part"))
            out.with_suffix(".part").replace(out)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--faces", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=45)
    parser.add_argument("--threads", type=int, default=1)
    a = parser.parse_args()
    torch.set_num_threads(a.threads)
    run(Faces.open(a.faces, a.data), a.out, a.minutes)


if __name__ == "__main__":
    main()
