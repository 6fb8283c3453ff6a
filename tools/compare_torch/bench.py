"""Times one denoising step of FAR in PyTorch; prints one JSON object.

    python tools/compare_torch/bench.py --architecture FAR_B --frames 2 16 64 128
    python tools/compare_torch/bench.py --device cuda --dtype bfloat16 --ways released

A step is what a frame's second and later steps do: time embedding, transformer on the noisy frame
alone (64 tokens) over a full cache of the frames before it, Euler update. "cache_step" is the
encoding that each new frame begins with: FAR encodes the newest clean frame, FAR_Long beyond its
window one more frame of long-term context and then the whole window again.

"lean" does no needless work; "released" does the work the released code does (see far.py).
"""

import argparse
import json
import os
import platform
import statistics
import time
from collections.abc import Callable

import torch
from far import ARCHITECTURES, Cache, Config, Far, ReleasedCache

SIDE = 8  # latent height and width
WAYS = {"lean": Cache, "released": ReleasedCache}


def main() -> None:
    options = parse()
    torch.set_num_threads(options.threads)
    torch.set_default_device(options.device)
    torch.set_default_dtype(getattr(torch, options.dtype))
    torch.manual_seed(0)
    config = ARCHITECTURES[options.architecture]
    with torch.inference_mode():
        model = Far(config).eval()
        usual = [16, 156, 300] if config.context_patch_size else [2, 16, 64, 128]
        frames = options.frames or usual
        rows = [{"frame": frame} | measure_frame(model, frame, options) for frame in frames]
    print(json.dumps({
        "architecture": options.architecture,
        "parameters": sum(p.numel() for p in model.parameters()),
        "device": torch.cuda.get_device_name() if options.device == "cuda" else options.device,
        "dtype": options.dtype,
        "torch": torch.__version__,
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "threads": torch.get_num_threads(),
        "cores": len(os.sched_getaffinity(0)),
        "processor": processor(),
        "runs": options.runs,
        "load_average": os.getloadavg()[0],
        "frames": rows,
    }, indent=2))


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--architecture", choices=ARCHITECTURES, default="FAR_B")
    parser.add_argument("--frames", type=int, nargs="+", help="how many frames come before")
    parser.add_argument("--ways", choices=WAYS, nargs="+", default=list(WAYS))
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--dtype", choices=["float32", "bfloat16"], default="float32")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--runs", type=int, default=9, help="of each measurement")
    parser.add_argument("--cache-step", action="store_true", help="time encoding a frame, too")
    return parser.parse_args()


def processor() -> str:
    try:
        with open("/proc/cpuinfo") as file:
            return next(line.split(":", 1)[1].strip() for line in file if "model name" in line)
    except (OSError, StopIteration):
        return platform.processor()


def measure_frame(model: Far, frame: int, options: argparse.Namespace) -> dict:
    return {way: bench(model, frame, WAYS[way], options) for way in options.ways}


def bench(model: Far, frame: int, kind: type[Cache], options: argparse.Namespace) -> dict:
    """Measures at one frame index; keys and values of earlier frames are random numbers."""
    config = model.config
    window, context = layout(config, frame)
    cache = kind(config, 1, context + (window + 1) * SIDE**2 + per_context_frame(config))
    cache.length = context + window * SIDE**2
    torch.nn.init.normal_(cache.keys)
    torch.nn.init.normal_(cache.values)
    latents = torch.randn(1, 1, config.in_channels, SIDE, SIDE)
    timestep = torch.full((1, 1), 500.0)
    action = torch.zeros(1, 1, dtype=torch.long) if config.actions else None

    def step() -> None:
        velocity = model(latents, timestep, frame, cache, action)
        latents.add_(velocity, alpha=-0.02)

    row = {"step": measure(step, options.runs)}
    if options.cache_step:
        row["cache_step"] = measure(encoding(model, frame, cache), options.runs)
    return row


def layout(config: Config, frame: int) -> tuple[int, int]:
    """How many of the earlier frames are in the window, and how many long-term context tokens."""
    if not config.context_patch_size:
        return frame, 0
    window = min(frame, config.short_term_ctx_winsize - 1)
    return window, (frame - window) * per_context_frame(config)


def per_context_frame(config: Config) -> int:
    return (SIDE // config.context_patch_size) ** 2 if config.context_patch_size else 0


def encoding(model: Far, frame: int, cache: Cache) -> Callable[[], None]:
    config = model.config
    window, context = layout(config, frame)
    count = window if context else 1
    clean = torch.randn(1, count, config.in_channels, SIDE, SIDE)
    actions = torch.zeros(1, count, dtype=torch.long) if config.actions else None

    def encode() -> None:
        if context:
            cache.length = context - per_context_frame(config)
            left = frame - window - 1  # the frame that has just left the window
            one = actions[:, :1] if config.actions else None
            model(clean[:, :1], torch.full((1, 1), -2.0), left, cache, one, True, True)
        else:
            cache.length = (frame - 1) * SIDE**2
        model(clean, torch.full((1, count), -1.0), frame - count, cache, actions, keep=True)

    return encode


def measure(work: Callable[[], None], runs: int) -> dict:
    """Seconds of `runs` calls after two that do not count; cpu_s are those of all cores together."""
    seconds = []
    cpu = []
    wait = torch.cuda.synchronize if torch.get_default_device().type == "cuda" else lambda: None
    for i in range(runs + 2):
        wait()
        begin, cpu_begin = time.perf_counter(), time.process_time()
        work()
        wait()
        if i >= 2:
            seconds.append(time.perf_counter() - begin)
            cpu.append(time.process_time() - cpu_begin)
    return {
        "median_s": round(statistics.median(seconds), 4),
        "min_s": round(min(seconds), 4),
        "max_s": round(max(seconds), 4),
        "cpu_s": round(statistics.median(cpu), 4),
    }


if __name__ == "__main__":
    main()
