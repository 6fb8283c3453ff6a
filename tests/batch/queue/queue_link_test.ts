import assert from "node:assert/strict";
import { QueueLink } from "../../../batch/queue/queue_link.ts";

/** Listens on loopback and sends every caller the same bytes; gives the address to `body`. */
async function withServer(text: string, body: (url: string) => Promise<void>): Promise<void> {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const served = (async () => {
    for await (const connection of listener) {
      await connection.write(new TextEncoder().encode(text)).catch(() => {});
      connection.close();
    }
  })();
  try {
    await body(`redis://127.0.0.1:${(listener.addr as Deno.NetAddr).port}`);
  } finally {
    listener.close();
    await served;
  }
}

for (
  const [what, text] of [
    ["a web server", "HTTP/1.1 400 Bad Request\r\n\r\n"],
    ["a page", "<html></html>\r\n"],
    ["an SSH server", "SSH-2.0-OpenSSH_9.2\r\n"],
  ] as const
) {
  Deno.test(`QueueLink.open() says that ${what} is not a Redis server`, () =>
    withServer(text, async (url) => {
      await assert.rejects(QueueLink.open({ url, queue: "far", note: () => {} }), {
        name: "QueueError",
        message: /^Cannot reach redis:\/\/127\.0\.0\.1:\d+: no Redis server answers there$/,
      });
    }));
}
