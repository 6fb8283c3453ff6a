/**
 * Writes text in ASCII, for formats that support no more: other characters become JSON escapes,
 * which `JSON.parse` undoes inside settings.
 */
export function toAscii(text: string): string {
  return text.replace(
    /[^\x20-\x7e\n]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

/** `name=value` lines of comments back to pairs; other lines are one comment. */
export function fromComments(comments: readonly string[]): Record<string, string> {
  const tags: Record<string, string> = {};
  for (const text of comments) {
    const found = /^([A-Za-z][\w.-]*)=([\s\S]*)$/.exec(text);
    if (found) tags[found[1]!] = found[2]!;
    else tags.comment ??= text;
  }
  return tags;
}
