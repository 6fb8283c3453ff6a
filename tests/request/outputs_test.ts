import assert from "node:assert/strict";
import { join } from "node:path";
import {
  checkOutputs,
  keepInputs,
  listNames,
  numberedPath,
  Outputs,
} from "../../request/outputs.ts";
import { readClip } from "../../media/clip.ts";
import type { Frame } from "../../mod.ts";
import { inFolder } from "../support/folder.ts";

const OPTIONS = {
  count: 2,
  frames: 3,
  from: 1,
  width: 2,
  height: 2,
  fps: 4,
  actions: [[5, 6, 7]],
  tensors: { width: 2, height: 2, latentShape: [1, 1, 1] as const },
};

/** A grey frame that says which it is. */
function frame(video: number, index: number): Frame {
  const value = (video * 10 + index) / 255;
  const data = new Float32Array(12).fill(value);
  const pixels = { width: 2, height: 2, data };
  return { index, kind: "generated", video, pixels, latents: Float32Array.of(value) };
}

Deno.test("checkOutputs() refuses names before anything is computed", () => {
  checkOutputs(["a.mp4", "b.GIF", "f%03d.png", "-"], 1);
  const cases: [string[], number, boolean, RegExp][] = [
    [["a.avi"], 1, false, /^Cannot write "a.avi": its name must end in one of .mp4 .mov .webm/],
    [["a.mp"], 1, false, /\(did you mean ".mp4"\?\)$/],
    [["video"], 1, false, /must end in one of/],
    [["a.mp4", "b.mp4", "a.mp4"], 1, false, /^Cannot write "a.mp4" twice$/],
    [["a.mp4", "b/../a.mp4"], 1, false, /^Cannot write "b\/..\/a.mp4" twice$/],
    [["-", "-"], 1, false, /^Cannot write "-" twice$/],
    [["-"], 2, false, /more than one video to stdout/],
    [["-"], 1, true, /both write to stdout/],
  ];
  for (const [paths, count, json, message] of cases) {
    assert.throws(() => checkOutputs(paths, count, json), { name: "UsageError", message });
  }
});

Deno.test("keepInputs() refuses outputs that are inputs, under any name", () =>
  inFolder(async (folder) => {
    const [clip, link] = [join(folder, "clip-1.mp4"), join(folder, "link.mp4")];
    await Deno.writeTextFile(clip, "x");
    await Deno.symlink(clip, link);
    const refusal = {
      name: "UsageError",
      message: /^Cannot write ".*": it is also an input; give/,
    };
    await assert.rejects(keepInputs([join(folder, "b.gif"), clip], 1, [undefined, clip]), refusal);
    await assert.rejects(keepInputs([link], 1, [clip]), refusal);
    await assert.rejects(keepInputs([join(folder, "clip.mp4")], 2, [link]), refusal);
    await keepInputs(["-", join(folder, "new.mp4")], 1, ["-", clip, join(folder, "none.mp4")]);
  }));

Deno.test("numberedPath() numbers before the extension, where there are several", () => {
  assert.equal(numberedPath("out/a.b.mp4", 1, 2), "out/a.b-1.mp4");
  assert.equal(numberedPath("a.mp4", 0, 1), "a.mp4");
});

Deno.test("listNames() makes a phrase", () => {
  assert.equal(listNames(["a"]), "a");
  assert.equal(listNames(["a", "-", "c"]), "a, stdout and c");
});

Deno.test("Outputs.write() sorts frames by video and leaves out those before the first wanted", () =>
  inFolder(async (folder) => {
    const path = join(folder, "v.npz");
    const outputs = await Outputs.open([path], OPTIONS);
    for (let index = 0; index < 3; index++) {
      for (let video = 0; video < 2; video++) await outputs.write(frame(video, index));
    }
    const written = await outputs.close();
    assert.deepEqual(written.map(({ path, frames }) => [path, frames]), [
      [join(folder, "v-0.npz"), 2],
      [join(folder, "v-1.npz"), 2],
    ]);
    const { frames, actions } = await readClip(join(folder, "v-1.npz"));
    assert.deepEqual(frames.map(({ data }) => data[0]), [11, 12]);
    assert.deepEqual(actions, [6, 7]);
  }));

Deno.test("Outputs.open() leaves no files if one of the outputs cannot be made", () =>
  inFolder(async (folder) => {
    const paths = [join(folder, "a.npz"), join(folder, "a.safetensors"), join(folder, "no/b.npz")];
    await assert.rejects(Outputs.open(paths, OPTIONS), { name: "MediaError" });
    assert.deepEqual([...Deno.readDirSync(folder)], []);
  }));

Deno.test("Outputs leave nothing behind when the work ends early", () =>
  inFolder(async (folder) => {
    const work = async () => {
      await using outputs = await Outputs.open([join(folder, "a.npz")], OPTIONS);
      await outputs.write(frame(0, 1));
      throw new Error("the GPU is gone");
    };
    await assert.rejects(work(), { message: "the GPU is gone" });
    assert.deepEqual([...Deno.readDirSync(folder)], []);
  }));

for (const names of [["-", "a.y4m"], ["a.y4m", "-", "b.gif"], ["-"]]) {
  Deno.test(`Outputs writes the files of ${names.join(" ")} when the reader of stdout has gone`, () =>
    inFolder(async (folder) => {
      const paths = names.map((name) => name === "-" ? name : join(folder, name));
      const script = `
        import { Outputs } from "${import.meta.resolve("../../request/outputs.ts")}";
        const size = { width: 64, height: 64, fps: 4 };
        const tensors = { width: 64, height: 64, latentShape: [1, 1, 1] };
        const options = { ...size, count: 1, from: 0, frames: 40, format: "rgb24", tensors };
        const outputs = await Outputs.open(${JSON.stringify(paths)}, options);
        const pixels = { width: 64, height: 64, data: new Float32Array(3 * 64 * 64) };
        for (let index = 0; index < 40; index++) {
          await outputs.write({ index, kind: "generated", video: 0, pixels, latents: pixels.data });
        }
        await outputs.close();`;
      const child = new Deno.Command(Deno.execPath(), {
        args: ["eval", "--no-check", script],
        cwd: join(import.meta.dirname!, "../.."),
        stdout: "piped",
        stderr: "piped",
      }).spawn();
      await child.stdout.cancel();
      const complaints = await new Response(child.stderr).text();
      if (names.length === 1) assert.match(complaints, /ClosedPipeError/);
      else assert.equal((await child.status).code, 0, complaints);
      for (const path of paths.filter((path) => path !== "-")) {
        assert.equal((await readClip(path)).frames.length, 40);
      }
      await child.status;
    }));
}
