import { join } from "node:path";
import { writeOutput } from "../../app.ts";
import { orAborted } from "../../cli/abort.ts";
import { videosOf } from "../plan/manifest.ts";
import { jsonOf } from "../../cli/settings.ts";
import { outputPath } from "../plan/identity.ts";
import type { Job } from "../plan/job.ts";
import { removePartials } from "../partial_files.ts";
import { outputFiles } from "../plan/output_names.ts";
import type { ResultRecord } from "../results.ts";
import { batchPage, MARK, type PageJob, picturesOf } from "./page_html.ts";
import { thumbnail } from "./thumbnail.ts";

/** Characters of all pictures, and of one: a browser must open the page at once. */
const MOST_PICTURES = 16e6;
const LARGEST_PICTURE = 64e3;
/** A larger file is no page of ours, even with many jobs. */
const LARGEST_PAGE = 256e6;
/** The page is written after this pause, and at most a twentieth of the time goes into it. */
const PAUSE_MS = 1000;
const SHARE = 20;
/** How long the end of a batch waits for the pictures of jobs that were done before. */
const PATIENCE_MS = 30_000;

/** Writes a page with all jobs of a batch, again and again as they end. */
export class BatchPage {
  readonly #path: string;
  readonly #jobs = new Map<string, PageJob>();
  #pictures = new Map<string, string>();
  #characters = 0;
  #drawing: Promise<void> = Promise.resolve();
  #writing: Promise<void> = Promise.resolve();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #pause = PAUSE_MS;
  #closed = false;

  private constructor(
    private readonly folder: string,
    name: string,
    private readonly title: string,
  ) {
    this.#path = join(folder, name);
  }

  /**
   * Opens the page of a folder and keeps the pictures of an earlier run.
   * @param name of the page; @param title name of the manifest
   * @returns undefined if another file has the name
   */
  static async open(folder: string, name: string, title: string): Promise<BatchPage | undefined> {
    const page = new BatchPage(folder, name, title);
    const before = await readPage(page.#path);
    if (before === undefined) return undefined;
    await removePartials(folder, [name]);
    for (const [hash, picture] of picturesOf(before)) page.#keep(hash, picture);
    return page;
  }

  /** Shows a job that has not ended. */
  expect({ hash, entry: { id, line, values, outputs }, model }: Job): void {
    const { model: _, output: __, ...settings } = jsonOf(values);
    const files = outputFiles(outputs, videosOf(values));
    this.#jobs.set(hash || `line ${line}`, {
      ...{ id, line, hash, settings, outputs: files },
      model: model.name,
      status: "waiting",
    });
    this.#writeSoon();
  }

  /** Shows that a job waits on a queue. */
  queued({ hash }: Job): void {
    const job = this.#jobs.get(hash);
    if (job) this.#jobs.set(hash, { ...job, status: "queued" });
    this.#writeSoon();
  }

  /** Shows how a job ended, in this run or an earlier one. */
  add({ id, line, hash, status, seconds, batch, outputs, error, at }: ResultRecord): void {
    const key = hash || `line ${line}`;
    const job = this.#jobs.get(key) ?? { id, line, hash, settings: {}, outputs: [] };
    const files = status === "done" ? outputs.map(({ path }) => path) : [];
    this.#jobs.set(key, { ...job, status, seconds, batch, outputs: files, error, at });
    const [first] = files;
    if (first !== undefined && !this.#pictures.has(hash)) {
      this.#drawing = this.#drawing.then(() => this.#draw(hash, first));
    }
    this.#writeSoon();
  }

  /**
   * Writes the page a last time.
   * @param signal ends the wait for pictures
   */
  async close(signal: AbortSignal): Promise<void> {
    const enough = AbortSignal.any([signal, AbortSignal.timeout(PATIENCE_MS)]);
    await orAborted(this.#drawing, enough).catch(() => {}); // pictures are an extra
    this.#closed = true;
    clearTimeout(this.#timer);
    await this.#writing;
    await this.#write();
  }

  async #draw(hash: string, output: string): Promise<void> {
    if (this.#closed || this.#characters >= MOST_PICTURES) return;
    const picture = await thumbnail(outputPath(this.folder, output));
    if (picture !== undefined) this.#keep(hash, picture);
    this.#writeSoon();
  }

  #keep(hash: string, picture: string): void {
    const { length } = picture;
    if (length > LARGEST_PICTURE || this.#characters + length > MOST_PICTURES) return;
    this.#characters += length;
    this.#pictures.set(hash, picture);
  }

  #writeSoon(): void {
    if (this.#timer !== undefined || this.#closed) return;
    this.#timer = setTimeout(() => {
      this.#writing = this.#write().then(() => {
        this.#timer = undefined;
      });
    }, this.#pause);
  }

  /** The page is an extra: the batch goes on without it if it cannot be written. */
  async #write(): Promise<void> {
    const start = performance.now();
    const jobs = [...this.#jobs.values()].sort((a, b) => a.line - b.line);
    const shown = jobs.map((job) => ({ ...job, picture: this.#pictures.get(job.hash) }));
    try {
      await writeOutput(this.#path, batchPage(this.title, shown));
    } catch {
      // the folder is gone or the disk full, which the next record of a job reports
    }
    this.#pause = Math.max(PAUSE_MS, SHARE * (performance.now() - start));
  }
}

/** The page of an earlier run; empty if there is none, undefined for a file that is not ours. */
async function readPage(path: string): Promise<string | undefined> {
  try {
    const { size, isFile } = await Deno.stat(path);
    if (!isFile || size > LARGEST_PAGE) return undefined;
  } catch {
    return "";
  }
  const page = await Deno.readTextFile(path);
  return page.includes(MARK) ? page : undefined;
}
