import more from "./more_licences.txt" with { type: "text" };

const LOCK = new URL("../../deno.lock", import.meta.url);

/** Systems that a package is for; absent if it runs on any. */
interface LockedPackage {
  readonly os?: readonly string[];
  readonly cpu?: readonly string[];
}

/**
 * Names and texts of the licences of all packages that the lock file names, and of what a binary
 * carries besides or without a text of its own.
 */
export async function licenceTexts(): Promise<string> {
  const lock: { npm: Record<string, LockedPackage> } = JSON.parse(await Deno.readTextFile(LOCK));
  const cache = await packageFolder();
  const parts = [
    "Packages that far is made with, and that its binaries carry. Of the packages for single systems a\n" +
    "binary carries its own alone. See NOTICE for FFmpeg, which is inside @napi-rs/webcodecs. At the end:\n" +
    "Deno and V8, which a binary is made with.",
  ];
  for (const key of Object.keys(lock.npm).sort()) {
    const [, name, version] = /^(@?[^@]+)@([^_]+)/.exec(key)!;
    const { os = ["linux"], cpu = ["x64"] } = lock.npm[key]!;
    const here = os.includes("linux") && cpu.includes("x64");
    const texts = here ? await describe(`${cache}/${name}/${version}`) : "for another system";
    parts.push(`${name} ${version}: ${texts}`);
  }
  parts.push(more.trim());
  return `${parts.join(`\n\n${"-".repeat(80)}\n`)}\n`;
}

/** Where Deno keeps the packages of the registry that was used. */
async function packageFolder(): Promise<string> {
  const { stdout } = await new Deno.Command(Deno.execPath(), { args: ["info", "--json"] }).output();
  const { npmCache } = JSON.parse(new TextDecoder().decode(stdout));
  for await (const { name } of Deno.readDir(npmCache)) return `${npmCache}/${name}`;
  throw new Error("Deno's cache has no packages: run the tests first");
}

/** The licence's name, and its text where the package has one. */
async function describe(folder: string): Promise<string> {
  const { license } = JSON.parse(await Deno.readTextFile(`${folder}/package.json`));
  for await (const { name: file } of Deno.readDir(folder)) {
    if (!/^(licen[cs]e|copying)/i.test(file)) continue;
    const text = await Deno.readTextFile(`${folder}/${file}`);
    return `${license}\n\n${text.replace(/[ \t\r]+$/gm, "").trim()}`;
  }
  return license;
}
