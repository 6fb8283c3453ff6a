import assert from "node:assert/strict";
import { join } from "node:path";
import { type DataOptions, openData } from "../../../train/data/open_data.ts";
import type { ClipEncoder } from "../../../train/data/clip_cache.ts";
import { encodeNpz } from "../../../media/npz.ts";
import { writeSafetensors } from "../../../weights/safetensors.ts";
import { AtomicFile } from "../../../files/atomic_file.ts";
import { inFolder } from "../../support/folder.ts";

/** An encoder whose latents say which picture they come from: its mean, and its left half's. */
class FakeEncoder implements ClipEncoder {
  readonly compression = 2;
  readonly channels = 4;
  readonly identity = "fake";
  calls = 0;

  encode(pictures: Float32Array, width: number, height: number): Promise<Float32Array> {
    this.calls++;
    const count = pictures.length / (3 * width * height);
    const volume = 4 * (width / 2) * (height / 2);
    const latents = new Float32Array(count * volume);
    for (let i = 0; i < count; i++) {
      latents.fill(pictures[i * 3 * width * height]!, i * volume, (i + 1) * volume);
    }
    return Promise.resolve(latents);
  }
}

/** Frame f is f / 255 in the left column, 0 elsewhere. */
async function writeClip(path: string, frames: number, actions?: number[], side = 4) {
  const data = new Uint8Array(frames * side * side * 3);
  for (let f = 0; f < frames; f++) {
    for (let y = 0; y < side; y++) {
      data.fill(f, ((f * side + y) * side) * 3, ((f * side + y) * side) * 3 + 3);
    }
  }
  const video = { type: "|u1", shape: [frames, side, side, 3], data } as const;
  const archive = encodeNpz({
    video,
    ...(actions && {
      actions: { type: "<i8", shape: [frames], data: BigInt64Array.from(actions, BigInt) } as const,
    }),
  });
  await Deno.writeFile(path, archive);
}

function optionsFor(folder: string, more: Partial<DataOptions> = {}) {
  const encoder = new FakeEncoder();
  const options: DataOptions = {
    sources: [folder],
    condition: { kind: "action", count: 4 },
    names: ["forward", "left", "right", "stay"],
    window: { frames: 3, interval: 2 },
    size: { width: 4, height: 4 },
    resize: "area",
    flip: false,
    multiple: 2,
    cache: join(folder, ".cache"),
    encoder: () => Promise.resolve(encoder),
    heldOut: 0,
    skipBad: false,
    ...more,
  };
  return { encoder, options };
}

Deno.test("openData() cuts windows with their actions, and encodes each clip once", () =>
  inFolder(async (folder) => {
    await writeClip(join(folder, "b.npz"), 8, [0, 1, 2, 3, 0, 1, 2, 3]);
    await writeClip(join(folder, "a.npz"), 5, [3, 3, 2, 2, 1]);
    const { options, encoder } = optionsFor(folder);
    const { train } = await openData(options);
    assert.deepEqual(train.starts, [1, 4]); // a.npz first
    const batch = await train.batch([{ clip: 1, start: 2 }, { clip: 0, start: 0 }]);
    const firsts = Array.from({ length: 6 }, (_, i) => Math.round(255 * batch.latents[i * 16]!));
    assert.deepEqual(firsts, [2, 4, 6, 0, 2, 4]);
    assert.deepEqual([...batch.classes!], [2, 0, 2, 3, 2, 1]);
    const calls = encoder.calls;
    await openData({ ...options, encoder: () => Promise.resolve(encoder) });
    assert.equal(encoder.calls, calls, "the second time latents come from the cache");
    const anew = await openData({ ...options, cache: undefined });
    assert.deepEqual(
      await anew.train.batch([{ clip: 1, start: 2 }, { clip: 0, start: 0 }]),
      batch,
      "encoded as it goes",
    );
  }));

Deno.test("openData() reads actions from every kind of sidecar", async () => {
  const kinds: [extension: string, text: string][] = [
    ["json", '["forward", 1, "right", "stay", 0]'],
    ["json", '{"actions": [0, 1, 2, 3, 0]}'],
    ["txt", "forward, left\nright stay # turn\nforward*1"],
    ["csv", "time,action\n0,forward\n1,left\n2,right\n3,stay\n4,0\n"],
    ["csv", "0\n1\n2\n3\n0"],
  ];
  for (const [extension, text] of kinds) {
    await inFolder(async (folder) => {
      await writeClip(join(folder, "clip.npz"), 5, [3, 3, 3, 3, 3]);
      await Deno.writeTextFile(join(folder, `clip.${extension}`), text);
      const { train } = await openData(optionsFor(folder).options);
      assert.deepEqual([...train.clips[0]!.classes!], [0, 1, 2, 3, 0], text);
    });
  }
});

Deno.test("openData() names all bad clips together, and continues without them if asked", () =>
  inFolder(async (folder) => {
    await writeClip(join(folder, "good.npz"), 6, [0, 0, 0, 0, 0, 0]);
    await writeClip(join(folder, "short.npz"), 4, [0, 0, 0, 0]);
    await writeClip(join(folder, "silent.npz"), 6);
    await writeClip(join(folder, "strange.npz"), 6, [0, 0, 9, 0, 0, 0]);
    await Deno.writeTextFile(join(folder, "broken.mp4"), "no video");
    const { options } = optionsFor(folder);
    await assert.rejects(openData(options), (error: Error) => {
      assert.match(error.message, /4 of 5 clips; `skipBad`/);
      assert.match(
        error.message,
        /short.npz": it has 4 frames, and a window of 3, one in 2 needs 5/,
      );
      assert.match(error.message, /silent.npz": it has no actions/);
      assert.match(error.message, /action 9 .*stay \(3\)/);
      assert.match(error.message, /broken.mp4/);
      return true;
    });
    const { train, skipped } = await openData({ ...options, skipBad: true });
    assert.equal(train.clips.length, 1);
    assert.equal(skipped.length, 4);
  }));

Deno.test("openData() requires one size, mirrors clips without actions, holds a share out", () =>
  inFolder(async (folder) => {
    await writeClip(join(folder, "0.npz"), 6, undefined, 4);
    await writeClip(join(folder, "1.npz"), 6, undefined, 8);
    const { options } = optionsFor(folder, {
      condition: { kind: "none", count: 0 },
      names: undefined,
    });
    await assert.rejects(openData({ ...options, size: undefined }), /different sizes.*`size`/);
    const { train, heldOut } = await openData({ ...options, flip: true, heldOut: 0.25 });
    assert.equal(train.clips.length, 3);
    assert.equal(heldOut!.clips.length, 1);
    const { latents } = await train.batch([{ clip: 1, start: 1 }]);
    assert.equal(latents[0], 0, "the left column is on the right");
    const actions = { kind: "action", count: 4 } as const;
    await assert.rejects(openData({ ...options, condition: actions, flip: true }), /left would/);
  }));

Deno.test("openData() takes a .safetensors of latents as it is", () =>
  inFolder(async (folder) => {
    const path = join(folder, "data.safetensors");
    const latents = Float32Array.from({ length: 2 * 5 * 4 }, (_, i) => i);
    const sink = await AtomicFile.create(path);
    const bytes = (data: Float32Array | BigInt64Array) => new Uint8Array(data.buffer);
    await writeSafetensors(sink, [
      { name: "latents", dtype: "F32", shape: [2, 5, 1, 2, 2], data: bytes(latents) },
      {
        name: "actions",
        dtype: "I64",
        shape: [2, 5],
        data: bytes(BigInt64Array.from({ length: 10 }, (_, i) => BigInt(i % 4))),
      },
    ]);
    await sink.commit();
    const { train } = await openData(optionsFor(path).options);
    const batch = await train.batch([{ clip: 1, start: 0 }]);
    assert.deepEqual([...batch.latents], [20, 21, 22, 23, 28, 29, 30, 31, 36, 37, 38, 39]);
    assert.deepEqual([...batch.classes!], [1, 3, 1]);
    await assert.rejects(
      openData({ ...optionsFor(path).options, condition: { kind: "action", count: 3 } }),
      /action 3 .*0 to 2/,
    );
  }));
