import { basename } from "node:path";
import type { LogLine } from "../folder/train_log.ts";
import type { TrainOptions } from "../run_options.ts";
import { lineChart, runningMean } from "../../report/chart.ts";
import { escapeHtml, htmlPage, htmlTables } from "../../report/page.ts";

/** Facts about a run for its report. */
export interface ReportFacts {
  readonly options: Pick<TrainOptions, "output" | "steps" | "command">;
  /** Tables of names and values, by their titles: settings, data, machine. */
  readonly tables: Readonly<Record<string, Readonly<Record<string, string>>>>;
  /** The model card, README.md of the folder. */
  readonly card?: (step: number, lines: readonly LogLine[]) => string;
}

/** The contact sheet of a step, as PNG. */
export interface ReportSample {
  readonly step: number;
  readonly png: Uint8Array;
}

/** Steps of the running mean. */
const MEAN_STEPS = 50;

/**
 * A self-contained HTML page for any browser, readable from disk.
 * @param step steps done
 * @param lines log.jsonl
 * @param samples newest last
 */
export function reportPage(
  { options: { output, steps, command }, tables }: ReportFacts,
  step: number,
  lines: readonly LogLine[],
  samples: readonly ReportSample[],
): string {
  const values = (name: string, event?: string) =>
    lines.filter((line) => line.event === event && typeof line[name] === "number")
      .map((line) => [Number(line.step), Number(line[name])] as const);
  const loss = values("loss");
  const charts = [
    lineChart("Loss", [
      { name: "each step", colour: "#3b6fd4", points: loss, faint: true },
      { name: `mean of ${MEAN_STEPS}`, colour: "#3b6fd4", points: runningMean(loss, MEAN_STEPS) },
      { name: "validation", colour: "#d4663b", points: values("loss", "validation") },
    ]),
    lineChart("Adversarial losses", [
      { name: "of the decoder, as weighed", colour: "#3b6fd4", points: values("g_loss") },
      { name: "of the discriminator", colour: "#d4663b", points: values("d_loss") },
    ]),
    lineChart("PSNR of validation, dB", [
      { name: "", colour: "#d4663b", points: values("psnr", "validation") },
    ]),
    lineChart("SSIM of validation", [
      { name: "", colour: "#d4663b", points: values("ssim", "validation") },
    ]),
    lineChart("Learning rate", [{ name: "", colour: "#2a8c5a", points: values("lr") }]),
    lineChart("Gradient norm before clipping", [
      { name: "", colour: "#8a4fbf", points: values("grad_norm") },
    ], true),
  ];
  const pictures = samples.map(({ step, png }) =>
    `<figure><figcaption>Step ${step}</figcaption>` +
    `<img alt="Sample at step ${step}" src="data:image/png;base64,${png.toBase64()}"></figure>`
  );
  const body =
    `<p class="progress">Step ${step} of ${steps}<progress value="${step}" max="${steps}"></progress></p>
<div class="charts">${charts.join("\n")}</div>
${
      pictures.length
        ? `<h2>Samples</h2><div class="samples">${pictures.reverse().join("\n")}</div>`
        : ""
    }
<div class="tables">${htmlTables(tables)}</div>
${command ? `<h2>Command</h2><pre>${escapeHtml(command)}</pre>` : ""}
`;
  return htmlPage(`Training of ${basename(output)}`, body);
}
