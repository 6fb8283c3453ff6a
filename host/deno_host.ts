/**
 * Gives gpu/ what Deno knows about the machine. Importing this file is enough.
 * @module
 */

import { cpuUsage } from "node:process";
import { setHost } from "../gpu/host.ts";
import { readTuning } from "./tuning_file.ts";

setHost({
  setUp({ backend }) {
    if (backend) Deno.env.set("DENO_WEBGPU_BACKEND", backend);
    quietDriver();
  },
  restriction() {
    const backend = Deno.env.get("DENO_WEBGPU_BACKEND");
    return backend === undefined ? undefined : `DENO_WEBGPU_BACKEND=${backend}`;
  },
  readTuning: (adapter) => readTuning(adapter),
  freeMemory() {
    try {
      return Deno.systemMemoryInfo().available;
    } catch {
      return undefined; // without the permission, the allocation itself shows whether it fits
    }
  },
  cpuSeconds() {
    const { user, system } = cpuUsage();
    return (user + system) / 1e6;
  },
});

/** Mesa's window system prints an error if this is unset, although no window is opened. */
function quietDriver(): void {
  const name = "XDG_RUNTIME_DIR";
  const { state } = Deno.permissions.querySync({ name: "env", variable: name });
  if (Deno.build.os === "linux" && state === "granted" && !Deno.env.get(name)) {
    Deno.env.set(name, "/tmp");
  }
}
