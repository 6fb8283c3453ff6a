import { deepEqual, equal, ok, throws } from "node:assert/strict";
import { CheckpointError } from "../../files/errors.ts";
import {
  PickleDict,
  PickleList,
  PickleTuple,
  PickleUnread,
  type PickleValue,
  PLAIN,
  readPickle,
} from "../../weights/pickle.ts";
import { torchNames } from "../../weights/torch_pickle.ts";
import { bytes, call, dict, global, int, le, pickle, tensor, text, tuple } from "./torch_bytes.ts";

const read = (data: Uint8Array) => readPickle(data, torchNames(new Map(), 5)).value;

function reason(data: Uint8Array): string {
  try {
    read(data);
    return "OK";
  } catch (error) {
    if (error instanceof CheckpointError) return error.reason;
    throw error;
  }
}

/** Plain values of a pickle, for comparison. */
function plain(value: PickleValue): unknown {
  if (value instanceof PickleList || value instanceof PickleTuple) return value.items.map(plain);
  if (value instanceof PickleDict) {
    return new Map([...value.entries].map(([key, item]) => [key, plain(item)]));
  }
  return value;
}

Deno.test("readPickle() reads every kind of plain value", () => {
  const value = pickle(
    "](",
    bytes("N", 0x88, 0x89),
    bytes("J", le(-5, 4)),
    bytes("K", 200),
    bytes("M", le(40000, 2)),
    bytes(0x8a, 0),
    bytes(0x8a, 1, 0xff),
    bytes(0x8a, 2, 0, 1),
    bytes("G", 0x3f, 0xf8, 0, 0, 0, 0, 0, 0),
    text("é"),
    bytes("U", 2, "ab"),
    bytes(")"),
    bytes("K", 1, 0x85),
    bytes("K", 1, "K", 2, 0x86),
    bytes("K", 1, "K", 2, "K", 3, 0x87),
    tuple(text("t")),
    bytes("]K", 7, "a"),
    bytes("}", text("k"), "K", 1, "s"),
    bytes("K", 9, "q", 3, "h", 3),
    bytes("K", 8, "r", le(70000, 4), "j", le(70000, 4)),
    "e",
  );
  deepEqual(plain(read(value)), [
    null,
    true,
    false,
    -5,
    200,
    40000,
    0,
    -1,
    256,
    1.5,
    "é",
    "ab",
    [],
    [1],
    [1, 2],
    [1, 2, 3],
    ["t"],
    [7],
    new Map([["k", 1]]),
    9,
    9,
    8,
    8,
  ]);
});

Deno.test("readPickle() says where the pickle ends", () => {
  equal(readPickle(bytes("xx", pickle("N"), "yy"), PLAIN, 2).end, 6);
});

Deno.test("readPickle() keeps an OrderedDict's items and drops its attributes", () => {
  const state = dict(text("_metadata"), call(global("collections", "OrderedDict")));
  const ordered = bytes(call(global("collections", "OrderedDict")), text("a"), "K", 1, "s");
  deepEqual(plain(read(pickle(ordered, state, "b"))), new Map([["a", 1]]));
});

Deno.test("readPickle() reads an OrderedDict as Python 2 pickles it", () => {
  const made = (...items: Uint8Array[]) =>
    pickle(call(global("collections", "OrderedDict"), bytes("](", ...items, "e")));
  const pair = (...items: Uint8Array[]) => bytes("](", ...items, "e");
  const two = made(pair(text("a"), int(1)), tuple(text("b"), pair(int(2))));
  deepEqual(plain(read(two)), new Map<string, unknown>([["a", 1], ["b", [2]]]));
  deepEqual(plain(read(pickle(call(global("collections", "OrderedDict"), bytes("]"))))), new Map());
  const broken = [
    made(int(1)),
    made(pair(text("a"))),
    made(pair(text("a"), int(1), int(2))),
    made(pair(int(1), int(2))),
    made(pair(text("a"), int(1)), pair(text("a"), int(2))),
  ];
  for (const data of broken) equal(reason(data), "BadPickle");
});

const KNOWN = new Set(
  [..."cRbQhjqrNJKMGXU()t]}aesu."].map((c) => c.charCodeAt(0))
    .concat(0x81, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8a, 0x8f),
);

Deno.test("readPickle() refuses every opcode that tensors don't need, by number", () => {
  for (let op = 0; op < 256; op++) {
    if (KNOWN.has(op)) continue;
    throws(() => read(pickle("N", op)), {
      reason: "BadPickle",
      message: new RegExp(`0x${op.toString(16).padStart(2, "0")}`),
    });
  }
});

Deno.test("readPickle() gives a typed error for every first byte", () => {
  for (let first = 0; first < 256; first++) {
    for (const rest of ["", ".", "N.", "\x02N.x"]) ok(reason(bytes(first, rest)));
  }
});

for (const protocol of [0, 1, 4, 5, 255]) {
  Deno.test(`readPickle() refuses protocol ${protocol}`, () => {
    equal(reason(bytes(0x80, protocol, "N.")), "BadPickle");
  });
}

Deno.test("readPickle() refuses a stack that is too short, opcode by opcode", () => {
  for (const op of [..."RbQqrtaesu.", "\x85", "\x86", "\x87"]) {
    const code = op.charCodeAt(0);
    const argument = op === "r" ? le(0, 4) : op === "q" ? bytes(0) : bytes();
    equal(reason(bytes(0x80, 2, code, argument, ".")), "BadPickle", op);
  }
  equal(reason(pickle("K", 1, 0x86)), "BadPickle");
  equal(reason(pickle("K", 1, 0x87)), "BadPickle");
  equal(reason(pickle("NR")), "BadPickle");
});

Deno.test("readPickle() refuses left-over values, open marks, unknown memos", () => {
  equal(reason(pickle("NN")), "BadPickle");
  equal(reason(pickle("(N")), "BadPickle");
  equal(reason(pickle("N(")), "BadPickle");
  equal(reason(pickle("h", 0)), "BadPickle");
  equal(reason(pickle("j", le(2 ** 32 - 1, 4))), "BadPickle");
  deepEqual(plain(read(pickle("Nr", le(2 ** 32 - 1, 4)))), null);
});

const REFUSED: [module: string, name: string][] = [
  ["os", "system"],
  ["posix", "system"],
  ["nt", "system"],
  ["builtins", "eval"],
  ["builtins", "exec"],
  ["builtins", "getattr"],
  ["__builtin__", "eval"],
  ["subprocess", "Popen"],
  ["numpy.core.multiarray", "_reconstruct"],
  ["torch._utils", "__globals__"],
  ["torch._utils", "_rebuild_tensor_v2.__globals__"],
  ["torch._utils", "_rebuild_sparse_tensor"],
  ["torch._utils ", "_rebuild_tensor_v2"],
  ["torch.ｆloatStorage", "x"],
  ["torch", "FlоatStorage"],
  ["torch", "load"],
  ["torch", "FloatStorage "],
  ["torch FloatStorage", ""],
  ["", "torch FloatStorage"],
  ["__proto__", "constructor"],
  ["constructor", "constructor"],
  ["__proto__.constructor", ""],
  ["", ""],
  ["argparse", "Namespace"],
];
for (const [module, name] of REFUSED) {
  Deno.test(`readPickle() only marks ${module}.${name}, called, filled or not`, () => {
    const marked = global(module, name);
    const uses = [
      marked,
      bytes(call(marked, text("touch PWNED"))),
      bytes(marked, ")", 0x81),
      bytes(call(marked), "}b"),
      bytes(marked, "Na"),
      bytes(marked, "(NNe"),
      bytes(marked, text("a"), "Ns"),
      bytes(marked, "(", text("a"), "Nu"),
    ];
    for (const use of uses) {
      const value = read(pickle(use));
      ok(value instanceof PickleUnread);
      equal(value.name, `${module} ${name}`.replace(" ", "."));
    }
    throws(() => readPickle(pickle(marked), PLAIN), {
      reason: "RefusedGlobal",
      message: /nothing was run/,
    });
  });
}

Deno.test("readPickle() refuses to call types, values and other arguments than a tuple", () => {
  equal(reason(pickle(call(global("torch", "FloatStorage")))), "BadPickle");
  equal(reason(pickle("K", 1, ")R")), "BadPickle");
  equal(reason(pickle(global("collections", "OrderedDict"), "]R")), "BadPickle");
  equal(reason(pickle(call(global("collections", "OrderedDict"), int(1)))), "BadPickle");
  equal(reason(pickle(call(global("torch", "Size"), int(1)))), "BadPickle");
});

Deno.test("readPickle() refuses to set items and attributes of values without any", () => {
  equal(reason(pickle("]", text("a"), "Ns")), "BadPickle");
  equal(reason(pickle("}Na")), "BadPickle");
  equal(reason(pickle("}}b")), "BadPickle");
  equal(reason(pickle(global("torch", "FloatStorage"), "}b")), "BadPickle");
  equal(reason(pickle(call(global("collections", "OrderedDict")), "]b")), "BadPickle");
});

Deno.test("readPickle() refuses odd, repeated and unhashable keys", () => {
  equal(reason(pickle("}(", text("a"), "u")), "BadPickle");
  equal(reason(pickle(dict(text("a"), bytes("N"), text("a"), bytes("N")))), "BadPickle");
  equal(reason(pickle(dict(bytes("]"), bytes("N")))), "BadPickle");
  equal(reason(pickle(dict(tuple(int(1)), bytes("N")))), "OK");
  const value = read(pickle(dict(text("__proto__"), int(1), text("constructor"), int(2))));
  deepEqual([...(value as PickleDict).entries], [["__proto__", 1], ["constructor", 2]]);
});

Deno.test("readPickle() refuses lengths beyond the input without allocating them", () => {
  equal(reason(bytes(0x80, 2, "X", le(0xffffffff, 4), "abc.")), "BadPickle");
  equal(reason(bytes(0x80, 2, 0x8a, 255, "abc.")), "BadPickle");
  equal(reason(bytes(0x80, 2, "c", "x".repeat(5000))), "BadPickle");
  equal(reason(pickle(0x8a, 255, new Uint8Array(255).fill(0x7f))), "OK");
});

Deno.test("readPickle() refuses deep nesting and too many containers, without recursion", () => {
  equal(reason(pickle("(".repeat(1_000_000))), "BadPickle");
  equal(reason(pickle("]", "]a".repeat(600_000))), "BadPickle");
  equal(reason(bytes(0x80, 2, ")", new Uint8Array(300_000).fill(0x85), ".")), "OK");
  equal(reason(bytes(0x80, 2, ")", new Uint8Array(600_000).fill(0x85), ".")), "BadPickle");
});

Deno.test("readPickle() keeps shared values shared: a billion laughs costs nothing", () => {
  // each of 30 tuples holds the one before twice: 2^30 leaves if it were written out
  const level = (i: number) => bytes("h", i, "h", i, 0x86, "q", i + 1);
  const laughs = Array.from({ length: 30 }, (_, i) => level(i));
  const value = pickle("](K", 1, "q", 0, ...laughs, "e");
  equal((read(value) as PickleList).items.length, 31);
});

Deno.test("readPickle() refuses too many values, on the stack or in memos", () => {
  equal(reason(bytes(0x80, 2, new Uint8Array(1_100_000).fill(0x4e))), "BadPickle");
  const kept = new Uint8Array(5 * 1_100_000).fill(0x72);
  const view = new DataView(kept.buffer);
  for (let i = 0; i < 1_100_000; i++) view.setUint32(5 * i + 1, i, true);
  const whole = new Uint8Array(kept.length + 4);
  whole.set([0x80, 2, 0x4e]);
  whole.set(kept, 3);
  whole[whole.length - 1] = 0x2e;
  throws(() => read(whole), { reason: "BadPickle", message: /stores too many/ });
});

Deno.test("readPickle() refuses bytes that repeat one text, and too many marks", () => {
  const once = bytes("h", 0, "h", 1, "h", 2, 0x86, "R0").slice(0, -1);
  const encode = bytes(global("_codecs", "encode"), "q", 0, "0").slice(0, -1);
  const start = bytes("](", encode, text("x".repeat(100_000)), "q", 1, text("latin1"), "q", 2);
  const repeated = Array.from({ length: 100 }, () => once);
  equal(reason(pickle(start, ...repeated, "e")), "BadPickle");
  equal(reason(pickle(start, once, "e")), "OK");
  equal(reason(pickle("](", "cx\ny\n".repeat(600_000), "e")), "BadPickle");
});

Deno.test("readPickle() refuses text that is not UTF-8", () => {
  equal(reason(pickle("X", le(1, 4), 0xff)), "BadPickle");
  equal(reason(pickle("U", 1, 0xff)), "BadPickle");
});

Deno.test("readPickle() gives a typed error at every prefix of a state dict", () => {
  const whole = pickle(dict(text("w"), tensor(), text("epoch"), int(3)));
  for (let length = 0; length < whole.length; length++) {
    throws(() => read(whole.slice(0, length)), CheckpointError, `${length} bytes`);
  }
  read(whole);
});

Deno.test("readPickle() with PLAIN refuses every global and persistent id", () => {
  throws(() => readPickle(pickle(global("torch", "Size")), PLAIN), { reason: "RefusedGlobal" });
  throws(() => readPickle(pickle("NQ"), PLAIN), { reason: "BadPickle" });
});
