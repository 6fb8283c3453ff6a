import assert from "node:assert/strict";
import { join } from "node:path";
import { answer } from "../../../commands/serve/static_files.ts";
import { inFolder } from "../../support/folder.ts";

const HOST = "127.0.0.1:8421";

/** A folder with a page, a file beside it, and a link that leads out. */
async function withSite(test: (site: string) => Promise<void>): Promise<void> {
  await inFolder(async (folder) => {
    const site = await Deno.realPath(folder);
    await Deno.mkdir(join(site, "site/weights"), { recursive: true });
    await Deno.writeTextFile(join(site, "secret.txt"), "secret");
    await Deno.writeTextFile(join(site, "site/index.html"), "<p>page");
    await Deno.writeTextFile(join(site, "site/player.js"), "0123456789");
    await Deno.writeTextFile(join(site, "site/weights/vae.00.safetensors"), "abcdefghij");
    await Deno.symlink(join(site, "secret.txt"), join(site, "site/link.txt"));
    await test(join(site, "site"));
  });
}

function ask(path: string, headers: Record<string, string> = {}, method = "GET"): Request {
  // a Request's own address is made canonical; what a server gets may not be
  const url = `http://${HOST}${path}`;
  return { url, method, headers: new Headers({ host: HOST, ...headers }) } as Request;
}

Deno.test("far serve gives files with their types, and nothing outside the folder", async () => {
  await withSite(async (site) => {
    const cases: [path: string, status: number, type?: string][] = [
      ["/", 200, "text/html; charset=utf-8"],
      ["/index.html", 200, "text/html; charset=utf-8"],
      ["/player.js?v=1", 200, "text/javascript; charset=utf-8"],
      ["/weights/vae.00.safetensors", 200, "application/octet-stream"],
      ["/weights/", 404],
      ["/weights", 404],
      ["/nosuch", 404],
      ["/link.txt", 404],
      ["/..%2fsecret.txt", 404],
      ["/%2e%2e/secret.txt", 404],
      ["/..%5csecret.txt", 404],
      ["/%00", 404],
      ["/%zz", 404],
    ];
    for (const [path, status, type] of cases) {
      const response = await answer(ask(path), site);
      await response.body?.cancel();
      assert.equal(response.status, status, path);
      if (type) assert.equal(response.headers.get("content-type"), type, path);
    }
  });
});

Deno.test("far serve answers ranges as RFC 9110 says", async () => {
  await withSite(async (site) => {
    const cases: [range: string, status: number, body: string, content: string | null][] = [
      ["bytes=0-3", 206, "0123", "bytes 0-3/10"],
      ["bytes=4-", 206, "456789", "bytes 4-9/10"],
      ["bytes=-3", 206, "789", "bytes 7-9/10"],
      ["bytes=-30", 206, "0123456789", "bytes 0-9/10"],
      ["bytes=8-99", 206, "89", "bytes 8-9/10"],
      ["bytes=10-", 416, "there are no such bytes\n", "bytes */10"],
      ["bytes=-0", 416, "there are no such bytes\n", "bytes */10"],
      ["bytes=5-2", 200, "0123456789", null],
      ["bytes=0-1,3-4", 200, "0123456789", null],
      ["bytes=-", 200, "0123456789", null],
      ["lines=0-3", 200, "0123456789", null],
    ];
    for (const [range, status, body, content] of cases) {
      const response = await answer(ask("/player.js", { range }), site);
      assert.deepEqual(
        [response.status, await response.text(), response.headers.get("content-range")],
        [status, body, content],
        range,
      );
    }
  });
});

Deno.test("far serve refuses other hosts' names and other methods, and answers HEAD", async () => {
  await withSite(async (site) => {
    const foreign = await answer(ask("/", { host: "evil.example" }), site);
    const post = await answer(ask("/", {}, "POST"), site);
    const head = await answer(ask("/player.js", {}, "HEAD"), site);
    assert.deepEqual([foreign.status, post.status, head.status], [403, 405, 200]);
    assert.deepEqual([head.headers.get("content-length"), await head.text()], ["10", ""]);
  });
});
