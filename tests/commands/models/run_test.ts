import { equal, match } from "node:assert/strict";
import { describeModels, run } from "../../../commands/models/run.ts";
import { PRESETS } from "../../../mod.ts";
import { inFolder } from "../../support/folder.ts";
import { recorder } from "../../support/recorder.ts";

async function models(json: boolean, cache: string) {
  const before = Deno.env.get("HF_HUB_CACHE");
  const terminal = recorder();
  try {
    Deno.env.set("HF_HUB_CACHE", cache);
    const { signal } = new AbortController();
    await run({ options: { json }, operands: [], terminal, signal });
  } finally {
    if (before === undefined) Deno.env.delete("HF_HUB_CACHE");
    else Deno.env.set("HF_HUB_CACHE", before);
  }
  return terminal.stdout;
}

Deno.test("far models lists the demo and every released model with what it needs", async () => {
  await inFolder(async (folder) => {
    const text = await models(false, folder);
    match(text, /\n {2}demo {2}18\.\d MB {2}built in {2}/);
    for (const { name } of PRESETS) match(text, new RegExp(`\\n {2}${name} `));
    match(text, /FAR_B_bair_res64_200K_bs32 .* 64x64 .*continues 2 frames by 28, window 30/);
    match(text, /FAR_L_ucf101_cond_res128_400K_bs32 .*makes 16 frames, 101 labels/);
  });
});

Deno.test("far models --json gives both lists", async () => {
  await inFolder(async (folder) => {
    const { models: here, released } = JSON.parse(await models(true, folder));
    equal(here[0].name, "demo");
    equal(released.length, PRESETS.length);
    equal(released[0].state, "not pulled");
  });
});

Deno.test("describeModels() leaves models that are here out of the second list", () => {
  const preset = {
    name: "X",
    task: "video_generation",
    architecture: "FAR_B",
    pixels: 64,
    contextFrames: 0,
    frames: 16,
    guidance: 1,
    window: 16,
    condition: { kind: "none", count: 0 },
    parameters: { transformer: 1, vae: 1 },
    path: undefined,
  } as const;
  const memory = { f16: 1e9, f32: 2e9 };
  const text = describeModels([], [{ ...preset, memory, state: "ready" }]);
  equal(text.includes("X"), false);
  match(
    describeModels([], [{ ...preset, memory, state: "downloaded" }]),
    /downloaded, not converted/,
  );
});
