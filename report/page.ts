import style from "./report.css" with { type: "text" };

/**
 * A self-contained HTML page for any browser, readable from disk.
 * @param body what comes after the heading, as HTML
 */
export function htmlPage(
  title: string,
  body: string,
  more: { readonly style?: string; readonly script?: string } = {},
): string {
  return `<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>${escapeHtml(title)}</title><style>${style}${more.style ?? ""}</style>
<h1>${escapeHtml(title)}</h1>
${body.trim()}
${more.script ? `<script>${more.script}</script>\n` : ""}</html>
`;
}

/** Escapes text for HTML. */
export function escapeHtml(text: string): string {
  const names: Record<string, string> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };
  return text.replace(/[&<>"]/g, (character) => names[character]!);
}
