"""Checks far.py against the outputs of the released code, frame by frame with the cache.

    python tools/compare_torch/check.py

Every golden forward pass is run as the benchmark runs its steps: frame after frame (context frames
first, as context tokens), each reading the keys and values that those before have left. It is also
run all frames at once, with the frame-causal mask, and as the released code works.
"""

import json
import sys
from pathlib import Path

import torch
from far import Cache, Config, Far, ReleasedCache
from safetensors.torch import load_file
from torch import Tensor

GOLDENS = Path(__file__).parents[2] / "tests/fixtures/goldens"
TOLERANCE = 2e-4  # max|a - b| / max|b|, as the goldens' README says


def load(folder: Path) -> Far:
    raw = json.loads((folder / "transformer/config.json").read_text())
    condition = raw.get("condition_cfg") or {}
    config = Config(
        raw["num_layers"],
        raw["num_attention_heads"],
        raw["in_channels"],
        raw["patch_size"],
        tuple(raw["axes_dims_rope"]),
        raw["short_term_ctx_winsize"],
        raw["slope_scale"],
        raw.get("context_patch_size", 0),
        labels=condition.get("num_classes", 0),
        actions=condition.get("num_action_classes", 0),
    )
    model = Far(config).eval()
    weights = load_file(folder / "transformer/diffusion_pytorch_model.safetensors")
    model.load_state_dict({name: value.float() for name, value in weights.items()})
    return model


def run(model: Far, golden: dict[str, Tensor], kind: type[Cache], at_once: bool) -> Tensor:
    """The velocity of the frames in the window, [b, frames, c, h, w]."""
    latents, timestep = golden["hidden_states"], golden["timestep"]
    b, f, _, h, w = latents.shape
    config = model.config
    cache = kind(config, b, f * h * w)
    context = max(0, f - config.short_term_ctx_winsize) if config.context_patch_size else 0
    outputs = []

    def forward(first: int, end: int, long_term: bool):
        condition = golden.get("label")
        if "action" in golden:
            condition = golden["action"][:, first:end]
        t = timestep[:, first:end] * (2 if long_term else 1)
        frames = latents[:, first:end]
        return model(frames, t, first, cache, condition, long_term=long_term, keep=True)

    for begin, stop, long_term in ((0, context, True), (context, f, False)):
        size = max(1, stop - begin) if at_once else 1
        for i in range(begin, stop, size):
            outputs.append(forward(i, i + size, long_term))
    return torch.cat([v for v in outputs if v is not None], dim=1)


def main() -> int:
    worst = 0.0
    for path in sorted(GOLDENS.glob("far-*/forward*.safetensors")):
        model, golden = load(path.parent), load_file(path)
        # FAR_Long's context frames have outputs of their own, which inference never reads.
        long = model.config.context_patch_size > 0
        expected = golden["output.last" if long else "output.all"]
        for kind, at_once in ((Cache, False), (Cache, True), (ReleasedCache, False)):
            with torch.inference_mode():
                actual = run(model, golden, kind, at_once)[:, -expected.shape[1] :]
            error = ((actual - expected).abs().max() / expected.abs().max()).item()
            worst = max(worst, error)
            how = f"{kind.__name__}, {'at once' if at_once else 'by frame'}"
            print(f"{path.parent.name + '/' + path.stem:26} {how:24} relative error {error:.1e}")
    print("ok" if worst <= TOLERANCE else f"FAILED: more than {TOLERANCE}")
    return 0 if worst <= TOLERANCE else 1


if __name__ == "__main__":
    sys.exit(main())
