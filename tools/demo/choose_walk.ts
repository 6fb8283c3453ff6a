/**
 * Finds moves for a start clip that are worth watching: it walks through what the model makes, and
 * turns before a wall fills the picture. Prints them as `--actions` takes them.
 *
 *     deno run -A tools/demo/choose_walk.ts MODEL CLIP [SEED [FRAMES]]
 */
import { LiveWorld, loadPipeline, toRgb } from "../../mod.ts";
import { contextOf, readViews } from "./clips.ts";
import { longestStare, roomAhead } from "./judge.ts";
import { FORWARD, LEFT, RIGHT } from "./maze.ts";
import { spelled } from "./walks.ts";

const GIVEN = 12;
/** Cells ahead at which it turns, and those at which it walks on. */
const TURN_AT = 1.4;
const WALK_AT = 2;

const [model, path, seed = "0", frames = "48"] = Deno.args;
if (model === undefined || path === undefined) throw new Error("name a model and a clip");
const { views, actions: given } = await readViews(path, { count: GIVEN });
const pipeline = await loadPipeline(model);
const world = await LiveWorld.start(pipeline, {
  ...{ ...contextOf(views), actions: given, steps: 8, seed: Number(seed) },
});
const actions: number[] = [];
let side = LEFT;
while (actions.length < Number(frames)) {
  const room = roomAhead(views.at(-1)!);
  const isTurning = actions.at(-1) === side;
  if (!isTurning && room < TURN_AT) side = side === LEFT ? RIGHT : LEFT;
  const action = room < (isTurning ? WALK_AT : TURN_AT) ? side : FORWARD;
  actions.push(action);
  views.push(toRgb((await world.step(action)).pixels).data);
}
world.close();
await pipeline.close();
console.log(`${path}: ${spelled(actions)}: longest stare ${longestStare(views)}`);
