import { recordStep } from "../../bench/step.ts";
import { declareSynthetic } from "../../bench/synthetic_model.ts";
import { Memory } from "../../gpu/memory.ts";
import type { Dispatch } from "../../gpu/program.ts";
import { choosing, constantsText, GPU } from "./pipelines.ts";
import type { Row } from "../gpu_static.ts";
import { tripCycles } from "./loop.ts";

/** What fills a GPU, how fast it is, and how many cycles an instruction of a wave takes. */
const GPUS: Readonly<Record<string, { simds: number; hertz: number; issue: number }>> = {
  navi31: { simds: 192, hertz: 2.3e9, issue: 2 }, // RX 7900 XTX
  navi21: { simds: 160, hertz: 2.25e9, issue: 2 }, // RX 6900 XT
  vega10: { simds: 256, hertz: 1.55e9, issue: 4 }, // RX Vega 64
};

/** Which step of what. */
export interface StepOptions {
  /** Frames before. */
  readonly frames: readonly number[];
  readonly family: string;
  readonly architecture: Parameters<typeof declareSynthetic>[0]["architecture"];
  /** Videos at once. */
  readonly videos: number;
  /** As `choosing` takes it. */
  readonly choices: string;
}

/** Lanes of a wave. */
const WAVE = 64;

/** Numbers of k that a trip of a product's loop takes; keys that one of attention takes, or two. */
const PRODUCT_TRIP = 16;
const KEYS_A_TRIP = 4;

/** Lanes of a workgroup of this dispatch, and the trips that its loop makes in sequence. */
function loopOf(dispatch: Dispatch, keys: number): { lanes: number; trips: number } | undefined {
  const { kernel, constants = {}, params = {} } = dispatch;
  if (/^(linear|conv2d|qkv)(_shuffle|_packed)?$/.test(kernel.name)) {
    const slices = constants.SLICES!;
    const k = params.k! * (constants.SIZE ?? 1) ** 2;
    return {
      lanes: 64 * slices * constants.BLOCKS!,
      trips: Math.ceil(k / (PRODUCT_TRIP * slices * (constants.SPLIT ?? 1))),
    };
  }
  if (!/^attention/.test(kernel.name)) return undefined;
  const share = Math.ceil(keys / constants.SPLIT!);
  const parts = constants.PARTS ?? 1;
  const keysATrip = KEYS_A_TRIP * (1 + constants.AHEAD!) * parts;
  return { lanes: WAVE * parts, trips: Math.ceil(share / keysATrip) };
}

/** Cycles of a dispatch, of products and attention only: waves are spread evenly over all SIMDs. */
function cyclesOf(
  dispatch: Dispatch,
  keys: number,
  rows: ReadonlyMap<string, Row>,
  { simds, issue }: { simds: number; issue: number },
): number {
  const shape = loopOf(dispatch, keys);
  const loop = rows.get(`${dispatch.kernel.name} ${constantsText(dispatch.constants)}`)?.loop;
  if (!shape || !loop || typeof dispatch.groups === "function") return 0;
  const groups = dispatch.groups.reduce((a, b) => a * b, 1);
  const waves = groups * Math.ceil(shape.lanes / WAVE);
  return shape.trips * tripCycles(loop, Math.max(1, waves / simds), issue);
}

/** Times, cycles and workgroups of the dispatches of a later step after so many frames, by label. */
function dispatchesOf(rows: ReadonlyMap<string, Row>, options: StepOptions, frame: number) {
  const device = choosing(GPU, options.choices);
  const { architecture, videos, family } = options;
  const model = declareSynthetic({ architecture, dtype: "f16", device });
  const size = { height: 8, width: 8 };
  const { passes } = recordStep(model, new Memory(), device, size, {
    frame,
    videos,
    kind: "later",
  });
  const found = new Map<string, { times: number; cycles: number; shape: string }>();
  for (const { plan, program } of passes) {
    const keys = Math.max(...plan.keys);
    for (const dispatch of program.recorded) {
      const name = dispatch.label ?? dispatch.kernel.name;
      const one = found.get(name) ?? { times: 0, cycles: 0, shape: shapeText(dispatch, keys) };
      one.times++;
      one.cycles += cyclesOf(dispatch, keys, rows, GPUS[family] ?? GPUS.navi31!);
      found.set(name, one);
    }
  }
  return found;
}

/** A table of a later step in f16, dispatch by dispatch, after so many frames. */
export function stepTable(compiled: readonly Row[], options: StepOptions): string {
  const rows = new Map(compiled.map((row) => [`${row.kernel} ${row.constants}`, row]));
  const { hertz } = GPUS[options.family] ?? GPUS.navi31!;
  const lines = [
    "| frames before | dispatch | per step | workgroups x lanes | kcycles |",
    "|---:|---|---:|---:|---:|",
  ];
  for (const frame of options.frames) {
    const found = dispatchesOf(rows, options, frame);
    for (const [name, { times, cycles, shape }] of found) {
      if (cycles) {
        lines.push(`| ${frame} | ${name} | ${times} | ${shape} | ${kilo(cycles / times)} |`);
      }
    }
    const [all, dispatches] = [...found.values()]
      .reduce(([c, n], { cycles, times }) => [c + cycles, n + times], [0, 0]);
    const time = (1e3 * all / hertz).toFixed(2);
    lines.push(
      `| ${frame} | **${time} ms** of products and attention | ${dispatches} | | ${kilo(all)} |`,
    );
  }
  return lines.join("\n");
}

function kilo(cycles: number): string {
  return (cycles / 1e3).toFixed(cycles < 1e5 ? 1 : 0);
}

function shapeText(dispatch: Dispatch, keys: number): string {
  const shape = loopOf(dispatch, keys);
  if (!shape || typeof dispatch.groups === "function") return "";
  return `${dispatch.groups.reduce((a, b) => a * b, 1)} x ${shape.lanes}`;
}
