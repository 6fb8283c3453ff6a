import assert from "node:assert/strict";
import { Game } from "../../../player/game.ts";
import type { KeyEvent } from "../../../commands/play/keyboard.ts";
import type { Screen } from "../../../commands/play/screen.ts";
import { fitScreen, pictureCells, TerminalPlayer } from "../../../commands/play/terminal_player.ts";
import type { TerminalGraphics } from "../../../app.ts";
import { fakeGame } from "./fake_world.ts";

const ACTIONS = [
  { action: 0, name: "forward", keys: ["arrowup", "w"] },
  { action: 1, name: "left", keys: ["arrowleft"] },
];

/** A screen whose keys are typed by the test. */
class FakeScreen implements Screen {
  readonly sixel = false;
  readonly columns = 60;
  readonly rows = 10;
  written = "";
  #events: KeyEvent[] = [];
  #wake = () => {};
  #check = () => {};

  constructor(readonly reportsRelease: boolean) {}

  write(text: string): Promise<void> {
    this.written += text;
    this.#check();
    return Promise.resolve();
  }

  type(key: string, type: KeyEvent["type"] = "press"): void {
    this.#events.push({ key, type });
    this.#wake();
  }

  async *keys() {
    while (true) {
      const event = this.#events.shift();
      if (event) yield event;
      else await new Promise<void>((resolve) => this.#wake = resolve);
    }
  }

  /** Resolves when what was written since the last call holds the text. */
  until(text: string): Promise<void> {
    return new Promise((resolve) => {
      this.#check = () => {
        const at = this.written.indexOf(text);
        if (at < 0) return;
        this.written = this.written.slice(at + text.length);
        resolve();
      };
      this.#check();
    });
  }

  close(): void {}
}

async function playing(
  reportsRelease: boolean,
  script: (screen: FakeScreen, game: Game) => Promise<void>,
  graphics?: TerminalGraphics,
): Promise<ReturnType<typeof fakeGame>> {
  const made = fakeGame();
  const game = new Game(made.options);
  const screen = new FakeScreen(reportsRelease);
  const player = new TerminalPlayer(game, screen, {
    title: "maze",
    actions: ACTIONS,
    clips: made.options.clips,
    guided: true,
    record: "out.mp4",
    graphics: () => graphics,
  });
  game.watch(player);
  const quit = new AbortController();
  const played = game.play(quit.signal);
  const read = player.read();
  await script(screen, game);
  screen.type("q");
  await read;
  quit.abort();
  await played;
  return made;
}

Deno.test("TerminalPlayer draws the picture, what is going on, and the keys", async () => {
  await playing(false, async (screen) => {
    await screen.until("\x1b[38;2;200;200;200m\x1b[48;2;200;200;200m▀");
    await screen.until(
      "maze | one | frame 11 | 4 steps | guidance 1\x1b[K\r\nrecording out.mp4\x1b[K",
    );
    await screen.until("↑ w forward  ← left");
    await screen.until("r restart  n next clip  p run  [ ] steps  - + guidance\x1b[K\r\nq quit");
  });
});

Deno.test("TerminalPlayer makes one frame for each key of a plain terminal", async () => {
  const made = await playing(false, async (screen) => {
    await screen.until("frame 11");
    screen.type("w");
    await screen.until("frame 12 | forward");
    screen.type("arrowleft");
    await screen.until("frame 13 | left");
  });
  assert.deepEqual(made.worlds[0]!.actions, [0, 1]);
});

Deno.test("TerminalPlayer keeps walking while a key is down if the terminal reports it", async () => {
  const made = await playing(true, async (screen, game) => {
    await screen.until("frame 11");
    screen.type("w");
    await screen.until("frame 15 | forward");
    screen.type("w", "release");
    while (game.input.waiting) await new Promise((resolve) => setTimeout(resolve, 1));
  });
  assert.ok(made.worlds[0]!.actions.length >= 4);
});

Deno.test("TerminalPlayer obeys the other keys", async () => {
  const made = await playing(false, async (screen) => {
    await screen.until("one | frame 11");
    screen.type("n");
    await screen.until("two | frame 11");
    screen.type("r");
    await screen.until("two | frame 11");
    screen.type("]");
    await screen.until("5 steps");
    screen.type("=");
    await screen.until("guidance 1.5");
    screen.type("-");
    await screen.until("guidance 1\x1b[K");
    screen.type("p");
    await screen.until("running");
    screen.type("x");
    await screen.until("The key x does nothing here");
    screen.type("p");
  });
  assert.deepEqual(made.opened, ["one", "two", "two"]);
});

Deno.test("TerminalPlayer continues with the newest key while the world runs", async () => {
  const made = await playing(false, async (screen) => {
    await screen.until("frame 11");
    screen.type("p");
    await screen.until("frame 13");
    screen.type("w");
    await screen.until("frame 16");
    screen.type("arrowleft");
    await screen.until("frame 19");
    screen.type("p");
  });
  const runs = made.worlds[0]!.actions.filter((action, i, all) => action !== all[i - 1]);
  assert.deepEqual(runs, [3, 0, 1]); // nobody is there to say that a key went up
});

Deno.test("TerminalPlayer shows what was refused until the next frame", async () => {
  await playing(false, async (screen, game) => {
    await screen.until("frame 11");
    game.configure({ guidance: 6 });
    await screen.until("too much guidance");
    screen.type("w");
    await screen.until("frame 12");
    assert.doesNotMatch(screen.written, /too much guidance/);
  });
});

Deno.test("TerminalPlayer draws pixels where the terminal does, and writes below them", async () => {
  await playing(false, async (screen) => {
    await screen.until("\x1b[1;23H\x1b_Ga=T,f=24,s=4,v=2,"); // in the middle
    await screen.until("c=16,r=4,m=0;");
    await screen.until("\x1b\\\x1b[5;1Hmaze | one | frame 11");
  }, "kitty");
});

Deno.test("pictureCells() fills the screen, and keeps the picture's shape", () => {
  const picture = { width: 64, height: 64, data: new Uint8Array() };
  assert.deepEqual(pictureCells(picture, 100, 20), { columns: 40, rows: 20 });
  assert.deepEqual(pictureCells(picture, 20, 50), { columns: 20, rows: 10 });
  assert.deepEqual(pictureCells({ ...picture, width: 128 }, 80, 30), { columns: 80, rows: 20 });
  assert.equal(pictureCells(picture, 80, -1).rows, 1);
});

Deno.test("fitScreen() fits a picture to the characters there are, and keeps its shape", () => {
  const picture = { width: 64, height: 64, data: new Uint8Array(3 * 64 * 64) };
  assert.deepEqual(fitScreen(picture, 80, 32), picture);
  assert.equal(fitScreen(picture, 140, 70).width, 140); // as large as it fits
  assert.equal(fitScreen(picture, 200, 70).width, 140);
  const small = fitScreen(picture, 80, 10);
  assert.deepEqual([small.width, small.height], [20, 20]);
  const narrow = fitScreen(picture, 16, 100);
  assert.deepEqual([narrow.width, narrow.height], [16, 16]);
  assert.equal(fitScreen(picture, 80, -1).height, 1);
});
