// The 50 rows of the adversarial table that this reader is held to, one test per row. The outcome
// is the error of the Rust reference, "OK", or our own stricter one.
import { deepEqual, equal, ok, rejects } from "node:assert/strict";
import { join } from "node:path";
import { MemorySource } from "../../files/byte_source.ts";
import { openCheckpoint } from "../../weights/open_checkpoint.ts";
import { CheckpointError, quote } from "../../files/errors.ts";
import { headerLength, parseHeader, SafetensorsFile } from "../../weights/safetensors.ts";
import { H, hex, T } from "./safetensors_bytes.ts";

type Row = [row: string, what: string, file: Uint8Array, expected: string];

const I32 = T("I32", [2, 2], 0, 16);
const text = (value: string) => new TextEncoder().encode(value);
const one = (info: string, zeros = 0) => H(`{"a":${info}}`, zeros);
const field = (json: string) => one(`{"dtype":"U8","shape":[1],"data_offsets":[0,1],${json}}`, 1);
const joined = (...parts: Uint8Array[]) => Uint8Array.from(parts.flatMap((part) => [...part]));

/** Opens bytes as a file would be; the reason it was refused, or "OK". */
async function verdict(file: Uint8Array): Promise<string> {
  try {
    await SafetensorsFile.from(new MemorySource(file));
    return "OK";
  } catch (error) {
    if (error instanceof CheckpointError) return error.reason;
    throw error;
  }
}

const SIZE = "HeaderTooSmall";
const JSON_ERROR = "InvalidHeaderDeserialization";
const offsets = (json: string) => one(`{"dtype":"F32","shape":[1],"data_offsets":${json}}`, 4);
const shape = (json: string) => one(`{"dtype":"F32","shape":${json},"data_offsets":[0,4]}`, 4);
const dtype = (json: string) => one(`{"dtype":${json},"shape":[1],"data_offsets":[0,4]}`, 4);
const same = (count: number) =>
  H(
    `{${Array.from({ length: count }, (_, i) => `"w_${i}":${T("F32", [2, 2], 0, 16)}`).join(",")}}`,
    16,
  );

const ROWS: Row[] = [
  ["1", "an empty file", hex(""), SIZE],
  ["2", "2 bytes", hex("3c 00"), SIZE],
  ["2", "7 bytes", hex("3c 00 00 00 00 00 00"), SIZE],
  ["3", "a length alone", hex("3c 00 00 00 00 00 00 00"), "InvalidHeaderLength"],
  [
    "4",
    "a header longer than the file",
    joined(hex("e8 03 00 00 00 00 00 00"), new Uint8Array(60 + 16).fill(0x20)),
    "InvalidHeaderLength",
  ],
  ["6", "a length of 2^64 - 1", hex("ff ff ff ff ff ff ff ff"), "HeaderTooLarge"],
  ["6", "a length with high bits", hex("3c 00 00 00 ff ff ff ff"), "HeaderTooLarge"],
  ["8", "a header that is not UTF-8", hex("01 00 00 00 00 00 00 00 ff"), "InvalidHeader"],
  ["9", "a byte order mark", hex("05 00 00 00 00 00 00 00 ef bb bf 7b 7d"), JSON_ERROR],
  ["10", "an open brace alone", H("{"), JSON_ERROR],
  ["11", "a header of no bytes", H(""), JSON_ERROR],
  ["12", "an array", H("[]"), JSON_ERROR],
  ["12", "a string", H('"a"'), JSON_ERROR],
  ["12", "a number", H("1"), JSON_ERROR],
  ["12", "null", H("null"), JSON_ERROR],
  ["13", "NUL padding", H("{}\0\0"), JSON_ERROR],
  ["14", "JSON after the object", H(`{},"__metadata__":{"k":"v"}}`), JSON_ERROR],
  ["15", "white space after the object", H("{}\r \t\n"), "OK"],
  ["16", "white space before the object", H("\t\n{}\r "), "OK"],
  ["17", "data without tensors", H("{}", 1), "MetadataIncompleteBuffer"],
  [
    "18",
    "a tail of another format",
    joined(one(I32, 16), text("extra_bogus_data")),
    "MetadataIncompleteBuffer",
  ],
  ["19", "data 2 bytes short", one(I32, 14), "MetadataIncompleteBuffer"],
  [
    "20",
    "an end past the file",
    one(T("F32", [1000, 1000], 0, 4000000), 4),
    "MetadataIncompleteBuffer",
  ],
  [
    "21",
    "a hole",
    H(`{"a":${T("F32", [1], 0, 4)},"b":${T("F32", [1], 8, 12)}}`, 12),
    "InvalidOffset",
  ],
  ["22", "a first start that is not 0", one(T("F32", [1], 4, 8), 8), "InvalidOffset"],
  [
    "23",
    "a partial overlap",
    H(`{"a":${T("U8", [8], 0, 8)},"b":${T("U8", [8], 4, 12)}}`, 12),
    "InvalidOffset",
  ],
  ["24", "two names on one range", same(2), "InvalidOffset"],
  ["24", "10 names on one range", same(10), "InvalidOffset"],
  ["24", "100,000 names on one range", same(100_000), "InvalidOffset"],
  ["25", "an end before its start", one(T("U8", [0], 4, 0)), "InvalidOffset"],
  [
    "26",
    "an empty tensor inside another",
    H(`{"a":${T("U8", [8], 0, 8)},"b":${T("U8", [0], 4, 4)}}`, 8),
    "InvalidOffset",
  ],
  [
    "27",
    "an empty tensor at another's start",
    H(`{"b":${T("U8", [0], 0, 0)},"a":${T("U8", [8], 0, 8)}}`, 8),
    "OK",
  ],
  ["28", "fewer bytes than the shape", one(T("I32", [2, 2], 0, 4), 4), "TensorInvalidInfo"],
  ["29", "no bytes for one value", one(T("I32", [1], 0, 0)), "TensorInvalidInfo"],
  [
    "30",
    "a shape product beyond 64 bits",
    one(T("I32", [2, "18446744073709551614"], 0, 16), 16),
    "ValidationOverflow",
  ],
  [
    "31",
    "bytes beyond 64 bits",
    one(T("I32", [2, "9223372036854775807"], 0, 16), 16),
    "ValidationOverflow",
  ],
  [
    "32",
    "a product that wraps to 4",
    one(T("F32", [4194305, 4194305, "211106198978564"], 0, 16), 16),
    "ValidationOverflow",
  ],
  [
    "33",
    "a product that wraps to 0",
    one(T("F32", [4294967296, 4294967296], 0, 0)),
    "ValidationOverflow",
  ],
  [
    "34",
    "a zero after the overflow",
    one(T("F32", [2 ** 40, 2 ** 40, 0], 0, 0)),
    "ValidationOverflow",
  ],
  ["34", "a zero before it", one(T("F32", [0, 2 ** 40, 2 ** 40], 0, 0)), "OK"],
  ["34", "a size beyond 2^53", one(T("F32", [0, "9007199254740993"], 0, 0)), "ValidationOverflow"],
  ["35", "F4 that ends within a byte", one(T("F4", [1, 3], 0, 2), 2), "MisalignedSlice"],
  ["35", "F6 that ends within a byte", one(T("F6_E2M3", [3], 0, 3), 3), "MisalignedSlice"],
  [
    "36",
    "offsets that a double would round",
    one(T("U8", ["9007199254740993"], 0, "9007199254740993"), 8),
    "MetadataIncompleteBuffer",
  ],
  ...["[]", "[0]", "[0,1,2]", "null", '"0"', "[-1,4]", "[0.0,4]", "[0,4e0]", "[-0,4]", "[00,4]"]
    .map((json): Row => ["37", `data_offsets ${json}`, offsets(json), JSON_ERROR]),
  ["37", "no data_offsets", one(`{"dtype":"F32","shape":[1]}`, 4), JSON_ERROR],
  ["37", "an offset beyond 64 bits", offsets("[0,18446744073709551616]"), JSON_ERROR],
  ...["null", "[-1]", "[1.5]", "[[1]]", '"4"', "[1,]", "{}", "1"]
    .map((json): Row => ["38", `shape ${json}`, shape(json), JSON_ERROR]),
  ["38", "no shape", one(`{"dtype":"F32","data_offsets":[0,4]}`, 4), JSON_ERROR],
  ...['"f32"', '"I128"', "3", "null", '"constructor"', '"__proto__"', '""']
    .map((json): Row => ["39", `dtype ${json}`, dtype(json), JSON_ERROR]),
  ["39", "no dtype", one(`{"shape":[1],"data_offsets":[0,4]}`, 4), JSON_ERROR],
  [
    "40",
    "one name twice on one range",
    H(`{"a":${T("U8", [1], 0, 1)},"a":${T("U8", [1], 0, 1)}}`, 1),
    "DuplicateKey",
  ],
  [
    "40",
    "one name twice, once escaped",
    H(`{"a":${T("U8", [1], 0, 1)},"\\u0061":${T("U8", [1], 1, 2)}}`, 2),
    "DuplicateKey",
  ],
  ["41", "a field twice in a tensor", field(`"dtype":"F16"`), "DuplicateKey"],
  ["42", "a tensor named __metadata__", H(`{"__metadata__":${I32}}`, 16), JSON_ERROR],
  ...["0", "{}", "[]", "null", "true"].map((json): Row => [
    "42",
    `metadata value ${json}`,
    H(`{"__metadata__":{"k":${json}}}`),
    JSON_ERROR,
  ]),
  ["43", "empty metadata", H(`{"__metadata__":{}}`), "OK"],
  ["45", "a tensor as an array", one(`["F32",[1],[0,4]]`, 4), JSON_ERROR],
  ["45", "an unknown field", field(`"extra":{"deep":[1.5e3,null,true,"x"]}`), "OK"],
];

for (const [row, what, file, expected] of ROWS) {
  Deno.test(`parseHeader() row ${row}: ${what} is ${expected}`, async () => {
    equal(await verdict(file), expected);
  });
}

Deno.test("headerLength() row 5: 100,000,001 bytes are refused before anything is allocated", () => {
  const start = new Uint8Array(8);
  new DataView(start.buffer).setBigUint64(0, 100_000_001n, true);
  equal(reasonOf(() => headerLength(start, 2 ** 40)), "HeaderTooLarge");
});

Deno.test("headerLength() row 7: 100,000,000 bytes in a file of 20 are refused", () => {
  const start = new Uint8Array(20);
  new DataView(start.buffer).setBigUint64(0, 100_000_000n, true);
  equal(reasonOf(() => headerLength(start, 20)), "InvalidHeaderLength");
});

Deno.test("parseHeader() row 39: the message names the dtype", async () => {
  await rejects(SafetensorsFile.from(new MemorySource(dtype('"I128"'))), /unknown dtype "I128"/);
});

Deno.test("parseHeader() row 43: metadata is kept, null metadata is none", () => {
  const file = H(`{"__metadata__":{"format":"pt","__proto__":"x"}}`);
  deepEqual([...parseHeader(file, file.length).metadata], [["format", "pt"], ["__proto__", "x"]]);
  const none = H(`{"__metadata__":null}`);
  equal(parseHeader(none, none.length).metadata.size, 0);
});

Deno.test("parseHeader() row 44: odd names are kept as they are", () => {
  const big = "n".repeat(1_000_000);
  const names = [
    "",
    "\u0000",
    "../x",
    "__proto__",
    "constructor",
    "2",
    "10",
    big,
    "\u001b[31m",
    "é",
  ];
  const entries = names.map((name, i) => `${JSON.stringify(name)}:${T("U8", [1], i, i + 1)}`);
  const file = H(`{${entries.join(",")}}`, names.length);
  deepEqual([...parseHeader(file, file.length).tensors.keys()], names);
});

Deno.test("parseHeader() row 44: an unpaired surrogate in a name is refused", async () => {
  equal(await verdict(H(`{"\\ud800":${T("U8", [1], 0, 1)}}`, 1)), JSON_ERROR);
});

Deno.test("quote() row 44: escapes what would reach the terminal", () => {
  equal(quote("\u001b[31mred\u202e\n"), '"\\u001b[31mred\\u202e\\u000a"');
  ok(quote("x".repeat(1_000_000)).length < 400);
});

Deno.test("parseHeader() row 46: 5 million nested arrays are refused", async () => {
  equal(await verdict(field(`"x":${"[".repeat(5_000_000)}`)), JSON_ERROR);
});

// In a header of 100 MB each would take gigabytes if it were read to its end.
const BOMBS: [what: string, json: () => string][] = [
  ["150,000 tensors", () => {
    const entry = (i: number) => `"${i.toString(36)}":${T("U8", [0], 0, 0)}`;
    return `{${Array.from({ length: 150_000 }, (_, i) => entry(i)).join(",")}}`;
  }],
  ["a shape of 2,000 axes", () => `{"a":{"shape":[${"0,".repeat(2e3)}0]}}`],
  ["150,000 keys of metadata", () => {
    const keys = Array.from({ length: 150_000 }, (_, i) => `"${i.toString(36)}":""`);
    return `{"__metadata__":{${keys.join(",")}}}`;
  }],
  ["2.5 million values that nothing reads", () => `{"a":{"x":[${"0,".repeat(25e5)}0]}}`],
];
for (const [what, json] of BOMBS) {
  Deno.test(`parseHeader() refuses ${what} before they fill the memory`, async () => {
    equal(await verdict(H(json())), JSON_ERROR);
  });
}

Deno.test("SafetensorsFile says that a line of text is text", async () => {
  const text = new TextEncoder().encode("Not Found: see the documentation");
  await rejects(SafetensorsFile.from(new MemorySource(text)), {
    reason: "NotSafetensors",
    message: /begins with the text "Not Foun"/,
  });
});

Deno.test("parseHeader() row 46: 100 MB of spaces are a header", () => {
  const file = new Uint8Array(8 + 100_000_000).fill(0x20);
  new DataView(file.buffer).setBigUint64(0, 100_000_000n, true);
  file[8] = 0x7b;
  file[file.length - 1] = 0x7d;
  equal(parseHeader(file, file.length).tensors.size, 0);
});

Deno.test("SafetensorsFile row 47: a file cut after its header was checked is a ShortRead", async () => {
  await withFile(one(I32, 16), async (path) => {
    const file = await SafetensorsFile.open(path);
    await Deno.truncate(path, 70);
    equal(await reasonOfPromise(file.read(file.tensors.get("a")!)), "ShortRead");
    file.close();
  });
});

Deno.test("SafetensorsFile row 47: a file rewritten in place is FileChanged", async () => {
  await withFile(one(I32, 16), async (path) => {
    const file = await SafetensorsFile.open(path);
    await Deno.writeFile(path, one(T("I32", [2, 3], 0, 24), 24));
    equal(await reasonOfPromise(file.read(file.tensors.get("a")!)), "FileChanged");
    file.close();
  });
});

Deno.test("SafetensorsFile row 47: a file replaced by name keeps its own bytes", async () => {
  const old = one(I32, 16);
  await withFile(old.fill(7, old.length - 16), async (path) => {
    const file = await SafetensorsFile.open(path);
    await Deno.writeFile(`${path}.new`, one(I32, 16));
    await Deno.rename(`${path}.new`, path);
    deepEqual(await file.read(file.tensors.get("a")!), new Uint8Array(16).fill(7));
    file.close();
  });
});

const OTHERS: [what: string, start: Uint8Array, message: RegExp][] = [
  ["a torch zip", joined(text("PK\x03\x04"), new Uint8Array(100)), /zip archive/],
  ["gzip", joined(hex("1f 8b 08 00 00 00 00 00"), new Uint8Array(600_000)), /gzip/],
  ["a web page", text("<!DOCTYPE html><html><body>404</body></html>"), /web page/],
  ["a web page after a blank line", text("\n<html><body>404</body></html>"), /web page/],
  ["a git-lfs pointer", text("version https://git-lfs.github.com/spec/v1\noid"), /git lfs pull/],
  ["a pickle", hex("80 02 8a 0a 6c fc 9c 46 f9 20"), /pickle/],
  ["an MP4", joined(hex("00 00 00 20"), text("ftypisom"), new Uint8Array(9)), /it is a video, not/],
  ["text in UTF-16", hex("ff fe 68 00 69 00 20 00 74 00 68 00"), /it is text in UTF-16, not/],
  ["text with a byte-order mark", joined(hex("ef bb bf"), text("hello there")), /it is text, not/],
  ["text in Russian", text("Не найдено: см. документацию"), /it is text, not/],
  [
    "text in Chinese, cut",
    text("没有找到文件，请看说明书".repeat(9)).subarray(0, 100),
    /it is text, not/,
  ],
  ["a WebM", hex("1a 45 df a3 01 00 00 00 00 00 00 1f"), /it is a video, not/],
];
for (const [what, bytes, message] of OTHERS) {
  Deno.test(`parseHeader() row 48: ${what} is named`, async () => {
    await rejects(SafetensorsFile.from(new MemorySource(bytes)), {
      reason: "NotSafetensors",
      message,
    });
  });
}

const BAD_SHARDS: [what: string, index: string, reason: string][] = [
  ["a .bin shard", `{"weight_map":{"a":"x.bin"}}`, "BadIndex"],
  ["a path upwards", `{"weight_map":{"a":"../m.safetensors"}}`, "BadIndex"],
  ["an absolute path", `{"weight_map":{"a":"/abs/m.safetensors"}}`, "BadIndex"],
  ["a path of Windows", `{"weight_map":{"a":"..\\\\m.safetensors"}}`, "BadIndex"],
  ["a drive", `{"weight_map":{"a":"C:m.safetensors"}}`, "BadIndex"],
  ["a number", `{"weight_map":{"a":1}}`, "BadIndex"],
  ["a name twice", `{"weight_map":{"a":"m.safetensors","a":"m.safetensors"}}`, "BadConfig"],
  ["a missing shard", `{"weight_map":{"a":"none.safetensors"}}`, "NotFound"],
  [
    "a tensor its shard lacks",
    `{"weight_map":{"a":"m.safetensors","b":"m.safetensors"}}`,
    "BadIndex",
  ],
  ["a tensor of its shard left out", `{"weight_map":{"b":"m.safetensors"}}`, "BadIndex"],
  ["no weight_map", `{}`, "BadIndex"],
  ["an empty weight_map", `{"weight_map":{}}`, "BadIndex"],
  [
    "more than 10,000 shards",
    JSON.stringify({
      weight_map: Object.fromEntries(
        Array.from({ length: 10_001 }, (_, i) => [`t${i}`, `m-${i}.safetensors`]),
      ),
    }),
    "BadIndex",
  ],
];
for (const [what, index, reason] of BAD_SHARDS) {
  Deno.test(`openCheckpoint() row 49: an index with ${what} is ${reason}`, async () => {
    const folder = await Deno.makeTempDir();
    await Deno.writeFile(join(folder, "m.safetensors"), one(T("U8", [1], 0, 1), 1));
    const path = join(folder, "model.safetensors.index.json");
    await Deno.writeTextFile(path, index);
    equal(await reasonOfPromise(openCheckpoint(path)), reason);
    await Deno.remove(folder, { recursive: true });
  });
}

Deno.test("SafetensorsFile row 50: the format itself lets NaN and infinity pass", async () => {
  const file = one(T("F32", [2], 0, 8), 8);
  new DataView(file.buffer).setFloat32(file.length - 8, NaN, true);
  new DataView(file.buffer).setFloat32(file.length - 4, Infinity, true);
  equal(await verdict(file), "OK"); // far convert counts and refuses them: see convert_test.ts
});

function reasonOf(call: () => unknown): string {
  try {
    call();
    return "OK";
  } catch (error) {
    if (error instanceof CheckpointError) return error.reason;
    throw error;
  }
}

async function reasonOfPromise(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
    return "OK";
  } catch (error) {
    if (error instanceof CheckpointError) return error.reason;
    throw error;
  }
}

async function withFile(bytes: Uint8Array, use: (path: string) => Promise<void>): Promise<void> {
  const path = await Deno.makeTempFile({ suffix: ".safetensors" });
  try {
    await Deno.writeFile(path, bytes);
    await use(path);
  } finally {
    await Deno.remove(path);
  }
}
