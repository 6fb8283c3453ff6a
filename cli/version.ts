import settings from "../deno.json" with { type: "json" };

/** Version of the program, recorded in outputs. */
export const VERSION: string = settings.version;
