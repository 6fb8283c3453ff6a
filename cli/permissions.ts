import { PORT } from "../commands/play/spec.ts";

/** What a command may do; what is absent it may not. */
export interface Permissions {
  /** Files that the user names, and the program's own. */
  readonly read?: true;
  readonly write?: true;
  /** The native video codecs. */
  readonly ffi?: true;
  /** Variables; true for any. */
  readonly env: readonly string[] | true;
  readonly sys: readonly string[];
  /** Hosts and ports; true for any, where the user names them. */
  readonly net?: readonly string[] | true;
  /** Programs; true for any. */
  readonly run?: readonly string[] | true;
  /** What is needed on top in one case. */
  readonly more?: {
    readonly when: string;
    readonly write?: true;
    readonly run?: readonly string[];
  };
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
const TERMINAL = ["TMUX", "STY", "TERM_PROGRAM", "KITTY_WINDOW_ID", "LC_TERMINAL"];
const FFMPEG = ["ffmpeg", "ffprobe"];

const NOTHING: Permissions = { env: SAY, sys: [] };
const MEDIA: Permissions = {
  read: true,
  ffi: true,
  env: [...SAY, ...CODECS],
  sys: [],
  more: { when: "where there are no native codecs", run: FFMPEG },
};
const GPU_ENV = [...SAY, ...CODECS, ...MODEL, ...HUB];
const GPU_SYS = ["systemMemoryInfo", "homedir"];
const GPU: Permissions = {
  ...MEDIA,
  write: true,
  env: GPU_ENV,
  sys: GPU_SYS,
};
const BATCH: Permissions = {
  ...GPU,
  net: true,
  run: true, // this very program, to hold the GPU
  env: true, // a library that speaks with the queue lists all variables
  sys: [...GPU_SYS, "hostname"],
};

/** What each command needs, and no more. */
const PERMISSIONS: Readonly<Record<string, Permissions>> = {
  generate: GPU,
  play: {
    ...GPU,
    env: [...GPU_ENV, ...TERMINAL],
    write: undefined,
    net: [`127.0.0.1:${PORT}`],
    more: { when: "with --record", write: true, run: FFMPEG },
  },
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
    sys: ["homedir", "statfs"],
  },
  models: { read: true, env: [...SAY, ...HUB], sys: ["homedir"] },
  convert: { read: true, write: true, env: SAY, sys: ["statfs"] },
  inspect: { ...MEDIA, env: [...SAY, ...CODECS, ...HUB], sys: ["homedir"] },
  bench: GPU,
  doctor: {
    ...GPU,
    env: [...GPU_ENV, ...TEMPORARY],
    sys: [...GPU_SYS, "statfs", "uid"],
  },
  completions: NOTHING,
  manual: NOTHING,
};

/** Flags of `deno run` for a command. @throws {TypeError} there is no such command */
export function permissionFlags(command: string): string[] {
  return flagsOf(permissionsOf(command));
}

/** Flags that a command needs on top of those in one case, and when that is. */
export function moreFlags(command: string): { when: string; flags: string[] } | undefined {
  const { more } = permissionsOf(command);
  return more && { when: more.when, flags: flagsOf({ ...more, env: [], sys: [] }) };
}

function permissionsOf(command: string): Permissions {
  const permissions = PERMISSIONS[command];
  if (!permissions) throw new TypeError(`Cannot tell the permissions of "${command}"`);
  return permissions;
}

/**
 * Gives back for good what a command does not need, whatever the program was started with. Lists of
 * hosts, variables and programs cannot be narrowed afterwards: those are kept or given back whole.
 */
export function dropPermissions(command: string): void {
  const needed = PERMISSIONS[command];
  if (!needed) return;
  const { more, net, ffi, run = more?.run, write = more?.write } = needed;
  for (const [name, has] of Object.entries({ net, ffi, run, write })) {
    if (!has) Deno.permissions.revokeSync({ name } as Deno.PermissionDescriptor);
  }
}

/** Flags for a binary, which is to do all that any command does. */
export function allPermissionFlags(): string[] {
  const sys = [...new Set(Object.values(PERMISSIONS).flatMap((permissions) => permissions.sys))];
  // batches start this very program, for which Deno has no name, and list all variables
  return flagsOf({ read: true, write: true, ffi: true, env: true, net: true, run: true, sys });
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
