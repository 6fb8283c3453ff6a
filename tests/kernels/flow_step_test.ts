import { flowStep } from "../../kernels/flow_step.ts";
import { flowStepTwin } from "../reference/training.ts";
import { assertClose } from "../support/close.ts";
import { GPU_TEST, runAll } from "../support/gpu.ts";
import { randomFloats } from "../support/random.ts";

for (const [frames, tokens, width] of [[1, 1, 4], [3, 2, 8], [5, 16, 32], [7, 3, 12]] as const) {
  Deno.test({
    name: `flowStep() moves ${frames} frames of ${tokens} x ${width} each as far as it should`,
    ...GPU_TEST,
  }, async () => {
    const shape = [frames * tokens, width];
    const count = frames * tokens * width;
    const [x, v, c] = [randomFloats(count, 1), randomFloats(count, 2), randomFloats(frames, 3)];
    const [apart, inPlace] = await runAll((p, input) => {
      const [from, velocity] = [input(shape, x), input(shape, v)];
      const length = input([frames], c);
      const [apart, inPlace] = [input(shape, new Float32Array(count)), input(shape, x)];
      flowStep(p, { x: from, v: velocity, c: length, y: apart }, frames);
      flowStep(p, { v: velocity, c: length, y: inPlace }, frames);
      return [apart, inPlace];
    });
    const expected = flowStepTwin(x, v, c);
    for (const bytes of [apart, inPlace]) assertClose(new Float32Array(bytes!), expected, 1e-6);
  });
}
