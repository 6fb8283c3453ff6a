import assert from "node:assert/strict";
import { request } from "node:http";
import { actionKeys } from "../../../player/action_keys.ts";
import { Game } from "../../../player/game.ts";
import { type FrameMessage, LIMITS, type ServerMessage } from "../../../player/protocol.ts";
import { PlayServer } from "../../../commands/play/server.ts";
import type { ModelInfo } from "../../../mod.ts";
import { fakeGame, SIZE } from "./fake_world.ts";
import { parseFrame } from "./frame_message.ts";

const ACTIONS = actionKeys(
  {
    actions: ["forward", "left", "right", "stay"],
    condition: { kind: "action", count: 4 },
  } as unknown as ModelInfo,
);

const VIDEO = new Uint8Array([0, 0, 0, 8, 102, 116, 121, 112]);

/** Serves a game on fake worlds at any free port while `script` uses it. */
async function serving(
  script: (server: PlayServer, made: ReturnType<typeof fakeGame>, game: Game) => Promise<void>,
): Promise<void> {
  const made = fakeGame();
  const game = new Game(made.options);
  const server = new PlayServer(game, {
    hostname: "127.0.0.1",
    port: 0,
    welcome: {
      type: "welcome",
      model: "maze",
      description: "a maze",
      ...SIZE,
      fps: 8,
      guided: true,
      actions: ACTIONS,
      clips: made.options.clips.map((name) => ({ name })),
      limits: LIMITS,
      memoryFrames: 128,
    },
    save: () => Promise.resolve(VIDEO),
    saveBranch: (kind, frame) => Promise.resolve(Uint8Array.of(kind === "gif" ? 1 : 2, frame)),
    command: (frame) => `far generate ${frame}`,
  });
  const quit = new AbortController();
  const played = game.play(quit.signal);
  try {
    await script(server, made, game);
  } finally {
    quit.abort();
    await played;
    await server.close();
  }
}

/** A page: its messages in the order they come. */
class Page {
  readonly messages: ServerMessage[] = [];
  readonly frames: FrameMessage[] = [];
  readonly #socket: WebSocket;
  readonly #closed: Promise<void>;
  #check: () => void = () => {};

  constructor(url: string) {
    this.#socket = new WebSocket(new URL("live", url), { headers: { origin: url.slice(0, -1) } });
    this.#socket.binaryType = "arraybuffer";
    this.#closed = new Promise((resolve) => this.#socket.onclose = () => resolve());
    this.#socket.onmessage = ({ data }) => {
      if (typeof data === "string") this.messages.push(JSON.parse(data));
      else this.frames.push(parseFrame(new Uint8Array(data)));
      this.#check();
    };
  }

  until(condition: () => boolean): Promise<void> {
    return new Promise((resolve) => {
      this.#check = () => condition() && resolve();
      this.#check();
    });
  }

  untilState(count: number): Promise<void> {
    return this.until(() => this.messages.filter(({ type }) => type === "state").length >= count);
  }

  /** Resolves when the server has hung up. */
  get closed(): Promise<void> {
    return this.#closed;
  }

  tell(message: unknown): void {
    this.#socket.send(typeof message === "string" ? message : JSON.stringify(message));
  }

  close(): Promise<void> {
    this.#socket.close();
    return this.#closed;
  }
}

/** Sends a request with any headers, even Host. */
function ask(
  url: string,
  headers: Record<string, string>,
  method = "GET",
): Promise<{ status: number; text: string; headers: Record<string, unknown> }> {
  return new Promise((resolve, reject) => {
    const asked = request(url, { headers, method }, (response) => {
      let text = "";
      response.setEncoding("utf8");
      response.on("data", (piece) => text += piece);
      response.on("end", () => {
        resolve({ status: response.statusCode!, text, headers: response.headers });
      });
    });
    asked.on("error", reject);
    asked.end();
  });
}

Deno.test("PlayServer serves a page that needs nothing from elsewhere", () =>
  serving(async ({ url }) => {
    const page = await ask(url, {});
    assert.equal(page.status, 200);
    assert.match(page.text, /<canvas/);
    assert.doesNotMatch(page.text, /https?:|\/\//);
    assert.match(String(page.headers["content-security-policy"]), /default-src 'none'/);
    for (
      const [name, type] of [
        ...["player", "page", "film", "steering", "saving", "link", "saved_gif", "saved_mp4"]
          .map((name) => [`${name}.js`, "text/javascript"]),
        ["media/gif_frame.js", "text/javascript"],
        ["page.css", "text/css"],
      ]
    ) {
      const file = await ask(url + name, {});
      assert.equal(file.headers["content-type"], `${type}; charset=utf-8`);
      assert.doesNotMatch(file.text, /https?:/);
    }
    for (const name of ["gifenc.js", "gifenc.esm.js", "mediabunny.js"]) {
      assert.equal((await ask(`${url}packages/${name}`, {})).status, 200, name);
    }
    assert.match((await ask(`${url}saved_mp4.js`, {})).text, /from "\/packages\/mediabunny\.js"/);
    assert.equal((await ask(`${url}etc/passwd`, {})).status, 404);
    assert.equal((await ask(url, {}, "POST")).status, 405);
  }));

Deno.test("PlayServer answers only to its own name, and only to its own page", () =>
  serving(async ({ url }) => {
    const own = new URL(url).host;
    assert.equal((await ask(url, { host: "evil.example" })).status, 403);
    assert.equal((await ask(url, { host: "evil.example:80" })).status, 403);
    const upgrade = { connection: "Upgrade", upgrade: "websocket", "sec-websocket-version": "13" };
    const key = { "sec-websocket-key": "AAAAAAAAAAAAAAAAAAAAAA==" };
    for (const origin of ["http://evil.example", `https://${own}`, "null"]) {
      const answer = await ask(`${url}live`, { host: own, origin, ...upgrade, ...key });
      assert.equal(answer.status, 403, origin);
    }
    assert.equal((await ask(`${url}live`, { host: own, ...upgrade, ...key })).status, 403);
    const plain = await ask(`${url}live`, { host: own, origin: `http://${own}` });
    assert.equal(plain.status, 426);
    const stolen = await ask(`${url}session.mp4`, { "sec-fetch-site": "cross-site" });
    assert.equal(stolen.status, 403);
    const linked = await ask(`${url}session.mp4`, { origin: "http://evil.example" });
    assert.equal(linked.status, 403);
  }));

Deno.test("PlayServer goes back, gives the command, and saves a branch", () =>
  serving(async ({ url }) => {
    const page = new Page(url);
    await page.untilState(1);
    page.tell({ type: "press", action: 1 });
    await page.until(() => page.frames.length >= 3);
    page.tell({ type: "release", action: 1 });
    page.tell({ type: "back", frame: 1 });
    const isBack = (message: ServerMessage) => message.type === "state" && message.at === 1;
    await page.until(() => page.messages.some(isBack));
    page.tell({ type: "command", frame: 1 });
    const answered = { type: "command", command: "far generate 1" };
    await page.until(() => page.messages.some(({ type }) => type === "command"));
    assert.deepEqual(page.messages.find(({ type }) => type === "command"), answered);
    const again = new Page(url); // a page that opens later is shown all branches, and where the game is
    await again.untilState(1);
    assert.deepEqual(again.frames, page.frames.map((frame) => ({ ...frame, rate: 0 })));
    assert.ok(again.messages.some(isBack));
    await again.close();
    await page.close();
    for (const [kind, type] of [["gif", "image/gif"], ["mp4", "video/mp4"]]) {
      const { status, headers } = await ask(`${url}walk.${kind}?frame=1`, {});
      assert.deepEqual([status, headers["content-type"]], [200, type]);
    }
    const stolen = await ask(`${url}walk.gif?frame=1`, { "sec-fetch-site": "cross-site" });
    assert.equal(stolen.status, 403);
  }));

Deno.test("PlayServer serves its page though connections are held open", () =>
  serving(async ({ url }) => {
    const page = new Page(url);
    await page.untilState(1);
    const port = Number(new URL(url).port);
    const idle: Deno.TcpConn[] = [];
    for (let i = 0; i < 100; i++) {
      idle.push(await Deno.connect({ hostname: "127.0.0.1", port }));
    }
    assert.equal((await ask(url, {})).status, 200);
    page.tell({ type: "press", action: 1 }); // a page that is played on is not dropped for them
    await page.until(() => page.frames.some(({ action }) => action === 1));
    for (const connection of idle) connection.close();
    await page.close();
  }));

Deno.test("PlayServer limits the number of pages", () =>
  serving(async ({ url }) => {
    const pages = Array.from({ length: 16 }, () => new Page(url));
    await Promise.all(pages.map((page) => page.untilState(1)));
    const late = new Page(url);
    await late.closed;
    assert.equal(late.messages.length, 0);
    await pages.pop()!.close();
    await Promise.all(pages.map((page) => page.close()));
  }));

Deno.test("PlayServer hangs up on a message without an end", () =>
  serving(async ({ url }) => {
    const page = new Page(url);
    await page.untilState(1);
    page.tell("x".repeat(5000));
    await page.closed;

    const { host, port } = new URL(url);
    const connection = await Deno.connect({ hostname: "127.0.0.1", port: Number(port) });
    const lines = [
      "GET /live HTTP/1.1",
      `Host: ${host}`,
      `Origin: http://${host}`,
      "Connection: Upgrade",
      "Upgrade: websocket",
      "Sec-WebSocket-Version: 13",
      "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
    ];
    await connection.write(new TextEncoder().encode(`${lines.join("\r\n")}\r\n\r\n`));
    const reading = new Response(connection.readable).arrayBuffer(); // ends when it hangs up
    const fragment = (opcode: number) => Uint8Array.of(opcode, 0x80 | 100, ...Array(104).fill(0));
    const writer = connection.writable.getWriter();
    await (async () => {
      for (let i = 0; i < 1000; i++) await writer.write(fragment(i === 0 ? 1 : 0));
    })().catch(() => {}); // the other end is closed by then
    await reading.catch(() => {});
  }));

Deno.test("PlayServer gives the session as a video to save", () =>
  serving(async ({ url }) => {
    const { status, headers, text } = await ask(`${url}session.mp4`, {
      "sec-fetch-site": "same-origin",
    });
    assert.equal(status, 200);
    assert.equal(headers["content-type"], "video/mp4");
    assert.match(String(headers["content-disposition"]), /attachment.*session\.mp4/);
    assert.match(text, /ftyp/);
  }));

Deno.test("PlayServer welcomes a page, streams frames as keys are held, and takes orders", () =>
  serving(async ({ url }, made) => {
    const page = new Page(url);
    await page.untilState(1);
    assert.deepEqual([page.messages[0]!.type, page.messages.at(-1)!.type], ["welcome", "state"]);
    page.tell({ type: "press", action: 1 });
    await page.until(() => page.frames.length >= 4);
    page.tell({ type: "release", action: 1 });
    const made4 = page.frames.filter(({ action }) => action === 1).slice(0, 3);
    assert.deepEqual(made4.map(({ index }) => index), [12, 13, 14]);
    assert.deepEqual([made4[0]!.width, made4[0]!.height], [SIZE.width, SIZE.height]);
    assert.ok(made4[0]!.pixels.every((level) => level === 50));
    const states = () => page.messages.filter(({ type }) => type === "state");
    const before = states().length;
    page.tell({ type: "settings", steps: 9 });
    await page.untilState(before + 1);
    page.tell({ type: "restart", clip: "two" });
    await page.untilState(before + 2);
    const state = states().at(-1) as Extract<ServerMessage, { type: "state" }>;
    assert.deepEqual([state.clip, state.settings.steps, state.history], ["two", 9, ""]);
    assert.deepEqual(made.opened, ["one", "two"]);
    await page.close();
  }));

Deno.test("PlayServer tells a page what it cannot do, and continues", () =>
  serving(async ({ url }) => {
    const page = new Page(url);
    await page.untilState(1);
    const errors = () => page.messages.filter(({ type }) => type === "error").length;
    const wrong = ["{", { type: "press", action: 99 }, { type: "restart", clip: "x" }];
    for (const [i, message] of wrong.entries()) {
      page.tell(message);
      await page.until(() => errors() === i + 1);
    }
    page.tell({ type: "press", action: 0 });
    await page.until(() => page.frames.some(({ action }) => action === 0));
    await page.close();
  }));

Deno.test("PlayServer pauses the world when the last page is closed", () =>
  serving(async ({ url }, made, game) => {
    const page = new Page(url);
    await page.untilState(1);
    page.tell({ type: "press", action: 0 });
    await page.until(() => page.frames.length >= 2);
    await page.close();
    while (game.input.waiting) await new Promise((resolve) => setTimeout(resolve, 5));
    const { length } = made.worlds[0]!.actions;
    await new Promise((resolve) => setTimeout(resolve, 30));
    assert.ok(made.worlds[0]!.actions.length <= length + 1);
    const again = new Page(url);
    await again.untilState(1);
    assert.equal(again.frames.at(-1)!.id, game.shown!.id); // what was on the screen
    await again.close();
  }));

Deno.test("PlayServer says so when its port is taken", () =>
  serving((server) => {
    const { port } = new URL(server.url);
    const game = new Game(fakeGame().options);
    const options = { hostname: "127.0.0.1", port: Number(port) };
    assert.throws(
      () => new PlayServer(game, options as never),
      { name: "UsageError", message: /the port is in use; give another with --port/ },
    );
    return Promise.resolve();
  }));
