import assert from "node:assert/strict";
import {
  checkAdapters,
  checkFeatures,
  checkKernels,
} from "../../../commands/doctor/adapter_checks.ts";
import { describeCheck, sizeText } from "../../../commands/doctor/check.ts";
import { checkCodecs } from "../../../commands/doctor/codec_checks.ts";
import { checkMemory, checkPlace } from "../../../commands/doctor/place_checks.ts";
import { checkProgram } from "../../../commands/doctor/program_checks.ts";
import { differences, isTolerable } from "../../../commands/doctor/self_tests.ts";
import type { System } from "../../../commands/doctor/system.ts";
import type { AdapterSummary, CodecReport } from "../../../app.ts";
import type { AdapterReport } from "../../../mod.ts";

const SYSTEM: System = { names: ["debian"], root: true, cards: [], closed: [] };

const LAVAPIPE: AdapterSummary = {
  name: "llvmpipe",
  vendor: "",
  cpu: true,
  f16: true,
  timestamps: true,
  subgroups: true,
  subgroupSize: 8,
  wide: true,
  storageBuffers: 16,
};

function adapter(name: string, software: boolean): AdapterReport {
  return {
    name,
    software,
    vendor: "",
    architecture: "",
    subgroupSizes: [8, 8],
    features: [],
    limits: {},
  };
}

Deno.test("checkProgram() requires a recent Deno", () => {
  assert.equal(checkProgram("2.9.6").status, "ok");
  assert.equal(checkProgram("3.0.0").status, "ok");
  const { status, mend } = checkProgram("2.7.14");
  assert.deepEqual([status, mend], ["failed", "deno upgrade 2.9.6"]);
});

Deno.test("checkFeatures() says how Windows gets a compiler that knows subgroups", () => {
  const windows = { ...SYSTEM, names: ["windows"] };
  const fxc = { ...LAVAPIPE, cpu: false, subgroups: false, subgroupSize: 0 };
  const { status, mend } = checkFeatures(fxc, windows);
  assert.equal(status, "warning");
  assert.match(mend!, /--backend vulkan, or .*dxcompiler\.dll.*DX12_COMPILER=dynamicdxc$/);
  assert.equal(checkFeatures(fxc, windows, "vulkan").status, "ok");
  assert.equal(checkFeatures({ ...fxc, subgroups: true }, windows).status, "ok");
});

Deno.test("checkAdapters() fails without an adapter, and says how to get one", () => {
  const { status, mend } = checkAdapters([], SYSTEM);
  assert.equal(status, "failed");
  assert.equal(mend, "apt-get install -y mesa-vulkan-drivers libvulkan1");
  assert.match(checkAdapters([], SYSTEM, "dx12").mend!, /leave out --backend/);
  assert.equal(checkAdapters([], SYSTEM, "vulkan").mend, mend);
});

Deno.test("checkAdapters() warns of an unused graphics card", () => {
  const software = adapter("llvmpipe", true);
  assert.equal(checkAdapters([software], SYSTEM).status, "ok");
  const card = { ...SYSTEM, cards: ["/dev/dri/renderD128"] };
  const idle = checkAdapters([software], card);
  assert.equal(idle.status, "warning");
  assert.match(idle.detail, /there is a graphics card \(\/dev\/dri\/renderD128\)/);
  const both = checkAdapters([adapter("A card", false), software], card);
  assert.deepEqual([both.status, both.detail], ["ok", "A card; also llvmpipe"]);
  assert.equal(both.mend, undefined);
});

Deno.test("checkKernels() reports the data type, and kernels measured on this machine", () => {
  const detail = (adapter: AdapterSummary) => checkKernels(adapter).detail;
  assert.equal(detail(LAVAPIPE), "--dtype auto means f32; kernels for CPUs");
  const tuned = { ...LAVAPIPE, cpu: false, tuning: { "linear rows": {} } };
  assert.match(
    detail(tuned),
    /^--dtype auto means f16; kernels for GPUs, tuned by far bench --tune/,
  );
});

Deno.test("checkFeatures() warns of OpenGL on the CPU, used for lack of a Vulkan driver", () => {
  assert.equal(checkFeatures(LAVAPIPE, SYSTEM).status, "ok");
  const openGl = { ...LAVAPIPE, f16: false, subgroups: false };
  const { status, detail, mend } = checkFeatures(openGl, SYSTEM);
  assert.deepEqual(
    [status, mend],
    ["warning", "apt-get install -y mesa-vulkan-drivers libvulkan1"],
  );
  assert.match(detail, /^shader-f16 no, subgroups no, .*: OpenGL on the CPU \(there is no Vulkan/);
  assert.match(checkFeatures(openGl, SYSTEM, "gl").mend!, /leave out --backend/);
  assert.equal(checkFeatures({ ...openGl, cpu: false }, SYSTEM).status, "ok");
});

Deno.test("checkCodecs() says which writer remains, and how to get a better one", () => {
  const good: CodecReport = { codecs: [{ codec: "avc" }], ffmpeg: "ffmpeg 5", writer: "addon" };
  assert.deepEqual(checkCodecs(good, SYSTEM).map(({ status }) => status), ["ok", "ok", "ok"]);
  const second: CodecReport = { addon: "none here", codecs: [], ffmpeg: "f", writer: "ffmpeg" };
  const [codecs, , writer] = checkCodecs(second, SYSTEM);
  assert.deepEqual([codecs!.status, codecs!.mend], ["warning", undefined]);
  assert.equal(writer!.detail, "the system's ffmpeg");
  const none: CodecReport = { addon: "none here", codecs: [], writer: "none" };
  const failed = checkCodecs(none, SYSTEM).filter(({ status }) => status === "failed");
  assert.deepEqual(failed.map(({ mend }) => mend), [
    "apt-get install -y ffmpeg",
    "apt-get install -y ffmpeg",
  ]);
  const broken: CodecReport = { ...good, codecs: [{ codec: "hevc", problem: "grey is green" }] };
  assert.match(checkCodecs(broken, SYSTEM)[0]!.detail, /hevc: grey is green/);
  assert.equal(checkCodecs(broken, SYSTEM)[0]!.mend, "export FAR_NO_ADDON=1");
  const alone = checkCodecs({ ...broken, ffmpeg: undefined }, SYSTEM)[0]!;
  assert.equal(alone.mend, "export FAR_NO_ADDON=1 && apt-get install -y ffmpeg");
});

Deno.test("checkMemory() warns where little is free", () => {
  const info = { ...Deno.systemMemoryInfo(), total: 8e9 };
  assert.equal(checkMemory({ ...info, available: 4e9 }).detail, "4.0 GB of 8.0 GB free");
  assert.equal(checkMemory({ ...info, available: 5e8 }).status, "warning");
});

Deno.test("checkPlace() tries whether a folder can be written to", async () => {
  const folder = await Deno.makeTempDir();
  const fine = await checkPlace("here", `${folder}/not/there`);
  assert.notEqual(fine.status, "failed");
  assert.match(fine.detail, /does not exist yet.* free$/);
  assert.deepEqual([...Deno.readDirSync(folder)], []);
  await Deno.remove(folder);
});

Deno.test({
  name: "checkPlace() names the command for a folder that cannot be written to",
  ignore: Deno.build.os !== "linux", // where even root cannot write to /proc
  fn: async () => {
    const { status, mend } = await checkPlace("there", "/proc/sub");
    assert.deepEqual([status, mend], ["failed", 'sudo install -d -o "$(id -un)" /proc/sub']);
    assert.equal((await checkPlace("there", "/proc")).mend, 'sudo chown -R "$(id -un)" /proc');
    assert.equal((await checkPlace("there", "/proc", "cd")).mend, "cd");
  },
});

Deno.test("differences() is the largest, relative for latents, and NaN if any is NaN", () => {
  const golden = { latents: [1, -4], pixels: [0.5, 0.25] };
  const run = { latents: [1.5, -4], pixels: [0.5, 0.5] };
  assert.deepEqual(differences(run, golden), { latents: 0.125, pixels: 0.25 });
  const broken = { latents: [NaN, -4], pixels: [0.5, 0.25] };
  assert.deepEqual(differences(broken, golden), { latents: NaN, pixels: 0 });
});

Deno.test("isTolerable() accepts rounding and nothing else", () => {
  const small = { latents: 1e-2, pixels: 1e-2 };
  assert.deepEqual([isTolerable(small, "f16"), isTolerable(small, "f32")], [true, false]);
  assert.equal(isTolerable({ ...small, pixels: 0.1 }, "f16"), false);
  assert.equal(isTolerable({ ...small, latents: 0.1 }, "f16"), false);
  assert.equal(isTolerable({ latents: NaN, pixels: 0 }, "f16"), false);
});

Deno.test("describeCheck() shows the command that helps below its finding", () => {
  const check = { name: "adapter", status: "failed", detail: "none", mend: "apt-get x" } as const;
  assert.match(describeCheck(check), /^FAILED {3}adapter +none\n +to fix it: apt-get x$/);
  assert.deepEqual([sizeText(134217728), sizeText(2e9)], ["134 MB", "2.0 GB"]);
});
