import assert from "node:assert/strict";
import {
  asUsage,
  errorLine,
  exitStatus,
  InterruptedError,
  isClosedPipe,
  UsageError,
} from "../../cli/errors.ts";
import { GpuError } from "../../gpu/errors.ts";
import { ClosedPipeError, MediaError } from "../../media/errors.ts";

Deno.test("exitStatus() says whether a retry may help", () => {
  const cases: [unknown, number][] = [
    [new UsageError("x"), 2],
    [new Error("x"), 1],
    [new MediaError("x"), 1],
    ["thrown text", 1],
    [new GpuError("no-adapter", "x"), 1],
    [new GpuError("limit", "x"), 1],
    [new GpuError("lost", "x"), 75],
    [new GpuError("out-of-memory", "x"), 75],
    [new Deno.errors.ConnectionRefused("x"), 75],
    [new Deno.errors.TimedOut("x"), 75],
    [new InterruptedError("SIGINT"), 130],
    [new InterruptedError("SIGTERM"), 143],
    [new Deno.errors.BrokenPipe("x"), 0],
    [new ClosedPipeError("x"), 0],
  ];
  for (const [error, status] of cases) assert.equal(exitStatus(error), status, String(error));
});

Deno.test("isClosedPipe() recognises both kinds of error and no other", () => {
  assert(isClosedPipe(new Deno.errors.BrokenPipe("x")));
  assert(isClosedPipe(new ClosedPipeError("x")));
  assert(!isClosedPipe(new MediaError("x")));
  assert(!isClosedPipe(undefined));
});

Deno.test("asUsage() turns refused values into usage errors, and no other errors", () => {
  assert.equal(asUsage(() => 3), 3);
  assert.throws(() =>
    asUsage(() => {
      throw new RangeError("Cannot make 0 frames");
    }), { name: "UsageError", message: "Cannot make 0 frames" });
  assert.throws(() =>
    asUsage(() => {
      throw new GpuError("limit", "too large");
    }), { name: "GpuError" });
});

Deno.test("errorLine() says error once, whatever was thrown", () => {
  assert.equal(errorLine(new Error("Cannot read x")), "error: Cannot read x");
  assert.equal(errorLine(new Error("error: Cannot read x")), "error: Cannot read x");
  assert.equal(errorLine(new TypeError("")), "error: TypeError");
  assert.equal(errorLine("text"), "error: text");
});
