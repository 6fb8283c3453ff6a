import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { GpuError, type GpuErrorReason } from "../../gpu/errors.ts";
import { inPageWords } from "../../player/browser_world.ts";
import { download, JoinedFile, PlayerError } from "../../player/download.ts";

const BYTES = 1000;
const WHOLE = Uint8Array.from({ length: BYTES }, (_, i) => i % 251);

/** Serves what a path names, and may answer differently the next time. */
async function serving(test: (base: URL) => Promise<void>): Promise<void> {
  const asked = new Map<string, number>();
  const server = createServer(({ url: path = "" }, response) => {
    const times = (asked.get(path) ?? 0) + 1;
    asked.set(path, times);
    if (path === "/breaks" || path === "/twice" && times < 3) {
      response.writeHead(200, { "content-length": BYTES });
      response.write(WHOLE.subarray(0, 400), () => response.destroy());
      return;
    }
    if (path === "/missing") response.statusCode = 404;
    if (path === "/busy" && times < 2) response.statusCode = 503;
    const bytes = path === "/long" ? BYTES + 1 : path === "/short" ? BYTES - 1 : undefined;
    response.end(bytes === undefined ? WHOLE : new Uint8Array(bytes));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  try {
    const { port } = server.address() as AddressInfo;
    await test(new URL(`http://127.0.0.1:${port}/`));
  } finally {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
}

Deno.test("download() tries again what broke off, and says what to do where that does not help", () =>
  serving(async (base) => {
    const cases: [path: string, outcome: RegExp | "whole"][] = [
      ["whole", "whole"],
      ["twice", "whole"],
      ["busy", "whole"],
      [
        "breaks",
        /^The download of breaks broke off\. Check the connection, then reload the page\.$/,
      ],
      ["short", /^The download of short broke off\. Check the connection/],
      [
        "long",
        /^The host sends another \/long than the 1000 bytes .* Upload the whole folder again/,
      ],
      [
        "missing",
        /^The host does not have \/missing \(status 404\)\. Upload the whole folder again\.$/,
      ],
      ["http://127.0.0.1:1/gone", /^The download of gone broke off\. Check the connection/], // offline
    ];
    await Promise.all(cases.map(async ([path, outcome]) => {
      let arrived = 0;
      const made = download(new URL(path, base), BYTES, (bytes) => arrived += bytes);
      if (outcome === "whole") {
        assert.deepEqual(await made, WHOLE, path);
        assert.equal(arrived, BYTES, path); // what is loaded again is not counted twice
      } else {
        const error = await made.then(() => undefined, (error) => error);
        assert.ok(error instanceof PlayerError, path);
        assert.match(error.message, outcome);
        assert.equal(arrived, 0, path);
      }
    }));
  }));

Deno.test("JoinedFile reads over the borders of its pieces", () =>
  serving(async (base) => {
    const pieces = ["a", "b"].map((path) => ({ path, bytes: BYTES }));
    const file = await JoinedFile.download("vae", { pieces }, base, () => {});
    const into = new Uint8Array(20);
    await file.read(BYTES - 10, into);
    assert.deepEqual([...into], [...WHOLE.subarray(-10), ...WHOLE.subarray(0, 10)]);
    assert.equal(file.size, 2 * BYTES);
    await assert.rejects(file.read(2 * BYTES - 10, into));
  }));

Deno.test("inPageWords() tells visitors what to do", () => {
  const cases: [reason: GpuErrorReason, words: RegExp][] = [
    ["no-adapter", /no GPU .* Switch on hardware acceleration/],
    ["lost", /The GPU was lost.* Reload the page\./],
    ["out-of-memory", /not enough memory .* Close other pages/],
    ["limit", /not enough memory .* larger device/],
  ];
  for (const [reason, words] of cases) {
    assert.match(inPageWords(new GpuError(reason, "x")), words, reason);
  }
  assert.match(inPageWords(new Error("x")), /^The world cannot be loaded: x\.$/);
});
