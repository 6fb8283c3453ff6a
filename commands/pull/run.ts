import {
  HUB_REPOSITORY,
  type HubTarget,
  parseTarget,
  planPull,
  type PullPresetOptions,
} from "../../app.ts";
import {
  hubSettings,
  type Preset,
  PRESETS,
  pull,
  type PullOptions,
  pullPreset,
} from "../../mod.ts";
import { sizeText } from "../../cli/amounts.ts";
import type { Call } from "../../cli/command.ts";
import { describeConverted } from "../convert/run.ts";
import { environment } from "../../cli/environment.ts";
import { interrupted, UsageError } from "../../cli/errors.ts";
import { ByteProgress } from "../../cli/byte_progress.ts";
import type { PULL_OPTIONS } from "./spec.ts";
import { fullName, nearName } from "../../cli/short_name.ts";

type PullCall = Call<typeof PULL_OPTIONS>;

/** `far pull`: fetches a released model and converts it, or files of any repository. */
export async function run(call: PullCall): Promise<void> {
  const { options, operands, terminal, signal } = call;
  const given = operands[0]!;
  const released = PRESETS.map((preset) => preset.name);
  const name = given.includes("/") ? given : fullName(given, released) ?? given;
  if (name !== given && !options.quiet) terminal.note(`${given} is ${name}`);
  const settings = await hubSettings(environment);
  const hideBars = environment("HF_HUB_DISABLE_PROGRESS_BARS");
  const quiet = options.quiet || /^(1|on|yes|true)$/i.test(hideBars ?? "");
  const progress = new ByteProgress({ ...options, quiet }, terminal);
  const converting = new ByteProgress({ ...options, quiet }, terminal);
  const pullOptions: PullOptions = {
    settings: { ...settings, offline: settings.offline || options.offline === true },
    onProgress: progress.update,
    onNote: (note) => options.quiet || terminal.note(note),
    signal,
  };
  const preset = PRESETS.find((preset) => preset.name === name);
  const target = preset ? undefined : targetNamed(name, options.revision);
  if (preset && options.revision !== undefined) {
    throw new UsageError("--revision is for repositories: a released model has one revision");
  }
  try {
    if (options.dryRun) return await tellPlan(call, pullOptions, preset, target);
    const result = preset
      ? await pullReleased(call, preset, {
        ...pullOptions,
        onFetched: () => progress.stop(),
        onConvert: converting.update,
      })
      : await pull(target!, pullOptions).then((pulled) => ({ text: pulled.path, json: pulled }));
    await progress.stop();
    await converting.stop();
    const text = options.json ? JSON.stringify(result.json, null, 2) : result.text;
    await terminal.print(`${text}\n`);
  } catch (error) {
    const kept = "downloaded parts are kept; run it again to continue";
    throw signal.aborted ? interrupted(signal.reason, kept) : error;
  } finally {
    await progress.stop();
    await converting.stop();
  }
}

/** @throws {UsageError} neither a preset nor a repository */
function targetNamed(name: string, revision: string | undefined): HubTarget {
  if (!name.includes("/")) {
    const hint = nearName(name, PRESETS.map((preset) => preset.name));
    throw new UsageError(
      `Cannot pull "${name}": it is neither a released model nor owner/name of a repository` +
        (hint || "; see `far models`"),
    );
  }
  if (revision !== undefined && name.includes("@")) {
    throw new UsageError("Give the revision once: after @ or with --revision");
  }
  return parseTarget(revision === undefined ? name : `${name}@${revision}`);
}

interface Result {
  readonly text: string;
  readonly json: unknown;
}

async function pullReleased(
  { options, terminal }: PullCall,
  preset: Preset,
  pullOptions: PullPresetOptions,
): Promise<Result> {
  const { path, report } = await pullPreset(preset, {
    ...pullOptions,
    dtype: options.dtype,
    overwrite: options.overwrite,
  });
  const ready = `Ready: far generate --model ${preset.name}`;
  if (!options.quiet && !options.json && report) terminal.note(describeConverted(report));
  if (!options.quiet && !options.json) {
    terminal.note(report ? ready : `${ready} (unchanged; use --overwrite to convert it again)`);
  }
  return { text: path, json: { name: preset.name, path, converted: report ?? null } };
}

async function tellPlan(
  { options, terminal }: PullCall,
  pullOptions: PullOptions,
  preset: Preset | undefined,
  target: HubTarget | undefined,
): Promise<void> {
  const released = { repository: HUB_REPOSITORY, file: undefined, revision: "main" };
  const files = preset && [preset.transformerFile, preset.vaeFile];
  const plan = await planPull(target ?? released, pullOptions, files);
  if (options.json) return await terminal.print(`${JSON.stringify({ files: plan }, null, 2)}\n`);
  const lines = plan.map(({ name, bytes, cached }) =>
    `${sizeText(bytes).padStart(10)}  ${name}${cached ? "  (there already)" : ""}`
  );
  const missing = plan.filter(({ cached }) => !cached).reduce((sum, { bytes }) => sum + bytes, 0);
  lines.push(`${sizeText(missing).padStart(10)}  to fetch`);
  await terminal.print(`${lines.join("\n")}\n`);
}
