import assert from "node:assert/strict";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { StartClips } from "../../../commands/play/clips.ts";

const ROOT = fileURLToPath(new URL("../../..", import.meta.url));
const DEMO = join(ROOT, "weights/demo");
const FIT = { width: 64, height: 64, multiple: 32 };

Deno.test("StartClips offers the chosen clip, the model's own, and nothing", async () => {
  const context = relative(Deno.cwd(), join(DEMO, "clips/2.npz"));
  const clips = await StartClips.find({ context, contextFrames: 5 }, DEMO, FIT);
  assert.deepEqual(clips.names, ["2", "0", "1", "3", "nothing"]);
  const source = await clips.read("2");
  assert.deepEqual([source!.frames, source!.width, source!.height], [5, 64, 64]);
  assert.ok((await source!.actions!({ kind: "action", count: 4 }))![0]!.length >= 5);
  assert.equal(await clips.read("nothing"), undefined);
});

Deno.test("StartClips begins with nothing if nothing was chosen", async () => {
  const clips = await StartClips.find({}, join(ROOT, "tests/fixtures"), FIT);
  assert.deepEqual(clips.names, ["nothing", "dmlab-5", "v_CliffDiving_g08_c03"]);
  const none = await StartClips.find({}, ROOT, FIT);
  assert.deepEqual(none.names, ["nothing"]);
});

Deno.test("StartClips keeps apart clips of the same name", async () => {
  const folder = await Deno.makeTempDir();
  await Deno.mkdir(join(folder, "clips"));
  const hostile = "<b>\x1b[2J\u202e.npz";
  for (const name of ["0.npz", "0.mp4", "nothing.gif", hostile]) {
    await Deno.writeFile(join(folder, "clips", name), new Uint8Array());
  }
  const clips = await StartClips.find({}, folder, FIT);
  const escaped = "<b>\\u001b[2J\\u202e"; // names reach terminals
  assert.deepEqual(
    new Set(clips.names),
    new Set(["nothing", "0", "0.npz", "nothing.gif", escaped]),
  );
  assert.equal(clips.path(escaped), join(folder, "clips", hostile));
  assert.equal(clips.path("0.npz"), join(folder, "clips", "0.npz"));
  await Deno.remove(folder, { recursive: true });
});
