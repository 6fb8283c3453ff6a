import assert from "node:assert/strict";
import type { ModelInfo } from "../../mod.ts";
import { type Findings, fitRun, type KnownContext, THROWN } from "../../request/fit.ts";
import type { GenerateValues } from "../../request/request.ts";

const MAZE: ModelInfo = {
  path: "/models/maze",
  name: "maze",
  description: undefined,
  license: undefined,
  fps: 8,
  actions: ["forward", "left"],
  labels: undefined,
  defaults: {},
  condition: { kind: "action", count: 2 },
  channels: 32,
  compression: 16,
  multiple: 32,
  parameters: 1,
  long: true,
  window: 8,
  positions: "exact",
  timesteps: "exact",
  windowCache: "encode",
  schedule: { shift: 1 },
};
const UCF: ModelInfo = { ...MAZE, name: "ucf", condition: { kind: "label", count: 3 } };
const PLAIN: ModelInfo = { ...MAZE, name: "plain", condition: { kind: "none", count: 0 } };

/** Collects the warnings that a batch would show. */
function collected(): Findings & { readonly problems: string[] } {
  const problems: string[] = [];
  return {
    problems,
    async check(field, run) {
      try {
        return await run();
      } catch (error) {
        problems.push(`${field}: ${(error as Error).message}`);
      }
    },
    refuse: (field, why) => void problems.push(`${field}: ${why}`),
    missing: (field, what) => void problems.push(`${field}: missing ${what}`),
  };
}

const NONE: KnownContext = { frames: 0 };
const THREE: KnownContext = { frames: 3 };
/** A context that a batch has not read yet. */
const UNREAD: KnownContext = { frames: undefined };
const read = (own?: number[][], videos = 1): KnownContext => ({
  frames: 3,
  source: { videos, actions: own && (() => Promise.resolve(own)) },
});

/** Options, model, context, and the option that is refused or how many frames and videos fit. */
const CASES: readonly [GenerateValues, ModelInfo, KnownContext, string | readonly unknown[]][] = [
  [{ frames: 2 }, PLAIN, NONE, [2, 1]],
  [{}, PLAIN, NONE, "frames"],
  [{ frames: 2, guidance: 0 }, PLAIN, NONE, "guidance"],
  [{ frames: 2, size: { width: 64, height: 48 } }, PLAIN, NONE, "size"],
  [{ frames: 2, actions: "0*2" }, PLAIN, NONE, "actions"],
  [{ frames: 2, label: "0" }, PLAIN, NONE, "label"],
  [{ frames: 2 }, UCF, NONE, "label"],
  [{ frames: 2, guidance: -1 }, UCF, NONE, [2, 1]],
  [{ frames: 2, label: "0,2" }, UCF, NONE, [2, 2]],
  [{ frames: 2, label: "3" }, UCF, NONE, "label"],
  [{ frames: 2, label: "0,2", count: 3 }, UCF, NONE, "count"],
  [{ frames: 2 }, UCF, read(undefined, 2), "label"],
  [{ frames: 2, label: "1" }, UCF, read(undefined, 2), [2, 2]],
  [{ frames: 2, label: "1", count: 3 }, UCF, read(undefined, 2), "count"],
  [{ frames: 2 }, MAZE, NONE, "actions"],
  [{ frames: 2, guidance: -1 }, MAZE, NONE, [2, 1]],
  [{ actions: "forward*2,left" }, MAZE, NONE, [3, 1]],
  [{ actions: "forward*2,left", frames: 2 }, MAZE, NONE, "actions"],
  [{ actions: "forward*2,right" }, MAZE, NONE, "actions"],
  [{ actions: "left*2", frames: 2, context: "x" }, MAZE, THREE, [2, 1]],
  [{ actions: "left*5", frames: 2, context: "x" }, MAZE, THREE, [2, 1]],
  [{ actions: "left*4", frames: 2, context: "x" }, MAZE, THREE, "actions"],
  [{ actions: "left*4", frames: 2, context: "x" }, MAZE, UNREAD, [2, 1]],
  [{ frames: 2, context: "x" }, MAZE, UNREAD, [2, 1]],
  [{ context: "x" }, MAZE, UNREAD, [undefined, 1]],
  [{ context: "x" }, MAZE, read(), "frames"],
  [{ context: "x" }, MAZE, read([[0, 0, 0, 1, 1]]), [2, 1]],
  [{ context: "x", frames: 3 }, MAZE, read([[0, 0, 0, 1, 1]]), "actions"],
  [{ context: "x" }, MAZE, read([[0, 0, 0, 1], [1, 1, 1, 0]], 2), [1, 2]],
];

for (const [given, info, context, expected] of CASES) {
  const how = context.source ? "read" : String(context.frames);
  Deno.test(`fitRun() of ${JSON.stringify(given)} for ${info.name}, context ${how}`, async () => {
    const findings = collected();
    const fit = await fitRun(given, given, info, context, findings);
    const alone = fitRun(given, given, info, context, THROWN);
    if (typeof expected === "string") {
      assert.deepEqual(findings.problems.map((line) => line.split(":")[0]), [expected]);
      await assert.rejects(alone, { name: "UsageError" });
      return;
    }
    assert.deepEqual(findings.problems, []);
    assert.deepEqual([fit.frames, fit.videos], expected);
    assert.deepEqual(await alone, fit);
  });
}
