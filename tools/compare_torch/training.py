"""A training step of FAR and FAR_Long in plain PyTorch, as ../../train computes it.

Sizes as in far.py, and n frames of a step. Attention keeps its keys for the gradient, so the
caches of inference, which are written in place, cannot be used: these take their place.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from far import Cache, Config, Far, ReleasedCache, Tokens, bias, rope, rotate
from torch import Tensor, nn

SCALING_FACTOR = 0.2889
LEVELS = 1000


class Sequence(Cache):
    """Keys and values of one step's frames: long-term context leaves them, the window reads them."""

    def __init__(self, config: Config, batch: int, capacity: int):
        self.config = config
        self.positions = torch.zeros(capacity, 3)
        self.length = 0
        self.kept: list[tuple[Tensor, Tensor] | None] = [None] * config.num_layers

    def attend(self, layer: int, q: Tensor, k: Tensor, v: Tensor, tokens: Tokens) -> Tensor:
        q, k = rotate(q, tokens.cos, tokens.sin), rotate(k, tokens.cos, tokens.sin)
        if (kept := self.kept[layer]) is not None:
            k, v = torch.cat((kept[0], k), dim=2), torch.cat((kept[1], v), dim=2)
        if tokens.keep:
            self.kept[layer] = k, v
        return F.scaled_dot_product_attention(q, k, v, attn_mask=tokens.bias)


class ReleasedSequence(Sequence):
    """The work of the released code: adaLN per token, a mask that PyTorch's fused attention refuses."""

    adaln_per_token = ReleasedCache.adaln_per_token

    def tables(self, start: int, end: int) -> tuple[tuple[Tensor, Tensor], Tensor | None]:
        new, seen = self.positions[start:end], self.positions[:end]
        return rope(self.config, new), bias(self.config, new, seen).unsqueeze(0)


@dataclass
class Inputs:
    """The inputs of a step, and its targets."""

    x: Tensor  # [b, n, c, h, w]
    timestep: Tensor  # [b, n]; -1: clean
    condition: Tensor | None  # labels [b] or actions [b, n]
    target: Tensor  # [b, n, c, h, w]


def draw(latents: Tensor, condition: Tensor | None, model: Far, clean_context: float) -> Inputs:
    """Noises latents [b, n, c, h, w] as the released trainer does, with its draws."""
    b, n = latents.shape[:2]
    x0 = latents * SCALING_FACTOR
    noise = torch.randn(b * n, *latents.shape[2:]).view_as(latents)
    u = torch.sigmoid(torch.normal(mean=0.0, std=1.0, size=(b * n,)))
    sigma = ((LEVELS - (u * LEVELS).long()) / LEVELS).view(b, n)
    context = context_frames(model.config, n)
    clean = torch.ones(b, n, dtype=torch.bool)
    clean[:, context:] = torch.rand(b, n - context) < clean_context
    s = sigma[..., None, None, None]
    x = torch.where(clean[..., None, None, None], x0, s * noise + (1 - s) * x0)
    timestep = torch.where(clean, -1.0, sigma * LEVELS)
    return Inputs(x, timestep, dropped(condition, model.config, context), noise - x0)


def dropped(condition: Tensor | None, config: Config, context: int) -> Tensor | None:
    """A tenth of the conditions becomes the null class; FAR_Long asks for its window's first."""
    if condition is None:
        return None
    parts = [condition] if condition.dim() == 1 else [condition[:, context:], condition[:, :context]]
    null = config.labels or config.actions
    parts = [torch.where(torch.rand(part.shape) < 0.1, null, part) for part in parts]
    return parts[0] if condition.dim() == 1 else torch.cat(parts[::-1], dim=1)


def context_frames(config: Config, n: int) -> int:
    return max(0, n - config.short_term_ctx_winsize) if config.context_patch_size else 0


def loss_of(model: Far, inputs: Inputs, kind: type[Sequence] = Sequence) -> Tensor:
    """The mean over videos of the mean over their noisy frames of the window."""
    x, timestep, condition = inputs.x, inputs.timestep, inputs.condition
    b, n, _, h, w = x.shape
    context = context_frames(model.config, n)
    sequence = kind(model.config, b, n * h * w)

    def part(first: int, end: int, long_term: bool) -> Tensor | None:
        given = condition[:, first:end] if model.config.actions else condition
        t = timestep[:, first:end] * (2 if long_term else 1)
        frames = x[:, first:end]
        return model(frames, t, first, sequence, given, long_term=long_term, keep=long_term)

    if context:
        part(0, context, True)
    v = part(context, n, False)
    window = min(n, model.config.short_term_ctx_winsize)
    error = (v - inputs.target[:, context:]).square().mean(dim=(2, 3, 4))[:, -window:]
    noisy = (timestep[:, -window:] >= 0).float()
    return ((error * noisy).sum(dim=1) / (noisy.sum(dim=1) + 1e-9)).mean()


class Averages:
    """The released averages of all parameters."""

    def __init__(self, model: nn.Module, decay: float):
        self.decay = decay
        self.shadows = [p.detach().clone() for p in model.parameters()]

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        parameters = list(model.parameters())
        torch._foreach_mul_(self.shadows, self.decay)
        torch._foreach_add_(self.shadows, parameters, alpha=1 - self.decay)


def train_step(
    model: Far,
    optimizer: torch.optim.Optimizer,
    averages: Averages,
    inputs: Inputs,
    kind: type[Sequence] = Sequence,
) -> float:
    """Forward, backward, clipping, AdamW and averages. Returns the loss."""
    loss = loss_of(model, inputs, kind)
    loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    averages.update(model)
    return loss.item()
