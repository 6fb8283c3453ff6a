import { join } from "node:path";
import type { Call } from "../../cli/command.ts";
import { UsageError } from "../../cli/errors.ts";
import { isFile } from "../../cli/folder.ts";
import { PORT, type SERVE_OPTIONS } from "./spec.ts";
import { answer } from "./static_files.ts";

/** `far serve DIR`: serves an exported page on this machine. */
export async function run({ options, operands, terminal, signal }: Call<typeof SERVE_OPTIONS>) {
  const folder = await Deno.realPath(operands[0]!).catch(() => {
    throw new UsageError(`Cannot serve "${operands[0]}": there is no such folder`);
  });
  if (!await isFile(join(folder, "index.html"))) {
    throw new UsageError(
      `Cannot serve "${operands[0]}": it holds no index.html; make the page with far export --web`,
    );
  }
  const server = listen(options.port ?? PORT, (request) => answer(request, folder), signal);
  if (!options.quiet) {
    terminal.note(`The page is at http://127.0.0.1:${server.addr.port}/ (Ctrl-C ends it)`);
  }
  await server.finished;
}

function listen(
  port: number,
  handle: (request: Request) => Promise<Response>,
  signal: AbortSignal,
): Deno.HttpServer<Deno.NetAddr> {
  try {
    return Deno.serve({ hostname: "127.0.0.1", port, signal, onListen: () => {} }, handle);
  } catch (error) {
    if (!(error instanceof Deno.errors.AddrInUse)) throw error;
    throw new UsageError(`Cannot listen on port ${port}: it is taken; give another with --port`);
  }
}
