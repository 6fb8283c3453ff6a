import type { CodecReport } from "../../app.ts";
import type { Check } from "./check.ts";
import { installCommand, type System } from "./system.ts";

/** Codecs for writing and reading videos. */
export function checkCodecs(report: CodecReport, system: System): Check[] {
  const { addon, codecs, ffmpeg, writer } = report;
  const mend = installCommand("ffmpeg", system) ?? "install ffmpeg";
  const works = codecs.filter(({ problem }) => !problem).map(({ codec }) => codec);
  const broken = codecs.filter(({ problem }) => problem);
  const checks: Check[] = [];
  if (addon) {
    const detail = `${addon}; ${ffmpeg ? "ffmpeg is used instead" : "only GIF, PNG, y4m, npz"}`;
    const status = ffmpeg ? "warning" : "failed";
    checks.push({ name: "native codecs", status, detail, ...ffmpeg ? {} : { mend } });
  } else if (broken.length > 0) {
    const detail = broken.map(({ codec, problem }) => `${codec}: ${problem}`).join("; ");
    checks.push({
      name: "native codecs",
      status: "failed",
      detail,
      mend: `export FAR_NO_ADDON=1${ffmpeg ? "" : ` && ${mend}`}`,
    });
  } else {
    checks.push({ name: "native codecs", status: "ok", detail: `${works.join(", ")}, both ways` });
  }
  const detail = ffmpeg?.replace(/ Copyright.*/, "") ?? "none; only needed where there are " +
      "no native codecs";
  checks.push({ name: "ffmpeg", status: "ok", detail });
  checks.push({
    name: "video writer",
    status: writer === "none" ? "failed" : "ok",
    detail: { addon: "native codecs", ffmpeg: "the system's ffmpeg", none: "none" }[writer],
    ...writer === "none" ? { mend } : {},
  });
  return checks;
}
