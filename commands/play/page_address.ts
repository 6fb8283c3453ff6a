import { isIPv4 } from "node:net";
import { renderUnicodeCompact } from "uqr";

/** Address to listen on for machines of the same network. */
export const EVERYWHERE = "0.0.0.0";

/** Where machines of the same network reach this one, most likely first. */
export function lanAddresses(interfaces = Deno.networkInterfaces()): string[] {
  const own = interfaces.filter(({ address }) =>
    isIPv4(address) && !address.startsWith("127.") && !address.startsWith("169.254.")
  );
  const isVirtual = ({ name }: { name: string }) => /^(docker|veth|br-|virbr|tun|tap)/.test(name);
  return own.toSorted((a, b) => Number(isVirtual(a)) - Number(isVirtual(b)))
    .map(({ address }) => address);
}

/** The address as a code that phones read. */
export function qrCode(url: string): string {
  return renderUnicodeCompact(url, { border: 2 });
}

/** The program that opens an address in the user's browser. */
export function browserCommand(url: string, os = Deno.build.os): [program: string, ...string[]] {
  if (os === "darwin") return ["open", url];
  if (os === "windows") return ["explorer.exe", url];
  return ["xdg-open", url];
}

/** Opens the page in the user's browser. @returns why not, where it cannot */
export async function openBrowser(url: string): Promise<string | undefined> {
  const [program, ...args] = browserCommand(url);
  try {
    const command = new Deno.Command(program, {
      args,
      stdin: "null",
      stdout: "null",
      stderr: "null",
    });
    const { success } = await command.output();
    // Windows' Explorer gives a status of its own
    return success || Deno.build.os === "windows" ? undefined : `${program} failed`;
  } catch (error) {
    const missing = error instanceof Deno.errors.NotFound;
    return missing ? `there is no ${program}` : (error as Error).message;
  }
}
