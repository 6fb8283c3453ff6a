import { join } from "node:path";
import { quote } from "../../files/errors.ts";
import { isFile } from "../../files/file_source.ts";
import { isTexts } from "../../files/json.ts";
import { readJson } from "../../files/read_json.ts";
import { MediaError } from "../../media/errors.ts";

/** Facts about a data set from a far.json next to its clips. */
export interface DataFacts {
  /** Names of its actions, by their numbers in its clips. */
  readonly actions?: readonly string[];
  readonly fps?: number;
}

/**
 * Reads the far.json of the folders among the sources.
 * @throws {MediaError} two of them number their actions differently
 */
export async function readDataFacts(sources: readonly string[]): Promise<DataFacts> {
  let facts: DataFacts = {};
  let first: string | undefined;
  for (const source of sources) {
    const path = join(source, "far.json");
    if (!await isFile(path)) continue;
    const { actions, fps } = await readJson(path);
    if (first !== undefined && JSON.stringify(actions) !== JSON.stringify(facts.actions)) {
      throw new MediaError(
        `Cannot train on ${quote(first)} and ${quote(source)} together: their actions differ, ` +
          `${JSON.stringify(facts.actions)} and ${JSON.stringify(actions)}`,
      );
    }
    first ??= source;
    facts = {
      ...(isTexts(actions) && { actions }),
      ...(typeof fps === "number" && fps > 0 && { fps }),
    };
  }
  return facts;
}

/**
 * Map from a data set's action numbers to those of a model.
 * @returns undefined if they are the same
 * @throws {MediaError} an action that the model does not have
 */
export function actionNumbers(
  { actions }: DataFacts,
  model: readonly string[] | undefined,
): readonly number[] | undefined {
  if (!actions || !model || actions.every((name, i) => name === model[i])) return undefined;
  return actions.map((name) => {
    const index = model.findIndex((other) => other.toLowerCase() === name.toLowerCase());
    if (index >= 0) return index;
    throw new MediaError(
      `Cannot train: the clips have an action ${quote(name)}, the model's are ${model.join(", ")}`,
    );
  });
}
