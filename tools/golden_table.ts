/**
 * Runs the tests that compare with the released code and prints the error that each golden reaches,
 * as a Markdown table with a column per kernel form. Fails if a test does.
 *
 *     deno run -A tools/golden_table.ts
 */
import { fileURLToPath } from "node:url";

const TESTS = [
  "tests/model/transformer_test.ts",
  "tests/run/session_test.ts",
  "tests/run/pipeline_test.ts",
  "tests/model/autoencoder_test.ts",
];
const FORMS = ["own kernels", "GPU kernels", "GPU kernels, divided", "GPU kernels, packed"];

/** What `assertGolden` prints: the largest error of some tensors of a golden. */
interface Comparison {
  readonly golden: string;
  readonly what: string;
  /** One of `FORMS`. */
  readonly by: string;
  readonly tensors: number;
  readonly error: number;
  readonly tolerance: number;
}

const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
  args: ["test", "-A", ...TESTS],
  cwd: fileURLToPath(new URL("..", import.meta.url)),
  env: { NO_COLOR: "1", FAR_ALL_FORMS: "1" },
}).output();
const output = new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
const comparisons = [...output.matchAll(/^golden (\{.*\})$/gm)]
  .map(([, json]): Comparison => JSON.parse(json!));
if (!success || comparisons.length === 0) {
  console.error(output);
  Deno.exit(1);
}

const rows = Object.groupBy(comparisons, ({ golden, what }) => `${golden} | ${what}`);
const lines = Object.entries(rows).map(([name, all]) => {
  const { tensors, tolerance } = all![0]!;
  const errors = FORMS.map((form) => all!.find(({ by }) => by === form)?.error.toExponential(1));
  const cells = [name, tensors, ...errors.map((error) => error ?? ""), tolerance.toExponential(1)];
  return `| ${cells.join(" | ")} |`;
});
console.log(`| golden | what | tensors | ${FORMS.join(" | ")} | allowed |`);
console.log(`|---|---|---|${"---|".repeat(FORMS.length + 1)}`);
for (const line of lines.sort()) console.log(line);
console.error(`${comparisons.length} comparisons, each within what is allowed`);
