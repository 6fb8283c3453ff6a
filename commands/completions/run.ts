import type { DescribingCall } from "../../cli/command.ts";
import { bashCompletions } from "./bash.ts";
import { fishCompletions } from "./fish.ts";
import { type COMPLETIONS_OPTIONS, SHELLS } from "./spec.ts";
import { ASKED, commandWords } from "./words.ts";
import { zshCompletions } from "./zsh.ts";
import { UsageError } from "../../cli/errors.ts";
import { didYouMean } from "../../cli/suggest.ts";

const WRITERS = { bash: bashCompletions, zsh: zshCompletions, fish: fishCompletions } as const;

/** `far completions`: prints a shell's script, or the names that such a script requests. */
export async function run(
  { operands: [shell = "", ...words], terminal, commands }: DescribingCall<
    typeof COMPLETIONS_OPTIONS
  >,
): Promise<void> {
  const asked = ASKED.find((name) => name === shell);
  if (asked) {
    const { names } = await import("./names.ts");
    return await terminal.print((await names(asked, words)).map((name) => `${name}\n`).join(""));
  }
  const known = SHELLS.find((name) => name === shell);
  if (!known) {
    const hint = didYouMean(shell, SHELLS);
    throw new UsageError(`Cannot complete for "${shell}"${hint}: give ${SHELLS.join(", ")}`);
  }
  await terminal.print(WRITERS[known](commandWords(commands)));
}
