import assert from "node:assert/strict";
import { parseLora, withScale } from "../../request/lora.ts";

Deno.test("parseLora() splits a file from its scale", () => {
  const cases: [text: string, path: string, scale?: number][] = [
    ["a.safetensors", "a.safetensors"],
    ["a.safetensors:0.5", "a.safetensors", 0.5],
    ["run:-1", "run", -1],
    ["run:1e-1", "run", 0.1],
    ["run:.5", "run", 0.5],
    ["C:\\models\\a.safetensors", "C:\\models\\a.safetensors"],
    ["C:\\models\\a.safetensors:2", "C:\\models\\a.safetensors", 2],
    ["a:b.safetensors", "a:b.safetensors"],
    ["a:2/b.safetensors", "a:2/b.safetensors"],
  ];
  for (const [text, path, scale] of cases) {
    assert.deepEqual(parseLora(text), scale === undefined ? { path } : { path, scale });
    assert.deepEqual(parseLora(withScale(path, scale)), parseLora(text));
  }
});

Deno.test("parseLora() refuses invalid scales", () => {
  for (const text of ["a.safetensors:0.5.1", "a:1x", ":2", "a:-"]) {
    assert.throws(() => parseLora(text), { name: "UsageError", message: /FILE or FILE:SCALE/ });
  }
});
