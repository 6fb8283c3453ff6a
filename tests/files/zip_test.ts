import { deepEqual, equal, rejects } from "node:assert/strict";
import { MemorySource } from "../../files/byte_source.ts";
import { CheckpointError } from "../../files/errors.ts";
import { checkCrc, readZip } from "../../files/zip.ts";
import { bytes, le, zip, type ZipEnd, type ZipParts } from "../weights/torch_bytes.ts";

const A: ZipParts = { name: "x/a", data: bytes("alpha") };
const B: ZipParts = { name: "x/b", data: bytes("beta") };

const read = (archive: Uint8Array) => readZip(new MemorySource(archive));

/** Reads the archive and every entry's checksum. */
async function readAll(archive: Uint8Array): Promise<void> {
  const source = new MemorySource(archive);
  for (const entry of (await readZip(source)).values()) await checkCrc(source, entry);
}

Deno.test("readZip() finds stored entries and their data", async () => {
  const archive = zip([A, { ...B, descriptor: true }, { name: "x/empty", data: bytes() }]);
  const entries = await read(archive);
  deepEqual([...entries.keys()], ["x/a", "x/b", "x/empty"]);
  const b = entries.get("x/b")!;
  deepEqual(archive.slice(b.offset, b.offset + b.bytes), bytes("beta"));
  await readAll(archive);
});

Deno.test("readZip() skips the padding that torch puts into local headers", async () => {
  const localExtra = bytes("FB", le(6, 2), "ZZZZZZ");
  await readAll(zip([{ ...A, descriptor: true, localExtra }, { ...B, localExtra }]));
});

Deno.test("readZip() reads a zip64 end record, as torch always writes", async () => {
  await readAll(zip([A, B], { zip64: true }));
});

Deno.test("readZip() reads zip64 sizes and descriptors", async () => {
  const extra = bytes(le(1, 2), le(16, 2), le(5, 8), le(5, 8));
  const crc = (await read(zip([A]))).get("x/a")!.crc;
  const descriptor = bytes("PK\x07\x08", le(crc, 4), le(5, 8), le(5, 8));
  const full = 0xffffffff;
  await readAll(zip([{ ...A, size: full, packed: full, extra, descriptor, flags: 0x0808 }]));
  await readAll(
    zip([{ ...A, size: full, packed: full, extra, localSize: full, localExtra: extra }]),
  );
});

Deno.test("readZip() reads more than 65,535 entries", async () => {
  const files = Array.from({ length: 65_600 }, (_, i) => ({ name: `x/${i}`, data: bytes() }));
  const archive = bigZip(files.map(({ name }) => name));
  equal((await read(archive)).size, 65_600);
});

const full = 0xffffffff;
const wide = (...values: number[]) =>
  bytes(le(1, 2), le(8 * values.length, 2), ...values.map((value) => le(value, 8)));

const BROKEN: [what: string, files: ZipParts[], end?: ZipEnd][] = [
  ["a comment", [A], { comment: "hello" }],
  ["an end record inside a comment", [A], { comment: `PK\x05\x06${"\0".repeat(18)}` }],
  ["bytes after the end", [A], { after: bytes("tail") }],
  ["a count that is too large", [A], { count: 2 }],
  ["a count that is too small", [A, B], { count: 1 }],
  ["a directory size that is too small", [A], { size: 10 }],
  ["a directory offset that is wrong", [A], { offset: 3 }],
  ["a directory offset beyond the file", [A], { offset: 100_000 }],
  ["a zip64 record that is missing", [A], { offset: full }],
  ["a zip64 offset that is wrong", [A], { zip64: true, offset: 3 }],
  ["a zip64 record beside 32-bit ones that disagree", [A], { end64: end64(2, 49, 38, 87) }],
  ["a zip64 offset beyond 2^53", [A], { end64: end64(1, 49, 2 ** 60, 87) }],
  ["a zip64 locator that points elsewhere", [A], { end64: end64(1, 49, 38, 3) }],
  ["junk before the first entry", [{ ...A, before: bytes("junk") }]],
  ["junk between entries", [A, { ...B, before: bytes("junk") }]],
  ["two entries of one name", [A, A]],
  ["two names for one entry", [A, { ...B, header: 0 }]],
  ["an entry inside another", [{ ...A, data: bytes(zip([B])) }, { ...B, header: 38 }]],
  ["a local name that differs", [{ ...A, localName: "x/c" }]],
  ["a local name of another length", [{ ...A, localName: "x/longer" }]],
  ["local flags that differ", [{ ...A, localFlags: 0 }]],
  ["a local method that differs", [{ ...A, localMethod: 8 }]],
  ["a local checksum that differs", [{ ...A, localCrc: 1 }]],
  ["a local size that differs", [{ ...A, localSize: 4 }]],
  ["a size that doesn't fill its place", [{ ...A, size: 4, localSize: 4 }]],
  ["a size beyond the file", [{ ...A, size: 50_000, localSize: 50_000 }]],
  ["two sizes", [{ ...A, packed: 4 }]],
  ["a compressed entry", [{ ...A, method: 8 }]],
  ["an encrypted entry", [{ ...A, flags: 0x0801 }]],
  ["a masked header", [{ ...A, flags: 0x2800 }]],
  ["an entry on another disk", [{ ...A, disk: 1 }]],
  ["a header beyond the file", [{ ...A, header: 1_000_000 }]],
  ["a zip64 field that is missing", [{ ...A, size: full, packed: full }]],
  ["a zip64 field that is not needed", [{ ...A, extra: wide(5, 5) }]],
  ["a zip64 field that is too long", [{ ...A, size: full, packed: 5, extra: wide(5, 5) }]],
  ["a zip64 size beyond 2^53", [{ ...A, size: full, packed: full, extra: wide(2 ** 60, 2 ** 60) }]],
  ["a zip64 field twice", [{ ...A, size: full, extra: bytes(wide(5), wide(5)) }]],
  ["a second name", [{ ...A, extra: bytes(le(0x7075, 2), le(4, 2), "x/b!") }]],
  ["an extra field that is cut off", [{ ...A, extra: bytes(le(9, 2), le(100, 2)) }]],
  ["an extra field of three bytes", [{ ...A, extra: bytes(1, 2, 3) }]],
  ["a descriptor that disagrees", [{
    ...A,
    descriptor: bytes("PK\x07\x08", le(1, 4), le(5, 4), le(5, 4)),
  }]],
  ["a descriptor that is missing", [{ ...A, flags: 0x0808 }]],
  ["a descriptor without a signature", [{ ...A, descriptor: bytes(le(0, 4), le(5, 4), le(5, 4)) }]],
];
for (const [what, files, end] of BROKEN) {
  Deno.test(`readZip() refuses ${what}`, async () => {
    await rejects(read(zip(files, end)), { reason: "BadZip" });
  });
}

Deno.test("readZip() refuses a name that is not UTF-8", async () => {
  const archive = zip([{ ...A, name: "x/??" }]);
  archive.forEach((byte, i) => byte === 0x3f && (archive[i] = 0xff));
  await rejects(read(archive), { reason: "BadZip" });
});

Deno.test("checkCrc() refuses data that was changed, byte by byte", async () => {
  const archive = zip([A]);
  const { offset, bytes: length } = (await read(archive)).get("x/a")!;
  for (let i = 0; i < length; i++) {
    const changed = archive.slice();
    changed[offset + i]! ^= 1;
    await rejects(readAll(changed), { reason: "BadZip", message: /checksum/ });
  }
});

Deno.test("readZip() keeps names that look like paths as mere keys", async () => {
  const names = ["/abs", "../up", "..\\up", "C:\\x", "CON", "x/", "__proto__", "a\u0000b"];
  const entries = await read(zip(names.map((name) => ({ name, data: bytes("1") }))));
  deepEqual([...entries.keys()], names);
});

Deno.test("readZip() refuses every prefix of an archive", async () => {
  const whole = zip([A, { ...B, descriptor: true }], { zip64: true });
  for (let length = 0; length < whole.length; length++) {
    await rejects(read(whole.slice(0, length)), CheckpointError, `${length} bytes`);
  }
});

Deno.test("readZip() sees every change of a bit outside of times and attributes", async () => {
  const whole = zip([A], { zip64: true });
  const entry = (await read(whole)).get("x/a")!;
  const central = entry.offset + entry.bytes;
  const free = new Set<number>();
  const range = (start: number, length: number) => {
    for (let i = 0; i < length; i++) free.add(start + i);
  };
  range(4, 2); // version needed, local
  range(10, 4); // time, local
  range(central + 4, 4); // versions
  range(central + 12, 4); // time
  range(central + 36, 6); // attributes
  range(central + 49 + 12, 4); // versions of the zip64 record
  for (let at = 0; at < whole.length; at++) {
    if (free.has(at)) continue;
    for (let bit = 0; bit < 8; bit++) {
      const changed = whole.slice();
      changed[at]! ^= 1 << bit;
      await rejects(readAll(changed), CheckpointError, `bit ${bit} of byte ${at}`);
    }
  }
});

/** A zip64 end record and locator with these numbers. */
function end64(count: number, size: number, offset: number, place: number): Uint8Array {
  return bytes(
    ...["PK\x06\x06", le(44, 8), le(0x031e, 2), le(45, 2), le(0, 8)],
    ...[count, count, size, offset].map((value) => le(value, 8)),
    ...["PK\x06\x07", le(0, 4), le(place, 8), le(1, 4)],
  );
}

/** An archive of many empty files, built without the parts being copied again and again. */
function bigZip(names: string[]): Uint8Array {
  const one = zip([{ name: "x/00000", data: bytes() }]);
  const parts: Uint8Array[] = [];
  const central: Uint8Array[] = [];
  let at = 0;
  for (const name of names) {
    const full = name.padEnd(7, "_");
    const local = one.slice(0, 37);
    local.set(bytes(full), 30);
    const header = one.slice(37, 37 + 53);
    header.set(bytes(full), 46);
    header.set(le(at, 4), 42);
    parts.push(local);
    central.push(header);
    at += local.length;
  }
  const size = central.length * 53;
  const tail = bytes(
    end64(names.length, size, at, at + size),
    "PK\x05\x06",
    le(0, 4),
    ...[le(0xffff, 2), le(0xffff, 2), le(size, 4), le(at, 4), le(0, 2)],
  );
  const whole = new Uint8Array(at + size + tail.length);
  let position = 0;
  for (const part of [...parts, ...central, tail]) {
    whole.set(part, position);
    position += part.length;
  }
  return whole;
}
