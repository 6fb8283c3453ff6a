import assert from "node:assert/strict";
import { join } from "node:path";
import { crc32, deflateSync } from "node:zlib";
import { readClip } from "../../media/clip.ts";
import { decodeImage, type ImageType } from "../../media/image_reader.ts";
import kinds from "../fixtures/media/png_kinds.json" with { type: "json" };
import odd from "../fixtures/media/odd_pictures.json" with { type: "json" };
import oriented from "../fixtures/media/oriented.json" with { type: "json" };
import { inFolder } from "../support/folder.ts";

// Written by ImageMagick, read by PIL: every depth and colour, interlaced and not.
for (const [name, { png, rgb }] of Object.entries(kinds)) {
  Deno.test(`decodeImage() reads ${name} as PIL does`, async () => {
    const { width, height, data } = await decodeImage(Uint8Array.fromBase64(png), "png");
    assert.deepEqual([width, height, data.toHex()], [11, 7, rgb]);
  });
}

Deno.test("decodeImage() turns PNG and WebP as PIL's exif_transpose does", async () => {
  for (const { type, orientation, file, width, height, middles } of oriented) {
    const picture = await decodeImage(Uint8Array.fromBase64(file), type as ImageType);
    const what = `${type} ${orientation}`;
    assert.deepEqual([picture.width, picture.height], [width, height], what);
    for (const [i, middle] of middles.entries()) {
      const [column, row] = [Math.floor(i / 3) % (width / 16), Math.floor(i / 3 / (width / 16))];
      const found = picture.data[((row * 16 + 8) * width + column * 16 + 8) * 3 + i % 3]!;
      assert.ok(Math.abs(found - middle) <= 24, `${what}: ${found} for ${middle}`); // lossy WebP
    }
  }
});

// Written by PIL, decoded to planes by FFmpeg: the last column, then the last row, in BT.601.
for (const { name, type, file, width, height, edge } of odd) {
  Deno.test(`decodeImage() gives the last column and row of a ${name} as FFmpeg does`, async () => {
    const picture = await decodeImage(Uint8Array.fromBase64(file), type as ImageType);
    assert.deepEqual([picture.width, picture.height], [width, height]);
    const pixel = (
      x: number,
      y: number,
    ) => [...picture.data.subarray(3 * (y * width + x)).slice(0, 3)];
    const column = Array.from({ length: height }, (_, y) => pixel(width - 1, y));
    const row = Array.from({ length: width }, (_, x) => pixel(x, height - 1));
    const found = [...column, ...row].flat();
    const wanted = Uint8Array.fromHex(edge);
    assert.equal(found.length, wanted.length);
    const worst = Math.max(...found.map((value, i) => Math.abs(value - wanted[i]!)));
    assert.ok(worst <= 1, `${worst} levels`); // other rounding
  });
}

function chunk(name: string, data: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(12 + data.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, data.length);
  bytes.set(new TextEncoder().encode(name), 4);
  bytes.set(data, 8);
  view.setUint32(8 + data.length, crc32(bytes.subarray(4, 8 + data.length)));
  return bytes;
}

/** A grey picture of 2x2 with these chunks before its own. */
function pngOf(before: readonly Uint8Array[], picture: Uint8Array, size = 2): Uint8Array {
  const header = new Uint8Array(13);
  new DataView(header.buffer).setUint32(0, size);
  new DataView(header.buffer).setUint32(4, size);
  header[8] = 8;
  const parts = [chunk("IHDR", header), ...before, chunk("IDAT", deflateSync(picture))];
  const bytes = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];
  for (const part of [...parts, chunk("IEND", new Uint8Array(0))]) {
    for (const byte of part) bytes.push(byte);
  }
  return Uint8Array.from(bytes);
}
const PICTURE = Uint8Array.of(0, 1, 2, 0, 3, 4);
/** Packs to about 64 kB. */
const BOMB = new Uint8Array(2 ** 26);

Deno.test("decodeImage() unpacks only the picture, up to its size", async () => {
  const profile = Uint8Array.of(0x61, 0, 0, ...deflateSync(BOMB));
  for (const name of ["iCCP", "zTXt", "iTXt"]) {
    const { data } = await decodeImage(pngOf([chunk(name, profile)], PICTURE), "png");
    assert.deepEqual([...data], [1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4]);
  }
  await assert.rejects(decodeImage(pngOf([], BOMB), "png"), /does not unpack to its size/);
  await assert.rejects(decodeImage(pngOf([], PICTURE, 3), "png"), /its picture is too short/);
  await assert.rejects(decodeImage(pngOf([], PICTURE, 2 ** 20), "png"), /1048576x1048576 is too/);
});

Deno.test("decodeImage() refuses a WebP by the size in its header", async () => {
  const lossless = Uint8Array.of(0x2f, 0xff, 0xff, 0xff, 0x0f, 0);
  const lossy = Uint8Array.of(0, 0, 0, 0x9d, 0x01, 0x2a, 0xff, 0x3f, 0xff, 0x3f);
  for (const [name, data] of [["VP8L", lossless], ["VP8 ", lossy]] as const) {
    const bytes = new Uint8Array(20 + data.length);
    bytes.set(new TextEncoder().encode(`RIFF....WEBP${name}`));
    bytes[16] = data.length;
    bytes.set(data, 20);
    await assert.rejects(decodeImage(bytes, "webp"), /size 1638\dx1638\d is too large/);
  }
});

Deno.test("readClip() says that of an APNG only the first picture is read", () =>
  inFolder(async (folder) => {
    const path = join(folder, "a.png");
    for (const [count, warnings] of [[1, 0], [2, 1]] as const) {
      const control = Uint8Array.of(0, 0, 0, count, 0, 0, 0, 0);
      await Deno.writeFile(path, pngOf([chunk("acTL", control)], PICTURE));
      assert.equal((await readClip(path)).warnings.length, warnings);
    }
  }));
