import assert from "node:assert/strict";
import { recipeOf } from "../../player/recipe.ts";
import { Game, type GameWatcher, type Shown } from "../../player/game.ts";
import { fakeGame } from "../commands/play/fake_world.ts";

/** A watcher that records its messages, and can be awaited. */
class Audience implements GameWatcher {
  readonly shown: Shown[] = [];
  readonly refusals: string[] = [];
  changes = 0;
  #check: () => void = () => {};

  frame(shown: Shown): void {
    this.shown.push(shown);
    this.#check();
  }

  changed(): void {
    this.changes++;
    this.#check();
  }

  refused(message: string): void {
    this.refusals.push(message);
    this.#check();
  }

  /** Resolves when `condition` holds. */
  until(condition: () => boolean): Promise<void> {
    return new Promise((resolve) => {
      this.#check = () => condition() && resolve();
      this.#check();
    });
  }
}

/** Plays on a fake world while `script` does something. */
async function playing(
  made: ReturnType<typeof fakeGame>,
  script: (game: Game, audience: Audience) => Promise<void>,
): Promise<Audience> {
  const game = new Game(made.options);
  const audience = new Audience();
  game.watch(audience);
  const quit = new AbortController();
  const played = game.play(quit.signal);
  try {
    await script(game, audience);
  } finally {
    quit.abort();
    await played;
  }
  return audience;
}

Deno.test("Game shows the clip's last frame first, then a frame for each key", async () => {
  const made = fakeGame();
  const { shown } = await playing(made, async (game, audience) => {
    await audience.until(() => audience.shown.length === 1);
    for (const [i, action] of [0, 2].entries()) {
      game.input.tap(action);
      game.poke();
      await audience.until(() => audience.shown.length === 2 + i);
    }
    assert.equal(game.history.text(), "forward,right");
    assert.equal(game.untouched, true);
    assert.deepEqual([game.shown?.index, game.frames], [13, 3]);
  });
  assert.deepEqual(shown.map(({ index, action }) => [index, action]), [
    [11, undefined],
    [12, 0],
    [13, 2],
  ]);
  assert.equal(shown[2]!.picture.data[0], 100);
  assert.deepEqual(made.worlds[0]!.actions, [0, 2]);
  assert.equal(made.worlds[0]!.closed, true);
});

Deno.test("Game stands still while no key is down, and runs with the idle action if told", async () => {
  const made = fakeGame();
  await playing(made, async (game, audience) => {
    await audience.until(() => audience.shown.length === 1);
    await new Promise((resolve) => setTimeout(resolve, 20));
    assert.equal(audience.shown.length, 1);
    game.run(true);
    await audience.until(() => audience.shown.length === 4);
    game.run(false);
  });
  assert.deepEqual(made.worlds[0]!.actions.slice(0, 3), [3, 3, 3]);
});

Deno.test("Game samples the keys at each frame", async () => {
  const made = fakeGame();
  await playing(made, async (game, audience) => {
    await audience.until(() => audience.shown.length === 1);
    made.worlds[0]!.onStep = (step) => {
      if (step === 3) game.input.press(1);
      if (step === 5) game.input.release(1);
      if (step === 6) game.input.release(0);
    };
    game.input.press(0);
    game.poke();
    await audience.until(() => audience.shown.length === 7);
  });
  assert.deepEqual(made.worlds[0]!.actions, [0, 0, 0, 1, 1, 0]);
});

Deno.test("Game restarts with another clip, and refuses one that is not there", async () => {
  const made = fakeGame();
  const { refusals } = await playing(made, async (game, audience) => {
    await audience.until(() => audience.changes === 1);
    game.restart("nowhere");
    game.restart("two");
    await audience.until(() => audience.changes === 2);
    assert.equal(game.clip, "two");
    assert.equal(game.untouched, false);
    assert.equal(made.worlds[0]!.closed, true);
  });
  assert.deepEqual(made.opened, ["one", "two"]);
  assert.deepEqual(refusals, ['There is no clip "nowhere"']);
});

Deno.test("Game keeps the newest of many wishes, and ends between two", async () => {
  const made = fakeGame();
  await playing(made, async (game, audience) => {
    await audience.until(() => audience.changes === 1);
    for (let i = 0; i < 1000; i++) {
      game.restart(i % 2 === 0 ? "one" : "two");
      game.configure({ steps: 1 + i % 9 });
    }
    await audience.until(() => audience.changes === 3);
    assert.deepEqual([game.clip, game.settings.steps], ["two", 1]);
    game.watch({ frame() {}, changed: () => game.restart() }); // asked again at each opening, without an end
    game.restart();
    await audience.until(() => audience.changes === 6);
  });
  assert.deepEqual(made.opened.slice(0, 2), ["one", "two"]);
  assert.ok(made.opened.length < 8, `${made.opened.length} openings`);
});

Deno.test("Game changes settings between frames and continues if they do not fit", async () => {
  const made = fakeGame();
  const { refusals } = await playing(made, async (game, audience) => {
    await audience.until(() => audience.changes === 1);
    game.configure({ steps: 8 });
    await audience.until(() => audience.changes === 2);
    game.configure({ guidance: 6 });
    await audience.until(() => audience.refusals.length === 1);
    game.configure({ guidance: 9 });
    await audience.until(() => audience.refusals.length === 2);
    assert.deepEqual(game.settings, { steps: 8, guidance: 1 });
  });
  assert.deepEqual(made.worlds[0]!.settings, [{ steps: 8, guidance: 1 }]);
  assert.deepEqual(refusals, ["too much guidance", "too little memory"]);
});

Deno.test("Game runs by itself where a model takes no actions, and waits for an audience", async () => {
  const made = fakeGame({ actions: [], idle: undefined });
  await playing(made, async (game, audience) => {
    await audience.until(() => audience.shown.length === 3);
    game.attended = false;
    const { length } = audience.shown;
    await new Promise((resolve) => setTimeout(resolve, 20));
    assert.ok(audience.shown.length <= length + 1);
    game.attended = true;
    await audience.until(() => audience.shown.length > length + 2);
  });
  assert.equal(made.worlds[0]!.actions[0], undefined);
});

Deno.test("Game.play() ends with an error of the model, and closes the world", async () => {
  const made = fakeGame();
  const game = new Game(made.options);
  game.watch({
    frame() {
      made.worlds[0]!.onStep = () => {
        throw new Error("the GPU was lost");
      };
      game.input.tap(0);
    },
  });
  await assert.rejects(game.play(new AbortController().signal), /the GPU was lost/);
  assert.equal(made.worlds[0]!.closed, true);
});

Deno.test("Game returns to a frame and continues from there", async () => {
  const made = fakeGame();
  const { shown, refusals } = await playing(made, async (game, audience) => {
    await audience.until(() => audience.changes === 1);
    for (const [i, action] of [0, 0, 1].entries()) {
      game.input.tap(action);
      game.poke();
      await audience.until(() => audience.shown.length === 2 + i);
    }
    game.goTo(99);
    const changes = audience.changes;
    game.goTo(audience.shown[1]!.id);
    await audience.until(() => audience.changes > changes);
    assert.equal(game.history.text(), "forward");
    assert.deepEqual([game.untouched, game.shown?.index], [false, 12]);
    game.input.tap(2);
    game.poke();
    await audience.until(() => audience.shown.length === 5);
    assert.equal(game.history.text(), "forward,right");
    assert.deepEqual(game.timeline.path(4).map(({ shown }) => shown.id), [0, 1, 4]);
  });
  assert.deepEqual(shown.map(({ id, parent }) => [id, parent]), [
    [0, undefined],
    [1, 0],
    [2, 1],
    [3, 2],
    [4, 1],
  ]);
  assert.deepEqual(refusals, ["Frame 99 is no longer kept"]);
});

Deno.test("recipeOf() knows when no one command makes the frames of a branch", async () => {
  for (const exactReturn of [true, false]) {
    const made = fakeGame({ exactReturn });
    await playing(made, async (game, audience) => {
      await audience.until(() => audience.changes === 1);
      const step = async (action: number) => {
        const { length } = audience.shown;
        game.input.tap(action);
        game.poke();
        await audience.until(() => audience.shown.length === length + 1);
        return audience.shown.at(-1)!.id;
      };
      const back = async (frame: number) => {
        const { changes } = audience;
        game.goTo(frame);
        await audience.until(() => audience.changes > changes);
      };
      const actions = (frame: number) => recipeOf(game, frame, 128)?.actions.text();
      const [first, second] = [await step(0), await step(1)];
      assert.equal(actions(second), "forward,left");
      await back(first);
      assert.equal(actions(second), "forward,left"); // though another frame is shown
      assert.equal(actions(await step(2)), exactReturn ? "forward,right" : undefined);
      await back(0); // a beginning is encoded as it was
      assert.equal(actions(await step(2)), "right");
      assert.equal(recipeOf(game, second, 13), undefined); // it has forgotten some
    });
  }
});

Deno.test("Game begins from nothing with a frame of its own, standing still", async () => {
  for (const [idle, first] of [[3, [3]], [undefined, []]] as const) {
    const made = fakeGame({ idle });
    const { open } = made.options;
    Object.assign(made.options, {
      open: async (...args: Parameters<typeof open>) => ({
        ...await open(...args),
        picture: undefined,
      }),
    });
    await playing(made, async (game, audience) => {
      await audience.until(() => audience.changes === 1);
      if (idle !== undefined) await audience.until(() => audience.shown.length === 1);
      game.input.tap(0);
      game.poke();
      await audience.until(() => audience.shown.length === first.length + 1);
    });
    assert.deepEqual(made.worlds[0]!.actions, [...first, 0]);
  }
});

Deno.test("Game begins anew with another class, and refuses one that is not there", async () => {
  const labels: (number | undefined)[] = [];
  const made = fakeGame({ actions: [], label: 1, labels: 3 });
  const { open } = made.options;
  Object.assign(made.options, {
    open: (...args: Parameters<typeof open>) => (labels.push(args[2]), open(...args)),
  });
  const { refusals } = await playing(made, async (game, audience) => {
    await audience.until(() => audience.changes === 1);
    game.restart("one", 3);
    game.restart("one", 2);
    await audience.until(() => audience.changes === 2);
    game.restart("two"); // the class stays
    await audience.until(() => audience.changes === 3);
    assert.equal(game.label, 2);
  });
  assert.deepEqual(labels, [1, 2, 2]);
  assert.deepEqual(refusals, ["There is no class 3"]);
});
