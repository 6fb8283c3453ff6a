import { meanOf, measure, type Measures, pictureAt, type Pictures } from "./measure.ts";
import type { Probe, ReturnTrip } from "./jobs.ts";
import { join } from "node:path";
import { movesOf, readTruth } from "./clips.ts";
import type { Protocol } from "./protocol.ts";
import { readSource, type SourceOptions } from "../../request/sources.ts";

/** Similarity of the last view of trips out and back to the first, over all clips. */
export interface ReturnResult {
  readonly action: number;
  readonly inverse: number;
  readonly trips: number;
  /** The last view against the last of the context. */
  readonly back: Measures;
  /** The view farthest out against it: the worst case. */
  readonly out: Measures;
  /** The same frame through the autoencoder: the best case. */
  readonly ceiling: Measures;
}

/**
 * Compares the first and last views of all trips.
 * @throws {MediaError} a generated file cannot be read
 */
export async function measureReturns(
  trips: readonly ReturnTrip[],
  folder: string,
  protocol: Protocol,
  fit: SourceOptions["fit"],
): Promise<ReturnResult[]> {
  const results: ReturnResult[] = [];
  for (const [action, all] of Map.groupBy(trips, (trip) => trip.action)) {
    const back: Measures[] = [];
    const out: Measures[] = [];
    const ceiling: Measures[] = [];
    for (const { clip, file } of all) {
      const truth = await readTruth(clip, protocol, fit);
      const made = await readSource(join(folder, file));
      const first = pictureAt(truth, protocol.context - 1);
      const against = (index: number) =>
        measure(first, pictureAt(made, index), made.width, made.height);
      back.push(against(made.frames - 1));
      out.push(against(protocol.context - 1 + protocol.returns!));
      ceiling.push(against(protocol.context - 1));
    }
    results.push({
      action,
      inverse: all[0]!.inverse,
      trips: all.length,
      back: meanOf(back),
      out: meanOf(out),
      ceiling: meanOf(ceiling),
    });
  }
  return results;
}

/** For moves generated with every action: which picture is closest to the real one. */
export interface AgreementResult {
  /** Moves probed, and how often the real action's picture was the closest. */
  readonly moves: number;
  readonly agreed: number;
  /** Counts by real action (row) and closest action (column). */
  readonly table: readonly (readonly number[])[];
}

/**
 * Finds for each probed move the action whose picture is closest (MSE) to the clip's.
 * @throws {MediaError} a generated file cannot be read
 */
export async function measureAgreement(
  probes: readonly Probe[],
  folder: string,
  protocol: Protocol,
  fit: SourceOptions["fit"],
): Promise<AgreementResult> {
  const { count } = protocol.info.condition;
  const table = Array.from({ length: count }, () => Array<number>(count).fill(0));
  let moves = 0;
  for (const [clip, all] of Map.groupBy(probes, (probe) => probe.clip)) {
    const truth = await readTruth(clip, protocol, fit);
    const actions = await movesOf(clip, truth, protocol);
    for (const [frame, tries] of Map.groupBy(all, (probe) => probe.frame)) {
      const real = actions?.[frame];
      if (real === undefined || !(real < count)) continue; // the null action does not count
      const errors: number[] = [];
      for (const { action, file } of tries) {
        const made = await readSource(join(folder, file));
        errors[action] = squaredError(pictureAt(truth, frame), lastOf(made));
      }
      table[real]![errors.indexOf(Math.min(...errors))]!++;
      moves++;
    }
  }
  return { moves, agreed: table.reduce((sum, row, i) => sum + row[i]!, 0), table };
}

function lastOf(made: Pictures): Float32Array {
  return pictureAt(made, made.frames - 1);
}

function squaredError(a: Float32Array, b: Float32Array): number {
  let sum = 0;
  for (const [i, value] of a.entries()) sum += (value - b[i]!) ** 2;
  return sum / a.length;
}
