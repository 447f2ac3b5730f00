"""The optimisers, the schedule of the learning rate, and one step of descent."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from facecluster.errors import TrainingError
from facecluster.facenet import parallel

if TYPE_CHECKING:
    from facecluster.facenet.training import Training, TrainingConfig

__all__ = ["descend", "learning_rate", "optimiser"]


def learning_rate(config: TrainingConfig, step: int) -> float:
    """The rate at this step, from 0 on: it rises over the warm-up, stays, and falls over the
    cool-down to zero."""
    rising = min(1.0, (step + 1) / max(1, config.warmup))
    falling = min(1.0, (config.steps - step) / max(1, config.cooldown))
    return config.learning_rate * min(rising, falling)


def descend(training: Training, loss: Tensor) -> None:
    """One step of the optimiser down the loss, at this step's learning rate, and of the average.

    Counts the step. The gradients of all processes are summed, and clipped to a norm of 5.
    """
    rate = learning_rate(training.config, training.step)
    for group in training.optimiser.param_groups:
        group["lr"] = rate
    training.optimiser.zero_grad(set_to_none=True)
    torch.autograd.backward(loss)
    parallel.sum_gradients(training.network)
    parallel.same_buffers(training.network)
    nn.utils.clip_grad_norm_(training.network.parameters(), 5.0)
    training.optimiser.step()
    _average(training)
    training.step += 1


@torch.no_grad()
def _average(training: Training) -> None:
    # Young averages forget faster, or the random start would linger in them.
    keep = min(training.config.averaging, (1 + training.step) / (10 + training.step))
    network = training.network.state_dict()
    for name, mean in training.average.state_dict().items():
        if mean.is_floating_point():
            mean.lerp_(network[name].to(mean.dtype), 1.0 - keep)
        else:
            mean.copy_(network[name])


def optimiser(network: nn.Module, config: TrainingConfig) -> torch.optim.Optimizer:
    """AdamW, AdaGrad or SGD with momentum; TrainingError for another name."""
    parts = _decayed(network, config.weight_decay)
    if config.optimiser == "adamw":
        return torch.optim.AdamW(parts, lr=config.learning_rate, fused=True)
    if config.optimiser == "adagrad":
        return torch.optim.Adagrad(parts, lr=config.learning_rate)
    if config.optimiser == "sgd":
        return torch.optim.SGD(parts, lr=config.learning_rate, momentum=0.9)
    raise TrainingError(f"There is no optimiser {config.optimiser}: adamw, adagrad or sgd.")


def _decayed(network: nn.Module, decay: float) -> list[dict[str, object]]:
    # Decay is for what multiplies pictures; scales, shifts and biases are left alone.
    weights = [p for p in network.parameters() if p.ndim > 1]
    others = [p for p in network.parameters() if p.ndim <= 1]
    return [
        {"params": weights, "weight_decay": decay},
        {"params": others, "weight_decay": 0.0},
    ]
