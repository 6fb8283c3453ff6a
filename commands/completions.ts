import type { Call } from "./command.ts";
import { COMMANDS } from "./command_table.ts";
import { bashCompletions } from "./completions/bash.ts";
import { fishCompletions } from "./completions/fish.ts";
import { type COMPLETIONS_OPTIONS, SHELLS } from "./completions/spec.ts";
import { commandWords } from "./completions/words.ts";
import { zshCompletions } from "./completions/zsh.ts";
import { UsageError } from "./errors.ts";
import { didYouMean } from "./suggest.ts";

const WRITERS = { bash: bashCompletions, zsh: zshCompletions, fish: fishCompletions } as const;

/** `far completions`: prints the script of a shell. */
export async function run(
  { operands: [shell = ""], terminal }: Call<typeof COMPLETIONS_OPTIONS>,
): Promise<void> {
  const known = SHELLS.find((name) => name === shell);
  if (!known) {
    const hint = didYouMean(shell, SHELLS);
    throw new UsageError(`Cannot complete for "${shell}"${hint}: give ${SHELLS.join(", ")}`);
  }
  await terminal.print(WRITERS[known](commandWords(COMMANDS)));
}
