"""FAR and FAR_Long in plain PyTorch, for timing and for checking the timing's honesty.

Module names follow the checkpoint's, so released weights load with load_state_dict; what the released
model takes from diffusers is taken from there. Sizes: b batch,
f frames, T tokens, n new tokens, d = 64 heads, c h w latent channels, height and width, p patch.

It computes the same numbers in two ways, by the cache it is given. With Cache, keys are rotated
once and kept rotated, the cache is written in place, adaLN runs once a frame, and attention has a
mask only where one is needed. With ReleasedCache it does the work that the released code does: keys
kept unrotated and all rotated at each step, keys and values concatenated, adaLN once a token, a
[T, T] mask at each step.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from diffusers.models.attention import FeedForward
from diffusers.models.embeddings import TimestepEmbedding, get_timestep_embedding
from torch import Tensor, nn

HEAD = 64
WAVES = 256  # cosines and sines of a timestep


@dataclass(frozen=True)
class Config:
    num_layers: int
    num_attention_heads: int
    in_channels: int = 32
    patch_size: int = 1
    axes_dims_rope: tuple[int, int, int] = (16, 24, 24)
    short_term_ctx_winsize: int = 16
    slope_scale: float = 0.0
    context_patch_size: int = 0  # 0: FAR; else FAR_Long
    labels: int = 0
    actions: int = 0

    @property
    def width(self) -> int:
        return HEAD * self.num_attention_heads


ARCHITECTURES = {
    "FAR_B": Config(12, 12),
    "FAR_L": Config(24, 16),
    "FAR_XL": Config(28, 18),
    "FAR_B_Long": Config(12, 12, context_patch_size=4, actions=4),
}


@dataclass
class Tokens:
    """New tokens start .. end of one call: where they are and what they may see."""

    start: int
    end: int
    keep: bool  # whether they stay in the cache
    long_term: bool  # context tokens of FAR_Long
    cos: Tensor  # [n, 32]; of all tokens so far with ReleasedCache
    sin: Tensor
    bias: Tensor | None  # [n, T] added to the scores; None: all visible, no decay


class Cache:
    """Rotated keys and values of every layer, with room for `capacity` tokens."""

    adaln_per_token = False

    def __init__(self, config: Config, batch: int, capacity: int):
        self.config = config
        shape = (config.num_layers, batch, config.num_attention_heads, capacity, HEAD)
        self.keys, self.values = torch.zeros(shape), torch.zeros(shape)
        self.positions = torch.zeros(capacity, 3)  # frame, row, column of each token
        self.length = 0

    def tokens(self, positions: Tensor, keep: bool, long_term: bool) -> Tokens:
        start, end = self.length, self.length + positions.shape[0]
        self.positions[start:end] = positions
        (cos, sin), bias = self.tables(start, end)
        if keep:
            self.length = end
        return Tokens(start, end, keep, long_term, cos, sin, bias)

    def tables(self, start: int, end: int) -> tuple[tuple[Tensor, Tensor], Tensor | None]:
        table = rope(self.config, self.positions[start:end])
        one_frame = bool(self.positions[start, 0] == self.positions[end - 1, 0])
        if one_frame and self.config.slope_scale == 0:
            return table, None
        return table, bias(self.config, self.positions[start:end], self.positions[:end])

    def attend(self, layer: int, q: Tensor, k: Tensor, v: Tensor, tokens: Tokens) -> Tensor:
        keys, values = self.keys[layer, :, :, : tokens.end], self.values[layer, :, :, : tokens.end]
        keys[:, :, tokens.start :] = rotate(k, tokens.cos, tokens.sin)
        values[:, :, tokens.start :] = v
        q = rotate(q, tokens.cos, tokens.sin)
        return F.scaled_dot_product_attention(q, keys, values, attn_mask=tokens.bias)


class ReleasedCache(Cache):
    """The cache of the released code: the same numbers for more work."""

    adaln_per_token = True

    def tables(self, start: int, end: int) -> tuple[tuple[Tensor, Tensor], Tensor | None]:
        seen = self.positions[:end]
        # Of three dimensions, as in the released code: PyTorch's fused attention refuses those.
        return rope(self.config, seen), bias(self.config, seen, seen)[start:].unsqueeze(0)

    def attend(self, layer: int, q: Tensor, k: Tensor, v: Tensor, tokens: Tokens) -> Tensor:
        start, end = tokens.start, tokens.end
        keys = torch.cat((self.keys[layer, :, :, :start], k), dim=2)
        values = torch.cat((self.values[layer, :, :, :start], v), dim=2)
        if tokens.keep:
            self.keys[layer, :, :, start:end] = k
            self.values[layer, :, :, start:end] = v
        q = rotate(q, tokens.cos[start:], tokens.sin[start:])
        keys = rotate(keys, tokens.cos, tokens.sin)
        return F.scaled_dot_product_attention(q, keys, values, attn_mask=tokens.bias)


def rope(config: Config, positions: Tensor) -> tuple[Tensor, Tensor]:
    """cos and sin [T, 32] of positions [T, 3]."""
    angles = []
    for axis, dim in enumerate(config.axes_dims_rope):
        frequency = 10000.0 ** (-torch.arange(0, dim, 2, dtype=torch.float64) / dim)
        angles.append(positions[:, axis : axis + 1] * frequency)
    angle = torch.cat(angles, dim=-1)
    return angle.cos().float(), angle.sin().float()


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotates adjacent pairs of the last axis in float32; x [b, heads, T, 64]."""
    a, b = x.unflatten(-1, (-1, 2)).unbind(-1)
    rotated = torch.stack((a * cos - b * sin, b * cos + a * sin), dim=-1).flatten(-2)
    return rotated.to(x.dtype)


def bias(config: Config, queries: Tensor, keys: Tensor) -> Tensor:
    """[n, T]: the decay of earlier frames, -inf for later ones."""
    distance = keys[:, 0] - queries[:, :1]
    decay = (config.slope_scale * distance).masked_fill(distance > 0, -torch.inf)
    return decay.to(torch.get_default_dtype())


class RMSNorm(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(HEAD))

    def forward(self, x: Tensor) -> Tensor:
        return F.rms_norm(x, (HEAD,), self.weight, 1e-6)


class AdaLayerNorm(nn.Module):
    """LN(x) (1 + scale) + shift; temb [b, f, d]: one per frame, or one per token."""

    def __init__(self, d: int, parts: int):
        super().__init__()
        self.linear = nn.Linear(d, parts * d)

    def forward(self, x: Tensor, temb: Tensor) -> tuple[Tensor, ...]:
        b, n, d = x.shape
        f = temb.shape[1]
        parts = self.linear(F.silu(temb)).unsqueeze(2).chunk(self.linear.out_features // d, dim=-1)
        # The last norm has (scale, shift), the blocks' norms (shift, scale, gate).
        shift, scale = parts[:2] if len(parts) == 3 else parts[::-1]
        y = F.layer_norm(x, (d,), eps=1e-6).view(b, f, n // f, d) * (1 + scale) + shift
        return (y.view(b, n, d), *parts[2:])


class Attention(nn.Module):
    def __init__(self, config: Config, last: bool):
        super().__init__()
        d = config.width
        self.to_q, self.to_k, self.to_v = nn.Linear(d, d), nn.Linear(d, d), nn.Linear(d, d)
        self.to_out = nn.ModuleList([nn.Linear(d, d)])
        self.norm_q, self.norm_k = RMSNorm(), RMSNorm()
        if config.context_patch_size:
            self.add_q_proj, self.add_k_proj = nn.Linear(d, d), nn.Linear(d, d)
            self.add_v_proj = nn.Linear(d, d)
            self.norm_added_q, self.norm_added_k = RMSNorm(), RMSNorm()
            self.to_add_out = nn.Identity() if last else nn.Linear(d, d)

    def forward(self, x: Tensor, tokens: Tokens, cache: Cache, layer: int) -> Tensor:
        b, n, d = x.shape
        if tokens.long_term:
            project = (self.add_q_proj, self.add_k_proj, self.add_v_proj)
            norm_q, norm_k, out = self.norm_added_q, self.norm_added_k, self.to_add_out
        else:
            project = (self.to_q, self.to_k, self.to_v)
            norm_q, norm_k, out = self.norm_q, self.norm_k, self.to_out[0]
        q, k, v = (linear(x).view(b, n, -1, HEAD).transpose(1, 2) for linear in project)
        y = cache.attend(layer, norm_q(q), norm_k(k), v, tokens)
        return out(y.transpose(1, 2).reshape(b, n, d))


class Block(nn.Module):
    def __init__(self, config: Config, last: bool):
        super().__init__()
        self.norm1 = AdaLayerNorm(config.width, 3)
        self.attn = Attention(config, last)
        self.norm2 = AdaLayerNorm(config.width, 3)
        self.mlp = FeedForward(config.width, activation_fn="gelu-approximate")

    def forward(self, x: Tensor, temb: Tensor, tokens: Tokens, cache: Cache, layer: int) -> Tensor:
        y, gate = self.norm1(x, temb)
        x = gated_add(x, gate, self.attn(y, tokens, cache, layer))
        y, gate = self.norm2(x, temb)
        return gated_add(x, gate, self.mlp(y))


def gated_add(x: Tensor, gate: Tensor, y: Tensor) -> Tensor:
    """x + gate y with one gate for n / f tokens: x, y [b, n, d], gate [b, f, 1, d]."""
    f = gate.shape[1]
    return torch.addcmul(x.unflatten(1, (f, -1)), gate, y.unflatten(1, (f, -1))).flatten(1, 2)


class ClassEmbedding(nn.Module):
    """One row per class; the last is for "none"."""

    def __init__(self, classes: int, d: int):
        super().__init__()
        self.embedding_table = nn.Embedding(classes + 1, d)

    def forward(self, index: Tensor) -> Tensor:
        return self.embedding_table(index)


class Far(nn.Module):
    def __init__(self, config: Config):
        super().__init__()
        self.config = config
        d, c, p = config.width, config.in_channels, config.patch_size
        self.x_embedder = nn.Linear(c * p * p, d)
        self.timestep_embedder = TimestepEmbedding(WAVES, d)
        if config.labels:
            self.label_embedder = ClassEmbedding(config.labels, d)
        if config.actions:
            self.action_embedder = ClassEmbedding(config.actions, d)
        layers = config.num_layers
        self.transformer_blocks = nn.ModuleList(
            Block(config, last=i == layers - 1) for i in range(layers)
        )
        self.norm_out = AdaLayerNorm(d, 2)
        self.proj_out = nn.Linear(d, c * p * p)
        if config.context_patch_size:
            size = c * config.context_patch_size**2
            self.context_embedder = nn.Linear(size, d)
            self.context_proj_out = nn.Linear(d, size)

    def forward(
        self,
        latents: Tensor,  # [b, f, c, h, w]: frames first, first + 1, ...
        timestep: Tensor,  # [b, f]
        first: int,
        cache: Cache,
        condition: Tensor | None = None,  # label [b] or action [b, f]
        long_term: bool = False,  # as context tokens of FAR_Long
        keep: bool = False,  # whether keys and values stay in the cache
    ) -> Tensor | None:  # velocity, as latents; none for context tokens
        config = self.config
        b, f, c, h, w = latents.shape
        p = config.context_patch_size if long_term else config.patch_size
        rows, columns = h // p, w // p
        x = latents.reshape(b, f, c, rows, p, columns, p).permute(0, 1, 3, 5, 2, 4, 6)
        x = x.reshape(b, f * rows * columns, c * p * p)
        x = self.context_embedder(x) if long_term else self.x_embedder(x)
        waves = get_timestep_embedding(
            timestep.flatten(), WAVES, flip_sin_to_cos=True, downscale_freq_shift=1
        )
        temb = self.timestep_embedder(waves.to(latents.dtype)).view(b, f, -1)
        if condition is not None:
            labelled = config.labels > 0
            embed = self.label_embedder if labelled else self.action_embedder
            temb = temb + (embed(condition).unsqueeze(1) if labelled else embed(condition))
        if cache.adaln_per_token:
            temb = temb.repeat_interleave(rows * columns, dim=1)
        scale = p // config.patch_size
        positions = torch.cartesian_prod(
            first + torch.arange(f), scale * torch.arange(rows), scale * torch.arange(columns)
        )
        tokens = cache.tokens(positions, keep, long_term)
        for layer, block in enumerate(self.transformer_blocks):
            x = block(x, temb, tokens, cache, layer)
        if long_term:
            return None
        (x,) = self.norm_out(x, temb)
        x = self.proj_out(x).reshape(b, f, rows, columns, c, p, p)
        return x.permute(0, 1, 4, 2, 5, 3, 6).reshape(b, f, c, h, w)
