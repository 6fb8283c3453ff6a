import { size, TEXTURE_ROW_BYTES } from "../../gpu/memory.ts";
import type { Dispatch, Program } from "../../gpu/program.ts";
import type { DeviceProfile } from "../../gpu/tuning.ts";
import type { Copy } from "../parameters.ts";
import type { TrainLimits, TrainPlan } from "../plan.ts";
import { AutoencoderEngine, type PictureDivision } from "./engine.ts";
import type { AutoencoderSettings } from "./settings.ts";

/** Limits of a run, and rows of its images. */
export interface PictureLimits extends TrainLimits {
  readonly rows?: number;
}

/**
 * Divides a step so that it fits: whole if possible, then with blocks computed twice, then with
 * fewer pictures at a time. If nothing fits, it takes the smallest division.
 * @throws {RangeError} names settings that contradict each other or the model
 */
export function planAutoencoder(
  settings: AutoencoderSettings,
  device: DeviceProfile,
  limits: PictureLimits,
): { readonly plan: TrainPlan; readonly engine: AutoencoderEngine } {
  checkSettings(settings);
  let found: AutoencoderEngine | undefined;
  for (const division of divisions(settings)) {
    found = new AutoencoderEngine(settings, device, division);
    if (fits(found, limits)) break;
  }
  return { engine: found!, plan: describe(found!) };
}

function* divisions(
  { batch, frames, microBatch, recompute = "auto" }: AutoencoderSettings,
): Generator<PictureDivision> {
  let pictures = microBatch ?? batch * frames;
  while (true) {
    if (recompute !== true) yield { microBatch: pictures, recompute: false };
    if (recompute !== false) yield { microBatch: pictures, recompute: true };
    if (pictures === 1 || microBatch !== undefined) return;
    pictures = Math.ceil(pictures / 2);
  }
}

function fits({ memory }: AutoencoderEngine, limits: PictureLimits): boolean {
  const { memory: most = Infinity, buffer = Infinity, rows = Infinity } = limits;
  return memory.bytes <= most &&
    memory.buffers.every(({ kind, bytes }) =>
      bytes <=
        (kind === "texture" ? rows * TEXTURE_ROW_BYTES : kind === "storage" ? buffer : Infinity)
    );
}

function describe(engine: AutoencoderEngine): TrainPlan {
  const { settings, division, store, memory, parameters, isTrained } = engine;
  const { microBatch, recompute } = division;
  const pictures = settings.batch * settings.frames * settings.accumulate;
  const passes = Array.from(
    { length: Math.floor(pictures / microBatch) },
    () => engine.pass(microBatch, "train"),
  );
  if (pictures % microBatch) passes.push(engine.pass(pictures % microBatch, "train"));
  const programs = [...passes, engine.update];
  const copies = (...names: Copy[]) =>
    store.groups.reduce(
      (sum, group) => names.reduce((s, name) => s + (group.copies[name]?.buffer.bytes ?? 0), sum),
      0,
    );
  const bytes = {
    weights: copies("weight"),
    gradients: copies("gradient"),
    moments: copies("moment", "square"),
    ema: copies("shadow"),
    teacher: 0,
  };
  const kept = bytes.weights + bytes.gradients + bytes.moments + bytes.ema;
  const numbers = (trained: boolean) =>
    parameters.reduce(
      (sum, { name, shape }) => sum + (!trained || isTrained(name) ? size(shape) : 0),
      0,
    );
  return {
    bytes: { ...bytes, activations: memory.bytes - kept, total: memory.bytes },
    microBatch,
    recompute,
    flops: programs.reduce((sum, program) => sum + programFlops(program), 0),
    dispatches: programs.reduce((sum, { dispatches }) => sum + dispatches, 0),
    trained: numbers(true),
    parameters: numbers(false),
  };
}

function programFlops({ recorded }: Program): number {
  return recorded.reduce((sum, dispatch) => sum + flopsOf(dispatch), 0);
}

/** FLOPs of convolutions and their gradients; the rest is negligible. */
function flopsOf({ kernel: { name }, params = {}, constants = {} }: Dispatch): number {
  const p = params as Readonly<Record<string, number>>;
  const taps = (constants.SIZE ?? 0) ** 2;
  if (name.startsWith("conv2d_gradient")) return 32 * p.rows! * p.width! * p.n4! * p.k4! * taps;
  if (name.startsWith("conv2d")) return 2 * p.pixels! * p.k! * p.n! * taps;
  return 0;
}

/** @throws {RangeError} names the first wrong setting */
function checkSettings(settings: AutoencoderSettings): void {
  const { height, width, latentNoise, loss, sizes: { compression } } = settings;
  const wrong = (what: string) => new RangeError(`Cannot train: ${what}`);
  for (const name of ["batch", "frames", "accumulate", "height", "width", "steps"] as const) {
    if (!Number.isInteger(settings[name]) || settings[name] < 1) {
      throw wrong(`${name} must be a whole number above 0, not ${settings[name]}`);
    }
  }
  if (height % compression || width % compression) {
    throw wrong(`pictures of ${width}x${height} are not multiples of ${compression}`);
  }
  if (!(latentNoise >= 0)) throw wrong(`noise of latents must not be ${latentNoise}`);
  const weights = Object.entries(loss);
  const bad = weights.find(([, weight]) => !(weight >= 0));
  if (bad) throw wrong(`the weight of the loss's ${bad[0]} must not be ${bad[1]}`);
  if (weights.every(([, weight]) => weight === 0)) throw wrong("all parts of the loss weigh 0");
}
