import { deepEqual, equal, match, rejects } from "node:assert/strict";
import { join } from "node:path";
import { InterruptedError } from "../../../cli/errors.ts";
import { run } from "../../../commands/pull/run.ts";
import { COMMIT, FakeHub } from "../../support/fake_hub.ts";
import { recorder } from "../../support/recorder.ts";
import { withVariables } from "../../support/environment.ts";

type Options = Parameters<typeof run>[0]["options"];

async function pull(
  name: string,
  options: Options = {},
  signal: AbortSignal = new AbortController().signal,
) {
  const terminal = recorder();
  await run({ options, operands: [name], terminal, signal });
  return terminal;
}

/** Runs with a hub on localhost that the environment points to. */
async function withHub(use: (hub: FakeHub) => Promise<void>): Promise<void> {
  const hub = await FakeHub.start();
  hub.large.set("dcae/x.pth", new Uint8Array(2_000_000));
  const variables = {
    HF_ENDPOINT: hub.settings.endpoint,
    HF_HUB_CACHE: hub.settings.cache,
    HF_TOKEN: "hf_secret",
  };
  try {
    await withVariables(variables, () => use(hub));
  } finally {
    await hub.stop();
  }
}

Deno.test("far pull prints the path of a file, and where it came from as JSON", async () => {
  await withHub(async (hub) => {
    const { stdout } = await pull("someone/model/dcae/x.pth");
    const path = stdout.trimEnd();
    equal((await Deno.stat(path)).size, 2_000_000);
    const again = await pull("someone/model/dcae/x.pth@v1.0", { json: true });
    deepEqual(JSON.parse(again.stdout), {
      repository: "someone/model",
      commit: COMMIT,
      path,
      files: [{ name: "dcae/x.pth", path, bytes: 2_000_000 }],
    });
    equal(hub.requests("store").length, 1);
  });
});

Deno.test("far pull reports progress as JSON lines, and nothing when quiet", async () => {
  await withHub(async (hub) => {
    const { stderr } = await pull("someone/model/dcae/x.pth", { progress: "json" });
    const events = stderr.map((line) => JSON.parse(line));
    equal(events[0].event, "start");
    deepEqual([events.at(-1).event, events.at(-1).total], ["end", 2]);
    await Deno.remove(hub.settings.cache, { recursive: true });
    deepEqual((await pull("someone/model/dcae/x.pth", { quiet: true })).stderr, []);
  });
});

Deno.test("far pull --dry-run says what would be fetched and fetches nothing", async () => {
  await withHub(async (hub) => {
    const { stdout } = await pull("someone/model/dcae/x.pth", { dryRun: true });
    match(stdout, /2\.0 MB {2}dcae\/x\.pth\n\s+2\.0 MB {2}to fetch\n/);
    equal(hub.requests("store").length, 0);
    await pull("someone/model/dcae/x.pth");
    const again = await pull("someone/model/dcae/x.pth", { dryRun: true, json: true });
    deepEqual(JSON.parse(again.stdout).files, [
      { name: "dcae/x.pth", bytes: 2_000_000, cached: true },
    ]);
  });
});

Deno.test("far pull --offline uses what is there", async () => {
  await withHub(async (hub) => {
    await rejects(pull("someone/model/dcae/x.pth", { offline: true }), /offline/);
    await pull("someone/model/dcae/x.pth");
    const asked = hub.seen.length;
    await pull("someone/model/dcae/x.pth", { offline: true });
    equal(hub.seen.length, asked);
  });
});

Deno.test("far pull of a model that is here leaves it, and says how to convert it again", async () => {
  await withHub(async (hub) => {
    const name = "FAR_B_ucf101_res64_200K_bs32";
    const path = join(hub.settings.models, name);
    await Deno.mkdir(path, { recursive: true });
    await Deno.writeTextFile(join(path, "model_index.json"), "{}");
    const { stdout, stderr } = await pull(name, { dtype: "f16" });
    equal(stdout, `${path}\n`);
    match(stderr.join("\n"), /^Ready: .*unchanged; use --overwrite to convert it again/);
    equal(hub.seen.length, 0);
  });
});

Deno.test("far pull says after a signal that what it fetched is kept", async () => {
  await withHub(async () => {
    const stopped = AbortSignal.abort(new InterruptedError("SIGTERM"));
    await rejects(pull("someone/model/dcae/x.pth", {}, stopped), {
      status: 143,
      message: "Stopped by SIGTERM: downloaded parts are kept; run it again to continue",
    });
  });
});

Deno.test("far pull explains names that mean nothing", async () => {
  await rejects(pull("foo"), { name: "UsageError", message: /see `far models`/ });
  await rejects(pull("FAR_B_ucf101_res64_200K_bs3x"), {
    message: /did you mean "FAR_B_ucf101_res64/,
  });
  await rejects(pull("a/b@x", { revision: "y" }), { name: "UsageError", message: /once/ });
  await rejects(pull("FAR_B_ucf101_res64_200K_bs32", { revision: "y" }), { name: "UsageError" });
  await rejects(pull("a/../b"), { name: "CheckpointError" });
});
