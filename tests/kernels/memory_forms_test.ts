import assert from "node:assert/strict";
import { defineKernel } from "../../gpu/kernel.ts";
import { imageForm } from "../../kernels/memory_forms.ts";

const HEAD = `@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;  // [x[0]]
@group(0) @binding(2) var<storage, read_write> y: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> index: array<u32>;
`;

/** A statement, and its form where x and y are images. */
const STATEMENTS = [
  ["y[i] = x[j];", "put_y(i, get_x(j));"],
  ["y[i] += x[j];", "put_y(i, get_y(i) + (get_x(j)));"],
  [
    "y[index[i]] *= 2.0 * x[index[j] + 1u];",
    "put_y(index[i], get_y(index[i]) * (2.0 * get_x(index[j] + 1u)));",
  ],
  ["let a = x[i] - v.x[0] - xx[i];", "let a = get_x(i) - v.x[0] - xx[i];"],
  [
    "if (a) { y[i] = x[i]; } else { y[i] = y[j]; }",
    "if (a) { put_y(i, get_x(i)); } else { put_y(i, get_y(j)); }",
  ],
  ["if (x[i].x == y[i].x) { y[i] = a; }", "if (get_x(i).x == get_y(i).x) { put_y(i, a); }"],
] as const;

for (const [buffers, images] of STATEMENTS) {
  Deno.test(`imageForm() of ${buffers}`, () => {
    const kernel = imageForm(defineKernel("test", `${HEAD}fn f() { ${buffers} }`), ["x", "y"]);
    assert.ok(kernel.code.includes(`fn f() { ${images} }`), kernel.code);
    const updated = images.includes("get_y");
    const spaces = [...kernel.bindings].map(([name, { space, writable }]) =>
      `${name} ${space} ${writable}`
    );
    const writes = images.includes("put_y");
    assert.deepEqual(
      new Set(spaces),
      new Set([
        ...images.includes("get_x") ? ["x texture false"] : [],
        ...updated ? ["y texture false"] : [],
        ...writes ? [updated ? "y_to texture true" : "y texture true"] : [],
        "index storage false",
      ]),
    );
  });
}

Deno.test("imageForm() refuses a name that the kernel does not declare", () => {
  assert.throws(() => imageForm(defineKernel("test", HEAD), ["z"]), SyntaxError);
});

Deno.test("imageForm() refuses an array that a parameter hides", () => {
  const kernel = defineKernel("test", `${HEAD}fn f(x: mat4x4<f32>) -> vec4<f32> { return x[0]; }`);
  assert.throws(() => imageForm(kernel, ["x"]), /has another x/);
});
