import assert from "node:assert/strict";
import { gradientEnergy, longestStare, obedience } from "../../tools/demo/judge.ts";
import { ACTIONS, anyPose, CELLS, drawView, makeMaze, move } from "../../tools/demo/maze.ts";
import { wander } from "../../tools/demo/walks.ts";
import { randomOf } from "../../tools/random.ts";

interface NumpyView {
  readonly maze: string;
  readonly x: number;
  readonly y: number;
  readonly heading: number;
  readonly size: number;
  /** Base64 of [size, size, 3]. */
  readonly rgb: string;
}

Deno.test("a maze is drawn as the demo's training clips were, to the byte", async () => {
  const path = new URL("../fixtures/maze_views.json", import.meta.url);
  for (const view of JSON.parse(await Deno.readTextFile(path)) as NumpyView[]) {
    const drawn = drawView(Uint8Array.from(view.maze, Number), view, view.size);
    assert.equal(drawn.toBase64(), view.rgb);
  }
});

Deno.test("a maze is closed, and a walker never stands in a wall", () => {
  for (let seed = 1; seed <= 20; seed++) {
    const chance = randomOf(seed);
    const maze = makeMaze(chance);
    let pose = anyPose(maze, chance);
    for (let i = 0; i < 200; i++) {
      pose = move(maze, pose, Math.floor(chance() * ACTIONS.length));
      const cell = Math.floor(pose.y) * CELLS + Math.floor(pose.x);
      assert.equal(maze[cell], 0, `seed ${seed}: ${JSON.stringify(pose)}`);
    }
  }
});

Deno.test("true walks obey their actions, and others' do not", () => {
  const chance = randomOf(99);
  const walks = Array.from({ length: 3 }, () => wander(makeMaze(chance), 40, chance));
  const share = (action: number, told: (action: number) => number) => {
    const parts = walks.map(({ views, actions }) => obedience(views, actions.map(told), action));
    const sum = (key: "judged" | "obeyed") => parts.reduce((all, part) => all + part[key], 0);
    assert(sum("judged") > 0, `${ACTIONS[action]}: ${sum("judged")} steps can be judged`);
    return sum("obeyed") / sum("judged");
  };
  for (const action of ACTIONS.keys()) {
    assert(share(action, (real) => real) >= 0.99, ACTIONS[action]!);
    assert(share(action, (real) => (real + 2) % 4) <= 0.2, `not ${ACTIONS[action]}`);
  }
});

Deno.test("a stare is a run of views with nothing but a wall", () => {
  const wall = new Uint8Array(64 * 64 * 3).fill(170);
  const maze = Uint8Array.from({ length: 81 }, (_, cell) => {
    const [row, column] = [Math.floor(cell / 9), cell % 9];
    return row % 8 === 0 || column % 8 === 0 ? 1 : 0;
  });
  const hall = drawView(maze, { x: 1.5, y: 4.5, heading: 0 });
  const close = drawView(maze, { x: 7.5, y: 4.5, heading: 0 });
  assert.equal(longestStare([wall, hall, wall, close, hall]), 2);
  assert.equal(longestStare([hall, hall]), 0);
});

Deno.test("gradient energy is the mean squared difference of neighbours", () => {
  const view = Uint8Array.of(0, 0, 0, 3, 3, 3, 5, 5, 5, 3, 3, 3);
  assert.equal(gradientEnergy(view), (9 + 25) / 2);
});
