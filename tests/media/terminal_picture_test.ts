// deno-lint-ignore-file no-control-regex
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { decode } from "fast-png";
import { terminalPicture } from "../../media/terminal_picture.ts";
import { movingBar } from "./support/ffmpeg.ts";

const [FRAME] = movingBar(40, 30, 1);
const CELLS = { columns: 40, rows: 20 };

Deno.test("terminalPicture() sends kitty the pixels as they are, in pieces", () => {
  const text = terminalPicture(FRAME!, "kitty", CELLS);
  const pieces = [...text.matchAll(/\x1b_G([^;]*);([^\x1b]*)\x1b\\/g)];
  assert.equal(pieces.map(([whole]) => whole).join(""), text);
  assert.match(pieces[0]![1]!, /^a=T,f=24,s=40,v=30,.*C=1,c=40,r=20,m=1$/);
  const base64 = pieces.map(([, , data]) => data).join("");
  assert.deepEqual(new Uint8Array(Buffer.from(base64, "base64")), FRAME!.data);
});

Deno.test("terminalPicture() splits long data for kitty, and marks its end", () => {
  const [large] = movingBar(100, 80, 1);
  const text = terminalPicture(large!, "kitty", CELLS);
  const more = [...text.matchAll(/m=(\d);([^\x1b]*)/g)];
  assert.deepEqual(more.map(([, m]) => m), ["1", "1", "1", "1", "1", "1", "1", "0"]);
  assert.ok(more.every(([, , data]) => data!.length <= 4096));
});

Deno.test("terminalPicture() sends iTerm2 a PNG", () => {
  const text = terminalPicture(FRAME!, "iterm2", CELLS);

  const [, size, base64] = /^\x1b\]1337;File=inline=1;size=(\d+);width=40;.*:(.*)\x07$/.exec(text)!;
  const png = Buffer.from(base64!, "base64");
  assert.equal(png.length, Number(size));
  const { width, height, data } = decode(png);
  assert.deepEqual([width, height], [40, 30]);
  assert.deepEqual(new Uint8Array(data), FRAME!.data);
});

Deno.test("terminalPicture() draws enlarged sixels in fewer colours", () => {
  const { width, height, pixels } = drawSixels(terminalPicture(FRAME!, "sixel", CELLS));
  assert.deepEqual([width, height], [320, 240]); // eight-fold: 40 characters of 8 pixels
  let sum = 0;
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const from = (Math.floor(y / 8) * 40 + Math.floor(x / 8)) * 3;
      for (let c = 0; c < 3; c++) {
        sum += Math.abs(pixels[(y * width + x) * 3 + c]! - FRAME!.data[from + c]!);
      }
    }
  }
  assert.ok(sum / pixels.length < 8, `${sum / pixels.length}`);
});

/** Draws sixels as a terminal does. */
function drawSixels(text: string) {
  const [, w, h, body] = /^\x1bP0;1q"1;1;(\d+);(\d+)(.*)\x1b\\$/s.exec(text)!;
  const [width, height] = [Number(w), Number(h)];
  const pixels = new Uint8Array(3 * width * height);
  const palette = new Map<number, number[]>();
  let [x, y, colour] = [0, 0, 0];
  const tokens = /#(\d+);2;(\d+);(\d+);(\d+)|#(\d+)|!(\d+)([?-~])|([?-~])|([$-])/g;
  for (const [, define, r, g, b, use, count, repeated, single, move] of body!.matchAll(tokens)) {
    if (define) palette.set(Number(define), [r, g, b].map((part) => Number(part) * 255 / 100));
    else if (use) colour = Number(use);
    else if (move) [x, y] = [0, move === "-" ? y + 6 : y];
    else {
      const bits = (repeated ?? single)!.charCodeAt(0) - 63;
      for (let n = Number(count ?? 1); n > 0; n--, x++) {
        for (let row = 0; row < 6; row++) {
          if (bits & 1 << row) pixels.set(palette.get(colour)!, 3 * ((y + row) * width + x));
        }
      }
    }
  }
  return { width, height, pixels };
}
