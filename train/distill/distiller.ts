import type { Gpu } from "../../gpu/gpu.ts";
import { size } from "../../gpu/memory.ts";
import type { Program } from "../../gpu/program.ts";
import { copy } from "../../kernels/copy.ts";
import { flowStep } from "../../kernels/flow_step.ts";
import { rounded, TIMESTEP_WIDTH } from "../../model/embeddings.ts";
import { type TokenLayout, windowRows } from "../../kernels/modulated_norm.ts";
import { type PassInputs, projectTimestep } from "../inputs.ts";
import { type PassRecorder, type RecordedPass, recordVelocity, velocityOf } from "../network.ts";
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

const STAYS: FrameCall = { length: 0 };

/**
 * The frozen teacher, on the same device and in the same activations as the student. It completes
 * what a step begins with: frames of context that the student makes, and the velocities that lead
 * where the teacher gets from the same noise. At each of its steps the student is trained where its
 * steps before have led, so a later one makes up for what an earlier one missed. Nothing waits for
 * the device in between.
 */
export class Distiller {
  /** The teacher's weights. */
  readonly store: ParameterStore;
  readonly #engine: PassRecorder;
  readonly #settings: DistillSettings;
  readonly #steps: readonly StudentStep[];
  readonly #calls: readonly (readonly TeacherCall[])[];
  readonly #projections = new Map<number, Float32Array>();

  constructor(engine: PassRecorder, settings: DistillSettings) {
    this.#engine = engine;
    this.#settings = settings;
    this.#steps = studentSteps(settings, engine.settings.noise);
    this.#calls = teacherCalls(this.#steps, settings.teacherSteps);
    const own = engine.parameters.all.filter(({ name }) => !name.includes(".lora_"));
    const options = { isTrained: () => false, ema: false, labelOf: () => "teacher" };
    this.store = new ParameterStore(engine.memory, own, options);
  }

  /** The student's steps at each of which a part is trained. */
  get steps(): number {
    return this.#steps.length;
  }

  /** What a part runs besides training; contexts that the student makes come on top. */
  programs(layout: TokenLayout): Program[] {
    const velocity = this.#teacherPass(layout).program;
    const calls = this.#settings.guidance > 1 ? [velocity, velocity] : [velocity];
    const call = [this.#movePass(layout).program, ...calls];
    const step = [...this.#calls[0]!.flatMap(() => call), this.#targetPass(layout).program];
    const advance = this.#advancePass(layout).program;
    const later = this.#steps.slice(1).flatMap(() => [advance, ...step]);
    return [this.#startPass(layout).program, ...step, ...later];
  }

  /** Bytes of the teacher's weights. */
  get bytes(): number {
    return this.store.groups.reduce((sum, { length }) => sum + 4 * length, 0);
  }

  /** Writes the teacher's weights. */
  async fill(gpu: Gpu, source: ParameterSource): Promise<void> {
    await this.store.fill(gpu, source);
  }

  /**
   * Completes the inputs of a part for one of the student's steps. Before a later one, the part has
   * been trained at the one before.
   */
  complete(gpu: Gpu, part: PreparedPart, step: number): void {
    if (step === 0) this.#start(gpu, part);
    else this.#advance(gpu, part, step);
    this.#teach(gpu, part, step);
  }

  #start(gpu: Gpu, part: PreparedPart): void {
    this.#makeContext(gpu, part);
    const { program, pass } = this.#startPass(part.inputs.layout);
    this.#engine.memory.allocate(gpu);
    const { ahead, ones } = memoryOf(pass);
    gpu.write(ahead.buffer, 0, new Float32Array(size(ahead.shape)));
    gpu.write(ones.buffer, 0, new Float32Array(size(ones.shape)).fill(1));
    gpu.run(program);
  }

  /** The student makes the frames before the newest, one after another, as the sampler does. */
  #makeContext(gpu: Gpu, part: PreparedPart): void {
    const { layout } = part.inputs;
    const { contextFrames, windowFrames } = layout;
    const { frames, distilled } = part.draws;
    const own = distilled!.own.subarray(contextFrames, frames); // in all videos the same
    if (!own.includes(1)) return;
    const student = this.#studentPass(layout);
    for (let made = own.indexOf(1); made <= own.lastIndexOf(1); made++) {
      for (const { from, to } of this.#steps) {
        const call = { timestep: 1000 * from, length: to - from };
        this.#writeCall(
          gpu,
          part,
          student,
          (frame) => frame % windowFrames === made ? call : STAYS,
        );
        gpu.run(student.program);
      }
    }
  }

  /** Takes the student's step before, along the velocity that its training has computed. */
  #advance(gpu: Gpu, part: PreparedPart, step: number): void {
    const { layout, expected, weights } = part.inputs;
    const isTaught = taughtFrames(part);
    const advance = this.#advancePass(layout);
    const { from, to } = this.#steps[step - 1]!;
    this.#writeCall(gpu, part, advance, (frame) => isTaught[frame] ? { length: to - from } : STAYS);
    gpu.run(advance.program);
    // the other videos are trained once
    const now = weights.map((weight, frame) => isTaught[frame] === false ? 0 : weight);
    gpu.write(advance.tensors.weights.buffer, 0, now);
    gpu.write(advance.tensors.expected.buffer, 0, expected);
  }

  /** The teacher's calls in a step; how far the student is from where they lead is the target. */
  #teach(gpu: Gpu, part: PreparedPart, step: number): void {
    const { layout, classes } = part.inputs;
    const { guidance } = this.#settings;
    const { count: nullClass } = this.#engine.settings.config.condition;
    const [move, teacher] = [this.#movePass(layout), this.#teacherPass(layout)];
    const target = this.#targetPass(layout);
    const isTaught = taughtFrames(part);
    this.#engine.memory.allocate(gpu);
    const { ahead } = memoryOf(teacher.pass);
    const conditional = [guidance, classes] as const;
    const unconditional = [1 - guidance, new Uint32Array(classes.length).fill(nullClass)] as const;
    const halves = guidance > 1 ? [unconditional, conditional] : [conditional];
    const none = new Float32Array(size(ahead.shape));
    for (const call of this.#calls[step]!) {
      gpu.run(move.program);
      gpu.write(ahead.buffer, 0, none);
      for (const [weight, chosen] of halves) {
        gpu.write(teacher.tensors.classes.buffer, 0, chosen);
        const taught = teacherCall(call, weight);
        this.#writeCall(gpu, part, teacher, (frame) => isTaught[frame] ? taught : STAYS);
        gpu.run(teacher.program);
      }
    }
    const { from, to } = this.#steps[step]!;
    const now = { timestep: 1000 * from, length: 1 / (to - from), ahead: -1 / (to - from) };
    this.#writeCall(gpu, part, target, (frame) => isTaught[frame] ? now : STAYS);
    gpu.run(target.program); // and training reads the timesteps
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

  /** The teacher starts where the student does. */
  #startPass(layout: TokenLayout): RecordedPass {
    return this.#engine.record("start", layout, ({ program, ...pass }, { window }) => {
      const { position } = memoryOf(pass);
      copy(program, { tensor: window, first: 0 }, size(window.shape), {
        tensor: position,
        first: 0,
      });
    });
  }

  /** Where the teacher is called: at its position and what lies ahead of it. */
  #movePass(layout: TokenLayout): RecordedPass {
    return this.#engine.record("move", layout, (pass) => {
      const { position: x, window: y, ones: c, ahead: v } = memoryOf(pass);
      flowStep(pass.program, { x, v, c, y }, windowFramesOf(pass));
    });
  }

  /** The teacher's velocity there, which moves its position. */
  #teacherPass(layout: TokenLayout): RecordedPass {
    return this.#engine.record("teacher", layout, (pass, tensors) => {
      const { window, position, lengths, ahead, lengthsAhead } = memoryOf(pass);
      const v = recordVelocity(pass, { ...tensors, window });
      const frames = windowFramesOf(pass);
      flowStep(pass.program, { v, c: lengths, y: position }, frames);
      flowStep(pass.program, { v, c: lengthsAhead, y: ahead }, frames);
    }, this.store);
  }

  /** The velocity that leads from the student to the teacher. */
  #targetPass(layout: TokenLayout): RecordedPass {
    return this.#engine.record("target", layout, (pass, { window, expected: y }) => {
      const { position, ahead, lengths, lengthsAhead } = memoryOf(pass);
      const frames = windowFramesOf(pass);
      for (const v of [position, ahead]) flowStep(pass.program, { v, c: lengths, y }, frames);
      flowStep(pass.program, { v: window, c: lengthsAhead, y }, frames);
    });
  }

  /** The student's step, along the velocity of the training pass before. */
  #advancePass(layout: TokenLayout): RecordedPass {
    return this.#engine.record("advance", layout, (pass, { window }) => {
      const step = { v: velocityOf(pass), c: memoryOf(pass).lengths, y: window };
      flowStep(pass.program, step, windowFramesOf(pass));
    });
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

/** A call for a frame. @param weight of this half of guidance */
function teacherCall({ sigma, share, ahead }: TeacherCall, weight: number): FrameCall {
  return { timestep: 1000 * sigma, length: weight * share, ahead: weight * ahead };
}

/** Which window frames of the part are taught; of twins only the noisy ones. */
function taughtFrames({ inputs, draws, first }: PreparedPart): boolean[] {
  const { videos, contextFrames, windowFrames, twins } = inputs.layout;
  const clean = twins ? windowFrames / 2 : 0;
  return Array.from({ length: videos * windowFrames }, (_, at) => {
    const frame = contextFrames + at % windowFrames - clean;
    const video = first + Math.floor(at / windowFrames);
    const isNoisy = at % windowFrames >= clean;
    return isNoisy && draws.distilled!.taught[video * draws.frames + frame] === 1;
  });
}

function windowFramesOf({ layout: { videos, windowFrames } }: Pick<Pass, "layout">): number {
  return videos * windowFrames;
}

/** What a pass has besides the inputs of training; lengths are by frame. */
function memoryOf(pass: Omit<Pass, "program">) {
  const { workspace, layout, sizes: { channels, patch } } = pass;
  const frames = [windowFramesOf(pass)];
  const patches = [windowRows(layout), channels * patch ** 2];
  return {
    /** Where the teacher's calls have led each frame of the window. */
    position: workspace.buffer("teacher position", patches),
    /** Until its next call, it is farther by this. */
    ahead: workspace.buffer("ahead", patches),
    /** Where it is called. */
    window: workspace.buffer("teacher patches", patches),
    /** How far a velocity leads each frame, and how far ahead. */
    lengths: workspace.buffer("lengths", frames),
    lengthsAhead: workspace.buffer("lengths ahead", frames),
    ones: workspace.buffer("ones", frames),
  };
}
