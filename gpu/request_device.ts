/**
 * Deno grants subgroups without listing them, so the only way to find out is to request them. Browsers
 * list them, and want shaders to enable them, in a line that Deno's compiler refuses: not used there.
 */
export async function requestDevice(
  adapter: GPUAdapter,
  features: GPUFeatureName[],
  requiredLimits: Record<string, number>,
): Promise<{ device: GPUDevice; subgroups: boolean }> {
  const subgroups = "subgroups" as GPUFeatureName;
  const request = (requiredFeatures: GPUFeatureName[]) =>
    adapter.requestDevice({ requiredFeatures, requiredLimits });
  if (!adapter.features.has(subgroups)) {
    const device = await request([...features, subgroups]).catch(() => undefined);
    if (device) return { device, subgroups: true };
  }
  return { device: await request(features), subgroups: false };
}

/**
 * Lanes that are guaranteed to be able to exchange values. Of Apple's GPUs wgpu says 4, the least that
 * Metal allows any; theirs have had 32 ever since they can exchange values at all.
 */
export function leastSubgroup(name: string, subgroupMinSize = 0): number {
  return /^Apple\b/.test(name) && subgroupMinSize > 0 ? 32 : subgroupMinSize;
}

/** Whether an adapter runs on the CPU. */
export function isSoftware(adapter: GPUAdapter, name: string): boolean {
  const info = adapter.info as GPUAdapterInfo & { isFallbackAdapter?: boolean };
  return info.isFallbackAdapter === true || /llvmpipe|swiftshader|basic render/i.test(name);
}
