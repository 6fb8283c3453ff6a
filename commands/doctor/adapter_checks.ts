import type { AdapterSummary } from "../../app.ts";
import type { AdapterReport, Gpu, GpuOptions } from "../../mod.ts";
import { environment } from "../../cli/environment.ts";
import { type Check, failed, ok, sizeText, warning } from "./check.ts";
import { adapterAdvice, type System } from "./system.ts";

/** Storage bindings of the released models that always fit (WebGPU's default). */
const USUAL_BINDING = 128 * 2 ** 20;

/** Deno takes FXC, which knows neither subgroups nor half floats. */
const DXC =
  "use --backend vulkan, or copy dxcompiler.dll (in the Windows SDK, or from the releases " +
  "of DirectXShaderCompiler) to the folder you work in and set " +
  "DENO_WEBGPU_DX12_COMPILER=dynamicdxc";

const LEAVE_OUT = "leave out --backend and DENO_WEBGPU_BACKEND";

/** Which adapter there is, and whether a graphics card is unused. */
export function checkAdapters(
  adapters: readonly AdapterReport[],
  system: System,
  backend?: string,
): Check {
  const first = adapters[0];
  const name = "adapter";
  const mend = adapterAdvice(system);
  if (!first && backend) {
    const detail = `WebGPU finds none with the backend ${backend}`;
    return failed(name, detail, backend === "vulkan" ? mend : LEAVE_OUT);
  }
  if (!first) return failed(name, "WebGPU finds none", mend);
  const others = adapters.slice(1).map((adapter) => adapter.name);
  const also = others.length > 0 ? `; also ${others.join(", ")}` : "";
  if (!first.software) return ok(name, `${first.name}${also}`);
  const detail = `${first.name}, which runs on the CPU${also}`;
  if (system.cards.length === 0) return ok(name, detail);
  const idle = `${detail}, though there is a graphics card (${system.cards.join(", ")})`;
  return warning(name, idle, mend);
}

/** Backend, arithmetic and kernels that will be used. */
export function checkDevice(gpu: Gpu, options: GpuOptions, system: System): Check[] {
  const { adapter, limits } = gpu;
  const backend = chosenBackend(options);
  const binding = limits.maxStorageBufferBindingSize;
  const sizes = `buffers up to ${sizeText(limits.maxBufferSize)}, bindings up to ` +
    sizeText(binding);
  return [
    ok("backend", backend ?? "the system's best"),
    checkFeatures(adapter, system, backend),
    binding < USUAL_BINDING
      ? warning("limits", sizes, "use a smaller model, or fewer frames")
      : ok("limits", sizes),
    checkKernels(adapter),
  ];
}

/** Arithmetic and kernels that will be used, and whether they were tuned on this machine. */
export function checkKernels({ f16, cpu, tuning }: AdapterSummary): Check {
  const dtype = f16 && !cpu ? "f16" : "f32";
  const tuned = tuning ? ", tuned by far bench --tune" : "";
  const detail = `--dtype auto means ${dtype}; kernels for ${cpu ? "CPUs" : "GPUs"}${tuned}`;
  return ok("arithmetic and kernels", detail);
}

/**
 * Features for shaders. On the CPU every Vulkan driver has subgroups; an adapter without them is
 * Mesa's OpenGL, which WebGPU uses without such a driver.
 */
export function checkFeatures(
  { f16, subgroups, timestamps, cpu }: AdapterSummary,
  system: System,
  backend?: string,
): Check {
  const name = "features";
  const yes = (has: boolean) => has ? "yes" : "no";
  const detail = `shader-f16 ${yes(f16)}, subgroups ${yes(subgroups)}, ` +
    `timestamp queries ${yes(timestamps)}`;
  if (!subgroups && system.names.includes("windows") && backend !== "vulkan") {
    return warning(name, `${detail}: DirectX 12 by its old compiler`, DXC);
  }
  if (subgroups || !cpu) return ok(name, detail);
  const asked = backend === "gl";
  const why = asked ? "" : " (there is no Vulkan driver)";
  const slow = `${detail}: OpenGL on the CPU${why} is slow and has crashed`;
  return warning(name, slow, asked ? LEAVE_OUT : adapterAdvice(system));
}

/** The requested backend, if any. */
export function chosenBackend(options: GpuOptions): string | undefined {
  return options.backend ?? environment("DENO_WEBGPU_BACKEND");
}
