/**
 * Draws clips of mazes for `far train` and `far evaluate`, each an .npz of `video` and `actions`:
 *
 *     deno run -A tools/demo/draw.ts FOLDER [CLIPS [FRAMES [SEED]]]
 *
 * A seed gives the same clips each time. The model was trained on seed 1; judge it on others.
 */
import { join } from "node:path";
import { randomOf } from "../random.ts";
import { writeClip } from "./clips.ts";
import { makeMaze } from "./maze.ts";
import { wander } from "./walks.ts";

const [folder, ...numbers] = Deno.args;
if (folder === undefined) throw new Error("name a folder for the clips");
const [clips = 16, frames = 48, seed = 1] = numbers.map(Number);

await Deno.mkdir(folder, { recursive: true });
const chance = randomOf(seed * 0x9e3779b1);
for (let clip = 0; clip < clips; clip++) {
  const walk = wander(makeMaze(chance), frames, chance);
  await writeClip(join(folder, `maze-${String(clip).padStart(5, "0")}.npz`), walk);
}
