import type { CommandSpec } from "../cli/command.ts";
import { BATCH } from "./batch/spec.ts";
import { BENCH } from "./bench/spec.ts";
import { COMPARE } from "./compare/spec.ts";
import { COMPLETIONS } from "./completions/spec.ts";
import { CONVERT } from "./convert/spec.ts";
import { DECODE } from "./decode/spec.ts";
import { DOCTOR } from "./doctor/spec.ts";
import { ENCODE } from "./encode/spec.ts";
import { EXPORT } from "./export/spec.ts";
import { EVALUATE } from "./evaluate/spec.ts";
import { GENERATE } from "./generate/spec.ts";
import { IMPORT } from "./import/spec.ts";
import { INSPECT } from "./inspect/spec.ts";
import { MANUAL } from "./manual/spec.ts";
import { MODELS } from "./models/spec.ts";
import { PLAY } from "./play/spec.ts";
import { PULL } from "./pull/spec.ts";
import { SERVE } from "./serve/spec.ts";
import { TRAIN } from "./train/spec.ts";
import { WORKER } from "./worker/spec.ts";

/** All commands, in the order of the help. */
export const COMMANDS: readonly CommandSpec[] = [
  GENERATE,
  PLAY,
  IMPORT,
  TRAIN,
  EXPORT,
  SERVE,
  ENCODE,
  DECODE,
  COMPARE,
  EVALUATE,
  BATCH,
  WORKER,
  PULL,
  MODELS,
  CONVERT,
  INSPECT,
  BENCH,
  DOCTOR,
  COMPLETIONS,
  MANUAL,
];
