import { type CommandSpec, defineCommand } from "../../cli/command.ts";
import type { OptionTable } from "../../cli/option.ts";
import { COMMON_OPTIONS, CONFIG, GENERATION, INPUT, OUTPUT } from "../../cli/common_options.ts";
import { choice, flag, integer, number, path, section, string } from "../../cli/option_rows.ts";
import { FFMPEG, GPU, TERMINAL } from "../../cli/permissions.ts";
import {
  ENCODING_OPTIONS,
  GENERATE_OPTIONS,
  LORA_OPTION,
  MODEL_OPTIONS,
} from "../../request/options.ts";

/** Variables that the WebSocket library reads to disable its native parts. */
const SOCKETS = ["WS_NO_BUFFER_UTIL", "WS_NO_UTF_8_VALIDATE"];

/** Default port of the page. */
export const PORT = 8420;
/** Default denoising steps per frame: fewer than for a video, to be fast. */
export const STEPS = 4;
/** Default number of frames the world remembers. */
export const MEMORY_FRAMES = 128;

const { context, contextFrames, contextStart, contextStride, label, size } = GENERATE_OPTIONS;
const { steps, guidance, solver, seed, flexrope } = GENERATE_OPTIONS;
const { positions, timesteps, windowCache } = GENERATE_OPTIONS;
const { codec, quality, scale } = ENCODING_OPTIONS;

/** Programs that open an address in the browser. */
const BROWSERS = ["xdg-open", "open", "explorer.exe"];

/** Options of `far play`. */
export const PLAY_OPTIONS = {
  ...MODEL_OPTIONS,
  ...LORA_OPTION,
  ...section(INPUT, {
    context: { ...context, default: "the model's own example" },
    contextFrames: { ...contextFrames, default: "the model's, otherwise all" },
    contextStart,
    contextStride,
    label: { ...label, help: "class, by number or name" },
  }),
  ...section(GENERATION, {
    size: { ...size, help: "pixels of the world" },
    memoryFrames: integer(
      "N",
      "number of frames the world remembers; older ones are forgotten, so memory stays constant",
      { min: 1, max: 100_000, default: String(MEMORY_FRAMES) },
    ),
    steps: { ...steps, default: `${STEPS}, or the model's if it takes fewer` },
    guidance: { ...guidance, default: "the model's, otherwise 1" },
    solver,
    seed,
    flexrope,
    positions,
    timesteps,
    windowCache: { ...windowCache, default: "the model's, otherwise encode" },
  }),
  ...section(OUTPUT, {
    graphics: choice(
      ["auto", "blocks", "kitty", "iterm2", "sixel"],
      "KIND",
      "how the terminal draws",
      {
        default:
          "auto: pictures if the terminal can show them, otherwise half blocks of 24-bit colour",
      },
    ),
    web: flag("play in a browser, on a page served by this machine"),
    port: integer("PORT", "port of the page; 0 takes a free one", {
      ...{ min: 0, max: 65535, default: String(PORT) },
    }),
    host: string("ADDRESS", "address to listen on; anyone who can reach it can play", {
      default: "127.0.0.1, which other machines cannot reach",
    }),
    lan: flag("let machines on the same network play, and show a QR code for phones"),
    open: flag("open the page in the browser"),
    record: path(
      "FILE.mp4",
      "record what is shown: .mp4 .mov .webm .mkv .gif .y4m or .npz, the last for training",
      { short: "o" },
    ),
    overwrite: flag("replace a recording that exists"),
    fps: number("F", "frames per second of recordings, and at most while playing", {
      ...{ min: 0.1, max: 1000, default: "the model's" },
    }),
    codec,
    quality,
    scale,
  }),
  ...COMMON_OPTIONS,
  config: CONFIG,
} satisfies OptionTable;

/** Declaration of `far play`. */
export const PLAY: CommandSpec = defineCommand({
  name: "play",
  summary: "steer a world model live",
  description:
    "Makes a world one frame at a time while you steer it with the arrow keys or WASD, in the " +
    "terminal or, with --web, in a page on this machine. A world that takes actions stands still " +
    "while no key is pressed. In the terminal: r restarts, n takes the next clip, p lets the " +
    "world run by itself, [ and ] change the steps, - and + the guidance, q ends it.",
  arguments: [],
  options: PLAY_OPTIONS,
  examples: [
    { line: "far play", does: "walk through the demo model's maze in the terminal" },
    { line: "far play --web", does: "the same in a browser, at http://127.0.0.1:8420/" },
    { line: "far play --web --lan", does: "play it on a phone, by a QR code" },
    {
      line: "far play -c clip.npz --record walk.mp4",
      does: "continue a clip, and record the game",
    },
  ],
  permissions: {
    ...GPU,
    env: [...GPU.env, ...TERMINAL, ...SOCKETS],
    write: undefined,
    sys: [...GPU.sys, "networkInterfaces"],
    net: [`127.0.0.1:${PORT}`],
    more: { when: "with --record or --open", write: true, run: [...FFMPEG, ...BROWSERS] },
  },
  load: () => import("./run.ts"),
});
