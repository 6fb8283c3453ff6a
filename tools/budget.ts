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

function row(architecture: ArchitectureName, frame: number): string[] {
  const model = declareSynthetic({ architecture, dtype: "f16" });
  const step = { frame, kind: "later" } as const;
  const { work, session } = recordStep(model, new Memory(), DEVICE, LATENTS, step);
  const bytes = work.read + work.written;
  const [h100, m3] = [
    Math.max(work.stored / H100.bytes, work.flops / H100.flops),
    work.stored / M3.bytes,
  ];
  return [
    architecture,
    String(frame),
    String(session.dispatches),
    (work.flops / 1e9).toFixed(1),
    (work.stored / 1e6).toFixed(0),
    (bytes / 1e6).toFixed(0),
    (h100 * 1e3).toFixed(3),
    (m3 * 1e3).toFixed(2),
  ];
}

const HEAD = [
  "architecture",
  "frames before",
  "dispatches",
  "GFLOP",
  "MB stored",
  "MB in all",
  "H100, ms",
  "M3, ms",
];

console.log(`| ${HEAD.join(" | ")} |`);
console.log(`|---|${HEAD.slice(1).map(() => "---:|").join("")}`);
for (const architecture of Object.keys(ARCHITECTURES) as ArchitectureName[]) {
  for (const frame of FRAMES) console.log(`| ${row(architecture, frame).join(" | ")} |`);
}
