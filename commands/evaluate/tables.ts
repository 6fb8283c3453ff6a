import { actionName, type Evaluation } from "./evaluation.ts";
import { type Measures, METRIC_NAMES, metricsOf } from "./measure.ts";
import type { Spread } from "./summary.ts";

/** `22.31`, `0.687`, `3.1e-3`: with as many digits as in papers. */
export function shortNumber(value: number, metric: string): string {
  if (!Number.isFinite(value)) return "inf";
  return metric === "psnr"
    ? value.toFixed(2)
    : metric === "mse"
    ? value.toExponential(2)
    : value.toFixed(3);
}

/** A mean, and the standard deviation over seeds. */
export function spreadText({ mean, deviation }: Spread, metric: string): string {
  const text = shortNumber(mean, metric);
  return deviation === undefined ? text : `${text} ± ${shortNumber(deviation, metric)}`;
}

/** `144 -> 156`: given and generated. */
export function lengthText({ protocol: { context, frames } }: Evaluation): string {
  return `${context} -> ${frames}`;
}

/** The table in the paper's form, in Markdown, followed by those of the tests. */
export function markdownTable(evaluation: Evaluation): string {
  const { protocol, data, published, clips, summary, scales } = evaluation;
  const metrics = metricsOf(summary.overall);
  const head = [
    "model",
    "data",
    "frames",
    "steps",
    "guidance",
    ...metrics.map((m) => METRIC_NAMES[m]),
  ];
  const { info, steps, guidance, seeds, trajectories } = protocol;
  const setting = [lengthText(evaluation), steps ?? "", guidance ?? ""];
  const own = metrics.map((metric) => spreadText(summary.overall[metric]!, metric));
  const rows = [[info.name, data, ...setting, ...own]];
  if (published) {
    const { psnr, ssim: ssim_gaussian, lpips } = published;
    const known: Partial<Measures> = { psnr, ssim_gaussian, lpips };
    const theirs = metrics.map((metric) =>
      known[metric] === undefined ? "" : shortNumber(known[metric], metric)
    );
    rows.push([
      `${protocol.preset!.name}, published`,
      protocol.preset!.dataset,
      ...setting,
      ...theirs,
    ]);
  }
  const notes = [
    `${clips.length} clips, ${seeds.length > 1 ? `seeds ${seeds}` : `seed ${seeds}`}` +
    `${trajectories > 1 ? `, best of ${trajectories}` : ""}; MS-SSIM over ${scales} scales.`,
  ];
  return [table(head, rows), "", ...notes, ...testTables(evaluation), ""].join("\n");
}

function testTables(evaluation: Evaluation): string[] {
  const { protocol, returns, agreement } = evaluation;
  const lines: string[] = [];
  if (returns.length > 0) {
    const head = ["out and back", "trips", "PSNR back", "PSNR out", "PSNR of the autoencoder"];
    const psnr = ({ psnr }: Measures) => shortNumber(psnr, "psnr");
    const rows = returns.map(({ action, inverse, trips, back, out, ceiling }) => [
      `${actionName(protocol, action)} x ${protocol.returns}, ` +
      `${actionName(protocol, inverse)} x ${protocol.returns}`,
      trips,
      ...[back, out, ceiling].map(psnr),
    ]);
    lines.push("", table(head, rows));
  }
  if (agreement) {
    const names = agreement.table.map((_, action) => actionName(protocol, action));
    const rows = agreement.table.map((row, action) => [names[action]!, ...row]);
    const { agreed, moves } = agreement;
    const share = moves > 0 ? (100 * agreed / moves).toFixed(1) : "0";
    lines.push(
      "",
      `Of ${moves} moves made with every action, the real one's picture is the nearest ${agreed} ` +
        `times (${share} %):`,
      "",
      table(["real, nearest", ...names], rows),
    );
  }
  return lines;
}

function table(head: readonly string[], rows: readonly (readonly (string | number)[])[]): string {
  const line = (cells: readonly (string | number)[]) => `| ${cells.join(" | ")} |`;
  return [line(head), `|${head.map(() => "---|").join("")}`, ...rows.map(line)].join("\n");
}

/** One row per frame, clip and seed. */
export function framesCsv({ results, protocol, summary }: Evaluation): string {
  const metrics = metricsOf(summary.overall);
  const rows = results.flatMap(({ id, path, seed, frames }) =>
    frames.map((frame, i) =>
      [
        id,
        /[",\n]/.test(path) ? `"${path.replaceAll('"', '""')}"` : path,
        seed,
        protocol.context + i,
        ...metrics.map((metric) => Number.isFinite(frame[metric]) ? frame[metric] : "inf"),
      ].join(",")
    )
  );
  return [["clip", "path", "seed", "frame", ...metrics].join(","), ...rows, ""].join("\n");
}

/** Everything, for programs. JSON has no infinity: it is null. */
export function evaluationJson(evaluation: Evaluation) {
  const { protocol, data, results, summary, scales, published, returns, agreement } = evaluation;
  const { machine, times, command, version } = evaluation;
  const { info, context, frames, start, stride, steps, guidance, seeds, trajectories } = protocol;
  return {
    command,
    version,
    model: { name: info.name, path: protocol.model, parameters: info.parameters },
    data: { source: data, clips: evaluation.clips.length },
    protocol: { preset: protocol.preset?.name, context, frames, start, stride, steps, guidance },
    seeds: seeds.map(Number),
    trajectories,
    machine,
    seconds: times.seconds,
    framesPerSecond: times.seconds > 0 ? times.frames / times.seconds : undefined,
    msSsimScales: scales,
    overall: summary.overall,
    published,
    frames: summary.frames,
    clips: results.map(({ id, path, seed, mean, frames }) => ({ id, path, seed, mean, frames })),
    returns: returns.map((result) => ({
      ...result,
      action: actionName(protocol, result.action),
      inverse: actionName(protocol, result.inverse),
      moves: protocol.returns,
    })),
    agreement: agreement && {
      ...agreement,
      actions: agreement.table.map((_, action) => actionName(protocol, action)),
    },
  };
}
