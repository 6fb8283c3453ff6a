import { Buffer } from "node:buffer";
import { deepEqual, equal, rejects } from "node:assert/strict";
import { MemorySource } from "../../files/byte_source.ts";
import {
  readFloats,
  readIntegers,
  SafetensorsFile,
  writeSafetensors,
} from "../../weights/safetensors.ts";
import { H, T } from "./safetensors_bytes.ts";

const GOLDENS = `${import.meta.dirname}/../fixtures/goldens/`;

/** A sink that keeps what is written. */
class Kept {
  readonly parts: Uint8Array[] = [];
  write(bytes: Uint8Array): Promise<void> {
    this.parts.push(bytes.slice());
    return Promise.resolve();
  }
  get bytes(): Uint8Array {
    return new Uint8Array(this.parts.flatMap((part) => [...part]));
  }
}

const open = (bytes: Uint8Array) => SafetensorsFile.from(new MemorySource(bytes));

Deno.test("readFloats() reads F16, BF16, F32 and F64 as the checkpoint golden has them", async () => {
  const file = await SafetensorsFile.open(`${GOLDENS}checkpoints/odd.safetensors`);
  const shared = await readFloats(file, "shared");
  equal(shared.length, 24);
  const half = await readFloats(file, "half");
  const bfloat16 = await readFloats(file, "bfloat16");
  for (let i = 0; i < 24; i++) { // all three were made from the same values
    equal(half[i], shared[i]);
    equal(bfloat16[i], shared[i]);
  }
  deepEqual(await readIntegers(file, "int64"), [0, 1, 2, 3, 4]);
  deepEqual(await readIntegers(file, "bool"), [1, 0]);
  equal((await readFloats(file, "empty")).length, 0);
  file.close();
});

Deno.test("SafetensorsFile.from() says of data that ends early that it is cut off", async () => {
  const whole = H(`{"a":${T("U8", [6], 0, 6)}}`, 6);
  await rejects(open(whole.subarray(0, -2)), { message: /the file at \d+: it is cut off$/ });
  await rejects(open(Uint8Array.of(...whole, 0)), { message: /the file at \d+$/ });
});

Deno.test("SafetensorsFile.readRange() reads the middle of a tensor", async () => {
  const bytes = H(`{"a":${T("U8", [2], 0, 2)},"b":${T("U8", [6], 2, 8)}}`, 8);
  bytes.set([9, 9, 0, 1, 2, 3, 4, 5], bytes.length - 8);
  const file = await open(bytes);
  const b = file.tensors.get("b")!;
  deepEqual([...await file.readRange(b, 2, 3)], [2, 3, 4]);
  const into = new Uint8Array(6);
  equal(await file.read(b, into), into);
  deepEqual([...into], [0, 1, 2, 3, 4, 5]);
});

Deno.test("SafetensorsFile.readRange() refuses a range outside the tensor and a wrong target", async () => {
  const file = await open(H(`{"a":${T("U8", [2], 0, 2)},"b":${T("U8", [6], 2, 8)}}`, 8));
  const a = file.tensors.get("a")!;
  for (const [start, bytes] of [[1, 2], [-1, 1], [3, 0], [0.5, 1], [NaN, 1]] as const) {
    await rejects(file.readRange(a, start, bytes), RangeError);
  }
  await rejects(file.read(a, new Uint8Array(3)), RangeError);
});

Deno.test("SafetensorsFile serves concurrent reads of one file", async () => {
  const path = await Deno.makeTempFile();
  const count = 64;
  const bytes = H(`{"a":${T("U8", [count * 1000], 0, count * 1000)}}`, count * 1000);
  const data = bytes.subarray(bytes.length - count * 1000);
  data.forEach((_, i) => data[i] = i / 1000);
  await Deno.writeFile(path, bytes);
  const file = await SafetensorsFile.open(path);
  const a = file.tensors.get("a")!;
  const parts = await Promise.all(
    Array.from({ length: count }, (_, i) => file.readRange(a, i * 1000, 1000)),
  );
  parts.forEach((part, i) => equal(part.every((value) => value === i), true));
  file.close();
  await Deno.remove(path);
});

Deno.test("readIntegers() and readFloats() refuse the other kind, unknown names, huge values", async () => {
  const bytes = H(`{"a":${T("F32", [1], 0, 4)},"b":${T("U64", [1], 4, 12)}}`, 12);
  bytes.fill(255, bytes.length - 8);
  const file = await open(bytes);
  await rejects(readIntegers(file, "a"), { reason: "WrongDtype" });
  await rejects(readFloats(file, "b"), { reason: "WrongDtype" });
  await rejects(readIntegers(file, "b"), { reason: "WrongDtype" });
  await rejects(readFloats(file, "c"), { reason: "NotFound" });
});

Deno.test("SafetensorsFile.open() names a file that isn't there and a folder", async () => {
  await rejects(SafetensorsFile.open("/nowhere/x.safetensors"), { reason: "NotFound" });
  await rejects(SafetensorsFile.open(GOLDENS), { reason: "NotFound" });
});

for (const name of ["checkpoints/odd", "far-uncond/predict", "vae-8x/diffusion_pytorch_model"]) {
  Deno.test(`writeSafetensors() writes ${name}.safetensors as the reference did, byte for byte`, async () => {
    const path = `${GOLDENS}${name}.safetensors`;
    const file = await SafetensorsFile.open(path);
    const entries = [];
    for (const info of file.tensors.values()) {
      entries.push({ ...info, data: await file.read(info) });
    }
    const sink = new Kept();
    const written = await writeSafetensors(sink, entries.reverse(), file.metadata);
    const original = await Deno.readFile(path);
    equal(written, original.length);
    equal(Buffer.compare(sink.bytes, original), 0);
    file.close();
  });
}

Deno.test("writeSafetensors() takes data in pieces", async () => {
  async function* halves() {
    yield new Uint8Array([1, 2]);
    yield new Uint8Array([3]);
  }
  const sink = new Kept();
  await writeSafetensors(sink, [{ name: "a", dtype: "U8", shape: [3], data: halves }]);
  const file = await open(sink.bytes);
  deepEqual([...await file.read(file.tensors.get("a")!)], [1, 2, 3]);
});

Deno.test("writeSafetensors() refuses short and long data, equal names and reserved ones", async () => {
  const entry = (name: string, length: number) => ({
    name,
    dtype: "U8" as const,
    shape: [3],
    data: new Uint8Array(length),
  });
  await rejects(writeSafetensors(new Kept(), [entry("a", 2)]), RangeError);
  await rejects(writeSafetensors(new Kept(), [entry("a", 4)]), RangeError);
  await rejects(writeSafetensors(new Kept(), [entry("a", 3), entry("a", 3)]), RangeError);
  await rejects(writeSafetensors(new Kept(), [entry("__metadata__", 3)]), RangeError);
  await rejects(
    writeSafetensors(new Kept(), [{ ...entry("a", 3), shape: [-1, -3] }]),
    RangeError,
  );
});

Deno.test("SafetensorsFile refuses every prefix of a small file", async () => {
  const whole = H(`{"a":${T("F16", [2], 0, 4)},"b":${T("I64", [1], 4, 12)}}`, 12);
  for (let length = 0; length < whole.length; length++) {
    await rejects(open(whole.slice(0, length)), { name: "CheckpointError" }, `${length} bytes`);
  }
  await open(whole);
});
