/**
 * Compares ways to sample a model of the mazes on clips that it was not trained on:
 *
 *     deno run -A tools/demo/sampling.ts MODEL CLIPS STEPS,SOLVER,LEVEL ...
 *
 * LEVEL is the noise level at which the last step begins, 0.001 in the released models. Of each clip
 * 24 frames are given and 8 are made, with one seed for each clip: PSNR, mean of all frames, and
 * sharpness.
 */
import { join } from "node:path";
import { type GenerateOptions, loadPipeline, type Solver, toRgb } from "../../mod.ts";
import { contextOf, readViews } from "./clips.ts";
import { gradientEnergy, type View } from "./judge.ts";

const CONTEXT = 24;
const FRAMES = 8;

function psnr(a: View, b: View): number {
  const sum = a.reduce((sum, value, i) => sum + ((value - b[i]!) / 255) ** 2, 0);
  return -10 * Math.log10(sum / a.length);
}

function wayOf(text: string): Pick<GenerateOptions, "steps" | "solver" | "schedule"> {
  const [steps, solver, level] = text.split(",");
  const schedule = { shift: 1, shiftTerminal: Number(level) };
  return { steps: Number(steps), solver: solver as Solver, schedule };
}

const [model, folder, ...ways] = Deno.args;
if (model === undefined || folder === undefined) throw new Error("name a model and its clips");
const names = [...Deno.readDirSync(folder)].map(({ name }) => name).sort();
const all = ways.map((text) => ({ text, way: wayOf(text), psnr: 0, made: 0, true: 0 }));
const pipeline = await loadPipeline(model);
for (const [seed, name] of names.entries()) {
  const { views, actions } = await readViews(join(folder, name));
  const start = { ...contextOf(views.slice(0, CONTEXT)), frames: FRAMES, seed };
  for (const result of all) {
    const moves = actions.slice(0, CONTEXT + FRAMES);
    let at = CONTEXT;
    for await (
      const { kind, pixels } of pipeline.generate({ ...start, ...result.way, actions: moves })
    ) {
      if (kind !== "generated") continue;
      const [made, truth] = [toRgb(pixels).data, views[at++]!];
      result.psnr += psnr(made, truth) / FRAMES / names.length;
      result.made += gradientEnergy(made);
      result.true += gradientEnergy(truth);
    }
  }
}
await pipeline.close();
for (const { text, psnr, made, true: truth } of all) {
  console.log(`${text}: ${psnr.toFixed(2)} dB, sharpness ${(100 * made / truth).toFixed(1)} %`);
}
