import type { CodecReport } from "../../app.ts";
import { type Check, failed, ok, warning } from "./check.ts";
import { installCommand, type System } from "./system.ts";

/** Codecs for writing and reading videos. */
export function checkCodecs(report: CodecReport, system: System): Check[] {
  const { ffmpeg, writer } = report;
  const mend = installCommand("ffmpeg", system) ?? "install ffmpeg";
  const detail = { addon: "native codecs", ffmpeg: "the system's ffmpeg", none: "none" }[writer];
  const none = "none; only needed where there are no native codecs";
  return [
    checkAddon(report, mend),
    ok("ffmpeg", ffmpeg?.replace(/ Copyright.*/, "") ?? none),
    writer === "none" ? failed("video writer", detail, mend) : ok("video writer", detail),
  ];
}

function checkAddon({ addon, codecs, ffmpeg }: CodecReport, mend: string): Check {
  const name = "native codecs";
  if (addon) {
    return ffmpeg
      ? warning(name, `${addon}; ffmpeg is used instead`)
      : failed(name, `${addon}; only GIF, PNG, y4m, npz`, mend);
  }
  const broken = codecs.filter(({ problem }) => problem);
  if (broken.length === 0) {
    return ok(name, `${codecs.map(({ codec }) => codec).join(", ")}, both ways`);
  }
  const detail = broken.map(({ codec, problem }) => `${codec}: ${problem}`).join("; ");
  return failed(name, detail, `export FAR_NO_ADDON=1${ffmpeg ? "" : ` && ${mend}`}`);
}
