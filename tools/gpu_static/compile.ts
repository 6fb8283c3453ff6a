/**
 * Compiles every pipeline; the driver prints what it makes of each, between lines of ours. Run by
 * tools/gpu_static.ts.
 */
import { Gpu } from "../../gpu/gpu.ts";
import { choosing, constantsText, GPU, pipelines } from "./pipelines.ts";

const [only = "", tuned = "", choices = ""] = Deno.args;

/** At once, so that it stands before what the driver prints. */
function mark(...parts: string[]): void {
  Deno.stderr.writeSync(new TextEncoder().encode(`\n@@ ${parts.join("\t")}\n`));
}

const gpu = await Gpu.open();
mark("adapter", gpu.adapter.name);
const { name, subgroupSize } = gpu.adapter;
const device = choosing({ ...GPU, name, subgroupSize }, choices);
for (const { kernel, constants, use } of pipelines(device, tuned !== "")) {
  const name = `${kernel.name} ${constantsText(constants)}`;
  if (only && !only.split(",").some((start) => new RegExp(`^${start}`).test(name))) continue;
  mark(kernel.name, constantsText(constants), use);
  gpu.pipeline(kernel, constants);
  await new Promise((resolve) => setTimeout(resolve)); // errors come a little later
  gpu.check();
}
mark("end");
Deno.exit(0); // the device cannot be closed: nothing that it was given is ever done
