import assert from "node:assert/strict";
import { join } from "node:path";
import { COMMANDS } from "../../../commands/table.ts";
import { bashCompletions } from "../../../commands/completions/bash.ts";
import { fishCompletions } from "../../../commands/completions/fish.ts";
import { commandWords } from "../../../commands/completions/words.ts";
import { zshCompletions } from "../../../commands/completions/zsh.ts";
import { optionName } from "../../../cli/option.ts";
import { isInstalled } from "../../support/installed.ts";
import { HAS_TMUX, TmuxTerminal } from "../play/tmux.ts";

const [BASH, ZSH, FISH] = await Promise.all(
  ["bash", "zsh", "fish"].map((shell) => isInstalled(shell, "-c", "true")),
);
if (!BASH) console.error("NOT TESTED: completions for bash, as it is not installed");
if (!ZSH || !HAS_TMUX) console.error("NOT TESTED: completions for zsh, as it is not installed");
if (!FISH) console.error("NOT TESTED: completions for fish, as it is not installed");

const WORDS = commandWords(COMMANDS);

/** What a shell prints for a script, with files around it. */
async function shell(program: string, script: string, text: string): Promise<string[]> {
  const folder = await Deno.makeTempDir();
  await Deno.writeTextFile(join(folder, "script"), text);
  await Deno.writeTextFile(join(folder, "clip.npz"), "");
  const command = new Deno.Command(program, { args: ["-c", script], cwd: folder });
  const { success, stdout, stderr } = await command.output();
  await Deno.remove(folder, { recursive: true });
  assert.equal(new TextDecoder().decode(stderr), "");
  assert.ok(success);
  return new TextDecoder().decode(stdout).trim().split("\n").map((line) => line.split("\t")[0]!);
}

/** Stands in for the program: it answers requests for names with the request itself. */
const ANSWERS = {
  bash: 'far() { [ "$1" = completions ] && printf "%s\\n" "a-$2" "b-${!#}"; }',
  fish: "function far; echo a-$argv[2]; echo b-$argv[-1]; end",
  zsh: "far() { print -l a-$2 b-${@[-1]} }",
};

function bash(...line: string[]): Promise<string[]> {
  const words = line.map((word) => `'${word}'`).join(" ");
  const script =
    `source ./script; ${ANSWERS.bash}; COMP_WORDS=(${words}); COMP_CWORD=${
      line.length - 1
    }; _far; ` +
    `printf '%s\\n' "\${COMPREPLY[@]}"`;
  return shell("bash", script, bashCompletions(WORDS));
}

function fish(line: string): Promise<string[]> {
  return shell(
    "fish",
    `source ./script; ${ANSWERS.fish}; complete -C '${line}'`,
    fishCompletions(WORDS),
  );
}

Deno.test("zshCompletions() escapes characters that would end a part of a specification", () => {
  const option = { long: "x", short: undefined, help: "a: b [c]", repeatable: false };
  const words = { name: "x", summary: "y: z", argument: { kind: "text" } } as const;
  const value = { name: "A:B", value: { kind: "files" } } as const;
  const text = zshCompletions([{ ...words, options: [{ ...option, ...value }] }]);
  assert.match(text, /'--x\[a\\: b \\\[c\\\]\]:A\\:B:_files'/);
  assert.match(text, /'x:y\\: z'/);
});

const NAMES = [...COMMANDS.map(({ name }) => name), "help"];

Deno.test({
  name: "bash completes commands, options, values and files",
  ignore: !BASH,
  fn: async () => {
    assert.deepEqual(await bash("far", "ge"), ["generate"]);
    assert.deepEqual(await bash("far", ""), [...NAMES, "--help", "--version"]);
    assert.deepEqual(await bash("far", "generate", "--so"), ["--solver"]);
    assert.deepEqual(await bash("far", "generate", "--solver", "h"), ["heun"]);
    assert.deepEqual(await bash("far", "generate", "-n", ""), [""]);
    assert.deepEqual(await bash("far", "completions", ""), ["bash", "zsh", "fish"]);
    assert.deepEqual(await bash("far", "help", "pl"), ["play"]);
    assert.deepEqual(await bash("far", "generate", "-m", "a"), ["a-models"]);
    assert.deepEqual(await bash("far", "generate", "-a", "b"), ["b-b"]);
    assert.deepEqual(await bash("far", "generate", "--model", "=", "a"), ["a-models"]);
    assert.deepEqual(await bash("far", "generate", "--rng", "="), ["torch", "cuda"]);
    assert.deepEqual(await bash("far", "pull", "a"), ["a-released"]);
    assert.deepEqual(await bash("far", "models", "rm", "a"), ["a-local"]);
    assert.deepEqual(await bash("far", "convert", "--preset", "a"), ["a-released"]);
    assert.deepEqual(await bash("far", "generate", "-m", "cl"), [""]); // a folder
    // no completions from us: bash falls back to files
    assert.deepEqual(await bash("far", "generate", "-o", "cl"), [""]);
  },
});

Deno.test({
  name: "fish completes commands, options, values and files",
  ignore: !FISH,
  fn: async () => {
    assert.deepEqual((await fish("far ")).sort(), [...NAMES].sort());
    assert.deepEqual(await fish("far generate --so"), ["--solver"]);
    assert.deepEqual(await fish("far generate --solver h"), ["heun"]);
    assert.deepEqual(await fish("far generate --context cl"), ["clip.npz"]);
    assert.deepEqual(await fish("far inspect cl"), ["clip.npz"]);
    assert.deepEqual(await fish("far generate -m a"), ["a-models"]);
    assert.deepEqual(await fish("far generate -m cl"), ["clip.npz"]); // a folder
    assert.deepEqual(await fish("far generate -a b"), ["b-b"]);
    assert.deepEqual(await fish("far models rm a"), ["a-local"]);
    assert.deepEqual((await fish("far models rm ")).filter((name) => /clip/.test(name)), []);
    assert.deepEqual((await fish("far pull ")).filter((name) => /clip/.test(name)), []);
    assert.deepEqual(await fish("far generate --model=a"), ["--model=a-models"]);
    assert.deepEqual((await fish("far completions ")).sort(), ["bash", "fish", "zsh"]);
  },
});

Deno.test({
  name: "zsh completes commands, options, values and files",
  ignore: !ZSH || !HAS_TMUX,
  fn: async () => {
    const folder = await Deno.makeTempDir();
    await Deno.writeTextFile(join(folder, "_far"), zshCompletions(WORDS));
    await Deno.writeTextFile(join(folder, "clip.npz"), "");
    const terminal = await TmuxTerminal.open("zsh -f", folder);
    try {
      await terminal.press("PS1=READY; autoload -U compinit; compinit -u; . ./_far", "Enter");
      await terminal.until(/^READY/m);
      await terminal.press(ANSWERS.zsh, "Enter");
      const cases: [string, RegExp][] = [
        ["far gen", /far generate$/m],
        ["far generate --so", /far generate --solver$/m],
        ["far generate --solver h", /far generate --solver heun/],
        ["far inspect cl", /far inspect clip\.npz/],
        ["far completions z", /far completions zsh/],
        ["far generate -m a", /far generate -m a-models/],
        ["far generate -a b", /far generate -a b-b/],
        ["far pull a", /far pull a-released/],
      ];
      for (const [line, wanted] of cases) {
        await terminal.press("C-u", line, "Tab");
        await terminal.until(wanted);
      }
    } finally {
      await terminal.close();
      await Deno.remove(folder, { recursive: true });
    }
  },
});

Deno.test("all three scripts complete every option of every command", () => {
  const texts = [bashCompletions(WORDS), zshCompletions(WORDS), fishCompletions(WORDS)];
  for (const { name, options } of COMMANDS) {
    for (const key of Object.keys(options)) {
      const long = optionName(key);
      assert.match(texts[0]!, new RegExp(`--${long}\\b`), `${name} ${long}`);
      assert.match(texts[1]!, new RegExp(`--${long}[\\[}]`), `${name} ${long}`);
      assert.match(texts[2]!, new RegExp(`from ${name}' -l ${long} `), `${name} ${long}`);
    }
  }
});
