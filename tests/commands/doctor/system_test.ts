import assert from "node:assert/strict";
import { adapterAdvice, installCommand, type System } from "../../../commands/doctor/system.ts";

const DEBIAN: System = { names: ["debian"], root: true, cards: [], closed: [] };

Deno.test("installCommand() is the system's own, with sudo where it is needed", () => {
  assert.equal(installCommand("ffmpeg", DEBIAN), "apt-get install -y ffmpeg");
  const user = { ...DEBIAN, names: ["ubuntu", "debian"], root: false };
  assert.equal(
    installCommand("driver", user),
    "sudo apt-get install -y mesa-vulkan-drivers libvulkan1",
  );
  const others: [string, string][] = [
    ["fedora", "dnf install -y mesa-vulkan-drivers vulkan-loader"],
    ["arch", "pacman -S --needed vulkan-swrast vulkan-icd-loader"],
    ["alpine", "apk add mesa-vulkan-swrast vulkan-loader"],
  ];
  for (const [name, command] of others) {
    assert.equal(installCommand("driver", { ...DEBIAN, names: [name] }), command);
  }
  assert.equal(installCommand("ffmpeg", { ...DEBIAN, names: ["darwin"] }), "brew install ffmpeg");
  assert.equal(installCommand("driver", { ...DEBIAN, names: ["darwin"] }), undefined);
});

Deno.test("adapterAdvice() looks at the graphics cards first", () => {
  assert.match(adapterAdvice(DEBIAN)!, /^apt-get install -y mesa/);
  const nvidia = { ...DEBIAN, cards: ["/dev/nvidiactl"] };
  assert.match(adapterAdvice(nvidia)!, /NVIDIA_DRIVER_CAPABILITIES=all/);
  const slim = { ...nvidia, lacks: ["libXext.so.6", "libEGL.so.1"] };
  assert.match(adapterAdvice(slim)!, /needs libXext.so.6 and libEGL.so.1; .*libxext6 libegl1$/);
  assert.match(adapterAdvice({ ...nvidia, lacks: ["libEGL.so.1"] })!, /needs libEGL.so.1; /);
  const bare = { ...slim, lacks: ["nvidia_icd.json", ...slim.lacks] };
  assert.match(adapterAdvice(bare)!, /NVIDIA_DRIVER_CAPABILITIES=all.*nvidia_icd.json/);
  const closed = { ...nvidia, closed: ["/dev/dri/renderD128"] };
  assert.match(adapterAdvice(closed)!, /usermod -aG render,video/);
  assert.match(adapterAdvice({ ...DEBIAN, names: ["windows"] })!, /graphics driver/);
});
