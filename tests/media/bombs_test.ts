import assert from "node:assert/strict";
import { crc32, deflateSync } from "node:zlib";
import { zipSync } from "fflate";
import { join } from "node:path";
import { TooMuchError } from "../../media/budget.ts";
import { readClip } from "../../media/clip.ts";
import { readClipFacts } from "../../media/clip_facts.ts";
import { readMetadata } from "../../media/metadata.ts";
import { encodeNpyHeader, type NpyType } from "../../media/npy.ts";
import { encodeNpz } from "../../media/npz.ts";
import { inFolder } from "../support/folder.ts";

/**
 * Memory by which the process may grow while it refuses a bomb: a fraction of what each announces.
 */
const MOST_GROWTH = 2 ** 29;

const text = (bytes: string) => Uint8Array.from(bytes, (c) => c.charCodeAt(0));
const zeros = (count: number, ...shape: number[]) => ({
  type: "|u1" as const,
  shape,
  data: new Uint8Array(count),
});
const joined = (parts: Uint8Array[]) => new Blob(parts as BlobPart[]).bytes();

/** A .npy with a hole in place of its elements. */
async function hollowNpy(path: string, type: NpyType, shape: number[]): Promise<void> {
  const header = encodeNpyHeader(type, shape);
  await Deno.writeFile(path, header);
  const bytes = shape.reduce((a, b) => a * b, Number(type.at(-1)));
  await Deno.truncate(path, header.length + bytes);
}

function png(...chunks: [name: string, data: Uint8Array][]): Promise<Uint8Array> {
  const parts = chunks.flatMap(([name, data]) => {
    const body = Uint8Array.of(...text(name), ...data);
    return [big(data.length), body, big(crc32(body))];
  });
  return joined([text("\x89PNG\r\n\x1a\n"), ...parts]);
}

function big(value: number, bytes = 4): Uint8Array {
  return Uint8Array.from({ length: bytes }, (_, i) => value / 256 ** (bytes - 1 - i) & 255);
}

const pngHeader = (width: number, height: number, colour = 2) =>
  ["IHDR", Uint8Array.of(...big(width), ...big(height), 8, colour, 0, 0, 0)] as [
    string,
    Uint8Array,
  ];
const PNG_END: [string, Uint8Array] = ["IEND", new Uint8Array(0)];

const write = (make: () => Uint8Array | Promise<Uint8Array>) => async (path: string) =>
  await Deno.writeFile(path, await make());

/** Small files that announce a lot of data, and the errors they give. */
const BOMBS: [name: string, make: (path: string) => Promise<void>, message: RegExp][] = [
  [
    "millions of frames of one pixel.npz",
    write(() => (encodeNpz({ video: zeros(27e6, 9e6, 1, 1, 3) }))),
    /9000000 frames are more than 1000000/,
  ],
  [
    "millions of actions.npz",
    write(() => (encodeNpz({ video: zeros(12, 1, 2, 2, 3), actions: zeros(2e7, 2e7) }))),
    /"actions" in it takes 20000000 bytes, more than 16777216/,
  ],
  [
    "much text.npz",
    write(() => {
      const array = Uint8Array.of(...encodeNpyHeader("|u1", [1, 1, 1, 3]), 0, 0, 0);
      return zipSync({
        "video.npy": array,
        "metadata.json": new Uint8Array(2e7).fill(0x20),
      });
    }),
    /"metadata\.json" in it is larger than 16777216 bytes/,
  ],
  [
    "thousands of frames.npy",
    (path) => hollowNpy(path, "|u1", [1_000_000, 32, 32, 3]),
    /more than 2 GiB of memory/,
  ],
  [
    "few frames of doubles.npy",
    (path) => hollowNpy(path, "<f8", [9, 8192, 8192, 3]),
    /size 8192x8192 is too large/,
  ],
  [
    "one large frame.npy",
    (path) => hollowNpy(path, "|u1", [1, 32768, 32768, 3]),
    /size 32768x32768 is too large/,
  ],
  [
    "a large header.png",
    write(() => png(pngHeader(65536, 65536), ["IDAT", deflateSync(new Uint8Array(100))], PNG_END)),
    /size 65536x65536 is too large/,
  ],
  [
    "a file with a hole.png",
    async (path) => {
      await Deno.writeFile(path, await png(pngHeader(1, 1)));
      await Deno.truncate(path, 2 ** 33);
    },
    /its 8589934592 bytes are too many/,
  ],
  [
    "a large canvas.gif",
    write(() => Uint8Array.of(...text("GIF89a\xff\xff\xff\xff\x00\x00\x00;"))),
    /size 65535x65535 is too large/,
  ],
  [
    "a large frame.jpg",
    write(() =>
      Uint8Array.of(...text("\xff\xd8\xff\xc0\x00\x11\x08\xff\xff\xff\xff\x03\x01\x22\x00"), ...[
        ...text("\x02\x11\x00\x03\x11\x00\xff\xd9"),
      ])
    ),
    /size 65535x65535 is too large/,
  ],
  [
    "a large lossless picture.webp",
    write(() => text("RIFF\x16\x00\x00\x00WEBPVP8L\x0a\x00\x00\x00\x2f\xff\xff\xff\x0f\0\0\0\0\0")),
    /size 16384x16384 is too large/,
  ],
  [
    "a large lossy picture.webp",
    write(() =>
      text("RIFF\x16\x00\x00\x00WEBPVP8 \x0a\x00\x00\x00\x30\x01\x00\x9d\x01\x2a\xff\x3f\xff\x3f")
    ),
    /size 16383x16383 is too large/,
  ],
  [
    "a large picture.y4m",
    write(() => text("YUV4MPEG2 W65536 H65536 F8:1 C444\nFRAME\n")),
    /size 65536x65536 is too large/,
  ],
  [
    "deep colour.y4m",
    write(() => text("YUV4MPEG2 W8000 H8000 F8:1 C444p16\nFRAME\n")),
    /size 8000x8000 is too large/,
  ],
];
for (const [name, make, message] of BOMBS) {
  Deno.test(`readClip() refuses ${name} by its header`, () =>
    inFolder(async (folder) => {
      const path = join(folder, name);
      await make(path);
      const before = Deno.memoryUsage().rss;
      await assert.rejects(readClip(path), (error: Error) => {
        assert.match(error.message, message);
        assert.ok(error.message.startsWith(`Cannot read "${path}": `), error.message);
        return true;
      });
      for (const describe of [readClipFacts, readMetadata]) {
        await describe(path).catch((error) => assert.match(error.message, message));
      }
      assert.ok(Deno.memoryUsage().rss - before < MOST_GROWTH);
    }));
}

Deno.test("readClip() never unpacks data that a PNG holds besides its picture", () =>
  inFolder(async (folder) => {
    const bomb = deflateSync(new Uint8Array(2 ** 26));
    const path = join(folder, "a.png");
    const picture: [string, Uint8Array] = ["IDAT", deflateSync(Uint8Array.of(0, 1, 2, 3))];
    const beside: [string, Uint8Array][] = [
      ["iCCP", Uint8Array.of(...text("a\0\0"), ...bomb)],
      ["zTXt", Uint8Array.of(...text("a\0\0"), ...bomb)],
      ["iTXt", Uint8Array.of(...text("a\0\x01\0\0\0"), ...bomb)],
    ];
    await Deno.writeFile(path, await png(pngHeader(1, 1), ...beside, picture, PNG_END));
    assert.deepEqual([...(await readClip(path)).frames[0]!.data], [1, 2, 3]);
    await Deno.writeFile(path, await png(pngHeader(1, 1), ["IDAT", bomb], PNG_END));
    await assert.rejects(readClip(path), /does not unpack to its size/);
  }));

Deno.test("readClip() takes few frames out of many, and checks the rest", () =>
  inFolder(async (folder) => {
    const path = join(folder, "a.npz");
    const bytes = await (encodeNpz({ video: zeros(27e6, 9000, 10, 100, 3) }));
    await Deno.writeFile(path, bytes);
    assert.equal((await readClip(path, { count: 2 })).frames.length, 2);
    assert.equal((await readClip(path, { stride: 3000 })).frames.length, 3);
    const directory = bytes.length - 22 - 46 - "video.npy".length;
    for (const at of [14, directory + 16]) bytes[at]! ^= 1; // of the checksum
    await Deno.writeFile(path, bytes);
    await assert.rejects(readClip(path, { count: 2 }), /checksum of .* is wrong/);
  }));

Deno.test("readClip() does not hand too large files to ffmpeg", async () => {
  await inFolder(async (folder) => {
    const path = join(folder, "a.npy");
    await hollowNpy(path, "|u1", [1_000_000, 32, 32, 3]);
    await assert.rejects(readClip(path), TooMuchError);
    assert.equal((await readClip(path, { count: 1 })).frames.length, 1);
    // As they would be after resizing.
    await assert.rejects(
      readClip(path, { count: 20, size: { width: 8192, height: 8192 } }),
      /more than 2 GiB/,
    );
  });
});
