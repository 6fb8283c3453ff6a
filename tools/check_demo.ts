/**
 * Judges the video that `deno task demo` made, with ffprobe and ffmpeg, and says what failed.
 *
 *     deno run -A tools/check_demo.ts maze.mp4
 */

interface Stream {
  readonly codec_name: string;
  readonly width: number;
  readonly height: number;
  readonly pix_fmt: string;
  readonly nb_read_frames: string;
  readonly avg_frame_rate: string;
  readonly duration: string;
  readonly color_range: string;
  readonly color_space: string;
  readonly color_transfer: string;
  readonly color_primaries: string;
}

/**
 * What the demo model's own defaults ask for: 12 frames of context and 48 generated ones, at 8 per
 * second, each of 64x64 pixels enlarged four times for viewing.
 */
const WANTED = { width: 256, height: 256, frames: 60, rate: "8/1", seconds: 7.5 };

async function output(program: string, ...args: string[]): Promise<Uint8Array> {
  const { success, stdout, stderr } = await new Deno.Command(program, { args }).output();
  if (!success) throw new Error(`${program}: ${new TextDecoder().decode(stderr).trim()}`);
  return stdout;
}

async function probe(path: string): Promise<{ stream: Stream; tags: Record<string, string> }> {
  const json = JSON.parse(new TextDecoder().decode(
    await output(
      "ffprobe",
      ...["-v", "error", "-count_frames", "-show_streams", "-show_format"],
      ...["-of", "json", path],
    ),
  ));
  return { stream: json.streams[0], tags: json.format.tags ?? {} };
}

/** Names of the boxes at the top of an MP4, in order. */
async function boxes(path: string): Promise<string[]> {
  const bytes = await Deno.readFile(path);
  const view = new DataView(bytes.buffer);
  const names: string[] = [];
  for (let at = 0; at + 8 <= bytes.length;) {
    names.push(new TextDecoder().decode(bytes.subarray(at + 4, at + 8)));
    const size = view.getUint32(at);
    at += size === 1 ? Number(view.getBigUint64(at + 8)) : size || bytes.length;
  }
  return names;
}

/** How many frames are pictures (not of one colour), and how many differ from the one before. */
async function decode(path: string): Promise<{ pictures: number; changes: number }> {
  const rgb = await output(
    "ffmpeg",
    "-v",
    "error",
    "-i",
    path,
    "-f",
    "rawvideo",
    "-pix_fmt",
    "rgb24",
    "-",
  );
  const size = WANTED.width * WANTED.height * 3;
  let pictures = 0;
  let changes = 0;
  for (let start = 0; start + size <= rgb.length; start += size) {
    const frame = rgb.subarray(start, start + size);
    const mean = frame.reduce((sum, value) => sum + value, 0) / size;
    const spread = frame.reduce((sum, value) => sum + (value - mean) ** 2, 0) / size;
    if (spread > 100) pictures++;
    if (start > 0 && frame.some((value, i) => Math.abs(value - rgb[start - size + i]!) > 16)) {
      changes++;
    }
  }
  return { pictures, changes };
}

const path = Deno.args[0] ?? "maze.mp4";
const { stream, tags } = await probe(path);
const order = await boxes(path);
const { pictures, changes } = await decode(path);
const settings = JSON.parse(tags["far.settings"] ?? "null");
const bt709 = [stream.color_space, stream.color_transfer, stream.color_primaries];

const checks: [string, unknown, unknown][] = [
  ["codec", stream.codec_name, "h264"],
  ["pixel format", stream.pix_fmt, "yuv420p"],
  ["size", `${stream.width}x${stream.height}`, `${WANTED.width}x${WANTED.height}`],
  ["frames", Number(stream.nb_read_frames), WANTED.frames],
  ["frame rate", stream.avg_frame_rate, WANTED.rate],
  ["duration", Number(stream.duration), WANTED.seconds],
  ["colour range", stream.color_range, "tv"],
  ["colour tags", bt709.join(" "), "bt709 bt709 bt709"],
  ["moov before mdat", order.indexOf("moov") < order.indexOf("mdat"), true],
  ["settings name the command", settings?.command, "generate"],
  ["most frames show more than a wall", pictures > WANTED.frames * 3 / 4, true],
  ["the world moves", changes > WANTED.frames / 2, true],
];
const failed = checks.filter(([, found, wanted]) => found !== wanted);
for (const [what, found, wanted] of failed) {
  console.log(`${path}: ${what} is ${found}, not ${wanted}`);
}
console.log(`${path}: ${checks.length - failed.length} passed | ${failed.length} failed`);
if (failed.length > 0) Deno.exit(1);
