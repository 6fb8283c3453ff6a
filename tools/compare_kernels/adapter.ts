/** The adapters that engines were given, and the work they recorded on them. */
export interface AdapterUse {
  /** Names of the adapters handed out since the last look. */
  readonly adapters: Set<string>;
  /** Dispatches recorded so far: an engine that fell back to the CPU adds none. */
  dispatches: number;
}

/** Makes every engine ask for the same, fastest adapter, and counts the dispatches it records. */
export function watchAdapter(): AdapterUse {
  const use: AdapterUse = { adapters: new Set(), dispatches: 0 };
  const request = GPU.prototype.requestAdapter;
  GPU.prototype.requestAdapter = async function (this: GPU, options) {
    const adapter = await request.call(this, { ...options, powerPreference: "high-performance" });
    if (adapter) use.adapters.add(adapter.info.description || adapter.info.device);
    return adapter;
  };
  const dispatch = GPUComputePassEncoder.prototype.dispatchWorkgroups;
  GPUComputePassEncoder.prototype.dispatchWorkgroups = function (...groups) {
    use.dispatches++;
    return dispatch.apply(this, groups);
  };
  return use;
}
