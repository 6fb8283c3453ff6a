/** Removes what training frameworks put around the names of a model's tensors. */

/** Wrappers of a part of a model: they may occur anywhere in a name. */
const INNER = [
  "_orig_mod.", // torch.compile
  "_fsdp_wrapped_module.", // FullyShardedDataParallel
  "_fpw_module.", // the same before PyTorch 2.0
  "_checkpoint_wrapped_module.", // activation checkpointing
];
/** Wrappers of a whole model: they count if every name begins with one. */
const OUTER = [
  "module.", // DataParallel, DistributedDataParallel, DeepSpeed, AveragedModel
  "_forward_module.", // Lightning Fabric
  "model.", // Lightning modules, and most trainers
  "net.",
  "network.",
  "generator.",
  "base_model.", // adapters that were merged
  "diffusion_model.", // LDM and ComfyUI, within `model.`
  "transformer.",
  "denoiser.",
  "student.",
  "_module.", // Opacus
  "shadow.", // averaged copies
  "ema.",
  "model_ema.",
];
/** Prefix of the averaged copy if both are in one dict, as the package ema-pytorch stores them. */
const AVERAGED = "ema_model.";
const TRAINED = "online_model.";
/** Counters that averaging stores with the tensors. */
const COUNTERS = new Set(["n_averaged", "initted", "step"]);

/** Names without their wrappers. */
export interface UnwrappedNames {
  /** The model's own name by the name in the file; names that are not the model's are left out. */
  readonly names: ReadonlyMap<string, string>;
  /** Removed wrappers, such as `module.`; empty if there were none. */
  readonly wrappers: readonly string[];
  /** Removes the same wrappers from another name of the file. */
  unwrap(name: string): string;
}

/**
 * Finds and removes the wrappers of a file's names.
 *
 * @param all every name in the file
 * @param ema whether to use the averaged copy if the file has both (true)
 */
export function unwrappedNames(all: readonly string[], ema = true): UnwrappedNames {
  const inner = INNER.filter((wrapper) => all.some((name) => hasInner(name, wrapper)));
  const outer: string[] = [];
  let names = new Map(all.map((name) => [name, withoutInner(name, inner)]));
  for (let prefix; (prefix = outerOf([...names.values()], ema)) !== undefined;) {
    outer.push(prefix);
    const kept = [...names].filter(([, own]) => own.startsWith(prefix!));
    names = new Map(kept.map(([name, own]) => [name, own.slice(prefix!.length)]));
  }
  const wrappers = [...outer, ...inner];
  if (new Set(names.values()).size < names.size || wrappers.length === 0) {
    const same = new Map(all.map((name) => [name, name]));
    return { names: same, wrappers: [], unwrap: (name) => name };
  }
  const whole = outer.join("");
  const unwrap = (name: string) => {
    const own = withoutInner(name, inner);
    return own.startsWith(whole) ? own.slice(whole.length) : own;
  };
  return { names, wrappers, unwrap };
}

/** The wrapper that every name begins with, ignoring counters. */
function outerOf(all: readonly string[], ema: boolean): string | undefined {
  const names = all.filter((name) => !COUNTERS.has(name));
  if (names.length === 0) return undefined;
  const begins = (...prefixes: string[]) =>
    names.every((name) =>
      prefixes.some((prefix) => name.startsWith(prefix) && name.length > prefix.length)
    );
  if (begins(AVERAGED, TRAINED)) {
    const copies = ema ? [AVERAGED, TRAINED] : [TRAINED, AVERAGED];
    return copies.find((copy) => names.some((name) => name.startsWith(copy)));
  }
  return OUTER.find((wrapper) => begins(wrapper));
}

function hasInner(name: string, wrapper: string): boolean {
  return `.${name}`.includes(`.${wrapper}`);
}

function withoutInner(name: string, wrappers: readonly string[]): string {
  let own = `.${name}`;
  for (const wrapper of wrappers) own = own.replaceAll(`.${wrapper}`, ".");
  return own.slice(1);
}
