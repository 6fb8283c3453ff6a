import assert from "node:assert/strict";
import { join } from "node:path";
import { MediaError } from "../../media/errors.ts";
import { inFolder, namesIn } from "../support/folder.ts";
import { createOutput } from "../../media/output_file.ts";

async function writeWholeFile(path: string, bytes: Uint8Array): Promise<void> {
  await using file = await createOutput(path);
  await file.write(bytes);
  await file.commit();
}

Deno.test("an output appears under its name only on commit()", () =>
  inFolder(async (folder) => {
    const path = join(folder, "a.bin");
    const file = await createOutput(path);
    await file.write(Uint8Array.of(1, 2, 3, 4));
    await file.writeAt(Uint8Array.of(9), 1);
    await file.write(Uint8Array.of(8));
    assert.equal(namesIn(folder).length, 1);
    assert.match(namesIn(folder)[0]!, /^\.a\.bin\.[0-9a-f-]{36}\.partial$/);
    await file.commit();
    assert.deepEqual(namesIn(folder), ["a.bin"]);
    assert.deepEqual([...await Deno.readFile(path)], [1, 9, 8, 4]);
  }));

Deno.test("an output leaves the old file alone when discarded", () =>
  inFolder(async (folder) => {
    const path = join(folder, "a.bin");
    await writeWholeFile(path, Uint8Array.of(1));
    {
      await using file = await createOutput(path);
      await file.write(Uint8Array.of(2, 2));
    }
    assert.deepEqual(namesIn(folder), ["a.bin"]);
    assert.deepEqual([...await Deno.readFile(path)], [1]);
    await writeWholeFile(path, Uint8Array.of(3, 3));
    assert.deepEqual([...await Deno.readFile(path)], [3, 3]);
  }));

Deno.test("an output writes on after short counts", () =>
  inFolder(async (folder) => {
    const write = Deno.FsFile.prototype.write;
    Deno.FsFile.prototype.write = function (bytes) {
      return write.call(this, bytes.subarray(0, 7));
    };
    try {
      const bytes = Uint8Array.from({ length: 100 }, (_, i) => i);
      await writeWholeFile(join(folder, "a.bin"), bytes);
      assert.deepEqual(await Deno.readFile(join(folder, "a.bin")), bytes);
    } finally {
      Deno.FsFile.prototype.write = write;
    }
  }));

Deno.test("an output reports a full disk and leaves nothing behind", () =>
  inFolder(async (folder) => {
    const write = Deno.FsFile.prototype.write;
    let room = 10;
    Deno.FsFile.prototype.write = function (bytes) {
      if (room === 0) return Promise.reject(new Error("No space left on device (os error 28)"));
      const part = bytes.subarray(0, room);
      room -= part.length;
      return write.call(this, part);
    };
    try {
      await assert.rejects(
        writeWholeFile(join(folder, "a.bin"), new Uint8Array(100)),
        (error: Error) =>
          error instanceof MediaError && /a\.bin.*No space left/.test(error.message),
      );
    } finally {
      Deno.FsFile.prototype.write = write;
    }
    assert.deepEqual(namesIn(folder), []);
  }));

Deno.test("an output notices bytes that were taken and did not reach the disk", () =>
  inFolder(async (folder) => {
    const write = Deno.FsFile.prototype.write;
    Deno.FsFile.prototype.write = async function (bytes) {
      await write.call(this, bytes.subarray(0, 60));
      return bytes.length;
    };
    try {
      const written = writeWholeFile(join(folder, "a.bin"), new Uint8Array(100));
      await assert.rejects(written, /a\.bin": 60 of 100 bytes are on the disk/);
    } finally {
      Deno.FsFile.prototype.write = write;
    }
    assert.deepEqual(namesIn(folder), []);
  }));

Deno.test("createOutput() refuses a missing folder, a folder and a device", () =>
  inFolder(async (folder) => {
    await assert.rejects(
      createOutput(join(folder, "no", "a.mp4")),
      /there is no folder ".*no"/,
    );
    await assert.rejects(createOutput(folder), /it is a folder/);
    if (Deno.build.os !== "windows") {
      await assert.rejects(createOutput("/dev/null"), /it is not a regular file/);
    }
    assert.deepEqual(namesIn(folder), []);
  }));

Deno.test(
  "an output writes through a link",
  { ignore: Deno.build.os === "windows" },
  () =>
    inFolder(async (folder) => {
      await Deno.mkdir(join(folder, "real"));
      await Deno.writeFile(join(folder, "real", "a"), Uint8Array.of(1));
      await Deno.symlink(join(folder, "real", "a"), join(folder, "link"));
      await writeWholeFile(join(folder, "link"), Uint8Array.of(2));
      assert.ok((await Deno.lstat(join(folder, "link"))).isSymlink);
      assert.deepEqual([...await Deno.readFile(join(folder, "real", "a"))], [2]);
      await Deno.symlink(join("real", "b"), join(folder, "new")); // to what is not there yet
      await writeWholeFile(join(folder, "new"), Uint8Array.of(3));
      assert.ok((await Deno.lstat(join(folder, "new"))).isSymlink);
      assert.deepEqual([...await Deno.readFile(join(folder, "real", "b"))], [3]);
      await Deno.symlink("circle", join(folder, "circle"));
      await assert.rejects(createOutput(join(folder, "circle", "a")), MediaError);
    }),
);
