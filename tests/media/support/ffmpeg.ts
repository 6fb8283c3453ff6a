import type { RgbFrame } from "../../../media/frames.ts";

/** Whether the system has ffmpeg and ffprobe, the judges of what this tool writes. */
export const HAS_FFMPEG = await runs("ffmpeg") && await runs("ffprobe");

/** Swscale's default is off by up to 3 levels. These make it exact, and leave chroma unfiltered. */
const EXACT = "accurate_rnd+full_chroma_int+full_chroma_inp+neighbor";

/** ffprobe's description of a file's first video stream. */
export interface Probe {
  readonly stream: Readonly<Record<string, string>>;
  readonly tags: Readonly<Record<string, string>>;
  readonly format: Readonly<Record<string, unknown>>;
  /** Presentation times in seconds, in the order of the file. */
  readonly times: number[];
  readonly durations: number[];
}

/** Reads a file, or bytes on stdin, with ffprobe. */
export async function probe(source: string | Uint8Array): Promise<Probe> {
  const [input, bytes] = typeof source === "string" ? [source, undefined] : ["pipe:0", source];
  const entries = "stream:format:format_tags:packet=pts_time,duration_time";
  const args = ["-v", "error", "-select_streams", "v:0", "-show_entries", entries, "-of", "json"];
  const text = new TextDecoder().decode(await ffmpeg([...args, input], bytes, "ffprobe"));
  const { streams, format, packets } = JSON.parse(text);
  return {
    stream: streams[0],
    tags: format.tags ?? {},
    format,
    times: packets.map((p: { pts_time: string }) => Number(p.pts_time)),
    durations: packets.map((p: { duration_time: string }) => Number(p.duration_time)),
  };
}

/** Decodes every frame of a file (or of bytes) to RGB with ffmpeg. */
export async function decodeWithFfmpeg(
  source: string | Uint8Array,
  size: { width: number; height: number },
  inputOptions: string[] = [],
): Promise<RgbFrame[]> {
  const { width, height } = size;
  const [input, bytes] = typeof source === "string" ? [source, undefined] : ["pipe:0", source];
  const args = [
    "-v",
    "error",
    ...inputOptions,
    "-i",
    input,
    "-sws_flags",
    EXACT,
    "-vsync",
  ];
  const raw = await ffmpeg([...args, "0", "-f", "rawvideo", "-pix_fmt", "rgb24", "pipe:1"], bytes);
  const bytesPerFrame = width * height * 3;
  return Array.from({ length: raw.length / bytesPerFrame }, (_, k) => ({
    width,
    height,
    data: raw.subarray(k * bytesPerFrame, (k + 1) * bytesPerFrame),
  }));
}

/**
 * Runs ffmpeg and returns what it writes to stdout; a failure is an error with ffmpeg's message.
 */
export async function ffmpeg(
  args: string[],
  stdin?: Uint8Array,
  program = "ffmpeg",
): Promise<Uint8Array> {
  const child = new Deno.Command(program, {
    args,
    stdin: stdin ? "piped" : "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  if (stdin) {
    const writer = child.stdin.getWriter();
    // ffprobe may have seen enough before the end.
    writer.write(stdin).then(() => writer.close()).catch(() => {});
  }
  const { code, stdout, stderr } = await child.output();
  if (code !== 0) throw new Error(`${program} failed: ${new TextDecoder().decode(stderr)}`);
  return stdout;
}

/** The largest and the mean difference between two pictures, in levels of 255. */
export function difference(a: RgbFrame, b: RgbFrame): { worst: number; mean: number } {
  if (a.data.length !== b.data.length) throw new Error("The pictures have different sizes");
  let worst = 0;
  let sum = 0;
  for (let i = 0; i < a.data.length; i++) {
    const d = Math.abs(a.data[i]! - b.data[i]!);
    worst = Math.max(worst, d);
    sum += d;
  }
  return { worst, mean: sum / a.data.length };
}

/** Smooth colours and a bar that moves by 2 pixels (a chroma sample) per frame. */
export function movingBar(width: number, height: number, count: number): RgbFrame[] {
  return Array.from({ length: count }, (_, k) => {
    const data = new Uint8Array(width * height * 3);
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++) {
        const bar = (x + 2 * k) % width < width / 4;
        data.set(
          [bar ? 210 : 255 * x / width, 255 * y / height, bar ? 40 : 120],
          (y * width + x) * 3,
        );
      }
    }
    return { width, height, data };
  });
}

async function runs(program: string): Promise<boolean> {
  try {
    const command = new Deno.Command(program, {
      args: ["-version"],
      stdout: "null",
      stderr: "null",
    });
    return (await command.output()).success;
  } catch {
    return false;
  }
}
