import style from "./report.css" with { type: "text" };
import script from "./report.js" with { type: "text" };
import { encodePng, escapeHtml, htmlPage, htmlTables, lineChart } from "../../app.ts";
import { toRgb } from "../../mod.ts";
import { actionName, type Evaluation } from "./evaluation.ts";
import {
  type Metric,
  METRIC_NAMES,
  METRICS,
  metricsOf,
  pictureAt,
  type Pictures,
} from "./measure.ts";
import type { ClipResult } from "./summary.ts";
import { lengthText, shortNumber, spreadText } from "./tables.ts";

/** A clip for the report, and why it was chosen. */
export interface Shown {
  readonly result: ClipResult;
  /** `best`, `worst` ... */
  readonly why: string;
  readonly truth: Pictures;
  readonly made: Pictures;
}

const COLOURS: Readonly<Record<Metric, string>> = {
  psnr: "#3b6fd4",
  ssim: "#2a8c5a",
  ssim_gaussian: "#b35900",
  ms_ssim: "#8a4fbf",
  mse: "#c23b3b",
  lpips: "#1f8a8a",
};

/** The report as a self-contained page. */
export function evaluationPage(evaluation: Evaluation, shown: readonly Shown[]): string {
  const { protocol, command } = evaluation;
  const body = [
    `<p class="progress">${escapeHtml(sentence(evaluation))}</p>`,
    overallTable(evaluation),
    `<div class="charts">${
      metricsOf(evaluation.summary.overall).map((metric) => chart(evaluation, metric)).join("\n")
    }</div>`,
    "<h2>Truth, made, difference</h2>",
    `<p class="progress">One slider moves all clips in step. The difference is grey where the two ` +
    "agree.</p>",
    controls(protocol.context + protocol.frames),
    `<div class="clips">${
      shown.map((clip) => clipFigure(clip, protocol.context)).join("\n")
    }</div>`,
    returnsTable(evaluation),
    agreementTable(evaluation),
    `<div class="tables">${factsTables(evaluation)}</div>`,
    `<h2>Command</h2><pre>${escapeHtml(command)}</pre>`,
  ];
  return htmlPage(`Evaluation of ${protocol.info.name}`, body.join("\n"), { style, script });
}

function sentence(evaluation: Evaluation): string {
  const { clips, data, protocol: { seeds, trajectories } } = evaluation;
  return `${clips.length} clips of ${data}; frames given -> made: ${lengthText(evaluation)}; ` +
    `seeds ${seeds.join(", ")}${trajectories > 1 ? `; the best of ${trajectories} videos` : ""}.`;
}

function overallTable({ summary, published, protocol, scales }: Evaluation): string {
  const heads = METRICS.map((metric) =>
    `<th>${METRIC_NAMES[metric]}${metric === "ms_ssim" ? ` (${scales} scales)` : ""}</th>`
  );
  const own = METRICS.map((metric) => {
    const spread = summary.overall[metric];
    return `<td>${spread ? spreadText(spread, metric) : "not measured"}</td>`;
  });
  const theirs = published &&
    `<tr><th>published (${escapeHtml(protocol.preset!.name)})</th>` +
      `<td>${shortNumber(published.psnr, "psnr")}</td><td></td>` +
      `<td>${shortNumber(published.ssim, "ssim")}</td><td></td><td></td>` +
      `<td>${published.lpips}</td><td>${published.fvd}</td></tr>`;
  return `<table class="numbers"><tr><th></th>${heads.join("")}<th>FVD</th></tr>` +
    `<tr><th>${escapeHtml(protocol.info.name)}</th>${own.join("")}` +
    `<td>not measured</td></tr>${theirs ?? ""}</table>`;
}

function chart({ summary, published }: Evaluation, metric: Metric): string {
  const points = summary.frames.map((frame) => [frame.frame, frame[metric]!] as const);
  const lines = [{ name: "this run", colour: COLOURS[metric], points }];
  const theirs = metric === "psnr"
    ? published?.psnr
    : metric === "ssim_gaussian"
    ? published?.ssim
    : metric === "lpips"
    ? published?.lpips
    : undefined;
  if (theirs !== undefined) {
    const [first, last] = [points[0]![0], points.at(-1)![0]];
    const level = [[first, theirs], [last, theirs]] as const;
    lines.push({ name: "published, mean of all frames", colour: "#888", points: [...level] });
  }
  return lineChart(`${METRIC_NAMES[metric]} by frame`, lines, metric === "mse");
}

function controls(frames: number): string {
  return `<p class="steps"><button id="play">Play</button>` +
    `<input id="frame" type="range" min="0" max="${frames - 1}" value="0" aria-label="Frame">` +
    `<output id="number">0</output></p>`;
}

function clipFigure({ result, why, truth, made }: Shown, context: number): string {
  const { width, height, frames } = truth;
  const png = strip(truth, made).toBase64();
  const psnr = [...Array(context).fill(null), ...result.frames.map((frame) => frame.psnr)];
  const labels = psnr.map((value) => value === null ? "given" : `${shortNumber(value, "psnr")} dB`);
  return `<figure class="clip" data-psnr="${escapeHtml(JSON.stringify(labels))}">` +
    `<figcaption>${escapeHtml(why)}: ${escapeHtml(result.id)} ` +
    `<span>PSNR ${shortNumber(result.mean.psnr, "psnr")}; frame <b class="now"></b></span>` +
    `</figcaption><div class="view" role="img" aria-label="truth, made and difference" ` +
    `style="--frames: ${frames}; aspect-ratio: ${3 * width} / ${height}; ` +
    `background-image: url(data:image/png;base64,${png})"></div><div class="names">` +
    "<span>truth</span><span>made</span><span>difference</span></div></figure>";
}

/** Frames one below the other, each truth | made | 0.5 + (made - truth) / 2, as PNG. */
function strip(truth: Pictures, made: Pictures): Uint8Array {
  const { width, height, frames } = truth;
  const data = new Uint8Array(frames * height * 3 * width * 3);
  for (let frame = 0; frame < frames; frame++) {
    const [a, b] = [pictureAt(truth, frame), pictureAt(made, frame)];
    const difference = a.map((value, i) => 0.5 + (b[i]! - value) / 2);
    for (const [column, values] of [a, b, difference].entries()) {
      const picture = toRgb({ width, height, data: Float32Array.from(values) });
      for (let y = 0; y < height; y++) {
        const row = picture.data.subarray(3 * y * width, 3 * (y + 1) * width);
        data.set(row, 3 * width * ((frame * height + y) * 3 + column));
      }
    }
  }
  return encodePng({ width: 3 * width, height: frames * height, data });
}

function returnsTable({ protocol, returns }: Evaluation): string {
  if (returns.length === 0) return "";
  const psnr = (value: number) => `<td>${shortNumber(value, "psnr")}</td>`;
  const rows = returns.map(({ action, inverse, trips, back, out, ceiling }) =>
    `<tr><th>${escapeHtml(actionName(protocol, action))} x ${protocol.returns}, ` +
    `${escapeHtml(actionName(protocol, inverse))} x ${protocol.returns}</th><td>${trips}</td>` +
    `${psnr(back.psnr)}${psnr(out.psnr)}${psnr(ceiling.psnr)}</tr>`
  );
  return `<h2>Out and back</h2><p class="progress">PSNR of views against the last one given: the ` +
    "last view, which should be the same, the one farthest out, and that very view through the " +
    "autoencoder alone, the most there is to be had.</p>" +
    `<table class="numbers"><tr><th></th><th>trips</th><th>back</th><th>out</th>` +
    `<th>autoencoder</th></tr>${rows.join("")}</table>`;
}

function agreementTable({ protocol, agreement }: Evaluation): string {
  if (!agreement) return "";
  const { table, moves, agreed } = agreement;
  const names = table.map((_, action) => escapeHtml(actionName(protocol, action)));
  const rows = table.map((row, action) =>
    `<tr><th>${names[action]}</th>${row.map((n) => `<td>${n}</td>`).join("")}</tr>`
  );
  const share = moves > 0 ? (100 * agreed / moves).toFixed(1) : "0";
  return `<h2>Action agreement</h2><p class="progress">${moves} moves, each made with every action ` +
    `from the same frames and noise: the real action's picture is the nearest to the clip's ` +
    `${agreed} times (${share} %). By real action, how often each was the nearest:</p>` +
    `<table class="numbers"><tr><th></th>${names.map((name) => `<th>${name}</th>`).join("")}</tr>` +
    `${rows.join("")}</table>`;
}

function factsTables({ protocol, machine, times, version, clips }: Evaluation): string {
  const { info, preset, steps, guidance, stride, start } = protocol;
  const rate = times.seconds > 0 ? (times.frames / times.seconds).toFixed(2) : "unknown";
  const tables: Record<string, Record<string, string>> = {
    Model: {
      name: info.name,
      weights: `${(info.parameters / 1e6).toFixed(1)} million`,
      protocol: preset?.name ?? "the model's own, or as given",
      steps: String(steps ?? "the model's"),
      guidance: String(guidance ?? "1"),
      "first frame, stride": `${start}, ${stride}`,
      "frame numbers, timesteps": `${info.positions}, ${info.timesteps}`,
    },
    Machine: {
      device: machine.adapter,
      program: `${machine.program}, far ${version}`,
      system: machine.system,
      "frames made": String(times.frames),
      seconds: times.seconds.toFixed(1),
      "frames per second": rate,
      clips: String(clips.length),
    },
  };
  return htmlTables(tables);
}
