/** Cases that no golden of the released code covers, against plain loops. */
import { Memory } from "../../gpu/memory.ts";
import { tensorKind } from "../../gpu/tuning.ts";
import { type FarSizes, parseTransformerConfig } from "../../model/config.ts";
import { Loader } from "../../model/loader.ts";
import { schedule } from "../../model/scheduler.ts";
import { Session } from "../../run/session.ts";
import { SyntheticWeights } from "../../model/synthetic_weights.ts";
import { loadTransformer } from "../../model/transformer.ts";
import { transformerShapes } from "../../released/architecture.ts";
import type { JsonObject } from "../../files/json.ts";
import { type PlainWeights, velocityReference } from "../reference/far.ts";
import { assertClose } from "../support/close.ts";
import { GPU_TEST, KERNELS, testGpu } from "../support/gpu.ts";
import { randomFloats } from "../support/random.ts";

/** A few blocks and steps in float32. */
const TOLERANCE = 2e-5;
const STEPS = 2;

interface Case {
  readonly config: JsonObject;
  readonly size: readonly [height: number, width: number];
  readonly videos?: number;
  readonly contextFrames: number;
  readonly frames: number;
  /** How many frames an endless run remembers. */
  readonly memoryFrames?: number;
  readonly guidance?: number;
  readonly positions?: "bf16";
  readonly windowCache?: "reuse";
}

const BASE = {
  num_layers: 2,
  num_attention_heads: 1,
  attention_head_dim: 64,
  in_channels: 4,
  out_channels: 4,
  patch_size: 1,
  axes_dims_rope: [16, 24, 24],
  short_term_ctx_winsize: 3,
  slope_scale: 0.07,
};
const ACTIONS = { condition_cfg: { type: "action", num_action_classes: 3 } };
const LABELS = { condition_cfg: { type: "label", num_classes: 3 } };
const LONG = { ...BASE, context_patch_size: 2 };

const CASES: Record<string, Case> = {
  "FAR_Long with patches of 2 and context patches of 4, not square": {
    config: { ...LONG, patch_size: 2, context_patch_size: 4, ...ACTIONS },
    size: [4, 8],
    contextFrames: 2,
    frames: 6,
  },
  "FAR_Long with a window of one frame": {
    config: { ...LONG, short_term_ctx_winsize: 1, ...ACTIONS },
    size: [4, 2],
    contextFrames: 0,
    frames: 4,
  },
  "FAR_Long with context patches no larger than the window's": {
    config: { ...LONG, context_patch_size: 1 },
    size: [2, 2],
    contextFrames: 1,
    frames: 5,
  },
  "a single frame": { config: LONG, size: [2, 4], contextFrames: 0, frames: 1 },
  "two guided videos with actions of their own": {
    config: { ...LONG, ...ACTIONS },
    size: [2, 4],
    videos: 2,
    contextFrames: 1,
    frames: 5,
    guidance: 2.5,
  },
  "two guided videos with labels": {
    config: { ...BASE, ...LABELS },
    size: [2, 2],
    videos: 2,
    contextFrames: 0,
    frames: 3,
    guidance: 4,
  },
  "labels with guidance -1": {
    config: { ...BASE, ...LABELS },
    size: [2, 2],
    contextFrames: 1,
    frames: 3,
    guidance: -1,
  },
  "a start in the middle of a two-level cache": {
    config: { ...LONG, ...ACTIONS },
    size: [2, 4],
    contextFrames: 7,
    frames: 9,
  },
  // with one layer a frame's keys don't change with what it saw, so that the past can be cut off
  "FAR beyond its memory": {
    config: { ...BASE, num_layers: 1, ...ACTIONS },
    size: [2, 2],
    contextFrames: 0,
    frames: 9,
    memoryFrames: 4,
  },
  "FAR_Long beyond its memory": {
    config: { ...LONG, num_layers: 1, ...ACTIONS },
    size: [2, 2],
    contextFrames: 2,
    frames: 9,
    memoryFrames: 4,
  },
  // the same again: what a kept key saw does not show in it
  "FAR_Long that keeps its window's keys": {
    config: { ...LONG, num_layers: 1, ...ACTIONS },
    size: [2, 4],
    contextFrames: 2,
    frames: 9,
    windowCache: "reuse",
  },
  "FAR_Long that keeps its window's keys, started beyond it, beyond its memory": {
    config: { ...LONG, num_layers: 1, ...ACTIONS },
    size: [2, 2],
    contextFrames: 5,
    frames: 12,
    memoryFrames: 4,
    windowCache: "reuse",
  },
  "FAR with positions rounded as released": {
    config: BASE,
    size: [1, 1],
    contextFrames: 258,
    frames: 261,
    positions: "bf16",
  },
  "FAR_Long with positions rounded as released": {
    config: { ...LONG, ...ACTIONS },
    size: [2, 2],
    contextFrames: 258,
    frames: 261,
    positions: "bf16",
  },
  "FAR_Long with less memory than a window": {
    config: { ...LONG, num_layers: 1, ...ACTIONS },
    size: [2, 2],
    contextFrames: 0,
    frames: 7,
    memoryFrames: 1,
  },
};

for (const [name, test] of Object.entries(CASES)) {
  for (const by of ["own kernels", "GPU kernels"]) {
    Deno.test(
      { name: `Session agrees with plain loops: ${name}, ${by}`, ...GPU_TEST },
      async () => {
        const { config } = test;
        const sizes = parseTransformerConfig(config);
        const volume = sizes.channels * test.size[0] * test.size[1];
        const start = randomFloats((test.videos ?? 1) * test.frames * volume, 5);
        const actual = await generate(sizes, test, start, by);
        const expected = await generatePlainly(config, sizes, test, start);
        assertClose(actual, expected, TOLERANCE);
      },
    );
  }
}

function classOf(sizes: FarSizes, video: number, frame: number): number {
  if (sizes.condition.kind === "none") return 0;
  return (sizes.condition.kind === "label" ? video + 1 : 2 * video + frame) % 3;
}

/** Latents [videos, frames, C, h, w] of a session that starts from these. */
async function generate(
  sizes: FarSizes,
  test: Case,
  start: Float32Array,
  by: string,
): Promise<Float32Array> {
  const gpu = await testGpu();
  const device = KERNELS[by]!(gpu);
  const memory = new Memory();
  const loader = new Loader(new SyntheticWeights(), memory, "f32", tensorKind(device));
  const weights = loadTransformer(loader, sizes);
  const { videos = 1, guidance = 1, contextFrames, frames, memoryFrames } = test;
  const { positions, windowCache } = test;
  const calls = schedule(STEPS);
  const [height, width] = test.size;
  const volume = start.length / videos / frames;
  const session = new Session(weights, sizes, memory, device, {
    videos,
    height,
    width,
    contextFrames,
    frames,
    memoryFrames,
    guidance: guidance > 1 ? "both" : guidance === -1 ? "null" : "conditional",
    classes: [0, 1, 2],
    timesteps: calls.map((call) => call.timestep),
    cache: true,
    positions,
    windowCache,
    cacheDtype: "f32",
  });
  try {
    memory.allocate(gpu);
    await loader.fill(gpu);
    session.start(gpu);
    gpu.write(session.latents.buffer, 0, start);
    for (let frame = contextFrames; frame < frames; frame++) {
      session.denoise(gpu, frame, calls, (video, at) => classOf(sizes, video, at), guidance);
    }
    return (await gpu.readFloats(session.latents)).slice(0, videos * frames * volume);
  } finally {
    memory.free(gpu);
  }
}

/** 256..511 to the nearest even number, to a multiple of 4 where two are as near: 8 bits of it. */
function evenAbove256(frame: number): number {
  return frame < 256 || frame % 2 === 0 ? frame : frame % 4 === 1 ? frame - 1 : frame + 1;
}

/** The same, with a whole forward pass per step. */
async function generatePlainly(
  config: JsonObject,
  sizes: FarSizes,
  test: Case,
  start: Float32Array,
): Promise<Float32Array> {
  const w = await plainWeights(config);
  const { videos = 1, guidance = 1, contextFrames, frames, memoryFrames = Infinity } = test;
  const [height, width] = test.size;
  const { kind, count } = sizes.condition;
  const out = start.slice();
  const volume = start.length / videos / frames;
  for (let video = 0; video < videos; video++) {
    const at = (frame: number) => {
      const place = (video * frames + frame) * volume;
      return out.subarray(place, place + volume);
    };
    for (let frame = contextFrames; frame < frames; frame++) {
      const first = Math.max(0, frame - memoryFrames);
      const indices = Array.from({ length: frame + 1 - first }, (_, i) => first + i);
      const velocity = (timestep: number, unconditional: boolean) =>
        velocityReference(w, sizes, {
          frames: indices.map(at),
          height,
          width,
          timestep,
          classes: kind === "none"
            ? undefined
            : indices.map((i) => unconditional ? count : classOf(sizes, video, i)),
          first,
          positionOf: test.positions && evenAbove256,
        });
      for (const { timestep, c0 } of schedule(STEPS)) {
        const v = velocity(timestep, guidance === -1);
        const null_ = guidance > 1 ? velocity(timestep, true) : v;
        const x = at(frame);
        for (const i of x.keys()) {
          x[i]! += c0 * (null_[i]! + (guidance > 1 ? guidance : 1) * (v[i]! - null_[i]!));
        }
      }
    }
  }
  return out;
}

async function plainWeights(config: JsonObject): Promise<PlainWeights> {
  const source = new SyntheticWeights();
  const weights = new Map<string, Float32Array>();
  for (const [name, shape] of transformerShapes(config)) {
    const info = source.expect(name, shape);
    const bytes = await source.readRange(info, 0, info.bytes);
    weights.set(name, new Float32Array(bytes.buffer));
  }
  return weights;
}
