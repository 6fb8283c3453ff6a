"""Times a training step of FAR in PyTorch on the CPU; prints one JSON object.

    python tools/compare_torch/train.py --architecture demo

A step is forward, backward, clipping, AdamW and the averages, in float32, of clips of random
latents. "lean" does no needless work; "released" does the work the released code does.
"""

import argparse
import json
import os

import torch
from bench import measure
from far import ARCHITECTURES, Config, Far
from training import Averages, ReleasedSequence, Sequence, draw, train_step

DEMO = Config(8, 3, short_term_ctx_winsize=8, context_patch_size=2, actions=4)
# videos, frames and side of the latents of a step
CASES = {"demo": (DEMO, 8, 16, 4), "FAR_B": (ARCHITECTURES["FAR_B"], 1, 16, 8)}
WAYS = {"lean": Sequence, "released": ReleasedSequence}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--architecture", choices=CASES, default="demo")
    parser.add_argument("--ways", choices=WAYS, nargs="+", default=list(WAYS))
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--runs", type=int, default=3, help="of each measurement")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    result = {way: measure_way(WAYS[way], options) for way in options.ways}
    load = os.getloadavg()[0]
    print(json.dumps({"architecture": options.architecture, "load_average": load} | result))


def measure_way(kind: type[Sequence], options: argparse.Namespace) -> dict:
    config, videos, frames, side = CASES[options.architecture]
    model = Far(config).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, weight_decay=0.0)
    averages = Averages(model, 0.9999)
    latents = torch.randn(videos, frames, config.in_channels, side, side) / 0.2889
    actions = torch.randint(config.actions, (videos, frames)) if config.actions else None

    def step() -> None:
        inputs = draw(latents, actions, model, clean_context=0.1)
        train_step(model, optimizer, averages, inputs, kind)

    return measure(step, options.runs)


if __name__ == "__main__":
    main()
