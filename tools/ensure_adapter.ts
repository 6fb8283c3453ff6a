/**
 * Makes sure that WebGPU has an adapter before a task runs.
 *
 * With a GPU there is nothing to do, and nothing is installed. Without one, Debian and Ubuntu with
 * root get lavapipe, Mesa's Vulkan driver for CPUs; elsewhere the command that installs one is
 * printed. Mesa's OpenGL alone counts as no adapter if lavapipe can be installed: it takes eight
 * times as long, and has crashed processes that opened several devices. The tests leave OpenGL out
 * altogether, by DENO_WEBGPU_BACKEND: a thread that had loaded libEGL, ending while the process
 * does, has aborted it after the last test. `--ffmpeg` asks, where there is no GPU, for ffmpeg as
 * well: some tests judge outputs by it.
 */

import {
  adapterAdvice,
  installCommand,
  PACKAGES,
  readSystem,
  type System,
} from "../commands/doctor/system.ts";
import { isSoftware } from "../gpu/request_device.ts";
import { host } from "../gpu/host.ts";
import "../host/deno_host.ts";

const DRIVER = PACKAGES.driver.debian.split(" ");

type Adapter = "hardware" | "software" | "none";

/** What WebGPU finds in this process. */
async function findAdapter(): Promise<Adapter> {
  host().setUp?.({});
  const adapter = await navigator.gpu?.requestAdapter({ powerPreference: "high-performance" });
  if (!adapter) return "none";
  const { description, device } = adapter.info;
  return isSoftware(adapter, `${description} ${device}`) ? "software" : "hardware";
}

/** A new process asks again: this one has looked for drivers already and would not see new ones. */
async function findAdapterAnew(env: Readonly<Record<string, string>> = {}): Promise<Adapter> {
  const { stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--quiet", import.meta.filename!, "--which"],
    env,
    stderr: "inherit",
  }).output();
  return new TextDecoder().decode(stdout).trim() as Adapter || "none";
}

/**
 * Whether the adapter on the CPU that was found is not Vulkan's, unless one was asked for by name.
 */
async function isOpenGlAlone(): Promise<boolean> {
  const name = "DENO_WEBGPU_BACKEND";
  if (Deno.build.os !== "linux" || Deno.env.get(name)) return false;
  return await findAdapterAnew({ [name]: "vulkan" }) === "none";
}

function isDebian({ names }: System): boolean {
  return names.includes("debian") || names.includes("ubuntu");
}

async function install(packages: readonly string[]): Promise<void> {
  console.error(`Installing ${packages.join(" ")}, as there is no GPU here ...`);
  await aptGet("update", "-qq");
  await aptGet("install", "-y", "-qq", "--no-install-recommends", ...packages);
}

async function aptGet(...args: string[]): Promise<void> {
  const { success, stdout, stderr } = await new Deno.Command("apt-get", {
    args,
    env: { DEBIAN_FRONTEND: "noninteractive" },
  }).output();
  if (success) return;
  const text = new TextDecoder();
  console.error(text.decode(stdout) + text.decode(stderr));
  console.error(`error: \`apt-get ${args.join(" ")}\` failed`);
  Deno.exit(1);
}

async function hasFfmpeg(): Promise<boolean> {
  try {
    const command = new Deno.Command("ffmpeg", { args: ["-version"], stdout: "null" });
    return (await command.output()).success;
  } catch {
    return false; // not there at all
  }
}

function warn(text: string): void {
  console.error(`warning: ${text}`);
}

async function main(args: readonly string[]): Promise<void> {
  let adapter = await findAdapter();
  if (args.includes("--which")) return console.log(adapter);
  const system = await readSystem();
  const slow = adapter === "software" && await isOpenGlAlone();
  const withoutFfmpeg = args.includes("--ffmpeg") && !await hasFfmpeg();
  const needed = adapter === "none" || slow ? [...DRIVER] : [];
  if (withoutFfmpeg && adapter !== "hardware") needed.push("ffmpeg");
  if (needed.length > 0 && isDebian(system) && system.root) {
    await install(needed);
    adapter = await findAdapterAnew();
  } else {
    if (slow) warn(`OpenGL on the CPU is slow. To get Vulkan: ${adapterAdvice(system)}`);
    const ffmpeg = installCommand("ffmpeg", system) ?? "install ffmpeg";
    if (withoutFfmpeg) warn(`Tests that need ffmpeg are left out. To get it: ${ffmpeg}`);
  }
  if (adapter !== "none") return;
  console.error("error: Cannot find a GPU adapter, not even one that runs on the CPU.");
  console.error(`To get one: ${adapterAdvice(system)}`);
  Deno.exit(1);
}

await main(Deno.args);
