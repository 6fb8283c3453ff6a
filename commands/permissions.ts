import { PORT } from "./play/spec.ts";

/** What a command may do; what is absent it may not. */
export interface Permissions {
  /** Files that the user names, and the program's own. */
  readonly read?: true;
  readonly write?: true;
  /** The native video codecs. */
  readonly ffi?: true;
  readonly env: readonly string[];
  readonly sys: readonly string[];
  /** Hosts and ports; true for any, where the user names them. */
  readonly net?: readonly string[] | true;
  /** Programs. */
  readonly run?: readonly string[];
}

const SAY = ["FAR_LOG", "TERM", "NO_COLOR", "FORCE_COLOR", "CLICOLOR_FORCE"];
const HUB = [
  "HOME",
  "USERPROFILE",
  "XDG_CACHE_HOME",
  "HF_ENDPOINT",
  "HF_HOME",
  "HF_HUB_CACHE",
  "HF_HUB_DISABLE_IMPLICIT_TOKEN",
  "HF_HUB_DISABLE_SYMLINKS",
  "HF_HUB_DOWNLOAD_TIMEOUT",
  "HF_HUB_OFFLINE",
  "HF_TOKEN",
  "HF_TOKEN_PATH",
  "HUGGINGFACE_HUB_CACHE",
  "HUGGING_FACE_HUB_TOKEN",
];
const MODEL = ["FAR_MODEL", "FAR_DTYPE", "FAR_BACKEND", "DENO_WEBGPU_BACKEND", "XDG_RUNTIME_DIR"];
const CODECS = ["FAR_NO_ADDON"];
const TEMPORARY = ["TMPDIR", "TMP", "TEMP"];
const FFMPEG = ["ffmpeg", "ffprobe"];

const NOTHING: Permissions = { env: SAY, sys: [] };
const MEDIA: Permissions = {
  read: true,
  ffi: true,
  run: FFMPEG,
  env: [...SAY, ...CODECS],
  sys: [],
};
const GPU: Permissions = {
  ...MEDIA,
  write: true,
  env: [...SAY, ...CODECS, ...MODEL, ...HUB],
  sys: ["systemMemoryInfo", "homedir"],
};
const BATCH: Permissions = {
  ...GPU,
  net: true,
  run: ["deno", ...FFMPEG],
  sys: [...GPU.sys, "hostname", "osRelease", "uid"],
};

/** What each command needs, and no more. */
const PERMISSIONS: Readonly<Record<string, Permissions>> = {
  generate: GPU,
  play: { ...GPU, write: undefined, run: undefined, net: [`127.0.0.1:${PORT}`] },
  encode: GPU,
  decode: GPU,
  compare: MEDIA,
  batch: BATCH,
  worker: BATCH,
  pull: {
    read: true,
    write: true,
    net: ["huggingface.co", "*.huggingface.co", "*.hf.co"],
    env: [...SAY, ...HUB],
    sys: ["homedir"],
  },
  models: { read: true, env: [...SAY, ...HUB], sys: ["homedir"] },
  convert: { read: true, write: true, env: SAY, sys: [] },
  inspect: { ...MEDIA, run: undefined },
  bench: GPU,
  doctor: {
    ...GPU,
    env: [...GPU.env, ...TEMPORARY],
    sys: ["systemMemoryInfo", "homedir", "statfs", "uid"],
  },
  completions: NOTHING,
  manual: NOTHING,
};

/** Flags of `deno run` for a command. @throws {TypeError} there is no such command */
export function permissionFlags(command: string): string[] {
  const permissions = PERMISSIONS[command];
  if (!permissions) throw new TypeError(`Cannot tell the permissions of "${command}"`);
  return flagsOf(permissions);
}

/** Flags for a program that is to do all that any command does. */
export function allPermissionFlags(): string[] {
  const all = Object.values(PERMISSIONS);
  const every = (
    pick: (permissions: Permissions) => readonly string[] | undefined,
  ) => [...new Set(all.flatMap((permissions) => pick(permissions) ?? []))];
  return flagsOf({
    read: true,
    write: true,
    ffi: true,
    env: every(({ env }) => env),
    sys: every(({ sys }) => sys),
    net: true,
    run: every(({ run }) => run).filter((program) => program !== "deno"),
  });
}

function flagsOf({ read, write, ffi, env, sys, net, run }: Permissions): string[] {
  const list = (name: string, values: readonly string[] | true | undefined) =>
    values === true ? [`--allow-${name}`] : values?.length ? [`--allow-${name}=${values}`] : [];
  return [
    ...list("read", read),
    ...list("write", write),
    ...list("ffi", ffi),
    ...list("env", env),
    ...list("sys", sys),
    ...list("net", net),
    ...list("run", run),
  ];
}
