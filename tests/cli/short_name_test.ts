import assert from "node:assert/strict";
import { fullName } from "../../cli/short_name.ts";
import { PRESETS } from "../../mod.ts";

const NAMES = ["demo", ...PRESETS.map(({ name }) => name), "someone/maze-big"];

const MEANT: readonly [short: string, name: string | undefined][] = [
  ["demo", "demo"],
  ["minecraft", "FAR_M_Long_minecraft_res128_1000K_bs32"],
  ["Minecraft", "FAR_M_Long_minecraft_res128_1000K_bs32"],
  ["FAR_B_bair", "FAR_B_bair_res64_200K_bs32"],
  ["far-b-bair", "FAR_B_bair_res64_200K_bs32"],
  ["bair 2to14", "FAR_B_bair_res64_200K_bs32_2to14"],
  ["FAR_B_Long_dmlab_res64_1000K_bs32", "FAR_B_Long_dmlab_res64_1000K_bs32"],
  ["dmlab 36", "FAR_B_Long_dmlab_res64_1000K_bs32_36to264"],
  ["ucf101 cond res128", "FAR_L_ucf101_cond_res128_400K_bs32"],
  ["XL uncond", "FAR_XL_ucf101_uncond_res256_400K_bs32"],
  ["maze", "someone/maze-big"],
  ["dem", "demo"],
  ["emo", undefined],
  ["bair FAR", undefined], // another order
  ["nothing", undefined],
  ["", undefined],
  ["___", undefined],
];

for (const [short, name] of MEANT) {
  Deno.test(`fullName() takes "${short}" for ${name}`, () => {
    assert.equal(fullName(short, NAMES), name);
  });
}

Deno.test("fullName() lists what an ambiguous name may be", () => {
  for (
    const [short, count] of [["ucf101", 7], ["36to264", 2], ["FAR_L", 4], ["res256", 4]] as const
  ) {
    assert.throws(() => fullName(short, NAMES), (error: Error) => {
      assert.equal(error.name, "UsageError");
      const listed = error.message.match(/FAR_\w+_bs32\w*/g)!.length;
      const more = Number(error.message.match(/ and (\d+) more/)?.[1] ?? 0);
      assert.equal(listed + more, count, error.message);
      return true;
    });
  }
});
