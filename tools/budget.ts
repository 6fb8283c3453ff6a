/**
 * What one denoising step of each released architecture computes and moves, counted from the
 * recorded step, and the least time that follows on two devices. Needs no GPU.
 *
 *     deno run -A tools/budget.ts
 */
import { recordStep } from "../bench/step.ts";
import { declareSynthetic } from "../bench/synthetic_model.ts";
import { Memory } from "../gpu/memory.ts";
import { type ArchitectureName, ARCHITECTURES } from "../weights/presets.ts";

/** Bytes a second of memory; floating-point operations a second where the vendor says. */
const H100 = { bytes: 3.35e12, flops: 989e12 };
const M3 = { bytes: 100e9 };

const FRAMES = [2, 16, 64, 128, 156, 300];
const LATENTS = { height: 8, width: 8 };
/** Subgroups of 32 lanes, as on most GPUs. */
const DEVICE = { cpu: false, subgroupSize: 32 };

function row(architecture: ArchitectureName, frame: number): string[] {
  const model = declareSynthetic({ architecture, dtype: "f16" });
  const step = { frame, kind: "later" } as const;
  const { work, session } = recordStep(model, new Memory(), DEVICE, LATENTS, step);
  const bytes = work.read + work.written;
  const [h100, m3] = [
    Math.max(bytes / H100.bytes, work.flops / H100.flops),
    bytes / M3.bytes,
  ];
  return [
    architecture,
    String(frame),
    String(session.dispatches),
    (work.flops / 1e9).toFixed(1),
    (bytes / 1e6).toFixed(0),
    (work.flops / bytes).toFixed(0),
    (h100 * 1e3).toFixed(3),
    (m3 * 1e3).toFixed(2),
    (work.flops / m3 / 1e12).toFixed(1),
  ];
}

const HEAD = [
  "architecture",
  "frames before",
  "dispatches",
  "GFLOP",
  "MB",
  "FLOP/byte",
  "H100, ms",
  "M3, ms",
  "TFLOP/s that takes on the M3",
];

console.log(`| ${HEAD.join(" | ")} |`);
console.log(`|---|${HEAD.slice(1).map(() => "---:|").join("")}`);
for (const architecture of Object.keys(ARCHITECTURES) as ArchitectureName[]) {
  for (const frame of FRAMES) console.log(`| ${row(architecture, frame).join(" | ")} |`);
}
