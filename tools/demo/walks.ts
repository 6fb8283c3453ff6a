/** How the walkers of the training clips go through their mazes. */
import {
  ACTIONS,
  anyPose,
  type Chance,
  drawView,
  FORWARD,
  isBlocked,
  LEFT,
  type Maze,
  move,
  pick,
  type Pose,
  RIGHT,
  STAY,
} from "./maze.ts";

/** A walk: RGB views [size, size, 3], and the move that led to each; the first is "stay". */
export interface Walk {
  readonly views: Uint8Array<ArrayBuffer>[];
  readonly actions: number[];
}

/**
 * What a walker does next. Half of the plans that turn come back by the same way, so that what was
 * seen before is seen again: only a model that remembers can tell what colour is there.
 */
export function nextPlan(maze: Maze, pose: Pose, chance: Chance): number[] {
  const side = chance() < 0.5 ? LEFT : RIGHT;
  if (isBlocked(maze, pose)) return repeat(side, 3 + pick(chance, 7));
  const kind = chance();
  if (kind < 0.5) return repeat(FORWARD, 2 + pick(chance, 7));
  if (kind < 0.7) return repeat(side, 2 + pick(chance, 7));
  if (kind < 0.95) return lookAway(side, chance);
  return repeat(STAY, 2 + pick(chance, 3));
}

/** A turn, a moment there, and the turn back. */
function lookAway(side: number, chance: Chance): number[] {
  const turns = 2 + pick(chance, 11);
  const back = side === LEFT ? RIGHT : LEFT;
  return [...repeat(side, turns), ...repeat(STAY, pick(chance, 3)), ...repeat(back, turns)];
}

function repeat(action: number, times: number): number[] {
  return Array<number>(times).fill(action);
}

/** A walk without aim from anywhere in a maze. */
export function wander(maze: Maze, frames: number, chance: Chance): Walk {
  const actions = [STAY];
  const poses = [anyPose(maze, chance)];
  let plan: number[] = [];
  while (actions.length < frames) {
    const pose = poses.at(-1)!;
    const isStuck = plan[0] === FORWARD && isBlocked(maze, pose);
    if (plan.length === 0 || isStuck) plan = nextPlan(maze, pose, chance);
    const action = plan.shift()!;
    actions.push(action);
    poses.push(move(maze, pose, action));
  }
  return { views: poses.map((pose) => drawView(maze, pose)), actions };
}

/** Moves as `--actions` takes them: "forward*6,left*2". */
export function spelled(actions: readonly number[]): string {
  const runs: [number, number][] = [];
  for (const action of actions) {
    if (runs.at(-1)?.[0] === action) runs.at(-1)![1]++;
    else runs.push([action, 1]);
  }
  return runs.map(([action, times]) => `${ACTIONS[action]}*${times}`).join(",");
}
