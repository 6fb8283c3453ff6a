import { extname } from "node:path";
import { printable, readClipFacts, type VideoFacts } from "../../app.ts";
import { NpzFile } from "../../mod.ts";
import type { Inspection } from "./inspection.ts";
import { type Settings, settingsOf } from "../../cli/settings.ts";
import { SIZE_KEY } from "../../request/viewing_scale.ts";
import { commandJson, commandLines } from "./made_by.ts";

/** Longer lists are not shown. */
const MOST_ACTIONS = 1_000_000;

/** Contents of a clip, and the command that made it, if known. */
export async function inspectClip(path: string): Promise<Inspection> {
  return extname(path).toLowerCase() === ".npz"
    ? await inspectArrays(path)
    : await inspectVideo(path);
}

async function inspectVideo(path: string): Promise<Inspection> {
  const { width, height, fps, lossy, isFloat, metadata, video } = await readClipFacts(path);
  const settings = settingsOf(metadata);
  const own = metadata[SIZE_KEY];
  const made = own !== undefined && /^\d{1,6}x\d{1,6}$/.test(own) ? `, made at ${own}` : "";
  const lines = [
    `file        ${path}`,
    `video       ${width}x${height}${made}${
      fps === undefined ? "" : `, ${round(fps)} frames/s`
    }, ` +
    `${isFloat ? "floats" : "8-bit"}, ${lossy ? "lossy" : "exact"}`,
    ...factLines(video),
    ...settingsLines(settings, metadata),
  ];
  return {
    lines,
    json: {
      file: path,
      width,
      height,
      fps,
      lossy,
      ...video,
      metadata,
      ...commandJson(settings),
    },
  };
}

/** Frames, length and codec of a video file, as far as known. */
function factLines(video: VideoFacts | undefined): string[] {
  if (!video) return [];
  const { frames, duration, codec } = video;
  const known = [
    ...frames === undefined ? [] : [`${frames} ${frames === 1 ? "frame" : "frames"}`],
    ...duration === undefined ? [] : [`${round(duration)} s`],
    `codec ${codec}`,
  ];
  return [`stream      ${known.join(", ")}`];
}

async function inspectArrays(path: string): Promise<Inspection> {
  using file = await NpzFile.open(path);
  const arrays: { name: string; type: string; shape: readonly number[] }[] = [];
  let actions: number[] | undefined;
  for (const name of file.names) {
    const { type, shape } = await file.header(name);
    arrays.push({ name, type, shape });
    if (name === "actions" && shape.length === 1 && shape[0]! <= MOST_ACTIONS) {
      actions = Array.from((await file.readList(name)).data, Number);
    }
  }
  const metadata = await file.readMetadata();
  const settings = settingsOf(metadata);
  const lines = [
    `file        ${path}`,
    ...arrays.map(({ name, type, shape }) =>
      `array       ${printable(name)}  ${type} [${shape.join(", ")}]`
    ),
    ...settingsLines(settings, metadata),
    ...actions ? actionLines(actions) : [],
  ];
  return {
    lines,
    json: { file: path, arrays, actions, metadata, ...commandJson(settings) },
  };
}

/** Actions by frame, one line per run of equal actions. */
export function actionLines(actions: readonly number[]): string[] {
  const lines = [
    "actions     action i is the move that leads to frame i",
  ];
  for (let start = 0; start < actions.length;) {
    let end = start;
    while (actions[end + 1] === actions[start]) end++;
    const frames = start === end ? `frame ${start}` : `frames ${start}..${end}`;
    lines.push(`  ${frames.padEnd(16)} ${actions[start]}`);
    start = end + 1;
  }
  return lines;
}

function settingsLines(
  settings: Settings | undefined,
  metadata: Readonly<Record<string, string>>,
): string[] {
  if (settings) return commandLines(settings);
  const entries = Object.entries(metadata).map(([key, value]) => `${key} = ${value}`);
  return entries.length ? entries.map((entry) => `metadata    ${entry}`) : ["made by     unknown"];
}

function round(value: number): number {
  return Math.round(value * 1000) / 1000;
}
