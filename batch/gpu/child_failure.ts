import { GpuError } from "../../mod.ts";
import { exitStatus, STATUS } from "../../cli/errors.ts";
import type { ChildFailure } from "./protocol.ts";

/** Messages for a full disk: ENOSPC, EDQUOT and Windows' own. */
const FULL = /no space left|ENOSPC|quota exceeded|EDQUOT|not enough space on the disk/i;
const GONE = /there is no folder|No such file or directory|NotFound|cannot find the path/i;

/** Whether a write error means that the disk is full. */
export function isDiskFull(error: unknown): boolean {
  return FULL.test(error instanceof Error ? error.message : String(error));
}

/** Whether a write error may be due to a removed folder. */
export function isFolderGone(error: unknown): boolean {
  return GONE.test(error instanceof Error ? `${error.name} ${error.message}` : String(error));
}

/** An error in the form sent to the supervisor. */
export function failureOf(error: unknown): ChildFailure {
  const full = isDiskFull(error);
  return {
    message: error instanceof Error ? error.message || error.name : String(error),
    temporary: full || exitStatus(error) === STATUS.temporary,
    storage: full || undefined,
    stack: error instanceof Error ? error.stack : undefined,
  };
}

/** Whether the device itself is gone. */
export function isLost(error: unknown): boolean {
  return error instanceof GpuError && error.reason === "lost";
}
