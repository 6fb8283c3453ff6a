import assert from "node:assert/strict";
import { join } from "node:path";
import { knownResults, readResults, type ResultRecord, ResultsFile } from "../../batch/results.ts";

function record(id: string, at: string, changes: Partial<ResultRecord> = {}): ResultRecord {
  return { id, line: 1, hash: `hash ${id}`, status: "done", outputs: [], at, ...changes };
}

async function inFolder(body: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    await body(folder);
  } finally {
    await Deno.remove(folder, { recursive: true }).catch(() => {});
  }
}

Deno.test("ResultsFile writes a line per record, and starts a new one after a torn line", () =>
  inFolder(async (folder) => {
    const path = join(folder, "results.jsonl");
    await new ResultsFile(path).add(record("a", "1"));
    await Deno.writeTextFile(path, '{"id":"torn","hash', { append: true });
    const file = new ResultsFile(path);
    await file.add(record("b", "2"));
    await file.add(record("c", "3"));
    assert.deepEqual((await readResults(path)).map(({ id }) => id), ["a", "b", "c"]);
    assert.equal((await Deno.readTextFile(path)).split("\n").length, 5);
  }));

Deno.test("ResultsFile notices that its folder was removed", () =>
  inFolder(async (folder) => {
    const file = new ResultsFile(join(folder, "results.jsonl"));
    await file.add(record("a", "1"));
    await Deno.remove(folder, { recursive: true });
    await assert.rejects(file.add(record("b", "2")), Deno.errors.NotFound);
  }));

Deno.test("readResults() skips lines that are not records; a missing file has none", () =>
  inFolder(async (folder) => {
    const path = join(folder, "results.jsonl");
    assert.deepEqual(await readResults(path), []);
    const lines = ["{}", "null", "[1]", '{"hash":"h","outputs":[],"status":"other"}', "x", ""];
    await Deno.writeTextFile(path, `${lines.join("\n")}${JSON.stringify(record("a", "1"))}\n`);
    assert.deepEqual((await readResults(path)).map(({ id }) => id), ["a"]);
  }));

Deno.test("knownResults() has the last record of each job from all shards", () =>
  inFolder(async (folder) => {
    const add = (name: string, one: ResultRecord) => new ResultsFile(join(folder, name)).add(one);
    await add("results.jsonl", record("a", "1", { status: "failed" }));
    await add("results.1-of-4.jsonl", record("a", "3", { status: "done" }));
    await add("results.0-of-4.jsonl", record("a", "2", { status: "failed" }));
    await add("other.jsonl", record("b", "1"));
    await add("own.jsonl", record("c", "1"));
    const known = await knownResults(folder, join(folder, "own.jsonl"));
    assert.deepEqual([...known.keys()].sort(), ["hash a", "hash c"]);
    assert.equal(known.get("hash a")!.status, "done");
    assert.equal((await knownResults(join(folder, "none"), join(folder, "no.jsonl"))).size, 0);
  }));

Deno.test("readResults() ignores the date of a record that is younger than its file", () =>
  inFolder(async (folder) => {
    const path = join(folder, "results.jsonl");
    const file = new ResultsFile(path);
    const now = new Date().toISOString();
    const ahead = new Date(Date.now() + 86_400_000).toISOString();
    await file.add(record("a", ahead, { status: "failed" }));
    await file.add(record("a", now));
    await file.add(record("b", "no date"));
    assert.deepEqual((await readResults(path)).map(({ at }) => at.slice(0, 4)), [
      "1970",
      now.slice(0, 4),
      "1970",
    ]);
    assert.equal((await knownResults(folder, path)).get("hash a")!.status, "done");
  }));
