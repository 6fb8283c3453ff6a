import { join } from "node:path";
import { AtomicFile } from "../../files/atomic_file.ts";
import { writeSafetensors } from "../../weights/safetensors.ts";

/** Side of the world, in latents; a dot moves on it, and actions say where. */
const SIDE = 3;
const CHANNELS = 32;
/** Of the latents, so that their variance is about 1 when they are scaled by 0.2889. */
const AMPLITUDE = 3;
/** Right, left, down, up, around the edges. */
const MOVES = [[1, 0], [-1, 0], [0, 1], [0, -1]] as const;

/** A small transformer for it. */
export const TOY_CONFIG = {
  _class_name: "FAR",
  attention_head_dim: 64,
  axes_dims_rope: [16, 24, 24],
  condition_cfg: { type: "action", num_action_classes: 4 },
  in_channels: CHANNELS,
  num_attention_heads: 1,
  num_layers: 1,
  out_channels: CHANNELS,
  patch_size: 1,
  short_term_ctx_winsize: 3,
  slope_scale: 0,
};

/** Clips of the world: latents [frames, CHANNELS, SIDE, SIDE], a bright dot on black. */
function toyClip(frames: number, random: () => number) {
  const volume = CHANNELS * SIDE * SIDE;
  const latents = new Float32Array(frames * volume).fill(-AMPLITUDE);
  const actions = Array.from({ length: frames }, () => Math.floor(4 * random()));
  let [x, y] = [Math.floor(SIDE * random()), Math.floor(SIDE * random())];
  for (let frame = 0; frame < frames; frame++) {
    const [dx, dy] = MOVES[actions[frame]!]!;
    if (frame > 0) [x, y] = [(x + dx + SIDE) % SIDE, (y + dy + SIDE) % SIDE];
    for (let c = 0; c < CHANNELS; c++) {
      latents[frame * volume + (c * SIDE + y) * SIDE + x] = AMPLITUDE;
    }
  }
  return { latents, actions };
}

/** Writes a data set in one file. */
export async function writeToyWorld(
  folder: string,
  clips: number,
  frames: number,
  random: () => number,
): Promise<string> {
  const made = Array.from({ length: clips }, () => toyClip(frames, random));
  const latents = Float32Array.from(made.flatMap(({ latents }) => [...latents]));
  const actions = BigInt64Array.from(made.flatMap(({ actions }) => actions.map(BigInt)));
  const path = join(folder, "toy.safetensors");
  const sink = await AtomicFile.create(path);
  const bytes = (data: Float32Array | BigInt64Array) => new Uint8Array(data.buffer);
  await writeSafetensors(sink, [
    {
      name: "latents",
      dtype: "F32",
      shape: [clips, frames, CHANNELS, SIDE, SIDE],
      data: bytes(latents),
    },
    { name: "actions", dtype: "I64", shape: [clips, frames], data: bytes(actions) },
  ]);
  await sink.commit();
  return path;
}
