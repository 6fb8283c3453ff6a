import assert from "node:assert/strict";
import { type Load, ModelShelf } from "../../../batch/gpu/model_shelf.ts";
import { type Gpu, GpuError, type Pipeline } from "../../../mod.ts";

/** A shelf whose fake models log their fate; loading one throws what `fault` returns. */
function shelf(fault: (folder: string) => Error | undefined = () => undefined) {
  const events: string[] = [];
  const open = () => {
    events.push("device");
    const close = () => Promise.resolve(void events.push("device closed"));
    return Promise.resolve({ close, check: () => {} } as unknown as Gpu);
  };
  const load: Load = (folder) => {
    const error = fault(folder);
    if (error) return Promise.reject(error);
    events.push(folder);
    const close = () => Promise.resolve(void events.push(`${folder} closed`));
    return Promise.resolve({ close } as unknown as Pipeline);
  };
  const shelf = new ModelShelf(open, load);
  const get = (folder: string) => shelf.pipeline({ folder }, () => {});
  return { events, get };
}

Deno.test("ModelShelf keeps two models and drops the least recently used", async () => {
  const { events, get } = shelf();
  const a = await get("a");
  await get("b");
  assert.equal(await get("a"), a);
  await get("c");
  assert.deepEqual(events, ["device", "a", "b", "b closed", "c"]);
  assert.equal(await get("a"), a);
});

Deno.test("ModelShelf makes room for a model that does not fit next to others", async () => {
  const faults = [new GpuError("out-of-memory", "full")];
  const { events, get } = shelf((folder) => folder === "b" ? faults.shift() : undefined);
  await get("a");
  await get("b");
  assert.deepEqual(events, ["device", "a", "device closed", "device", "b"]);
});

Deno.test("ModelShelf reports a model that does not fit alone", async () => {
  const { get } = shelf(() => new GpuError("out-of-memory", "full"));
  await assert.rejects(get("a"), { message: "full" });
});
