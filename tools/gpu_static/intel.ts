/** What Intel's compiler made of a pipeline. */
export interface IntelRow {
  readonly kernel: string;
  readonly constants: string;
  readonly use: string;
  /** Lanes of a subgroup. */
  readonly simd: number;
  readonly instructions: number;
  /** As the compiler estimates, each loop counted a fixed number of times. */
  readonly cycles: number;
  readonly spills: number;
  readonly fills: number;
}

/** Intel's GPUs that its shim plays: Arc A770, Arc B580, and laptops of 2020. */
export const INTEL = ["dg2", "bmg", "tgl"] as const;

const STATISTICS =
  /^SIMD(\d+) shader: (\d+) instructions\..*?(\d+) cycles\. (\d+):(\d+) spills:fills/m;

/** Environment of a process that compiles for one of Intel's GPUs, without any. */
export function intelEnvironment(
  family: string,
  { shim, icd }: { readonly shim: string; readonly icd: string },
): Record<string, string> {
  return {
    LD_PRELOAD: shim,
    INTEL_STUB_GPU_PLATFORM: family,
    VK_ICD_FILENAMES: icd,
    MESA_SHADER_CACHE_DISABLE: "true",
    INTEL_DEBUG: "cs",
    DENO_WEBGPU_BACKEND: "vulkan",
  };
}

/** Reads what was printed for a pipeline; undefined if it was not compiled. */
export function readIntelRow(chunk: string): IntelRow | undefined {
  const [kernel = "", constants = "", use = ""] = chunk.slice(0, chunk.indexOf("\n")).split("\t");
  const found = STATISTICS.exec(chunk);
  if (!found || kernel === "adapter") return undefined;
  const [simd, instructions, cycles, spills, fills] = found.slice(1).map(Number) as [
    ...[number, number, number, number, number],
  ];
  return { kernel, constants, use, simd, instructions, cycles, spills, fills };
}

/** The table of rows, and how many of them spill. */
export function intelTable(rows: readonly IntelRow[]): string {
  const lines = rows.map(({ kernel, constants, use, simd, instructions, cycles, spills, fills }) =>
    `| ${kernel} | ${constants} | ${use} | ${simd} | ${instructions} | ${cycles} | ${spills}:${fills} |`
  );
  return [
    "| kernel | constants | use | SIMD | instructions | cycles | spills:fills |",
    "|---|---|---|---:|---:|---:|---:|",
    ...lines,
    "",
    `${rows.filter(({ spills }) => spills > 0).length} of ${rows.length} spill`,
  ].join("\n");
}
