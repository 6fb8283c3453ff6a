import type { TrainedStep, TrainEvent } from "../../app_large.ts";
import { inFlags } from "../../cli/flags.ts";
import { duration, type ProgressOptions } from "../../cli/progress.ts";
import type { Terminal } from "../../cli/terminal.ts";
import { count } from "../../request/report.ts";
import type { TrainJob } from "./job.ts";

/** Steps of the running mean of the loss. */
const MEAN = 50;
/** Seconds between two lines without a terminal. */
const LINE_SECONDS = 10;

/** Shows a run's progress: a line that is rewritten on a terminal, otherwise one now and then. */
export class TrainProgress {
  /** Unit of the rate. */
  readonly #unit: "tokens" | "pictures";
  #losses: number[] = [];
  #seconds: number[] = [];
  #said = 0;
  #rewrites = false;

  constructor(
    private readonly steps: number,
    unit: TrainJob["unit"],
    private readonly options: ProgressOptions,
    private readonly terminal: Terminal,
  ) {
    this.#unit = unit === "pictures" ? unit : "tokens";
  }

  /** Mean loss of the last steps. */
  get mean(): number {
    return average(this.#losses);
  }

  step(step: TrainedStep): void {
    this.#losses = [...this.#losses, step.loss].slice(-MEAN);
    this.#seconds = [...this.#seconds, step.seconds].slice(-MEAN);
    if (this.options.progress === "json") {
      const { step: done, loss, gradNorm, generatorLoss, discriminatorLoss, lr, seconds } = step;
      const losses = { loss, gradNorm, generatorLoss, discriminatorLoss }; // undefined: left out
      const line = { event: "step", done, total: this.steps, ...losses, lr, seconds };
      return this.terminal.note(JSON.stringify(line));
    }
    if (this.options.quiet) return;
    const { live } = this.terminal;
    const now = performance.now();
    if (now - this.#said < (live ? 100 : 1000 * LINE_SECONDS)) return;
    this.#said = now;
    if (!live) return this.terminal.note(this.#line(step));
    this.#rewrites = true;
    Deno.stderr.writeSync(new TextEncoder().encode(`\r\x1b[K${this.#line(step)}`));
  }

  event(event: TrainEvent): void {
    if (this.options.progress === "json") return this.terminal.note(JSON.stringify(event));
    const text = this.options.quiet ? undefined : textOf(event);
    if (text === undefined) return;
    this.stop();
    this.terminal.note(inFlags(text));
  }

  /** Ends a line that was being rewritten. */
  stop(): void {
    if (this.#rewrites) Deno.stderr.writeSync(new TextEncoder().encode("\r\x1b[K"));
    this.#rewrites = false;
  }

  #line(trained: TrainedStep): string {
    const { step, loss, gradNorm, lr, tokens } = trained;
    const seconds = average(this.#seconds);
    const left = duration((this.steps - step) * seconds);
    const adversarial = adversarialOf(trained);
    return `step ${step}/${this.steps}  loss ${loss.toFixed(4)} (mean ${this.mean.toFixed(4)})` +
      `${adversarial}  lr ${lr.toPrecision(3)}  gradient ${gradNorm.toPrecision(3)}  ` +
      `${rate(tokens / seconds)} ${this.#unit}/s  ${seconds.toFixed(2)} s/step  ${left} left`;
  }
}

/** Losses of the decoder against a discriminator, and of that. */
function adversarialOf({ generatorLoss, discriminatorLoss }: TrainedStep): string {
  if (generatorLoss === undefined || discriminatorLoss === undefined) return "";
  return `  adversarial ${generatorLoss.toFixed(4)}, discriminator ${discriminatorLoss.toFixed(4)}`;
}

function rate(perSecond: number): string {
  return perSecond.toFixed(perSecond < 10 ? 1 : 0);
}

function textOf(event: TrainEvent): string | undefined {
  switch (event.event) {
    case "clips":
      return event.done === event.total
        ? `${event.stage} ${count(event.total, "clip")}`
        : undefined;
    case "skipped":
      return `skipped: ${event.problem}`;
    case "note":
      return event.text;
    case "resumed":
      return `continuing from step ${event.step} (${event.path})`;
    case "validation":
      return `step ${event.step}: validation loss ${event.loss.toFixed(4)}${qualityOf(event)}`;
    case "sample":
      return `step ${event.step}: sample ${event.path}`;
    case "saved":
      return `step ${event.step}: saved ${event.path}`;
    case "rollback":
      return `step ${event.step}: not finite, going back to step ${event.to}`;
  }
}

/** Quality of an autoencoder's reconstructions. */
function qualityOf({ psnr, ssim }: Extract<TrainEvent, { event: "validation" }>): string {
  if (psnr === undefined || ssim === undefined) return "";
  return `, PSNR ${psnr.toFixed(2)} dB, SSIM ${ssim.toFixed(4)}`;
}

function average(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length);
}
