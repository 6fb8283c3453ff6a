import type { Shapes } from "../../released/architecture.ts";

/** Endings of names, in the order in which the released classes create them. */
const IN_BLOCK = [
  "norm1.linear",
  "attn.norm_q",
  "attn.norm_k",
  "attn.to_q",
  "attn.to_k",
  "attn.to_v",
  "attn.add_k_proj",
  "attn.add_v_proj",
  "attn.add_q_proj",
  "attn.to_out.0",
  "attn.to_add_out",
  "attn.norm_added_q",
  "attn.norm_added_k",
  "norm2.linear",
  "mlp.net.0.proj",
  "mlp.net.2",
];
const BEFORE = [
  "x_embedder",
  "context_embedder",
  "timestep_embedder.linear_1",
  "timestep_embedder.linear_2",
  "label_embedder.embedding_table",
  "action_embedder.embedding_table",
];
const AFTER = ["norm_out.linear", "proj_out", "context_proj_out"];

/**
 * Names of parameters in the order of PyTorch's `named_parameters()`, which numbers the state of an
 * optimiser.
 * @param shapes of all parameters; an autoencoder's are already in that order Source: FAR and
 * FAR_Long of the released code; diffusers `AutoencoderDC`.
 */
export function parameterOrder(names: Iterable<string>, shapes?: Shapes): string[] {
  if (shapes?.has("encoder.conv_out.weight")) {
    const given = new Set(names);
    return [...shapes.keys()].filter((name) => given.has(name));
  }
  return [...names].sort((a, b) => {
    const [left, right] = [rank(a), rank(b)];
    for (let i = 0; i < left.length; i++) if (left[i] !== right[i]) return left[i]! - right[i]!;
    return 0;
  });
}

/** Part of the model, block, layer, weight before bias. */
function rank(name: string): number[] {
  const point = name.lastIndexOf(".");
  const [layer, kind] = [name.slice(0, point), name.slice(point + 1) === "bias" ? 1 : 0];
  const [, block, inside] = /^transformer_blocks\.(\d+)\.(.+)$/.exec(layer) ?? [];
  if (block !== undefined) return [1, Number(block), IN_BLOCK.indexOf(inside!), kind];
  const before = BEFORE.indexOf(layer);
  return before >= 0 ? [0, 0, before, kind] : [2, 0, AFTER.indexOf(layer), kind];
}
