import assert from "node:assert/strict";
import { parseTransformerConfig } from "../../model/config.ts";

const FAR = {
  _class_name: "FAR",
  attention_head_dim: 64,
  axes_dims_rope: [16, 24, 24],
  condition_cfg: null,
  in_channels: 32,
  num_attention_heads: 12,
  num_layers: 12,
  out_channels: 32,
  patch_size: 1,
  short_term_ctx_winsize: 16,
  slope_scale: 0,
};
const LONG = { ...FAR, _class_name: "FAR_Long", context_patch_size: 4 };

Deno.test("parseTransformerConfig() reads FAR as FAR_Long without context tokens", () => {
  const sizes = parseTransformerConfig(FAR);
  assert.equal(sizes.d, 768);
  assert.equal(sizes.window, Infinity);
  assert.equal(sizes.trainedWindow, 16);
  assert.equal(sizes.contextPatch, undefined);
});

Deno.test("parseTransformerConfig() reads FAR_Long's window and context patch", () => {
  const sizes = parseTransformerConfig({
    ...LONG,
    slope_scale: 0.1,
    condition_cfg: { type: "action", num_action_classes: 4 },
  });
  assert.equal(sizes.window, 16);
  assert.equal(sizes.contextPatch, 4);
  assert.equal(sizes.slope, 0.1);
  assert.deepEqual(sizes.condition, { kind: "action", count: 4 });
});

const BAD: [string, Record<string, unknown>, RegExp][] = [
  ["another class", { _class_name: "DiT" }, /class "DiT" is neither FAR nor FAR_Long/],
  ["an unknown entry", { qkv_multiscales: [5] }, /"qkv_multiscales" is not supported/],
  ["another head size", { attention_head_dim: 72 }, /"attention_head_dim" is 72, only 64/],
  ["a missing entry", { num_layers: undefined }, /"num_layers" must be a positive whole number/],
  ["other axes", { axes_dims_rope: [16, 16, 32] }, /axes_dims_rope \[16,16,32\]/],
  [
    "another condition",
    { condition_cfg: { type: "text" } },
    /condition_cfg type "text" is unknown/,
  ],
  ["channels out", { out_channels: 64 }, /"out_channels" is 64, only 32/],
  ["a slope that is no number", { slope_scale: "x" }, /slope_scale must be a number/],
];

for (const [what, change, message] of BAD) {
  Deno.test(`parseTransformerConfig() refuses ${what} by name`, () => {
    assert.throws(() => parseTransformerConfig({ ...FAR, ...change }), (error: Error) => {
      assert.match(error.message, message);
      return error instanceof TypeError;
    });
  });
}

Deno.test("parseTransformerConfig() refuses a context patch that patch_size does not divide", () => {
  const config = { ...LONG, patch_size: 2, context_patch_size: 3 };
  assert.throws(() => parseTransformerConfig(config), /not a multiple of patch_size 2/);
});
