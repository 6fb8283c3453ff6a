import type { Evaluation } from "../../../commands/evaluate/evaluation.ts";
import type { Measures } from "../../../commands/evaluate/measure.ts";
import type { Protocol } from "../../../commands/evaluate/protocol.ts";
import { type ClipResult, summarise } from "../../../commands/evaluate/summary.ts";
import type { ModelInfo } from "../../../mod.ts";
import { PRESETS } from "../../../mod.ts";

/** A model with two actions. */
export const INFO = {
  path: "models/maze",
  name: "maze <world>",
  actions: ["left", "right", "stay"],
  condition: { kind: "action", count: 3 },
  defaults: { frames: 8, steps: 8, context_frames: 4 },
  parameters: 2_500_000,
  positions: "exact",
  timesteps: "exact",
  multiple: 16,
  compression: 8,
} as unknown as ModelInfo;

export const PROTOCOL: Protocol = {
  model: "maze",
  folder: "models/maze",
  info: INFO,
  inverses: new Map([[0, 1], [1, 0]]),
  preset: undefined,
  context: 2,
  frames: 2,
  start: 0,
  stride: 1,
  steps: 8,
  guidance: 1,
  seeds: ["0", "2"],
  trajectories: 1,
  returns: undefined,
  agreement: undefined,
};

export function measures(psnr: number): Measures {
  return { psnr, ssim: psnr / 100, ssim_gaussian: psnr / 90, ms_ssim: psnr / 80, mse: 1 / psnr };
}

export function result(id: string, seed: string, psnr: readonly number[]): ClipResult {
  const mean = measures(psnr.reduce((a, b) => a + b, 0) / psnr.length);
  return { id, path: `/clips/${id}.npz`, seed, mean, frames: psnr.map(measures) };
}

export const RESULTS = [
  result("0-a", "0", [20, 10]),
  result("1-b", "0", [30, 20]),
  result("0-a", "2", [22, 12]),
  result("1-b", "2", [32, 22]),
];

/** An evaluation of two clips and two seeds, held against a published run. */
export function evaluation(more: Partial<Evaluation> = {}): Evaluation {
  return {
    protocol: { ...PROTOCOL, preset: PRESETS[0] },
    data: "clips",
    clips: [{ id: "0-a", path: "/clips/a.npz" }, { id: "1-b", path: "/clips/b.npz" }],
    results: RESULTS,
    summary: summarise(RESULTS, 2),
    scales: 3,
    published: { psnr: 22.3, ssim: 0.687, lpips: 0.104, fvd: 64 },
    returns: [],
    agreement: undefined,
    machine: { adapter: "an adapter", program: "Deno", system: "linux, 2 cores" },
    times: { seconds: 4, frames: 8 },
    command: "far evaluate maze clips",
    version: "0.1.0",
    ...more,
  };
}
