import assert from "node:assert/strict";
import { checkGuidance, modelWarnings, type Wanted } from "../../request/model_warnings.ts";

const FAR = {
  name: "FAR_B",
  condition: { kind: "none", count: 0 },
  compression: 8,
  long: false,
  window: 16,
  defaults: {},
} as const;
const MAZE = {
  ...FAR,
  name: "maze",
  condition: { kind: "action", count: 4 },
  compression: 16,
  long: true,
  window: 8,
  defaults: { size: "64x64", frames: 48, context_frames: 12 },
} as const;
const UNKNOWN = { ...MAZE, defaults: {} };

const FIT: Wanted = { size: { width: 64, height: 64 }, frames: 16, guidance: 1, slope: 0 };
const SIZE = /^\w+ was trained at \d+x\d+: .*; --size \d+x\d+ helps$/;
const LENGTH = /^\d+ frames are many more than the \d+ that .*; --flexrope 0\.06 helps$/;

const CASES: readonly [Partial<Wanted>, Parameters<typeof modelWarnings>[1], RegExp[]][] = [
  [{}, FAR, []],
  [{ size: { width: 128, height: 64 } }, FAR, [SIZE]],
  [{ size: { width: 64, height: 32 } }, MAZE, [SIZE]],
  [{ size: { width: 128, height: 128 } }, UNKNOWN, []],
  [{ size: undefined }, FAR, []],
  [{ frames: 32 }, FAR, []],
  [{ frames: 33 }, FAR, [LENGTH]],
  [{ frames: 33, slope: 0.01 }, FAR, []],
  [{ frames: 120 }, MAZE, []],
  [{ frames: 121 }, MAZE, [LENGTH]],
  [{ frames: 9999, size: { width: 128, height: 128 } }, UNKNOWN, []], // its length is unknown
  [{ guidance: 2 }, FAR, [/^--guidance 2 changes nothing: FAR_B has no actions or labels$/]],
  [{ guidance: -1 }, FAR, [/^--guidance -1 changes nothing/]],
  [{ guidance: 2 }, MAZE, []],
  [{ guidance: undefined }, FAR, []],
  [{ size: { width: 32, height: 64 }, frames: 900, guidance: 3 }, FAR, [
    SIZE,
    LENGTH,
    /changes nothing/,
  ]],
];

for (const [wanted, info, expected] of CASES) {
  Deno.test(`modelWarnings() of ${info.name} with ${JSON.stringify(wanted)}`, () => {
    const found = modelWarnings({ ...FIT, ...wanted }, info);
    assert.equal(found.length, expected.length, JSON.stringify(found));
    for (const [i, pattern] of expected.entries()) assert.match(found[i]!.text, pattern);
  });
}

Deno.test("checkGuidance() refuses what would be taken for something else", () => {
  for (const guidance of [undefined, -1, 1, 1.5, 20]) checkGuidance(guidance);
  for (const guidance of [0, -0, 0.5, 0.999, -0.5, -2]) {
    assert.throws(() => checkGuidance(guidance), { name: "UsageError", message: /give 1 \(off\)/ });
  }
});
