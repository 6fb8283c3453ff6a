import { allocateChecked, checkMemory, WORLD } from "./memory_check.ts";
import { CpuGenerator, type GeneratorState } from "./noise.ts";
import type { GenerateOptions, ResolvedOptions } from "./options.ts";
import { checkLength, resolveOptions } from "./options.ts";
import type { Pipeline } from "./pipeline.ts";
import { type DeclaredRun, declareRun, type Frame } from "./prepared_run.ts";

/**
 * How a live run starts. Its noise is drawn frame by frame without end, so options for the number
 * of frames or for given noise do not apply.
 */
export interface LiveOptions
  extends Omit<GenerateOptions, "frames" | "count" | "noise" | "rng" | "resume" | "cache"> {
  /** Actions of the context frames (one list). */
  readonly actions?: readonly number[];
  /** Frames the world remembers; older ones are dropped (128). */
  readonly memoryFrames?: number;
}

/** Settings that can be changed while the world runs. */
export type LiveSettings = Pick<LiveOptions, "steps" | "solver" | "guidance">;

const MEMORY_FRAMES = 128;

/** @internal A frame that a world remembers. */
export interface Remembered {
  readonly latents: Float32Array;
  readonly action: number;
}

/** A world between two frames. */
export interface Moment {
  /** Latents and actions of the frames that it remembers, oldest first. */
  readonly remembered: readonly Remembered[];
  readonly noise: GeneratorState;
  /** Frames shown so far, the context among them. */
  readonly shown: number;
}

/**
 * A world that is generated one frame at a time, without end and in constant memory. The first
 * frames equal those of `generate` with the same seed and actions.
 */
export class LiveWorld {
  readonly #pipeline: Pipeline;
  readonly #memoryFrames: number;
  #options: LiveOptions;
  /** Buffers and programs for one choice of settings. */
  #stage: DeclaredRun | undefined;
  #noise: CpuGenerator;
  /** The frames from which a new stage would start, oldest first. */
  #remembered: Remembered[] = [];
  /** Frame index of the stage's next frame, and of the output. */
  #next = 0;
  #shown = 0;

  private constructor(pipeline: Pipeline, options: LiveOptions) {
    this.#pipeline = pipeline;
    this.#options = options;
    this.#memoryFrames = options.memoryFrames ?? MEMORY_FRAMES;
    this.#noise = new CpuGenerator(options.seed ?? 0);
  }

  /**
   * Starts from context frames or from scratch.
   * @throws {RangeError | TypeError | GpuError} as `Pipeline.plan`
   */
  static async start(pipeline: Pipeline, options: LiveOptions): Promise<LiveWorld> {
    const world = new LiveWorld(pipeline, options);
    try {
      await world.#encodeContext();
      await world.#stageAfresh();
    } catch (error) {
      world.close();
      throw error;
    }
    return world;
  }

  /** Frames shown so far, including the context. */
  get frames(): number {
    return this.#shown;
  }

  async #encodeContext(): Promise<void> {
    const { context, contextFrames = 0, actions = [] } = this.#options;
    const o = this.#resolve();
    checkLength("context", context, [1, contextFrames, 3, o.height, o.width], contextFrames > 0);
    if (!context?.length) return;
    const raw = await this.#pipeline.encode(context, o.width, o.height);
    const { scalingFactor } = this.#pipeline.model.vae;
    for (let i = 0; i < contextFrames; i++) {
      const latents = raw.slice(i * o.latent.volume, (i + 1) * o.latent.volume);
      this.#remember(latents.map((v) => v * scalingFactor), actions[i] ?? this.#nullClass);
    }
    this.#shown = contextFrames;
  }

  get #nullClass(): number {
    return this.#pipeline.info.condition.count;
  }

  /** Any action may follow, so all classes are prepared. */
  #resolve(): ResolvedOptions {
    const { info } = this.#pipeline;
    const { condition: { kind, count } } = info;
    const { memoryFrames: _, actions: _actions, ...rest } = this.#options;
    const options = { ...rest, frames: 1, contextFrames: 0, context: undefined };
    const actions = kind === "action" ? [count] : undefined;
    const resolved = resolveOptions({ ...options, actions }, info);
    const classes = kind === "action" ? Array.from({ length: count + 1 }, (_, i) => i) : undefined;
    return { ...resolved, classes: classes ?? resolved.classes };
  }

  /** Declares, allocates and fills a stage; the caches are filled by the next frame's first call. */
  async #stageAfresh(): Promise<void> {
    const { gpu, model } = this.#pipeline;
    const options = this.#resolve();
    const kept = this.#remembered.length;
    const window = Number.isFinite(model.sizes.window) ? model.sizes.window : 1;
    const stage = declareRun(model, gpu.adapter, options, {
      contextFrames: kept,
      frames: Math.max(kept, window) + 2,
      memoryFrames: this.#memoryFrames,
    });
    const { memory, session } = stage;
    this.#stage?.memory.free(gpu);
    this.#stage = undefined;
    checkMemory(gpu, [memory], WORLD);
    this.#stage = stage;
    await allocateChecked(gpu, memory, WORLD);
    session.start(gpu);
    for (const [i, { latents }] of this.#remembered.entries()) {
      session.writeLatents(gpu, 0, i, latents);
    }
    this.#next = kept;
  }

  #remember(latents: Float32Array, action: number): void {
    this.#remembered.push({ latents, action });
    if (this.#remembered.length > this.#memoryFrames) this.#remembered.shift();
  }

  /**
   * The next frame.
   * @param action the move that leads to it; ignored by a model without actions
   * @throws {RangeError} an action the model does not have @throws {GpuError}
   */
  async step(action = this.#nullClass): Promise<Frame> {
    const { gpu, info } = this.#pipeline;
    const { session, codec, options } = this.#stage!;
    if (!Number.isInteger(action) || action < 0 || action > this.#nullClass) {
      throw new RangeError(
        `action ${action} is not one of the model's: 0 to ${this.#nullClass - 1}`,
      );
    }
    const frame = this.#next++;
    const first = frame - this.#remembered.length;
    const isAction = info.condition.kind === "action";
    const classOf = (_: number, at: number) =>
      !isAction
        ? options.classOf(0, 0)
        : at === frame
        ? action
        : this.#remembered[at - first]!.action;
    session.writeLatents(gpu, 0, frame, this.#noise.randn(options.latent.volume));
    session.denoise(gpu, frame, options.calls, classOf, options.guidance);
    codec.decode(gpu, frame);
    const { pixels, latents } = await codec.read(gpu, frame);
    this.#remember(latents.slice(), action); // not the caller's, nor with the picture's bytes
    const { width, height } = options;
    const index = this.#shown++;
    return { index, kind: "generated", video: 0, pixels: { width, height, data: pixels }, latents };
  }

  /**
   * Changes steps, solver or guidance; remembered frames are kept.
   * @throws {RangeError | GpuError} they do not fit the model or the device; then nothing is
   *   changed
   */
  async configure(settings: LiveSettings): Promise<void> {
    const before = this.#options;
    this.#options = { ...before, ...settings };
    try {
      await this.#stageAfresh();
    } catch (error) {
      this.#options = before;
      if (!this.#stage) await this.#stageAfresh(); // it had made room for what did not fit
      throw error;
    }
  }

  /** What decides all that comes: to come back to this frame later. */
  get moment(): Moment {
    const { state } = this.#noise;
    return { remembered: [...this.#remembered], noise: state, shown: this.#shown };
  }

  /**
   * Goes back to a moment of a world of this pipeline and size, or over to one. What is remembered is
   * encoded again with the next frame.
   * @throws {GpuError}
   */
  async goTo({ remembered, noise, shown }: Moment): Promise<void> {
    this.#remembered = [...remembered];
    this.#noise.state = noise;
    this.#shown = shown;
    await this.#stageAfresh();
  }

  /** Frees the world's memory; the pipeline stays. */
  close(): void {
    this.#stage?.memory.free(this.#pipeline.gpu);
    this.#stage = undefined;
  }
}
