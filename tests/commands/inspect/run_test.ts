import { deepEqual, equal, match, ok, rejects } from "node:assert/strict";
import { join } from "node:path";
import { run } from "../../../commands/inspect/run.ts";
import { actionLines } from "../../../commands/inspect/clip.ts";
import { inspectModel } from "../../../commands/inspect/model.ts";
import { settingsMetadata } from "../../../cli/settings.ts";
import { inFolder } from "../../support/folder.ts";
import { MODEL_FILES, openedFiles } from "../../support/opened_files.ts";
import { recorder } from "../../support/recorder.ts";
import { openFrameWriter, SafetensorsFile, writeSafetensors } from "../../../mod.ts";
import { encodeNpz } from "../../../media/npz.ts";
import { isInstalled } from "../../support/installed.ts";

const FIXTURES = `${import.meta.dirname}/../../fixtures/`;
const CHECKPOINTS = `${FIXTURES}goldens/checkpoints`;

type Options = Parameters<typeof run>[0]["options"];

async function inspect(path: string, options: Options = {}): Promise<string> {
  const terminal = recorder();
  const { signal } = new AbortController();
  await run({ options, operands: [path], terminal, signal });
  return terminal.stdout;
}

const json = async (path: string, options: Options = {}) =>
  JSON.parse(await inspect(path, { ...options, json: true }));

Deno.test("far inspect says what a model is and what running it takes", async () => {
  const text = await inspect("demo");
  match(text, /^model {7}maze\n/);
  match(text, /\nactions {5}forward, left, right, stay\n/);
  match(
    text,
    /\ntransformer FAR_Long: layers 8, heads 3, patch 1, context patch 2, window 8, actions 4/,
  );
  match(text, /6\.7 million in 237 tensors \(F16 237\), 13\.4 MB/);
  match(text, /memory {6}on the GPU for 48 frames after 12: f32 \d/);
  equal(text.includes("x_embedder"), false);
  match(await inspect("demo", { verbose: true }), /\n {2}x_embedder\.weight +F16 +\[192, 32\]/);
});

Deno.test("far inspect --json has every tensor and the memory", async () => {
  const model = await json("demo", { frames: 10 });
  equal(model.transformer.tensors.length, 237);
  equal(model.memory.frames, 10);
  ok(model.memory.f16.total < model.memory.f32.total);
  ok(model.memory.f32.total > model.vae.bytes);
});

Deno.test(
  "far inspect takes a video that only ffmpeg can open",
  { ignore: !await isInstalled("ffmpeg", "-version") },
  () =>
    inFolder(async (folder) => {
      const path = join(folder, "clip.avi");
      const args = ["-v", "error", "-i", `${FIXTURES}media/mpeg4.mp4`, "-c", "copy", path];
      ok((await new Deno.Command("ffmpeg", { args }).output()).success);
      const { width, metadata, lossy } = await json(path);
      deepEqual([typeof width, metadata, lossy], ["number", {}, true]);
      match(
        await inspect(path),
        /\nvideo {7}\d+x\d+, \d+ frames\/s, 8-bit, lossy\nstream {6}(\d+ frames, )?[\d.]+ s, codec mpeg4\nmade by {5}unknown/,
      );
    }),
);

Deno.test("inspectModel() counts what the model's own example takes", async () => {
  const asked: unknown[] = [];
  const need = { weights: 1, run: 2, total: 3, largest: 1 };
  const count = (_: unknown, options: unknown) => (asked.push(options), need);
  const demo = `${import.meta.dirname}/../../../weights/demo`;
  const { json } = await inspectModel(demo, { count });
  const run = { frames: 48, contextFrames: 12, guidance: 1, width: 64, height: 64 };
  deepEqual(asked, [{ ...run, dtype: "f32" }, { ...run, dtype: "f16" }]);
  deepEqual(json.memory, { frames: 48, contextFrames: 12, f32: need, f16: need });
  const plain = await inspectModel(`${FIXTURES}goldens/far-uncond`, { count });
  match(plain.lines.join("\n"), /memory {6}use --frames N/);
});

Deno.test("far inspect lists the tensors of a PyTorch checkpoint", async () => {
  const text = await inspect(`${CHECKPOINTS}/odd.pth`);
  match(text, /format {6}pth \(zip\)\nvalues {6}\d+ in 10 tensors \(F32 6, F16 1, /);
  match(text, /\n {2}transposed +F32 +\[6, 4\]\n/);
  const legacy = await json(`${CHECKPOINTS}/odd-legacy.pth`);
  equal(legacy.format, "pth (legacy)");
  deepEqual(legacy.dtypes, { F32: 6, F16: 1, BF16: 1, I64: 1, BOOL: 1 });
});

Deno.test("far inspect recognises an architecture and says what it assumed", async () => {
  const text = await inspect(`${CHECKPOINTS}/far-uncond.pth`);
  match(text, /is {10}transformer FAR, by its shapes: layers 2, heads 2/);
  match(text, /assumed {5}axes_dims_rope, short_term_ctx_winsize, slope_scale/);
  const vae = await json(`${FIXTURES}goldens/vae-16x`);
  equal(vae.recognised.kind, "autoencoder");
});

Deno.test("far inspect counts the memory of a transformer's weights alone", async () => {
  const weights = `${CHECKPOINTS}/far-uncond.pth`;
  match(
    await inspect(weights, { frames: 8 }),
    /\nmemory {6}on the GPU for 8 frames unguided, with the autoencoder 8x: f32 .*, f16 /,
  );
  const [few, many] = [await json(weights, { frames: 8 }), await json(weights, { frames: 80 })];
  equal(few.memory[0].f32.weights, many.memory[0].f32.weights);
  ok(few.memory[0].f32.run < many.memory[0].f32.run);
  deepEqual((await json(weights)).memory, []);
  const vae = inspect(`${FIXTURES}goldens/vae-16x`, { frames: 8 });
  await rejects(vae, { name: "UsageError", message: /a model folder or a transformer/ });
});

Deno.test("far inspect names what a hostile checkpoint asks for", async () => {
  const text = await inspect(`${CHECKPOINTS}/evil-reduce.pth`);
  match(text, /note .*unread: it asks for "posix\.system", which was not run/);
});

const SETTINGS = {
  command: "generate",
  version: "0.1.0",
  options: { model: "demo", frames: 4, actions: "forward*4", output: ["a b.mp4"] },
};
const AGAIN = /far generate --model demo --frames 4 --actions 'forward\*4' --output 'a b\.mp4'/;

Deno.test("far inspect gives the command that made a .safetensors again", async () => {
  await inFolder(async (folder) => {
    const path = join(folder, "out.safetensors");
    const parts: Uint8Array[] = [];
    const sink = { write: (bytes: Uint8Array) => (parts.push(bytes), Promise.resolve()) };
    const frames = { name: "frames", dtype: "F32", shape: [1], data: new Uint8Array(4) } as const;
    await writeSafetensors(sink, [frames], settingsMetadata(SETTINGS));
    await Deno.writeFile(path, Uint8Array.from(parts.flatMap((part) => [...part])));
    match(await inspect(path), AGAIN);
    match(await inspect(path), /\nmade by {5}far 0\.1\.0\nagain {7}far generate/);
    equal((await json(path)).settings.version, "0.1.0");
    match((await json(path)).command, AGAIN);
    (await SafetensorsFile.open(path)).close();
  });
});

Deno.test("far inspect says of a .npz its arrays, actions and command", async () => {
  await inFolder(async (folder) => {
    const path = join(folder, "out.npz");
    const actions = {
      type: "<i8",
      shape: [5],
      data: BigInt64Array.of(0n, 0n, 0n, 3n, 1n),
    } as const;
    const archive = encodeNpz({ actions }, settingsMetadata(SETTINGS));
    await Deno.writeFile(path, archive);
    const text = await inspect(path);
    match(text, /array {7}actions {2}<i8 \[5\]/);
    match(text, AGAIN);
    match(text, /frames 0\.\.2 +0\n {2}frame 3 +3\n {2}frame 4 +1\n$/);
    deepEqual((await json(path)).actions, [0, 0, 0, 3, 1]);
    match((await json(path)).command, AGAIN);
  });
});

Deno.test("far inspect gives the command that made an animation or pictures again", async () => {
  await inFolder(async (folder) => {
    const frame = { width: 2, height: 2, data: new Uint8Array(12).fill(7) };
    for (const name of ["out.gif", "sheet.png", "frame_%d.png"]) {
      const metadata = settingsMetadata(SETTINGS);
      const writer = await openFrameWriter(join(folder, name), { ...frame, fps: 8, metadata });
      await writer.write(frame);
      await writer.close();
      match(await inspect(join(folder, name)), AGAIN);
      equal((await json(join(folder, name))).settings.command, "generate");
    }
    match(await inspect(folder), /made by {5}unknown/);
  });
});

Deno.test("far inspect escapes what metadata could do to a terminal", async () => {
  await inFolder(async (folder) => {
    const path = join(folder, "out.npz");
    const settings = { ...SETTINGS, options: { output: ["\u001b]0;owned\u0007"] } };
    const archive = encodeNpz({}, settingsMetadata(settings));
    await Deno.writeFile(path, archive);
    const text = await inspect(path);
    equal(text.includes("\u001b"), false);
    match(text, /\\u001b\]0;owned\\u0007/);
    const others = encodeNpz({}, { note: "\u001b[2J" });
    await Deno.writeFile(path, others);
    match(await inspect(path), /\nmetadata {4}note = \\u001b\[2J\n/);
  });
});

Deno.test("actionLines() puts runs of one action into one line", () => {
  deepEqual(actionLines([2, 2, 0]).slice(1), ["  frames 0..1      2", "  frame 2          0"]);
  equal(actionLines([]).length, 1);
});

Deno.test("far inspect says what it cannot do", async () => {
  await rejects(inspect("./nowhere"), { name: "UsageError", message: /no such file or folder/ });
  const missing = { name: "UsageError", message: 'Cannot read "typo.mp4": there is no such file' };
  await rejects(inspect("typo.mp4"), missing);
  await rejects(inspect(`${CHECKPOINTS}/odd.pth`, { frames: 4 }), { name: "UsageError" });
});

Deno.test("far inspect repeats known commands and options alone", () =>
  inFolder(async (folder) => {
    const path = join(folder, "a.npz");
    const cases: [command: string, options: Record<string, unknown>, again: string][] = [
      ["generate", { steps: 4, output: ["a b.npz"] }, "far generate --steps 4 --output 'a b.npz'"],
      ["encode 'a b.mp4'", { output: "x" }, "far encode 'a b.mp4' --output x"],
      ["encode a; rm -rf ~", {}, "unknown"],
      ["generate; rm -rf ~", {}, "unknown"],
      ["generate\nrm", {}, "unknown"],
      ["encode '$(rm)'", {}, "far encode '$(rm)'"],
      ["encode $(rm)", {}, "unknown"],
      ["rm", {}, "unknown"],
      ["", {}, "unknown"],
      ["generate", { "; rm -rf ~ #": true }, "unknown"],
      ["generate", { "no such": 1 }, "unknown"],
      ["generate", { steps: "4; rm" }, "unknown"],
      ["generate", { context: "$(rm -rf ~)" }, "far generate --context '$(rm -rf ~)'"],
      ["generate", { context: "it's" }, "far generate --context 'it'\\''s'"],
    ];
    for (const [command, options, again] of cases) {
      const settings = { command, version: "1.0.0", options } as Parameters<
        typeof settingsMetadata
      >[0];
      const record = { "far.settings": JSON.stringify(settings) };
      const archive = encodeNpz({}, record);
      await Deno.writeFile(path, archive);
      ok((await inspect(path)).includes(`\nagain       ${again}\n`), `${command} ${again}`);
      equal((await json(path)).command, again === "unknown" ? null : again);
    }
  }));

Deno.test("far inspect opens each file of a model once", async () => {
  const model = `${FIXTURES}goldens/far-uncond`;
  for (const options of [{}, { frames: 3 }, { verbose: true }]) {
    deepEqual(await openedFiles(model, () => inspect(model, options)), MODEL_FILES);
  }
});

Deno.test("far inspect says of a folder with pickled shards that they are not supported", () =>
  inFolder(async (folder) => {
    await Deno.writeTextFile(join(folder, "pytorch_model.bin.index.json"), "{}");
    await rejects(inspect(folder), { message: /lists pickled shards, which are not supported/ });
  }));
