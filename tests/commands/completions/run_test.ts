import assert from "node:assert/strict";
import { main } from "../../../cli.ts";
import { recorder } from "../../support/recorder.ts";

Deno.test("far completions prints the script of a shell", async () => {
  const beginnings = { bash: /^# bash/, zsh: /^#compdef far/, fish: /^# fish/ };
  for (const [shell, beginning] of Object.entries(beginnings)) {
    const terminal = recorder();
    assert.equal(await main(["completions", shell], terminal), 0);
    assert.match(terminal.stdout, beginning);
  }
});

Deno.test("far completions refuses another shell", async () => {
  const terminal = recorder();
  assert.equal(await main(["completions", "fisch"], terminal), 2);
  assert.match(terminal.stderr[0]!, /"fisch" \(did you mean "fish"\?\): give bash, zsh, fish/);
});
