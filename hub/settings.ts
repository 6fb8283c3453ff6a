import { dirname, join } from "node:path";
import { homedir } from "node:os";
import { CheckpointError, quote } from "../files/errors.ts";

/** Address and folders of the hub, from the variables that its Python client reads. */
export interface HubSettings {
  /** Address of the hub, without a trailing slash. */
  readonly endpoint: string;
  /** Folder of the hub's cache. */
  readonly cache: string;
  /** Folder of the models converted from released checkpoints. */
  readonly models: string;
  /** Sent only to the endpoint's own origin. */
  readonly token: string | undefined;
  /** Whether the network must not be used. */
  readonly offline: boolean;
  /** Whether snapshots contain the files themselves instead of links. */
  readonly copies: boolean;
  /** Seconds without data after which a connection is given up. */
  readonly timeout: number;
}

/** A day, in seconds: timers of more than 2^31 milliseconds fire at once. */
const LONGEST_TIMEOUT = 86_400;

/** Reads a variable of the environment. */
export type Environment = (name: string) => string | undefined;

/** A variable of this process; undefined also where reading it is not permitted. */
function processEnvironment(name: string): string | undefined {
  try {
    return Deno.env.get(name);
  } catch {
    return undefined;
  }
}

/**
 * Settings from HF_ENDPOINT, HF_HUB_CACHE, HF_HOME, HF_TOKEN and their relatives.
 * @throws {CheckpointError} the endpoint is not a web address
 */
export async function hubSettings(
  variables: Environment = processEnvironment,
): Promise<HubSettings> {
  const environment: Environment = (name) => variables(name) || undefined; // empty is not set
  const expand = (path: string) => expandVariables(path, variables);
  const home = expand(
    environment("HF_HOME") ??
      join(environment("XDG_CACHE_HOME") ?? join(homedir(), ".cache"), "huggingface"),
  );
  const cache = expand(
    environment("HF_HUB_CACHE") ?? environment("HUGGINGFACE_HUB_CACHE") ?? join(home, "hub"),
  );
  const endpoint = (environment("HF_ENDPOINT") ?? "https://huggingface.co").replace(/\/+$/, "");
  if (!/^https?:$/.test(URL.parse(endpoint)?.protocol ?? "")) {
    throw new CheckpointError(
      `Cannot use HF_ENDPOINT ${quote(endpoint)}: it is not a web address`,
      {
        reason: "Hub",
      },
    );
  }
  const timeout = Number(environment("HF_HUB_DOWNLOAD_TIMEOUT") ?? 30);
  return {
    endpoint,
    cache,
    models: join(dirname(cache), "far"),
    token: await readToken(environment, home, expand),
    offline: isSet(environment("HF_HUB_OFFLINE")),
    copies: isSet(environment("HF_HUB_DISABLE_SYMLINKS")),
    timeout: timeout > 0 ? Math.min(timeout, LONGEST_TIMEOUT) : 30,
  };
}

/**
 * `~`, `$NAME` and `${NAME}` as the Python client expands them: files of variables for containers
 * contain them unexpanded. Unknown names stay.
 */
function expandVariables(path: string, environment: Environment): string {
  return path.replace(/^~(?=\/|$)/, homedir())
    .replace(/\$(?:([A-Za-z0-9_]+)|\{([^}]*)\})/g, (whole, plain?: string, braced?: string) => {
      return environment(plain ?? braced ?? "") ?? whole;
    });
}

/** HF_TOKEN, or the file that the Python client's login writes. */
async function readToken(
  environment: Environment,
  home: string,
  expand: (path: string) => string,
): Promise<string | undefined> {
  if (isSet(environment("HF_HUB_DISABLE_IMPLICIT_TOKEN"))) return undefined;
  const given = environment("HF_TOKEN") ?? environment("HUGGING_FACE_HUB_TOKEN");
  const path = expand(environment("HF_TOKEN_PATH") ?? join(home, "token"));
  const token = (given ?? await Deno.readTextFile(path).catch(() => "")).trim();
  if (token === "") return undefined;
  if (/^[\x21-\x7e]+$/.test(token)) return token;
  // Not the token itself: messages go into logs.
  throw new CheckpointError(
    "Cannot use the hub's token: it contains invalid characters",
    {
      reason: "Hub",
    },
  );
}

function isSet(value: string | undefined): boolean {
  return value !== undefined && /^(1|on|yes|true)$/i.test(value);
}
