import assert from "node:assert/strict";
import { Memory, type Tensor } from "../../gpu/memory.ts";
import { Program } from "../../gpu/program.ts";
import type { DeviceProfile } from "../../gpu/tuning.ts";
import type { FarSizes } from "../../model/config.ts";
import type { PassPlan } from "../../run/kv_cache.ts";
import { KvCache } from "../../run/kv_cache.ts";
import { ModulationRows, timestepEmbedding } from "../../model/modulation.ts";
import { layerNorm } from "../../kernels/layer_norm.ts";
import { Session } from "../../run/session.ts";
import { forward, type TransformerWeights, velocity } from "../../model/transformer.ts";
import { assertGolden, relativeError } from "../support/close.ts";
import { type Golden, loadGoldenTransformer, openGolden } from "../support/far.ts";
import { GPU_TEST, KERNELS, testGpu } from "../support/gpu.ts";

/** Forward passes: relative error as the goldens' README asks. */
const TOLERANCE = 2e-4;

/** The inputs of a golden's outputs. */
const INPUTS = ["hidden_states", "timestep", "label", "action"];

const CASES = [
  ["far-uncond", "forward"],
  ["far-label-flexrope", "forward"],
  ["far-action", "forward"],
  ["far-patch2", "forward"],
  ["far-long", "forward"],
  ["far-long", "forward-short"],
] as const;

for (const [folder, name] of CASES) {
  for (const [by, profile] of Object.entries(KERNELS)) {
    Deno.test({
      name: `forward() agrees with the released code: ${folder}/${name}, ${by}`,
      ...GPU_TEST,
    }, async () => {
      const device = profile(await testGpu());
      const { sizes, weights, memory } = await loadGoldenTransformer(folder, "f32", device);
      const golden = await openGolden(`${folder}/${name}.safetensors`);
      const errors = await new GoldenForward(sizes, weights, golden, device).run();
      const place = { golden: `${folder}/${name}`, what: "forward pass, block by block", by };
      assertGolden({ ...place, tolerance: TOLERANCE }, Object.fromEntries(errors));
      const outputs = golden.names.filter((tensor) =>
        !INPUTS.includes(tensor) && !golden.shape(tensor).includes(0)
      );
      assert.deepEqual([...errors.keys()].sort(), outputs.sort());
      golden.close();
      memory.free(await testGpu());
    });
  }
}

/** Runs one forward golden the way a first model call runs: context pass, then window pass. */
class GoldenForward {
  readonly #memory = new Memory();
  readonly #errors = new Map<string, number>();

  constructor(
    readonly sizes: FarSizes,
    readonly weights: TransformerWeights,
    readonly golden: Golden,
    readonly device: DeviceProfile,
  ) {}

  async run(): Promise<Map<string, number>> {
    const { sizes, golden } = this;
    const gpu = await testGpu();
    const [videos, frames, , height, width] = golden.shape("hidden_states") as number[];
    const timesteps = await golden.floats("timestep");
    const classes = await this.#classes(videos! * frames!);
    const session = new Session(this.weights, sizes, this.#memory, this.device, {
      videos: videos!,
      height: height!,
      width: width!,
      contextFrames: frames! - 1,
      frames: frames!,
      guidance: "conditional",
      classes,
      timesteps: [...new Set([...timesteps, ...timesteps.map((t) => 2 * t)])],
      cache: false,
      cacheDtype: "f32",
    });
    this.#memory.allocate(gpu);
    session.start(gpu);
    const latents = await golden.floats("hidden_states");
    gpu.write(session.latents.buffer, 0, latents);
    const plans = firstPasses(sizes, frames!, height! * width!);
    for (let blocks = 1; blocks <= sizes.layers; blocks++) {
      const outputs: Float32Array[] = [];
      for (const plan of plans) {
        const rowOf = (b: number, frame: number) => {
          const t = timesteps[b * frames! + frame]!;
          return session.rows.row(
            plan.kind === "context" ? 2 * t : t,
            classes[b * frames! + frame]!,
          );
        };
        session.writeInputs(gpu, plan, rowOf, { c0: 0, c1: 0, guidance: 1 });
        const values = await this.#pass(session, plan, blocks);
        if (values) outputs.push(values);
      }
      await this.#compareStream(`block.${blocks - 1}`, outputs, videos!);
    }
    await this.#timestepEmbeddings(session, classes, timesteps, plans, videos!, frames!);
    this.#memory.free(gpu);
    return this.#errors;
  }

  async #classes(count: number): Promise<number[]> {
    const { golden } = this;
    if (golden.has("label")) {
      const labels = await golden.integers("label");
      const frames = golden.shape("hidden_states")[1]!;
      return labels.flatMap((label) => Array<number>(frames).fill(label));
    }
    return golden.has("action") ? await golden.integers("action") : Array(count).fill(0);
  }

  /** The stream after so many blocks; at the last one also norm_out and the velocity. */
  async #pass(
    session: Session,
    plan: PassPlan,
    blocks: number,
  ): Promise<Float32Array | undefined> {
    const { sizes, weights, golden } = this;
    const gpu = await testGpu();
    const memory = new Memory();
    const p = new Program("golden", memory, this.device);
    const { tables, caches } = session;
    const pass = session.passContext(plan);
    const input = { sizes, latents: session.latents, tables, caches, pass };
    const last = blocks === sizes.layers;
    let stream: Tensor | undefined;
    let normed: Tensor | undefined;
    let output: Tensor | undefined;
    p.scope(() => {
      // long-term context leaves the last block with its keys and values
      const isEnd = last && plan.kind === "context";
      const out = forward(p, weights, input, {
        blocks,
        wanted: isEnd ? "keys and values" : "all frames",
      });
      if (isEnd) return;
      stream = out;
      if (!last) return;
      const modulation = { table: tables.out, frames: pass.frames, tokens: stream.shape[2]! };
      normed = layerNorm(p, stream, { ...modulation, scale: 0, shift: sizes.d });
      output = velocity(p, weights, stream, { sizes, tables, frames: pass.frames });
    });
    p.finish();
    memory.allocate(gpu);
    gpu.run(p);
    const values = stream && await gpu.readFloats(stream);
    if (normed && output) {
      await this.#compareTail(
        "norm_out",
        await gpu.readFloats(normed),
        await golden.floats("norm_out"),
      );
      const tokens = await gpu.readFloats(output);
      await this.#compareOutput(tokens, plan.frames.length);
    }
    memory.free(gpu);
    return values;
  }

  /** Context tokens come first, per video, in the released code's sequence. */
  async #compareStream(name: string, outputs: Float32Array[], videos: number): Promise<void> {
    const expected = await this.golden.floats(name);
    if (outputs.length === 1) return this.#compareTail(name, outputs[0]!, expected);
    const joined = new Float32Array(expected.length);
    let at = 0;
    for (let b = 0; b < videos; b++) {
      for (const output of outputs) {
        const part = output.length / videos;
        joined.set(output.subarray(b * part, (b + 1) * part), at);
        at += part;
      }
    }
    assert.equal(at, expected.length, `${name} has another size`);
    this.#errors.set(name, relativeError(joined, expected));
  }

  /** Compares the window's part of a sequence, per video at its end. */
  #compareTail(name: string, actual: Float32Array, expected: Float32Array): void {
    const videos = this.golden.shape("hidden_states")[0]!;
    const part = actual.length / videos;
    const whole = expected.length / videos;
    const tail = new Float32Array(actual.length);
    for (let b = 0; b < videos; b++) {
      tail.set(expected.subarray((b + 1) * whole - part, (b + 1) * whole), b * part);
    }
    this.#errors.set(name, relativeError(actual, tail));
  }

  async #compareOutput(tokens: Float32Array, count: number): Promise<void> {
    const { golden, sizes: { patch } } = this;
    const [videos, frames, channels, height, width] = golden.shape("hidden_states") as [
      number,
      number,
      number,
      number,
      number,
    ];
    const shape = [videos, count, channels, height, width] as const;
    const actual = unpatchify(tokens, shape, patch);
    const all = await golden.floats("output.all");
    const volume = channels * height * width;
    const window = new Float32Array(actual.length);
    for (let b = 0; b < videos; b++) {
      const end = (b + 1) * frames * volume;
      window.set(all.subarray(end - count * volume, end), b * count * volume);
    }
    this.#errors.set("output.all", relativeError(actual, window));
    const last = new Float32Array(videos * volume);
    for (let b = 0; b < videos; b++) {
      const end = (b + 1) * count * volume;
      last.set(actual.subarray(end - volume, end), b * volume);
    }
    this.#errors.set("output.last", relativeError(last, await golden.floats("output.last")));
  }

  /** timestep_embedding.0 is the window's, .1 the long-term context's, one row per frame. */
  async #timestepEmbeddings(
    session: Session,
    classes: number[],
    timesteps: Float32Array,
    plans: PassPlan[],
    videos: number,
    frames: number,
  ): Promise<void> {
    const gpu = await testGpu();
    for (const plan of plans) {
      const rows = new ModulationRows();
      const order: number[] = [];
      for (let b = 0; b < videos; b++) {
        for (const frame of plan.frames) {
          const t = timesteps[b * frames + frame]! * (plan.kind === "context" ? 2 : 1);
          rows.add(t, classes[b * frames + frame]!);
          order.push(rows.row(t, classes[b * frames + frame]!));
        }
      }
      const memory = new Memory();
      const p = new Program("temb", memory, this.device);
      const projections = memory.tensor("projections", [rows.count, 256]);
      const index = memory.tensor("classes", [rows.count], "u32");
      let temb: Tensor | undefined;
      p.scope(() => {
        temb = timestepEmbedding(p, this.weights, { projections, classes: index });
      });
      p.finish();
      memory.allocate(gpu);
      gpu.write(projections.buffer, 0, rows.projections());
      // the golden is the embedder's own output, before the class is added
      gpu.write(index.buffer, 0, rows.classes().fill(0xffffffff));
      gpu.run(p);
      const values = await gpu.readFloats(temb!);
      const d = session.sizes.d;
      const actual = order.flatMap((row) => [...values.subarray(row * d, (row + 1) * d)]);
      const name = `timestep_embedding.${plan.kind === "context" ? 1 : 0}`;
      this.#errors.set(name, relativeError(actual, await this.golden.floats(name)));
      memory.free(gpu);
    }
  }
}

function firstPasses(sizes: FarSizes, frames: number, pixels: number): PassPlan[] {
  const { window, patch, contextPatch } = sizes;
  const cache = new KvCache({
    window,
    windowTokens: pixels / patch ** 2,
    contextTokens: contextPatch === undefined ? 0 : pixels / contextPatch ** 2,
    contextCapacity: Math.max(0, frames - window),
    windowCapacity: Math.min(frames, window),
    passFrames: { window: 16, context: 64 },
    enabled: false,
  });
  return cache.passes(frames - 1, true);
}

/** [b, f, T, c p p] to [b, f, c, h, w]. */
function unpatchify(
  tokens: Float32Array,
  [b, f, c, h, w]: readonly [number, number, number, number, number],
  p: number,
): Float32Array {
  const out = new Float32Array(b * f * c * h * w);
  for (let i = 0; i < out.length; i++) {
    const x = i % w;
    const y = Math.floor(i / w) % h;
    const channel = Math.floor(i / (w * h)) % c;
    const frame = Math.floor(i / (w * h * c));
    const token = Math.floor(y / p) * (w / p) + Math.floor(x / p);
    const feature = (channel * p + y % p) * p + x % p;
    out[i] = tokens[(frame * (h * w / p ** 2) + token) * c * p ** 2 + feature]!;
  }
  return out;
}
