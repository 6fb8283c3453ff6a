import assert from "node:assert/strict";
import { join } from "node:path";
import { readClip } from "../../media/clip.ts";
import { MemorySource } from "../../files/byte_source.ts";
import { CheckpointError } from "../../files/errors.ts";
import { readEntry, readZip } from "../../files/zip.ts";
import { MediaError } from "../../media/errors.ts";
import { toRgb } from "../../media/frames.ts";
import { encodeNpz, NpzFile } from "../../media/npz.ts";
import { fixture } from "./support/expected.ts";
import { inFolder } from "../support/folder.ts";
import { zip } from "../weights/torch_bytes.ts";

const FRAMES = Uint8Array.from({ length: 180 }, (_, i) => i * 7 % 256);
const DMLAB = `${import.meta.dirname}/../fixtures/clips/dmlab-5.npz`;

const u16 = (bytes: Uint8Array, at: number) => bytes[at]! | bytes[at + 1]! << 8;
const put = (bytes: Uint8Array, at: number, value: number, size: number) => {
  for (let i = 0; i < size; i++) bytes[at + i] = Math.floor(value / 2 ** (8 * i)) & 255;
};
/** Where the central directory begins, and the record at the end. */
const directoryOf = (bytes: Uint8Array) => {
  const end = bytes.length - 22;
  return { end, first: u16(bytes, end + 16) | u16(bytes, end + 18) << 16 };
};

/** A file with changed bytes. */
function changed(name: string, change: (bytes: Uint8Array) => Uint8Array | void): Uint8Array {
  const bytes = Deno.readFileSync(fixture(name));
  return change(bytes) ?? bytes;
}

async function readBytes(folder: string, bytes: Uint8Array) {
  const path = join(folder, "x.npz");
  await Deno.writeFile(path, bytes);
  return await readClip(path);
}

Deno.test("readClip() reads a clip of FAR's data set with its actions", async () => {
  const clip = await readClip(DMLAB, { start: 10, count: 4 });
  assert.deepEqual([clip.width, clip.height, clip.frames.length, clip.lossy], [64, 64, 4, false]);
  using file = await NpzFile.open(DMLAB);
  const video = await file.read("video");
  assert.deepEqual(video.shape, [300, 64, 64, 3]);
  const size = 64 * 64 * 3;
  clip.frames.forEach((frame, k) => {
    assert.deepEqual([...frame.data], [
      ...video.data.subarray((10 + k) * size, (11 + k) * size) as Uint8Array,
    ]);
  });
  const { data: actions } = await file.read("actions");
  assert.deepEqual(clip.actions, Array.from(actions.slice(10, 14), Number));
});

Deno.test("readClip() reads every way that numpy packs an .npz", async () => {
  for (const name of ["compressed", "stored", "zip64", "streamed", "unnamed"]) {
    const { frames, actions } = await readClip(fixture(`${name}.npz`));
    assert.deepEqual(frames.map((frame) => frame.data.length), [60, 60, 60]);
    assert.deepEqual([...frames[1]!.data], [...FRAMES.subarray(60, 120)], name);
    assert.deepEqual(actions, name === "unnamed" ? undefined : [0, 2, 1]);
  }
});

Deno.test("readClip() reads .npy frames, floats and single pictures", async () => {
  for (const name of ["bytes", "floats", "doubles", "halves"]) {
    const { frames } = await readClip(fixture(`${name}.npy`), { start: 1, count: 1 });
    const frame = frames[0]!;
    const rgb = frame.data instanceof Float32Array ? toRgb({ ...frame, data: frame.data }) : frame;
    assert.deepEqual([...rgb.data], [...FRAMES.subarray(60, 120)], name);
  }
  assert.equal((await readClip(fixture("picture.npy"))).frames.length, 1);
});

const REFUSED: [file: string, message: RegExp][] = [
  ["empty.npy", /it has no frames/],
  ["big_endian.npy", /">f4", not little-endian/],
  ["fortran.npy", /ascontiguousarray/],
  ["bools.npy", /must be \(T, H, W, 3\) of uint8 or float, but is \(3, 4, 5, 3\) of \|b1/],
  ["grey.npy", /must be \(T, H, W, 3\)/],
  ["no_video.npz", /it has no array "video", only "pixels", "more"/],
];
for (const [file, message] of REFUSED) {
  Deno.test(`readClip() refuses ${file}`, async () => {
    await assert.rejects(readClip(fixture(file)), (error: Error) => {
      assert.ok(error instanceof MediaError);
      assert.match(error.message, message);
      return error.message.includes(file);
    });
  });
}

/** Every member of an archive, unpacked. */
async function unpack(bytes: Uint8Array) {
  const source = new MemorySource(bytes);
  const entries = [...(await readZip(source, { mayDeflate: true })).values()];
  return await Promise.all(entries.map(async (entry) => [...await readEntry(source, entry, 1e6)]));
}

Deno.test("an .npz that is cut off at any byte is refused", async () => {
  for (const name of ["compressed.npz", "stored.npz", "streamed.npz"]) {
    const whole = Deno.readFileSync(fixture(name));
    for (let length = 1; length < whole.length; length++) {
      await assert.rejects(unpack(whole.subarray(0, length)), CheckpointError, `${length}`);
    }
  }
});

Deno.test("each damaged byte of an .npz is found or harms nothing", async () => {
  const whole = Deno.readFileSync(fixture("compressed.npz"));
  const members = await unpack(whole);
  let refused = 0;
  for (let at = 0; at < whole.length; at++) {
    const bytes = whole.slice();
    bytes[at]! ^= 0x15;
    try {
      // Dates and the like may change; pixels may not.
      assert.deepEqual(await unpack(bytes), members, `byte ${at}`);
    } catch (error) {
      assert.ok(error instanceof CheckpointError, `byte ${at}: ${error}`);
      refused++;
    }
  }
  assert.ok(refused > whole.length / 2, `${refused}`);
});

Deno.test("NpzFile.header() unpacks only the beginning", () =>
  inFolder(async (folder) => {
    const data = new Uint8Array(2 ** 25);
    const path = join(folder, "x.npz");
    const archive = encodeNpz({ video: { type: "|u1", shape: [2 ** 25], data } });
    archive[archive.length - 200]! ^= 1; // what comes later is not looked at
    await Deno.writeFile(path, archive);
    using file = await NpzFile.open(path);
    assert.deepEqual((await file.header("video")).shape, [2 ** 25]);
    await assert.rejects(file.read("video"), MediaError);
    using stored = await NpzFile.open(fixture("stored.npz"));
    assert.deepEqual((await stored.header("video")).shape, [3, 4, 5, 3]);
  }));

const ATTACKS: [name: string, bytes: Uint8Array, message: RegExp][] = [
  [
    "no end record",
    changed("stored.npz", (b) => b.subarray(0, b.length - 22)),
    /doesn't end as a zip archive does/,
  ],
  [
    "more entries than counted",
    changed("stored.npz", (b) => {
      put(b, directoryOf(b).end + 8, 1, 2);
      put(b, directoryOf(b).end + 10, 1, 2);
    }),
    /2 entries, its end says 1/,
  ],
  [
    "fewer entries than counted",
    changed("stored.npz", (b) => {
      put(b, directoryOf(b).end + 8, 3, 2);
      put(b, directoryOf(b).end + 10, 3, 2);
    }),
    /2 entries, its end says 3/,
  ],
  [
    "several disks",
    changed("stored.npz", (b) => put(b, directoryOf(b).end + 4, 1, 2)),
    /several disks/,
  ],
  [
    "a directory behind the end",
    changed("stored.npz", (b) => put(b, directoryOf(b).end + 16, 9e6, 4)),
    /directory doesn't end where/,
  ],
  ...[["a line break", 0x0a], ["an escape", 0x1b]].map(([what, byte]) =>
    [
      `a name with ${what} in it`,
      changed("stored.npz", (b) => put(b, directoryOf(b).first + 46, byte as number, 1)),
      /the two headers of "\\u00(0a|1b)ideo\.npy" differ in name/,
    ] as [string, Uint8Array, RegExp]
  ),
  ["encryption", changed("stored.npz", (b) => put(b, directoryOf(b).first + 8, 1, 2)), /encrypted/],
  [
    "an unknown method",
    changed("stored.npz", (b) => {
      put(b, directoryOf(b).first + 10, 12, 2);
      put(b, 8, 12, 2);
    }),
    /method 12/,
  ],
  [
    "a local header of another method",
    changed("stored.npz", (b) => put(b, 8, 8, 2)),
    /the two headers of "video\.npy" differ/,
  ],
  [
    "a local header of another name",
    changed("stored.npz", (b) => put(b, 30, 0x57, 1)),
    /the two headers of "video\.npy" differ/,
  ],
  [
    "a wrong checksum",
    changed("stored.npz", (b) => put(b, directoryOf(b).first + 16, 7, 4)),
    /checksum/,
  ],
  [
    "a size that cannot be",
    changed("compressed.npz", (b) => put(b, directoryOf(b).first + 24, 9e8, 4)),
    /impossible size/,
  ],
  [
    "a size that is too small",
    changed("compressed.npz", (b) => {
      put(b, directoryOf(b).first + 24, 100, 4);
    }),
    /differ in size/,
  ],
  [
    "a member that overlaps the next",
    changed("stored.npz", (b) => {
      put(b, directoryOf(b).first + 20, 400, 4);
      put(b, directoryOf(b).first + 24, 400, 4);
    }),
    /don't fill its place/,
  ],
  [
    "an offset to nowhere",
    changed("stored.npz", (b) => put(b, directoryOf(b).first + 42, 3, 4)),
    /begins at 3, expected at 0/,
  ],
];
for (const [name, bytes, message] of ATTACKS) {
  Deno.test(`NpzFile refuses ${name}`, () =>
    inFolder((folder) =>
      assert.rejects(readBytes(folder, bytes), (error: Error) => {
        assert.ok(error instanceof MediaError);
        assert.match(error.message, message);
        return true;
      })
    ));
}

Deno.test("NpzFile refuses the same name twice", () =>
  inFolder(async (folder) => {
    const bytes = changed("stored.npz", (b) => {
      // "video" and "extra" have the same length.
      const text = new TextDecoder("latin1").decode(b).replaceAll("actions.npy", "video.npy\0\0");
      return Uint8Array.from(text, (c) => c.charCodeAt(0));
    });
    await assert.rejects(readBytes(folder, bytes), MediaError);
    const array = { type: "|u1", shape: [1], data: Uint8Array.of(1) } as const;
    const joined = encodeNpz({ aa: array, bb: array });
    for (let at = 0; at < joined.length - 1; at++) {
      if (joined[at] === 0x62 && joined[at + 1] === 0x62) joined.fill(0x61, at, at + 2);
    }
    await assert.rejects(readBytes(folder, joined), /two entries named "aa\.npy"/);
  }));

Deno.test("NpzFile reads 64-bit sizes, offsets and end records", () =>
  inFolder(async (folder) => {
    const bytes = changed("stored.npz", to64Bit);
    const { frames } = await readBytes(folder, bytes);
    assert.deepEqual([...frames[0]!.data], [...FRAMES.subarray(0, 60)]);
    const locator = bytes.length - 42;
    put(bytes, locator + 8, 2 ** 53, 8);
    await assert.rejects(readBytes(folder, bytes), /locator points elsewhere|offset of/);
    put(bytes, locator, 0, 4);
    await assert.rejects(readBytes(folder, bytes), /zip64 record is missing/);
  }));

/** Rewrites the directory of an archive in the 64-bit forms that files over 4 GiB have. */
function to64Bit(bytes: Uint8Array): Uint8Array {
  const { end, first } = directoryOf(bytes);
  const out = [...bytes.subarray(0, first)];
  let count = 0;
  for (let at = first; at < end; count++) {
    const nameLength = u16(bytes, at + 28);
    const entry = bytes.slice(at, at + 46 + nameLength);
    const extra = new Uint8Array(28);
    put(extra, 0, 1, 2);
    put(extra, 2, 24, 2);
    extra.set(bytes.subarray(at + 24, at + 28), 4);
    extra.set(bytes.subarray(at + 20, at + 24), 12);
    extra.set(bytes.subarray(at + 42, at + 46), 20);
    for (const field of [20, 24, 42]) put(entry, field, 0xffffffff, 4);
    put(entry, 30, 28, 2);
    out.push(...entry, ...extra);
    at += 46 + nameLength + u16(bytes, at + 30) + u16(bytes, at + 32);
  }
  const size = out.length - first;
  const record = new Uint8Array(56 + 20 + 22);
  put(record, 0, 0x06064b50, 4);
  put(record, 4, 44, 8);
  for (const [field, value] of [[24, count], [32, count], [40, size], [48, first]] as const) {
    put(record, field, value, 8);
  }
  put(record, 56, 0x07064b50, 4);
  put(record, 64, out.length, 8);
  put(record, 72, 1, 4);
  put(record, 76, 0x06054b50, 4);
  put(record, 84, 0xffff, 2);
  put(record, 86, 0xffff, 2);
  put(record, 88, 0xffffffff, 4);
  put(record, 92, 0xffffffff, 4);
  return Uint8Array.of(...out, ...record);
}

Deno.test("encodeNpz() writes what NpzFile reads, the same each time", () =>
  inFolder(async (folder) => {
    const arrays = {
      video: { type: "|u1", shape: [3, 4, 5, 3], data: FRAMES },
      actions: { type: "<i8", shape: [3], data: BigInt64Array.of(0n, 5n, -1n) },
    } as const;
    const metadata = { comment: "far generate", "far.settings": '{"seed":0}' };
    const bytes = encodeNpz(arrays, metadata);
    assert.deepEqual(bytes, encodeNpz(arrays, metadata));
    const clip = await readBytes(folder, bytes);
    assert.deepEqual(clip.actions, [0, 5, -1]);
    assert.deepEqual(clip.metadata, metadata);
    assert.deepEqual([...clip.frames[2]!.data], [...FRAMES.subarray(120)]);
  }));

Deno.test("readClip() refuses floats outside [0, 1], with the value", () =>
  inFolder(async (folder) => {
    const path = join(folder, "x.npz");
    for (const value of [255, -1, NaN, Infinity]) {
      const data = new Float32Array(12).fill(value);
      const archive = encodeNpz({ video: { type: "<f4", shape: [1, 2, 2, 3], data } });
      await Deno.writeFile(path, archive);
      await assert.rejects(
        readClip(path),
        /frame 0 holds (255|-1|NaN|Infinity); floats must be in/,
      );
    }
  }));

Deno.test("readClip() says what is wrong with actions, and reads the frames", () =>
  inFolder(async (folder) => {
    const path = join(folder, "x.npz");
    const archive = encodeNpz({
      video: { type: "|u1", shape: [3, 4, 5, 3], data: FRAMES },
      actions: { type: "<i8", shape: [2], data: BigInt64Array.of(0n, 1n) },
    });
    await Deno.writeFile(path, archive);
    const { frames, actions, unusableActions } = await readClip(path);
    assert.deepEqual([frames.length, actions], [3, undefined]);
    assert.match(unusableActions!, /it has 3 frames but 2 actions/);
  }));

Deno.test("readClip() reads the frames although numpy saved the actions as words", async () => {
  const { frames, unusableActions } = await readClip(fixture("strings.npz"));
  assert.equal(frames.length, 3);
  assert.match(unusableActions!, /its elements are "<U5"/);
});

Deno.test("readClip() names the first of many arrays, none of which is a video", () =>
  inFolder(async (folder) => {
    const path = join(folder, "x.npz");
    const names = Array.from({ length: 2000 }, (_, i) => `a${i}.npy`);
    await Deno.writeFile(path, zip(names.map((name) => ({ name, data: new Uint8Array() }))));
    const few = /it has no array "video", only "a0", ("a\d", ){6}"a7" and 1992 more$/;
    await assert.rejects(readClip(path), few);
  }));

/** Arrays of three elements as numpy saves them: descr of the header, and bytes per element. */
const STRANGE_ACTIONS: [descr: string, size: number][] = [
  ["'<U4'", 16],
  ["'|S1'", 1],
  ["'|O'", 8],
  ["'>i4'", 4],
  ["'<c8'", 8],
  ["'<M8[D]'", 8],
  ["'|b1'", 1],
  ["'<f8'", 8],
  ["[('a', '<i4'), ('b', '<f4')]", 8],
];

/** A .npy with any `descr`. */
function npyOf(descr: string, shape: string, data: Uint8Array): Uint8Array {
  const header = `{'descr': ${descr}, 'fortran_order': False, 'shape': ${shape}, }`.padEnd(117);
  const start = [0x93, ...new TextEncoder().encode("NUMPY"), 1, 0, 118, 0];
  return Uint8Array.of(...start, ...new TextEncoder().encode(`${header}\n`), ...data);
}

for (const [descr, size] of STRANGE_ACTIONS) {
  Deno.test(`readClip() reads the frames although the actions are ${descr}`, () =>
    inFolder(async (folder) => {
      const path = join(folder, "x.npz");
      const video = npyOf("'|u1'", "(3, 4, 5, 3)", FRAMES);
      const strange = npyOf(descr, "(3,)", new Uint8Array(3 * size));
      await Deno.writeFile(
        path,
        zip([{ name: "video.npy", data: video }, { name: "actions.npy", data: strange }]),
      );
      const { frames, actions, unusableActions } = await readClip(path);
      assert.deepEqual([frames.length, actions], [3, undefined]);
      assert.match(unusableActions!, /^Cannot use the actions of ".*x\.npz": [^:]+$/);
    }));
}
