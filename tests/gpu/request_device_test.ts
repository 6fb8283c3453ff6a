import assert from "node:assert/strict";
import { leastSubgroup } from "../../gpu/request_device.ts";

Deno.test("leastSubgroup() believes adapters, but for Apple's, which have more lanes than Metal says", () => {
  const cases = [
    ["Apple M3", 4, 32],
    ["Apple M1 Max", 4, 32],
    ["Apple A14 GPU", 4, 32],
    ["Apple M2", 0, 0],
    ["Apple M2", undefined, 0],
    ["NVIDIA GeForce RTX 4090", 32, 32],
    ["Intel(R) Arc(tm) A770 Graphics", 8, 8],
    ["AMD Radeon RX 7900 XTX (RADV NAVI31)", 32, 32],
    ["AMD Radeon Pro 5500M", 4, 4],
    ["Pineapple", 4, 4],
  ] as const;
  for (const [name, said, least] of cases) assert.equal(leastSubgroup(name, said), least, name);
});
