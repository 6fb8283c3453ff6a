import assert from "node:assert/strict";
import { isDeviceName } from "../../files/device_names.ts";

Deno.test("isDeviceName() recognises devices of Windows, but not names that begin like them", () => {
  const devices = ["con", "PRN", "aux", "NUL", "CONIN$", "conout$", "COM0", "com9", "LPT1"];
  for (const name of [...devices, "COM\u00b9", "lpt\u00b2", "COM\u00b3"]) {
    for (const form of [name, `${name}.mp4`, `${name}.tar.gz`, `${name} `, `${name} .x`]) {
      assert(isDeviceName(form), form);
    }
  }
  for (
    const name of ["console", "com", "com10", "lpt", "nul1", "a.con", "conin", "auxiliary.mp4"]
  ) {
    assert(!isDeviceName(name), name);
  }
});
