import assert from "node:assert/strict";
import { grid, tileConstants, tileGrid } from "../../kernels/grid.ts";
import { imageBuffer, readImage } from "../../kernels/image.ts";
import { Memory, type Tensor } from "../../gpu/memory.ts";
import { Program } from "../../gpu/program.ts";
import { GPU_TEST, testGpu } from "../support/gpu.ts";

Deno.test("grid() covers all lanes and stays inside what every device takes", () => {
  assert.deepEqual(grid(1, 64), [1, 1, 1]);
  assert.deepEqual(grid(65, 64), [2, 1, 1]);
  assert.deepEqual(grid(32768 * 64, 64), [32768, 1, 1]);
  for (const lanes of [32768 * 64 + 1, 5_000_001, 2 ** 30]) {
    const [x, y, z] = grid(lanes, 64);
    assert.ok(x <= 65535 && y <= 65535 && z === 1);
    assert.ok(x * y * 64 >= lanes && x * (y - 1) * 64 < lanes);
  }
});

Deno.test("tileGrid() covers rows and columns, many rows folded", () => {
  assert.deepEqual(tileGrid(64, 768, { tile: 32, blocks: 1 }), [2, 24, 1]);
  assert.deepEqual(tileGrid(64, 800, { tile: 32, blocks: 2 }), [2, 13, 1]);
  assert.deepEqual(tileGrid(65, 33, { tile: 64, blocks: 1 }), [2, 2, 1]);
  const [x, y, z] = tileGrid(2 ** 22, 32, { tile: 32, blocks: 1 });
  assert.ok(x <= 65535 && y === 1 && x * z * 32 === 2 ** 22);
});

Deno.test("tileConstants() stays within a device's workgroup memory and lanes", () => {
  for (const [wide, bytes, lanes] of [[false, 16384, 256], [true, 32768, 512]] as const) {
    for (const tile of [32, 64]) {
      for (const blocks of [1, 2]) {
        for (const slices of [1, 2, 4, 8]) {
          const how = { tile, slices, blocks, ahead: 1 };
          const { ROWS, SLICES, BLOCKS, AHEAD } = tileConstants({ cpu: false, wide }, how);
          // vec4s of x, padded, or of sums, and of the norms
          const heaps = Math.max(SLICES, SLICES > 1 ? 2 * BLOCKS : 1);
          const all = 16 * (heaps * 4 * (ROWS + 2) + ROWS);
          assert.ok(all <= bytes);
          // x in half floats besides
          assert.ok(all + 8 * SLICES * 4 * (ROWS + 8) <= bytes, JSON.stringify(how));
          assert.ok(64 * SLICES * BLOCKS <= lanes);
          assert.ok(SLICES <= slices && ROWS === tile && BLOCKS === blocks && AHEAD === 1);
        }
      }
    }
  }
});

Deno.test({ name: "kernels find their place in a folded grid", ...GPU_TEST }, async () => {
  const gpu = await testGpu();
  const memory = new Memory();
  const p = new Program("test", memory);
  const side = 1500; // 35157 workgroups
  const image = imageBuffer(memory, "image", [1, side, side], "bytes");
  const bytes = new Uint8Array(3 * side * side).map((_, i) => i % 251);
  try {
    let y!: Tensor;
    p.scope(() => {
      y = readImage(p, image);
    });
    p.finish();
    memory.allocate(gpu);
    gpu.write(image.pixels.buffer, 0, bytes);
    gpu.run(p);
    for (const pixel of [0, 32768 * 64 - 1, 32768 * 64, side * side - 1]) {
      const [r, g, b, zero] = new Float32Array(await gpu.read(y.buffer, 16 * pixel, 16));
      const found = [r, g, b].map((v) => Math.round((v! + 1) * 127.5));
      assert.deepEqual(found, [0, 1, 2].map((c) => bytes[3 * pixel + c]), `pixel ${pixel}`);
      assert.equal(zero, 0);
    }
  } finally {
    memory.free(gpu);
  }
});
