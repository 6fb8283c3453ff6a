import { join } from "node:path";
import { isInstalled } from "../support/installed.ts";

/** Debian's redis-server; tests that need it say so if it is missing. */
export const HAS_REDIS = await isInstalled("redis-server", "--version");

/** Makes certificates; Debian always has it, other systems may not. */
export const HAS_OPENSSL = await isInstalled("openssl", "version");

/** A server's certificate files. */
export interface Certificate {
  readonly authority: string;
  readonly certificate: string;
  readonly key: string;
}

/** How a server is started. */
export interface RedisOptions {
  readonly password?: string;
  /** Accepts only TLS. */
  readonly tls?: Certificate;
}

/** A Redis server of one's own, on loopback, that keeps every command in an append-only file. */
export class RedisServer implements AsyncDisposable {
  readonly port: number;
  readonly #folder: string;
  readonly #options: RedisOptions;
  #child: Deno.ChildProcess | undefined;

  private constructor(port: number, folder: string, options: RedisOptions) {
    this.port = port;
    this.#folder = folder;
    this.#options = options;
  }

  static async start(options: RedisOptions = {}): Promise<RedisServer> {
    const server = new RedisServer(freePort(), await Deno.makeTempDir(), options);
    await server.#spawn();
    return server;
  }

  /** Includes the password. */
  get url(): string {
    const { tls, password } = this.#options;
    const login = password === undefined ? "" : `:${encodeURIComponent(password)}@`;
    return `${tls ? "rediss" : "redis"}://${login}127.0.0.1:${this.port}`;
  }

  async #spawn(): Promise<void> {
    const { tls, password } = this.#options;
    const settings = {
      ...(tls
        ? {
          port: 0,
          "tls-port": this.port,
          "tls-cert-file": tls.certificate,
          "tls-key-file": tls.key,
          "tls-ca-cert-file": tls.authority,
          "tls-auth-clients": "no",
        }
        : { port: this.port }),
      ...(password === undefined ? {} : { requirepass: password }),
      bind: "127.0.0.1",
      dir: this.#folder,
      appendonly: "yes",
      appendfsync: "always",
      save: "",
      "maxmemory-policy": "noeviction",
    };
    const args = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, String(value)]);
    this.#child = new Deno.Command("redis-server", {
      args,
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).spawn();
    for (let tries = 0; tries < 200; tries++) {
      try {
        (await Deno.connect({ hostname: "127.0.0.1", port: this.port })).close();
        return;
      } catch {
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    }
    throw new Error("redis-server does not answer");
  }

  /** Restarts it with the data in its file. */
  async restart(): Promise<void> {
    await this.#stop();
    await this.#spawn();
  }

  /** Stops answering, connections stay open; ends with the server. */
  freeze(): void {
    this.#child?.kill("SIGSTOP");
  }

  /** Kills it; nothing listens any more. */
  async end(): Promise<void> {
    this.#child?.kill("SIGKILL");
    await this.#child?.status;
  }

  async #stop(): Promise<void> {
    try {
      this.#child?.kill("SIGTERM");
      this.#child?.kill("SIGCONT");
    } catch {
      // it has ended already
    }
    await this.#child?.status;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stop();
    await Deno.remove(this.#folder, { recursive: true });
  }
}

/** Makes an authority in a folder, and a certificate signed by it for 127.0.0.1. */
export async function makeCertificate(folder: string): Promise<Certificate> {
  const at = (name: string) => join(folder, name);
  const openssl = async (...args: string[]) => {
    const { success, stderr } = await new Deno.Command("openssl", { args }).output();
    if (!success) throw new Error(`openssl: ${new TextDecoder().decode(stderr)}`);
  };
  const key = (name: string) => ["-newkey", "rsa:2048", "-nodes", "-keyout", at(`${name}.key`)];
  await openssl("req", "-x509", ...key("ca"), "-out", at("ca.pem"), "-subj", "/CN=authority");
  await openssl("req", ...key("server"), "-out", at("server.csr"), "-subj", "/CN=server");
  await Deno.writeTextFile(at("names"), "subjectAltName=IP:127.0.0.1");
  const signed = ["-CA", at("ca.pem"), "-CAkey", at("ca.key"), "-CAcreateserial"];
  const files = ["-in", at("server.csr"), "-out", at("server.pem"), "-extfile", at("names")];
  await openssl("x509", "-req", ...signed, ...files);
  return { authority: at("ca.pem"), certificate: at("server.pem"), key: at("server.key") };
}

function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}
