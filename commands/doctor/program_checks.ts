import { availableParallelism } from "node:os";
import { type Check, failed, ok } from "./check.ts";

/** The oldest Deno whose features are used: text imports. */
const LEAST_DENO = [2, 8] as const;

/** The version of Deno and what it runs on. */
export function checkProgram(version = Deno.version.deno): Check {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  const old = major < LEAST_DENO[0] || (major === LEAST_DENO[0] && minor < LEAST_DENO[1]);
  const { os, arch } = Deno.build;
  const detail = `Deno ${version}, ${os} ${arch}, ${availableParallelism()} cores` +
    (Deno.build.standalone ? ", compiled" : "");
  return old ? failed("program", detail, "deno upgrade 2.9.6") : ok("program", detail);
}
