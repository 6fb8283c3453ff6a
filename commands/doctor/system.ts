/** What decides how to install something on this machine. */
export interface System {
  /** Names from /etc/os-release, including similar systems; or the name of another system. */
  readonly names: readonly string[];
  /** Whether packages can be installed without sudo. */
  readonly root: boolean;
  /** Device files of graphics cards that exist. */
  readonly cards: readonly string[];
  /** Those that this user may not open. */
  readonly closed: readonly string[];
  /** Files that NVIDIA's Vulkan driver needs and that are not there, if there is such a card. */
  readonly lacks?: readonly string[];
}

const NVIDIA = "/dev/nvidiactl";
/** NVIDIA's driver loads these, with a display or without; slim containers lack them. */
const LIBRARIES = { "libXext.so.6": "libxext6", "libEGL.so.1": "libegl1" } as const;
const ICD = "nvidia_icd.json";
const ICD_FOLDERS = ["/usr/share/vulkan/icd.d", "/etc/vulkan/icd.d"];
const LIBRARY_FOLDERS = [
  "/usr/lib/x86_64-linux-gnu",
  "/usr/lib/aarch64-linux-gnu",
  "/usr/lib64",
  "/usr/lib",
];

const CARDS = ["/dev/nvidiactl", "/dev/dri/renderD128", "/dev/dri/renderD129", "/dev/dxg"];

/** Examines this machine. */
export async function readSystem(): Promise<System> {
  if (Deno.build.os !== "linux") {
    return { names: [Deno.build.os], root: false, cards: [], closed: [] };
  }
  const release = await Deno.readTextFile("/etc/os-release").catch(() => "");
  const names = [...release.matchAll(/^(?:ID|ID_LIKE)=(.*)$/gm)]
    .flatMap(([, value]) => value!.replaceAll('"', "").split(" "));
  const cards: string[] = [];
  const closed: string[] = [];
  for (const path of CARDS) {
    if (!await Deno.stat(path).then(() => true, () => false)) continue;
    cards.push(path);
    const opened = await Deno.open(path, { read: true }).catch((error) => error);
    if (opened instanceof Deno.FsFile) opened.close();
    else if (opened instanceof Deno.errors.PermissionDenied) closed.push(path);
  }
  const lacks = cards.includes(NVIDIA) ? await missingFiles() : [];
  return { names, root: Deno.uid() === 0, cards, closed, lacks };
}

/** What NVIDIA's driver needs and is in none of its folders. */
async function missingFiles(): Promise<string[]> {
  const wanted = [
    [ICD, ICD_FOLDERS] as const,
    ...Object.keys(LIBRARIES).map((name) => [name, LIBRARY_FOLDERS] as const),
  ];
  const found = await Promise.all(wanted.map(([name, folders]) => isInOneOf(folders, name)));
  return wanted.filter((_, i) => !found[i]).map(([name]) => name);
}

async function isInOneOf(folders: readonly string[], name: string): Promise<boolean> {
  for (const folder of folders) {
    if (await Deno.stat(`${folder}/${name}`).then(() => true, () => false)) return true;
  }
  return false;
}

/** Commands that install packages, by the system's name. */
const INSTALLERS: Readonly<Record<string, string>> = {
  debian: "apt-get install -y",
  fedora: "dnf install -y",
  rhel: "dnf install -y",
  arch: "pacman -S --needed",
  suse: "zypper install -y",
  alpine: "apk add",
};

/** Packages by purpose, since systems name them differently. */
export const PACKAGES = {
  driver: {
    debian: "mesa-vulkan-drivers libvulkan1",
    fedora: "mesa-vulkan-drivers vulkan-loader",
    rhel: "mesa-vulkan-drivers vulkan-loader",
    arch: "vulkan-swrast vulkan-icd-loader",
    suse: "libvulkan1 libvulkan_lvp",
    alpine: "mesa-vulkan-swrast vulkan-loader",
  },
  ffmpeg: {
    debian: "ffmpeg",
    fedora: "ffmpeg-free",
    rhel: "ffmpeg-free",
    arch: "ffmpeg",
    suse: "ffmpeg",
    alpine: "ffmpeg",
  },
} as const satisfies Record<string, Readonly<Record<string, string>>>;

/** The command that installs something here; undefined if unknown. */
export function installCommand(
  what: keyof typeof PACKAGES,
  { names, root }: System,
): string | undefined {
  const name = names.map((n) => n === "ubuntu" ? "debian" : n).find((n) => INSTALLERS[n]);
  if (name === undefined) {
    if (what === "ffmpeg" && names.includes("darwin")) return "brew install ffmpeg";
    if (what === "ffmpeg" && names.includes("windows")) return "winget install ffmpeg";
    return undefined;
  }
  const packages: Readonly<Record<string, string>> = PACKAGES[what];
  return `${root ? "" : "sudo "}${INSTALLERS[name]} ${packages[name]}`;
}

/** What to do if WebGPU finds no adapter, or only one that runs on the CPU. */
export function adapterAdvice(system: System): string | undefined {
  const { names, cards, closed } = system;
  if (closed.length > 0) return "sudo usermod -aG render,video $USER (then log in again)";
  const libraries = Object.entries(LIBRARIES).filter(([name]) => system.lacks?.includes(name));
  if (cards.includes(NVIDIA) && libraries.length > 0 && !system.lacks?.includes(ICD)) {
    const files = libraries.map(([name]) => name).join(" and ");
    const packages = libraries.map(([, name]) => name).join(" ");
    return `NVIDIA's driver needs ${files}; on Debian: apt-get install -y ${packages}`;
  }
  if (cards.includes(NVIDIA)) {
    return "in a container, start it with: --gpus all -e NVIDIA_DRIVER_CAPABILITIES=all; " +
      `elsewhere install NVIDIA's driver with its Vulkan part (${ICD})`;
  }
  const install = installCommand("driver", system);
  if (install) return install;
  if (names.includes("windows")) return "install or update your graphics driver";
  if (names.includes("darwin")) return "nothing: Metal is part of macOS, but needs a GPU";
  return "install a Vulkan driver, for example Mesa's lavapipe";
}
