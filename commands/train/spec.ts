import { type Call, type CommandSpec, defineCommand } from "../../cli/command.ts";
import { CONFIG, GENERATION, INPUT, OUTPUT, WORK_OPTIONS } from "../../cli/common_options.ts";
import type { OptionTable } from "../../cli/option.ts";
import {
  choice,
  flag,
  integer,
  list,
  number,
  path,
  section,
  seed,
  size,
  string,
} from "../../cli/option_rows.ts";
import { GPU } from "../../cli/permissions.ts";
import { GENERATE_OPTIONS, MODEL_OPTIONS, RESIZE } from "../../request/options.ts";

/** Options of `far train`. */
const TRAIN_OPTIONS = {
  ...section(INPUT, {
    model: string("MODEL", "model to fine-tune: a folder, a pulled model, or demo", { short: "m" }),
    architecture: string(
      "NAME",
      "train from scratch: FAR_B, FAR_M, ..., FAR_M_Long, with --vae; 8x, 16x or 32x with " +
        "--autoencoder",
    ),
    transformer: path(
      "FILE.json",
      "train from scratch by a configuration; with --architecture only the entries that differ",
    ),
    vae: string("MODEL", "model whose autoencoder is used", { default: "that of --model" }),
    autoencoder: flag("train an autoencoder, whose folder --vae takes"),
    vaeConfig: path("FILE.json", "autoencoder to train from scratch, by its configuration"),
    preset: string("NAME", "recipe of a released run; see `far models`"),
    from: path(
      "DIR",
      "checkpoint to continue from, such as checkpoint-1000 of the released trainer",
    ),
    size: size("WxH", "crop and resize clips to", { default: "the model's, else the clips' own" }),
    resize: { ...RESIZE, default: "bilinear" },
    interval: integer("S", "take every S-th frame", { min: 1, default: "1" }),
    flip: flag("train on mirrored clips too"),
    heldOut: number("SHARE", "share of the clips kept for validation", {
      min: 0,
      max: 0.9,
      default: "0.05; none of fewer than 20 clips",
    }),
    skipBad: flag("continue without clips that cannot be used"),
    noCache: flag("encode windows when they are needed instead of keeping latents on disk"),
    names: list("LIST", "names of actions or labels, for a model from scratch"),
  }),
  config: CONFIG,
  ...section(GENERATION, {
    steps: integer(
      "N",
      "optimiser steps of the whole run; 6000 or 100000 if both models are made",
      {
        short: "s",
        min: 1,
      },
    ),
    batch: integer("N", "videos per step", { min: 1, default: "4" }),
    accumulate: integer("N", "batches per step", { min: 1, default: "1" }),
    frames: integer("N", "frames per video", {
      short: "n",
      min: 1,
      default: "the model's window; for a long model 300, or six windows",
    }),
    lr: number("RATE", "learning rate", { min: 0, default: "1e-4" }),
    betas: list("B1,B2", "decay of AdamW's moments", { default: "0.9,0.999" }),
    weightDecay: number("D", "weight decay of AdamW", { min: 0, default: "0" }),
    schedule: choice(["constant", "cosine"], "NAME", "learning rate over time", {
      default: "constant",
    }),
    warmup: integer("N", "steps of linear warm-up", { min: 0, default: "0" }),
    clip: number("NORM", "largest norm of all gradients", { min: 0, default: "1" }),
    ema: number("DECAY", "decay of the averaged weights, which become the model; 0: no average", {
      min: 0,
      max: 1,
      default: "0.9999",
    }),
    cleanContext: number("RATIO", "share of frames given without noise", {
      min: 0,
      max: 1,
      default: "0.1",
    }),
    conditionDropout: number("RATIO", "share of actions or labels left out, for guidance", {
      min: 0,
      max: 1,
      default: "0.1",
    }),
    weighting: choice(["logit_normal", "uniform"], "NAME", "how timesteps are drawn", {
      default: "logit_normal",
    }),
    distill: integer(
      "STEPS",
      "learn to make a frame in STEPS steps instead of the many of --model, without guidance",
      { min: 1, max: 1000 },
    ),
    guidance: number("G", "guidance of --model that --distill builds in", {
      min: 1,
      default: "1: none",
    }),
    teacherSteps: integer(
      "N",
      "steps of --model, by Adams and Bashforth, in each step that --distill makes",
      {
        min: 1,
        default: "4",
      },
    ),
    flowShare: number("SHARE", "share of the videos that --distill trains as usual", {
      min: 0,
      max: 1,
      default: "0.25",
    }),
    ownContext: number(
      "SHARE",
      "share of the steps, at the end, in which --distill continues frames of its own",
      { min: 0, max: 1, default: "0.2" },
    ),
    shift: number("S", "shift of the noise levels at which the steps of --distill begin", {
      min: 0.001,
      max: 1000,
      default: "that of --model",
    }),
    shiftTerminal: number("SIGMA", "noise level at which the last step of --distill begins", {
      min: 0.001,
      max: 0.999,
      default: "1/STEPS",
    }),
    positions: { ...GENERATE_OPTIONS.positions, default: "the model's or recipe's, else exact" },
    timesteps: { ...GENERATE_OPTIONS.timesteps, default: "the model's or recipe's, else exact" },
    modelSize: choice(["small", "base"], "NAME", "size of both models, if neither is given", {
      default: "small",
    }),
    vaeSteps: integer("N", "optimiser steps of the autoencoder, if both models are made", {
      min: 1,
      default: "3000; base: 50000",
    }),
    lpips: path(
      "PATH",
      "LPIPS as a part of an autoencoder's loss: torchvision's VGG16, and lpips' weights for it; " +
        "files, or a folder of both; repeatable",
      { repeatable: true },
    ),
    loss: list("LIST", "weights of the parts of an autoencoder's loss", {
      default: "l1=1,mse=0,edges=0.5,structure=0.5; lpips=1 with --lpips",
    }),
    latentNoise: number("D", "deviation of noise on an autoencoder's raw latents while it learns", {
      min: 0,
      default: "0",
    }),
    discStart: integer(
      "N",
      "steps before a discriminator joins an autoencoder's training, and its encoder rests",
      { min: 0, default: "it never does" },
    ),
    discWeight: number(
      "W",
      "factor of the adversarial gradient, where 1 makes it as large as the reconstruction's",
      { min: 0, default: "0.5" },
    ),
    discFilters: integer("N", "channels after the discriminator's first layer, a multiple of 4", {
      min: 4,
      default: "64",
    }),
    freeze: list("NAMES", "parameters that stay unchanged; * matches anything"),
    lora: integer("RANK", "train low-rank adapters instead of the weights", { min: 1 }),
    targets: list("NAMES", "layers that get adapters", { default: "to_q,to_k,to_v,to_out.0" }),
    seed: seed("S", "seed of weights, noise and order", { default: "0" }),
    rng: choice(
      ["torch"],
      "NAME",
      "draw as PyTorch does on the CPU, except the first weights of an autoencoder",
      {
        default: "torch",
      },
    ),
    noShuffle: flag("take clips in order instead of shuffling them"),
    nan: choice(["stop", "rollback"], "WHAT", "what to do when loss or gradients are not finite", {
      default: "stop",
    }),
    recompute: flag("compute blocks twice to save memory", { default: "if memory is short" }),
    microBatch: integer("N", "videos on the device at once", { min: 1, default: "by memory" }),
    dtype: choice(["f32", "f16"], "TYPE", "arithmetic", { default: "f32" }),
    backend: MODEL_OPTIONS.backend,
  }),
  ...section(OUTPUT, {
    output: path("DIR", "folder of the run; a model folder at all times", { short: "o" }),
    saveEvery: integer("N", "steps between checkpoints", {
      min: 1,
      default: "500; if both models are made a tenth of the steps, if that is less",
    }),
    keep: integer("N", "checkpoints that are kept", { min: 1, default: "2" }),
    sampleEvery: integer("N", "steps between samples; 0: none", {
      min: 0,
      default: "0; if both models are made a tenth of the steps",
    }),
    validateEvery: integer("N", "steps between validations; 0: none", {
      min: 0,
      default: "as --save-every",
    }),
    fps: number("F", "frames per second of the model's videos", {
      min: 0.1,
      max: 1000,
      default: "the model's, else 8",
    }),
    dryRun: flag("print what a run needs, measure a few steps, and stop"),
  }),
  ...WORK_OPTIONS,
} satisfies OptionTable;

/** A call of `far train`. */
export type TrainCall = Call<typeof TRAIN_OPTIONS>;

/** Declaration of `far train`. */
export const TRAIN: CommandSpec = defineCommand({
  name: "train",
  summary: "train or fine-tune a model on clips",
  description:
    "Trains as the released trainer does, on any GPU. The folder of the run is a model folder at " +
    "all times, so `far play -m DIR` plays what was learned so far. To continue a run that was stopped, " +
    "in whatever way, give the same command again. Actions come from an " +
    ".npz, from a .json, .txt, .csv or .npz next to the clip, or from a video made by far. Clips alone " +
    "are enough: without --model, --vae and --architecture it trains an autoencoder, then a transformer.",
  arguments: [{
    name: "CLIPS",
    help: "videos, .npz, folders or patterns of them, or a .safetensors of `latents`",
    repeatable: true,
  }],
  options: TRAIN_OPTIONS,
  examples: [
    { line: "far train recordings -o world", does: "all of it: an autoencoder, then a world" },
    { line: "far train recordings -o world -m demo --steps 2000 --ema 0.995", does: "fine-tune" },
    {
      line: "far train clips -o world --architecture FAR_B --vae demo --steps 10000",
      does: "train from scratch",
    },
    {
      line: "far train clips -o vae --autoencoder --architecture 16x --steps 20000",
      does: "an autoencoder for --vae",
    },
    {
      line: "far train recordings -o quick -m world --distill 2 --steps 2000 --ema 0.995",
      does: "the same world in 2 steps per frame",
    },
    { line: "far play -m world", does: "play it, while it trains or after" },
  ],
  permissions: { ...GPU, sys: [...GPU.sys, "statfs"] },
  load: () => import("./run.ts"),
});
