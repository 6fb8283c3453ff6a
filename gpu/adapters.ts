import { isSoftware } from "./request_device.ts";
import { host } from "./host.ts";

/** What WebGPU reports about an adapter. */
export interface AdapterReport {
  /** As the driver says. */
  readonly name: string;
  /** As the driver says. */
  readonly vendor: string;
  /** As the driver says; often empty. */
  readonly architecture: string;
  /** Whether it runs on the CPU. */
  readonly software: boolean;
  /** Lanes that can exchange values without memory. */
  readonly subgroupSizes: readonly [least: number, most: number];
  /** WebGPU's optional features that it has. */
  readonly features: readonly string[];
  /** Limits that decide which models fit and which kernels run. */
  readonly limits: Readonly<Record<string, number>>;
}

/** Limits that decide which models fit and which kernels run. */
const LIMITS = [
  "maxBufferSize",
  "maxStorageBufferBindingSize",
  "maxStorageBuffersPerShaderStage",
  "maxComputeWorkgroupStorageSize",
  "maxComputeInvocationsPerWorkgroup",
  "maxComputeWorkgroupsPerDimension",
] as const;

/** All adapters that WebGPU can be made to list, beginning with the one that is used. */
export async function listAdapters(): Promise<AdapterReport[]> {
  host().setUp?.({});
  const wishes: GPURequestAdapterOptions[] = [
    { powerPreference: "high-performance" },
    { powerPreference: "low-power" },
    { forceFallbackAdapter: true },
  ];
  const found = new Map<string, AdapterReport>();
  for (const wish of wishes) {
    const adapter = await navigator.gpu?.requestAdapter(wish);
    if (!adapter) continue;
    const report = describe(adapter);
    const { vendor, device } = adapter.info;
    found.set(`${report.name} ${vendor} ${device}`, report);
  }
  return [...found.values()];
}

function describe(adapter: GPUAdapter): AdapterReport {
  const { description, device, vendor, architecture, subgroupMinSize, subgroupMaxSize } = adapter
    .info as GPUAdapterInfo & { subgroupMinSize?: number; subgroupMaxSize?: number };
  const name = description || device || vendor || "unknown adapter";
  return {
    name,
    vendor,
    architecture,
    software: isSoftware(adapter, name),
    subgroupSizes: [subgroupMinSize ?? 0, subgroupMaxSize ?? 0],
    features: [...adapter.features].sort(),
    limits: Object.fromEntries(LIMITS.map((limit) => [limit, adapter.limits[limit]])),
  };
}
