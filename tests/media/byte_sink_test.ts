import assert from "node:assert/strict";
import { StdoutSink } from "../../media/byte_sink.ts";
import { MediaError } from "../../media/errors.ts";

Deno.test("StdoutSink cannot seek back", async () => {
  const sink = new StdoutSink();
  await assert.rejects(sink.writeAt(Uint8Array.of(1), 3), MediaError);
  assert.equal(sink.size, 0);
  await sink.writeAt(new Uint8Array(0), 0);
});
