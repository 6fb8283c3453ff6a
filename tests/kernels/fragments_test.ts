import assert from "node:assert/strict";
import { GpuError } from "../../gpu/errors.ts";
import { Gpu } from "../../gpu/gpu.ts";
import type { Kernel } from "../../gpu/kernel.ts";
import { joinKernel } from "../../kernels/fragments.ts";
import { GPU_TEST, testGpu } from "../support/gpu.ts";

const KERNELS = `${import.meta.dirname}/../../kernels`;

/** Every kernel by its file, so that a new one is compiled here without being named. */
const FILES = [...Deno.readDirSync(KERNELS)].map(({ name }) => name)
  .filter((name) => name.endsWith(".wgsl")).sort();

function readKernel(file: string): Kernel {
  return joinKernel(file.replace(".wgsl", ""), Deno.readTextFileSync(`${KERNELS}/${file}`));
}

/** Values of constants besides the default; of a flag both are tried. */
const VALUES: Readonly<Record<string, readonly number[]>> = {
  ROWS: [32, 64],
  SLICES: [1, 2, 4],
  BLOCKS: [1, 2],
  AHEAD: [1, 2, 4],
  PARTS: [1, 4, 8],
  SPLIT: [1, 4],
  SOURCE: [0, 1, 2],
  SIZE: [1, 3],
  WG: [32, 64],
};

/** The constants of every form: one is changed at a time, each with and without half floats. */
function forms({ code }: Kernel): Record<string, number>[] {
  const overrides = [...code.matchAll(/^override (\w+)\s*:\s*(\w+)/gm)]
    .map(([, name, type]) => [name!, type === "bool" ? [0, 1] : VALUES[name!] ?? []] as const);
  const halves = overrides.some(([name]) => name === "F16") ? [{ F16: 0 }, { F16: 1 }] : [{}];
  const single = overrides.flatMap(([name, values]) => values.map((value) => ({ [name]: value })));
  return halves.flatMap((half) => [half, ...single.map((one) => ({ ...half, ...one }))]);
}

for (const file of FILES) {
  Deno.test({ name: `${file} compiles in all its forms`, ...GPU_TEST }, async () => {
    const gpu = await testGpu();
    const kernel = readKernel(file);
    for (const constants of forms(kernel)) gpu.pipeline(kernel, constants);
    await gpu.idle();
  });
}

Deno.test("kernels have one entry point, and fragments have none", () => {
  for (const file of FILES) {
    const text = Deno.readTextFileSync(`${KERNELS}/${file}`);
    assert.equal(text.split("@compute").length, 2, file);
  }
  for (const { name } of Deno.readDirSync(`${KERNELS}/fragments`)) {
    assert.doesNotMatch(Deno.readTextFileSync(`${KERNELS}/fragments/${name}`), /@compute/, name);
  }
});

Deno.test("joinKernel() refuses a fragment that does not exist", () => {
  assert.throws(
    () => joinKernel("lost", "// Joined after fragments: step, nowhere.\n"),
    /TypeError: Cannot define kernel lost: there is no fragment nowhere/,
  );
});

/** The fault, its file, and the place that the message must name. */
const BROKEN: readonly [what: string, kernel: string, text: string, place: RegExp][] = [
  ["a name", "linear", "let nowhere = missing;", /kernels\/linear\.wgsl:12:15/],
  ["a type", "solver_step", "let wrong: u32 = 1.5;", /kernels\/solver_step\.wgsl:4\d:/],
  [
    "a kernel that stands alone",
    "last_frame",
    "let u = missing;",
    /kernels\/last_frame\.wgsl:/,
  ],
];

for (const [what, name, text, place] of BROKEN) {
  Deno.test({ name: `a compile error points at the file: ${what}`, ...GPU_TEST }, async () => {
    const gpu = await Gpu.open(); // of its own, since an error ends it
    const code = Deno.readTextFileSync(`${KERNELS}/${name}.wgsl`).trimEnd()
      .replace(/\}$/, `${text}\n}\n`);
    await assert.rejects(async () => {
      gpu.pipeline(joinKernel(name, code), {});
      await gpu.idle();
    }, (error) => error instanceof GpuError && place.test(error.message));
  });
}
