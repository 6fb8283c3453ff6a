/**
 * What AMD's compiler makes of the kernels for GPUs, without a GPU: registers, spills, and how dense
 * in multiply-adds the busiest loop is. Deno compiles them by Mesa's RADV, whose null device needs no
 * hardware; gpu_static/null_gpu.c lends it what wgpu wants.
 *
 *     deno task gpu-static                            # the pipelines that models use untuned
 *     deno task gpu-static --with packed=1,split=4    # with choices that a table may have
 *     deno task gpu-static --tuned                    # and those that `far bench --tune` tries
 *     deno task gpu-static --family navi21 --only linear,attention
 *     deno task gpu-static --isa /tmp/isa             # the machine code too, a file per pipeline
 *     deno task gpu-static --json > before.json       # ... change a kernel ...
 *     deno task gpu-static --against before.json      # what changed, old -> new
 *     deno task gpu-static --step 2,16,128            # modelled time of a step of FAR_B instead
 *     deno task gpu-static --step 16 --architecture FAR_L --videos 4
 *     deno task gpu-static --family dg2               # Intel's instead: spills and cycles
 *
 * Needs a C compiler and mesa-vulkan-drivers (x86-64 Linux, 22.3 or later); says so in one line and
 * ends well where they are missing. RADV_LIBRARY=.../libvulkan_radeon.so is another build of the
 * driver: from 25 on its families are navi31, navi21, vega10 and others; before, gfx1100 instead of
 * navi31. For Intel's (dg2, bmg, tgl) INTEL_SHIM is what gpu_static/intel_shim.sh builds, and
 * INTEL_LIBRARY=.../libvulkan_intel.so another build of the driver. `--only` takes the beginnings of
 * names, or expressions for names and constants: `--only 'linear.*ROWS=64'`.
 */
import { INTEL, intelEnvironment, intelTable, readIntelRow } from "./gpu_static/intel.ts";
import { busiestLoop, type Loop, shareOfPeak } from "./gpu_static/loop.ts";
import { type StepOptions, stepTable } from "./gpu_static/step.ts";

/** What the compiler made of a pipeline. */
export interface Row {
  readonly kernel: string;
  readonly constants: string;
  readonly use: string;
  readonly vgprs: number;
  readonly spills: number;
  readonly lds: number;
  readonly instructions: number;
  /** Absent if no loop has most of the multiply-adds. */
  readonly loop?: Loop;
}

/** Trips of the loop within the busiest one: `attention` adds up dims, eight a trip, then values. */
function innerTrips(kernel: string, constants: string): number {
  if (kernel !== "attention") return 1;
  return /F16=1/.test(constants) ? 3 : 7;
}

const DRIVERS = "/usr/lib/x86_64-linux-gnu";
const HERE = `${import.meta.dirname}/gpu_static`;

function flag(name: string): boolean {
  return Deno.args.includes(name);
}

function option(name: string): string | undefined {
  return flag(name) ? Deno.args[Deno.args.indexOf(name) + 1] : undefined;
}

/** Builds the driver in a folder of its own; undefined without a compiler. */
async function buildDriver(folder: string): Promise<string | undefined> {
  const library = `${folder}/null_gpu.so`;
  const args = ["-O1", "-w", "-shared", "-fPIC", "-o", library, `${HERE}/null_gpu.c`, "-ldl"];
  const built = await new Deno.Command("cc", { args, stderr: "null" }).output()
    .catch(() => undefined);
  return built?.success ? await describeDriver(folder, library) : undefined;
}

/** Writes what tells Vulkan's loader of a driver. @returns its path */
async function describeDriver(folder: string, library: string): Promise<string> {
  const icd = {
    file_format_version: "1.0.0",
    ICD: { api_version: "1.3.230", library_path: library },
  };
  await Deno.writeTextFile(`${folder}/icd.json`, JSON.stringify(icd));
  return `${folder}/icd.json`;
}

/** Arguments of the process that compiles. */
function compileArguments(): string[] {
  const tuned = flag("--tuned") ? "tuned" : "";
  return [
    "run",
    "-A",
    `${HERE}/compile.ts`,
    option("--only") ?? "",
    tuned,
    option("--with") ?? "",
  ];
}

/** Compiles everything for a family of AMD's GPUs. @returns what driver and child printed */
async function compile(icd: string, driver: string, family?: string): Promise<string> {
  const env = (families: string, assembly: string) => ({
    VK_ICD_FILENAMES: icd,
    RADV_LIBRARY: driver,
    DENO_WEBGPU_BACKEND: "vulkan",
    RADV_FORCE_FAMILY: families,
    RADV_DEBUG: `nocache,shaderstats,${assembly}`,
    XDG_RUNTIME_DIR: Deno.env.get("XDG_RUNTIME_DIR") ?? "/tmp",
  });
  const args = compileArguments();
  // the names changed in between
  for (const [newest, assembly] of [["navi31", "asm"], ["gfx1100", "shaders"]] as const) {
    const child = new Deno.Command(Deno.execPath(), { args, env: env(family ?? newest, assembly) });
    const text = new TextDecoder().decode((await child.output()).stderr);
    if (/\n@@ end\n$/.test(text) && text.includes("disasm:")) return text;
    if (text.includes("\n@@ adapter") && !/\n@@ end\n$/.test(text)) {
      throw new Error(text.slice(-2000));
    }
  }
  throw new Error(`${driver} compiles nothing for ${family ?? "navi31"}`);
}

function number(text: string, name: string): number {
  return Number(new RegExp(`^${name}: (\\d+)`, "m").exec(text)?.[1] ?? NaN);
}

/** Reads what was printed for a pipeline; undefined if it was not compiled. */
async function readRow(chunk: string): Promise<Row | undefined> {
  const [kernel = "", constants = "", use = ""] = chunk.slice(0, chunk.indexOf("\n")).split("\t");
  const at = chunk.lastIndexOf("*** SHADER STATS ***");
  if (at < 0 || kernel === "adapter") return undefined;
  const statistics = chunk.slice(at);
  const code = chunk.slice(chunk.lastIndexOf("disasm:", at) + 8, at).split("\n")
    .map((line) => line.split(";")[0]!.trimEnd());
  const folder = option("--isa");
  if (folder) {
    const name = `${kernel} ${constants}.s`.replaceAll(" ", "_");
    await Deno.writeTextFile(`${folder}/${name}`, code.join("\n"));
  }
  return {
    kernel,
    constants,
    use,
    vgprs: number(statistics, "VGPRs"),
    spills: number(statistics, "Spilled VGPRs") + number(statistics, "Spilled SGPRs"),
    lds: number(statistics, "LDS size"),
    instructions: number(statistics, "Instructions"),
    loop: busiestLoop(code, innerTrips(kernel, constants)),
  };
}

const HEAD = ["kernel", "constants", "use", "VGPRs", "spills", "LDS", "instructions"];
const LOOP_HEAD = [
  ...["FMA", "% of VALU", "address", "LDS B/FMA", "memory B/FMA"],
  ...["waits: memory/scalar/LDS", "branches", "% of peak at 1/2/4 waves"],
];

function loopCells(loop: Loop | undefined): string[] {
  if (!loop) return LOOP_HEAD.map(() => "");
  const percent = (share: number) => (100 * share).toFixed(0);
  return [
    String(loop.fma),
    percent(loop.fma / loop.valu),
    String(loop.address),
    (loop.ldsBytes / loop.fma).toFixed(2),
    (loop.memoryBytes / loop.fma).toFixed(2),
    `${loop.memoryWaits}/${loop.scalarWaits}/${loop.ldsWaits}`,
    String(loop.branches),
    [1, 2, 4].map((waves) => percent(shareOfPeak(loop, waves))).join("/"),
  ];
}

function cells(row: Row): string[] {
  const { kernel, constants, use, vgprs, spills, lds, instructions } = row;
  const numbers = [vgprs, spills, lds, instructions].map(String);
  return [kernel, constants, use, ...numbers, ...loopCells(row.loop)];
}

/** Rows that differ, cell by cell as old -> new. */
function changes(before: readonly Row[], rows: readonly Row[]): string[][] {
  const key = ({ kernel, constants }: Row) => `${kernel} ${constants}`;
  const old = new Map(before.map((row) => [key(row), cells(row)]));
  return rows.map((row) => {
    const was = old.get(key(row));
    return cells(row).map((cell, i) =>
      i < 3 || was?.[i] === cell ? cell : `${was?.[i] ?? ""} -> ${cell}`
    );
  }).filter((line) => line.some((cell) => cell.includes(" -> ")));
}

function printTable(table: readonly string[][]): void {
  const head = [...HEAD, ...LOOP_HEAD];
  console.log(`| ${head.join(" | ")} |`);
  console.log(`|---|---|---|${head.slice(3).map(() => "---:|").join("")}`);
  for (const line of table) console.log(`| ${line.join(" | ")} |`);
}

/** What Intel's compiler makes of everything; prints it. */
async function intel(family: string, folder: string): Promise<void> {
  const shim = Deno.env.get("INTEL_SHIM") ?? "";
  const driver = Deno.env.get("INTEL_LIBRARY") ?? `${DRIVERS}/libvulkan_intel.so`;
  for (
    const [path, hint] of [[shim, "tools/gpu_static/intel_shim.sh"], [driver, "INTEL_LIBRARY"]]
  ) {
    if (await Deno.stat(path!).catch(() => undefined)) continue;
    return console.log(`gpu-static: skipped, there is no ${path || "INTEL_SHIM"} (${hint})`);
  }
  const env = intelEnvironment(family, { shim, icd: await describeDriver(folder, driver) });
  const child = new Deno.Command(Deno.execPath(), { args: compileArguments(), env });
  const text = new TextDecoder().decode((await child.output()).stderr);
  if (!/\n@@ end\n/.test(text)) throw new Error(text.slice(-2000));
  const rows = text.split("\n@@ ").slice(1).map(readIntelRow).filter((row) => row !== undefined);
  console.log(flag("--json") ? JSON.stringify(rows) : intelTable(rows));
}

function stepOptions(frames: string): StepOptions {
  return {
    frames: frames.split(",").map(Number),
    family: option("--family") ?? "navi31",
    architecture: (option("--architecture") ?? "FAR_B") as StepOptions["architecture"],
    videos: Number(option("--videos") ?? 1),
    choices: option("--with") ?? "",
  };
}

/** What AMD's compiler makes of everything; prints it. */
async function amd(folder: string): Promise<void> {
  const driver = Deno.env.get("RADV_LIBRARY") ?? `${DRIVERS}/libvulkan_radeon.so`;
  const found = await Deno.stat(driver).catch(() => undefined);
  const icd = found && await buildDriver(folder);
  if (!icd) {
    const missing = found ? "a C compiler (cc)" : `${driver} (mesa-vulkan-drivers)`;
    return console.log(`gpu-static: skipped, there is no ${missing}`);
  }
  const isa = option("--isa");
  if (isa) await Deno.mkdir(isa, { recursive: true });
  const parts = (await compile(icd, driver, option("--family"))).split("\n@@ ").slice(1);
  const rows = (await Promise.all(parts.map(readRow))).filter((row) => row !== undefined);
  if (flag("--json")) return console.log(JSON.stringify(rows));
  console.log(`${parts[0]!.split(/[\t\n]/)[1]}, ${rows.length} pipelines\n`);
  const steps = option("--step");
  if (steps) return console.log(stepTable(rows, stepOptions(steps)));
  const before = option("--against");
  const text = before && await Deno.readTextFile(before);
  printTable(text ? changes(JSON.parse(text) as Row[], rows) : rows.map(cells));
}

async function main(): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "gpu_static" });
  const family = option("--family");
  try {
    await (family && (INTEL as readonly string[]).includes(family)
      ? intel(family, folder)
      : amd(folder));
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

if (import.meta.main) await main();
