import assert from "node:assert/strict";
import { MediaError } from "../../media/errors.ts";
import { encodeNpy, encodeNpyHeader, type NpyArray, parseNpyHeader } from "../../media/npy.ts";
import { NpyStream } from "../../media/npy_stream.ts";
import { fixture } from "./support/expected.ts";

const file = (name: string) => Deno.readFileSync(fixture(name));
const FRAMES = Uint8Array.from({ length: 180 }, (_, i) => i * 7 % 256);

/** A whole .npy, which arrives in pieces of `piece` bytes. */
async function read(bytes: Uint8Array, piece = 7): Promise<NpyArray> {
  const starts = Array.from({ length: Math.ceil(bytes.length / piece) }, (_, k) => k * piece);
  const pieces = ReadableStream.from(starts.map((at) => bytes.subarray(at, at + piece)));
  await using file = await NpyStream.open(pieces, bytes.length, "x");
  const { type, shape } = file.header;
  return { type, shape, data: await file.next(file.header.bytes) };
}

/** A .npy with this header text and `bytes` bytes after it. */
function npy(header: string, bytes = 0, version = [1, 0]): Uint8Array {
  const text = new TextEncoder().encode(header);
  const length = version[0] === 1
    ? [text.length & 255, text.length >> 8]
    : [0, 8, 16, 24].map((shift) => (text.length >> shift) & 255);
  return Uint8Array.of(
    0x93,
    ...new TextEncoder().encode("NUMPY"),
    ...version,
    ...length,
    ...text,
    ...new Uint8Array(bytes),
  );
}

Deno.test("NpyStream reads what numpy writes, in all versions of the format", async () => {
  for (const name of ["bytes.npy", "version_2.npy", "version_3.npy"]) {
    const { type, shape, data } = await read(file(name));
    assert.deepEqual([type, shape], ["|u1", [3, 4, 5, 3]]);
    assert.deepEqual(data, FRAMES);
  }
});

Deno.test("NpyStream reads half, single and double floats", async () => {
  for (
    const [name, type, worst] of [["halves.npy", "<f2", 3e-4], ["floats.npy", "<f4", 4e-8], [
      "doubles.npy",
      "<f8",
      0,
    ]] as const
  ) {
    const array = await read(file(name));
    assert.equal(array.type, type);
    FRAMES.forEach((byte, i) => assert.ok(Math.abs(Number(array.data[i]) - byte / 255) <= worst));
  }
});

Deno.test("encodeNpy() writes the bytes that numpy writes", () => {
  assert.deepEqual(
    encodeNpy({ type: "|u1", shape: [3, 4, 5, 3], data: FRAMES }),
    file("bytes.npy"),
  );
});

Deno.test("encodeNpyHeader() pads to 64 bytes and writes one-element tuples", () => {
  const header = encodeNpyHeader("<i8", [264]);
  assert.equal(header.length % 64, 0);
  assert.deepEqual(parseNpyHeader(header, "x").shape, [264]);
  assert.match(new TextDecoder("latin1").decode(header), /'shape': \(264,\), \} *\n$/);
});

Deno.test("NpyStream refuses a file that is cut off at any byte", async () => {
  const whole = file("bytes.npy");
  for (let length = 0; length < whole.length; length++) {
    await assert.rejects(read(whole.subarray(0, length)), MediaError, `${length} bytes`);
  }
  await assert.rejects(read(Uint8Array.of(...whole, 0)), /announces 180 bytes .* 181 follow/);
});

const OK = "{'descr': '|u1', 'fortran_order': False, 'shape': (2,), }";
Deno.test("parseNpyHeader() takes the forms of a header that mean the same", () => {
  for (
    const text of [
      OK,
      `${OK}      \n`,
      "{'shape':(2,),'descr':'<u1','fortran_order':False}",
      '{ "descr" : "|u1" , "fortran_order" : False , "shape" : ( 2 , ) }',
    ]
  ) {
    const { type, shape, bytes } = parseNpyHeader(npy(text), "x");
    assert.deepEqual([type, shape, bytes], ["|u1", [2], 2]);
  }
  assert.deepEqual(parseNpyHeader(npy(OK.replace("(2,)", "()")), "x").bytes, 1);
  assert.deepEqual(parseNpyHeader(npy(OK.replace("(2,)", "(2, 0, 3)")), "x").bytes, 0);
});

Deno.test("parseNpyHeader() refuses a wrong magic and unknown versions", () => {
  for (const magic of ["\x92NUMPY", "\x00NUMPY", "\x93numpy", "\x93MATLB", "\x93NUMP"]) {
    const bytes = npy(OK);
    bytes.set(Array.from(magic.padEnd(6, "\0"), (c) => c.charCodeAt(0)));
    assert.throws(() => parseNpyHeader(bytes, "x"), /it is not a \.npy array/);
  }
  for (const version of [[1, 1], [2, 1], [2, 2], [4, 0], [0, 0], [0, 1], [255, 255]]) {
    assert.throws(() => parseNpyHeader(npy(OK, 0, version), "x"), /\.npy version .* is unknown/);
  }
});

const MALFORMED = [
  "",
  "{}",
  "(1,)",
  "{'descr': '|u1', 'fortran_order': False}",
  "{'descr': '|u1', 'shape': (2,)}",
  "{'fortran_order': False, 'shape': (2,)}",
  OK.replace("}", "'extra': 1}"),
  OK.replace("'descr'", "descr"),
  OK.replace("{'descr': '|u1',", "{'descr': '|u1', 'descr': '|u1',"),
  OK.replace("(2,)", "[2]"),
  OK.replace("(2,)", "(2)"),
  OK.replace("(2,)", "2"),
  OK.replace("(2,)", "(2.0,)"),
  OK.replace("(2,)", "(-2,)"),
  OK.replace("(2,)", "(True,)"),
  OK.replace("(2,)", "(2L,)"),
  OK.replace("(2,)", "('2',)"),
  OK.replace("(2,)", "(02,)"),
  OK.replace("(2,)", "(1e2,)"),
  OK.replace("(2,)", "(,)"),
  OK.replace("(2,)", "(2,,)"),
  OK.replace("(2,)", "(99999999999999999999,)"),
  OK.replace("(2,)", "(__import__('os').system('true'),)"),
  OK.replace("False", "0"),
  OK.replace("False", "false"),
  OK.replace("False", "None"),
  OK.replace("'|u1'", "'\\x7cu1'"),
  OK.replace("'|u1'", "[('a', '<f4')]"),
  OK.replace("|u1", "\x9d8;;"),
  `${OK} trailing`,
  `${OK}${OK}`,
  OK.slice(0, -1),
];
for (const text of MALFORMED) {
  Deno.test(`parseNpyHeader() refuses ${JSON.stringify(text)}`, () => {
    assert.throws(() => parseNpyHeader(npy(text, 2), "x"), /malformed at character/);
  });
}

Deno.test("parseNpyHeader() refuses elements that are not little-endian numbers", () => {
  for (
    const descr of [
      "|O",
      "O",
      "|V8",
      ">f4",
      ">i8",
      "=f4",
      "<U3",
      "|S5",
      "<M8[ns]",
      "<c8",
      "<f3",
      "u1",
      "",
      "__proto__",
    ]
  ) {
    assert.throws(
      () => parseNpyHeader(npy(OK.replace("|u1", descr)), "x"),
      /not little-endian numbers/,
      descr,
    );
  }
});

Deno.test("parseNpyHeader() refuses Fortran order, long headers and overflowing shapes", () => {
  assert.throws(() => parseNpyHeader(npy(OK.replace("False", "True")), "x"), /ascontiguousarray/);
  assert.throws(
    () => parseNpyHeader(npy(OK + " ".repeat(10_000)), "x"),
    /header of \d+ bytes is too long/,
  );
  const huge = npy(OK, 0, [2, 0]);
  huge.set([0xff, 0xff, 0xff, 0xff], 8);
  assert.throws(() => parseNpyHeader(huge, "x"), /header of 4294967295 bytes is too long/);
  for (
    const shape of [
      "(4294967296, 4294967296)",
      "(1099511627776, 1099511627776, 0)",
      "(9007199254740993,)",
    ]
  ) {
    assert.throws(() => parseNpyHeader(npy(OK.replace("(2,)", shape)), "x"), /too large/);
  }
});

Deno.test("NpyStream never allocates what the header announces", async () => {
  const bomb = npy(OK.replace("(2,)", "(1099511627776,)"), 16);
  await assert.rejects(
    read(bomb),
    /announces 1099511627776 bytes of numbers, but 16 follow/,
  );
});
