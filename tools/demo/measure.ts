/**
 * Measures a model of the mazes on clips that it was not trained on (draw.ts with another seed):
 *
 *     deno run -A tools/demo/measure.ts MODEL CLIPS [STEPS [SOLVER]]
 *
 * Steps and solver are the model's own unless they are given.
 * Each clip gives 24 frames. PSNR (from the mean squared error over all clips) is measured on the
 * frames that follow, and on the view after 12 turns left and 12 right, which should be the last
 * given frame ("return"). Obedience and sharpness are measured on all generated frames.
 */
import { join } from "node:path";
import {
  type GenerateOptions,
  loadPipeline,
  type Pipeline,
  type Solver,
  toRgb,
} from "../../mod.ts";
import { contextOf, readViews } from "./clips.ts";
import { gradientEnergy, obedience, type View } from "./judge.ts";
import { ACTIONS, LEFT, RIGHT } from "./maze.ts";

const CONTEXT = 24;
const SHOWN = [1, 4, 12, 24];
const TURNS = 12;

interface Sample {
  readonly views: View[];
  readonly actions: number[];
}

/** The given views and those made after them by the actions that follow. */
async function continued(
  pipeline: Pipeline,
  sample: Sample,
  actions: readonly number[],
  how: Pick<GenerateOptions, "steps" | "solver">,
): Promise<Sample> {
  const given = sample.actions.slice(0, CONTEXT);
  const views = sample.views.slice(0, CONTEXT);
  const frames = pipeline.generate({
    ...contextOf(views),
    frames: actions.length,
    actions: [...given, ...actions],
    ...how,
  });
  for await (const { kind, pixels } of frames) {
    if (kind === "generated") views.push(toRgb(pixels).data);
  }
  return { views, actions: [...given, ...actions] };
}

function squaredError(a: View, b: View): number {
  return a.reduce((sum, value, i) => sum + ((value - b[i]!) / 255) ** 2, 0) / a.length;
}

const mean = (values: readonly number[]) => values.reduce((a, b) => a + b, 0) / values.length;
const decibels = (errors: readonly number[]) => (-10 * Math.log10(mean(errors))).toFixed(1);

const [model, folder, steps, solver] = Deno.args;
if (model === undefined || folder === undefined) throw new Error("name a model and its clips");
const names = [...Deno.readDirSync(folder)].map(({ name }) => name).filter((name) => {
  return name.endsWith(".npz");
}).sort();
const walked: { truth: Sample; made: Sample }[] = [];
const returned: Sample[] = [];
const pipeline = await loadPipeline(model);
const { defaults } = pipeline.info;
const how = {
  steps: Number(steps ?? defaults.steps),
  solver: (solver ?? defaults.solver ?? "euler") as Solver,
};
for (const [i, name] of names.entries()) {
  const truth = await readViews(join(folder, name));
  const made = await continued(pipeline, truth, truth.actions.slice(CONTEXT), how);
  walked.push({ truth, made });
  const trip = [...Array<number>(TURNS).fill(LEFT), ...Array<number>(TURNS).fill(RIGHT)];
  returned.push(await continued(pipeline, truth, trip, how));
  console.error(`${i + 1} of ${names.length} clips`);
}
await pipeline.close();

for (const ahead of SHOWN) {
  const at = CONTEXT + ahead - 1;
  const errors = walked.map(({ truth, made }) => squaredError(truth.views[at]!, made.views[at]!));
  console.log(`frame ${ahead}: ${decibels(errors)} dB`);
}
const back = returned.map(({ views }) => squaredError(views[CONTEXT - 1]!, views.at(-1)!));
console.log(`return: ${decibels(back)} dB`);
for (const [action, name] of ACTIONS.entries()) {
  const all = [...walked.map(({ made }) => made), ...returned]
    .map(({ views, actions }) => obedience(views, actions, action, CONTEXT));
  const [obeyed, judged] = (["obeyed", "judged"] as const).map((key) => {
    return all.reduce((sum, part) => sum + part[key], 0);
  });
  console.log(`${name}: ${obeyed} of ${judged} steps obeyed`);
}
const energy = (samples: readonly Sample[]) =>
  mean(samples.flatMap(({ views }) => views.slice(CONTEXT).map(gradientEnergy)));
const sharpness = energy(walked.map(({ made }) => made)) /
  energy(walked.map(({ truth }) => truth));
console.log(`sharpness: ${(100 * sharpness).toFixed(1)} % of the truth`);
