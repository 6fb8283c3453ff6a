import assert from "node:assert/strict";
import { CheckpointError } from "../../files/errors.ts";
import { checkSpace } from "../../files/folders.ts";

Deno.test("checkSpace() says how much is needed and how much is free", async () => {
  const folder = await Deno.makeTempDir();
  try {
    await checkSpace(folder, 0, "Cannot write it");
    await assert.rejects(checkSpace(folder, 2 ** 70, "Cannot write it"), (error) => {
      assert.ok(error instanceof CheckpointError && error.reason === "Unwritable");
      const [, needed, left] = /^Cannot write it: it needs (\d+) MB and ".+" has (\d+) MB left$/
        .exec(error.message) ?? [];
      assert.ok(Number(left) >= 0 && Number(left) < Number(needed), error.message);
      return true;
    });
  } finally {
    await Deno.remove(folder);
  }
});

Deno.test("a program that is ended at once leaves no unfinished file", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const code = `
      import { AtomicFile } from "${import.meta.resolve("../../files/atomic_file.ts")}";
      const bytes = new Uint8Array(9);
      const folder = ${JSON.stringify(folder)};
      const kept = await AtomicFile.create(folder + "/kept");
      await kept.write(bytes);
      await kept.commit();
      await (await AtomicFile.create(folder + "/lost")).write(bytes);
      Deno.addSignalListener("SIGINT", () => Deno.exit(130)); // as the program does at the second
      Deno.kill(Deno.pid, "SIGINT");
      setInterval(() => {}, 1000);
    `;
    const { code: status } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--no-check", `data:application/typescript,${encodeURIComponent(code)}`],
      stderr: "inherit",
    }).output();
    assert.equal(status, 130);
    const left = [...Deno.readDirSync(folder)].map(({ name }) => name);
    assert.deepEqual(left, ["kept"]);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
