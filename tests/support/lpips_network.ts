import { type Backbone, type LpipsNetwork, STAGES } from "../../metrics/lpips.ts";
import { randomFloats } from "./random.ts";

/** Weights [outputs, size, size, inputs] of those that the reference had [outputs, inputs, ...]. */
export function randomNetwork(backbone: Backbone): LpipsNetwork {
  const weights = new Map(
    STAGES[backbone].flatMap(({ convolutions }) => convolutions).map((layer) => {
      const { index, inputs, outputs, size } = layer;
      const fan = inputs * size * size;
      const drawn = randomFloats(outputs * fan, index + 1, Math.sqrt(6 / fan));
      const weight = drawn.map((_, i) => {
        const [kernel, within] = [Math.floor(i / fan), i % fan];
        const tap = Math.floor(within / inputs);
        return drawn[kernel * fan + (within % inputs) * size * size + tap]!;
      });
      return [index, { weight, bias: randomFloats(outputs, index + 101, 0.1) }];
    }),
  );
  const heads = STAGES[backbone].map(({ convolutions }, i) =>
    randomFloats(convolutions.at(-1)!.outputs, 201 + i).map(Math.abs)
  );
  return { backbone, weights, heads };
}
