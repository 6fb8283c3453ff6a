"""Trains an autoencoder in PyTorch step by step, as compare_autoencoder.ts tells it.

    python tools/compare_torch/autoencoder.py FOLDER THREADS

FOLDER holds config.json, init.safetensors (weights), and pictures.safetensors (train and unseen,
[N, 3, H, W] from 0 to 1). Each line of the input is a JSON object: {"pictures": [...], "lr": 1e-3}
takes a step on these, with "joined" against the discriminator of init_disc.safetensors, and
{"evaluate": true} scores the unseen ones; one line answers each.

The network is diffusers' AutoencoderDC, which computes what the released class does, in float32 and
channels-last, PyTorch's fastest form on a CPU. The loss is L1 + MSE + 0.5 edges.
"""

import json
import sys
import time
from pathlib import Path

import torch
from torch import nn
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
    judge, judge_optimizer = discriminator(folder / "init_disc.safetensors")
    for line in sys.stdin:
        order = json.loads(line)
        if "evaluate" in order:
            answer = evaluate(model, pictures["unseen"])
        else:
            optimizers = [optimizer, *([judge_optimizer] if order["joined"] else [])]
            for each in optimizers:
                each.param_groups[0]["lr"] = order["lr"]
            adversary = judge if order["joined"] else None
            answer = timed_step(model, adversary, optimizers, pictures["train"][order["pictures"]])
        print(json.dumps(answer), flush=True)


def reconstruct(model: AutoencoderDC, pictures: torch.Tensor) -> torch.Tensor:
    return model.decode(model.encode(pictures).latent).sample


def discriminator(path: Path) -> tuple[nn.Module | None, torch.optim.Optimizer | None]:
    """VQGAN's, of three layers, with its optimiser; none without weights."""
    if not path.exists():
        return None, None
    weights = load_file(path)
    filters = weights["main.0.weight"].shape[0]
    layers = [nn.Conv2d(3, filters, 4, 2, 1), nn.LeakyReLU(0.2)]
    for factor, stride in [(1, 2), (2, 2), (4, 1)]:
        inputs, outputs = factor * filters, 2 * factor * filters
        conv = nn.Conv2d(inputs, outputs, 4, stride, 1, bias=False)
        layers += [conv, nn.BatchNorm2d(outputs), nn.LeakyReLU(0.2)]
    layers += [nn.Conv2d(8 * filters, 1, 4, 1, 1)]
    judge = nn.Sequential(*layers)
    judge.load_state_dict({name.removeprefix("main."): w for name, w in weights.items()}, strict=False)
    judge = judge.to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(judge.parameters(), lr=1e-3, betas=(0.9, 0.99), weight_decay=0.0)
    return judge, optimizer


def timed_step(
    model: AutoencoderDC,
    judge: nn.Module | None,
    optimizers: list[torch.optim.Optimizer],
    pictures: torch.Tensor,
) -> dict:
    begin, cpu_begin = time.perf_counter(), time.process_time()
    model.train()
    model.encoder.requires_grad_(judge is None)
    x = (2 * pictures - 1).contiguous(memory_format=torch.channels_last)
    y = reconstruct(model, x)
    loss = loss_of(x, y)
    for optimizer in optimizers:
        optimizer.zero_grad(set_to_none=True)
    whole = loss if judge is None else loss + adversarial_loss(model, judge, loss, x, y)
    whole.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    for optimizer in optimizers:
        optimizer.step()
    seconds = {"wall": time.perf_counter() - begin, "cpu": time.process_time() - cpu_begin}
    return {"loss": loss.item()} | seconds


def adversarial_loss(
    model: AutoencoderDC, judge: nn.Module, loss: torch.Tensor, x: torch.Tensor, y: torch.Tensor
) -> torch.Tensor:
    """Of the decoder, weighed by its last weight's gradients, and of the discriminator."""
    judge.requires_grad_(False)
    making = -judge(y).mean()
    out = model.decoder.conv_out
    last = getattr(out, "conv", out).weight
    r, a = (torch.autograd.grad(part, last, retain_graph=True)[0].norm() for part in (loss, making))
    weight = 0.5 * (r / (a + 1e-4)).clamp(0, 1e4).detach()
    judge.requires_grad_(True)
    made, given = judge(y.detach()), judge(x)
    return weight * making + 0.5 * ((1 - given).relu().mean() + (1 + made).relu().mean())


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
