import assert from "node:assert/strict";
import { join } from "node:path";
import { modelPath } from "../../request/model_path.ts";

Deno.test("modelPath() finds the demo next to the program, and folders by path", async () => {
  const demo = await modelPath("demo");
  assert((await Deno.stat(join(demo, "model_index.json"))).isFile);
  assert.equal(await modelPath("tests"), "tests");
});

Deno.test("modelPath() says what a model can be", async () => {
  await assert.rejects(modelPath("./nowhere"), {
    name: "UsageError",
    message: /^Cannot find model ".\/nowhere": there is no such folder, and no pulled model/,
  });
  await assert.rejects(modelPath("dmeo"), { message: /\(did you mean "demo"\?\)$/ });
});
