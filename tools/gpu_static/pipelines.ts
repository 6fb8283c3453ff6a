import { recordStep } from "../../bench/step.ts";
import { declareSynthetic } from "../../bench/synthetic_model.ts";
import { Memory } from "../../gpu/memory.ts";
import type { Kernel } from "../../gpu/kernel.ts";
import type { Dispatch, Program } from "../../gpu/program.ts";
import { choices, type DeviceProfile } from "../../gpu/tuning.ts";
import { FrameCodec } from "../../run/frame_codec.ts";

/** A pipeline that a model uses on GPUs. */
export interface Pipeline {
  readonly kernel: Kernel;
  readonly constants: Readonly<Record<string, number>>;
  /** Where: an architecture or autoencoder, the dispatch's label and shape. */
  readonly use: string;
}

/** A large GPU of AMD's, before any tuning. */
export const GPU: DeviceProfile = {
  cpu: false,
  subgroupSize: 32,
  wide: true,
  storageBuffers: 16,
  f16: true,
  name: "AMD Radeon",
};

/** The device with these choices for all kernels that have them: "packed=1,split=4". */
export function choosing(device: DeviceProfile, text: string): DeviceProfile {
  if (!text) return device;
  const pairs = text.split(",").map((pair) => pair.split("="));
  const choice = Object.fromEntries(pairs.map(([name, value]) => [name!, Number(value)]));
  return { ...device, tuning: new Proxy({}, { get: () => choice }) };
}

const ARCHITECTURES = ["FAR_B", "FAR_XL", "FAR_B_Long"] as const;
const AUTOENCODERS = ["8x", "32x"] as const;
const FRAMES = [2, 16, 128, 300];
const SIZE = { height: 8, width: 8 };
/** Sides of latents for autoencoders: few tokens attend pair by pair. */
const SIDES = [8, 4];

/** `A=1 B=2` */
export function constantsText(constants: Readonly<Record<string, number>> = {}): string {
  return Object.entries(constants).map(([name, value]) => `${name}=${value}`).join(" ");
}

/** The distinct pipelines of steps and autoencoders on a device; with `tuned` those too that `--tune` tries. */
export function pipelines(gpu: DeviceProfile, tuned: boolean): Pipeline[] {
  const found = new Map<string, Pipeline>();
  for (const device of tuned ? [gpu, ...tunedDevices(gpu)] : [gpu]) {
    for (const dtype of ["f16", "f32"] as const) {
      for (const { name, program } of programs(device, dtype, device !== gpu)) {
        for (const dispatch of program.recorded) {
          const { kernel, constants = {}, label } = dispatch;
          const key = `${kernel.name} ${constantsText(constants)}`;
          const use = `${name} ${label ?? kernel.name} ${shapeText(dispatch)}`.trim();
          if (!found.has(key)) found.set(key, { kernel, constants, use });
        }
      }
    }
  }
  return [...found.values()];
}

function shapeText({ params = {} }: Dispatch): string {
  const { m, k, n, queries, height, width } = params;
  if (height !== undefined && k !== undefined) return `${height}x${width} ${k}->${n}`;
  if (m !== undefined && n !== undefined) return `${m}x${k}x${n}`;
  return queries === undefined ? "" : `${queries} queries`;
}

/** Of steps and autoencoders; a few are enough to meet each way to divide a kernel's work. */
function* programs(
  device: DeviceProfile,
  dtype: "f16" | "f32",
  few: boolean,
): Generator<{ name: string; program: Program }> {
  for (const architecture of few ? ARCHITECTURES.slice(0, 1) : ARCHITECTURES) {
    const model = declareSynthetic({ architecture, dtype, layers: 1, device });
    for (const frame of few ? [16] : FRAMES) {
      for (const kind of few ? ["later"] as const : ["first", "later"] as const) {
        const { passes } = recordStep(model, new Memory(), device, SIZE, { frame, kind });
        for (const { program } of passes) yield { name: architecture, program };
      }
    }
  }
  for (const vae of few ? AUTOENCODERS.slice(0, 1) : AUTOENCODERS) {
    const model = declareSynthetic({ architecture: "FAR_B", vae, dtype, layers: 1, device });
    for (const side of few ? SIDES.slice(0, 1) : SIDES) {
      const memory = new Memory();
      const latents = memory.tensor("latents", [1, 1, model.vae.latentChannels, side, side]);
      const { decoder, encoder } = new FrameCodec(model, memory, device, latents);
      yield { name: vae, program: decoder };
      if (encoder) yield { name: vae, program: encoder };
    }
  }
}

/** Devices whose tables choose, for every shape, one of the ways that `--tune` tries. */
function* tunedDevices(gpu: DeviceProfile): Generator<DeviceProfile> {
  const all = ["tile", "slices", "blocks", "ahead", "shuffle"].reduce<Record<string, number>[]>(
    (found, name) =>
      found.flatMap((choice) =>
        choices(`linear ${name}`).map((value) => ({ ...choice, [name]: value }))
      ),
    [{}],
  );
  const [first] = choices("attention ahead");
  for (const ahead of choices("attention ahead")) {
    for (const products of ahead === first ? all : all.slice(0, 1)) {
      for (const shuffle of products === all[0] ? [0, 1] : [products.shuffle!]) {
        const choice = { ...products, shuffle };
        const attention = { ahead, shuffle, split: 4 };
        const get = (_: object, key: PropertyKey) =>
          String(key).startsWith("attention") ? attention : choice;
        yield { ...gpu, tuning: new Proxy({}, { get }) };
      }
    }
  }
}
