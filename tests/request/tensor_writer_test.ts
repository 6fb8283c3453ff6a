import assert from "node:assert/strict";
import { join } from "node:path";
import { TensorWriter, type TensorWriterOptions } from "../../request/tensor_writer.ts";
import { readFloats, readIntegers, SafetensorsFile } from "../../weights/safetensors.ts";
import { inFolder } from "../support/folder.ts";

const OPTIONS: TensorWriterOptions = {
  count: 2,
  frames: 2,
  width: 1,
  height: 1,
  latentShape: [1, 1, 2],
  noise: { shape: [2, 1, 1, 1, 2], data: Float32Array.of(5, 6, 7, 8) },
  actions: [[4, 1]],
  labels: [3],
  metadata: { "far.settings": "{}" },
};

Deno.test("TensorWriter.close() writes frames and latents in the order of videos", () =>
  inFolder(async (folder) => {
    const path = join(folder, "out.safetensors");
    const writer = await TensorWriter.open(path, OPTIONS);
    for (const [video, frame] of [[0, 0], [1, 0], [0, 1], [1, 1]] as const) {
      const n = video * 10 + frame;
      writer.write(video, frame, { data: Float32Array.of(n, n, n) }, Float32Array.of(n, -n));
    }
    const { frames, bytes } = await writer.close();
    assert.equal(frames, 4);
    assert.equal(bytes, (await Deno.stat(path)).size);
    const file = await SafetensorsFile.open(path);
    try {
      assert.deepEqual(file.tensors.get("frames")?.shape, [2, 2, 3, 1, 1]);
      assert.deepEqual(file.tensors.get("latents")?.shape, [2, 2, 1, 1, 2]);
      assert.deepEqual(
        [...await readFloats(file, "frames")],
        [0, 0, 0, 1, 1, 1, 10, 10, 10, 11, 11, 11],
      );
      assert.deepEqual([...await readFloats(file, "latents")], [0, -0, 1, -1, 10, -10, 11, -11]);
      assert.deepEqual([...await readFloats(file, "noise")], [5, 6, 7, 8]);
      assert.deepEqual(await readIntegers(file, "actions"), [4, 1]);
      assert.deepEqual(await readIntegers(file, "label"), [3]);
      assert.equal(file.metadata.get("far.settings"), "{}");
    } finally {
      file.close();
    }
  }));

Deno.test("TensorWriter.close() refuses to write a video with frames missing", () =>
  inFolder(async (folder) => {
    const writer = await TensorWriter.open(join(folder, "out.safetensors"), OPTIONS);
    writer.write(0, 0, { data: new Float32Array(3) }, new Float32Array(2));
    await assert.rejects(writer.close(), { name: "RangeError" });
    assert.deepEqual([...Deno.readDirSync(folder)], []);
  }));

Deno.test("TensorWriter.abort() leaves nothing behind", () =>
  inFolder(async (folder) => {
    const writer = await TensorWriter.open(join(folder, "out.safetensors"), OPTIONS);
    await writer.abort();
    assert.deepEqual([...Deno.readDirSync(folder)], []);
  }));
