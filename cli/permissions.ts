/** Permissions of a command; absent ones are denied. */
export interface Permissions {
  /** Files that the user names, and the program's own. */
  readonly read?: true;
  readonly write?: true;
  /** The native video codecs. */
  readonly ffi?: true;
  /** Variables; true for any. */
  readonly env: readonly string[] | true;
  readonly sys: readonly string[];
  /** Hosts and ports; true for any, if the user names them. */
  readonly net?: readonly string[] | true;
  /** Programs; true for any. */
  readonly run?: readonly string[] | true;
  /** Additional permissions for one case. */
  readonly more?: {
    readonly when: string;
    readonly write?: true;
    readonly run?: readonly string[];
  };
}

/** Variables that every command reads. */
export const SAY = ["FAR_LOG", "TERM", "NO_COLOR", "FORCE_COLOR", "CLICOLOR_FORCE"];
/** Variables about the hub and its cache. */
export const HUB = [
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
/** Variables about codecs. */
export const CODECS = ["FAR_NO_ADDON"];
/** Variables that name the folder of temporary files. */
export const TEMPORARY = ["TMPDIR", "TMP", "TEMP"];
/** Variables that identify terminals. */
export const TERMINAL = ["TMUX", "STY", "TERM_PROGRAM", "KITTY_WINDOW_ID", "LC_TERMINAL"];
/** Programs that replace native codecs. */
export const FFMPEG = ["ffmpeg", "ffprobe"];

/** A command with its permissions. */
interface Permitted {
  readonly permissions: Permissions;
}

/** For commands that only print. */
export const NOTHING = { env: SAY, sys: [] } satisfies Permissions;
/** For commands that read videos. */
export const MEDIA = {
  read: true,
  ffi: true,
  env: [...SAY, ...CODECS],
  sys: [],
  more: { when: "without native codecs", run: FFMPEG },
} satisfies Permissions;
const GPU_ENV = [...SAY, ...CODECS, ...MODEL, ...HUB];
const GPU_SYS = ["systemMemoryInfo", "homedir"];
/** For commands that run a model and write files. */
export const GPU = {
  ...MEDIA,
  write: true,
  env: GPU_ENV,
  sys: GPU_SYS,
} satisfies Permissions;
/** For commands that run many jobs. */
export const BATCH = {
  ...GPU,
  net: true,
  run: true, // this program itself, to hold the GPU
  env: true, // the queue's library lists all variables
  sys: [...GPU_SYS, "hostname"],
} satisfies Permissions;

/** Additional flags that a command needs in one case, and when. */
export function moreFlags(
  { more }: Permissions,
): { when: string; flags: string[] } | undefined {
  return more && { when: more.when, flags: permissionFlags({ ...more, env: [], sys: [] }) };
}

/**
 * Permanently gives up what a command does not need, whatever flags the program was started with.
 * Lists of hosts, variables and programs cannot be narrowed afterwards, so they are kept or given
 * up as a whole.
 */
export function dropPermissions({ permissions }: Permitted): void {
  const { more, net, ffi, run = more?.run, write = more?.write } = permissions;
  for (const [name, has] of Object.entries({ net, ffi, run, write })) {
    if (!has) Deno.permissions.revokeSync({ name } as Deno.PermissionDescriptor);
  }
}

/** Flags for a binary, which must run every command. */
export function allPermissionFlags(commands: readonly Permitted[]): string[] {
  const sys = [...new Set(commands.flatMap(({ permissions }) => permissions.sys))];
  // batches start this program itself, for which Deno has no name, and list all variables
  const all = { read: true, write: true, ffi: true, env: true, net: true, run: true } as const;
  return permissionFlags({ ...all, sys });
}

/** Flags of `deno run`. */
export function permissionFlags({ read, write, ffi, env, sys, net, run }: Permissions): string[] {
  return Object.entries({ read, write, ffi, env, sys, net, run }).flatMap(([name, values]) =>
    values === true ? [`--allow-${name}`] : values?.length ? [`--allow-${name}=${values}`] : []
  );
}
