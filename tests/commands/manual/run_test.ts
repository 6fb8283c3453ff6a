import assert from "node:assert/strict";
import { main } from "../../../cli.ts";
import { COMMANDS } from "../../../commands/table.ts";
import { optionName } from "../../../cli/option.ts";
import { isInstalled } from "../../support/installed.ts";
import { recorder } from "../../support/recorder.ts";

async function manual(...args: string[]): Promise<string> {
  const terminal = recorder();
  assert.equal(await main(["manual", ...args], terminal), 0);
  return terminal.stdout;
}

Deno.test("far manual has every command and option, as a page for man", async () => {
  const page = await manual();
  assert.match(page, /^\.TH FAR 1 "" "far \d+\.\d+\.\d+"/);
  for (const { name, options } of COMMANDS) {
    assert.match(page, new RegExp(`^\\.SS "far ${name} `, "m"));
    for (const key of Object.keys(options)) {
      const long = `--${optionName(key)}`.replaceAll("-", "\\-");
      assert.ok(page.includes(long), `${name} ${key}`);
    }
  }
  const requests = page.split("\n").filter((line) => /^['.]/.test(line));
  assert.ok(requests.every((line) => /^\.(TH|SH|SS|TP|PP|B|BR|br)\b/.test(line)));
});

const MAN = await isInstalled("man", "--version");
if (!MAN) console.error("NOT TESTED: that man reads the manual page, as it is not installed");

Deno.test({
  name: "far manual is read by man without a warning",
  ignore: !MAN,
  fn: async () => {
    const path = await Deno.makeTempFile({ suffix: ".1" });
    await Deno.writeTextFile(path, await manual());
    const { stdout, stderr } = await new Deno.Command("man", {
      args: ["--warnings", "-l", path],
      env: { MANWIDTH: "80", LC_ALL: "C.UTF-8", MANROFFOPT: "" },
    }).output();
    await Deno.remove(path);
    assert.equal(new TextDecoder().decode(stderr), "");
    assert.match(new TextDecoder().decode(stdout), /EXIT STATUS/);
  },
});

Deno.test("far manual --format markdown has every command with its permissions", async () => {
  const page = await manual("--format", "markdown");
  for (const { name } of COMMANDS) {
    assert.match(page, new RegExp(`^## far ${name}$`, "m"));
  }
  assert.equal(page.match(/^\*\*Permissions\*\*: `--allow/gm)?.length, COMMANDS.length);
});
