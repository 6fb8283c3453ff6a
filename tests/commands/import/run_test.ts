import assert from "node:assert/strict";
import { run } from "../../../commands/import/run.ts";
import { recorder } from "../../support/recorder.ts";

type Options = Parameters<typeof run>[0]["options"];

Deno.test("far import says what is missing on its command line", async () => {
  const signal = new AbortController().signal;
  const call = (options: Options, operands: string[]) =>
    run({ options, operands, terminal: recorder(), signal });
  const usage = (message: RegExp) => ({ name: "UsageError", message });
  await assert.rejects(call({}, []), usage(/give videos/));
  await assert.rejects(call({}, ["a.mp4"]), usage(/give --output DIR/));
  await assert.rejects(call({ output: "clips" }, ["a.mp4"]), usage(/give --keys FILE\.json/));
});
