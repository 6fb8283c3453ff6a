/**
 * Makes one binary of the program, its demo model and, unless told otherwise, the native codecs:
 *
 *     deno task compile [--target TARGET] [--noffmpeg] [--output FILE]
 *
 * TARGET is one of linux-x64, linux-arm64, macos-x64, macos-arm64, windows-x64; this machine's
 * without it. `--noffmpeg` leaves the codecs out, and with them FFmpeg and the GPL (see NOTICE):
 * such a binary writes MP4 with the system's ffmpeg. The binary has the permissions that the
 * commands need; each command drops those that it does not need before it runs.
 *
 * `--list` shows what would be embedded, and needs no `denort` for that: the part of Deno that runs
 * in a binary, which is fetched from dl.deno.land. The binary it writes cannot run.
 */
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { allPermissionFlags } from "../cli/permissions.ts";
import { COMMANDS } from "../commands/table.ts";
import configuration from "../deno.json" with { type: "json" };

const ROOT = new URL("..", import.meta.url);
/** The import of the codecs' package, for any system. */
const ADDON_IMPORT = "@napi-rs/webcodecs-linux-x64-gnu";
const ADDON_VERSION = configuration.imports[ADDON_IMPORT].split("@").at(-1)!;

/** Deno's name of a target, and the codecs' package for it. */
const TARGETS: Readonly<Record<string, { readonly triple: string; readonly addon: string }>> = {
  "linux-x64": { triple: "x86_64-unknown-linux-gnu", addon: "linux-x64-gnu" },
  "linux-arm64": { triple: "aarch64-unknown-linux-gnu", addon: "linux-arm64-gnu" },
  "macos-x64": { triple: "x86_64-apple-darwin", addon: "darwin-x64" },
  "macos-arm64": { triple: "aarch64-apple-darwin", addon: "darwin-arm64" },
  "windows-x64": { triple: "x86_64-pc-windows-msvc", addon: "win32-x64-msvc" },
};

/** What to make. */
export interface Build {
  /** Name of a target, as in TARGETS. */
  readonly target: string;
  readonly noffmpeg: boolean;
  readonly output: string;
  /** Only show what would be embedded. */
  readonly list: boolean;
}

/** @throws {Error} the command line is not valid */
export function parseBuild(args: readonly string[]): Build {
  const { values } = parseArgs({
    args: [...args],
    options: {
      target: { type: "string", default: ownTarget() },
      noffmpeg: { type: "boolean", default: false },
      output: { type: "string" },
      list: { type: "boolean", default: false },
    },
  });
  const { target, noffmpeg, list } = values;
  if (!TARGETS[target]) {
    throw new Error(
      `Cannot compile for "${target}": targets are ${Object.keys(TARGETS).join(", ")}`,
    );
  }
  const name = `far-${target}${noffmpeg ? "-noffmpeg" : ""}`;
  const output = values.output ?? `dist/${name}${target.startsWith("windows") ? ".exe" : ""}`;
  return { target, noffmpeg, output, list };
}

function ownTarget(): string {
  const { target } = Deno.build;
  return Object.keys(TARGETS).find((name) => TARGETS[name]!.triple === target) ?? target;
}

/** The import map of a build: the codecs of its target, or an empty module in their place. */
export function importsOf({ target, noffmpeg }: Build): Record<string, string> {
  const others = Object.entries(configuration.imports)
    .filter(([name]) => !name.startsWith("@napi-rs/"));
  const name = `@napi-rs/webcodecs-${TARGETS[target]!.addon}`;
  const addon = `npm:${name}@${ADDON_VERSION}`;
  const codecs: Record<string, string> = noffmpeg
    ? { [ADDON_IMPORT]: "data:text/javascript,export {}" }
    : { [ADDON_IMPORT]: addon, [name]: addon };
  return { ...Object.fromEntries(others), ...codecs };
}

/** Arguments of Deno for a build, whose configuration lies in a folder of its own. */
export function compileArguments(build: Build, config: string): string[] {
  const { triple } = TARGETS[build.target]!;
  return [
    ...["compile", "--no-check", "--exclude-unused-npm", "--config", config],
    ...["--target", triple, "--output", build.output, "--include", "weights/demo"],
    ...["--include", "media/demux_worker.ts"],
    ...allPermissionFlags(COMMANDS),
    ...["--no-prompt", "cli.ts"],
  ];
}

async function compile(build: Build): Promise<number> {
  // beside the sources: what is embedded is named from the nearest folder above all of it
  const dist = fileURLToPath(new URL("dist/", ROOT));
  await Deno.mkdir(dist, { recursive: true });
  const folder = await Deno.makeTempDir({ dir: dist, prefix: ".compile-" });
  try {
    const config = `${folder}/deno.json`;
    const { tasks: _, ...rest } = configuration;
    const own = { ...rest, imports: importsOf(build), lock: { path: "deno.lock", frozen: false } };
    await Deno.writeTextFile(config, JSON.stringify(own));
    await Deno.copyFile(new URL("deno.lock", ROOT), `${folder}/deno.lock`);
    await Deno.copyFile(new URL("package.json", ROOT), `${folder}/package.json`);
    const { code, stderr } = await new Deno.Command(Deno.execPath(), {
      args: compileArguments(build, config),
      cwd: ROOT,
      stdout: "inherit",
      stderr: "piped",
      env: build.list ? { DENORT_BIN: Deno.execPath() } : {},
    }).output();
    const said = new TextDecoder().decode(stderr);
    console.error(code === 0 ? said : explain(said));
    if (code !== 0 || hasCodecs(build, said)) return code;
    await Deno.remove(build.output);
    console.error(`error: Cannot fetch the codecs of ${build.target}: see --noffmpeg`);
    return 1;
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/**
 * Whether a binary has the codecs that it is to have, by Deno's list of what it embedded. Deno goes
 * on without a package that is imported dynamically and cannot be fetched.
 */
export function hasCodecs({ target, noffmpeg }: Build, list: string): boolean {
  return noffmpeg || list.includes(`@napi-rs/webcodecs-${TARGETS[target]!.addon}/`);
}

/** Names the one failure that is not ours. */
function explain(said: string): string {
  if (!/denort|dl\.deno\.land/.test(said)) return said;
  return `${said}\nerror: Cannot compile here: denort, which runs in every binary, cannot be fetched ` +
    "from dl.deno.land. Give one in DENORT_BIN, or see what would be embedded with --list.";
}

if (import.meta.main) {
  try {
    Deno.exit(await compile(parseBuild(Deno.args)));
  } catch (error) {
    console.error(`error: ${(error as Error).message}`);
    Deno.exit(2);
  }
}
