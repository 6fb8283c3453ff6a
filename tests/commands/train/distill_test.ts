import assert from "node:assert/strict";
import { main } from "../../../cli.ts";
import { recorder } from "../../support/recorder.ts";

const REFUSED: readonly [string[], RegExp][] = [
  [["--distill", "2"], /Give the model to distill: --model/],
  [["--distill", "0", "-m", "demo"], /--distill/],
  [["--distill", "two", "-m", "demo"], /--distill/],
  [["--distill", "2", "-m", "demo", "--architecture", "FAR_B"], /--architecture with --distill/],
  [["--distill", "2", "-m", "demo", "--transformer", "t.json"], /--transformer with --distill/],
  [["--distill", "2", "-m", "demo", "--vae", "demo"], /--vae with --distill/],
  [["--distill", "2", "--preset", "FAR_B"], /--preset with --distill/],
  [["--distill", "2", "--autoencoder", "--architecture", "8x"], /--distill with --autoencoder/],
  [["--distill", "2", "-m", "demo", "--clean-context", "0.5"], /--clean-context with --distill/],
  [["-m", "demo", "--guidance", "2"], /--guidance without --distill/],
  [["-m", "demo", "--teacher-steps", "2"], /--teacher-steps without --distill/],
  [["-m", "demo", "--flow-share", "0.5"], /--flow-share without --distill/],
  [["-m", "demo", "--own-context", "0.5"], /--own-context without --distill/],
  [["--distill", "2", "-m", "demo", "--guidance", "0.5"], /--guidance/],
  [["--distill", "2", "-m", "demo", "--own-context", "1.5"], /--own-context/],
];

for (const [args, expected] of REFUSED) {
  Deno.test(`far train ${args.join(" ")} is refused`, async () => {
    const terminal = recorder();
    const given = ["train", "x.npz", "-o", "x", "--steps", "1", ...args];
    const status = await main(given, terminal);
    const stderr = terminal.stderr.join("\n");
    assert.equal(status, 2, stderr);
    assert.match(stderr, expected);
    assert.equal(stderr.trim().split("\n").filter((line) => /Cannot|Give/.test(line)).length, 1);
  });
}
