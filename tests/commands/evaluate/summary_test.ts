import assert from "node:assert/strict";
import { publishedOf, ranked, summarise } from "../../../commands/evaluate/summary.ts";
import { PRESETS } from "../../../mod.ts";
import { result, RESULTS } from "./evaluation_fixture.ts";

Deno.test("summarise() averages clips, then seeds, and gives the spread over seeds", () => {
  const { overall, frames } = summarise(RESULTS, 24);
  // seed 0: (15 + 25) / 2, seed 2: (17 + 27) / 2
  assert.equal(overall.psnr!.mean, 21);
  assert.ok(Math.abs(overall.psnr!.deviation! - Math.SQRT2) < 1e-12);
  assert.deepEqual(frames.map(({ frame, psnr }) => [frame, psnr]), [[24, 26], [25, 16]]);
  assert.equal(summarise(RESULTS.slice(0, 2), 0).overall.psnr!.deviation, undefined);
});

Deno.test("ranked() puts the best clip of the first seed first", () => {
  const more = [...RESULTS, result("2-c", "0", [90])];
  assert.deepEqual(ranked(more).map(({ id }) => id), ["2-c", "1-b", "0-a"]);
});

Deno.test("publishedOf() knows the four published predictions", () => {
  const known = PRESETS.filter((preset) => publishedOf(preset));
  assert.equal(known.length, 4);
  assert.equal(publishedOf(PRESETS[0])?.psnr, 22.3);
  assert.equal(publishedOf(undefined), undefined);
});
