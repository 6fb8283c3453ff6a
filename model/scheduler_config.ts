import type { JsonObject } from "../files/json.ts";
import type { NoiseSchedule } from "./scheduler.ts";

const FAR_SCHEDULER = "FlowMatchEulerDiscreteScheduler";

/** Entries that space the noise levels in ways that no FAR model was sampled with. */
const UNSUPPORTED = [
  "use_dynamic_shifting",
  "use_karras_sigmas",
  "use_beta_sigmas",
  "use_exponential_sigmas",
  "invert_sigmas",
];

/**
 * Reads scheduler/scheduler_config.json.
 * @param path of the model, for messages
 * @throws {TypeError} names the entry that is not supported
 */
export function parseSchedulerConfig(config: JsonObject, path: string): NoiseSchedule {
  const { shift = 1, shift_terminal: terminal } = config;
  const wrong = unsupported(config);
  if (wrong !== undefined) {
    throw new TypeError(`Cannot use model "${path}": ${wrong} is not supported`);
  }
  return { shift: Number(shift), ...(terminal ? { shiftTerminal: Number(terminal) } : {}) };
}

function unsupported(config: JsonObject): string | undefined {
  const {
    _class_name: name,
    shift = 1,
    shift_terminal: terminal = null,
    num_train_timesteps: levels = 1000,
  } = config;
  if (name !== FAR_SCHEDULER) return `scheduler ${JSON.stringify(name)}`;
  if (!(typeof shift === "number" && shift > 0 && shift < Infinity)) {
    return `scheduler shift ${JSON.stringify(shift)}`;
  }
  if (terminal !== null && !(typeof terminal === "number" && terminal >= 0 && terminal < 1)) {
    return `scheduler shift_terminal ${JSON.stringify(terminal)}`;
  }
  if (levels !== 1000) return `num_train_timesteps ${levels}`;
  return UNSUPPORTED.find((name) => config[name] === true);
}

/** The entries of a scheduler's configuration that say so. */
export function scheduleEntries({ shift, shiftTerminal }: NoiseSchedule): JsonObject {
  return { shift, shift_terminal: shiftTerminal ?? null };
}
