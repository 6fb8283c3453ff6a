import { basename } from "node:path";
import type { LogLine } from "../folder/train_log.ts";
import type { OpenedData } from "../data/open_data.ts";
import type { Origin } from "../origin.ts";
import type { TrainOptions } from "../run_options.ts";
import { studentSteps } from "../distill/levels.ts";
import type { TrainerSettings } from "../trainer.ts";

/** Facts about a transformer's run, for its model card. */
export interface RunFacts {
  readonly options: TrainOptions;
  readonly origin: Origin;
  readonly data: OpenedData;
  readonly settings: TrainerSettings;
}

/**
 * README.md of a run's folder: what the model is, what it was trained on and how, and how to play it.
 * The heading is what model hubs read.
 */
export function modelCard(
  facts: RunFacts,
  step: number,
  lines: readonly LogLine[],
): string {
  const { options, origin, data: { train, heldOut }, settings } = facts;
  const name = basename(options.output);
  const license = typeof origin.far.license === "string" ? origin.far.license : undefined;
  const start = options.model === undefined
    ? "from scratch"
    : `from the weights of \`${basename(options.model)}\``;
  const held = heldOut ? `, ${heldOut.clips.length} more for validation` : "";
  const rows: [string, string | undefined][] = [
    ["trained on", options.clips.map((clip) => `\`${basename(clip)}\``).join(", ")],
    ["clips", `${train.clips.length}, ${train.frames} frames${held}`],
    ["begun", start],
    ["autoencoder", `that of \`${basename(origin.vaeModel)}\``],
    ["steps", `${step} of ${options.steps}, ${settings.batch * settings.accumulate} videos each`],
    ["distilled to", distilledTo(facts)],
    ["frames of a video", String(settings.frames)],
    ["trained part", settings.lora ? `LoRA of rank ${settings.lora.rank}` : frozen(facts)],
    ["learning rate", `${settings.lr}, ${settings.schedule}`],
    ["validation loss", lastOf(lines, "validation")],
    ["actions", origin.names?.join(", ")],
  ];
  const table = rows.filter(([, value]) => value !== undefined)
    .map(([key, value]) => `| ${key} | ${value!.replaceAll("|", "\\|")} |`);
  return `---
library_name: far
${
    license === undefined
      ? ""
      : `license: ${JSON.stringify(license)}\n`
  }tags: [video-generation, world-model]
---

# ${name}

A video model that \`far train\` made. Play it with \`far play -m ${name}\`, make a video with
\`far generate -m ${name} -o video.mp4\`.

| | |
|---|---|
${table.join("\n")}
${options.command ? `\nThe command:\n\n\`\`\`sh\n${options.command}\n\`\`\`\n` : ""}`;
}

function distilledTo({ settings: { distill, noise } }: RunFacts): string | undefined {
  if (!distill) return undefined;
  const { steps, teacherSteps, guidance } = distill;
  const guided = guidance > 1 ? ` with guidance ${guidance}` : "";
  const levels = studentSteps(distill, noise).map(({ from }) => Number(from.toFixed(3)));
  return `${steps === 1 ? "1 step" : `${steps} steps`} per frame, from noise levels ` +
    `${levels.join(", ")}, each from ${teacherSteps} of the teacher${guided}`;
}

function frozen({ settings: { freeze = [] } }: RunFacts): string {
  return freeze.length > 0 ? `all but ${freeze.join(", ")}` : "all of the transformer";
}

function lastOf(lines: readonly LogLine[], event: string): string | undefined {
  const line = lines.findLast((line) => line.event === event);
  return line && `${Number(line.loss).toFixed(4)} at step ${line.step}`;
}
