import type { FarSizes } from "../model/config.ts";
import { listParameters, type Parameter } from "./parameters.ts";
import { adapterNames, type Adapters } from "./pass.ts";
import type { TrainerSettings } from "./settings.ts";

/** All parameters of a run, with adapters if it trains them, and which are trained. */
export interface TrainedParameters {
  readonly all: readonly Parameter[];
  readonly adapters: Adapters | undefined;
  isTrained(name: string): boolean;
}

/**
 * Applies `freeze` and `lora`.
 * @throws {RangeError} patterns or targets that match nothing, or leave nothing to train
 */
export function trainedParameters(
  { config, freeze = [], lora }: Pick<TrainerSettings, "config" | "freeze" | "lora">,
): TrainedParameters {
  const base = listParameters(config);
  const patterns = freeze.map((pattern) => ({ pattern, matches: glob(pattern) }));
  for (const { pattern, matches } of patterns) {
    if (base.some(({ name }) => matches.test(name))) continue;
    throw new RangeError(`Cannot freeze "${pattern}": no parameter matches`);
  }
  const adapters = lora && declareAdapters(config, base, lora);
  const added = adapters ? adapterParameters(base, adapters) : [];
  const isTrained = (name: string) =>
    !patterns.some(({ matches }) => matches.test(name.replace(/^transformer\./, ""))) &&
    (!adapters || name.includes(".lora_"));
  const all = [...base, ...added];
  if (!all.some(({ name }) => isTrained(name))) {
    throw new RangeError("Cannot train: everything is frozen");
  }
  return { all, adapters, isTrained };
}

/** A regular expression for a whole name, from a pattern whose `*` matches anything. */
export function glob(pattern: string): RegExp {
  const parts = pattern.split("*").map((part) => part.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&"));
  return new RegExp(`^${parts.join(".*")}$`);
}

function declareAdapters(
  { d }: FarSizes,
  base: readonly Parameter[],
  { rank, targets, alpha = rank }: NonNullable<TrainerSettings["lora"]>,
): Adapters {
  if (!Number.isInteger(rank) || rank < 4 || rank % 4 || rank > d) {
    throw new RangeError(
      `Cannot train adapters of rank ${rank}: a multiple of 4 up to ${d} is needed`,
    );
  }
  const linear = base.filter(({ name, shape }) => name.endsWith(".weight") && shape.length === 2)
    .map(({ name }) => name.slice(0, -".weight".length))
    .filter((name) => !name.endsWith("embedding_table"));
  const layers = new Set<string>();
  for (const target of targets) {
    const found = linear.filter((name) => name === target || name.endsWith(`.${target}`));
    if (found.length === 0) {
      throw new RangeError(`Cannot train adapters of "${target}": no layer matches`);
    }
    for (const name of found) layers.add(name);
  }
  if (layers.size === 0) throw new RangeError("Cannot train adapters: no target layers are given");
  return { rank, scale: alpha / rank, layers };
}

function adapterParameters(base: readonly Parameter[], { rank, layers }: Adapters): Parameter[] {
  return base.flatMap(({ name, shape }) => {
    const layer = name.slice(0, -".weight".length);
    if (!name.endsWith(".weight") || !layers.has(layer)) return [];
    const { a, b } = adapterNames(layer);
    return [{ name: a, shape: [rank, shape[1]!] }, { name: b, shape: [shape[0]!, rank] }];
  });
}
