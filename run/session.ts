import type { Gpu } from "../gpu/gpu.ts";
import { packStruct, structBytes } from "../gpu/kernel.ts";
import type { DeviceBuffer, Dtype, Memory, Tensor } from "../gpu/memory.ts";
import { Program } from "../gpu/program.ts";
import { type DeviceProfile, tensorKind } from "../gpu/tuning.ts";
import { FRAME, STEP } from "../kernels/fragments.ts";
import type { LayerCache, PassContext } from "../model/block.ts";
import type { FarSizes } from "../model/config.ts";
import { ropeAngles, ropeSpace, rounded, type Rounding } from "../model/embeddings.ts";
import { type CacheSizes, KvCache, type PassPlan } from "./kv_cache.ts";
import {
  CLEAN,
  CONTEXT,
  declareTables,
  ModulationRows,
  recordTables,
} from "../model/modulation.ts";
import type { WindowCache } from "../model/model.ts";
import type { TableInputs } from "../model/modulation.ts";
import type { SolverCall } from "../model/scheduler.ts";
import {
  denoise,
  forward,
  type ModulationTables,
  type TransformerWeights,
} from "../model/transformer.ts";

/** Which halves a batch has: both (guidance > 1), the conditional one, or null classes only (-1). */
export type GuidanceMode = "both" | "conditional" | "null";

/** What must be known before a run starts: it determines every buffer and every program. */
export interface RunSpec {
  /** Videos generated at once. */
  readonly videos: number;
  /** Latent height and width. */
  readonly height: number;
  readonly width: number;
  /** Given clean frames, and all frames of a video. */
  readonly contextFrames: number;
  readonly frames: number;
  /**
   * For an endless run: how many frames it remembers. `frames` then is the number of latents kept;
   * when the caches are full, the oldest frame is dropped.
   */
  readonly memoryFrames?: number;
  readonly guidance: GuidanceMode;
  /** Class indices that occur; the null class is added if guidance needs it. */
  readonly classes: readonly number[];
  /** Timesteps of the model calls of a frame. */
  readonly timesteps: readonly number[];
  /** False recomputes instead of using KV caches. */
  readonly cache: boolean;
  /** How frames are numbered for the model (exact). */
  readonly positions?: Rounding;
  /** Whether a full window is encoded again for each frame (encode). */
  readonly windowCache?: WindowCache;
  readonly cacheDtype: Dtype;
}

/** One pass of a model call. */
export interface SessionPass {
  readonly plan: PassPlan;
  readonly program: Program;
}

/** Most bytes of a pass's widest activation; more frames are split into several passes. */
const WIDEST_ACTIVATION = 64 << 20;
/** Most frames per pass: more would only take memory. */
const PASS_FRAMES = { window: 16, context: 64 };
/** A uniform buffer's bytes are a multiple of 16. */
const STEP_BYTES = Math.ceil(structBytes(STEP) / 16) * 16;
const FRAME_BYTES = structBytes(FRAME);

/**
 * One run of the transformer: latents, caches, modulation tables and the recorded programs. The
 * constructor declares everything, so the memory is known before anything is allocated.
 */
export class Session {
  readonly spec: RunSpec;
  /** [videos, frames, C, h, w] f32; frame i of an endless run is at i modulo frames. */
  readonly latents: Tensor;
  readonly rows = new ModulationRows();
  readonly #weights: TransformerWeights;
  readonly sizes: FarSizes;
  readonly #memory: Memory;
  readonly #device: DeviceProfile;
  readonly #cache: KvCache;
  readonly caches: LayerCache[];
  readonly tables: ModulationTables;
  readonly #tableInputs: TableInputs;
  readonly #tableProgram: Program;
  readonly #previous: Tensor;
  readonly #step: DeviceBuffer;
  readonly #frames: Tensor;
  readonly #lastFrame: Tensor;
  readonly #rope: Tensor;
  readonly #programs = new Map<string, Program>();

  constructor(
    weights: TransformerWeights,
    sizes: FarSizes,
    memory: Memory,
    device: DeviceProfile,
    spec: RunSpec,
  ) {
    this.spec = spec;
    this.#weights = weights;
    this.sizes = sizes;
    this.#memory = memory;
    this.#device = device;
    const { videos, height, width } = spec;
    const volume = [sizes.channels, height, width];
    this.latents = memory.tensor("latents", [videos, spec.frames, ...volume]);
    this.#previous = memory.tensor("previous velocity", [videos, ...volume]);
    this.#addRows();
    this.tables = declareTables(memory, sizes, this.rows.count);
    this.#tableInputs = {
      projections: memory.tensor("timestep projections", [this.rows.count, 256]),
      classes: memory.tensor("classes", [this.rows.count], "u32"),
    };
    const cacheSizes = this.#cacheSizes();
    this.#cache = new KvCache(cacheSizes);
    this.caches = this.#declareCaches();
    this.#step = memory.buffer("step", STEP_BYTES, "uniform");
    const passFrames = Math.max(cacheSizes.passFrames.window, cacheSizes.passFrames.context);
    this.#frames = memory.tensor("pass frames", [this.batch, passFrames, 4], "u32");
    this.#lastFrame = memory.tensor("last frame", [this.batch, 1, 4], "u32");
    this.#rope = memory.tensor("rope", [this.#positions * (64 - sizes.axes[0]) + passFrames * 64]);
    this.#tableProgram = new Program("modulation tables", memory, device);
    recordTables(this.#tableProgram, weights, this.tables, this.#tableInputs);
    this.#tableProgram.finish();
    this.#recordAll(cacheSizes);
  }

  /** Rows of a batch: twice the videos if both halves of guidance run. */
  get batch(): number {
    return this.spec.videos * (this.spec.guidance === "both" ? 2 : 1);
  }

  /** Dispatches of a plain denoising step (one noisy frame, everything else cached). */
  get dispatches(): number {
    return this.#programs.get("window 1 final")?.dispatches ?? 0;
  }

  get #positions(): number {
    return Math.max(this.spec.height, this.spec.width) / this.sizes.patch;
  }

  #addRows(): void {
    const { classes, guidance, timesteps } = this.spec;
    const { condition, contextPatch } = this.sizes;
    const used = new Set(guidance === "null" ? [] : classes);
    if (guidance !== "conditional") used.add(condition.count);
    const clean = contextPatch === undefined ? [CLEAN] : [CLEAN, CONTEXT];
    for (const c of used) for (const t of [...clean, ...timesteps]) this.rows.add(t, c);
  }

  #cacheSizes(): CacheSizes {
    const { height, width, frames, memoryFrames, cache, windowCache } = this.spec;
    const { patch, contextPatch, window, d } = this.sizes;
    const windowTokens = height * width / patch ** 2;
    const contextTokens = contextPatch === undefined ? 0 : height * width / contextPatch ** 2;
    // frames that the newest one attends to, including itself
    const seen = memoryFrames === undefined ? frames : memoryFrames + 1;
    const long = contextPatch === undefined ? 0 : Math.max(0, seen - window);
    const fitting = (tokens: number) =>
      Math.max(1, Math.floor(WIDEST_ACTIVATION / (this.batch * tokens * 4 * d * 4)));
    return {
      window,
      windowTokens,
      contextTokens,
      contextCapacity: long,
      windowCapacity: Math.min(seen, window),
      passFrames: {
        window: Math.min(PASS_FRAMES.window, frames, fitting(windowTokens)),
        context: long && Math.min(PASS_FRAMES.context, long, fitting(contextTokens)),
      },
      enabled: cache,
      reusesWindow: windowCache === "reuse",
    };
  }

  #declareCaches(): LayerCache[] {
    const { layers, heads } = this.sizes;
    const shape = [this.batch, heads, this.#cache.slots, 64];
    const dtype = this.spec.cacheDtype;
    const kind = tensorKind(this.#device);
    return Array.from({ length: layers }, (_, i) => ({
      k: this.#memory.tensor(`keys ${i}`, shape, dtype, kind),
      v: this.#memory.tensor(`values ${i}`, shape, dtype, kind),
    }));
  }

  /**
   * Goes through the whole run without computing and records each kind of pass once, widest first.
   */
  #recordAll(sizes: CacheSizes): void {
    const { contextFrames, frames, memoryFrames } = this.spec;
    const paper = new KvCache(sizes);
    const plans = new Map<string, PassPlan>();
    // an endless run repeats the same passes once its window is full
    const end = memoryFrames === undefined
      ? frames
      : Math.max(contextFrames, this.sizes.trainedWindow) + 3;
    for (let frame = contextFrames; frame < end; frame++) {
      for (const first of [true, false]) {
        for (const plan of paper.passes(frame, first)) plans.set(programKey(plan), plan);
      }
    }
    const widest = [...plans.values()].sort((a, b) => b.frames.length - a.frames.length);
    for (const plan of widest) this.#program(plan);
  }

  #program(plan: PassPlan): Program {
    const key = programKey(plan);
    const known = this.#programs.get(key);
    if (known) return known;
    const p = new Program(key, this.#memory, this.#device);
    const input = {
      sizes: this.sizes,
      latents: this.latents,
      tables: this.tables,
      caches: this.caches,
      pass: this.passContext(plan),
    };
    if (plan.final) {
      denoise(p, this.#weights, { ...input, previous: this.#previous, step: this.#step });
    } else p.scope(() => void forward(p, this.#weights, input, { wanted: "keys and values" }));
    this.#programs.set(key, p.finish());
    return p;
  }

  /** Inputs that the blocks of a pass share; public for tests that record their own passes. */
  passContext({ kind, frames }: PassPlan): PassContext {
    const { height, width } = this.spec;
    const { patch, contextPatch } = this.sizes;
    const side = kind === "context" ? contextPatch! : patch;
    return {
      kind,
      frames: { ...this.#frames, shape: [this.batch, frames.length, 4] },
      lastFrame: this.#lastFrame,
      step: this.#step,
      rope: this.#rope,
      ropeTime: this.#positions * (64 - this.sizes.axes[0]) / 4,
      columns: width / side,
      spread: side / patch,
      windowSlot: this.#cache.windowSlot,
      contextTokens: contextPatch === undefined ? 1 : height * width / contextPatch ** 2,
      windowTokens: height * width / patch ** 2,
    };
  }

  /** Uploads the constants of the run and fills the modulation tables. */
  start(gpu: Gpu): void {
    const { axes } = this.sizes;
    gpu.write(this.#rope.buffer, 0, ropeSpace(this.#positions, axes[1], axes[2]));
    gpu.write(this.#tableInputs.projections.buffer, 0, this.rows.projections());
    gpu.write(this.#tableInputs.classes.buffer, 0, this.rows.classes());
    gpu.run(this.#tableProgram);
  }

  /** Writes latents [C, h, w] of one frame: noise to start from, or a clean context frame. */
  writeLatents(gpu: Gpu, video: number, frame: number, values: Float32Array): void {
    const { frames } = this.spec;
    gpu.write(this.latents.buffer, 4 * values.length * (video * frames + frame % frames), values);
  }

  /**
   * Queues all model calls of one frame; awaits nothing.
   * @param classOf class index of a video's frame
   */
  denoise(
    gpu: Gpu,
    frame: number,
    calls: readonly SolverCall[],
    classOf: (video: number, frame: number) => number,
    guidance: number,
  ): void {
    for (const [i, call] of calls.entries()) {
      for (const { plan, program } of this.passes(frame, i === 0)) {
        const rowOf = (batch: number, at: number) =>
          this.#row(batch, at, plan, at === frame ? call.timestep : undefined, classOf);
        this.writeInputs(gpu, plan, rowOf, { ...call, guidance });
        gpu.run(program);
      }
    }
  }

  /** Passes of one model call for a frame, as recorded; `first` for the frame's first call. */
  passes(frame: number, first: boolean): SessionPass[] {
    return this.#cache.passes(frame, first)
      .map((plan) => ({ plan, program: this.#program(plan) }));
  }

  /** Treats all frames before `frame` as cached, whatever the caches contain: for benchmarks. */
  assumeCached(frame: number): void {
    if (frame > 0) this.#cache.passes(frame - 1, true);
  }

  #row(
    batch: number,
    frame: number,
    { kind }: PassPlan,
    noisy: number | undefined,
    classOf: (video: number, frame: number) => number,
  ): number {
    const { guidance, videos } = this.spec;
    const timestep = noisy ?? (kind === "context" ? CONTEXT : CLEAN);
    const unconditional = guidance === "null" || (guidance === "both" && batch < videos);
    const nothing = this.sizes.condition.count;
    return this.rows.row(timestep, unconditional ? nothing : classOf(batch % videos, frame));
  }

  /** Fills the small buffers that a pass reads: per-frame numbers, time angles, step numbers. */
  writeInputs(
    gpu: Gpu,
    plan: PassPlan,
    rowOf: (batch: number, frame: number) => number,
    { c0, c1, guidance }: { c0: number; c1: number; guidance: number },
  ): void {
    const { frames, slots, keys, state } = plan;
    const all = new DataView(new ArrayBuffer(this.batch * frames.length * FRAME_BYTES));
    const last = new DataView(new ArrayBuffer(this.batch * FRAME_BYTES));
    for (let b = 0; b < this.batch; b++) {
      for (const [j, index] of frames.entries()) {
        const frame = { row: rowOf(b, index), index, slot: slots[j]!, keys: keys[j]! };
        packStruct(FRAME, frame, all, (b * frames.length + j) * FRAME_BYTES);
        packStruct(FRAME, frame, last, b * FRAME_BYTES); // the last one stays
      }
    }
    gpu.write(this.#frames.buffer, 0, all);
    gpu.write(this.#lastFrame.buffer, 0, last);
    const { axes } = this.sizes;
    const angles = new Float32Array(frames.length * axes[0]);
    for (const [j, frame] of frames.entries()) {
      const position = rounded(frame, this.spec.positions ?? "exact");
      angles.set(ropeAngles(position, axes[0]), j * axes[0]);
    }
    gpu.write(this.#rope.buffer, 4 * this.#positions * (64 - axes[0]), angles);
    const step = new DataView(new ArrayBuffer(STEP_BYTES));
    const numbers = {
      context_keys: state.contextKeys,
      context_start: state.contextStart,
      context_slots: state.contextSlots,
      context_frame: state.contextFrame,
      window_start: state.windowStart,
      window_slots: state.windowSlots,
      window_frame: state.windowFrame,
      latent_frame: frames.at(-1)!,
      c0,
      c1,
      guidance,
    };
    packStruct(STEP, numbers, step, 0);
    gpu.write(this.#step, 0, step);
  }
}

function programKey({ kind, frames, final }: PassPlan): string {
  return `${kind} ${frames.length}${final ? " final" : ""}`;
}
