import { Duplex } from "node:stream";
import { UsageError } from "../../cli/errors.ts";

/** Pause after an accept that failed, as it does while the system has no descriptors left. */
const RETRY_MS = 200;

/**
 * Accepts connections, at most so many at once: a flood of them must not take the descriptors that
 * the game and its recording need. A new one takes the place of the oldest that has not been kept.
 */
export class Connections {
  readonly #listener: Deno.TcpListener;
  readonly #most: number;
  readonly #take: (connection: Duplex) => void;
  /** Oldest first. */
  readonly #open = new Set<Duplex>();
  readonly #kept = new Set<Duplex>();
  #closed = false;

  /**
   * Listens at once.
   * @param most connections open at a time
   * @param take is given each of them
   * @throws {UsageError} the port is taken, or may not be used
   */
  constructor(
    { hostname, port }: { hostname: string; port: number },
    most: number,
    take: (connection: Duplex) => void,
  ) {
    this.#most = most;
    this.#take = take;
    try {
      this.#listener = Deno.listen({ hostname, port });
    } catch (error) {
      throw new UsageError(`Cannot listen on ${hostname}:${port}: ${reason(error)}`);
    }
    this.#acceptAll();
  }

  /** Port that is listened on. */
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
    if (this.#open.size >= this.#most && !this.#makeRoom()) return socket.close();
    const { readable, writable } = socket;
    const connection = Duplex.fromWeb({ readable, writable } as never);
    this.#open.add(connection);
    connection.on("error", () => {}); // it closes then
    connection.once("close", () => {
      this.#open.delete(connection);
      this.#kept.delete(connection);
      release(socket);
    });
    this.#take(connection);
  }

  /** @returns whether there is room now */
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
    // its streams closed it
  }
}

function reason(error: unknown): string {
  if (error instanceof Deno.errors.AddrInUse) return "the port is in use; give another with --port";
  return error instanceof Error ? error.message : String(error);
}
