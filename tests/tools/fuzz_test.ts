import { deepEqual, ok } from "node:assert/strict";
import { fuzz, TARGETS } from "../../tools/fuzz.ts";

for (const [name, open] of Object.entries(TARGETS)) {
  Deno.test(`fuzz() of ${name} reads some inputs, refuses others, the same ones each time`, async () => {
    const target = await open();
    const { accepted, refused } = await fuzz(target, 1, [0, 200]);
    ok(accepted > 0 && refused.size > 0, `${accepted} accepted`);
    const again = await fuzz(target, 1, [0, 200]);
    deepEqual([again.accepted, again.refused], [accepted, refused]);
  });
}
