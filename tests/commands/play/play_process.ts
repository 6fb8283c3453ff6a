import { fileURLToPath } from "node:url";
import { permissionFlags } from "../../../cli/permissions.ts";
import { PLAY, PORT } from "../../../commands/play/spec.ts";

const ROOT = fileURLToPath(new URL("../../..", import.meta.url));

/** A `far play --web` of its own. */
export interface PageProcess {
  readonly url: string;
  /** Its stderr, except for the page's address. */
  readonly complaints: string;
  /** Stops it with SIGINT by default; may be called more than once. */
  stop(signal?: Deno.Signal): Promise<number>;
}

/** How to start it. */
interface PageOptions {
  /** A free one if absent. */
  readonly port?: number;
  /** Most open files. */
  readonly descriptors?: number;
  /** More options; if given, it gets all permissions. */
  readonly args?: readonly string[];
}

/** Starts `far play --web` with no more than the permissions that the manual names. */
export async function startPage(
  { port = freePort(), descriptors, args = [] }: PageOptions = {},
): Promise<PageProcess> {
  const permissions = args.length > 0 ? ["-A"] : playPermissions(port);
  const far = [
    ...[Deno.execPath(), "run", "--no-prompt", "--quiet", ...permissions],
    ...["cli.ts", "play", "--quiet", "--web", "--port", String(port), ...args],
  ];
  const limit = descriptors === undefined ? "" : `ulimit -n ${descriptors}; `;
  const process = new Deno.Command("sh", {
    args: ["-c", `${limit}exec "$@"`, "sh", ...far],
    cwd: ROOT,
    stdin: "null",
    stdout: "null",
    stderr: "piped",
    env: { NO_COLOR: "1" },
  }).spawn();
  const reader = process.stderr.pipeThrough(new TextDecoderStream()).getReader();
  let said = "";
  let url: string | undefined;
  while (url === undefined) {
    const { value, done } = await reader.read();
    if (done) throw new Error(`far play ended: ${said}`);
    said += value;
    url = said.match(/Play at (http\S+)/)?.[1];
  }
  const rest = (async () => {
    for (let part = await reader.read(); !part.done; part = await reader.read()) said += part.value;
  })();
  let stopped: Promise<number> | undefined;
  const end = async (signal: Deno.Signal) => {
    process.kill(signal);
    await rest;
    return (await process.status).code;
  };
  return {
    url,
    get complaints() {
      return said.replace(/^(Play at|(error: )?Stopped by SIGINT:) .*\n/gm, "");
    },
    stop(signal = "SIGINT") {
      stopped ??= end(signal);
      return stopped;
    },
  };
}

function freePort(): number {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  listener.close();
  return port;
}

/** Those of the manual, at another port. */
function playPermissions(port: number): string[] {
  return permissionFlags(PLAY.permissions).map((flag) => flag.replace(`:${PORT}`, `:${port}`));
}
