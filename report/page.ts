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

/** Tables of names and values, each in a section under its title. */
export function htmlTables(
  tables: Readonly<Record<string, Readonly<Record<string, string>>>>,
): string {
  return Object.entries(tables).map(([name, rows]) =>
    `<section><h2>${escapeHtml(name)}</h2><table>${
      Object.entries(rows).map(([key, value]) =>
        `<tr><th>${escapeHtml(key)}</th><td>${escapeHtml(value)}</td></tr>`
      ).join("")
    }</table></section>`
  ).join("\n");
}

/** Escapes text for HTML. */
export function escapeHtml(text: string): string {
  const names: Record<string, string> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };
  return text.replace(/[&<>"]/g, (character) => names[character]!);
}
