import assert from "node:assert/strict";
import { join } from "node:path";
import { openFrameWriter } from "../../mod.ts";
import { encodeNpz } from "../../media/npz.ts";
import type { NpyArray } from "../../media/npy.ts";
import { readNoise, readSource } from "../../request/sources.ts";
import { encodeNpyHeader } from "../../media/npy.ts";
import { createOutput } from "../../media/output_file.ts";
import { writeSafetensors } from "../../weights/safetensors.ts";
import { H, T } from "../weights/safetensors_bytes.ts";
import { inFolder } from "../support/folder.ts";

const DMLAB = "tests/fixtures/clips/dmlab-5.npz"; // 64x64, with actions
const UCF = "tests/fixtures/clips/v_CliffDiving_g08_c03.mp4"; // 320x240
const CLASSES = { kind: "action", count: 13, names: ["forward", "left"] } as const;
const FIT = { width: 32, height: 32, multiple: 32 };
const LARGE = { width: 64, height: 64, multiple: 64 };

/** Two videos of three frames of 2x2; each value tells video, frame and channel. */
async function writeTensors(path: string, at35?: number): Promise<void> {
  const values = Float32Array.from({ length: 2 * 3 * 12 }, (_, i) => Math.floor(i / 4) / 100);
  if (at35 !== undefined) values[35] = at35; // in frame 2 of the first video
  const actions = BigInt64Array.of(7n, 8n, 9n, 10n, 11n, 12n);
  const file = await createOutput(path);
  await writeSafetensors(file, [
    {
      name: "frames",
      dtype: "F32",
      shape: [2, 3, 3, 2, 2],
      data: new Uint8Array(values.buffer),
    },
    { name: "actions", dtype: "I64", shape: [2, 3], data: new Uint8Array(actions.buffer) },
  ]);
  await file.commit();
}

Deno.test("readSource() keeps the size of arrays if the model can take it", async () => {
  const { videos, frames, width, height, data, lossy } = await readSource(DMLAB, {
    count: 2,
    fit: FIT,
  });
  assert.deepEqual([videos, frames, width, height, lossy], [1, 2, 64, 64, false]);
  assert.equal(data.length, 2 * 3 * 64 * 64);
  const always = await readSource(DMLAB, { count: 1, fit: { ...FIT, always: true } });
  assert.deepEqual([always.width, always.height], [32, 32]);
  const unfit = await readSource(DMLAB, { count: 1, fit: { ...FIT, multiple: 48 } });
  assert.deepEqual([unfit.width, unfit.height], [32, 32]);
});

Deno.test("readSource() brings videos to the model's size, even if theirs would do", async () => {
  const fit = { width: 64, height: 64, multiple: 16 };
  const { width, height, lossy } = await readSource(UCF, { count: 1, fit });
  assert.deepEqual([width, height, lossy], [64, 64, true]);
});

Deno.test("readSource() gives a clip's actions from the first picked frame to its end", async () => {
  const all = await (await readSource(DMLAB)).actions!(CLASSES);
  const { actions, frames } = await readSource(DMLAB, { start: 3, stride: 2, count: 4 });
  assert.equal(frames, 4);
  assert.deepEqual(await actions!(CLASSES), [
    all![0]!.filter((_, i) => i >= 3 && (i - 3) % 2 === 0),
  ]);
});

Deno.test("readSource() picks the frames of every video of tensors", () =>
  inFolder(async (folder) => {
    const path = join(folder, "t.safetensors");
    await writeTensors(path);
    const source = await readSource(path, { start: 1, count: 2 });
    assert.deepEqual([source.videos, source.frames, source.width], [2, 2, 2]);
    const firsts = Array.from(source.data).filter((_, i) => i % 12 === 0);
    assert.deepEqual(firsts.map((value) => Math.round(value * 100)), [3, 6, 12, 15]);
    assert.deepEqual(await source.actions!(CLASSES), [[8, 9], [11, 12]]);
    await assert.rejects(readSource(path, { start: 2, count: 2 }), {
      name: "UsageError",
      message: /^Cannot take 2 frames from ".*": it has 3, but frame 3 is needed$/,
    });
    await assert.rejects(readSource(path, { start: 3 }), { message: /frame 3 is needed$/ });
  }));

Deno.test("readSource() reads pictures of tensors, U8 [t, H, W, 3], as it does those of an .npz", () =>
  inFolder(async (folder) => {
    const path = join(folder, "clip-0.safetensors");
    const data = Uint8Array.from({ length: 3 * 2 * 4 * 3 }, (_, i) => 3 * i);
    const frames = { name: "frames", dtype: "U8", shape: [3, 2, 4, 3], data } as const;
    const actions = new Uint8Array(Int32Array.of(2, 0, 1).buffer);
    const file = await createOutput(path);
    await writeSafetensors(file, [
      frames,
      { name: "actions", dtype: "I32", shape: [3], data: actions },
    ]);
    await file.commit();
    const source = await readSource(path, { start: 1, count: 2 });
    const { videos, width, height } = source;
    assert.deepEqual([videos, source.frames, width, height], [1, 2, 4, 2]);
    const planar = Array.from({ length: 2 * 3 * 8 }, (_, i) => {
      const [frame, channel, pixel] = [1 + Math.floor(i / 24), Math.floor(i / 8) % 3, i % 8];
      return Math.fround(data[frame * 24 + pixel * 3 + channel]! / 255);
    });
    assert.deepEqual(Array.from(source.data), planar);
    assert.deepEqual(await source.actions!(CLASSES), [[0, 1]]);
  }));

Deno.test("readSource() refuses tensors outside [0, 1] in the frames it reads", () =>
  inFolder(async (folder) => {
    const path = join(folder, "t.safetensors");
    for (const value of [NaN, 1.5, -0.2]) {
      await writeTensors(path, value);
      await readSource(path, { count: 2 });
      await assert.rejects(readSource(path), {
        name: "MediaError",
        message: /t\.safetensors": frame 2 holds (NaN|1\.5|-0\.2\d*); frames must be in \[0, 1\]$/,
      });
    }
  }));

Deno.test("readSource() says what tensors must be", async () => {
  const path = "tests/fixtures/goldens/embeddings.safetensors";
  await assert.rejects(readSource(path), {
    name: "CheckpointError",
    message: /"frames" must be \[videos, t, 3, H, W\], but it is missing$/,
  });
});

Deno.test("readNoise() reads the noise, or says that there is none", async () => {
  const golden = "tests/fixtures/goldens/far-action/predict.safetensors";
  const noise = await readNoise(golden, [1, 3, 32, 4, 4]);
  assert.equal(noise.length, 3 * 32 * 4 * 4);
  // each axis counts, the channels too, and numbers in one row don't pass for all five
  for (const needed of [[2, 1, 32, 4, 4], [1, 3, 16, 4, 4], [1, 3, 32, 2, 8], [3 * 32 * 4 * 4]]) {
    await assert.rejects(readNoise(golden, needed), {
      name: "UsageError",
      message: `Cannot use the noise of "${golden}": it is [1, 3, 32, 4, 4], ` +
        `but this run needs [${needed.join(", ")}], which is [count, frames, c, h, w]`,
    });
  }
  const other = "tests/fixtures/goldens/embeddings.safetensors";
  await assert.rejects(readNoise(other, [1, 3, 32, 4, 4]), {
    name: "CheckpointError",
    message: /"noise"/,
  });
});

const FRAMES = { type: "|u1", shape: [2, 4, 4, 3], data: new Uint8Array(96) } as const;
const floats = (length: number) => new Float32Array(length);
const UNUSABLE: Readonly<Record<string, NpyArray>> = {
  "floats": { type: "<f4", shape: [2], data: floats(2) },
  "a row of floats per frame": { type: "<f4", shape: [2, 4], data: floats(8) },
  "a row of whole numbers per frame": { type: "<i4", shape: [2, 1], data: new Int32Array(2) },
  "one number": { type: "<i4", shape: [], data: new Int32Array(1) },
  "fewer than frames": { type: "|u1", shape: [1], data: new Uint8Array(1) },
  "more than frames": { type: "|u1", shape: [5], data: new Uint8Array(5) },
};

for (const [what, actions] of Object.entries(UNUSABLE)) {
  Deno.test(`readSource() refuses unusable actions only when they are needed: ${what}`, () =>
    inFolder(async (folder) => {
      const path = join(folder, "bair.npz");
      await Deno.writeFile(path, encodeNpz({ video: FRAMES, actions }));
      const source = await readSource(path);
      assert.equal(source.frames, 2);
      await assert.rejects(source.actions!(CLASSES), {
        name: "MediaError",
        message: /^Cannot use the actions of ".*bair\.npz": /,
      });
    }));
}

for (const kind of [".mp4", ".mov", ".webm", ".mkv", ".gif", "-%d.png"]) {
  Deno.test(`readSource() takes the actions that a ${kind} of the tool's own names`, () =>
    inFolder(async (folder) => {
      const path = join(folder, `walk${kind}`);
      const read = async (metadata: Record<string, string>, start = 0) => {
        const writer = await openFrameWriter(path, { width: 16, height: 16, fps: 8, metadata });
        const data = new Uint8Array(3 * 16 * 16);
        for (let i = 0; i < 4; i++) await writer.write({ width: 16, height: 16, data });
        await writer.close();
        return await (await readSource(path, { start })).actions!(CLASSES);
      };
      const list = { "far.actions": "13,forward*2,left" };
      assert.deepEqual(await read(list), [[13, 0, 0, 1]]); // 13 is none
      assert.deepEqual(await read(list, 2), [[0, 1]]);
      assert.deepEqual(await read({ "far.actions": "[2,0,0,1]" }), [[2, 0, 0, 1]]);
      assert.equal(await read({ comment: "another program's" }), undefined);
      assert.equal(await read({ "far.settings": '{"options":{"actions":"w.json"}}' }), undefined);
      await assert.rejects(read({ "far.actions": "forward,fly" }), {
        name: "UsageError",
        message: /^Cannot use action "fly".* \(in ".*walk.*"\)$/,
      });
    }));
}

Deno.test("readSource() takes the actions in a video's command if they cover all frames", () =>
  inFolder(async (folder) => {
    const path = join(folder, "walk.mp4");
    for (const [actions, expected] of [["left*4", [[1, 1, 1, 1]]], ["left*3", undefined]]) {
      const metadata = { "far.settings": JSON.stringify({ options: { actions } }) };
      const writer = await openFrameWriter(path, { width: 16, height: 16, fps: 8, metadata });
      const data = new Uint8Array(3 * 16 * 16);
      for (let i = 0; i < 4; i++) await writer.write({ width: 16, height: 16, data });
      await writer.close();
      assert.deepEqual(await (await readSource(path)).actions!(CLASSES), expected);
    }
  }));

Deno.test("readSource() refuses frames that would be too many as floats, or once enlarged", () =>
  inFolder(async (folder) => {
    const path = join(folder, "a.npy");
    const header = encodeNpyHeader("|u1", [6000, 1, 1, 3]);
    await Deno.writeFile(path, header);
    await Deno.truncate(path, header.length + 18_000);
    await assert.rejects(
      readSource(path, { fit: { ...LARGE, width: 256, height: 256 } }),
      /more than 4 GiB of memory: take fewer of them/,
    );
    const tensors = join(folder, "a.safetensors");
    const bytes = 100_000 * 3 * 64 * 64 * 4;
    const json = H(`{"frames":${T("F32", [100_000, 3, 64, 64], 0, bytes)}}`);
    await Deno.writeFile(tensors, json);
    await Deno.truncate(tensors, json.length + bytes);
    await assert.rejects(readSource(tensors, { count: 1 }), /more than 4 GiB of memory/);
  }));
