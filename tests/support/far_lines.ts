/**
 * Runs command lines of far in one process, on one device: a process for each would compute as much
 * again to start. It takes arrays of words as lines of JSON on stdin, and answers each on stdout.
 */
import { readLines } from "../../batch/gpu/protocol.ts";
import { main } from "../../cli.ts";
import { onTestGpu } from "./gpu.ts";
import { recorder } from "./recorder.ts";

/** How a command line ended. */
interface Answer {
  readonly status: number;
  readonly stderr: readonly string[];
}

/** A process that runs command lines in a folder. */
export class FarLines {
  readonly #child: Deno.ChildProcess;
  readonly #input: WritableStreamDefaultWriter<Uint8Array>;
  readonly #answers: AsyncGenerator<string>;

  /** Starts it with variables besides those of this process. */
  constructor(cwd: string, env: Readonly<Record<string, string>>) {
    const command = new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--quiet", new URL(import.meta.url).pathname],
      cwd,
      env,
      stdin: "piped",
      stdout: "piped",
    });
    this.#child = command.spawn();
    this.#input = this.#child.stdin.getWriter();
    this.#answers = readLines(this.#child.stdout);
  }

  /** Runs `far` with these arguments. */
  async run(args: readonly string[]): Promise<Answer> {
    await this.#input.write(new TextEncoder().encode(`${JSON.stringify(args)}\n`));
    const { value } = await this.#answers.next();
    return JSON.parse(value!);
  }

  /** Ends it. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#input.close();
    await this.#answers.return(undefined);
    await this.#child.status;
  }
}

if (import.meta.main) {
  for await (const line of readLines(Deno.stdin.readable)) {
    const terminal = recorder();
    const status = await onTestGpu(() => main(JSON.parse(line), terminal));
    const answer: Answer = { status, stderr: terminal.stderr };
    console.log(JSON.stringify(answer));
  }
  Deno.exit();
}
