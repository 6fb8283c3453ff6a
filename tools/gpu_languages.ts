/**
 * Translates every pipeline for GPUs into the languages of other systems by naga, the translator in
 * Deno, and says what each declares of workgroup memory: on Metal and DirectX 12 a single lane
 * clears it before each workgroup.
 *
 *     deno task gpu-languages           # what untuned models use
 *     deno task gpu-languages --tuned   # and what `far bench --tune` tries
 *
 * Needs naga (cargo install naga-cli --locked); says so in one line where it is missing.
 */
import { withConstants } from "../gpu/kernel.ts";
import { constantsText, GPU, pipelines } from "./gpu_static/pipelines.ts";

/** File endings that naga translates to. */
const LANGUAGES = ["metal", "hlsl", "spv"] as const;

/** What naga says; undefined where there is none. */
async function naga(args: readonly string[]): Promise<string | undefined> {
  const command = new Deno.Command("naga", { args: ["--capabilities", "all", ...args] });
  const output = await command.output().catch(() => undefined);
  if (!output) return undefined;
  return output.success ? "" : new TextDecoder().decode(output.stderr).trim();
}

/** Workgroup memory that a single lane clears, of what HLSL declares. */
function clearedMemory(hlsl: string): string[] {
  const declared = [...hlsl.matchAll(/^groupshared (.*?(\w+)(?:\[\d+\])*);$/gm)];
  return declared.filter(([, , name]) => new RegExp(`^\\s*${name} = `, "m").test(hlsl))
    .map(([, whole]) => whole!);
}

async function main(): Promise<number> {
  const folder = await Deno.makeTempDir({ prefix: "gpu_languages" });
  let [passed, failed] = [0, 0];
  try {
    for (const { kernel, constants } of pipelines(GPU, Deno.args.includes("--tuned"))) {
      const name = `${kernel.name} ${constantsText(constants)}`.trim();
      await Deno.writeTextFile(`${folder}/kernel.wgsl`, withConstants(kernel, constants).code);
      for (const language of LANGUAGES) {
        const problem = await naga([`${folder}/kernel.wgsl`, `${folder}/kernel.${language}`]);
        if (problem === undefined) {
          console.log("gpu-languages: skipped, there is no naga (cargo install naga-cli --locked)");
          return 0;
        }
        if (problem) console.log(`${name}, ${language}: ${problem}`);
        if (problem) failed++;
        else passed++;
      }
      const text = await Deno.readTextFile(`${folder}/kernel.hlsl`).catch(() => "");
      const cleared = clearedMemory(text);
      if (cleared.length > 0) console.log(`${name}: ${cleared.join(", ")}`);
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
  console.log(`${passed} passed | ${failed} failed`);
  return Number(failed > 0);
}

if (import.meta.main) Deno.exit(await main());
