import type { RunFolder } from "./folder/run_folder.ts";
import type { TrainLog } from "./folder/train_log.ts";
import type { LogLine } from "./folder/train_log.ts";
import type { RunOptions, TrainEvent } from "./run_options.ts";
import type { StepResult, TrainBatch, TrainState } from "./settings.ts";

/** A step and its duration. */
export interface TrainedStep extends StepResult {
  /** Wall time of the step. */
  readonly seconds: number;
}

/** Training failed; the last checkpoint is unchanged. */
export class TrainingError extends Error {
  /** @ignore */
  override readonly name = "TrainingError";
}

/** A trainer that takes steps, whatever it trains. */
export interface StepTrainer {
  readonly step: number;
  /** Once the signal aborts, a long step may be given up: then `step` stays. */
  submit(batch: TrainBatch, signal?: AbortSignal): Promise<StepResult | undefined>;
  flush(): Promise<StepResult | undefined>;
  state(): Promise<TrainState>;
  restore(state: TrainState): Promise<void>;
  close(): void;
}

/** The task of a run: its trainer, data and outputs. */
export interface RunTask {
  readonly trainer: StepTrainer;
  readonly folder: RunFolder;
  readonly log: TrainLog;
  /** Batches per step. */
  readonly accumulate: number;
  /** Most steps in a row with non-finite values. */
  readonly patience: number;
  /** The next batch. */
  next(): Promise<TrainBatch>;
  /** Gives back the batches of a step that was given up. */
  giveBack(batches: number): void;
  /** Loss on held-out clips; undefined if there are none, or if the signal aborts. */
  validate(signal?: AbortSignal): Promise<Validation | undefined>;
  /** Writes a checkpoint and the current model. Returns the checkpoint's path. */
  save(state: TrainState): Promise<string>;
  /** The state of a checkpoint. */
  load(step: number): Promise<TrainState>;
  /** Writes a sample. Returns its path. */
  sample(step: number): Promise<string>;
  /** Writes the report. */
  report(step: number, lines: readonly LogLine[]): Promise<void>;
}

/** Result of a validation. */
export interface Validation {
  readonly loss: number;
  /** PSNR of pictures that an autoencoder reconstructs. */
  readonly psnr?: number;
  readonly ssim?: number;
}

/** Options of the loop itself. */
export type LoopOptions = Pick<
  RunOptions,
  "steps" | "signal" | "saveEvery" | "sampleEvery" | "validateEvery" | "nan" | "onEvent"
>;

const SAVE_EVERY = 500;
const VALIDATE_EVERY = 500;
const MOST_ROLLBACKS = 3;

/** Takes the steps of a run, and saves, validates and samples when due. */
export class RunLoop {
  readonly #options: LoopOptions;
  readonly #task: RunTask;
  /** Steps submitted to the trainer, and done. */
  #submitted: number;
  #done: number;
  #saved: number;
  #time = performance.now();
  #strange = 0;
  /** How often the run went back from this step or an earlier one. */
  #rollbacks = 0;
  #worst = 0;

  constructor(options: LoopOptions, task: RunTask) {
    this.#options = options;
    this.#task = task;
    this.#submitted = this.#done = this.#saved = task.trainer.step;
  }

  /** The remaining steps. */
  async *steps(): AsyncGenerator<TrainedStep, void, void> {
    const { trainer } = this.#task;
    await this.#catchUp();
    this.#time = performance.now();
    while (this.#done < this.#options.steps) {
      if (this.#submitted < this.#options.steps) {
        const before = await this.#submit();
        if (before) yield* this.#finish(before);
      }
      const stopped = this.#isStopped; // read once per step
      const ends = this.#submitted >= this.#options.steps;
      const waits = this.#submitted > this.#done;
      if (stopped && !waits && this.#done > this.#saved) await this.#pause(stopped, ends);
      if (waits && (stopped || ends || this.#isDue(this.#submitted))) {
        const step = this.#submitted;
        const last = await trainer.flush();
        if (last) yield* this.#finish(last);
        if (this.#done === step) await this.#pause(stopped, ends); // otherwise it went back
      }
      if (stopped) throw this.#options.signal!.reason;
    }
  }

  get #isStopped(): boolean {
    return this.#options.signal?.aborted === true;
  }

  async #submit(): Promise<StepResult | undefined> {
    const { trainer, accumulate } = this.#task;
    const { signal } = this.#options;
    let before: StepResult | undefined;
    for (let part = 0; part < accumulate; part++) {
      before = await trainer.submit(await this.#task.next(), signal) ?? before;
    }
    if (trainer.step > this.#submitted) this.#submitted++;
    else this.#task.giveBack(accumulate);
    return before;
  }

  /** Records a step; non-finite values are handled before it is yielded. */
  async *#finish(result: StepResult): AsyncGenerator<TrainedStep, void, void> {
    const now = performance.now();
    const seconds = (now - this.#time) / 1000;
    this.#time = now;
    this.#done = result.step;
    if (await this.#isStrange(result)) return;
    const { step, loss, gradNorm, lr, generatorLoss, discriminatorLoss } = result;
    const rounded = Number(seconds.toFixed(4));
    const finite = (value: number) => Number.isFinite(value) ? value : null;
    await this.#task.log.add({
      step,
      loss: finite(loss),
      grad_norm: finite(gradNorm),
      ...(generatorLoss !== undefined && { g_loss: finite(generatorLoss) }),
      ...(discriminatorLoss !== undefined && { d_loss: finite(discriminatorLoss) }),
      lr,
      seconds: rounded,
    });
    yield { ...result, seconds };
  }

  /** @returns whether the run went back @throws {TrainingError} it cannot continue */
  async #isStrange({ step, finite, loss, gradNorm }: StepResult): Promise<boolean> {
    if (finite && loss > 0 && gradNorm === 0) {
      this.#stop(`the gradient of step ${step} is zero everywhere: nothing would be learned`);
    }
    this.#strange = finite ? 0 : this.#strange + 1;
    if (finite && step >= this.#worst) this.#rollbacks = 0;
    if (finite || this.#strange <= this.#task.patience) return false;
    const what = `the loss or the gradient of step ${step} is not finite`;
    if (this.#options.nan !== "rollback") this.#stop(what);
    if (this.#saved === 0 || this.#rollbacks++ >= MOST_ROLLBACKS) this.#stop(what);
    await this.#rollback(step);
    return true;
  }

  #stop(why: string): never {
    const good = this.#saved > 0
      ? `the checkpoint of step ${this.#saved} is good: continue \`from\` it with other settings`
      : "no checkpoint was reached";
    const types = this.#task.patience > 0 ? ", or `dtype` f32" : ""; // only f16 has patience
    throw new TrainingError(
      `Stopped: ${why}; ${good}. Try a lower \`lr\` or more \`warmup\`${types}`,
    );
  }

  /** Goes back to the last checkpoint and continues with other clips and draws. */
  async #rollback(step: number): Promise<void> {
    const { trainer } = this.#task;
    this.#worst = Math.max(this.#worst, step);
    await trainer.flush();
    const { random } = await trainer.state();
    await trainer.restore({ ...await this.#task.load(this.#saved), random });
    this.#submitted = this.#done = this.#saved;
    await this.#tell({ event: "rollback", step, to: this.#saved });
  }

  #every(kind: "saveEvery" | "sampleEvery" | "validateEvery"): number {
    const defaults = { saveEvery: SAVE_EVERY, sampleEvery: 0, validateEvery: VALIDATE_EVERY };
    return this.#options[kind] ?? defaults[kind];
  }

  #isDue(step: number): boolean {
    const kinds = ["saveEvery", "sampleEvery", "validateEvery"] as const;
    return kinds.some((kind) => this.#isTime(kind, step));
  }

  #isTime(kind: "saveEvery" | "sampleEvery" | "validateEvery", step: number): boolean {
    const every = this.#every(kind);
    return every > 0 && step % every === 0;
  }

  /** Between two steps: validates, saves and samples when due, and at the end. */
  async #pause(stopped: boolean, ends: boolean): Promise<void> {
    const step = this.#done;
    const validates = !stopped && (ends || this.#isTime("validateEvery", step));
    // a validation that a signal interrupts is due again when the run continues from here
    const interrupted = validates && !await this.#validate() && this.#isStopped;
    const samples = !stopped && !interrupted && this.#every("sampleEvery") > 0 &&
      (ends || this.#isTime("sampleEvery", step));
    const saves = samples || stopped || interrupted || ends || this.#isTime("saveEvery", step);
    if (saves) await this.#save();
    if (samples) await this.#sample();
    await this.#task.report(step, this.#task.log.lines);
    if (interrupted) throw this.#options.signal!.reason;
    this.#time = performance.now();
  }

  /** Does what was due at the step from which the run continues, but was not done. */
  async #catchUp(): Promise<void> {
    const step = this.#done;
    if (step === 0) return;
    const isLast = step >= this.#options.steps;
    const lacks = (event: string) =>
      !this.#task.log.lines.some((line) => line.event === event && line.step === step);
    const validates = (isLast || this.#isTime("validateEvery", step)) && lacks("validation");
    const samples = this.#every("sampleEvery") > 0 && (isLast || this.#isTime("sampleEvery", step));
    if (validates) await this.#validate();
    if (samples && lacks("sample")) await this.#sample();
    await this.#task.report(step, this.#task.log.lines);
  }

  /** Returns whether there is a result. */
  async #validate(): Promise<boolean> {
    if (this.#every("validateEvery") === 0) return false;
    const found = await this.#task.validate(this.#options.signal);
    if (found) await this.#tell({ event: "validation", step: this.#done, ...found });
    return found !== undefined;
  }

  async #save(): Promise<void> {
    const state = await this.#task.trainer.state();
    const path = await this.#task.save(state);
    this.#saved = state.step;
    this.#options.onEvent?.({ event: "saved", step: state.step, path });
  }

  async #sample(): Promise<void> {
    const path = await this.#task.sample(this.#done);
    await this.#tell({ event: "sample", step: this.#done, path });
  }

  async #tell(event: Extract<TrainEvent, { step: number }>): Promise<void> {
    await this.#task.log.add({ ...event });
    this.#options.onEvent?.(event);
  }
}
