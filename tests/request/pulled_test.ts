import assert from "node:assert/strict";
import { pulled } from "../../request/pulled.ts";

Deno.test("pulled() pauses the producer until the next item is requested", async () => {
  const events: string[] = [];
  const items = pulled<number>(async (each) => {
    for (const i of [0, 1, 2]) {
      events.push(`made ${i}`);
      await each(i);
    }
    events.push("end");
  });
  for await (const item of items) {
    await new Promise((resolve) => setTimeout(resolve, 1));
    events.push(`took ${item}`);
  }
  assert.deepEqual(events, ["made 0", "took 0", "made 1", "took 1", "made 2", "took 2", "end"]);
});

Deno.test("pulled() ends the producer when the consumer leaves", async () => {
  let ended = false;
  const items = pulled<number>(async (each) => {
    try {
      for (let i = 0;; i++) await each(i);
    } finally {
      ended = true;
    }
  });
  for await (const item of items) if (item === 3) break;
  assert.equal(ended, true);
});

Deno.test("pulled() hands on the producer's error, after its items", async () => {
  const items = pulled<number>(async (each) => {
    await each(7);
    throw new TypeError("no more");
  });
  assert.deepEqual(await items.next(), { value: 7, done: false });
  await assert.rejects(items.next(), { name: "TypeError", message: "no more" });
  assert.deepEqual(await items.next(), { value: undefined, done: true });
});

Deno.test("pulled() starts on the first request, and may yield nothing", async () => {
  let started = false;
  const items = pulled<number>(() => {
    started = true;
    return Promise.resolve();
  });
  assert.equal(started, false);
  assert.deepEqual(await Array.fromAsync(items), []);
  assert.equal(started, true);
});
