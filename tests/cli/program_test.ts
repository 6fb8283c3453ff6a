import assert from "node:assert/strict";
import { type CommandSpec, defineCommand } from "../../cli/command.ts";
import { COMMON_OPTIONS, CONFIG } from "../../cli/common_options.ts";
import { NOTHING } from "../../cli/permissions.ts";
import { COMMANDS } from "../../commands/table.ts";
import { parseCommandLine } from "../../cli/program.ts";
import { withVariables } from "../support/environment.ts";

const paint = defineCommand({
  name: "paint",
  summary: "paint a wall",
  description: "Paints one wall.",
  arguments: [{ name: "WALL", help: "which" }, {
    name: "MORE",
    help: "others",
    optional: true,
    repeatable: true,
  }],
  options: {
    coats: { kind: "integer", short: "c", min: 1, value: "N", default: "1", help: "how many" },
    colour: { kind: "choice", choices: ["red", "blue"], help: "which", env: "FAR_TEST_COLOUR" },
    output: { kind: "path", short: "o", repeatable: true, help: "where" },
    noPrimer: { kind: "flag", help: "without" },
    ...COMMON_OPTIONS,
    config: CONFIG,
  },
  examples: [{ line: "far paint north", does: "one wall" }],
  permissions: NOTHING,
  load: () => Promise.resolve({ run: () => Promise.resolve() }),
});
const TABLE: readonly CommandSpec[] = [paint];

async function parse(line: string) {
  return await parseCommandLine(line.split(" ").filter(Boolean), TABLE, "far 1.2.3");
}

/** Options and operands of a line that asks for the command. */
async function call(line: string) {
  const request = await parse(line);
  assert(request.kind === "command");
  return { options: request.options as Record<string, unknown>, operands: request.operands };
}

async function text(line: string): Promise<string> {
  const request = await parse(line);
  assert(request.kind === "text");
  return request.text;
}

async function refused(line: string): Promise<string> {
  let message = "";
  await assert.rejects(parse(line), (error: Error) => {
    assert.equal(error.name, "UsageError");
    message = error.message;
    return true;
  });
  return message;
}

Deno.test("parseCommandLine() returns only given options", async () => {
  assert.deepEqual(await call("paint north"), { options: {}, operands: ["north"] });
  assert.deepEqual(await call("paint -c 2 north south --no-primer -o a -o - east -q"), {
    options: { coats: 2, noPrimer: true, output: ["a", "-"], quiet: true },
    operands: ["north", "south", "east"],
  });
});

Deno.test("parseCommandLine() names the nearest right word", async () => {
  assert.match(await refused("pant north"), /^Unknown command 'pant' \(did you mean "paint"\?\)/);
  assert.match(
    await refused("paint north --coat=2"),
    /^Unknown option '--coat=2' \(did you mean "--coats"\?\); see `far help paint`$/,
  );
  assert.match(await refused("help pant"), /^Unknown command 'pant' \(did you mean "paint"\?\)/);
  assert.match(await refused("paint north --zzzzzz"), /^Unknown option '--zzzzzz'; see/);
});

Deno.test("parseCommandLine() refuses what the table does not allow", async () => {
  assert.equal(
    await refused("paint north --coats none"),
    "Cannot use --coats none: it must be a whole number of at least 1",
  );
  assert.match(await refused("paint north --colour green"), /must be one of red, blue$/);
  assert.match(await refused("paint"), /missing required argument 'WALL'/i);
  assert.match(await refused("paint north --coats"), /argument missing/);
  assert.equal(await refused("--"), "Give a command; see `far help`");
});

Deno.test("parseCommandLine() gives help and version everywhere", async () => {
  for (const line of ["", "--help", "-h", "help", "help help"]) {
    assert.match(await text(line), /^Usage: far .*\n[^]*paint [^\n]*paint a wall/, line);
  }
  const help = await text("help paint");
  assert.equal(await text("paint --help"), help);
  assert.match(help, /-c, --coats <N> +how many \(default: 1\)/);
  assert.match(help, /--colour <red\|blue>/);
  assert.match(help, /Examples:\n {2}far paint north\n {6}one wall\n$/);
  for (const line of ["--version", "-V", "paint --version"]) {
    assert.equal(await text(line), "far 1.2.3\n");
  }
});

Deno.test("parseCommandLine(): the command line overrides --config, which overrides the environment", async () => {
  const path = await Deno.makeTempFile({ suffix: ".json" });
  try {
    await Deno.writeTextFile(path, '{"coats": 3, "colour": "red"}');
    const withColour = <T>(colour: string, body: () => Promise<T>) =>
      withVariables({ FAR_TEST_COLOUR: colour }, body);
    const blue = await withColour("blue", () => call("paint north"));
    assert.deepEqual(blue.options, { colour: "blue" });
    const line = `paint north --coats 5 --config ${path}`;
    const { options } = await withColour("blue", () => call(line));
    assert.deepEqual(options, { coats: 5, colour: "red", config: path });
    const green = await withColour("green", () => refused("paint north"));
    assert.match(green, /^Cannot use FAR_TEST_COLOUR green: it must be/);
  } finally {
    await Deno.remove(path);
  }
});

Deno.test("parseCommandLine() suggests our options for those of other tools", async () => {
  const cases = {
    "--cfg-scale 2": "--guidance)",
    "--guidance-scale 2": "--guidance)",
    "--num-inference-steps 9": "--steps)",
    "-i a.png": "--context)",
    "--init-img a.png": "--context)",
    "--crf 18": "--quality, where more is better)",
    "--width 64": "--size WxH)",
    "--num_inference_steps 9": "--steps)",
    "--scheduler euler": "--solver)",
    "-r 10": "--fps)",
    "--negative-prompt cat": "--guidance: FAR models take no text)",
    "--prompt cat": "--actions or --label: FAR models take no text)",
    "--threads 4": "the environment variable LP_NUM_THREADS=N, for the software adapter)",
  };
  for (const [words, hint] of Object.entries(cases)) {
    const asked = parseCommandLine(["generate", ...words.split(" ")], COMMANDS, "");
    await assert.rejects(asked, (error: Error) => error.message.includes(`(use ${hint}`));
  }
  const asked = parseCommandLine(["pull", "x", "--cfg-scale", "2"], COMMANDS, "");
  await assert.rejects(asked, (error: Error) => !error.message.includes("--guidance"));
});
