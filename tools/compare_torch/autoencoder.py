"""Trains an autoencoder in PyTorch step by step, as compare_autoencoder.ts tells it.

    python tools/compare_torch/autoencoder.py FOLDER THREADS

FOLDER holds config.json, init.safetensors (weights), and pictures.safetensors (train and unseen,
[N, 3, H, W] from 0 to 1). Each line of the input is a JSON object: {"pictures": [...], "lr": 1e-3}
takes a step on these, {"evaluate": true} scores the unseen ones; one line answers each.

The network is diffusers' AutoencoderDC, which computes what the released class does, in float32 and
channels-last, PyTorch's fastest form on a CPU. The loss is L1 + MSE + 0.5 edges.
"""

import json
import sys
import time
from pathlib import Path

import torch
from diffusers import AutoencoderDC
from safetensors.torch import load_file

LOSS = {"l1": 1.0, "mse": 1.0, "edges": 0.5}


def main() -> None:
    folder = Path(sys.argv[1])
    torch.set_num_threads(int(sys.argv[2]))
    model = AutoencoderDC(**json.loads((folder / "config.json").read_text()))
    missing, unexpected = model.load_state_dict(load_file(folder / "init.safetensors"), strict=False)
    if unexpected or any(not name.endswith("num_batches_tracked") for name in missing):
        sys.exit(f"Cannot load these weights: {missing} {unexpected}")
    model = model.to(memory_format=torch.channels_last)
    pictures = load_file(folder / "pictures.safetensors")
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, betas=(0.9, 0.99), weight_decay=0.0)
    for line in sys.stdin:
        order = json.loads(line)
        if "evaluate" in order:
            answer = evaluate(model, pictures["unseen"])
        else:
            optimizer.param_groups[0]["lr"] = order["lr"]
            answer = timed_step(model, optimizer, pictures["train"][order["pictures"]])
        print(json.dumps(answer), flush=True)


def reconstruct(model: AutoencoderDC, pictures: torch.Tensor) -> torch.Tensor:
    return model.decode(model.encode(pictures).latent).sample


def timed_step(model: AutoencoderDC, optimizer: torch.optim.Optimizer, pictures: torch.Tensor) -> dict:
    begin, cpu_begin = time.perf_counter(), time.process_time()
    model.train()
    x = (2 * pictures - 1).contiguous(memory_format=torch.channels_last)
    loss = loss_of(x, reconstruct(model, x))
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    seconds = {"wall": time.perf_counter() - begin, "cpu": time.process_time() - cpu_begin}
    return {"loss": loss.item()} | seconds


def loss_of(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    e = y - x
    edges = e.diff(dim=-1).abs().mean() + e.diff(dim=-2).abs().mean()
    return LOSS["l1"] * e.abs().mean() + LOSS["mse"] * e.square().mean() + LOSS["edges"] * edges


@torch.no_grad()
def evaluate(model: AutoencoderDC, pictures: torch.Tensor) -> dict:
    """The mean PSNR of pictures, reconstructed with the running statistics."""
    model.eval()
    x = (2 * pictures - 1).contiguous(memory_format=torch.channels_last)
    y = (reconstruct(model, x) / 2 + 0.5).clamp(0, 1)
    squares = (y - pictures).square().mean(dim=(1, 2, 3))
    return {"psnr": (-10 * squares.log10()).mean().item()}


if __name__ == "__main__":
    main()
