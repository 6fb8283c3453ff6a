/** What ffprobe says of a video, and which of its planes are converted here. */
import { checkSize } from "./budget.ts";
import type { Matrix, YuvColour } from "./color.ts";
import { inputOptions } from "./ffmpeg_program.ts";
import type { VideoFacts } from "./frame_stream.ts";
import { type RgbFrame, rotate } from "./frames.ts";
import { type PlaneLayout, planesOf } from "./y4m.ts";

/** FFmpeg's names of the pictures that it reads for us. */
export type PictureFormat = "jpeg_pipe" | "webp_pipe";

/** Planes of a video, and what makes upright RGB of them. */
export interface PlanesToRgb {
  readonly layout: PlaneLayout;
  /** FFmpeg's name of the layout. */
  readonly format: string;
  readonly colour: YuvColour;
  turn(frame: RgbFrame): RgbFrame;
}

/** Facts of a video, as far as they are known. */
export interface Probed {
  readonly fps?: number;
  readonly video?: VideoFacts;
  /** Set where libswscale would stretch too few samples of colour over odd sides. */
  readonly planes?: PlanesToRgb;
}

type Fields = Readonly<Record<string, unknown>>;

/** Milliseconds after which ffprobe is ended. */
const PATIENCE = 60_000;

/** log2 of the columns and rows that share a sample of colour, by FFmpeg's name. */
const CHROMA: Readonly<Record<string, readonly [number, number]>> = {
  "410": [2, 2],
  "411": [2, 0],
  "420": [1, 1],
  "422": [1, 0],
  "440": [0, 1],
};

/** FFmpeg's names of matrices; libswscale takes BT.601 for all others. */
const MATRICES: Readonly<Record<string, Matrix>> = {
  bt709: "bt709",
  bt2020nc: "bt2020",
  bt2020c: "bt2020",
};

/** Rate, codec, length and planes of the first video; nothing if ffprobe is missing. */
export async function probeVideo(path: string, picture?: PictureFormat): Promise<Probed> {
  const what = "stream=avg_frame_rate,r_frame_rate,codec_name,nb_frames,duration,width,height," +
    "pix_fmt,color_space,color_range:stream_side_data=displaymatrix,rotation:format=duration";
  const shape = ["-select_streams", "v:0", "-show_entries", what, "-of", "json"];
  try {
    const command = new Deno.Command("ffprobe", {
      args: ["-v", "error", ...shape, ...inputOptions(path, picture)],
      stdin: "null",
      stderr: "null",
      signal: AbortSignal.timeout(PATIENCE),
    });
    const { stdout } = await command.output();
    return parseProbe(JSON.parse(new TextDecoder().decode(stdout)));
  } catch {
    return {};
  }
}

function parseProbe(
  { streams: [stream = {}] = [], format }: {
    readonly streams?: readonly Fields[];
    readonly format?: Fields;
  },
): Probed {
  const positive = (value: unknown) => Number(value) > 0 ? Number(value) : undefined;
  const fps = rateOf(stream.avg_frame_rate) ?? rateOf(stream.r_frame_rate);
  const { codec_name } = stream;
  const known = { fps, planes: oddPlanes(stream) };
  if (typeof codec_name !== "string") return known;
  const duration = positive(stream.duration) ?? positive(format?.duration);
  return { ...known, video: { codec: codec_name, frames: positive(stream.nb_frames), duration } };
}

/** A fraction such as `30000/1001`; `0/0` stands for unknown. */
function rateOf(text: unknown): number | undefined {
  const [over, under] = String(text).split("/").map(Number);
  return over && under ? over / under : undefined;
}

/** FFmpeg's name of planes. @param kind "420", or "j420" for JPEG's */
export function planesFormat(kind: string, bits: number): string {
  return `yuv${kind}p${bits > 8 ? `${bits}le` : ""}`;
}

/** The planes of a video whose sides are no multiple of what shares a sample of colour. */
function oddPlanes(stream: Fields): PlanesToRgb | undefined {
  const [, full, kind = "", bits = "8"] =
    /^yuv(j?)a?(\d{3})p(?:(9|10|12|14|16)[lb]e)?$/.exec(String(stream.pix_fmt)) ?? [];
  const chroma = CHROMA[kind];
  const [width, height] = [Number(stream.width), Number(stream.height)];
  const turn = turnOf(stream.side_data_list);
  if (!chroma || !turn || !(width > 0 && height > 0)) return undefined;
  if (width % (1 << chroma[0]) === 0 && height % (1 << chroma[1]) === 0) return undefined;
  const layout = { width, height, bits: Number(bits), chroma, alpha: false };
  checkSize(width, height, planesOf(layout).bytesPerFrame);
  const matrix = MATRICES[String(stream.color_space)] ?? "bt601";
  const fullRange = full === "j" || stream.color_range === "pc";
  return {
    layout,
    format: planesFormat(full + kind, layout.bits),
    colour: { matrix, fullRange },
    turn,
  };
}

/**
 * What brings a picture upright.
 *
 * @returns undefined where it is mirrored, or turned by no multiple of 90 degrees
 */
function turnOf(sideData: unknown): PlanesToRgb["turn"] | undefined {
  const list: readonly Fields[] = Array.isArray(sideData) ? sideData : [];
  const turned = list.find(({ displaymatrix }) => displaymatrix !== undefined);
  if (!turned) return (frame) => frame;
  // lines of "0000000N:", then three numbers
  const rows = String(turned.displaymatrix).trim().split("\n")
    .map((line) => line.split(/\s+/).slice(1).map(Number));
  const [[a = 0, b = 0] = [], [c = 0, d = 0] = []] = rows;
  const degrees = (360 - Number(turned.rotation)) % 360;
  if (!(a * d - b * c > 0) || degrees % 90 !== 0) return undefined;
  return (frame) => rotate(frame, degrees);
}
