import assert from "node:assert/strict";
import { inversesOf, resolveProtocol } from "../../../commands/evaluate/protocol.ts";
import { INFO } from "./evaluation_fixture.ts";

Deno.test("resolveProtocol() takes the model's own protocol, then the preset's, then options", async () => {
  const own = await resolveProtocol("demo", {});
  assert.deepEqual([own.context, own.frames, own.steps, own.guidance], [12, 48, 4, 1]);
  assert.deepEqual([...own.inverses], [[1, 2], [2, 1], [3, 3]]);
  const preset = "FAR_B_Long_dmlab_res64_1000K_bs32_36to264";
  const published = await resolveProtocol("demo", { preset });
  assert.deepEqual(
    [published.context, published.frames, published.steps, published.guidance],
    [36, 264, 50, -1],
  );
  const asked = await resolveProtocol("demo", {
    preset,
    frames: 5,
    contextFrames: 3,
    seeds: "0, 2",
  });
  assert.deepEqual([asked.context, asked.frames, asked.seeds], [3, 5, ["0", "2"]]);
});

Deno.test("resolveProtocol() says what does not fit", async () => {
  const cases = [
    [{ preset: "FAR_B_bair_res64_200K_bs33" }, /did you mean "?FAR_B_bair_res64_200K_bs32/i],
    [{ seeds: "0,x" }, /"x" is not a whole number/],
    [{ returns: 3, contextFrames: 0 }, /--returns: it needs context frames/],
  ] as const;
  for (const [options, message] of cases) {
    await assert.rejects(resolveProtocol("demo", options), { name: "UsageError", message });
  }
  const goldens = "tests/fixtures/goldens";
  const without = { frames: 4, contextFrames: 2, returns: 2 };
  await assert.rejects(
    resolveProtocol(`${goldens}/far-action`, without),
    { name: "UsageError", message: /names no inverses; add, for example/ },
  );
  await assert.rejects(
    resolveProtocol(`${goldens}/far-uncond`, { ...without, returns: undefined, agreement: 1 }),
    { name: "UsageError", message: /takes no actions/ },
  );
  await assert.rejects(
    resolveProtocol(`${goldens}/far-uncond`, {}),
    { name: "UsageError", message: /^Give --frames: / },
  );
});

Deno.test("inversesOf() takes names and numbers, and refuses anything that is not an action", () => {
  assert.deepEqual([...inversesOf({ left: "right", 1: 0 }, INFO)], [[1, 0], [0, 1]]);
  assert.equal(inversesOf(undefined, INFO).size, 0);
  for (const json of [[], "left", { up: "down" }, { left: 3 }, { left: null }]) {
    assert.throws(() => inversesOf(json, INFO), { name: "UsageError", message: /"inverses" of/ });
  }
});
