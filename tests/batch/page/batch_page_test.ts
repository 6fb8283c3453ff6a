import assert from "node:assert/strict";
import { join } from "node:path";
import { BatchPage } from "../../../batch/page/batch_page.ts";
import { batchPage } from "../../../batch/page/page_html.ts";
import { failed, HEADER, stage, THREE } from "../fake_batch.ts";
import { inFolder } from "../../support/folder.ts";

const NEVER = new AbortController().signal;
/** `a done`, a line for each row of a page. */
const rowsOf = (page: string) =>
  [...page.matchAll(/<tr class="(\w+)">.*?<span class="id">(.*?)<\/span>/g)]
    .map(([, status, id]) => `${id} ${status}`);
const read = (out: string, name = "index.html") => Deno.readTextFile(join(out, name));

Deno.test("runBatch() writes a page with all jobs, of earlier runs too", () =>
  stage(async ({ out, run }) => {
    await run(THREE, {}, { b: failed("Cannot read <b>") });
    const first = await read(out);
    assert.deepEqual(rowsOf(first), ["a done", "b failed", "c done"]);
    assert.match(first, /Cannot read &lt;b&gt;/);
    assert.match(first, /in 1 s/);
    assert.match(first, /<a href="a\.safetensors">/);
    await run([...THREE, { id: "d", seed: 3 }]);
    assert.deepEqual(rowsOf(await read(out)), ["a done", "b failed", "c done", "d done"]);
    await run(THREE, { retryFailed: true });
    assert.deepEqual(rowsOf(await read(out)), ["a done", "b done", "c done"]);
  }));

Deno.test("runBatch() writes its page when it is stopped, with the jobs that wait", () =>
  stage(async ({ out, run }) => {
    const signal = new AbortController();
    const stop = () => signal.abort(new Error("stop"));
    await run(THREE, {}, { c: stop }, signal.signal);
    assert.deepEqual(rowsOf(await read(out)).at(-1), "c waiting");
  }));

Deno.test("runBatch() gives each shard a page of its own, and a dry run none", () =>
  stage(async ({ out, run }) => {
    await run(THREE, { dryRun: true });
    assert.throws(() => Deno.statSync(out), Deno.errors.NotFound);
    for (const shard of ["0/2", "1/2"]) await run(THREE, { shard });
    const rows = [await read(out, "index.0-of-2.html"), await read(out, "index.1-of-2.html")]
      .flatMap(rowsOf);
    assert.deepEqual(rows.sort(), ["a done", "b done", "c done"]);
  }));

Deno.test("runBatch() leaves another's index.html alone", () =>
  stage(async ({ out, run }) => {
    await Deno.mkdir(out);
    await Deno.writeTextFile(join(out, "index.html"), "my own page");
    const { error, terminal } = await run([HEADER, { id: "a" }]);
    assert.equal(error, undefined);
    assert.match(terminal.stderr.join("\n"), /index\.html" is not a page of far batch/);
    assert.equal(await read(out), "my own page");
  }));

Deno.test("BatchPage bounds its pictures, and keeps those of an earlier run", () =>
  inFolder(async (folder) => {
    const picture = "A".repeat(20_000);
    const hash = (i: number) => i.toString(16).padStart(64, "0");
    const ended = (i: number) => ({
      id: `job-${i}`,
      line: i,
      hash: hash(i),
      status: "done" as const,
      outputs: [],
      at: "2026-01-01T00:00:00.000Z",
    });
    const jobs = Array.from({ length: 1000 }, (_, i) => ended(i));
    const before = jobs.map((job) => ({ ...job, settings: {}, picture }));
    await Deno.writeTextFile(join(folder, "index.html"), batchPage("jobs", before));
    const page = (await BatchPage.open(folder, "index.html", "jobs"))!;
    for (const job of jobs) page.add(job);
    await page.close(NEVER);
    const text = await read(folder);
    assert.equal(rowsOf(text).length, 1000);
    assert.equal(text.split("<img ").length - 1, 16e6 / 20_000);
    assert.deepEqual([...Deno.readDirSync(folder)].map(({ name }) => name), ["index.html"]);
  }));
