import assert from "node:assert/strict";
import { defineKernel, packParams, placeErrors, withConstants } from "../../gpu/kernel.ts";

const CODE = `
// @group(0) @binding(9) var<storage, read> in_a_comment: array<u32>;
override WG: u32 = 8u;
struct Params { a: u32, b: i32, c: f32, }  // sizes
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<uniform> step: Step;
@group(0) @binding(2)
var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;
`;

Deno.test("defineKernel() reads bindings and parameters from the shader", () => {
  const kernel = defineKernel("test", CODE);
  assert.equal(kernel.name, "test");
  assert.equal(kernel.paramsBinding, 0);
  assert.deepEqual([...kernel.bindings], [
    ["step", { binding: 1, writable: false, space: "uniform" }],
    ["x", { binding: 2, writable: false, space: "storage" }],
    ["y", { binding: 3, writable: true, space: "storage" }],
  ]);
  assert.deepEqual(kernel.params, [
    { name: "a", type: "u32" },
    { name: "b", type: "i32" },
    { name: "c", type: "f32" },
  ]);
});

Deno.test("defineKernel() recognises textures by their type", () => {
  const kernel = defineKernel(
    "textures",
    "@group(0) @binding(1) var w: texture_storage_2d<rgba32uint, read>;\n" +
      "@group(0) @binding(4)\nvar k : texture_storage_2d<rgba32uint,write>;",
  );
  assert.deepEqual([...kernel.bindings], [
    ["w", { binding: 1, writable: false, space: "texture" }],
    ["k", { binding: 4, writable: true, space: "texture" }],
  ]);
});

Deno.test("defineKernel() takes a shader without parameters", () => {
  const kernel = defineKernel("plain", "@group(0) @binding(0) var<storage, read> x: array<u32>;");
  assert.equal(kernel.paramsBinding, undefined);
  assert.deepEqual(kernel.params, []);
});

Deno.test("defineKernel() refuses a parameter that is not 4 bytes", () => {
  assert.throws(
    () => defineKernel("wide", "struct Params { a: u32, v: vec4f, }"),
    /SyntaxError: Cannot define kernel wide: Params\.v is vec4f/,
  );
});

Deno.test("packParams() writes values in the order and type of the struct", () => {
  const view = new DataView(new ArrayBuffer(24));
  packParams(defineKernel("test", CODE), { c: -0.5, a: 4294967295, b: -7 }, view, 8);
  assert.equal(view.getUint32(8, true), 4294967295);
  assert.equal(view.getInt32(12, true), -7);
  assert.equal(view.getFloat32(16, true), -0.5);
  assert.equal(view.getUint32(0), 0);
  assert.equal(view.getUint32(20), 0);
});

Deno.test("packParams() refuses a missing and an unknown parameter", () => {
  const kernel = defineKernel("test", CODE);
  const view = new DataView(new ArrayBuffer(16));
  assert.throws(
    () => packParams(kernel, { a: 1, b: 2 }, view, 0),
    /TypeError: Cannot run test: parameter c is missing/,
  );
  assert.throws(
    () => packParams(kernel, { a: 1, b: 2, c: 3, d: 4 }, view, 0),
    /TypeError: Cannot run test: it has no parameter d/,
  );
});

Deno.test("placeErrors() names the file and line that the joined line came from", () => {
  const kernel = defineKernel("joined", [
    { file: "a.wgsl", code: "one\ntwo\n" },
    { file: "b.wgsl", code: "three\nfour\n" },
  ]);
  const PLACES: readonly [line: number, place: string][] = [
    [1, "a.wgsl:1"],
    [2, "a.wgsl:2"],
    [3, "b.wgsl:1"],
    [4, "b.wgsl:2"],
  ];
  for (const [line, place] of PLACES) {
    const text = `wrong\n  ┌─ wgsl:${line}:7\n${line} │ x\n`;
    const own = place.split(":")[1];
    assert.equal(placeErrors(kernel, text), `wrong\n  ┌─ ${place}:7\n${own} │ x\n`);
  }
});

Deno.test("withConstants() puts constants into the text, line by line", () => {
  const code = [
    "override A: u32 = 1u;   // or 2",
    "override B: bool = false;",
    "override C: i32 = 3;",
    "override D: f32;",
    "override E: u32 = 4u;",
    "// override F: u32 = 5u;",
  ].join("\n");
  const given = { A: 2, B: 1, C: -1, D: 0.5, F: 6 };
  const { code: text, unknown } = withConstants({ code }, given);
  assert.deepEqual(text.split("\n"), [
    "const A: u32 = u32(2);   // or 2",
    "const B: bool = true;",
    "const C: i32 = i32(-1);",
    "const D: f32 = f32(0.5);",
    "const E: u32 = 4u;",
    "// override F: u32 = 5u;",
  ]);
  assert.deepEqual(unknown, { F: 6 });
});

Deno.test("withConstants() leaves out branches that are never taken, and keeps lines", () => {
  const code = [
    "override A: u32 = 2u;",
    "override B: bool = false;",
    "override C: u32 = A * 2u; @group(0) @binding(0) var<storage> y: array<u32>; var<workgroup> w: u32;",
    "if (B) { never(); }",
    "if (!B) { always(); }",
    "if (A > 2u) {",
    "  if (A == 2u) { never(); }   // }",
    "}",
    "if (A < 4u) { if (A != 2u) { never(); } always(); }",
    "if (C > 9u) { unknown(); }",
    "if (B) { never(); } else { always(); }",
    "if (B && x) { unknown(); }",
    "if (B) { y[0] = 1u; }",
  ].join("\n");
  const { code: text } = withConstants({ code }, {});
  assert.deepEqual(text.split("\n").slice(3), [
    "",
    "if (!B) { always(); }",
    "",
    "",
    "",
    "if (A < 4u) {  always(); }",
    "if (C > 9u) { unknown(); }",
    "if (B) { never(); } else { always(); }",
    "if (B && x) { unknown(); }",
    "if (B) { y[0] = 1u; }",
  ]);
  assert.match(withConstants({ code }, { A: 3, B: 1 }).code, /if \(B\) \{ never\(\); \}/);
  const alone = "override B: bool = false;\nif (B) { never(); }";
  assert.match(withConstants({ code: alone }, {}).code, /never/);
});
