import { optionName } from "./option.ts";

/** Options that the library and the command line call differently. */
const RENAMED: Readonly<Record<string, string>> = { labels: "label" };

/**
 * A message of the library in the words of the command line. The library names its options in
 * backticks, as its users write them: `` `memoryFrames` `` becomes `--memory-frames`.
 */
export function inFlags(message: string): string {
  return message.replaceAll("`width` and `height`", "`size`")
    .replace(/`([a-z]\w*)`/g, (_, key: string) => `--${optionName(RENAMED[key] ?? key)}`);
}
