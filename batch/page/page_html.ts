import style from "./batch_page.css" with { type: "text" };
import script from "./batch_page.js" with { type: "text" };
import { escapeHtml, htmlPage, printable } from "../../app.ts";
import type { SettingValue } from "../../cli/settings.ts";

/** A job as the page shows it. */
export interface PageJob {
  readonly id: string;
  /** Identifies the job and its picture. */
  readonly hash: string;
  /** Line of the manifest. */
  readonly line: number;
  readonly model?: string;
  /** Options by name, without the model. */
  readonly settings: Readonly<Record<string, SettingValue>>;
  readonly status: "waiting" | "done" | "failed" | "queued";
  /** Of the GPU batch in which it was made. */
  readonly seconds?: number;
  /** Videos of that batch. */
  readonly batch?: number;
  /** Paths relative to the page. */
  readonly outputs: readonly string[];
  readonly error?: string;
  /** When it ended, ISO 8601. */
  readonly at?: string;
  /** PNG in base64. */
  readonly picture?: string;
}

/** In every page, so that another's index.html is not taken for one. */
export const MARK = "<!-- written by far batch -->";

const STATUSES = ["done", "failed", "waiting", "queued"] as const;

/** All jobs of a batch as a self-contained page. @param name of the manifest */
export function batchPage(name: string, jobs: readonly PageJob[]): string {
  const common = commonSettings(jobs);
  const heads = ["", "job", "settings", "status", "files"];
  const body = [
    `${MARK}<p class="progress">${text(summaryOf(jobs))}</p>`,
    common.size > 0 ? `<p>All jobs: ${settingsText([...common])}</p>` : "",
    chooser(jobs),
    `<table class="jobs"><thead><tr>${
      heads.map((head) => `<th>${head}</th>`).join("")
    }</tr></thead>`,
    `<tbody>`,
    ...jobs.map((job) => row(job, common)),
    "</tbody></table>",
  ];
  return htmlPage(`Batch ${printable(name)}`, body.join("\n"), { style, script });
}

/** Text of others, such as ids and errors, for HTML. */
function text(other: string): string {
  return escapeHtml(printable(other));
}

function countOf(jobs: readonly PageJob[], status: PageJob["status"]): number {
  return jobs.filter((job) => job.status === status).length;
}

function summaryOf(jobs: readonly PageJob[]): string {
  const counts = STATUSES.map((status) => [status, countOf(jobs, status)] as const)
    .filter(([, count]) => count > 0).map(([status, count]) => `${count} ${status}`);
  const ends = jobs.map(({ at }) => at ?? "").sort();
  const last = ends.at(-1) ? `; the last job ended at ${ends.at(-1)}` : "";
  return `${jobs.length} ${jobs.length === 1 ? "job" : "jobs"}: ${counts.join(", ")}${last}`;
}

/** Settings that all jobs share, which need not be repeated in each row. */
function commonSettings(jobs: readonly PageJob[]): Map<string, string> {
  const [first, ...rest] = jobs.map(allSettings);
  if (!first || rest.length === 0) return new Map();
  return new Map(
    [...first].filter(([name, value]) => rest.every((settings) => settings.get(name) === value)),
  );
}

function allSettings({ model, settings }: PageJob): Map<string, string> {
  const named = Object.entries({ ...(model && { model }), ...settings });
  return new Map(named.map(([name, value]) => [name, String(value)]));
}

function settingsText(settings: readonly (readonly [string, string])[]): string {
  return settings.map(([name, value]) => {
    const short = value.length > LONGEST_VALUE ? `${value.slice(0, LONGEST_VALUE)}...` : value;
    return `<span class="quiet">${text(name)}</span> ${text(short)}`;
  }).join(", ");
}

const LONGEST_VALUE = 200;

function chooser(jobs: readonly PageJob[]): string {
  const boxes = STATUSES.filter((status) => countOf(jobs, status) > 0).map((status) =>
    `<label><input type="checkbox" value="${status}" checked> ${status}</label>`
  );
  return `<div class="choose"><label>Show jobs with <input type="search" id="words" ` +
    `placeholder="words of an id, setting or error"></label>${boxes.join("")}` +
    `<span id="shown" class="quiet" aria-live="polite"></span></div>`;
}

/** The picture's tag is read again by `picturesOf`. */
function row(job: PageJob, common: ReadonlyMap<string, string>): string {
  const own = [...allSettings(job)].filter(([name]) => !common.has(name));
  const picture = job.picture === undefined
    ? ""
    : `<img data-job="${text(job.hash)}" alt="" loading="lazy" decoding="async" height="48" ` +
      `src="data:image/png;base64,${job.picture}">`;
  const cells = [
    `<td class="picture">${picture}</td>`,
    `<td><span class="id">${text(job.id)}</span> <span class="quiet">line ${job.line}</span></td>`,
    `<td>${settingsText(own)}</td>`,
    `<td><span class="status">${job.status}</span> ${outcome(job)}</td>`,
    `<td>${job.outputs.map(link).join("<br>")}</td>`,
  ];
  return `<tr class="${job.status}">${cells.join("")}</tr>`;
}

function outcome({ seconds, batch = 1, error, at }: PageJob): string {
  const shared = batch > 1 ? ` for ${batch} videos` : "";
  return [
    seconds === undefined ? "" : `in ${seconds} s${shared}`,
    at === undefined ? "" : `<span class="quiet">${text(at)}</span>`,
    error === undefined ? "" : `<br>${text(error)}`,
  ].filter((part) => part !== "").join(" ");
}

/** A link to an output; a `%d` pattern is many files, and so has none. */
function link(path: string): string {
  if (path.includes("%")) return text(path);
  const address = path.split("/").map(encodeURIComponent).join("/");
  return `<a href="${address}">${text(path)}</a>`;
}

const PICTURE =
  /<img data-job="([0-9a-f]{64})"[^>]*src="data:image\/png;base64,([A-Za-z0-9+/=]+)">/g;

/** The pictures of a page, by the hash of their job. */
export function picturesOf(page: string): Map<string, string> {
  return new Map([...page.matchAll(PICTURE)].map(([, hash, picture]) => [hash!, picture!]));
}
