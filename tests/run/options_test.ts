import assert from "node:assert/strict";
import { flowMatchTimes } from "../../model/scheduler.ts";
import { type OptionsInfo, resolveOptions } from "../../run/options.ts";

const INFO: OptionsInfo = {
  name: "maze",
  condition: { kind: "none", count: 0 },
  channels: 4,
  compression: 8,
  multiple: 8,
  positions: "exact",
  timesteps: "exact",
  schedule: { shift: 3, shiftTerminal: 0.2 },
};

Deno.test("resolveOptions() takes the model's noise levels unless others are given", () => {
  const given = { shift: 1, shiftTerminal: 0.5 };
  for (const [schedule, expected] of [[undefined, INFO.schedule], [given, given]] as const) {
    const { calls } = resolveOptions({ frames: 1, steps: 4, ...(schedule && { schedule }) }, INFO);
    const { timesteps } = flowMatchTimes(4, expected);
    assert.deepEqual(calls.map(({ timestep }) => timestep), Array.from(timesteps));
  }
});
