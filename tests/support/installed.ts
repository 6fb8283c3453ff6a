/** Whether a program is there to be run: tests that need others say so where it is not. */
export async function isInstalled(program: string, ...args: string[]): Promise<boolean> {
  try {
    const command = new Deno.Command(program, { args, stdout: "null", stderr: "null" });
    return (await command.output()).success;
  } catch {
    return false; // a program that is missing is thrown at once
  }
}
