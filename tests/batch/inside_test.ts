import assert from "node:assert/strict";
import { join } from "node:path";
import { makeFoldersInside } from "../../batch/inside.ts";
import { removePartials } from "../../batch/partial_files.ts";
import { outputFiles } from "../../batch/plan/output_names.ts";
import { createOutput } from "../../media/output_file.ts";

/** An output folder `out` next to a folder `other` with somebody else's files. */
async function inFolders(body: (out: string, other: string) => Promise<void>): Promise<void> {
  const folder = await Deno.realPath(await Deno.makeTempDir());
  const [out, other] = [join(folder, "out"), join(folder, "other")];
  try {
    for (const path of [out, other]) await Deno.mkdir(path);
    await Deno.writeTextFile(join(other, "x"), "theirs");
    await body(out, other);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** Writes the outputs of a job as its process does. */
async function write(out: string, output: string, videos = 1): Promise<void> {
  const files = outputFiles([output], videos).map((name) => join(out, name));
  await makeFoldersInside(out, files);
  for (const path of files) {
    await using file = await createOutput(path.replace("%d", "0"));
    await file.write(new TextEncoder().encode("ours"));
    await file.commit();
  }
}

type Lay = (out: string, other: string) => Promise<void>;
const link = (to: string, name: string): Lay => (out, other) =>
  Deno.symlink(to.replace("OTHER", other), join(out, name));

const OUTSIDE: [what: string, lay: Lay, output: string, videos?: number][] = [
  ["a link for a file", link("OTHER/x", "a.mp4"), "a.mp4"],
  ["a relative link", link("../other/x", "a.mp4"), "a.mp4"],
  ["a link to nothing", link("OTHER/new", "a.mp4"), "a.mp4"],
  ["a relative link to nothing", link("../other/new", "a.mp4"), "a.mp4"],
  ["a link to a link", async (out, other) => {
    await Deno.symlink(join(other, "x"), join(out, "b"));
    await Deno.symlink("b", join(out, "a.mp4"));
  }, "a.mp4"],
  ["a link for its folder", link("OTHER", "sub"), "sub/a.mp4"],
  ["a link for a folder above", link("OTHER", "sub"), "sub/deep/er/a.mp4"],
  ["a link to the folder above", link("..", "sub"), "sub/a.mp4"],
  ["a link to itself", link("a.mp4", "a.mp4"), "a.mp4"],
  ["a link for the second video", link("OTHER/x", "a-1.mp4"), "a-1.mp4"],
  ["a link for one of three videos", link("OTHER/x", "a-2.mp4"), "a.mp4", 3],
  ["a link for a picture", link("OTHER/x", "f-0.png"), "f-%d.png"],
  ["a link to nothing for a picture", link("OTHER/new", "f-7.png"), "f-%d.png"],
  ["a link for a picture of a video", link("OTHER/x", "f-1-0.png"), "f-1-%d.png"],
];
for (const [what, lay, output, videos] of OUTSIDE) {
  Deno.test(`makeFoldersInside() refuses ${what}: ${output}`, () =>
    inFolders(async (out, other) => {
      await lay(out, other);
      await assert.rejects(write(out, output, videos), /a link leads out of/);
      assert.deepEqual([...Deno.readDirSync(other)].map(({ name }) => name), ["x"]);
      assert.equal(await Deno.readTextFile(join(other, "x")), "theirs");
    }));
}

const INSIDE: [what: string, lay: Lay, output: string, written: string][] = [
  ["no link", () => Promise.resolve(), "a/b/c.mp4", "a/b/c.mp4"],
  [
    "a link to a file in it",
    async (out) => {
      await Deno.writeTextFile(join(out, "b"), "old");
      await Deno.symlink("b", join(out, "a.mp4"));
    },
    "a.mp4",
    "b",
  ],
  [
    "a link to a folder in it",
    async (out) => {
      await Deno.mkdir(join(out, "b"));
      await Deno.symlink("b", join(out, "sub"));
    },
    "sub/a.mp4",
    "b/a.mp4",
  ],
  // The other name keeps its content.
  [
    "a hard link",
    (out, other) => Deno.link(join(other, "x"), join(out, "a.mp4")),
    "a.mp4",
    "a.mp4",
  ],
];
for (const [what, lay, output, written] of INSIDE) {
  Deno.test(`makeFoldersInside() allows ${what}`, () =>
    inFolders(async (out, other) => {
      await lay(out, other);
      await write(out, output);
      assert.equal(await Deno.readTextFile(join(out, written)), "ours");
      assert.equal(await Deno.readTextFile(join(other, "x")), "theirs");
    }));
}

Deno.test("makeFoldersInside() follows the output folder itself, which its user names", () =>
  inFolders(async (out, other) => {
    await Deno.symlink(other, join(out, "here"));
    await write(join(out, "here"), "sub/a.mp4");
    assert.equal(await Deno.readTextFile(join(other, "sub/a.mp4")), "ours");
  }));

Deno.test("removePartials() removes neither links nor files behind one", () =>
  inFolders(async (out, other) => {
    const name = `.a.mp4.${crypto.randomUUID()}.partial`;
    await Deno.writeTextFile(join(other, name), "theirs");
    await Deno.symlink(other, join(out, "sub"));
    await Deno.symlink(join(other, "x"), join(out, name));
    assert.equal(await removePartials(out, ["a.mp4", "sub/a.mp4"]), 0);
    assert.equal(await Deno.readTextFile(join(other, name)), "theirs");
    assert.equal(await Deno.readTextFile(join(other, "x")), "theirs");
    await Deno.writeTextFile(join(out, `.a.mp4.${crypto.randomUUID()}.partial`), "ours");
    assert.equal(await removePartials(out, ["a.mp4"]), 1);
  }));
