/**
 * Names and shapes of a configuration's parameters: what the model's own loaders expect when a
 * recorder replaces the weights.
 */
import { CheckpointError } from "../files/errors.ts";
import type { JsonObject } from "../files/json.ts";
import { Memory } from "../gpu/memory.ts";
import { loadAutoencoder } from "../model/autoencoder.ts";
import { parseAutoencoderConfig } from "../model/autoencoder_config.ts";
import { type FarSizes, parseTransformerConfig } from "../model/config.ts";
import { Loader } from "../model/loader.ts";
import { loadTransformer } from "../model/transformer.ts";

/** Shapes by name of the state dict. */
export type Shapes = Map<string, readonly number[]>;

/**
 * Parameters of FAR or FAR_Long.
 * @throws {CheckpointError} BadConfig: an entry is missing, malformed or not supported
 */
export function transformerShapes(config: JsonObject): Shapes {
  return shapesOf(checkedConfig(() => parseTransformerConfig(config)));
}

/** The same by sizes. */
export function shapesOf(sizes: FarSizes): Shapes {
  return recordShapes((loader) => {
    loadTransformer(loader, sizes);
    const { channels, contextPatch, d } = sizes;
    // Only training uses it, but the released classes need it in the file.
    if (contextPatch) loader.linear("context_proj_out", [channels * contextPatch ** 2, d]);
  });
}

/**
 * Parameters of MyAutoencoderDC, without the batch norms' `num_batches_tracked`.
 * @throws {CheckpointError} BadConfig: an entry is missing, malformed or not supported
 */
export function autoencoderShapes(config: JsonObject): Shapes {
  const sizes = checkedConfig(() => parseAutoencoderConfig(config));
  return recordShapes((loader) => loadAutoencoder(loader, sizes));
}

/**
 * Runs one of the model's parsers and turns its refusal into an error about a file. @throws
 * {CheckpointError}
 */
export function checkedConfig<T>(parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    throw new CheckpointError(error.message, { reason: "BadConfig", cause: error });
  }
}

function recordShapes(load: (loader: Loader) => unknown): Shapes {
  const shapes: Shapes = new Map();
  const recorder = {
    expect(name: string, shape: readonly number[]) {
      shapes.set(name, shape);
      return { name, shape, dtype: "F32", offset: 0, bytes: 0 } as const;
    },
    readRange: () => Promise.reject(new RangeError("A recorder of shapes has no values")),
  };
  load(new Loader(recorder, new Memory(), "f32"));
  return shapes;
}
