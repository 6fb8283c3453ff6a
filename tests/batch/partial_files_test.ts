import assert from "node:assert/strict";
import { join } from "node:path";
import { removePartials } from "../../batch/partial_files.ts";
import { createOutput } from "../../media/output_file.ts";

Deno.test("removePartials() removes leftovers of these outputs only", async () => {
  const folder = await Deno.makeTempDir();
  const id = crypto.randomUUID();
  const keep = [
    "a.mp4",
    `.b.mp4.${id}.partial`,
    `.a-1.mp4.${id}.partial`,
    `.7.mp4.${id}.partial`,
    ".a.mp4.partial",
    `.a.mp4.${id.slice(1)}.partial`,
    `.frame-x.png.${id}.partial`,
  ];
  const gone = [
    `.a.mp4.${id}.partial`,
    `.a.mp4.${crypto.randomUUID()}.partial`,
    `.c+1.gif.${id}.partial`,
    `.frame-0012.png.${id}.partial`,
  ];
  try {
    for (const name of [...keep, ...gone]) await Deno.writeTextFile(join(folder, name), "x");
    await Deno.mkdir(join(folder, "deep"));
    const file = await createOutput(join(folder, "deep/d.npz"));
    await file.write(new Uint8Array(3));
    const outputs = ["a.mp4", "c+1.gif", "frame-%04d.png", "deep/d.npz", "missing/e.mp4"];
    assert.equal(await removePartials(folder, outputs), gone.length + 1);
    const left = [...Deno.readDirSync(folder)].filter(({ isFile }) => isFile).map((e) => e.name);
    assert.deepEqual(left.sort(), keep.sort());
    assert.deepEqual([...Deno.readDirSync(join(folder, "deep"))], []);
    await file.discard();
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
