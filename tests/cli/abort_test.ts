import assert from "node:assert/strict";
import { orAborted, untilAborted } from "../../cli/abort.ts";

/** Counts up; `ended` is set once the generator is closed. */
function counter(wait?: Promise<void>) {
  const state = { ended: false };
  async function* count() {
    try {
      for (let i = 0;; i++) {
        if (i === 3) await wait;
        yield i;
      }
    } finally {
      state.ended = true;
    }
  }
  return { state, items: count() };
}

Deno.test("untilAborted() passes items on and ends the generator with the loop", async () => {
  const { state, items } = counter();
  const seen: number[] = [];
  for await (const item of untilAborted(items, new AbortController().signal)) {
    seen.push(item);
    if (item === 2) break;
  }
  assert.deepEqual(seen, [0, 1, 2]);
  assert(state.ended);
});

Deno.test("untilAborted() does not wait for the current item", async () => {
  const { promise: never } = Promise.withResolvers<void>();
  const controller = new AbortController();
  const { items } = counter(never);
  const seen: number[] = [];
  const work = (async () => {
    for await (const item of untilAborted(items, controller.signal)) seen.push(item);
  })();
  setTimeout(() => controller.abort(new Error("stop")), 0);
  await assert.rejects(work, { message: "stop" });
  assert.deepEqual(seen, [0, 1, 2]);
});

Deno.test("untilAborted() starts nothing when the signal is aborted already", async () => {
  const { items } = counter();
  const signal = AbortSignal.abort(new Error("stop"));
  await assert.rejects(untilAborted(items, signal).next(), { message: "stop" });
});

Deno.test("orAborted() gives the result, or the signal's reason if that comes first", async () => {
  const controller = new AbortController();
  assert.equal(await orAborted(Promise.resolve(3), controller.signal), 3);
  const waiting = orAborted(new Promise(() => {}), controller.signal);
  controller.abort(new Error("stop"));
  await assert.rejects(waiting, { message: "stop" });
  await assert.rejects(orAborted(Promise.resolve(3), controller.signal), { message: "stop" });
});
