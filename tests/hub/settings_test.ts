import { equal, rejects } from "node:assert/strict";
import { join } from "node:path";
import { homedir } from "node:os";
import { retryAfter } from "../../hub/fetch.ts";
import { hubSettings } from "../../hub/settings.ts";

const settings = (variables: Record<string, string>) => hubSettings((name) => variables[name]);
const NOWHERE = { HF_HOME: "/nowhere" };

Deno.test("hubSettings() finds the cache as the Python client does", async () => {
  const cache = async (variables: Record<string, string>) => (await settings(variables)).cache;
  equal(await cache({}), join(homedir(), ".cache/huggingface/hub"));
  equal(await cache({ XDG_CACHE_HOME: "/x" }), "/x/huggingface/hub");
  equal(await cache({ XDG_CACHE_HOME: "/x", HF_HOME: "/h" }), "/h/hub");
  equal(await cache({ HF_HOME: "/h", HUGGINGFACE_HUB_CACHE: "/o" }), "/o");
  equal(await cache({ HUGGINGFACE_HUB_CACHE: "/o", HF_HUB_CACHE: "/c" }), "/c");
  equal((await settings({ HF_HUB_CACHE: "/h/hub" })).models, "/h/far");
  equal(await cache({ HF_HOME: "~/h" }), join(homedir(), "h/hub"));
  equal(await cache({ HF_HUB_CACHE: "~/c" }), join(homedir(), "c"));
  equal(await cache({ HF_HOME: "/h/~" }), "/h/~/hub");
});

// What huggingface_hub makes of them, with X=/data, Y=$X/y and an empty E.
const EXPANDED: [name: string, value: string, cache: string][] = [
  ["HF_HOME", "$X/hf", "/data/hf/hub"],
  ["HF_HOME", "${X}/hf", "/data/hf/hub"],
  ["HF_HOME", "~/$X", join(homedir(), "data/hub")],
  ["HF_HOME", "$NONE/hf", "$NONE/hf/hub"],
  ["HF_HOME", "$Y", "/data/y/hub"],
  ["HF_HUB_CACHE", "$X/c", "/data/c"],
  ["HF_HUB_CACHE", "/a${X}b/$X_c", "/a/datab/$X_c"],
  ["HUGGINGFACE_HUB_CACHE", "$X/d", "/data/d"],
  ["XDG_CACHE_HOME", "$X/x", "/data/x/huggingface/hub"],
  ["HF_HUB_CACHE", "$X$X", "/data/data"],
  ["HF_HUB_CACHE", "/p/$", "/p/$"],
  ["HF_HUB_CACHE", "/p/${X", "/p/${X"],
  ["HF_HUB_CACHE", "~x", "~x"],
  ["HF_HUB_CACHE", "/q/$5", "/q/$5"],
  ["HF_HOME", "$E/hf", "/hf/hub"],
  ["HF_HUB_CACHE", "/a${E}b", "/ab"],
  ["HF_HUB_CACHE", "$X${E}$X", "/data/data"],
];
for (const [name, value, expected] of EXPANDED) {
  Deno.test(`hubSettings() expands ${name}=${value} as the Python client does`, async () => {
    equal((await settings({ X: "/data", Y: "$X/y", E: "", [name]: value })).cache, expected);
  });
}

Deno.test("hubSettings() keeps the time-out below what a timer can count", async () => {
  const times = { "12": 12, "0": 30, "-1": 30, "x": 30, "": 30, "3000000": 86400, Infinity: 86400 };
  for (const [HF_HUB_DOWNLOAD_TIMEOUT, seconds] of Object.entries(times)) {
    equal((await settings({ ...NOWHERE, HF_HUB_DOWNLOAD_TIMEOUT })).timeout, seconds);
  }
});

Deno.test("hubSettings() reads the endpoint, and refuses anything else", async () => {
  equal((await settings(NOWHERE)).endpoint, "https://huggingface.co");
  equal(
    (await settings({ ...NOWHERE, HF_ENDPOINT: "https://m.org/hub//" })).endpoint,
    "https://m.org/hub",
  );
  for (const HF_ENDPOINT of ["m.org", "file:///x", "ftp://m.org"]) {
    await rejects(settings({ ...NOWHERE, HF_ENDPOINT }), { reason: "Hub" });
  }
});

Deno.test("hubSettings() takes the token from the variable, else from its file", async () => {
  const home = await Deno.makeTempDir();
  equal((await settings({ HF_HOME: home })).token, undefined);
  await Deno.writeTextFile(join(home, "token"), "hf_file\n");
  equal((await settings({ HF_HOME: home })).token, "hf_file");
  equal((await settings({ HF_HOME: home, HF_TOKEN: "mirror-token" })).token, "mirror-token");
  await Deno.writeTextFile(join(home, "other"), "hf_other");
  const path = { HF_HOME: home, HF_TOKEN_PATH: join(home, "other") };
  equal((await settings(path)).token, "hf_other");
  equal((await settings({ ...path, HF_HUB_DISABLE_IMPLICIT_TOKEN: "1" })).token, undefined);
  await Deno.remove(home, { recursive: true });
});

Deno.test("hubSettings() doesn't repeat a token it refuses", async () => {
  await rejects(settings({ ...NOWHERE, HF_TOKEN: "hf_se cret" }), (error: Error) => {
    equal(error.message.includes("cret"), false);
    return true;
  });
});

Deno.test("hubSettings() recognises every spelling of yes", async () => {
  for (const yes of ["1", "true", "YES", "on"]) {
    equal((await settings({ ...NOWHERE, HF_HUB_OFFLINE: yes })).offline, true);
  }
  for (const no of ["0", "false", ""]) {
    equal((await settings({ ...NOWHERE, HF_HUB_OFFLINE: no })).offline, false);
  }
  equal((await settings({ ...NOWHERE, HF_HUB_DISABLE_SYMLINKS: "1" })).copies, true);
  equal((await settings({ ...NOWHERE, HF_HUB_DOWNLOAD_TIMEOUT: "5" })).timeout, 5);
  equal((await settings({ ...NOWHERE, HF_HUB_DOWNLOAD_TIMEOUT: "soon" })).timeout, 30);
});

Deno.test("retryAfter() reads seconds and dates", () => {
  const now = Date.UTC(2026, 0, 1);
  equal(retryAfter(null, now), undefined);
  equal(retryAfter("12", now), 12_000);
  equal(retryAfter(new Date(now + 3000).toUTCString(), now), 3000);
  equal(retryAfter(new Date(now - 3000).toUTCString(), now), 0);
  equal(retryAfter("soon", now), undefined);
});
