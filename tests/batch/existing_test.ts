import assert from "node:assert/strict";
import { join } from "node:path";
import { digestFile } from "../../files/hash_file.ts";
import { findDone } from "../../batch/existing.ts";
import { JOB_KEY } from "../../batch/plan/identity.ts";
import type { MadeFile, ResultRecord } from "../../batch/results.ts";
import { openFrameWriter } from "../../media/video_writer.ts";

const HASH = "a".repeat(64);

async function inFolder(body: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    await body(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** Writes three frames with the job's hash. */
async function write(path: string): Promise<number> {
  const size = { width: 64, height: 64 };
  const writer = await openFrameWriter(path, { ...size, fps: 8, metadata: { [JOB_KEY]: HASH } });
  for (let i = 0; i < 3; i++) {
    await writer.write({ ...size, data: new Uint8Array(3 * 64 * 64).map((_, j) => i * j) });
  }
  return (await writer.close()).bytes;
}

function record(outputs: MadeFile[], age = 0): ResultRecord {
  const at = new Date(Date.now() - age).toISOString(); // files are made before it
  return { id: "a", line: 1, hash: HASH, status: "done", outputs, at };
}

for (const name of ["a.mp4", "a.webm", "a.gif", "a.npz", "a.png", "50%.npz", "a%d.gif"]) {
  Deno.test(`findDone() finds ${name} by the hash in it, if it is whole`, () =>
    inFolder(async (folder) => {
      const path = join(folder, name);
      const bytes = await write(path);
      const found = await findDone(HASH, folder, [name], undefined);
      assert.equal(found?.recorded, false);
      assert.equal(found!.outputs[0]!.bytes, bytes);
      assert.match(found!.outputs[0]!.sha256, /^[0-9a-f]{64}$/);
      assert.equal(await findDone("b".repeat(64), folder, [name], undefined), undefined);
      assert.equal(await findDone(HASH, folder, [name, "b.gif"], undefined), undefined);
      await Deno.truncate(path, Math.floor(bytes * 0.8));
      assert.equal(await findDone(HASH, folder, [name], undefined), undefined);
    }));
}

Deno.test("findDone() trusts a record whose sizes agree, and reads the files otherwise", () =>
  inFolder(async (folder) => {
    const bytes = await write(join(folder, "a.y4m"));
    const made = record([{ path: "a.y4m", bytes, sha256: "x" }]);
    assert.equal((await findDone(HASH, folder, ["a.y4m"], made))?.recorded, true);
    assert.equal(await findDone(HASH, folder, ["a.y4m"], undefined), undefined);
    assert.equal(await findDone(HASH, folder, ["a.y4m"], { ...made, status: "failed" }), undefined);
    await Deno.truncate(join(folder, "a.y4m"), bytes - 1);
    assert.equal(await findDone(HASH, folder, ["a.y4m"], made), undefined);
  }));

Deno.test("findDone() reads files that are younger than their record", () =>
  inFolder(async (folder) => {
    const path = join(folder, "a.y4m");
    await write(path);
    const old = (sha256: string, bytes: number) =>
      record([{ path: "a.y4m", bytes, sha256 }], 3_600_000);
    const { bytes, sha256 } = await digestFile(path);
    assert.equal((await findDone(HASH, folder, ["a.y4m"], old(sha256, bytes)))?.recorded, true);
    const other = "0".repeat(64); // another job's file, of the same size
    assert.equal(await findDone(HASH, folder, ["a.y4m"], old(other, bytes)), undefined);
  }));

Deno.test("findDone() counts all pictures of a pattern", () =>
  inFolder(async (folder) => {
    const bytes = await write(join(folder, "f-%02d.png"));
    const made = record([{ path: "f-%02d.png", bytes, sha256: "" }]);
    assert.equal((await findDone(HASH, folder, ["f-%02d.png"], made))?.recorded, true);
    const [first] = [...Deno.readDirSync(folder)];
    await Deno.remove(join(folder, first!.name));
    assert.equal(await findDone(HASH, folder, ["f-%02d.png"], made), undefined);
  }));

const STRANGE_DATES: [when: string, at: string][] = [
  ["tomorrow", new Date(Date.now() + 86_400_000).toISOString()],
  ["in a thousand years", new Date(Date.now() + 4e5 * 86_400_000).toISOString()],
  ["at the end of time", new Date(8.64e15).toISOString()],
  ["at the beginning of time", new Date(-8.64e15).toISOString()],
  ["in the year 1", "0001-01-01T00:00:00.000Z"],
  ["in 1970", new Date(0).toISOString()],
  ["before the file", new Date(Date.now() - 86_400_000).toISOString()],
  ["in a month 13", "2026-13-01T00:00:00.000Z"],
  ...["tomorrow", "", "NaN", "Infinity", "\0", "x".repeat(1e6)].map((at): [string, string] => [
    `that is not a date (${at.slice(0, 9)})`,
    at,
  ]),
];
for (const [when, at] of STRANGE_DATES) {
  Deno.test(`findDone() reads the bytes of a file where its record is ${when}`, () =>
    inFolder(async (folder) => {
      const path = join(folder, "a.y4m");
      const bytes = await write(path);
      const { sha256 } = await digestFile(path);
      const made = (digest: string) => ({
        ...record([{ path: "a.y4m", bytes, sha256: digest }]),
        at,
      });
      assert.equal(await findDone(HASH, folder, ["a.y4m"], made("f".repeat(64))), undefined);
      assert.equal((await findDone(HASH, folder, ["a.y4m"], made(sha256)))?.recorded, true);
      // The clock was wrong when the file was written, too.
      await Deno.utime(path, 0, 4e9);
      assert.equal(await findDone(HASH, folder, ["a.y4m"], made("f".repeat(64))), undefined);
      assert.equal((await findDone(HASH, folder, ["a.y4m"], made(sha256)))?.recorded, true);
    }));
}
