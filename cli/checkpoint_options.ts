import type { OptionTable } from "./option.ts";

const LONG = "Long runs";

/** Options of `far generate` for runs that may be interrupted. */
export const CHECKPOINT_OPTIONS = {
  checkpoint: {
    kind: "path",
    value: "FILE.safetensors",
    help: "keep the latents so far there, to go on from",
    group: LONG,
  },
  checkpointEvery: {
    kind: "integer",
    min: 1,
    value: "M",
    default: "8",
    help: "frames between two checkpoints",
    group: LONG,
  },
  resume: {
    kind: "path",
    value: "FILE.safetensors",
    help:
      "go on from a checkpoint, with its settings. The same FILE as --checkpoint may be missing: " +
      "then the run begins",
    group: LONG,
  },
} as const satisfies OptionTable;
