import assert from "node:assert/strict";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { StartClips } from "../../../commands/play/clips.ts";
import { Game } from "../../../player/game.ts";
import { type PlayedSetup, sessionSettings } from "../../../commands/play/session_settings.ts";
import type { LiveSettings } from "../../../run/live.ts";
import { fakeGame } from "./fake_world.ts";

const DEMO = fileURLToPath(new URL("../../../weights/demo", import.meta.url));
const SIZE = { width: 64, height: 64 };

async function setup(options: PlayedSetup["options"]): Promise<PlayedSetup> {
  const clips = await StartClips.find(options, DEMO, { ...SIZE, multiple: 32 });
  return {
    options,
    clips,
    size: SIZE,
    fps: 8,
    pipeline: { dtype: "f32", info: { windowCache: "encode" } },
  };
}

/** A game after two steps forward. */
async function played(
  { clips: { names: clips } }: PlayedSetup,
  changed: LiveSettings = {},
): Promise<Game> {
  const game = new Game(fakeGame({ clips }).options);
  if (changed.steps) game.configure(changed);
  const quit = new AbortController();
  game.watch({ frame: ({ index }) => index < 13 ? game.input.tap(0) : quit.abort() });
  await game.play(quit.signal);
  return game;
}

Deno.test("sessionSettings() has all that decides the frames", async () => {
  const context = join(DEMO, "clips/2.npz");
  const options = { context, contextStart: 3, contextStride: 2, flexrope: 0.06, seed: 9n };
  const made = await setup(options);
  const { command, options: found } = sessionSettings(await played(made), made)!;
  assert.equal(command, "generate");
  assert.deepEqual(found, {
    model: "demo",
    context,
    "context-frames": 12,
    "context-start": 3,
    "context-stride": 2,
    frames: 2,
    actions: "forward*2",
    steps: 4,
    guidance: 1,
    seed: "9",
    flexrope: 0.06,
    dtype: "f32",
    fps: 8,
  });
});

Deno.test("sessionSettings() begins from noise as the game did", async () => {
  const made = await setup({ size: SIZE });
  const { options } = sessionSettings(await played(made), made)!;
  assert.deepEqual([options.context, options.size], [undefined, "64x64"]);
});

Deno.test("sessionSettings() promises nothing of a world that was changed or forgets", async () => {
  const made = await setup({});
  assert.equal(sessionSettings(await played(made, { steps: 2 }), made), undefined);
  const game = await played(made);
  assert.ok(sessionSettings(game, { ...made, options: { memoryFrames: 14 } }));
  assert.equal(sessionSettings(game, { ...made, options: { memoryFrames: 13 } }), undefined);
});
