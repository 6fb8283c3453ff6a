import assert from "node:assert/strict";
import { collectFrames } from "../../media/frame_stream.ts";
import { Picks } from "../../media/picks.ts";
import { fractionOf } from "../../media/raw_writer.ts";
import { openY4m, parseY4mHeader } from "../../media/y4m.ts";

/** A stream that comes in pieces of `size` bytes. */
async function* inPieces(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) {
    yield await Promise.resolve(bytes.slice(at, at + size));
  }
}

const text = (value: string) => new TextEncoder().encode(value);
/** Two grey frames of 2x2: levels 16 and 235. */
const GREY = Uint8Array.of(
  ...text("YUV4MPEG2 W2 H2 F25:1 Cmono\nFRAME\n"),
  ...[16, 16, 16, 16],
  ...text("FRAME Ip\n"),
  ...[235, 235, 235, 235],
);

Deno.test("parseY4mHeader() reads sizes, rate and layout", () => {
  assert.deepEqual(
    parseY4mHeader("YUV4MPEG2 W64 H48 F30000:1001 Ip A1:1 C420p10 XYSCSS=420P10 XCOLORRANGE=FULL"),
    {
      width: 64,
      height: 48,
      fps: 30000 / 1001,
      bits: 10,
      chroma: [1, 1],
      alpha: false,
      fullRange: true,
    },
  );
  const plain = parseY4mHeader("YUV4MPEG2 H3 W5");
  assert.deepEqual([plain.bits, plain.chroma, plain.fps, plain.fullRange], [
    8,
    [1, 1],
    undefined,
    false,
  ]);
  assert.equal(parseY4mHeader("YUV4MPEG2 W1 H1 F0:0").fps, undefined);
  assert.deepEqual(parseY4mHeader("YUV4MPEG2 W1 H1 C444alpha").alpha, true);
  assert.deepEqual(parseY4mHeader("YUV4MPEG2 W1 H1 Cmono12").chroma, undefined);
  assert.deepEqual(parseY4mHeader("YUV4MPEG2 W1 H1 C411").chroma, [2, 0]);
});

Deno.test("parseY4mHeader() refuses what it does not know", () => {
  assert.throws(() => parseY4mHeader("YUV4MPEG W1 H1"), /not a \.y4m/);
  for (const sizes of ["", "W2", "W0 H1", "W2 H-1", "W1.5 H1", "W99999 H2", "Wx H2"]) {
    assert.throws(() => parseY4mHeader(`YUV4MPEG2 ${sizes}`), /gives no size/);
  }
  for (const layout of ["C410", "C420p7", "C420p32", "C", "Crgb", "C420jpegs"]) {
    assert.throws(() => parseY4mHeader(`YUV4MPEG2 W1 H1 ${layout}`), /layout ".*" is unknown/);
  }
});

Deno.test("openY4m() reads a pipe in pieces of any size", async () => {
  for (const size of [1, 3, 7, 1000]) {
    const stream = await openY4m(inPieces(GREY, size), "stdin");
    const { frames } = await collectFrames("stdin", stream, new Picks());
    assert.deepEqual(frames.map((frame) => frame.data[0]), [0, 255]);
    assert.equal(stream.fps, 25);
  }
});

Deno.test("openY4m() stops reading after the last frame that is wanted", async () => {
  let taken = 0;
  async function* endless(): AsyncGenerator<Uint8Array> {
    yield await Promise.resolve(GREY.subarray(0, 28));
    for (;; taken++) yield Uint8Array.of(...text("FRAME\n"), 99, 99, 99, 99);
  }
  const stream = await openY4m(endless(), "stdin");
  const { frames } = await collectFrames(
    "stdin",
    stream,
    new Picks({ start: 3, stride: 2, count: 2 }),
  );
  assert.equal(frames.length, 2);
  assert.ok(taken <= 7, `${taken} pieces`);
});

Deno.test("openY4m() warns of a stream cut off at any place inside a frame", async () => {
  const firstEnds = 28 + 6 + 4;
  for (let length = 28; length < GREY.length; length++) {
    const stream = await openY4m(inPieces(GREY.subarray(0, length), 5), "stdin");
    const read = collectFrames("stdin", stream, new Picks());
    if (length < firstEnds) await assert.rejects(read, /it has no frames/);
    else assert.equal((await read).frames.length, 1);
    const isWhole = length === 28 || length === firstEnds;
    assert.equal(stream.warnings.length, isWhole ? 0 : 1, `${length} bytes`);
  }
});

Deno.test("openY4m() refuses anything that is not a frame, and endless lines", async () => {
  const wrong = Uint8Array.of(...GREY.subarray(0, 28), ...text("FRAMES\n"), 1, 2, 3, 4);
  const stream = await openY4m(inPieces(wrong, 9), "stdin");
  await assert.rejects(
    collectFrames("stdin", stream, new Picks()),
    /its frame 0 does not begin with FRAME/,
  );
  await assert.rejects(openY4m(inPieces(new Uint8Array(9000).fill(65), 100), "x"), /too long/);
  await assert.rejects(openY4m(inPieces(new Uint8Array(0), 1), "x"), /not a \.y4m/);
});

Deno.test("openY4m() takes BT.709 when told", async () => {
  const red = Uint8Array.of(...text("YUV4MPEG2 W1 H1 C444\nFRAME\n"), 63, 102, 240);
  const read = async (matrix?: "bt709") => {
    const stream = await openY4m(inPieces(red, 64), "x", matrix);
    return [...(await collectFrames("x", stream, new Picks())).frames[0]!.data];
  };
  const [r, g, b] = await read("bt709");
  assert.ok(r! >= 253 && g! <= 2 && b! <= 2, `${[r, g, b]}`);
  assert.notDeepEqual(await read(), [r, g, b]);
});

Deno.test("fractionOf() finds the fraction that was meant", () => {
  for (
    const [fps, fraction] of [
      [8, [8, 1]],
      [7.5, [15, 2]],
      [30000 / 1001, [30000, 1001]],
      [1 / 3, [1, 3]],
      [23.976, [23976000, 1000000]],
      [0.1, [100000, 1000000]],
    ] as const
  ) {
    assert.deepEqual(fractionOf(fps), fraction);
  }
});
