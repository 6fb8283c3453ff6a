import type { Gpu } from "../gpu/gpu.ts";
import { type DeviceBuffer, Memory, type Tensor } from "../gpu/memory.ts";
import { Program } from "../gpu/program.ts";
import { type DeviceProfile, tensorKind } from "../gpu/tuning.ts";
import { ADAMW_STEP_BYTES } from "../kernels/adamw.ts";
import type { TokenLayout } from "../kernels/modulated_norm.ts";
import { ropeAngles, ropeSpace, rounded } from "../model/embeddings.ts";
import { Distiller } from "./distill/distiller.ts";
import { layoutOf, type PassInputs } from "./inputs.ts";
import {
  type PassBody,
  type PassRecorder,
  passTensors,
  type Reach,
  reachOf,
  recordBackward,
  type RecordedPass,
  recordForward,
  RESULTS,
} from "./network.ts";
import { ParameterStore } from "./parameters.ts";
import type { Pass } from "./pass.ts";
import type { TrainerSettings } from "./settings.ts";
import { type TrainedParameters, trainedParameters } from "./trained.ts";
import { recordUpdate } from "./update.ts";
import { Workspace } from "./workspace.ts";

/** How a step is divided. */
export interface Division {
  /** Videos, or pictures, computed at once. */
  readonly microBatch: number;
  /** Whether to recompute blocks in the backward pass instead of keeping their activations. */
  readonly recompute: boolean;
}

/** What is recorded for the first part of a step, for others, or for a loss without one. */
export type PassKind = "train" | "train more" | "validate";

const INPUTS = [
  "window",
  "context",
  "expected",
  "timesteps",
  "classes",
  "weights",
  "limits",
] as const;

/** What a step of so many clips runs. */
function kindsOfStep(settings: TrainerSettings, { microBatch }: Division): PassKind[] {
  const { batch, accumulate, distill } = settings;
  const passes = batch * accumulate / microBatch * (distill?.steps ?? 1);
  return passes > 1 ? ["train", "train more"] : ["train"];
}

/** The longest sequence that a step can have. */
export function longestStep({ trainingType, frames }: TrainerSettings): number {
  return trainingType === "long_context" ? frames - 1 : frames;
}

/** Rows of the longest sequences. */
export function longestLayout(settings: TrainerSettings, videos: number): TokenLayout {
  const twins = settings.distill !== undefined;
  return layoutOf(settings, { videos, frames: longestStep(settings), twins });
}

/** Everything on the device: parameters, activations, and the programs that train them. */
export class Engine implements PassRecorder {
  readonly settings: TrainerSettings;
  readonly division: Division;
  readonly parameters: TrainedParameters;
  readonly store: ParameterStore;
  readonly memory = new Memory();
  /** Loss and squares of gradients, summed up on the device. */
  readonly results: Tensor;
  /** Parameters of an optimiser step. */
  readonly step: DeviceBuffer;
  /** Clipping, AdamW and EMA. */
  readonly update: Program;
  /** The teacher, where a model is distilled. */
  readonly distiller: Distiller | undefined;
  readonly #device: DeviceProfile;
  readonly #workspace: Workspace;
  readonly #reach: Reach;
  readonly #rope: Tensor;
  readonly #passes = new Map<string, RecordedPass>();

  constructor(settings: TrainerSettings, device: DeviceProfile, division: Division) {
    this.settings = settings;
    this.division = division;
    // halves are for GPUs: no form of the kernels gathers them from images
    this.#device = settings.dtype === "f16" ? { ...device, cpu: false } : device;
    this.parameters = trainedParameters(settings);
    const { all, isTrained } = this.parameters;
    this.#reach = reachOf(isTrained, all.map(({ name }) => name));
    this.store = new ParameterStore(this.memory, all, {
      isTrained,
      ema: settings.ema !== undefined,
    });
    const { dtype } = settings;
    const kind = tensorKind(this.#device);
    this.#workspace = new Workspace(this.memory, { kind, dtype });
    const angles = this.#spaceFloats() + this.#timeFloats();
    this.#rope = this.memory.tensor("rope", [angles], "f32", kind);
    this.results = this.memory.tensor("results", [4]);
    this.step = this.memory.buffer("optimiser step", ADAMW_STEP_BYTES, "uniform");
    // the longest first: shorter ones reuse its memory
    const longest = longestLayout(settings, division.microBatch);
    for (const kind of kindsOfStep(settings, division)) this.pass(longest, kind);
    this.distiller = settings.distill && new Distiller(this, settings.distill);
    this.distiller?.programs(longest);
    this.update = recordUpdate(this.store.trained, this.memory, this.#device, this);
  }

  #spaceFloats(): number {
    const { config: { axes, patch }, height, width } = this.settings;
    return Math.max(height, width) / patch * (axes[1] + axes[2]);
  }

  #timeFloats(): number {
    return this.settings.frames * this.settings.config.axes[0];
  }

  /** The pass over rows of this layout, recorded if needed. */
  pass(layout: TokenLayout, kind: PassKind): RecordedPass {
    return this.record(kind, layout, (pass, tensors) => {
      recordForward(pass, tensors, kind === "validate" ? RESULTS.validation : RESULTS.loss);
      if (kind !== "validate") recordBackward(pass, tensors, this.#reach);
    });
  }

  /** A pass of any kind in the same memory. */
  record(
    kind: string,
    layout: TokenLayout,
    body: PassBody,
    store = this.store,
  ): RecordedPass {
    const { videos, contextFrames, windowFrames, twins } = layout;
    const sizes = [videos, contextFrames, windowFrames, ...twins ? ["twins"] : []];
    const key = [kind, ...sizes].join(" ");
    const known = this.#passes.get(key);
    if (known) return known;
    const { settings, division: { recompute } } = this;
    const program = new Program(key, this.memory, this.#device);
    const pass: Pass = {
      program,
      store,
      workspace: this.#workspace,
      sizes: settings.config,
      layout,
      columns: settings.width / settings.config.patch,
      recompute,
      half: settings.dtype === "f16",
      copied: new Set(),
      shared: {},
      isFirst: kind !== "train more",
      written: new Set(),
      adapters: store === this.store ? this.parameters.adapters : undefined,
    };
    const rope = { rope: this.#rope, ropeTime: this.#spaceFloats() / 4 };
    const robust = settings.distill !== undefined;
    const tensors = passTensors(pass, { ...rope, results: this.results }, { robust });
    body(pass, tensors);
    program.finish();
    const recorded = { program, pass, tensors };
    this.#passes.set(key, recorded);
    return recorded;
  }

  /** Allocates what is declared, and writes constant tables. */
  allocate(gpu: Gpu): void {
    this.memory.allocate(gpu);
    const { config: { axes, patch }, height, width, frames, positions } = this.settings;
    const rope = new Float32Array(this.#rope.buffer.bytes / 4);
    rope.set(ropeSpace(Math.max(height, width) / patch, axes[1], axes[2]));
    for (let frame = 0; frame < frames; frame++) {
      const angles = ropeAngles(rounded(frame, positions), axes[0]);
      rope.set(angles, this.#spaceFloats() + frame * axes[0]);
    }
    gpu.write(this.#rope.buffer, 0, rope);
  }

  /** Writes a pass's inputs, and returns the program that reads them. */
  prepare(gpu: Gpu, inputs: PassInputs, kind: PassKind): Program {
    const { program, tensors } = this.pass(inputs.layout, kind);
    this.memory.allocate(gpu);
    for (const name of INPUTS) {
      const tensor = tensors[name];
      if (tensor) gpu.write(tensor.buffer, 0, inputs[name]);
    }
    return program;
  }
}
