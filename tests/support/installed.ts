/** Whether a program is installed: tests that need one say so if it is missing. */
export async function isInstalled(program: string, ...args: string[]): Promise<boolean> {
  try {
    const command = new Deno.Command(program, { args, stdout: "null", stderr: "null" });
    return (await command.output()).success;
  } catch {
    return false; // a missing program throws at once
  }
}
