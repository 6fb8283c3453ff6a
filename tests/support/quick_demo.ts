import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { writeAll } from "../../files/byte_sink.ts";
import { encodeNpz, NpzFile } from "../../media/npz.ts";
import { SafetensorsFile, writeSafetensors } from "../../weights/safetensors.ts";

const DEMO = fileURLToPath(new URL("../../weights/demo", import.meta.url));
const WEIGHTS = "diffusion_pytorch_model.safetensors";
const SIDE = 64;

/** A clip of half the width and height: every second pixel. */
async function halfClip(path: string): Promise<Uint8Array> {
  using clip = await NpzFile.open(path);
  const { data, shape, ...rest } = await clip.read("video");
  const [frames, side] = [shape[0]!, SIDE / 2];
  const small = new Uint8Array(frames * side * side * 3);
  for (let pixel = 0; pixel < small.length / 3; pixel++) {
    const [row, x] = [Math.floor(pixel / side), pixel % side]; // rows of all frames
    const from = 3 * (2 * row * SIDE + 2 * x);
    small.set((data as Uint8Array).subarray(from, from + 3), 3 * pixel);
  }
  const video = { ...rest, shape: [frames, side, side, 3], data: small };
  return encodeNpz({ video, actions: await clip.read("actions") });
}

/** Writes the demo's transformer with the last of its blocks alone. */
async function writeOneBlock(folder: string): Promise<void> {
  const from = join(DEMO, "transformer");
  const config = JSON.parse(await Deno.readTextFile(join(from, "config.json")));
  const last = `transformer_blocks.${config.num_layers - 1}.`;
  await Deno.mkdir(folder);
  await Deno.writeTextFile(
    join(folder, "config.json"),
    JSON.stringify({ ...config, num_layers: 1 }),
  );
  const source = await SafetensorsFile.open(join(from, WEIGHTS));
  const tensors = [];
  for (const info of source.tensors.values()) {
    const name = info.name.replace(last, "transformer_blocks.0.");
    if (/^transformer_blocks/.test(info.name) && name === info.name) continue;
    tensors.push({ ...info, name, data: await source.read(info) });
  }
  source.close();
  using file = await Deno.create(join(folder, WEIGHTS));
  await writeSafetensors({ write: (bytes) => writeAll(file, bytes) }, tensors);
}

/**
 * Makes the folder of a model with the demo's weights, but only one block of its transformer, which
 * works on a quarter of its pixels: for tests that check whether something runs, not
 * what it makes.
 * @param defaults replace those of the demo
 */
export async function makeQuickDemo(
  folder: string,
  defaults: Readonly<Record<string, unknown>> = {},
): Promise<void> {
  await Deno.mkdir(join(folder, "clips"), { recursive: true });
  for (const name of ["model_index.json", "vae", "scheduler"]) {
    await Deno.symlink(join(DEMO, name), join(folder, name));
  }
  await writeOneBlock(join(folder, "transformer"));
  for (const { name } of Deno.readDirSync(join(DEMO, "clips"))) {
    const clip = await halfClip(join(DEMO, "clips", name));
    await Deno.writeFile(join(folder, "clips", name), clip);
  }
  const far = JSON.parse(await Deno.readTextFile(join(DEMO, "far.json")));
  const own = { ...far.defaults, size: `${SIDE / 2}x${SIDE / 2}`, ...defaults };
  await Deno.writeTextFile(join(folder, "far.json"), JSON.stringify({ ...far, defaults: own }));
}
