import assert from "node:assert/strict";
import { ownCommand } from "../../../batch/gpu/gpu_process.ts";
import { CHILD_ARGUMENT } from "../../../batch/gpu/child_settings.ts";

/** The rights that SECURITY.md gives the process that holds the GPU. */
const RIGHTS: [what: string, may: boolean, attempt: string][] = [
  ["read any file", true, `Deno.readFileSync("/etc/passwd")`],
  ["write any file", true, `Deno.removeSync(Deno.makeTempFileSync())`],
  ["call native codecs", true, `(await Deno.permissions.query({ name: "ffi" })).state`],
  ["start ffmpeg", true, `Deno.permissions.querySync({ name: "run", command: "ffmpeg" })`],
  ["start a shell", false, `new Deno.Command("sh", { args: ["-c", "true"] }).outputSync()`],
  ["start Deno", false, `new Deno.Command(Deno.execPath(), { args: ["-V"] }).outputSync()`],
  ["reach the network", false, `await fetch("http://127.0.0.1:40123/")`],
  ["listen", false, `Deno.listen({ port: 0 })`],
  ["read any variable", false, `Deno.env.toObject()`],
  ["read a secret", false, `Deno.env.get("AWS_SECRET_ACCESS_KEY")`],
];

Deno.test("ownCommand() gives the GPU process the rights that SECURITY.md names, and no more", async () => {
  const { program, args } = ownCommand();
  const script = await Deno.makeTempFile({ suffix: ".ts" });
  try {
    const attempts = RIGHTS.map(([what, , attempt]) =>
      `try { ${attempt}; console.log(${JSON.stringify(what)}, true); } catch (error) {
        console.log(${
        JSON.stringify(what)
      }, error instanceof Deno.errors.NotCapable ? false : error);
      }`
    );
    await Deno.writeTextFile(script, attempts.join("\n"));
    assert.equal(args.at(-1), CHILD_ARGUMENT);
    const flags = args.slice(0, -2);
    const { stdout } = await new Deno.Command(program, {
      args: [...flags, "--no-config", script],
    }).output();
    assert.deepEqual(
      new TextDecoder().decode(stdout).trim().split("\n"),
      RIGHTS.map(([what, may]) => `${what} ${may}`),
    );
    for (const name of ["run", "sys"]) {
      assert.ok(!flags.includes(`--allow-${name}`), name);
    }
  } finally {
    await Deno.remove(script);
  }
});
