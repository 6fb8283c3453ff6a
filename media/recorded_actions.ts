/** Key of the actions in the metadata of an output: one per frame of the file, as a list. */
export const ACTIONS_KEY = "far.actions";

/**
 * The actions recorded in an output of the tool: its list, or that of the command that made it,
 * unless that names a file.
 * @returns names and numbers, perhaps repeated (`left*3`); undefined if there are none
 */
export function recordedActions(
  metadata: Readonly<Record<string, string>>,
): string[] | undefined {
  const exact = metadata[ACTIONS_KEY];
  if (exact !== undefined) return listOf(exact.replace(/^\s*\[|\]\s*$/g, ""));
  try {
    const list: unknown = JSON.parse(metadata["far.settings"] ?? "null")?.options?.actions;
    return typeof list === "string" && !/\.[a-z]+$/i.test(list) ? listOf(list) : undefined;
  } catch {
    return undefined; // another program's
  }
}

function listOf(text: string): string[] | undefined {
  const words = text.split(",").map((word) => word.trim()).filter((word) => word !== "");
  return words.length > 0 ? words : undefined;
}
