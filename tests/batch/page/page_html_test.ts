import assert from "node:assert/strict";
import { batchPage, type PageJob, picturesOf } from "../../../batch/page/page_html.ts";

const HASH = "ab".repeat(32);
const JOB: PageJob = {
  id: "a",
  hash: HASH,
  line: 1,
  model: "demo",
  settings: { frames: 4, seed: "7" },
  status: "done",
  seconds: 1.5,
  outputs: ["a.mp4"],
  at: "2026-01-01T00:00:00.000Z",
};

/** Untrusted text that must not become HTML or change the direction of the terminal or page. */
const HOSTILE = [
  "<script>alert(1)</script>",
  '"><img src=x onerror=alert(1)>',
  "</td></table><iframe src=//host>",
  "<!--",
  "&lt;b&gt;",
  "a\u0000b\u001b[31m",
  "\u202egpj.exe",
  "' onmouseover='alert(1)",
  "</script><script>",
  "javascript:alert(1)",
];

for (const text of HOSTILE) {
  Deno.test(`batchPage() shows ${JSON.stringify(text)} as text, wherever it stands`, () => {
    const hostile: PageJob = {
      id: text,
      hash: text,
      line: 2,
      model: text,
      settings: { [text]: text, actions: text },
      status: "failed",
      outputs: [text],
      error: text,
      at: text,
      picture: "AAAA",
    };
    const count = (page: string, tag: string) => page.split(tag).length - 1;
    const plain = { ...hostile, id: "x", hash: "x", model: "x", error: "x", at: "x" };
    const tame: PageJob = { ...plain, settings: { y: "x", actions: "x" }, outputs: ["x"] };
    const page = batchPage(text, [JOB, hostile]);
    const expected = batchPage("x", [JOB, tame]);
    for (const mark of ["<", ">", "<script", "<img", "<a ", "onerror=alert", "\u001b", "\u202e"]) {
      const isText = mark === "onerror=alert" && text.includes(mark);
      if (!isText) assert.equal(count(page, mark), count(expected, mark), mark);
    }
    assert.doesNotMatch(page, /href="(javascript:|\/\/)/);
  });
}

Deno.test("batchPage() loads nothing else", () => {
  const page = batchPage("jobs.jsonl", [{ ...JOB, picture: "iVBORw0KGgo=" }]);
  const loaded = [...page.matchAll(/\b(?:src|href|url|import)\s*[=(]\s*["']?([^"'\s>)]+)/g)];
  assert.deepEqual(loaded.map(([, address]) => address!.slice(0, 14)), ["data:image/png", "a.mp4"]);
  assert.doesNotMatch(page, /https?:/);
});

Deno.test("batchPage() says what all jobs share once, and what differs in their rows", () => {
  const page = batchPage("jobs.jsonl", [JOB, {
    ...JOB,
    id: "b",
    settings: { frames: 4, seed: "8" },
  }]);
  const quiet = (name: string) => `<span class="quiet">${name}</span>`;
  assert.ok(page.includes(`All jobs: ${quiet("model")} demo, ${quiet("frames")} 4<`));
  assert.ok(
    page.includes(`<td>${quiet("seed")} 7</td>`) && page.includes(`${quiet("seed")} 8</td>`),
  );
  assert.match(page, /2 jobs: 2 done; the last job ended at 2026-01-01/);
});

Deno.test("picturesOf() reads the pictures of a page, and nothing else", () => {
  const jobs = [{ ...JOB, picture: "iVBORw0KGgo=" }, { ...JOB, hash: "cd".repeat(32) }];
  assert.deepEqual([...picturesOf(batchPage("x", jobs))], [[HASH, "iVBORw0KGgo="]]);
  const forged = `<img data-job="${HASH}" src="data:image/png;base64,AA&quot; onerror=x">`;
  assert.equal(picturesOf(forged).size, 0);
});
