import assert from "node:assert/strict";
import { protocolTable, runLines } from "../../../commands/bench/protocol.ts";

const RUN = { model: "far-b", cache: true, frames: 16, seconds: 3.456 };
const BYTES = { allocated: 5 * 2 ** 20, peak: 2 ** 20 * 7.25 };

Deno.test("runLines() are those of the released script", () => {
  assert.equal(
    runLines({ ...RUN, bytes: BYTES }),
    "[TIMER] Generated 16 frames at 3.46 s.\n[MEMORY] Allocated: 5.00 MB | Peak: 7.25 MB",
  );
  const { seconds: _, ...skipped } = { ...RUN, problem: "too large" };
  assert.equal(runLines(skipped), "[SKIPPED] 16 frames: too large");
});

Deno.test("protocolTable() has a row for each model and cache", () => {
  const runs = [
    { ...RUN, cache: false, bytes: BYTES },
    { ...RUN, cache: false, frames: 64, problem: "too large", seconds: undefined },
    { ...RUN, bytes: BYTES },
    { ...RUN, frames: 64, seconds: 20, bytes: BYTES },
  ];
  assert.equal(
    protocolTable(runs),
    "model  cache  16 frames, s  64 frames, s\n" +
      "far-b  off            3.46             -\n" +
      "far-b  on             3.46         20.00",
  );
});
