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

Deno.test("far completions answers the scripts' questions", async () => {
  const ask = async (...words: string[]) => {
    const terminal = recorder();
    assert.equal(await main(["completions", ...words], terminal), 0, terminal.stderr.join());
    return terminal.stdout.trim().split("\n");
  };
  assert.equal((await ask("models"))[0], "demo");
  assert.ok((await ask("released")).includes("FAR_B_bair_res64_200K_bs32"));
  assert.deepEqual(await ask("actions"), ["forward", "left", "right", "stay"]);
  const lists: [string[], string][] = [
    [["far", "generate", "-a", "l"], "forward"],
    [["far", "generate", "-a", "left*3,"], "left*3,forward"],
    [["far", "generate", "--model", "weights/demo", "-a", "left,ri"], "left,forward"],
    [["far", "generate", "--model=demo", "-a", ""], "forward"],
  ];
  for (const [line, first] of lists) assert.equal((await ask("actions", "--", ...line))[0], first);
  assert.deepEqual(await ask("local", "--", "far", "models", ""), ["rm"]);
});
