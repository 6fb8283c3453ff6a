/**
 * Draws the start clips of the model: walks that begin in a corridor and never look at a wall for long.
 *
 *     deno run -A tools/demo/starts.ts FOLDER [CLIPS [FRAMES [SEED]]]
 *
 * Prints the moves of each walk after its first 12 frames, as `--actions` takes them.
 */
import { join } from "node:path";
import { randomOf } from "../random.ts";
import { writeClip } from "./clips.ts";
import { longestStare } from "./judge.ts";
import {
  anyPose,
  type Chance,
  drawView,
  FORWARD,
  LEFT,
  makeMaze,
  type Maze,
  move,
  openCells,
  pick,
  type Pose,
  RIGHT,
  STAY,
} from "./maze.ts";
import { spelled, type Walk } from "./walks.ts";

const GIVEN = 12;
const LONGEST_STARE = 2;
/** Cells that are free ahead where a walk begins. */
const CORRIDOR = 3.5;

/** Walks along corridors: straight on while there is room, else to where most room is. */
function stroll(maze: Maze, start: Pose, frames: number, chance: Chance): Walk {
  const actions = [STAY];
  const poses = [start];
  let plan: number[] = [];
  while (actions.length < frames) {
    if (plan.length === 0) plan = nextStretch(maze, poses.at(-1)!, chance);
    const action = plan.shift()!;
    actions.push(action);
    poses.push(move(maze, poses.at(-1)!, action));
  }
  return { actions, views: poses.map((pose) => drawView(maze, pose)) };
}

function nextStretch(maze: Maze, pose: Pose, chance: Chance): number[] {
  const ahead = openCells(maze, pose);
  if (ahead > 1.7) {
    const steps = Math.floor((ahead - 1) / 0.2);
    return Array<number>(Math.min(steps, 5 + pick(chance, 8))).fill(FORWARD);
  }
  const room = (turns: number) => {
    return openCells(maze, { ...pose, heading: pose.heading + turns * Math.PI / 12 });
  };
  const turns = [-6, 6, -12, 12].reduce((best, next) => room(next) > room(best) ? next : best);
  return Array<number>(Math.abs(turns)).fill(turns < 0 ? LEFT : RIGHT);
}

/** A walk that is worth watching: three kinds of moves, and no long look at a wall. */
function goodWalk(frames: number, chance: Chance): Walk {
  for (;;) {
    const maze = makeMaze(chance);
    const start = anyPose(maze, chance);
    const heading = pick(chance, 4) * Math.PI / 2;
    if (openCells(maze, { ...start, heading }) < CORRIDOR) continue;
    const walk = stroll(maze, { ...start, heading }, frames, chance);
    const turns = walk.actions.filter((action) => action === LEFT || action === RIGHT).length;
    if (new Set(walk.actions.slice(1)).size < 3 || turns > frames / 2) continue;
    if (longestStare(walk.views) <= LONGEST_STARE) return walk;
  }
}

const [folder, ...numbers] = Deno.args;
if (folder === undefined) throw new Error("name a folder for the clips");
const [clips = 4, frames = 60, seed = 1] = numbers.map(Number);
await Deno.mkdir(folder, { recursive: true });
const chance = randomOf(seed * 0x51ed27);
for (let clip = 0; clip < clips; clip++) {
  const walk = goodWalk(frames, chance);
  await writeClip(join(folder, `${clip}.npz`), walk);
  console.log(`${clip}.npz: ${spelled(walk.actions.slice(GIVEN))}`);
}
