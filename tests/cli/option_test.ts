import assert from "node:assert/strict";
import { UsageError } from "../../cli/errors.ts";
import { optionKey, optionName, type OptionSpec, parseJson, parseText } from "../../cli/option.ts";
import { COMMANDS } from "../../commands/table.ts";
import { GENERATE_OPTIONS } from "../../request/options.ts";

const spec = (entry: Partial<OptionSpec> & Pick<OptionSpec, "kind">): OptionSpec => ({
  help: "",
  ...entry,
});

/** The message of the usage error that `act` must throw. */
function usageMessage(act: () => unknown): string {
  let message = "";
  assert.throws(act, (error) => {
    assert(error instanceof UsageError);
    message = error.message;
    return true;
  });
  return message;
}

Deno.test("optionName() and optionKey() map between code, command line and JSON", () => {
  assert.equal(optionName("contextFrames"), "context-frames");
  for (const name of ["context-frames", "context_frames", "contextFrames"]) {
    assert.equal(optionKey(name), "contextFrames");
  }
});

Deno.test("parseText() reads each kind of value", () => {
  assert.equal(parseText(spec({ kind: "integer", min: 1 }), "48", "--frames"), 48);
  assert.equal(parseText(spec({ kind: "number" }), "-1.5", "--guidance"), -1.5);
  assert.equal(parseText(spec({ kind: "seed" }), "18446744073709551615", "-s"), 2n ** 64n - 1n);
  assert.equal(parseText(spec({ kind: "seed" }), "-1", "--seed"), -1n);
  assert.deepEqual(parseText(spec({ kind: "size" }), "96X64", "-s"), { width: 96, height: 64 });
  assert.equal(parseText(spec({ kind: "path" }), "-", "--output"), "-");
  const rng = spec({ kind: "choice", choices: ["torch", "cuda"], aliases: { cpu: "torch" } });
  assert.equal(parseText(rng, "cpu", "--rng"), "torch");
});

Deno.test("parseText() says what a value must be", () => {
  const cases: [OptionSpec, string, string][] = [
    [spec({ kind: "integer", min: 1 }), "0", "a whole number of at least 1"],
    [spec({ kind: "integer", min: 1 }), "", "a whole number of at least 1"],
    [spec({ kind: "integer", min: 1, max: 9 }), "1.5", "a whole number from 1 to 9"],
    [spec({ kind: "integer", max: 9 }), "1e400", "a whole number of at most 9"],
    [spec({ kind: "number" }), "much", "a number"],
    [spec({ kind: "size" }), "64", "WIDTHxHEIGHT, such as 64x64"],
    [spec({ kind: "size" }), "0x64", "WIDTHxHEIGHT, such as 64x64"],
    [spec({ kind: "choice", choices: ["a", "b"] }), "c", "one of a, b"],
    [spec({ kind: "path" }), "", "a non-empty text"],
  ];
  for (const [entry, text, must] of cases) {
    const message = usageMessage(() => parseText(entry, text, "--x"));
    assert.equal(message, `Cannot use --x ${text || '""'}: it must be ${must}`);
  }
  for (const seed of ["-2", "18446744073709551616", "1.5", ""]) {
    assert.match(
      usageMessage(() => parseText(spec({ kind: "seed" }), seed, "--seed")),
      /-1 to draw/,
    );
  }
});

Deno.test("parseJson() takes arrays for lists, and numbers for words", () => {
  assert.equal(parseJson(spec({ kind: "list" }), [0, "left*3", 1], "x"), "0,left*3,1");
  assert.equal(parseJson(spec({ kind: "list" }), 7, "x"), "7");
  assert.equal(parseJson(spec({ kind: "seed" }), 7, "x"), 7n);
  assert.equal(parseJson(spec({ kind: "seed" }), "18446744073709551615", "x"), 2n ** 64n - 1n);
  const output = spec({ kind: "path", repeatable: true });
  assert.deepEqual(parseJson(output, "a.mp4", "x"), ["a.mp4"]);
  assert.deepEqual(parseJson(output, ["a.mp4", "b.gif"], "x"), ["a.mp4", "b.gif"]);
});

Deno.test("parseJson() takes a seed beyond 2^53 only as text", () => {
  const seed = { kind: "seed", help: "" } as const;
  assert.equal(parseJson(seed, "9007199254740993", "x"), 9007199254740993n);
  assert.throws(
    () => parseJson(seed, 2 ** 53, "x"),
    /Cannot use x: a JSON number would be rounded/,
  );
});

Deno.test("parseJson() refuses other types and says which it found", () => {
  const cases: [OptionSpec, unknown, string][] = [
    [spec({ kind: "integer", min: 1 }), "12", 'a whole number of at least 1, not "12"'],
    [spec({ kind: "flag" }), 1, "true or false, not 1"],
    [spec({ kind: "list" }), [[0]], "a non-empty text, not [[0]]"],
    [spec({ kind: "path" }), null, "a non-empty text, not null"],
  ];
  for (const [entry, json, must] of cases) {
    const message = usageMessage(() => parseJson(entry, json, '"x" in "job.json"'));
    assert.equal(message, `Cannot use "x" in "job.json": it must be ${must}`);
  }
});

const BILLION = "1000000000";
const BOMBS = [
  ["count", BILLION, /whole number from 1 to 10000$/],
  ["count", "10001", /whole number from 1 to 10000$/],
  ["label", `0*${BILLION}`, /list of at most 10000 entries$/],
  ["label", "0*5000,1*5001", /list of at most 10000 entries$/],
  ["label", new Array(1001).fill("0*10").join(), /list of at most 10000 entries$/],
  ["actions", "left*999999,right*2", /list of at most 1000000 entries$/],
  ["frames", BILLION, /whole number from 1 to 1000000$/],
] as const;

for (const [name, value, expected] of BOMBS) {
  Deno.test(`--${name} ${value.slice(0, 20)} is refused by the table, at every door`, () => {
    const entry = GENERATE_OPTIONS[name];
    assert.match(usageMessage(() => parseText(entry, value, `--${name}`)), expected);
    const json = name === "label" || name === "actions" ? value : Number(value);
    assert.match(
      usageMessage(() => parseJson(entry, json, name)),
      new RegExp(expected.source.replace("$", ", not")),
    );
  });
}

Deno.test("the option tables use no short letter twice in one command", () => {
  for (const { name, options } of COMMANDS) {
    const letters = Object.values(options).flatMap(({ short }) => short ?? []);
    assert.equal(new Set(letters).size, letters.length, name);
    assert(!letters.includes("h") && !letters.includes("V"), `${name}: -h and -V are taken`);
  }
});

Deno.test("the option tables have four headings, in the same order in every command", () => {
  for (const { name, options } of COMMANDS) {
    const headings = Object.values(options).map(({ group }) => group ?? "none");
    const order = ["Input", "Output", "Generation", "Logging"];
    assert.deepEqual([...new Set(headings)], order.filter((one) => headings.includes(one)), name);
  }
});

Deno.test("--codec takes the names that other tools use", () => {
  for (const [name, ours] of [["h264", "avc"], ["h265", "hevc"], ["av1", "av1"]] as const) {
    assert.equal(parseText(GENERATE_OPTIONS.codec, name, "--codec"), ours);
  }
});

Deno.test("the option tables keep every name of the command line's contract", () => {
  const contract = "model output frames context context-frames context-start context-stride " +
    "actions label steps guidance solver seed rng noise size count flexrope only-generated fps " +
    "quality codec scale dtype no-cache backend preview dry-run no-metadata json quiet verbose " +
    "progress config format";
  const names = Object.keys(GENERATE_OPTIONS).map(optionName);
  assert.deepEqual(contract.split(" ").filter((name) => !names.includes(name)), []);
});
