import { fileURLToPath } from "node:url";
import type { Measured } from "../../bench/measure.ts";

/** Whose steps are compared: far's, and PyTorch's as the released code does them, and lean. */
export const WAYS = ["far", "released", "lean"] as const;

/** Medians of one round, by the wall's clock and of all cores together. */
export interface Seconds {
  readonly wall: number;
  readonly cpu: number;
}

/** A step of each way. */
export type Round = Readonly<Record<typeof WAYS[number], Seconds>>;

/** Medians of what far took. */
export function mediansOf({ wall, cpu }: Measured): Seconds {
  return { wall: wall.median, cpu: cpu.median };
}

/** The same from a script's JSON. */
export function secondsOf(json: { median_s: number; cpu_s: number }): Seconds {
  return { wall: json.median_s, cpu: json.cpu_s };
}

/** Runs a script beside this one. @returns the JSON that it prints @throws {Error} it failed */
export async function runTorch(python: string, name: string, options: readonly string[]) {
  const args = [fileURLToPath(new URL(name, import.meta.url)), ...options];
  const { success, stdout } = await new Deno.Command(python, {
    args,
    stderr: "inherit",
    // threads that spin while they wait take each other's cores on a machine that is not quiet
    env: { OMP_WAIT_POLICY: Deno.env.get("OMP_WAIT_POLICY") ?? "passive" },
  }).output();
  if (!success) throw new Error(`Cannot run ${python} ${args.join(" ")}`);
  return JSON.parse(new TextDecoder().decode(stdout));
}
