import { CHILD_ARGUMENT } from "./batch/gpu/child_settings.ts";
import type { CommandSpec } from "./cli/command.ts";
import { environment } from "./cli/environment.ts";
import { errorLine, exitStatus, InterruptedError, isClosedPipe, STATUS } from "./cli/errors.ts";
import { inFlags } from "./cli/flags.ts";
import { parseCommandLine } from "./cli/program.ts";
import { dropPermissions } from "./cli/permissions.ts";
import { PROCESS_TERMINAL, type Terminal } from "./cli/terminal.ts";
import { VERSION } from "./cli/version.ts";
import { GENERATE } from "./commands/generate/spec.ts";
import { COMMANDS } from "./commands/table.ts";

const NEVER = new AbortController().signal;

/**
 * Runs one command line and returns its exit status. All errors end here, as one line each.
 * @param argv the arguments after the program's name
 * @param beforeRun called with the command when its module is loaded
 */
export async function main(
  argv: readonly string[],
  terminal: Terminal = PROCESS_TERMINAL,
  signal: AbortSignal = NEVER,
  beforeRun: (command: CommandSpec) => void = () => {},
): Promise<number> {
  let verbose = environment("FAR_LOG") === "debug";
  try {
    const request = await parseCommandLine(argv, COMMANDS, `far ${VERSION}`);
    if (request.kind === "text") {
      await terminal.print(request.text);
      return STATUS.done;
    }
    const { spec, options, operands } = request;
    verbose ||= "verbose" in options;
    const command = await spec.load();
    beforeRun(spec);
    await command.run({ options, operands, terminal, signal, commands: COMMANDS });
    return STATUS.done;
  } catch (thrown) {
    // a signal also ends child programs, whose errors are not the reason
    const error = signal.aborted && !(thrown instanceof InterruptedError) ? signal.reason : thrown;
    if (!isClosedPipe(error)) report(error, terminal, verbose);
    return exitStatus(error);
  }
}

function report(error: unknown, terminal: Terminal, verbose: boolean): void {
  terminal.note(inFlags(errorLine(error)));
  if (verbose && error instanceof Error && error.stack) terminal.note(error.stack);
}

/**
 * Turns the first signal into an abort, so that the command can clean up; the second ends at once.
 */
function listenForSignals(): AbortSignal {
  const controller = new AbortController();
  const signals = Deno.build.os === "windows"
    ? ["SIGINT"] as const
    : ["SIGINT", "SIGTERM"] as const;
  for (const name of signals) {
    Deno.addSignalListener(name, () => {
      const error = new InterruptedError(name);
      if (controller.signal.aborted) Deno.exit(error.status);
      controller.abort(error);
    });
  }
  return controller.signal;
}

/** The program as its user starts it, or as a batch starts it to hold the GPU. */
async function start([first, second]: readonly string[]): Promise<number> {
  if (first !== CHILD_ARGUMENT) {
    return await main(Deno.args, PROCESS_TERMINAL, listenForSignals(), dropPermissions);
  }
  const { runChild } = await import("./batch/gpu/child.ts");
  dropPermissions(GENERATE);
  return await runChild(second);
}

if (import.meta.main) Deno.exit(await start(Deno.args));
