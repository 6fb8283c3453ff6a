import assert from "node:assert/strict";
import { Watchdog } from "../../../batch/gpu/watchdog.ts";

Deno.test("Watchdog allows several times the duration of a frame once it is known", () => {
  let now = 0;
  const dog = new Watchdog(600, () => assert.fail("it barked"), () => now);
  const beatAfter = (seconds: number, generated?: boolean) => {
    now += seconds * 1000;
    dog.beat(generated);
    return dog.limit;
  };
  try {
    dog.start();
    assert.equal(dog.limit, 600);
    // context frames are fast and say nothing about generated ones
    assert.equal(beatAfter(0.1), 600);
    assert.equal(beatAfter(0.1), 600);
    assert.equal(beatAfter(5, true), 100);
    // other videos of the batch come with the first
    assert.equal(beatAfter(0.001, true), 100);
    assert.equal(beatAfter(8, true), 160);
    assert.equal(beatAfter(100, true), 600);
    dog.start();
    assert.equal(beatAfter(0.2, true), 30);
  } finally {
    dog.stop();
  }
});
