import assert from "node:assert/strict";
import { Memory, size } from "../../../gpu/memory.ts";
import { Program } from "../../../gpu/program.ts";
import { tensorKind } from "../../../gpu/tuning.ts";
import type { Tensor } from "../../../gpu/memory.ts";
import { inKind } from "../../../kernels/copy.ts";
import type { Stage } from "../../../model/autoencoder_config.ts";
import { blocks, down, up } from "../../../train/autoencoder/blocks.ts";
import {
  type ConvSpec,
  type Layer,
  PackedWeights,
  type Tape,
} from "../../../train/autoencoder/layers.ts";
import { groupLabel, isStatistic } from "../../../train/autoencoder/parameters.ts";
import { type Parameter, ParameterStore } from "../../../train/parameters.ts";
import {
  blockTwin,
  type BlockWeights,
  downTwin,
  type Place,
  upTwin,
} from "../../reference/autoencoder_blocks.ts";
import { differences } from "../../reference/training.ts";
import { assertClose } from "../../support/close.ts";
import { GPU_TEST, KERNELS, testGpu } from "../../support/gpu.ts";
import { randomFloats } from "../../support/random.ts";

const C = 8;
const HEAD_DIM = 4;
/** The block's name among the parameters. */
const NAME = "part.0";

/** A kind of block: how it is recorded, and what it computes. */
interface BlockCase {
  readonly title: string;
  readonly place: Place;
  readonly shapes: Readonly<Record<string, readonly number[]>>;
  readonly record: (tape: Tape, x: Tensor) => Layer;
  readonly twin: (weights: BlockWeights, x: ArrayLike<number>) => number[];
}

const RES_SHAPES = {
  ...{ "conv1.weight": [C, C, 3, 3], "conv1.bias": [C], "conv2.weight": [C, C, 3, 3] },
  ...{ "norm.weight": [C], "norm.bias": [C], "norm.running_mean": [C], "norm.running_var": [C] },
};
const VIT_SHAPES = {
  ...{ "attn.to_q.weight": [C, C], "attn.to_k.weight": [C, C], "attn.to_v.weight": [C, C] },
  ...{ "attn.to_out.weight": [C, C], "attn.norm_out.weight": [C], "attn.norm_out.bias": [C] },
  ...{ "conv_out.conv_inverted.weight": [8 * C, C, 1, 1], "conv_out.conv_inverted.bias": [8 * C] },
  ...{ "conv_out.conv_depth.weight": [8 * C, 1, 3, 3], "conv_out.conv_depth.bias": [8 * C] },
  ...{ "conv_out.conv_point.weight": [C, 4 * C, 1, 1] },
  ...{ "conv_out.norm.weight": [C], "conv_out.norm.bias": [C] },
};

function ofStage(stage: Omit<Stage, "channels" | "layers">, place: Place): BlockCase {
  const whole: Stage = { ...stage, channels: C, layers: 1 };
  const { kind, norm, activation } = whole;
  const shapes = Object.entries(kind === "ResBlock" ? RES_SHAPES : VIT_SHAPES);
  const attention = place[1] * place[2] > HEAD_DIM ? "linear" : "quadratic";
  return {
    title: kind === "ResBlock" ? `${kind} with ${norm} and ${activation}` : `${kind}, ${attention}`,
    place,
    shapes: Object.fromEntries(
      shapes.filter(([name]) => norm === "batch_norm" || !isStatistic(name)),
    ),
    record: (tape, x) => blocks(tape, "part", whole, { headDim: HEAD_DIM, x, first: 0 }),
    twin: (weights, x) => blockTwin(whole, HEAD_DIM, place, weights, x),
  };
}

function resampling(kind: "down" | "up", outputs: number, shortcut: boolean): BlockCase {
  const place = kind === "down" ? [2, 4, 2] as const : [2, 2, 3] as const;
  const spec: ConvSpec = { names: [NAME], inputs: C, outputs, size: 3, bias: true };
  const [run, twin] = kind === "down" ? [down, downTwin] : [up, upTwin];
  return {
    title: `${kind} to ${kind === "down" ? 4 * outputs : outputs / 4} channels${
      shortcut ? " with a shortcut" : ""
    }`,
    place,
    shapes: { weight: [outputs, C, 3, 3], bias: [outputs] },
    record: (tape, x) => run(tape, spec, x, shortcut),
    twin: (weights, x) => twin(place, weights, x, shortcut),
  };
}

const CASES: readonly BlockCase[] = [
  ofStage({ kind: "ResBlock", norm: "batch_norm", activation: "relu" }, [2, 3, 2]),
  ofStage({ kind: "ResBlock", norm: "batch_norm", activation: "silu" }, [1, 2, 5]),
  ofStage({ kind: "ResBlock", norm: "rms_norm", activation: "relu" }, [1, 4, 3]),
  ofStage({ kind: "ResBlock", norm: "rms_norm", activation: "silu" }, [2, 3, 3]),
  ofStage({ kind: "EfficientViTBlock", norm: "rms_norm", activation: "silu" }, [2, 3, 2]),
  ofStage({ kind: "EfficientViTBlock", norm: "rms_norm", activation: "silu" }, [2, 2, 2]),
  resampling("down", 4, true),
  resampling("down", 2, true),
  resampling("down", 4, false),
  resampling("up", 32, true),
  resampling("up", 16, true),
  resampling("up", 16, false),
];

interface BlockResult {
  readonly dx: Float32Array;
  readonly gradients: ReadonlyMap<string, Float32Array>;
}

/** Runs a block forward and backward on the device. */
async function runBlock(
  { place, shapes, record }: BlockCase,
  by: string,
  recompute: boolean,
  { x, dy, weights }: Readonly<{ x: Float32Array; dy: Float32Array; weights: BlockWeights }>,
): Promise<BlockResult> {
  const gpu = await testGpu();
  const device = KERNELS[by]!(gpu);
  const memory = new Memory();
  const parameters: Parameter[] = Object.entries(shapes).map(([name, shape]) => ({
    name: `${NAME}.${name}`,
    shape,
  }));
  const isTrained = (name: string) => !isStatistic(name);
  const store = new ParameterStore(memory, parameters, {
    ...{ isTrained, ema: false, labelOf: groupLabel },
  });
  const kind = tensorKind(device);
  const program = new Program("block", memory, device);
  const tape: Tape = {
    ...{ program, store, training: true, recompute },
    packed: new PackedWeights(memory, device, parameters),
    known: new Set(),
    copied: {},
  };
  const given = memory.tensor("x", [...place, C]);
  let dx: Tensor | undefined;
  let slope: Tensor | undefined;
  program.scope(() => {
    const { y, back } = record(tape, inKind(program, given, kind));
    assert.equal(size(y.shape), dy.length);
    slope = memory.tensor("dy", y.shape);
    dx = inKind(program, back(inKind(program, slope, kind)), "storage");
  });
  program.finish();
  memory.allocate(gpu);
  try {
    await store.fill(gpu, (name) =>
      Promise.resolve(
        Float32Array.from(weights[name.slice(NAME.length + 1)]!),
      ));
    gpu.write(given.buffer, 0, x);
    gpu.write(slope!.buffer, 0, dy);
    gpu.run(program);
    const values = (await gpu.readFloats(dx!)).slice(0, x.length);
    return { dx: values, gradients: await store.read(gpu, "gradient") };
  } finally {
    memory.free(gpu);
  }
}

function randomWeights({ shapes }: BlockCase): Record<string, Float32Array> {
  return Object.fromEntries(
    Object.entries(shapes).map(([name, shape], i) => [
      name,
      isStatistic(name)
        ? new Float32Array(size(shape)).fill(1)
        : randomFloats(size(shape), 3 + i, shape.length > 1 ? 0.5 : 1),
    ]),
  );
}

/** The first and the last of many. */
const FEW = 24;

/** The gradient of some entries of a tensor by differences, and their indices. */
function slopes(
  values: Float32Array,
  loss: (values: number[]) => number,
): { readonly indices: readonly number[]; readonly expected: number[] } {
  const all = Array.from(values, (_, i) => i);
  const indices = all.filter((i) => i < FEW || i >= values.length - FEW);
  const expected = differences(indices.map((i) => values[i]!), (some) => {
    const whole = Array.from(values);
    indices.forEach((index, i) => whole[index] = some[i]!);
    return loss(whole);
  }, 1e-6);
  return { indices, expected };
}

for (const block of CASES) {
  for (const by of ["own kernels", "GPU kernels"]) {
    Deno.test({ name: `${block.title} has its gradients, by ${by}`, ...GPU_TEST }, async () => {
      const weights = randomWeights(block);
      const x = randomFloats(size([...block.place, C]), 1);
      const dy = randomFloats(block.twin(weights, x).length, 2);
      const loss = (weights: BlockWeights, x: ArrayLike<number>) =>
        block.twin(weights, x).reduce((sum, value, i) => sum + value * dy[i]!, 0);
      const kept = await runBlock(block, by, false, { x, dy, weights });
      const ofX = slopes(x, (v) => loss(weights, v));
      assertClose(ofX.indices.map((i) => kept.dx[i]!), ofX.expected, 2e-5, "dx");
      for (const name of Object.keys(block.shapes).filter((name) => !isStatistic(name))) {
        const { indices, expected } = slopes(
          weights[name]!,
          (v) => loss({ ...weights, [name]: v }, x),
        );
        const own = kept.gradients.get(`${NAME}.${name}`)!;
        assertClose(indices.map((i) => own[i]!), expected, 2e-5, name);
      }
      const again = await runBlock(block, by, true, { x, dy, weights });
      assert.deepEqual(again, kept, "computed twice");
    });
  }
}
