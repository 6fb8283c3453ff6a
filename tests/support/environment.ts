// Files of tests run side by side in one process: what they change must be their own.

/** Runs with other variables, as this file's code sees them; undefined is a missing one. */
export async function withVariables<T>(
  variables: Readonly<Record<string, string | undefined>>,
  body: () => T | Promise<T>,
): Promise<T> {
  const { get } = Deno.env;
  Deno.env.get = (name) => name in variables ? variables[name] : get.call(Deno.env, name);
  try {
    return await body();
  } finally {
    Deno.env.get = get;
  }
}

/** Runs as on a system that has no ffmpeg. */
export async function withoutFfmpeg<T>(body: () => T | Promise<T>): Promise<T> {
  const { Command } = Deno;
  const Without = class extends Command {
    constructor(program: string | URL, options?: Deno.CommandOptions) {
      super(/^ff(mpeg|probe)$/.test(String(program)) ? `/nowhere/${program}` : program, options);
    }
  };
  Object.defineProperty(Deno, "Command", { value: Without, configurable: true });
  try {
    return await body();
  } finally {
    Object.defineProperty(Deno, "Command", { value: Command, configurable: true });
  }
}

/** Runs without the native video codecs. */
export async function withoutAddon<T>(body: () => T | Promise<T>): Promise<T> {
  return await withVariables({ FAR_NO_ADDON: "1" }, body);
}
