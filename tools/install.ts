/**
 * Puts `far` on the path, as a script that executes this Deno, or removes it again.
 *
 *   deno task install [--dir DIR]
 *   deno task uninstall [--dir DIR]
 *
 * npm's `deno` is a Node program that starts the real one: a signal to it never reaches `far`, and
 * as the first process of a container it passes none on. The script `exec`s the real binary, so
 * that whoever starts `far` signals `far`.
 */
import { delimiter, join, resolve } from "node:path";
import { homedir } from "node:os";
import { allPermissionFlags } from "../cli/permissions.ts";
import { COMMANDS } from "../commands/table.ts";
import { shellQuote } from "../cli/settings.ts";

const CLONE = resolve(import.meta.dirname!, "..");
/** Marks a script as ours, so that it may be replaced and removed. */
const MARK = "Written by `deno task install` of far";
const WINDOWS = Deno.build.os === "windows";

/** What starts `far` from a clone. */
export interface Installed {
  /** The real Deno, not npm's wrapper. */
  readonly deno: string;
  /** The clone. */
  readonly folder: string;
}

function flags({ folder }: Installed): string[] {
  const config = ["--config", join(folder, "deno.json"), "--lock", join(folder, "deno.lock")];
  return ["run", "--quiet", "--frozen", ...config, ...allPermissionFlags(COMMANDS)];
}

/** The script for a POSIX shell. */
export function shellScript(installed: Installed): string {
  const { deno, folder } = installed;
  const words = [...flags(installed), join(folder, "cli.ts")].map(shellQuote).join(" ");
  const gone = (what: string) =>
    `echo ${
      shellQuote(
        `error: far was installed with ${what}, which is gone: run \`deno task ` +
          "install\` again in the clone",
      )
    } >&2; exit 1`;
  return `#!/bin/sh
# ${MARK}; \`deno task uninstall\` removes it.
[ -f ${shellQuote(join(folder, "cli.ts"))} ] || { ${gone(`the clone ${folder}`)}; }
[ -x ${shellQuote(deno)} ] || { ${gone(`the Deno ${deno}`)}; }
exec ${shellQuote(deno)} ${words} "$@"
`;
}

/** The script for Windows. */
export function commandScript(installed: Installed): string {
  const { deno, folder } = installed;
  const quoted = (word: string) => `"${word.replaceAll("%", "%%")}"`;
  const words = [...flags(installed), join(folder, "cli.ts")].map(quoted).join(" ");
  return [
    "@echo off",
    `rem ${MARK}; deno task uninstall removes it.`,
    `if not exist ${quoted(join(folder, "cli.ts"))} (`,
    "  echo error: the clone that far was installed from is gone: run deno task install again 1>&2",
    "  exit /b 1",
    ")",
    `${quoted(deno)} ${words} %*`,
    "",
  ].join("\r\n");
}

/** Whether a file is one of our scripts; undefined where there is none. */
async function isOurs(path: string): Promise<boolean | undefined> {
  try {
    return (await Deno.readTextFile(path)).includes(MARK);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

async function install(path: string, dir: string): Promise<void> {
  if (await isOurs(path) === false) {
    throw new Error(`"${path}" is another program: remove it, or give --dir DIR`);
  }
  const installed = { deno: Deno.execPath(), folder: CLONE };
  const fetched = await new Deno.Command(installed.deno, {
    args: ["cache", "--quiet", "--frozen", join(CLONE, "cli.ts")],
    cwd: CLONE,
    stdout: "null",
  }).output();
  if (!fetched.success) throw new Error(new TextDecoder().decode(fetched.stderr).trim());
  await Deno.mkdir(dir, { recursive: true });
  await Deno.writeTextFile(path, WINDOWS ? commandScript(installed) : shellScript(installed));
  if (!WINDOWS) await Deno.chmod(path, 0o755);
  say(`"${path}" runs far from ${CLONE}`);
  if (/[/\\]_npx[/\\]/.test(installed.deno)) {
    say("Its Deno is in npx's cache, which npm may empty: `npm install --global deno`, then again");
  }
  const folders = (Deno.env.get("PATH") ?? "").split(delimiter);
  if (!folders.some((folder) => resolve(folder || ".") === dir)) say(`Add ${dir} to your PATH`);
}

async function uninstall(path: string): Promise<void> {
  const ours = await isOurs(path);
  if (ours === false) throw new Error(`"${path}" was not written by deno task install`);
  if (ours === undefined) return say(`There is no "${path}"`);
  await Deno.remove(path);
  say(`Removed "${path}"`);
}

function say(line: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${line}\n`));
}

async function main(args: readonly string[]): Promise<number> {
  const [action, option, given, ...rest] = args;
  const known = action === "install" || action === "uninstall";
  if (!known || (option !== undefined && (option !== "--dir" || !given)) || rest.length > 0) {
    console.error("usage: deno task install|uninstall [--dir DIR]");
    return 2;
  }
  const dir = resolve(given ?? join(homedir(), ".local", "bin"));
  const path = join(dir, WINDOWS ? "far.cmd" : "far");
  try {
    await (action === "install" ? install(path, dir) : uninstall(path));
    return 0;
  } catch (error) {
    const { message } = error as Error;
    const [, reason] = /^(.*) \(os error \d+\)/.exec(message) ?? [];
    console.error(`error: ${reason ? `Cannot ${action} "${path}": ${reason}` : message}`);
    return 1;
  }
}

if (import.meta.main) Deno.exit(await main(Deno.args));
