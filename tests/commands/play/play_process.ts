import { fileURLToPath } from "node:url";
import { permissionFlags } from "../../../cli/permissions.ts";
import { PLAY, PORT } from "../../../commands/play/spec.ts";

const ROOT = fileURLToPath(new URL("../../..", import.meta.url));

/** A `far play --web` of its own. */
export interface PageProcess {
  readonly url: string;
  /** What it said on stderr besides where the page is. */
  readonly complaints: string;
  /** Stops it as Ctrl-C does; more than once does no harm. */
  stop(): Promise<number>;
}

/** Starts `far play --web` with no more than the permissions that the manual names. */
export async function startPage(port = freePort()): Promise<PageProcess> {
  const process = new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "--no-prompt", "--quiet", ...playPermissions(port)],
      ...["cli.ts", "play", "--quiet", "--web", "--port", String(port)],
    ],
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
  const end = async () => {
    process.kill("SIGINT");
    await rest;
    return (await process.status).code;
  };
  return {
    url,
    get complaints() {
      return said.replace(/^(Play at|(error: )?Stopped by SIGINT:) .*\n/gm, "");
    },
    stop() {
      stopped ??= end();
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
  return permissionFlags(PLAY).map((flag) => flag.replace(`:${PORT}`, `:${port}`));
}
