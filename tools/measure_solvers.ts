/**
 * How near each solver comes to the flow's own solution on the demo model: the error of the latents
 * against a 200-step Euler run, for the next frame of each of the demo's clips and several seeds.
 *
 *     deno run -A tools/measure_solvers.ts [MODEL [STEPS [LEVEL]]]
 *
 * With a MODEL, how near that one comes to the demo's solution: one that was distilled from it, say.
 * STEPS is a list such as 2,3. LEVEL is the noise level at which the last step begins: 0.001 as in the
 * released models, 1/N for N equal steps; otherwise it is the model's own.
 */
import { fileURLToPath } from "node:url";
import { type GenerateOptions, loadPipeline, type Pipeline, SOLVERS } from "../mod.ts";
import { contextOf, readViews } from "./demo/clips.ts";

const [MODEL, LIST = "4,8,16,25", LEVEL] = Deno.args;
const STEPS = LIST.split(",").map(Number);
/** The released models' schedule. */
const EVEN = { shift: 1 };
const SCHEDULE = LEVEL === undefined ? undefined : { shift: 1, shiftTerminal: levelOf(LEVEL) };
const REFERENCE = { steps: 200, solver: "euler", schedule: EVEN } as const;
const CONTEXT_FRAMES = 12;
const CLIPS = [0, 1, 2, 3];
const SEEDS = [0, 1];
const DEMO = fileURLToPath(new URL("../weights/demo", import.meta.url));

/** A number, or a fraction such as 1/3. */
function levelOf(text: string): number {
  const [numerator, denominator = 1] = text.split("/").map(Number);
  return numerator! / denominator;
}

/** The first frames of a clip, and the actions up to the next frame. */
async function readStart(clip: number) {
  const { views, actions } = await readViews(`${DEMO}/clips/${clip}.npz`);
  const context = contextOf(views.slice(0, CONTEXT_FRAMES));
  return { ...context, actions: actions.slice(0, CONTEXT_FRAMES + 1) };
}

/** Latents of the frame after the context. */
async function nextFrame(
  pipeline: Pipeline,
  start: Awaited<ReturnType<typeof readStart>>,
  seed: number,
  how: Pick<GenerateOptions, "steps" | "solver" | "schedule">,
): Promise<Float32Array> {
  let latents = new Float32Array();
  for await (const frame of pipeline.generate({ frames: 1, ...start, seed, ...how })) {
    latents = new Float32Array(frame.latents);
  }
  return latents;
}

/** Root mean square of a - b over that of b. */
function relativeDistance(a: Float32Array, b: Float32Array): number {
  let difference = 0;
  let scale = 0;
  for (const [i, value] of b.entries()) {
    difference += (a[i]! - value) ** 2;
    scale += value ** 2;
  }
  return Math.sqrt(difference / scale);
}

const demo = await loadPipeline(DEMO);
const measured = MODEL === undefined ? demo : await loadPipeline(MODEL);
const errors = new Map<string, number[]>();
for (const clip of CLIPS) {
  const start = await readStart(clip);
  for (const seed of SEEDS) {
    const reference = await nextFrame(demo, start, seed, REFERENCE);
    for (const solver of SOLVERS) {
      for (const steps of STEPS) {
        const latents = await nextFrame(measured, start, seed, {
          steps,
          solver,
          schedule: SCHEDULE,
        });
        const key = `${solver} ${steps}`;
        errors.set(key, [...errors.get(key) ?? [], relativeDistance(latents, reference)]);
      }
    }
  }
}
await demo.close();
if (measured !== demo) await measured.close();

console.log(`| solver | ${STEPS.map((steps) => `${steps} steps`).join(" | ")} |`);
console.log(`|---|${STEPS.map(() => "---|").join("")}`);
for (const solver of SOLVERS) {
  const cells = STEPS.map((steps) => {
    const all = errors.get(`${solver} ${steps}`)!;
    return (all.reduce((a, b) => a + b, 0) / all.length).toFixed(4);
  });
  console.log(`| ${solver} | ${cells.join(" | ")} |`);
}
