import type { Gpu } from "../../gpu/gpu.ts";
import { size } from "../../gpu/memory.ts";
import type { Program } from "../../gpu/program.ts";
import { flowStep } from "../../kernels/flow_step.ts";
import { rounded, TIMESTEP_WIDTH } from "../../model/embeddings.ts";
import { type TokenLayout, windowLength, windowRows } from "../../kernels/modulated_norm.ts";
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

/** What changes from call to call, for the window frames that it is about. */
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
 * what a step begins with: frames of context that the student makes, and at each of the student's
 * steps, from where those before have led, the velocity that leads where the teacher's steps lead.
 * Nothing waits for the device in between.
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

  /** The student's steps at each of which a part is trained. */
  get steps(): number {
    return this.#steps.length;
  }

  /** What a part runs besides training; contexts that the student makes come on top. */
  programs(layout: TokenLayout): Program[] {
    const { guidance, teacherSteps } = this.#settings;
    const velocity = this.#teacherPass(layout).program;
    const calls = guidance > 1 ? [velocity, velocity] : [velocity];
    const call = [this.#movePass(layout).program, ...calls];
    const step = Array.from({ length: teacherSteps }, () => call).flat();
    const advance = this.#advancePass(layout).program;
    return this.#steps.flatMap((_, i) => i === 0 ? step : [advance, ...step]);
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
    if (step === 0) this.#makeContext(gpu, part);
    else this.#advance(gpu, part, step);
    this.#teach(gpu, part, this.#steps[step]!);
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
      const isMade = (frame: number) => frame % windowFrames === made;
      for (const { from, to } of this.#steps) {
        this.#writeCall(gpu, part, student, isMade, { timestep: 1000 * from, length: to - from });
        gpu.run(student.program);
      }
    }
  }

  /** Takes the student's step before, along the velocity that its training has computed. */
  #advance(gpu: Gpu, part: PreparedPart, step: number): void {
    const { layout, expected, weights } = part.inputs;
    const isTaught = whetherTaught(part);
    const advance = this.#advancePass(layout);
    const { from, to } = this.#steps[step - 1]!;
    this.#writeCall(gpu, part, advance, isTaught, { length: to - from });
    gpu.run(advance.program);
    // the other videos are trained once; the scale of gradients comes last
    const now = weights.map((weight, i) => isTaught(i) || i === weights.length - 1 ? weight : 0);
    gpu.write(advance.tensors.weights.buffer, 0, now);
    gpu.write(advance.tensors.expected.buffer, 0, expected);
  }

  /** The teacher's calls: their mean velocity becomes the target of the frames that it teaches. */
  #teach(gpu: Gpu, part: PreparedPart, step: StudentStep): void {
    const { inputs: { layout, classes } } = part;
    const { guidance, teacherSteps } = this.#settings;
    const { count: nullClass } = this.#engine.settings.config.condition;
    const move = this.#movePass(layout);
    const teacher = this.#teacherPass(layout);
    const isTaught = whetherTaught(part);
    this.#engine.memory.allocate(gpu);
    const { spans, ahead } = memoryOf(teacher.pass);
    const span = step.to - step.from;
    gpu.write(spans.buffer, 0, byFrame(teacher.pass, isTaught, span));
    const conditional = [guidance, classes] as const;
    const unconditional = [1 - guidance, new Uint32Array(classes.length).fill(nullClass)] as const;
    const halves = guidance > 1 ? [unconditional, conditional] : [conditional];
    const none = new Float32Array(size(ahead.shape));
    gpu.write(ahead.buffer, 0, none);
    for (const call of teacherCalls(step, teacherSteps)) {
      gpu.run(move.program);
      gpu.write(ahead.buffer, 0, none);
      for (const [weight, chosen] of halves) {
        gpu.write(teacher.tensors.classes.buffer, 0, chosen);
        this.#writeCall(gpu, part, teacher, isTaught, teacherCall(call, weight));
        gpu.run(teacher.program);
      }
    }
    // what training reads
    this.#writeCall(gpu, part, teacher, isTaught, { timestep: 1000 * step.from, length: 0 });
    gpu.write(teacher.tensors.classes.buffer, 0, classes);
  }

  /** Writes timesteps and lengths of a call: that of some frames, while others stay where they are. */
  #writeCall(
    gpu: Gpu,
    { inputs }: PreparedPart,
    { pass, tensors }: RecordedPass,
    isCalled: (frame: number) => boolean,
    { timestep, length, ahead = 0 }: FrameCall,
  ): void {
    this.#engine.memory.allocate(gpu);
    const rows = inputs.timesteps.slice();
    if (timestep !== undefined) {
      const projection = this.#project(timestep);
      for (let frame = 0; frame < windowFramesOf(pass); frame++) { // windows come first
        if (isCalled(frame)) rows.set(projection, frame * TIMESTEP_WIDTH);
      }
    }
    gpu.write(tensors.timesteps.buffer, 0, rows);
    const { lengths, lengthsAhead } = memoryOf(pass);
    gpu.write(lengths.buffer, 0, byFrame(pass, isCalled, length));
    gpu.write(lengthsAhead.buffer, 0, byFrame(pass, isCalled, ahead));
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

/** @param weight of this half of guidance */
function teacherCall({ sigma, share, ahead }: TeacherCall, weight: number): FrameCall {
  return { timestep: 1000 * sigma, length: weight * share, ahead: weight * ahead };
}

/** Whether a window frame of the part is taught; of twins only the noisy ones may be. */
function whetherTaught({ inputs: { layout }, draws, first }: PreparedPart) {
  const { contextFrames, windowFrames } = layout;
  const clean = windowFrames - windowLength(layout);
  return (at: number): boolean => {
    const video = first + Math.floor(at / windowFrames);
    const frame = at % windowFrames - clean;
    const drawn = video * draws.frames + contextFrames + frame;
    return frame >= 0 && draws.distilled!.taught[drawn] === 1;
  };
}

/** A value for some window frames, and 0 for the others. */
function byFrame(pass: Pass, isIt: (frame: number) => boolean, value: number): Float32Array {
  return Float32Array.from({ length: windowFramesOf(pass) }, (_, i) => isIt(i) ? value : 0);
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
