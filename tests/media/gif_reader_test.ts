import assert from "node:assert/strict";
import { MediaError } from "../../media/errors.ts";
import type { RgbFrame } from "../../media/frames.ts";
import { openGif, readGifComments } from "../../media/gif_reader.ts";
import { fromComments } from "../../media/text_tags.ts";
import { delayOf } from "../../media/gif_frame.js";
import { fixture } from "./support/expected.ts";

// Black, red, green, blue.
const PALETTE = [0, 0, 0, 255, 0, 0, 0, 255, 0, 0, 0, 255];
const HEADER = [...new TextEncoder().encode("GIF89a")];

/** LZW without a dictionary: a clear code before every second pixel keeps codes at 3 bits. */
function pack(pixels: number[]): number[] {
  const codes = pixels.flatMap((pixel, i) => i % 2 === 0 ? [4, pixel] : [pixel]);
  codes.push(5);
  const bits = codes.flatMap((code) => [code & 1, (code >> 1) & 1, code >> 2]);
  const bytes: number[] = [];
  for (let at = 0; at < bits.length; at += 8) {
    bytes.push(bits.slice(at, at + 8).reduce((sum, bit, i) => sum | bit << i, 0));
  }
  return [2, bytes.length, ...bytes, 0];
}

interface Picture {
  at?: readonly [left: number, top: number];
  size: readonly [width: number, height: number];
  pixels: number[];
  disposal?: number;
  transparent?: number;
  delay?: number;
  interlaced?: boolean;
}

function gif(width: number, height: number, pictures: Picture[]): Uint8Array {
  const parts = [...HEADER, width, 0, height, 0, 0x81, 0, 0, ...PALETTE];
  for (
    const { at = [0, 0] as const, size, pixels, disposal = 0, transparent, delay = 0, interlaced }
      of pictures
  ) {
    const flags = disposal << 2 | (transparent === undefined ? 0 : 1);
    parts.push(0x21, 0xf9, 4, flags, delay, 0, transparent ?? 0, 0);
    parts.push(
      0x2c,
      at[0],
      0,
      at[1],
      0,
      size[0],
      0,
      size[1],
      0,
      interlaced ? 0x40 : 0,
      ...pack(pixels),
    );
  }
  return Uint8Array.of(...parts, 0x3b);
}

/** Each frame as letters: black is ".", then r, g, b. */
async function letters(bytes: Uint8Array): Promise<string[]> {
  const found: string[] = [];
  for (const { pixels } of openGif(bytes, "x.gif").frames as Iterable<{ pixels(): RgbFrame }>) {
    const { data } = await pixels();
    found.push(
      Array.from({ length: data.length / 3 }, (_, i) => {
        const lit = [data[3 * i], data[3 * i + 1], data[3 * i + 2]].indexOf(255);
        return ".rgb"[lit + 1];
      }).join(""),
    );
  }
  return found;
}

Deno.test("openGif() leaves, clears and undoes pictures as they ask", async () => {
  const base = { size: [3, 1], pixels: [1, 1, 1] } as const;
  const dot = (colour: number, disposal: number): Picture => ({
    at: [1, 0],
    size: [1, 1],
    pixels: [colour],
    disposal,
  });
  const bytes = gif(3, 1, [
    { size: [3, 1], pixels: [...base.pixels] },
    dot(2, 3),
    dot(3, 2),
    dot(0, 1),
  ]);
  assert.deepEqual(await letters(bytes), ["rrr", "rgr", "rbr", "r.r"]);
});

Deno.test("openGif() keeps the picture under transparent pixels", async () => {
  const bytes = gif(2, 2, [
    { size: [2, 2], pixels: [1, 2, 3, 1] },
    { size: [2, 2], pixels: [0, 3, 0, 0], transparent: 0 },
  ]);
  assert.deepEqual(await letters(bytes), ["rgbr", "rbbr"]);
});

Deno.test("openGif() sorts the rows of interlaced pictures", async () => {
  // 9 rows come as 0, 8, 4, 2, 6, 1, 3, 5, 7.
  const pixels = [0, 8, 4, 2, 6, 1, 3, 5, 7].map((row) => row % 4);
  const bytes = gif(1, 9, [{ size: [1, 9], pixels, interlaced: true }]);
  assert.deepEqual(await letters(bytes), [".rgb.rgb."]);
});

Deno.test("openGif() cuts pictures that reach over the edge", async () => {
  const bytes = gif(2, 1, [{ at: [1, 0], size: [3, 2], pixels: [1, 2, 3, 1, 2, 3] }]);
  assert.deepEqual(await letters(bytes), [".r"]);
});

Deno.test("openGif() takes the rate from the delays", () => {
  const picture: Picture = { size: [1, 1], pixels: [1], delay: 4 };
  assert.equal(openGif(gif(1, 1, [picture, picture]), "x").fps, 25);
  assert.equal(openGif(gif(1, 1, [{ ...picture, delay: 0 }]), "x").fps, undefined);
});

Deno.test("openGif() reads a file that is cut off at any byte, or says so", async () => {
  const whole = Deno.readFileSync(fixture("animated.gif"));
  let most = 0;
  for (let length = 0; length < whole.length; length++) {
    try {
      const stream = openGif(whole.subarray(0, length), "x");
      const count = Array.from(stream.frames as Iterable<unknown>).length;
      assert.ok(count >= most && count <= 8);
      assert.equal(stream.warnings.length, 1);
      most = count;
    } catch (error) {
      assert.ok(error instanceof MediaError, `${length}: ${error}`);
    }
  }
  assert.equal(most, 8);
  assert.equal((await letters(whole)).length, 8);
});

Deno.test("openGif() refuses sizes that cannot be, and rubbish", () => {
  const bytes = gif(1, 1, [{ size: [1, 1], pixels: [1] }]);
  const huge = bytes.slice();
  huge.fill(0xff, 6, 10);
  assert.throws(() => openGif(huge, "x"), /65535x65535 is too large/);
  const rubbish = bytes.slice();
  rubbish[25] = 0x77;
  assert.throws(() => openGif(rubbish, "x"), /damaged/);
});

Deno.test("readGifComments() finds comments", () => {
  const comment = [0x21, 0xfe, 3, 97, 98, 99, 0];
  assert.deepEqual(
    readGifComments(Uint8Array.of(...HEADER, 1, 0, 1, 0, 0, 0, 0, ...comment, 0x3b)),
    ["abc"],
  );
});

/** A GIF without pictures that has `part` a million times between `before` and `after`. */
function gifOfMany(before: number[], part: number[], after: number[]): Uint8Array {
  const head = [...HEADER, 1, 0, 1, 0, 0, 0, 0, ...before];
  const bytes = new Uint8Array(head.length + 1e6 * part.length + after.length + 1);
  bytes.set(head);
  for (let i = 0; i < 1e6; i++) bytes.set(part, head.length + i * part.length);
  bytes.set([...after, 0x3b], bytes.length - after.length - 1);
  return bytes;
}

Deno.test("readGifComments() finds a million comments, and one of a million pieces", () => {
  const comments = readGifComments(gifOfMany([], [0x21, 0xfe, 1, 97, 0], []));
  assert.deepEqual([comments.length, comments.at(-1)], [1e6, "a"]);
  assert.deepEqual(fromComments(comments), { comment: "a" });
  const [long] = readGifComments(gifOfMany([0x21, 0xfe], [1, 97], [0]));
  assert.equal(long, "a".repeat(1e6));
});

Deno.test("openGif() finds no picture among a million extensions", () => {
  for (const part of [[0x21, 0xff, 0], [0x21, 0xf9, 4, 0, 1, 0, 0, 0], [0]]) {
    const { frames } = openGif(gifOfMany([], part, []), "x");
    assert.equal([...frames as Iterable<unknown>].length, 0);
  }
});

Deno.test("delayOf() keeps the speed over the whole", () => {
  for (const fps of [8, 7, 12, 24, 30, 0.5]) {
    let sum = 0;
    for (let k = 0; k < 600; k++) sum += delayOf(k, fps);
    assert.equal(sum, Math.round(600 * 100 / fps));
  }
  assert.equal(delayOf(0, 500), 2);
});
