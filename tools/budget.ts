/**
 * Counts what one denoising step of each released architecture computes and moves, from the
 * recorded step, and the least time it can take on two devices. Needs no GPU.
 *
 *     deno run -A tools/budget.ts              # with 2, 16, 128 and 300 frames before
 *     deno run -A tools/budget.ts 64,156
 */
import { recordStep } from "../bench/step.ts";
import { declareSynthetic } from "../bench/synthetic_model.ts";
import { Memory } from "../gpu/memory.ts";
import { type ArchitectureName, ARCHITECTURES } from "../released/presets.ts";

// "stored" are weights, keys and values, which a step must fetch from memory; the rest of the
// bytes, activations, are few enough to stay in a device's caches, so they count for no bound.

/** Memory bytes per second, and floating-point operations per second if the vendor gives them. */
const H100 = { bytes: 3.35e12, flops: 989e12 };
const M3 = { bytes: 100e9 };

const FRAMES = (Deno.args[0] ?? "2,16,128,300").split(",").map(Number);
const LATENTS = { height: 8, width: 8 };
/** Subgroups of 32 lanes and more than eight buffers, as on most GPUs. */
const DEVICE = { cpu: false, subgroupSize: 32, storageBuffers: 16 };

function row(architecture: ArchitectureName, frame: number): Record<string, string> {
  const model = declareSynthetic({ architecture, dtype: "f16" });
  const step = { frame, kind: "later" } as const;
  const { work, session } = recordStep(model, new Memory(), DEVICE, LATENTS, step);
  const bytes = work.read + work.written;
  const h100 = Math.max(work.stored / H100.bytes, work.flops / H100.flops);
  return {
    architecture,
    "frames before": String(frame),
    dispatches: String(session.dispatches),
    GFLOP: (work.flops / 1e9).toFixed(1),
    "MB stored": (work.stored / 1e6).toFixed(0),
    "MB in all": (bytes / 1e6).toFixed(0),
    "H100, ms": (h100 * 1e3).toFixed(3),
    "M3, ms": (work.stored / M3.bytes * 1e3).toFixed(2),
  };
}

const rows = (Object.keys(ARCHITECTURES) as ArchitectureName[])
  .flatMap((architecture) => FRAMES.map((frame) => row(architecture, frame)));
const head = Object.keys(rows[0]!);
console.log(`| ${head.join(" | ")} |`);
console.log(`|---|${head.slice(1).map(() => "---:|").join("")}`);
for (const row of rows) console.log(`| ${Object.values(row).join(" | ")} |`);
