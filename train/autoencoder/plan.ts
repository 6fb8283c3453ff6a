import type { Dispatch } from "../../gpu/program.ts";
import type { DeviceProfile } from "../../gpu/tuning.ts";
import type { Division } from "../engine.ts";
import {
  checkCounts,
  describePlan,
  divisions,
  firstThatFits,
  type TrainLimits,
  type TrainPlan,
} from "../plan.ts";
import { AutoencoderEngine } from "./engine.ts";
import { LEAST_JUDGED } from "./discriminator.ts";
import { adversarialSettings, type AutoencoderSettings } from "./settings.ts";

/** Pixels of a side that VGG16 halves four times. */
const LEAST_PERCEPTUAL = 16;

/**
 * Divides a step so that it fits: whole if possible, then with blocks computed twice, then with
 * fewer pictures at a time. If nothing fits, it takes the smallest division.
 * @throws {RangeError} names settings that contradict each other or the model
 */
export function planAutoencoder(
  settings: AutoencoderSettings,
  device: DeviceProfile,
  limits: TrainLimits,
): { readonly plan: TrainPlan; readonly engine: AutoencoderEngine } {
  checkSettings(settings);
  const make = (division: Division) => new AutoencoderEngine(settings, device, division);
  const engine = firstThatFits(divisions(settings.batch * settings.frames, settings), make, limits);
  return { engine, plan: describe(engine) };
}

function describe(engine: AutoencoderEngine): TrainPlan {
  const { settings, division, memory, parameters: all, isTrained, adversary } = engine;
  const kind = engine.stepKinds[0]!;
  const { microBatch } = division;
  const pictures = settings.batch * settings.frames * settings.accumulate;
  const passes = Array.from(
    { length: Math.floor(pictures / microBatch) },
    () => engine.pass(microBatch, kind),
  );
  if (pictures % microBatch) passes.push(engine.pass(pictures % microBatch, kind));
  const programs = [...passes, ...adversary ? engine.adversarialUpdates : [engine.update]];
  const store = { groups: [...engine.store.groups, ...adversary?.store.groups ?? []] };
  const step = { ...division, store, memory, all, isTrained, programs };
  return describePlan(step, { flopsOf, teacher: 0 });
}

/** FLOPs of convolutions and their gradients; the rest is negligible. */
function flopsOf({ kernel: { name }, params = {}, constants = {} }: Dispatch): number {
  const p = params as Readonly<Record<string, number>>;
  const taps = (constants.SIZE ?? 0) ** 2;
  if (name.startsWith("conv2d_gradient")) return 32 * p.rows! * p.width! * p.n4! * p.k4! * taps;
  if (name.startsWith("conv2d")) return 2 * p.pixels! * p.k! * p.n! * taps;
  return 0;
}

function wrong(what: string): RangeError {
  return new RangeError(`Cannot train: ${what}`);
}

/** @throws {RangeError} names the first wrong setting */
function checkSettings(settings: AutoencoderSettings): void {
  const { height, width, latentNoise, loss, perceptual, sizes: { compression } } = settings;
  checkCounts(settings);
  if (height % compression || width % compression) {
    throw wrong(`pictures of ${width}x${height} are not multiples of ${compression}`);
  }
  checkAdversarial(settings);
  if (!(latentNoise >= 0)) throw wrong(`noise of latents must not be ${latentNoise}`);
  if (loss.lpips > 0 && !perceptual) throw wrong("LPIPS needs its networks; give `lpips`");
  if (loss.lpips > 0 && Math.min(height, width) < LEAST_PERCEPTUAL) {
    throw wrong(`LPIPS needs pictures of ${LEAST_PERCEPTUAL}x${LEAST_PERCEPTUAL} or more`);
  }
  const weights = Object.entries(loss);
  const bad = weights.find(([, weight]) => !(weight >= 0));
  if (bad) throw wrong(`the weight of the loss's ${bad[0]} must not be ${bad[1]}`);
  if (weights.every(([, weight]) => weight === 0)) throw wrong("all parts of the loss weigh 0");
}

/** @throws {RangeError} names the first wrong setting of a discriminator */
function checkAdversarial(settings: AutoencoderSettings): void {
  const { height, width } = settings;
  const adversarial = adversarialSettings(settings);
  if (!adversarial) {
    const idle = (["discWeight", "discFilters"] as const).find((name) =>
      settings[name] !== undefined
    );
    if (idle) throw wrong(`\`${idle}\` needs \`discStart\``);
    return;
  }
  const { discStart, discWeight, discFilters } = adversarial;
  if (!Number.isInteger(discStart) || discStart < 0) {
    throw wrong(`\`discStart\` must be a whole number of steps, not ${discStart}`);
  }
  if (!(discWeight >= 0 && discWeight < Infinity)) {
    throw wrong(`\`discWeight\` must not be ${discWeight}`);
  }
  if (!Number.isInteger(discFilters) || discFilters < 4 || discFilters % 4) {
    throw wrong(`\`discFilters\` must be a multiple of 4, not ${discFilters}`);
  }
  if (Math.min(height, width) < LEAST_JUDGED) {
    throw wrong(`a discriminator needs pictures of ${LEAST_JUDGED}x${LEAST_JUDGED} or more`);
  }
}
