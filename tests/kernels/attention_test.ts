import assert from "node:assert/strict";
import { ShapeError } from "../../gpu/errors.ts";
import { Memory } from "../../gpu/memory.ts";
import { Program } from "../../gpu/program.ts";
import { type AttentionTuning, exchanges, exchangesHeads } from "../../gpu/tuning.ts";
import { attention } from "../../kernels/attention.ts";
import { attentionReference, type CachedKey } from "../reference/attention.ts";
import { assertClose } from "../support/close.ts";
import { GPU_TEST, runOnce, testGpu } from "../support/gpu.ts";
import { randomFloats } from "../support/random.ts";

/** Softmax over up to some hundred keys in float32. */
const TOLERANCE = 5e-6;

/** A cache and the frames that look at it; regions are rings of whole frames. */
interface Case {
  readonly batch: number;
  readonly heads: number;
  /** Queries (and window keys) per frame, keys per long-term frame. */
  readonly tokens: number;
  readonly contextTokens: number;
  /** Room of either region in frames, and the frames that are in it. */
  readonly context: { readonly capacity: number; readonly first: number; readonly count: number };
  readonly window: { readonly capacity: number; readonly first: number; readonly count: number };
  /** Frames of the pass: the last ones of the window. */
  readonly pass: number;
  readonly slope: number;
  readonly dtype: "f32" | "f16";
  /** The caches' kind of memory, which decides the kernel form. */
  readonly kind: "texture" | "storage";
  readonly tuning: AttentionTuning;
}

const EMPTY = { capacity: 0, first: 0, count: 0 };
const BASE: Case = {
  batch: 1,
  heads: 1,
  tokens: 1,
  contextTokens: 1,
  context: EMPTY,
  window: { capacity: 1, first: 0, count: 1 },
  pass: 1,
  slope: 0,
  dtype: "f32",
  kind: "texture",
  tuning: { ahead: 1, shuffle: 0, parts: 1, split: 1 },
};
const FULL: Case = {
  ...BASE,
  batch: 2,
  heads: 3,
  tokens: 6,
  contextTokens: 2,
  context: { capacity: 5, first: 3, count: 5 },
  window: { capacity: 4, first: 8, count: 4 },
  pass: 3,
  slope: 0.7,
};

const CASES: [string, Case][] = [
  ["one key", BASE],
  ["odd sizes", { ...BASE, heads: 3, tokens: 5, window: { capacity: 3, first: 0, count: 3 } }],
  ["two videos of several frames", {
    ...BASE,
    batch: 2,
    heads: 2,
    tokens: 9,
    window: { capacity: 5, first: 0, count: 4 },
    pass: 3,
  }],
  ["a window that is a ring", {
    ...BASE,
    tokens: 7,
    window: { capacity: 3, first: 5, count: 3 },
    pass: 2,
  }],
  ["context and window rings with a slope", FULL],
  ["context that is not full", { ...FULL, context: { capacity: 9, first: 0, count: 4 } }],
  ["f16 caches", { ...FULL, dtype: "f16" }],
  ["windows whose runs end within a trip", {
    ...BASE,
    batch: 2,
    heads: 2,
    tokens: 21,
    window: { capacity: 3, first: 4, count: 3 },
    pass: 3,
  }],
  ["64 tokens", { ...BASE, heads: 2, tokens: 64, window: { capacity: 3, first: 1, count: 3 } }],
];

/** Exchanges among 16 lanes, as f32 has them, are more than llvmpipe's subgroups allow untold. */
const { adapter } = await testGpu();
const ONE = { kind: "storage", dtype: "f32", ahead: 1, shuffle: 0, parts: 1 } as const;

/** Caches in textures are for the broadcasting form, in buffers for the forms by lanes. */
const FORMS = [
  { ...ONE, by: "broadcasts", kind: "texture" },
  { ...ONE, by: "memory in f32" },
  { ...ONE, by: "memory in f32, nothing ahead", ahead: 0 },
  { ...ONE, by: "memory in f16", dtype: "f16" },
  ...(["f16", "f32"] as const).flatMap((dtype) => {
    const shuffle = { ...ONE, dtype, shuffle: 1 };
    return [
      { ...shuffle, by: `shuffles in ${dtype}` },
      { ...shuffle, by: `shuffles in ${dtype}, nothing ahead`, ahead: 0 },
      { ...shuffle, by: `shuffles in ${dtype} by 4 groups`, parts: 4 },
    ];
  }),
] as const;

/** Compiling takes long: of the lane forms these go through all cases. */
const THOROUGH = /^broadcasts$|^memory in f32$|^shuffles in f32$|^shuffles in f16( by 4 groups)?$/;

for (const { by, kind, dtype, ahead, shuffle, parts } of FORMS) {
  const thorough = THOROUGH.test(by);
  const ignore = shuffle === 1 && !exchangesHeads(adapter, dtype);
  // 64 keys at a time pass through memory: more of them once in f16, too
  const few = by === "memory in f16" ? /rings|64 tokens/ : /rings/;
  for (const [name, c] of thorough ? CASES : CASES.filter(([name]) => few.test(name))) {
    if (kind === "storage" && name === "f16 caches") continue;
    for (const split of thorough && parts === 1 ? [1, 3] : [parts > 1 ? 1 : 3]) {
      const how = `${name}, by ${by}, split ${split}`;
      const of = kind === "texture" ? {} : { dtype };
      Deno.test({
        name: `attention() matches the reference for ${how}`,
        ignore,
        ...GPU_TEST,
      }, async () => {
        await compare({ ...c, ...of, kind, tuning: { ahead, shuffle, parts, split } });
      });
    }
  }

  const whole = { kind, dtype, tuning: { ahead, shuffle, parts, split: 1 } };
  const split = { kind, dtype, tuning: { ahead, shuffle, parts, split: 3 } };

  Deno.test({
    name: `attention() takes parts without any key by ${by}`,
    ignore,
    ...GPU_TEST,
  }, async () => {
    const sloping = thorough ? BASE : { ...BASE, slope: 1 };
    await compare({ ...sloping, ...split });
    await compare({ ...sloping, ...split, tokens: 3 });
  });

  Deno.test({
    name: `attention() takes scores far from zero by ${by}`,
    ignore,
    ...GPU_TEST,
  }, async () => {
    if (thorough) await compare({ ...FULL, ...whole, slope: 40 }, 30);
    await compare({ ...FULL, ...split, slope: -40 }, 30);
  });
}

Deno.test({
  name: "attention() shuffles in f32 where subgroups have 16 lanes",
  ignore: !/llvmpipe/.test(adapter.name) || exchanges(adapter, 16),
}, async () => {
  const args = ["test", "-A", "--no-check", "--filter", "shuffles in f32", import.meta.filename!];
  // its cache does not tell widths apart
  const env = { LP_NATIVE_VECTOR_WIDTH: "512", MESA_SHADER_CACHE_DISABLE: "true", NO_COLOR: "1" };
  const { success, stdout } = await new Deno.Command(Deno.execPath(), { args, env }).output();
  const text = new TextDecoder().decode(stdout);
  assert.ok(success, text.slice(-4000));
  assert.match(text, / (\d\d) passed \| 0 failed/);
});

Deno.test("attention() refuses a cache of other heads, batch or width", () => {
  const memory = new Memory();
  const p = new Program("test", memory);
  const t = (...shape: number[]) => memory.tensor("t", shape);
  const options = (k: number[]) => ({
    heads: 2,
    k: t(...k),
    v: t(...k),
    frames: t(1, 1, 4),
    step: memory.buffer("step", 48, "uniform"),
    window: 0,
    contextTokens: 1,
    windowTokens: 1,
    slope: 0,
  });
  const q = t(1, 1, 1, 128);
  assert.throws(() => attention(p, q, options([1, 3, 4, 64])), ShapeError);
  assert.throws(() => attention(p, q, options([2, 2, 4, 64])), ShapeError);
  assert.throws(() => attention(p, t(1, 1, 1, 100), options([1, 2, 4, 64])), ShapeError);
});

Deno.test("attention() divides keys among workgroups where a workgroup has one group of lanes", () => {
  for (
    const [parts, split, subgroupSize, wanted] of [
      [4, 2, 32, { PARTS: 4, SPLIT: 2 }],
      [4, 2, 4, { SPLIT: 8 }],
      [8, 16, 4, { SPLIT: 16 }],
    ] as const
  ) {
    const memory = new Memory();
    const p = new Program("test", memory, { cpu: false, subgroupSize, wide: true });
    const t = (...shape: number[]) => memory.tensor("t", shape);
    const tuning = { ahead: 1, shuffle: 1, parts, split };
    const step = memory.buffer("step", 48, "uniform");
    const [k, v, frames] = [t(1, 1, 512, 64), t(1, 1, 512, 64), t(1, 1, 4)];
    const layout = { window: 0, contextTokens: 1, windowTokens: 1, slope: 0 };
    p.scope(() =>
      attention(p, t(1, 1, 1, 64), { heads: 1, k, v, frames, step, ...layout, tuning })
    );
    const { AHEAD: _, F16: __, SLOPE: ___, ...constants } = p.recorded[0]!.constants!;
    assert.deepEqual(constants, wanted);
  }
});

async function compare(c: Case, scale = 2): Promise<void> {
  const { batch, heads, tokens, pass, window } = c;
  const slots = c.context.capacity * c.contextTokens + window.capacity * tokens;
  const q = randomFloats(batch * pass * tokens * heads * 64, 1, scale / 2);
  const round = (x: number) => c.dtype === "f16" ? Math.f16round(x) : x;
  const k = randomFloats(batch * heads * slots * 64, 2, 0.5).map(round);
  const v = randomFloats(batch * heads * slots * 64, 3).map(round);
  const actual = await run(c, slots, q, k, v);
  const expected = new Float64Array(q.length);
  for (let i = 0; i < batch * pass * tokens * heads; i++) {
    const [head, row] = [i % heads, Math.floor(i / heads)];
    const place = Math.floor(row / tokens) % pass;
    const video = Math.floor(row / tokens / pass);
    const frame = window.first + window.count - pass + place;
    const base = (video * heads + head) * slots * 64;
    const query = q.subarray(i * 64, i * 64 + 64);
    const keys = visibleKeys(c, frame);
    const result = attentionReference(
      query,
      k.subarray(base),
      v.subarray(base),
      keys,
      c.slope,
      frame,
    );
    expected.set(result, i * 64);
  }
  assertClose(actual, expected, TOLERANCE * scale);
}

/** All keys up to a frame, in order: a frame's place in its region is its index in the ring. */
function visibleKeys({ context, contextTokens, window, tokens }: Case, frame: number): CachedKey[] {
  const keys: CachedKey[] = [];
  for (let i = context.first; i < context.first + context.count; i++) {
    const slot = (i % context.capacity) * contextTokens;
    for (let j = 0; j < contextTokens; j++) keys.push({ slot: slot + j, frame: i });
  }
  for (let i = window.first; i <= frame; i++) {
    const slot = context.capacity * contextTokens + (i % window.capacity) * tokens;
    for (let j = 0; j < tokens; j++) keys.push({ slot: slot + j, frame: i });
  }
  return keys;
}

function run(
  c: Case,
  slots: number,
  q: Float32Array,
  k: Float32Array,
  v: Float32Array,
): Promise<Float32Array> {
  const { batch, heads, tokens, contextTokens, context, window, pass, slope, dtype, kind } = c;
  const contextKeys = context.count * contextTokens;
  const step = Uint32Array.of(
    contextKeys,
    context.capacity ? (context.first % context.capacity) * contextTokens : 0,
    context.capacity * contextTokens,
    context.first,
    (window.first % window.capacity) * tokens,
    window.capacity * tokens,
    window.first,
    0,
    0,
    0,
    0,
    0,
  );
  const numbers = Array.from({ length: pass }, (_, j) => {
    const place = window.count - pass + j;
    return [0, window.first + place, 0, contextKeys + (place + 1) * tokens];
  }).flat();
  return runOnce((p, input, uniform) => {
    const frames = Array.from({ length: batch }, () => numbers).flat();
    return attention(p, input([batch, pass, tokens, heads * 64], q), {
      heads,
      k: input([batch, heads, slots, 64], k, { dtype, kind }),
      v: input([batch, heads, slots, 64], v, { dtype, kind }),
      frames: input([batch, pass, 4], Uint32Array.from(frames)),
      step: uniform(step),
      window: context.capacity * contextTokens,
      contextTokens,
      windowTokens: tokens,
      slope,
      tuning: c.tuning,
    });
  });
}
