import type { Shapes } from "../../released/architecture.ts";

/** Layers of a block, in the order in which the released classes create them. */
const IN_BLOCK = [
  "norm1.linear",
  ...["attn.norm_q", "attn.norm_k", "attn.to_q", "attn.to_k", "attn.to_v"],
  ...["attn.add_k_proj", "attn.add_v_proj", "attn.add_q_proj", "attn.to_out.0", "attn.to_add_out"],
  ...["attn.norm_added_q", "attn.norm_added_k"],
  ...["norm2.linear", "mlp.net.0.proj", "mlp.net.2"],
];

/**
 * Names of parameters in the order of PyTorch's `named_parameters()`, which numbers the state of an
 * optimiser: outside the blocks of a transformer that of the loaders.
 * Source: FAR and FAR_Long of the released code; diffusers `AutoencoderDC`.
 */
export function parameterOrder(shapes: Shapes): string[] {
  const groups = Map.groupBy(
    shapes.keys(),
    (name) => /^transformer_blocks\.\d+\./.exec(name)?.[0] ?? name,
  );
  return [...groups].flatMap(([block, names]) => {
    const place = (name: string) => {
      const [, layer, kind] = /^(.*)\.(\w+)$/.exec(name.slice(block.length)) ?? [];
      return 2 * IN_BLOCK.indexOf(layer!) + Number(kind === "bias");
    };
    return names.sort((a, b) => place(a) - place(b));
  });
}

/** Endings of the names of a convolution's or batch norm's parameters, in PyTorch's order. */
const IN_MODULE = ["weight", "bias", "running_mean", "running_var"];

/** Names such as `main.3.weight` in the order of their modules; those of no parameter are left out. */
export function moduleOrder(names: readonly string[]): string[] {
  const place = (name: string): [number, number] => {
    const [, module, kind] = /^main\.(\d+)\.(\w+)$/.exec(name) ?? [];
    return [Number(module), IN_MODULE.indexOf(kind!)];
  };
  const ranked = names.map((name) => ({ name, at: place(name) }));
  const known = ranked.filter(({ at: [module, kind] }) => module >= 0 && kind >= 0);
  known.sort(({ at: a }, { at: b }) => a[0] - b[0] || a[1] - b[1]);
  return known.map(({ name }) => name);
}
