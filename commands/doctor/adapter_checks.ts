import type { AdapterReport, Gpu, GpuOptions } from "../../mod.ts";
import { environment } from "../environment.ts";
import { type Check, sizeText } from "./check.ts";
import { adapterAdvice, type System } from "./system.ts";

/** Storage bindings that the released models need up to here are sure to fit (WebGPU's default). */
const USUAL_BINDING = 128 * 2 ** 20;

/** Which adapter there is, and whether a graphics card lies idle. */
export function checkAdapters(
  adapters: readonly AdapterReport[],
  system: System,
  backend?: string,
): Check {
  const first = adapters[0];
  const name = "adapter";
  const mend = adapterAdvice(system);
  if (!first && backend) {
    const detail = `WebGPU finds none by ${backend}`;
    return { name, status: "failed", detail, mend: "leave out --backend and DENO_WEBGPU_BACKEND" };
  }
  if (!first) return { name, status: "failed", detail: "WebGPU finds none", mend };
  const others = adapters.slice(1).map((adapter) => adapter.name);
  const also = others.length > 0 ? `; also ${others.join(", ")}` : "";
  if (!first.software) return { name, status: "ok", detail: `${first.name}${also}` };
  const detail = `${first.name}, which runs on the CPU${also}`;
  if (system.cards.length === 0) return { name, status: "ok", detail };
  const idle = `${detail}, though there is a graphics card (${system.cards.join(", ")})`;
  return { name, status: "warning", detail: idle, mend };
}

/** Backend, arithmetic and kernels that will be used. */
export function checkDevice(gpu: Gpu, options: GpuOptions): Check[] {
  const { adapter, limits } = gpu;
  const backend = chosenBackend(options) ?? "the system's best";
  const dtype = adapter.f16 && !adapter.cpu ? "f16" : "f32";
  const small = limits.maxStorageBufferBindingSize < USUAL_BINDING;
  const yes = (has: boolean) => has ? "yes" : "no";
  return [
    { name: "backend", status: "ok", detail: backend },
    {
      name: "features",
      status: "ok",
      detail: `shader-f16 ${yes(adapter.f16)}, subgroups ${yes(adapter.subgroups)}, ` +
        `timestamp queries ${yes(adapter.timestamps)}`,
    },
    {
      name: "limits",
      status: small ? "warning" : "ok",
      detail: `buffers up to ${sizeText(limits.maxBufferSize)}, bindings up to ` +
        sizeText(limits.maxStorageBufferBindingSize),
      ...small ? { mend: "take a smaller model, or fewer frames" } : {},
    },
    {
      name: "arithmetic and kernels",
      status: "ok",
      detail: `--dtype auto means ${dtype}; kernels for ${adapter.cpu ? "CPUs" : "GPUs"}`,
    },
  ];
}

/** The backend that was asked for, if any. */
export function chosenBackend(options: GpuOptions): string | undefined {
  return options.backend ?? environment("DENO_WEBGPU_BACKEND");
}
