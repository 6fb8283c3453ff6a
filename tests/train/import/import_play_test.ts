import assert from "node:assert/strict";
import { join } from "node:path";
import { type ImportOptions, importPlay } from "../../../train/import/import_play.ts";
import { openFrameWriter } from "../../../media/video_writer.ts";
import { NpzFile } from "../../../media/npz.ts";
import { inFolder } from "../../support/folder.ts";

/** A video of 8 frames per second whose frame i has the grey 8 i. */
async function writeVideo(path: string, frames: number, fps = 8, width = 4): Promise<void> {
  const height = 4;
  const writer = await openFrameWriter(path, { width, height, fps });
  for (let i = 0; i < frames; i++) {
    await writer.write({ width, height, data: new Uint8Array(3 * width * height).fill(8 * i) });
  }
  await writer.close();
}

async function withPlay(
  use: (options: ImportOptions, path: (name: string) => string) => Promise<void>,
) {
  await inFolder(async (folder) => {
    const path = (name: string) => join(folder, name);
    await writeVideo(path("play.y4m"), 20);
    await Deno.writeTextFile(path("play.csv"), "time,keys\n0,w\n1,a\n1.5,\n");
    await Deno.writeTextFile(path("keys.json"), '{"w": "forward", "a": "left"}');
    await use({ videos: [path("play.y4m")], output: path("clips"), map: path("keys.json") }, path);
  });
}

/** Greys and actions of a clip. */
async function read(path: string): Promise<{ greys: number[]; actions: number[] }> {
  using file = await NpzFile.open(path);
  const { data, shape } = await file.read("video");
  const size = shape[1]! * shape[2]! * 3;
  const greys = Array.from({ length: shape[0]! }, (_, i) => Math.round(Number(data[i * size]) / 8));
  return { greys, actions: Array.from((await file.read("actions")).data, Number) };
}

const range = (count: number, step = 1) => Array.from({ length: count }, (_, i) => i * step);

Deno.test("importPlay() writes clips with the actions that led to their frames", () =>
  withPlay(async (options, path) => {
    const made = await importPlay({ ...options, clipFrames: 12 });
    assert.deepEqual(made, {
      clips: 2,
      frames: 20,
      dropped: 0,
      actions: { forward: 9, left: 4, stay: 7 },
      unknownKeys: [],
      warnings: [],
    });
    const [one, two] = [
      await read(path("clips/play-0000.npz")),
      await read(path("clips/play-0001.npz")),
    ];
    assert.deepEqual([...one.greys, ...two.greys], range(20));
    // the key that goes down as frame 8 is shown leads to frame 9
    assert.deepEqual(one.actions, [0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1]);
    assert.deepEqual(two.actions, [1, 2, 2, 2, 2, 2, 2, 2]);
    assert.deepEqual(JSON.parse(await Deno.readTextFile(path("clips/far.json"))), {
      actions: ["forward", "left", "stay"],
      fps: 8,
    });
  }));

Deno.test("importPlay() takes fewer frames per second, drops frames, shifts the log", () =>
  withPlay(async (options, path) => {
    await importPlay({ ...options, fps: 4, idle: "drop", output: path("slow") });
    assert.deepEqual((await read(path("slow/play-0000.npz"))).greys, range(7, 2));
    await importPlay({ ...options, fps: 3, output: path("odd") });
    assert.deepEqual((await read(path("odd/play-0000.npz"))).greys, [0, 3, 5, 8, 11, 13, 16, 19]);
    await importPlay({ ...options, offset: 1, output: path("late") });
    const { actions } = await read(path("late/play-0000.npz"));
    assert.deepEqual(actions.slice(0, 7), [1, 1, 1, 1, 1, 2, 2]);
    await importPlay({ ...options, size: { width: 2, height: 2 }, output: path("small") });
    using file = await NpzFile.open(path("small/play-0000.npz"));
    assert.deepEqual((await file.header("video")).shape, [20, 2, 2, 3]);
  }));

Deno.test("importPlay() adds to a data set of the same actions, and replaces nothing", () =>
  withPlay(async (options, path) => {
    await importPlay(options);
    await assert.rejects(importPlay(options), /play-0000\.npz": it exists/);
    await importPlay({ ...options, overwrite: true });
    await Deno.rename(path("play.y4m"), path("more.y4m"));
    await Deno.rename(path("play.csv"), path("more.csv"));
    await importPlay({ ...options, videos: [path("more.y4m")] });
    await Deno.writeTextFile(path("keys.json"), '{"a": "left", "w": "forward"}');
    const again = { ...options, videos: [path("more.y4m")], overwrite: true };
    await assert.rejects(importPlay(again), /Cannot add to ".*clips": its actions are \["forwa/);
  }));

Deno.test("importPlay() refuses before it writes", () =>
  withPlay(async (options, path) => {
    const maps = {
      cut: '{"w": "forward",\n "a": left}\n',
      twice: '{"w": "forward",\n"w": "left"}',
      open: '{"w":\n "forward"\n',
    };
    for (const [name, text] of Object.entries(maps)) {
      await Deno.writeTextFile(path(`${name}.json`), text);
    }
    await Deno.copyFile(path("play.y4m"), path("mute.y4m"));
    const cases: [Partial<ImportOptions>, RegExp][] = [
      [{ videos: [path("none.y4m")] }, /^Cannot read ".*none\.y4m": there is no such file$/],
      [
        { videos: [path("mute.y4m")] },
        /there is no log of keys beside it, "mute\.csv" or \.jsonl$/,
      ],
      [{ log: path("none.csv") }, /Cannot read key log ".*none\.csv": there is no such file or f/],
      [{ log: path("keys.json") }, /keys\.json:1: /],
      [{ videos: [path("play.y4m"), path("b.y4m")], log: path("play.csv") }, /one `log` for/],
      [
        { offset: 60 },
        /it lasts from 60 s of the log's clock, the log ".*play\.csv" from 0 to 1\.5/,
      ],
      [{ fps: 30 }, /at 30 frames per second: it has 8$/],
      [{ map: path("none.json") }, /Cannot use key map ".*": there is no such file or folder$/],
      [{ map: path("cut.json") }, /cut\.json:2: expected a value at byte 23$/],
      [{ map: path("twice.json") }, /twice\.json:2: key "w" occurs twice at byte \d+$/],
      [{ map: path("open.json") }, /open\.json:3: /],
    ];
    for (const [more, message] of cases) {
      await assert.rejects(importPlay({ ...options, ...more }), { message });
    }
    await assert.rejects(Deno.stat(path("clips")));
  }));

Deno.test("importPlay() refuses videos that are not of one size and rate", () =>
  withPlay(async (options, path) => {
    const others: [name: string, fps: number, width: number, message: RegExp][] = [
      [
        "fast",
        16,
        4,
        /fast\.y4m": it has 16 frames per second, ".*play\.y4m" has 8; give one `fps`/,
      ],
      ["wide", 8, 6, /wide\.y4m": it is 6x4, ".*play\.y4m" 4x4; give one `size`/],
    ];
    for (const [name, fps, width, message] of others) {
      await writeVideo(path(`${name}.y4m`), 20, fps, width);
      await Deno.copyFile(path("play.csv"), path(`${name}.csv`));
      const both = { ...options, videos: [...options.videos, path(`${name}.y4m`)] };
      await assert.rejects(importPlay(both), { name: "MediaError", message });
      await importPlay({ ...both, fps: 8, size: { width: 4, height: 4 }, output: path(name) });
    }
    await importPlay(options);
    const slower = { ...options, fps: 4, overwrite: true };
    await assert.rejects(importPlay(slower), /its clips have 8 frames per second, these 4/);
  }));

Deno.test("importPlay() reports keys without an action, and refuses a log with no other keys", () =>
  withPlay(async (options, path) => {
    await Deno.writeTextFile(path("play.csv"), "time,keys\n0,w\n1,Shift w\n1.5,\n");
    assert.deepEqual((await importPlay(options)).unknownKeys, ["shift"]);
    await Deno.writeTextFile(path("play.csv"), "time,keys\n0,ArrowUp\n1,ArrowLeft\n1.5,\n");
    const message = /none of its keys \(up, left\) is in ".*keys\.json"$/;
    await assert.rejects(importPlay({ ...options, overwrite: true }), { message });
  }));

Deno.test("importPlay() keeps nothing of a video that cannot be read to its end", () =>
  withPlay(async (options, path) => {
    const whole = await Deno.readFile(path("play.y4m"));
    const broken = whole.slice();
    broken.set(
      new TextEncoder().encode("WRONG"),
      new TextDecoder("latin1").decode(whole)
        .lastIndexOf("FRAME"),
    );
    await Deno.writeFile(path("play.y4m"), broken);
    const signalled: string[] = [];
    const onClip = (clip: string) => signalled.push(clip);
    await assert.rejects(importPlay({ ...options, clipFrames: 4, onClip }), { name: "MediaError" });
    assert.equal(signalled.length, 4); // frames pass one by one
    const left = await Array.fromAsync(Deno.readDir(path("clips")), ({ name }) => name);
    assert.deepEqual(left, ["far.json"]);
    // a log that begins after the end of a video whose length is unknown
    await Deno.writeFile(path("play.y4m"), whole);
    await assert.rejects(
      importPlay({ ...options, offset: -9 }),
      /from -9 to -6\.625 s of the log's/,
    );
    await assert.rejects(Deno.stat(path("clips/play-0000.npz")));
  }));
