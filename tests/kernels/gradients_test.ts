import { size } from "../../gpu/memory.ts";
import type { Program } from "../../gpu/program.ts";
import { activation, activationBackward } from "../../kernels/activation.ts";
import { causalAttention, causalAttentionBackward } from "../../kernels/causal_attention.ts";
import { addClasses, addClassesBackward } from "../../kernels/class_table.ts";
import { columnSums } from "../../kernels/column_sums.ts";
import {
  matmul,
  type Matrix,
  packedFloats,
  type Packing,
  packMatrix,
  usesImages,
} from "../../kernels/matmul.ts";
import { maskedMse } from "../../kernels/masked_mse.ts";
import {
  gate,
  gateSums,
  modulatedNorm,
  modulatedNormBackward,
  type TokenLayout,
} from "../../kernels/modulated_norm.ts";
import { qkRotation, qkRotationBackward, rotationScratch } from "../../kernels/qk_rotation.ts";
import {
  activationTwin,
  attentionTwin,
  classTwin,
  differences,
  gateTwin,
  linearTwin,
  maskedMseTwin,
  normTwin,
  robustTwin,
  rotationTwin,
} from "../reference/training.ts";
import { assertClose } from "../support/close.ts";
import { GPU_TEST, type Input, runAll } from "../support/gpu.ts";
import { randomFloats } from "../support/random.ts";

const floats = (bytes: ArrayBuffer | undefined, count: number) =>
  new Float32Array(bytes!).subarray(0, count);

/** The kind of memory that training keeps activations in. */
function kindOf(p: Program) {
  return usesImages(p) ? "texture" : "storage";
}

/** Makes tensors in that memory, with values or with zeros. */
function own(p: Program, input: Input) {
  return (shape: number[], data?: Float32Array) =>
    input(shape, data ?? new Float32Array(size(shape)), { kind: kindOf(p) });
}

/** sum of y dy: its gradients are those that dy leads to. */
function inner(y: ArrayLike<number>, dy: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < dy.length; i++) sum += y[i]! * dy[i]!;
  return sum;
}

/** Rows, inputs and outputs; whether activations are packed, where the device gathers from images. */
const LAYERS = [[1, 4, 4], [3, 8, 12], [5, 36, 68], [67, 4, 8]].flatMap(([m, k, n]) =>
  ["", "packed "].map((kind) => [m!, k!, n!, kind] as const)
);

for (const [m, k, n, kind] of LAYERS) {
  Deno.test({
    name: `matmul() gives a ${kind}linear layer and its gradients for M=${m} K=${k} N=${n}`,
    ...GPU_TEST,
  }, async () => {
    const [x, w] = [randomFloats(m * k, 1), randomFloats(n * k, 2)];
    const [b, dy] = [randomFloats(n, 3), randomFloats(m * n, 4)];
    const [y, dx, dw, db] = await runAll((p, input) => {
      const of = (data: Float32Array, rows: number, columns: number) => ({
        tensor: input([rows, columns], data, { kind: kindOf(p) }),
        stride: columns,
      });
      const packed = (from: Matrix, rows: number, packing: Packing) => {
        if (!kind || !usesImages(p)) return from;
        const floats = packedFloats(rows, from.stride, packing);
        const to = p.memory.tensor("activations", [floats], "f32", "texture");
        return packMatrix(p, from, [rows, from.stride], to, packing);
      };
      const zero = (rows: number, columns: number) =>
        of(new Float32Array(rows * columns), rows, columns);
      const [tx, tdy] = [of(x, m, k), of(dy, m, n)];
      const [y, dx] = [zero(m, n), zero(m, k)];
      const weights = of(w, n, k);
      const dw = { tensor: input([n, k], new Float32Array(n * k)), stride: k };
      const image = p.memory.tensor("packed", [packedFloats(n, k)], "f32", "texture");
      const tw = usesImages(p) ? packMatrix(p, weights, [n, k], image) : weights;
      const bias = { tensor: input([n], b, { kind: kindOf(p) }), first: 0 };
      matmul(p, packed(tx, m, "rows"), tw, y, { m, n, r: k, transposeB: true, bias });
      matmul(p, packed(tdy, m, "rows"), packed(tw, n, "columns"), dx, { m, n: k, r: n });
      const [columns, inputs] = [packed(tdy, m, "columns"), packed(tx, m, "columns")];
      matmul(p, columns, inputs, dw, { m: n, n: k, r: m, transposeA: true, onto: dw.tensor });
      const db = { tensor: input([n], new Float32Array(n)), first: 0 };
      columnSums(p, tdy, [m, n], db, p.scratch([Math.ceil(m / 64) * n]));
      return [y.tensor, dx.tensor, dw.tensor, db.tensor];
    });
    const shape = [m, k, n] as const;
    assertClose(floats(y, m * n), linearTwin(x, w, b, shape), 1e-5);
    const loss = (x: ArrayLike<number>, w: ArrayLike<number>, b: ArrayLike<number>) =>
      inner(linearTwin(x, w, b, shape), dy);
    assertClose(floats(dx, m * k), differences(x, (v) => loss(v, w, b)), 1e-5);
    assertClose(floats(dw, n * k), differences(w, (v) => loss(x, v, b)), 1e-5);
    assertClose(floats(db, n), differences(b, (v) => loss(x, w, v)), 1e-5);
  });
}

for (const kind of ["gelu", "silu"] as const) {
  Deno.test({ name: `activation() and its gradient are ${kind}'s`, ...GPU_TEST }, async () => {
    const [x, dy] = [randomFloats(68, 1, 12), randomFloats(68, 2)];
    const [y, dx] = await runAll((p, input) => {
      const make = own(p, input);
      const [tx, y, tdy] = [make([68], x), make([68]), make([68], dy)];
      const to = usesImages(p) ? make([68]) : tdy;
      activation(p, kind, { x: tx, y }, 68);
      activationBackward(p, kind, { x: tx, dy: tdy, to }, 68);
      return [y, to];
    });
    const twin = (x: number[]) => x.map((v) => activationTwin(kind, v));
    assertClose(floats(y, 68), twin([...x]), 1e-6);
    assertClose(floats(dx, 68), differences(x, (v) => inner(twin(v), dy)), 1e-5);
  });
}

/** Windows come first: [videos, window frames, tokens, context frames, tokens, d]. */
const LAYOUTS = [[1, 1, 1, 0, 1, 4], [2, 2, 3, 0, 1, 12], [1, 2, 2, 2, 1, 36]] as const;

/** The frame of each row of a layout. */
function framesOfRows(layout: TokenLayout): number[] {
  const { videos, windowFrames, windowTokens, contextFrames, contextTokens } = layout;
  const frames = [
    ...Array<number>(videos * windowFrames).fill(windowTokens),
    ...Array<number>(videos * contextFrames).fill(contextTokens),
  ];
  return frames.flatMap((tokens, frame) => Array<number>(tokens).fill(frame));
}

for (const [videos, windowFrames, windowTokens, contextFrames, contextTokens, d] of LAYOUTS) {
  const layout = { videos, windowFrames, windowTokens, contextFrames, contextTokens };
  Deno.test({
    name: `modulatedNorm() and its gradients for ${JSON.stringify(layout)}`,
    ...GPU_TEST,
  }, async () => {
    const frameOf = framesOfRows(layout);
    const [rows, frames] = [frameOf.length, videos * (windowFrames + contextFrames)];
    const [x, dy] = [randomFloats(rows * d, 1, 3), randomFloats(rows * d, 2)];
    const table = randomFloats(frames * 2 * d, 3);
    const [y, dx, dtable] = await runAll((p, input) => {
      const make = own(p, input);
      const [tx, tdy, dx] = [make([rows, d], x), make([rows, d], dy), make([rows, d])];
      const norm = { layout, table: make([frames, 2 * d], table), at: { shift: 0, scale: d } };
      const [y, stats, dtable] = [make([rows, d]), make([rows, 4]), make([frames, 2 * d])];
      const to = usesImages(p) ? make([rows, d]) : dx;
      modulatedNorm(p, tx, norm, { y, stats });
      modulatedNormBackward(p, { x: tx, stats, dy: tdy, dx, to }, norm, dtable);
      return [y, to, dtable];
    });
    const twin = (x: ArrayLike<number>, table: ArrayLike<number>) =>
      frameOf.flatMap((frame, row) => {
        const at = Array.from(table).slice(frame * 2 * d, (frame + 1) * 2 * d);
        return normTwin(Array.from(x).slice(row * d, (row + 1) * d), at.slice(d), at.slice(0, d));
      });
    assertClose(floats(y, rows * d), twin(x, table), 1e-5);
    assertClose(floats(dx, rows * d), differences(x, (v) => inner(twin(v, table), dy)), 2e-5);
    assertClose(
      floats(dtable, table.length),
      differences(table, (v) => inner(twin(x, v), dy)),
      1e-5,
    );
  });
}

for (const [videos, windowFrames, windowTokens, contextFrames, contextTokens, d] of LAYOUTS) {
  const layout = { videos, windowFrames, windowTokens, contextFrames, contextTokens };
  Deno.test({
    name: `gate() and its gradients for ${JSON.stringify(layout)}`,
    ...GPU_TEST,
  }, async () => {
    const frameOf = framesOfRows(layout);
    const [rows, frames] = [frameOf.length, videos * (windowFrames + contextFrames)];
    const [x, dy] = [randomFloats(rows * d, 1, 3), randomFloats(rows * d, 2)];
    const [residual, gates] = [randomFloats(rows * d, 3), randomFloats(frames * d, 4)];
    const [y, plain, dx, dgates] = await runAll((p, input) => {
      const make = own(p, input);
      const [tx, tdy] = [make([rows, d], x), make([rows, d], dy)];
      const of = { layout, table: make([frames, d], gates), at: { gate: 0 } };
      const [y, plain, dx] = [make([rows, d]), make([rows, d]), make([rows, d])];
      const dgates = make([frames, d]);
      gate(p, tx, of, { y, residual: make([rows, d], residual) });
      gate(p, tx, of, { y: plain });
      gate(p, tdy, of, { y: dx });
      gateSums(p, { x: tx, dy: tdy }, of, dgates);
      return [y, plain, dx, dgates];
    });
    const twin = (x: ArrayLike<number>, gates: ArrayLike<number>, residual: ArrayLike<number>) =>
      gateTwin(x, gates, residual, frameOf);
    const zero = new Float32Array(rows * d);
    assertClose(floats(y, rows * d), twin(x, gates, residual), 1e-6);
    assertClose(floats(plain, rows * d), twin(x, gates, zero), 1e-6);
    const loss = (x: ArrayLike<number>, gates: ArrayLike<number>) =>
      inner(twin(x, gates, residual), dy);
    assertClose(floats(dx, rows * d), differences(x, (v) => loss(v, gates)), 1e-5);
    assertClose(floats(dgates, frames * d), differences(gates, (v) => loss(x, v)), 1e-5);
  });
}

/** Classes of rows: one that no row has, one that all have, and mixed ones. */
const CLASSES = [[0, 0, 0, 0, 0], [2, 0, 2, 1, 2, 0, 2], [3]] as const;

for (const classes of CLASSES) {
  Deno.test(
    { name: `addClasses() and its gradient for rows of ${classes}`, ...GPU_TEST },
    async () => {
      const [rows, count, width] = [classes.length, 4, 12];
      const [x, dy] = [randomFloats(rows * width, 1), randomFloats(rows * width, 2)];
      const [table, before] = [randomFloats(count * width, 3), randomFloats(count * width, 4)];
      const [y, dtable] = await runAll((p, input) => {
        const index = input([rows], Uint32Array.from(classes));
        const of = { index, rows, classes: count, width };
        const place = (data: Float32Array) => ({ tensor: input([count, width], data), first: 0 });
        const make = own(p, input);
        const [y, to] = [make([rows, width]), place(before)];
        addClasses(p, place(table), { x: make([rows, width], x), y }, of);
        addClassesBackward(p, make([rows, width], dy), to, of);
        return [y, to.tensor];
      });
      const twin = (table: ArrayLike<number>) => classTwin(x, table, classes, width);
      assertClose(floats(y, rows * width), twin(table), 1e-6);
      const gradient = differences(table, (v) => inner(twin(v), dy));
      const expected = gradient.map((value, i) => before[i]! + value);
      assertClose(floats(dtable, count * width), expected, 1e-5);
    },
  );
}

/** Frames of each video that are clean: none, some, and all, where a video adds nothing. */
const CLEAN = [[[false]], [[false, true, false], [true, true, true], [false, false, false]]];

for (const clean of CLEAN) {
  Deno.test({ name: `maskedMse() and its gradient with clean ${clean}`, ...GPU_TEST }, async () => {
    const [tokens, width] = [3, 8];
    const rows = clean.flat().length * tokens;
    const [v, expected] = [randomFloats(rows * width, 1), randomFloats(rows * width, 2)];
    const weights = clean.flatMap((video) => {
      const noisy = video.filter((isClean) => !isClean).length;
      return video.map((isClean) => isClean ? 0 : 2 / (clean.length * noisy * tokens * width));
    });
    const [loss, dv] = await runAll((p, input) => {
      const make = own(p, input);
      const [tv, dv] = [make([rows, width], v), make([rows, width])];
      const results = input([4], new Float32Array(4));
      const weigh = input([weights.length + 1], Float32Array.of(...weights, 8));
      const all = { v: tv, dv, expected: input([rows, width], expected), weights: weigh };
      maskedMse(p, { ...all, partial: p.scratch([rows]) }, { rows, tokens, slot: 1 }, results);
      return [results, dv];
    });
    const twin = (v: ArrayLike<number>) => maskedMseTwin(v, expected, clean);
    assertClose([floats(loss, 4)[1]!], [twin(v)], 1e-6);
    const gradient = differences(v, twin).map((value) => 8 * value);
    assertClose(floats(dv, rows * width), gradient, 1e-5);
  });
}

Deno.test(
  { name: "maskedMse() counts large errors less where it is told to", ...GPU_TEST },
  async () => {
    const [tokens, width, weights, limits] = [3, 8, [0.5, 0, 2, 1], [400, 400, 4, 0]];
    const rows = weights.length * tokens;
    const [v, expected] = [randomFloats(rows * width, 1), randomFloats(rows * width, 2)];
    const [loss, dv] = await runAll((p, input) => {
      const make = own(p, input);
      const [tv, dv] = [make([rows, width], v), make([rows, width])];
      const results = input([4], new Float32Array(4));
      const weigh = input([5], Float32Array.of(...weights, 8));
      const limit = input([4], Float32Array.of(...limits));
      const all = { v: tv, dv, expected: input([rows, width], expected), weights: weigh };
      const partial = p.scratch([rows]);
      maskedMse(p, { ...all, limits: limit, partial }, { rows, tokens, slot: 1 }, results);
      return [results, dv];
    });
    // the loss itself stays the mean of squares
    assertClose([floats(loss, 4)[1]!], [robustTwin(v, expected, weights, [0, 0, 0, 0])], 1e-6);
    const gradient = differences(v, (v) => robustTwin(v, expected, weights, limits));
    assertClose(floats(dv, rows * width), gradient.map((value) => 8 * value), 1e-5);
  },
);

Deno.test(
  { name: "qkRotation() and its gradients, of more rows than one lane sums", ...GPU_TEST },
  async () => {
    const [rows, heads, axes] = [18, 2, [16, 24, 24] as const];
    const d = 64 * heads;
    const qkv = randomFloats(rows * 3 * d, 1);
    const dqk = randomFloats(rows * 2 * d, 2);
    const [wq, wk] = [randomFloats(64, 3), randomFloats(64, 4)];
    const space = randomFloats(3 * 48, 5);
    const time = randomFloats(3 * 16, 6);
    const [qk, dqkv, dwq, dwk] = await runAll((p, input) => {
      const make = own(p, input);
      const tqkv = make([rows, 3 * d], qkv);
      const zero = () => ({ tensor: input([64], new Float32Array(64)), first: 0 });
      const options = {
        heads,
        first: 0,
        rows,
        tokens: 6,
        frames: 3,
        firstFrame: 0,
        columns: 3,
        spread: 1,
        axes,
        rope: make([192], Float32Array.of(...space, ...time)),
        time: 36,
        normQ: { tensor: make([64], wq), first: 0 },
        normK: { tensor: make([64], wk), first: 0 },
      };
      const [qk, dqkv] = [make([rows, 2 * d]), make([rows, 3 * d])];
      qkRotation(p, tqkv, qk, options);
      const [partialQ, partialK] = [
        p.scratch([rotationScratch(rows, heads)]),
        p.scratch([rotationScratch(rows, heads)]),
      ];
      const [normQ, normK] = [zero(), zero()];
      const tdqk = make([rows, 2 * d], dqk);
      const gradients = { dqk: tdqk, dqkv, normQ, normK, partialQ, partialK };
      qkRotationBackward(p, tqkv, gradients, options);
      return [qk, dqkv, normQ.tensor, normK.tensor];
    });
    const twin = (qkv: ArrayLike<number>, wq: ArrayLike<number>, wk: ArrayLike<number>) =>
      Array.from({ length: rows }, (_, row) => {
        const [frame, y, x] = [Math.floor(row / 6), Math.floor(row % 6 / 3), row % 3];
        const angles = [
          ...time.subarray(frame * 16, frame * 16 + 16),
          ...space.subarray(y * 48, y * 48 + 24),
          ...space.subarray(x * 48 + 24, x * 48 + 48),
        ];
        return Array.from({ length: 2 * heads }, (_, part) => {
          const at = row * 3 * d + part * 64;
          const head = Array.from({ length: 64 }, (_, i) => qkv[at + i]!);
          return rotationTwin(head, part < heads ? wq : wk, angles);
        }).flat();
      }).flat();
    assertClose(floats(qk, rows * 2 * d), twin(qkv, wq, wk), 1e-5);
    assertClose(floats(dwq, 64), differences(wq, (v) => inner(twin(qkv, v, wk), dqk)), 1e-5);
    assertClose(floats(dwk, 64), differences(wk, (v) => inner(twin(qkv, wq, v), dqk)), 1e-5);
    const some = qkv.subarray(0, 8);
    const expected = differences(
      some,
      (v) => inner(twin(Float64Array.of(...v, ...qkv.subarray(8)), wq, wk), dqk),
    );
    assertClose(floats(dqkv, 8), expected, 2e-5);
  },
);

/** [videos, window frames, tokens, context frames, tokens, slope, twins]. */
const ATTENTIONS = [
  [1, 1, 1, 0, 0, 0, false],
  [1, 3, 3, 0, 0, 0.1, false],
  [2, 2, 9, 2, 2, 0.06, false],
  [1, 3, 7, 5, 3, 0.05, false],
  [1, 1, 40, 2, 17, 0, false],
  [1, 2, 1, 0, 0, 0, true],
  [1, 6, 3, 0, 0, 0.1, true],
  [2, 4, 9, 2, 2, 0.06, true],
  [1, 8, 7, 3, 3, 0.05, true],
  [1, 4, 20, 2, 17, 0, true],
] as const;

for (
  const [videos, windowFrames, windowTokens, contextFrames, contextTokens, slope, twins]
    of ATTENTIONS
) {
  const layout = { videos, windowFrames, windowTokens, contextFrames, contextTokens, twins };
  Deno.test({
    name: `causalAttention() and its gradients for ${JSON.stringify(layout)}`,
    ...GPU_TEST,
  }, async () => {
    const perVideo = windowFrames * windowTokens + contextFrames * contextTokens;
    const rows = videos * perVideo;
    const [q, k, v, dy] = [1, 2, 3, 4].map((seed) => randomFloats(rows * 64, seed, 2)) as [
      Float32Array,
      Float32Array,
      Float32Array,
      Float32Array,
    ];
    const joined = (...parts: Float32Array[]) =>
      Float32Array.from({ length: rows * 64 * parts.length }, (_, i) => {
        const [row, column] = [Math.floor(i / (64 * parts.length)), i % (64 * parts.length)];
        return parts[Math.floor(column / 64)]![row * 64 + column % 64]!;
      });
    const [y, dqk, dqkv] = await runAll((p, input) => {
      const make = own(p, input);
      const [qk, qkv] = [make([rows, 128], joined(q, k)), make([rows, 192], joined(q, k, v))];
      const [y, sums, delta] = [make([rows, 64]), make([rows, 1, 4]), make([rows, 1, 4])];
      const [dqk, dqkv] = [make([rows, 128]), make([rows, 192])];
      const options = { heads: 1, layout, slope };
      causalAttention(p, { qk, qkv }, { y, sums }, options);
      const buffers = { qk, qkv, y, dy: make([rows, 64], dy), sums, delta, dqk, dqkv };
      causalAttentionBackward(p, buffers, options);
      return [y, dqk, dqkv];
    });
    const window = windowFrames * windowTokens;
    const clean = twins ? windowFrames / 2 : windowFrames;
    const order = (video: number) => [
      ...Array.from({ length: contextFrames * contextTokens }, (_, i) => ({
        row: videos * window + video * contextFrames * contextTokens + i,
        frame: Math.floor(i / contextTokens),
        noisy: false,
      })),
      ...Array.from({ length: window }, (_, i) => ({
        row: video * window + i,
        frame: contextFrames + Math.floor(i / windowTokens) % clean,
        noisy: i >= clean * windowTokens,
      })),
    ];
    const twin = (q: ArrayLike<number>, k: ArrayLike<number>, v: ArrayLike<number>) => {
      const out = new Float64Array(rows * 64);
      for (let video = 0; video < videos; video++) {
        const tokens = order(video);
        const part = (x: ArrayLike<number>) =>
          tokens.map(({ row }) => Array.from({ length: 64 }, (_, i) => x[row * 64 + i]!));
        const y = attentionTwin(
          [part(q), part(k), part(v)],
          { frames: tokens.map(({ frame }) => frame), noisy: tokens.map(({ noisy }) => noisy) },
          slope,
        );
        for (const [i, { row }] of tokens.entries()) out.set(y[i]!, row * 64);
      }
      return out;
    };
    assertClose(floats(y, rows * 64), twin(q, k, v), 1e-5);
    const [rotated, all] = [floats(dqk, rows * 128), floats(dqkv, rows * 192)];
    const scale = Math.max(...[...rotated, ...all].map(Math.abs));
    for (const [part, x] of [q, k, v].entries()) {
      for (let i = part; i < rows * 64; i += 131) {
        const moved = (delta: number) => {
          const changed = Float64Array.from(x);
          changed[i]! += delta;
          const [a, b, c] = [q, k, v].map((same, j) => j === part ? changed : same);
          return inner(twin(a!, b!, c!), dy);
        };
        const expected = (moved(1e-5) - moved(-1e-5)) / 2e-5;
        const row = Math.floor(i / 64);
        const actual = part < 2
          ? rotated[row * 128 + part * 64 + i % 64]!
          : all[row * 192 + 128 + i % 64]!;
        assertClose([actual / scale, 1], [expected / scale, 1], 2e-5, `${part} ${i}`);
      }
    }
  });
}
