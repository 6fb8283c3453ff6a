import { Duplex } from "node:stream";
import { UsageError } from "../../cli/errors.ts";

/** Pause after a failed accept, as when the system has no descriptors left. */
const RETRY_MS = 200;

/**
 * Accepts a limited number of connections, so that a flood cannot use up the descriptors that the
 * game and its recording need. A new one replaces the oldest that is not kept.
 */
export class Connections {
  readonly #listener: Deno.TcpListener;
  /** Oldest first. */
  readonly #open = new Set<Duplex>();
  readonly #kept = new Set<Duplex>();
  #closed = false;

  /**
   * Listens at once.
   * @param most connections open at a time
   * @param take called with each of them
   * @throws {UsageError} the port is in use or not permitted
   */
  constructor(
    { hostname, port }: { hostname: string; port: number },
    private readonly most: number,
    private readonly take: (connection: Duplex) => void,
  ) {
    try {
      this.#listener = Deno.listen({ hostname, port });
    } catch (error) {
      throw new UsageError(`Cannot listen on ${hostname}:${port}: ${reason(error)}`);
    }
    this.#acceptAll();
  }

  /** The port. */
  get port(): number {
    return this.#listener.addr.port;
  }

  /** Keeps a connection until it closes by itself. */
  keep(connection: Duplex): void {
    this.#kept.add(connection);
  }

  /** Stops listening and drops all connections. */
  close(): void {
    this.#closed = true;
    this.#listener.close();
    for (const connection of this.#open) connection.destroy();
  }

  async #acceptAll(): Promise<void> {
    while (!this.#closed) {
      try {
        this.#add(await this.#listener.accept());
      } catch {
        await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
      }
    }
  }

  #add(socket: Deno.TcpConn): void {
    if (this.#open.size >= this.most && !this.#makeRoom()) return socket.close();
    const { readable, writable } = socket;
    const connection = Duplex.fromWeb({ readable, writable } as never);
    this.#open.add(connection);
    connection.on("error", () => {}); // it closes then
    connection.once("close", () => {
      this.#open.delete(connection);
      this.#kept.delete(connection);
      release(socket);
    });
    this.take(connection);
  }

  /** @returns whether there is room */
  #makeRoom(): boolean {
    for (const connection of this.#open) {
      if (this.#kept.has(connection)) continue;
      this.#open.delete(connection);
      connection.destroy();
      return true;
    }
    return false;
  }
}

function release(socket: Deno.TcpConn): void {
  try {
    socket.close();
  } catch {
    // its streams already closed it
  }
}

function reason(error: unknown): string {
  if (error instanceof Deno.errors.AddrInUse) return "the port is in use; give another with --port";
  return error instanceof Error ? error.message : String(error);
}
