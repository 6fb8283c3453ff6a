import type { Tensor } from "../../gpu/memory.ts";
import { add } from "../../kernels/add.ts";
import { batchNorm, batchNormBackward } from "../../kernels/batch_norm.ts";
import { channelNorm } from "../../kernels/channel_norm.ts";
import { channelNormBackward } from "../../kernels/channel_norm_backward.ts";
import { depthwiseGlu } from "../../kernels/depthwise_glu.ts";
import { depthwiseGluBackward } from "../../kernels/depthwise_glu_backward.ts";
import { linearAttention } from "../../kernels/linear_attention.ts";
import { linearAttentionBackward } from "../../kernels/linear_attention_backward.ts";
import { pixelShuffle } from "../../kernels/pixel_shuffle.ts";
import { pixelUnshuffle } from "../../kernels/pixel_unshuffle.ts";
import {
  shuffleShortcutBackward,
  unshuffleShortcutBackward,
} from "../../kernels/shortcut_backward.ts";
import type { Stage } from "../../model/autoencoder_config.ts";
import {
  activated,
  activatedBackward,
  addNormGradients,
  convForward,
  convGradients,
  convInputGradient,
  type ConvSpec,
  depthwiseWeights,
  forBoth,
  type Layer,
  normWeights,
  type Tape,
  vector,
} from "./layers.ts";

/** y = x + norm(z). */
interface NormLayer {
  /** Propagates dy to dz, which it overwrites. */
  readonly back: (dy: Tensor, dz: Tensor) => void;
}

function residualNorm(t: Tape, name: string, tensors: Record<"x" | "z" | "y", Tensor>): NormLayer {
  const { program: p } = t;
  const { x, z, y } = tensors;
  const weights = normWeights(t, name);
  p.scope(() => add(p, x, channelNorm(p, weights, z), y));
  return {
    back: (dy, dz) =>
      addNormGradients(t, name, channelNormBackward(p, weights, { x: z, dy, dx: dz })),
  };
}

/** @param again whether the statistics were already updated */
function residualBatchNorm(
  t: Tape,
  name: string,
  { x, z, y }: Record<"x" | "z" | "y", Tensor>,
  again: boolean,
): NormLayer {
  const { program: p } = t;
  const weights = {
    ...normWeights(t, name),
    runningMean: vector(t, `${name}.running_mean`),
    runningVar: vector(t, `${name}.running_var`),
  };
  const mode = t.training ? again ? "again" : "training" : "running";
  const stats = batchNorm(p, weights, { x: z, residual: x, y }, mode);
  return {
    back: (dy, dz) => {
      addNormGradients(t, name, batchNormBackward(p, weights, { x: z, dy, dx: dz, stats }));
    },
  };
}

/**
 * x + norm(conv2(act(conv1(x)))).
 * @param again whether it was already computed in the forward pass Source: diffusers `ResBlock`.
 */
function resBlock(t: Tape, name: string, stage: Stage, x: Tensor, again: boolean): Layer {
  const { program: p } = t;
  const { channels, activation: kind } = stage;
  const spec = { inputs: channels, outputs: channels, size: 3 } as const;
  const conv1: ConvSpec = { ...spec, names: [`${name}.conv1`], bias: true };
  const conv2: ConvSpec = { ...spec, names: [`${name}.conv2`] };
  // the gradient of a ReLU needs only its result
  const hidden = convForward(t, conv1, x, kind === "relu" ? { activation: "relu" } : {});
  const inner = kind === "relu" ? () => hidden : forBoth(t, () => activated(p, kind, hidden));
  const z = p.scope(() => convForward(t, conv2, inner()));
  const y = p.like(x, x.shape);
  const norm = stage.norm === "batch_norm"
    ? residualBatchNorm(t, `${name}.norm`, { x, z, y }, again)
    : residualNorm(t, `${name}.norm`, { x, z, y });
  const back = (dy: Tensor) =>
    p.scope(() => {
      const dz = p.like(z, z.shape);
      norm.back(dy, dz);
      convGradients(t, conv2, inner(), dz);
      const dinner = convInputGradient(t, conv2, dz);
      const dhidden = activatedBackward(p, kind, hidden, dinner);
      convGradients(t, conv1, x, dhidden);
      return convInputGradient(t, conv1, dhidden, dy);
    });
  return { y, back };
}

/** x + norm(to_out(attention(q, k, v))). Source: diffusers `SanaMultiscaleLinearAttention`. */
function attention(t: Tape, name: string, c: number, headDim: number, x: Tensor): Layer {
  const { program: p } = t;
  const spec = { inputs: c, size: 1 } as const;
  const qkvNames = ["to_q", "to_k", "to_v"].map((part) => `${name}.${part}`);
  const toQkv: ConvSpec = { ...spec, names: qkvNames, outputs: 3 * c };
  const toOut: ConvSpec = { ...spec, names: [`${name}.to_out`], outputs: c };
  const qkv = convForward(t, toQkv, x);
  const o = linearAttention(p, qkv, headDim);
  const z = convForward(t, toOut, o);
  const y = p.like(x, x.shape);
  const norm = residualNorm(t, `${name}.norm_out`, { x, z, y });
  const back = (dy: Tensor) =>
    p.scope(() => {
      const [dz, dqkv] = [p.like(z, z.shape), p.like(qkv, qkv.shape)];
      norm.back(dy, dz);
      convGradients(t, toOut, o, dz);
      const dattended = convInputGradient(t, toOut, dz);
      linearAttentionBackward(p, { qkv, y: o, dy: dattended, dqkv }, headDim);
      convGradients(t, toQkv, x, dqkv);
      return convInputGradient(t, toQkv, dqkv, dy);
    });
  return { y, back };
}

/** x + norm(point(glu(depth(silu(inverted(x)))))). Source: diffusers `GLUMBConv`. */
function gatedConv(t: Tape, name: string, c: number, x: Tensor): Layer {
  const { program: p } = t;
  const inverted: ConvSpec = {
    ...{ names: [`${name}.conv_inverted`], inputs: c, outputs: 8 * c, size: 1, bias: true },
  };
  const point: ConvSpec = { names: [`${name}.conv_point`], inputs: 4 * c, outputs: c, size: 1 };
  const hidden = convForward(t, inverted, x);
  const inner = forBoth(t, () => activated(p, "silu", hidden));
  const depth = forBoth(t, () => depthwiseWeights(t, `${name}.conv_depth`, hidden));
  const gate = () => depthwiseGlu(p, depth(), inner());
  const kept = t.packed.kept ? gate() : undefined;
  const z = p.scope(() => convForward(t, point, kept ?? gate()));
  const y = p.like(x, x.shape);
  const norm = residualNorm(t, `${name}.norm`, { x, z, y });
  const back = (dy: Tensor) =>
    p.scope(() => {
      const dz = p.like(z, z.shape);
      norm.back(dy, dz);
      const dgated = convInputGradient(t, point, dz);
      const gated = kept ?? p.like(dgated, dgated.shape);
      const dinner = p.like(hidden, hidden.shape);
      const tensors = { x: inner(), dy: dgated, dx: dinner, ...(!kept && { y: gated }) };
      depthwiseGluBackward(p, depth(), tensors, {
        weight: t.store.find(`${name}.conv_depth.weight`, "gradient"),
        bias: t.store.find(`${name}.conv_depth.bias`, "gradient"),
      });
      convGradients(t, point, gated, dz);
      const dhidden = activatedBackward(p, "silu", hidden, dinner);
      convGradients(t, inverted, x, dhidden);
      return convInputGradient(t, inverted, dhidden, dy);
    });
  return { y, back };
}

function block(
  t: Tape,
  name: string,
  stage: Stage,
  { headDim, x, again }: { readonly headDim: number; readonly x: Tensor; readonly again: boolean },
): Layer {
  if (stage.kind === "ResBlock") return resBlock(t, name, stage, x, again);
  const attended = attention(t, `${name}.attn`, stage.channels, headDim, x);
  const { y, back } = gatedConv(t, `${name}.conv_out`, stage.channels, attended.y);
  return { y, back: (dy) => attended.back(back(dy)) };
}

/** The blocks of a stage; `first` is the index of the first one in the checkpoint. */
export function blocks(
  t: Tape,
  name: string,
  stage: Stage,
  { headDim, x, first }: { readonly headDim: number; readonly x: Tensor; readonly first: number },
): Layer {
  const { program: p } = t;
  const backs: Layer["back"][] = [];
  let y = x;
  for (let i = 0; i < stage.layers; i++) {
    const input = y;
    const run = (again: boolean) =>
      block(t, `${name}.${first + i}`, stage, { headDim, x: input, again });
    if (t.recompute) {
      y = p.scope(() => run(false).y);
      backs.push((dy) => p.scope(() => run(true).back(dy)));
    } else {
      const layer = run(false);
      y = layer.y;
      backs.push(layer.back);
    }
  }
  const back = (dy: Tensor) =>
    p.scope(() => backs.reduceRight((gradient, back) => back(gradient), dy));
  return { y, back };
}

/**
 * Half the height and width: the unshuffled convolution, plus x itself.
 * Source: diffusers `DCDownBlock2d`.
 * @param isFirst whether nobody needs the gradient of x, which are pictures
 */
export function down(
  t: Tape,
  spec: ConvSpec,
  x: Tensor,
  shortcut: boolean,
  isFirst = false,
): Layer {
  const { program: p } = t;
  const y = p.scope(() =>
    pixelUnshuffle(p, convForward(t, spec, x), 4 * spec.outputs, shortcut ? x : undefined)
  );
  const back = (dy: Tensor) =>
    p.scope(() => {
      const dconv = pixelShuffle(p, dy);
      convGradients(t, spec, x, dconv);
      if (isFirst) return dconv;
      const dx = convInputGradient(t, spec, dconv);
      return shortcut ? unshuffleShortcutBackward(p, dy, dx) : dx;
    });
  return { y, back };
}

/**
 * Twice the height and width: the shuffled convolution, plus x itself.
 * Source: diffusers `DCUpBlock2d`.
 */
export function up(t: Tape, spec: ConvSpec, x: Tensor, shortcut: boolean): Layer {
  const { program: p } = t;
  const y = p.scope(() => pixelShuffle(p, convForward(t, spec, x), shortcut ? x : undefined));
  const back = (dy: Tensor) =>
    p.scope(() => {
      const dconv = pixelUnshuffle(p, dy, spec.outputs);
      convGradients(t, spec, x, dconv);
      const dx = convInputGradient(t, spec, dconv);
      return shortcut ? shuffleShortcutBackward(p, dy, dx) : dx;
    });
  return { y, back };
}
