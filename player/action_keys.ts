import type { ModelInfo } from "../model/model.ts";

/** An action and its keys. */
export interface ActionKeys {
  readonly action: number;
  readonly name: string;
  /** Names of `KeyboardEvent.key`, in lower case. */
  readonly keys: readonly string[];
}

/** Meanings of action names in various data sets. */
const MEANINGS: readonly { readonly names: RegExp; readonly keys: readonly string[] }[] = [
  { names: /^(move[ _-]?)?(forwards?|up|north|ahead)$/, keys: ["arrowup", "w"] },
  { names: /^(move[ _-]?)?(backwards?|back|down|south)$/, keys: ["arrowdown", "s"] },
  { names: /^((turn|look|move)[ _-]?)?(left|west)$/, keys: ["arrowleft", "a"] },
  { names: /^((turn|look|move)[ _-]?)?(right|east)$/, keys: ["arrowright", "d"] },
  { names: /^(stay|stand|wait|idle|none|nothing|no[ _-]?op)$/, keys: [" "] },
];

/**
 * Keys for every action of a model: arrows, WASD and the space bar by the actions' names, and the
 * digits 1 to 9 by their numbers.
 */
export function actionKeys({ condition, actions }: ModelInfo): ActionKeys[] {
  if (condition.kind !== "action") return [];
  const taken = new Set<string>();
  return Array.from({ length: condition.count }, (_, action) => {
    const name = actions?.[action] ?? `action ${action}`;
    const meaning = MEANINGS.find(({ names }) => names.test(name.trim().toLowerCase()));
    const keys = (meaning?.keys ?? []).filter((key) => !taken.has(key));
    for (const key of keys) taken.add(key);
    return { action, name, keys: action < 9 ? [...keys, String(action + 1)] : keys };
  });
}

/** The action for doing nothing; without one, a world waits while no key is pressed. */
export function idleAction(keys: readonly ActionKeys[]): number | undefined {
  return keys.find((entry) => entry.keys.includes(" "))?.action;
}

/** Names of the classes, for a model that takes a label. */
export function labelNames(
  { condition: { kind, count }, labels }: ModelInfo,
): string[] | undefined {
  if (kind !== "label") return undefined;
  return Array.from({ length: count }, (_, i) => labels?.[i] ?? `class ${i}`);
}
