import { VERSION } from "../../cli/version.ts";
import { type CodecReport, reportCodecs } from "../../app.ts";
import { type AdapterReport, Gpu, GpuError, listAdapters } from "../../mod.ts";
import type { Call } from "../../cli/command.ts";
import { inFlags } from "../../cli/flags.ts";
import { checkAdapters, checkDevice, chosenBackend } from "./adapter_checks.ts";
import { type Check, describeCheck, failed } from "./check.ts";
import { checkCodecs } from "./codec_checks.ts";
import { checkMemory, checkPlaces } from "./place_checks.ts";
import { checkProgram } from "./program_checks.ts";
import { runSelfTests } from "./self_tests.ts";
import type { DOCTOR_OPTIONS } from "./spec.ts";
import { adapterAdvice, readSystem, type System } from "./system.ts";

type DoctorCall = Call<typeof DOCTOR_OPTIONS>;

/** Results of the checks. */
interface Findings {
  readonly system: System;
  readonly adapters: readonly AdapterReport[];
  readonly codecs: CodecReport;
}

/** `far doctor`: checks what this machine offers, and whether it computes correctly. */
export async function run(call: DoctorCall): Promise<void> {
  const { options, terminal, signal } = call;
  if (options.backend) Deno.env.set("DENO_WEBGPU_BACKEND", options.backend);
  const adapters = await listAdapters();
  if (options.devices) return await terminal.print(deviceList(adapters, options.json));
  const findings = { adapters, system: await readSystem(), codecs: await reportCodecs() };
  const checks: Check[] = [];
  for await (const check of makeChecks(call, findings)) {
    signal.throwIfAborted();
    checks.push(check);
    const said = !options.quiet || check.status !== "ok";
    if (!options.json && said) await terminal.print(`${describeCheck(check)}\n`);
  }
  if (options.json) {
    const far = VERSION;
    const report = { far, ...Deno.version, ...Deno.build, ...findings, checks };
    await terminal.print(`${JSON.stringify(report, null, 2)}\n`);
  }
  const bad = checks.filter(({ status }) => status === "failed").length;
  if (bad > 0) throw new Error(`${bad} of ${checks.length} checks failed`);
}

async function* makeChecks(
  { options }: DoctorCall,
  { system, adapters, codecs }: Findings,
): AsyncGenerator<Check> {
  yield checkProgram();
  yield checkMemory();
  yield* await checkPlaces();
  yield* checkCodecs(codecs, system);
  yield checkAdapters(adapters, system, chosenBackend(options));
  if (adapters.length === 0) return;
  try {
    const gpu = await Gpu.open(options);
    try {
      yield* checkDevice(gpu, options, system);
      if (!options.noTest) yield* runSelfTests(gpu, system);
    } finally {
      await gpu.close();
    }
  } catch (error) {
    if (!(error instanceof GpuError)) throw error;
    yield failed("device", inFlags(error.message), adapterAdvice(system));
  }
}

/** One adapter per line: name, tab, kind. */
function deviceList(adapters: readonly AdapterReport[], json?: boolean): string {
  if (json) return `${JSON.stringify(adapters, null, 2)}\n`;
  return adapters.map(({ name, software }) => `${name}\t${software ? "CPU" : "GPU"}\n`).join("");
}
