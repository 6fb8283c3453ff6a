import type { Gpu } from "../../gpu/gpu.ts";
import { size } from "../../gpu/memory.ts";
import type { Program } from "../../gpu/program.ts";
import { flowStep } from "../../kernels/flow_step.ts";
import { rounded, TIMESTEP_WIDTH } from "../../model/embeddings.ts";
import { flowMatchTimes } from "../../model/scheduler.ts";
import { type TokenLayout, windowRows } from "../../kernels/modulated_norm.ts";
import { type PassInputs, projectTimestep } from "../inputs.ts";
import { type PassRecorder, type RecordedPass, recordVelocity } from "../network.ts";
import { ParameterStore } from "../parameters.ts";
import type { Pass } from "../pass.ts";
import type { ParameterSource } from "../settings.ts";
import type { StepDraws } from "../draws.ts";
import { type StudentStep, studentSteps, type TeacherCall, teacherCalls } from "./levels.ts";
import type { DistillSettings } from "./settings.ts";

/** A part of a step whose inputs are on the device. */
export interface PreparedPart {
  readonly inputs: PassInputs;
  readonly draws: StepDraws;
  /** First video of the part. */
  readonly first: number;
}

/** What changes from call to call, by window frame of the part. */
interface FrameCall {
  /** Absent: that with which the student is trained. */
  readonly timestep?: number;
  /** How far along the velocity. */
  readonly length: number;
  /** How much farther until the teacher's next call. */
  readonly ahead?: number;
}

/**
 * The frozen teacher, on the same device and in the same activations as the student. It completes
 * what a step begins with: frames of context that the student makes, and the velocity that leads
 * where the teacher's steps lead. Nothing waits for the device in between.
 */
export class Distiller {
  /** The teacher's weights. */
  readonly store: ParameterStore;
  readonly #engine: PassRecorder;
  readonly #settings: DistillSettings;
  readonly #steps: readonly StudentStep[];
  readonly #projections = new Map<number, Float32Array>();

  constructor(engine: PassRecorder, settings: DistillSettings) {
    this.#engine = engine;
    this.#settings = settings;
    this.#steps = studentSteps(settings, engine.settings.noise);
    const own = engine.parameters.all.filter(({ name }) => !name.includes(".lora_"));
    const options = { isTrained: () => false, ema: false, labelOf: () => "teacher" };
    this.store = new ParameterStore(engine.memory, own, options);
  }

  /** What a part of a step runs besides training; contexts that the student makes come on top. */
  programs(layout: TokenLayout): Program[] {
    const { guidance, teacherSteps } = this.#settings;
    const move = this.#movePass(layout).program;
    const velocity = this.#teacherPass(layout).program;
    const step = guidance > 1 ? [move, velocity, velocity] : [move, velocity];
    return Array.from({ length: teacherSteps }, () => step).flat();
  }

  /** Bytes of the teacher's weights. */
  get bytes(): number {
    return this.store.groups.reduce((sum, { length }) => sum + 4 * length, 0);
  }

  /** Writes the teacher's weights. */
  async fill(gpu: Gpu, source: ParameterSource): Promise<void> {
    await this.store.fill(gpu, source);
  }

  /** Completes the inputs of a part. */
  complete(gpu: Gpu, part: PreparedPart): void {
    this.#makeContext(gpu, part);
    const { tensors } = this.#teach(gpu, part);
    gpu.write(tensors.timesteps.buffer, 0, part.inputs.timesteps);
    gpu.write(tensors.classes.buffer, 0, part.inputs.classes);
  }

  /** The student makes the frames before the newest, one after another, as the sampler does. */
  #makeContext(gpu: Gpu, part: PreparedPart): void {
    const { layout } = part.inputs;
    const { contextFrames, windowFrames } = layout;
    const { frames, distilled } = part.draws;
    const own = distilled!.own.subarray(contextFrames, frames); // in all videos the same
    if (!own.includes(1)) return;
    const student = this.#studentPass(layout);
    const { sigmas, timesteps } = flowMatchTimes(
      this.#settings.steps,
      this.#engine.settings.noise,
    );
    for (let made = own.indexOf(1); made <= own.lastIndexOf(1); made++) {
      for (const [i, timestep] of timesteps.entries()) {
        const length = sigmas[i + 1]! - sigmas[i]!;
        this.#writeCall(
          gpu,
          part,
          student,
          (frame) => frame % windowFrames === made ? { timestep, length } : { length: 0 },
        );
        gpu.run(student.program);
      }
    }
  }

  /** The teacher's steps: their mean velocity becomes the target of the frames that it teaches. */
  #teach(gpu: Gpu, part: PreparedPart): RecordedPass {
    const { inputs: { layout, classes } } = part;
    const { guidance, teacherSteps } = this.#settings;
    const { count: nullClass } = this.#engine.settings.config.condition;
    const move = this.#movePass(layout);
    const teacher = this.#teacherPass(layout);
    this.#engine.memory.allocate(gpu);
    const steps = this.#taughtSteps(part);
    const { spans, ahead } = memoryOf(teacher.pass);
    gpu.write(spans.buffer, 0, Float32Array.from(steps, (step) => step ? step.to - step.from : 0));
    const conditional = [guidance, classes] as const;
    const unconditional = [1 - guidance, new Uint32Array(classes.length).fill(nullClass)] as const;
    const halves = guidance > 1 ? [unconditional, conditional] : [conditional];
    const calls = steps.map((step) => step && teacherCalls(step, teacherSteps));
    const none = new Float32Array(size(ahead.shape));
    gpu.write(ahead.buffer, 0, none);
    for (let k = 0; k < teacherSteps; k++) {
      gpu.run(move.program);
      gpu.write(ahead.buffer, 0, none);
      for (const [weight, chosen] of halves) {
        gpu.write(teacher.tensors.classes.buffer, 0, chosen);
        this.#writeCall(gpu, part, teacher, (frame) => teacherCall(calls[frame]?.[k], weight));
        gpu.run(teacher.program);
      }
    }
    return teacher;
  }

  /** The student's step at which each window frame of the part is taught. */
  #taughtSteps({ inputs, draws, first }: PreparedPart): (StudentStep | undefined)[] {
    const { videos, contextFrames, windowFrames, twins } = inputs.layout;
    const clean = twins ? windowFrames / 2 : 0;
    return Array.from({ length: videos * windowFrames }, (_, at) => {
      if (at % windowFrames < clean) return undefined;
      const video = first + Math.floor(at / windowFrames);
      const frame = contextFrames + at % windowFrames - clean;
      return this.#steps[draws.distilled!.studentStep[video * draws.frames + frame]!];
    });
  }

  /** Writes timesteps and lengths of a call. */
  #writeCall(
    gpu: Gpu,
    { inputs }: PreparedPart,
    { pass, tensors }: RecordedPass,
    call: (frame: number) => FrameCall,
  ): void {
    this.#engine.memory.allocate(gpu);
    const rows = inputs.timesteps.slice();
    const calls = Array.from({ length: windowFramesOf(pass) }, (_, frame) => call(frame));
    for (const [frame, { timestep }] of calls.entries()) {
      if (timestep === undefined) continue;
      rows.set(this.#project(timestep), frame * TIMESTEP_WIDTH); // windows come first
    }
    gpu.write(tensors.timesteps.buffer, 0, rows);
    const { lengths, lengthsAhead } = memoryOf(pass);
    gpu.write(lengths.buffer, 0, Float32Array.from(calls, ({ length }) => length));
    gpu.write(lengthsAhead.buffer, 0, Float32Array.from(calls, ({ ahead = 0 }) => ahead));
  }

  #project(timestep: number): Float32Array {
    const at = rounded(Math.fround(timestep), this.#engine.settings.timesteps);
    const known = this.#projections.get(at) ?? projectTimestep(at);
    this.#projections.set(at, known);
    return known;
  }

  /** Where the teacher's steps have led so far: x + span (target + ahead). */
  #movePass(layout: TokenLayout): RecordedPass {
    return this.#engine.record("move", layout, (pass, tensors) => {
      const { window: x, expected: v } = tensors;
      const { window: y, spans: c, ahead } = memoryOf(pass);
      flowStep(pass.program, { x, v, c, y }, windowFramesOf(pass));
      flowStep(pass.program, { v: ahead, c, y }, windowFramesOf(pass));
    });
  }

  /** The teacher's velocity there, of which a part is added to the target, and one ahead of it. */
  #teacherPass(layout: TokenLayout): RecordedPass {
    return this.#engine.record("teacher", layout, (pass, tensors) => {
      const { window, lengths, ahead, lengthsAhead } = memoryOf(pass);
      const v = recordVelocity(pass, { ...tensors, window });
      const frames = windowFramesOf(pass);
      flowStep(pass.program, { v, c: lengths, y: tensors.expected }, frames);
      flowStep(pass.program, { v, c: lengthsAhead, y: ahead }, frames);
    }, this.store);
  }

  /** The student's velocity, and a step along it. */
  #studentPass(layout: TokenLayout): RecordedPass {
    return this.#engine.record("student", layout, (pass, tensors) => {
      const v = recordVelocity(pass, tensors);
      const step = { v, c: memoryOf(pass).lengths, y: tensors.window };
      flowStep(pass.program, step, windowFramesOf(pass));
    });
  }
}

/** A call for a frame; none where it is not taught. @param weight of this half of guidance */
function teacherCall(call: TeacherCall | undefined, weight: number): FrameCall {
  if (!call) return { length: 0 };
  const { sigma, share, ahead } = call;
  return { timestep: 1000 * sigma, length: weight * share, ahead: weight * ahead };
}

function windowFramesOf({ layout: { videos, windowFrames } }: Pass): number {
  return videos * windowFrames;
}

/** What a pass has besides the inputs of training; lengths are by frame. */
function memoryOf(pass: Pass) {
  const { workspace, layout, sizes: { channels, patch } } = pass;
  const frames = [windowFramesOf(pass)];
  const patches = [windowRows(layout), channels * patch ** 2];
  return {
    /** The window's frames as the teacher has them. */
    window: workspace.buffer("teacher patches", patches),
    /** How far each frame is to go in all. */
    spans: workspace.buffer("spans", frames),
    /** How far each frame goes in a call. */
    lengths: workspace.buffer("lengths", frames),
    /** What the teacher's last velocity adds to the target until the next call. */
    ahead: workspace.buffer("ahead", patches),
    /** How much of a velocity goes there. */
    lengthsAhead: workspace.buffer("lengths ahead", frames),
  };
}
