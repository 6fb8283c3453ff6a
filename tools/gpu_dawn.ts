/**
 * Runs the self-tests with the kernels for GPUs on a second implementation of WebGPU: Dawn, Chrome's,
 * by the npm package webgpu. Its compiler, Tint, also checks what Deno's (naga) does not: that all
 * lanes meet barriers and subgroup operations. It needs no GPU, but a Vulkan driver that Dawn takes,
 * such as Mesa's lavapipe from 23 on, and says so in one line where there is none.
 *
 *     VK_ICD_FILENAMES=/path/to/lvp_icd.json deno task gpu-dawn
 */
import { Gpu } from "../gpu/gpu.ts";
import type { DeviceProfile } from "../gpu/tuning.ts";
import { selfTest } from "../run/self_test.ts";

/** Not among the project's imports: only this needs it, and it is large. */
const PACKAGE = "npm:webgpu@0.6.2";

/** What the package gives besides WebGPU's classes. */
interface Dawn {
  create(options: string[]): GPU;
  readonly globals: Record<string, unknown> & {
    readonly GPUDevice: { readonly prototype: GPUDevice };
    readonly GPUQueue: { readonly prototype: GPUQueue };
  };
}

/** Puts Dawn where Deno's own WebGPU is. @throws the package or its library cannot be loaded */
async function install(): Promise<void> {
  const { create, globals } = await import(PACKAGE) as Dawn;
  Object.assign(globalThis, globals);
  const device = globals.GPUDevice.prototype;
  const { createShaderModule } = device;
  // Dawn wants the line that naga refuses
  device.createShaderModule = function (descriptor) {
    const enable = descriptor.code.includes("subgroup") ? "enable subgroups;\n" : "";
    return createShaderModule.call(this, { ...descriptor, code: enable + descriptor.code });
  };
  const queue = globals.GPUQueue.prototype;
  const { writeBuffer } = queue;
  // the package takes no DataView
  queue.writeBuffer = function (buffer, offset, data, ...range) {
    const view = data instanceof DataView;
    const bytes = view ? new Uint8Array(data.buffer, data.byteOffset, data.byteLength) : data;
    return writeBuffer.call(this, buffer, offset, bytes as BufferSource, ...range);
  };
  const gpu = create([]);
  // Gpu.open asks Deno for subgroups as a feature that no adapter lists
  const requestAdapter = gpu.requestAdapter.bind(gpu);
  gpu.requestAdapter = async (options) => {
    const adapter = await requestAdapter(options);
    if (adapter) unlist(adapter);
    return adapter;
  };
  Object.defineProperty(navigator, "gpu", { value: gpu, configurable: true });
}

/** Hides that an adapter has subgroups, without taking them away. */
function unlist(adapter: GPUAdapter): void {
  const listed = new Set([...adapter.features].filter((name) => String(name) !== "subgroups"));
  Object.defineProperty(adapter, "features", { value: listed });
}

async function main(): Promise<number> {
  let gpu: Gpu;
  try {
    await install();
    gpu = await Gpu.open();
  } catch (error) {
    console.log(`gpu-dawn: skipped, Dawn has no adapter here: ${(error as Error).message}`);
    return 0;
  }
  const { name, subgroupSize, storageBuffers, f16 } = gpu.adapter;
  console.log(`Dawn on ${name}, subgroups of at least ${subgroupSize}`);
  const profile: DeviceProfile = { cpu: false, subgroupSize, storageBuffers, f16 };
  let failed = 0;
  let passed = 0;
  for await (const { family, ok, error, problem } of selfTest(gpu, undefined, profile)) {
    console.log(ok ? "ok    " : "failed", family, error?.toExponential(1) ?? "", problem ?? "");
    if (ok) passed++;
    else failed++;
  }
  console.log(`${passed} passed | ${failed} failed`);
  return Number(failed > 0);
}

if (import.meta.main) Deno.exit(await main());
