import assert from "node:assert/strict";
import { withConstants } from "../../gpu/kernel.ts";
import { joinKernel } from "../../kernels/fragments.ts";
import { plainName } from "../../kernels/memory_forms.ts";
import { packedForm } from "../../kernels/product.ts";

const KERNELS = `${import.meta.dirname}/../../kernels`;

/** Workgroup variables that a kernel can reach, so that Metal and DirectX clear them. */
function reached(name: string, constants: Record<string, number>): string[] {
  const plain = plainName(name);
  const source = Deno.readTextFileSync(`${KERNELS}/${plain}.wgsl`);
  const kernel = plain === name ? joinKernel(name, source) : packedForm(plain, source);
  const text = withConstants(kernel, constants).code.replace(/\/\/.*$/gm, "");
  const variables = [...text.matchAll(/var<workgroup> (\w+)/g)].map(([, variable]) => variable!);
  const bodies = new Map(
    [...text.matchAll(/^fn (\w+)(.*\}$|[^]*?^\})/gm)].map(([body, one]) => [one!, body] as const),
  );
  const functions = new Set(["main"]);
  for (const one of functions) {
    for (const [word] of bodies.get(one)!.matchAll(/\b\w+(?=\()/g)) {
      if (bodies.has(word)) functions.add(word);
    }
  }
  const used = [...functions].map((one) => bodies.get(one)!).join("\n");
  return variables.filter((variable) => new RegExp(`\\b${variable}\\b`).test(used)).sort();
}

const CASES: [name: string, constants: Record<string, number>, used: string[]][] = [
  ["linear", { SLICES: 1, NORM: 0 }, ["heap"]],
  ["linear", { SLICES: 2, NORM: 0, ROWS: 64 }, ["heap"]],
  ["linear", { SLICES: 1, NORM: 1 }, ["heap", "row_norms"]],
  ["linear_shuffle", { SLICES: 1, NORM: 0 }, []],
  ["linear_shuffle", { SLICES: 1, NORM: 0, ROWS: 64 }, []],
  ["linear_shuffle", { SLICES: 2, NORM: 0 }, ["heap"]],
  ["linear_shuffle", { SLICES: 1, NORM: 1 }, ["heap", "row_norms"]],
  ["qkv", { SLICES: 1, BLOCKS: 2 }, ["heap", "row_norms"]],
  ["qkv_shuffle", { SLICES: 1, BLOCKS: 2 }, ["heap", "row_norms"]],
  ["linear_packed", { SLICES: 1, NORM: 0 }, ["half_heap"]],
  ["linear_packed", { SLICES: 4, NORM: 1 }, ["half_heap", "heap", "row_norms"]],
  ["conv2d", { SLICES: 1 }, ["heap"]],
  ["conv2d_shuffle", { SLICES: 1 }, []],
  ["conv2d_shuffle", { SLICES: 4 }, ["heap"]],
  ["attention", { AHEAD: 1 }, ["queries", "shown"]],
  ["attention", { AHEAD: 0 }, ["queries", "shown"]],
  ["attention_shuffle", { AHEAD: 1 }, []],
];

for (const [name, constants, used] of CASES) {
  Deno.test(`${name} clears no workgroup memory but what it uses, ${JSON.stringify(constants)}`, () => {
    assert.deepEqual(reached(name, constants), used);
  });
}
