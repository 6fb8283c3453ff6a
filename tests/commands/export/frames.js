// Runs in a browser, bundled: makes a frame with what far exported, and gives its floats.
import { fetchWorldFile, loadWorld, worldOpener } from "../../../player/browser_world.ts";

globalThis.frameOf = async (action) => {
  const base = new URL(".", location.href);
  const world = await fetchWorldFile(base);
  const pipeline = await loadWorld(world, base, () => {});
  const { steps, guidance, solver } = world.settings;
  const open = worldOpener(pipeline, world, base);
  const { world: live } = await open(world.clips[0].name, { steps, guidance, solver });
  const { pixels } = await live.step(action);
  return Array.from(pixels.data);
};
