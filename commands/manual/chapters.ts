import { STATUS } from "../../cli/errors.ts";

/** A term and what it means. */
export type Entry = readonly [term: string, meaning: string];

/** Variables besides those of single options. */
export const ENVIRONMENT: readonly Entry[] = [
  ["FAR_LOG", "debug: stack traces with errors, as --verbose"],
  ["FAR_NO_ADDON", "1: use the system's ffmpeg instead of the native video codecs"],
  ["NO_COLOR", "no colours"],
  ["DENO_WEBGPU_BACKEND", "which WebGPU backend, as --backend"],
  ["HF_HOME, HF_HUB_CACHE", "where pulled files are kept (~/.cache/huggingface/hub)"],
  ["HF_ENDPOINT", "address of the hub (https://huggingface.co)"],
  ["HF_TOKEN, HF_TOKEN_PATH", "token for the hub; only sent to HF_ENDPOINT"],
  ["HF_HUB_OFFLINE", "1: download nothing"],
];

/** What scripts branch on. */
export const EXIT_STATUS: readonly Entry[] = [
  [String(STATUS.done), "done"],
  [String(STATUS.failed), "failed"],
  [String(STATUS.usage), "wrong usage: the command line, a settings file or a manifest"],
  [
    String(STATUS.temporary),
    "failed, but a retry may work: the GPU was lost, its memory was in use, the network failed",
  ],
  ["130, 143", "stopped by Ctrl-C or SIGTERM"],
];

/** In a few sentences. */
export const DESCRIPTION =
  "far generates video frame by frame with FAR models (frame-autoregressive diffusion), on any GPU " +
  "that WebGPU reaches, and on the CPU where there is none. Results go to stdout, progress and " +
  "messages to stderr. Outputs appear under their names when they are complete.";
