import type { CommandWords, OptionWords, Value } from "./words.ts";

/** Completions for bash, 3.2 and later. */
export function bashCompletions(commands: readonly CommandWords[]): string {
  const names = commands.map(({ name }) => name).join(" ");
  return `# bash completions for far; to load them: source <(far completions bash)
_far() {
  local cur="\${COMP_WORDS[COMP_CWORD]}" prev="\${COMP_WORDS[COMP_CWORD-1]}" options="" words=""
  COMPREPLY=()
  if [ "$prev" = "=" ]; then prev="\${COMP_WORDS[COMP_CWORD-2]}"; fi
  if [ "$cur" = "=" ]; then cur=""; fi
  if [ "$COMP_CWORD" -eq 1 ]; then
    _far_words "${names} --help --version"
    return
  fi
  case "\${COMP_WORDS[1]}" in
${commands.map(commandCase).join("\n")}
  esac
  case "$cur" in
    -*) _far_words "$options" ;;
    *)
      case "$words" in
        "<files>") return ;;
        "<"*) words="\${words#<}"; _far_names "\${words%>}" ;;
        *) _far_words "$words" ;;
      esac
      ;;
  esac
}
_far_names() {
  COMPREPLY=($(compgen -W "$(far completions "$1" -- "\${COMP_WORDS[@]:0:COMP_CWORD+1}" 2> /dev/null)" -- "$cur"))
}
_far_words() {
  COMPREPLY=($(compgen -W "$1" -- "$cur"))
  if type compopt > /dev/null 2>&1; then compopt +o default +o bashdefault; fi
} 2> /dev/null
complete -o bashdefault -o default -F _far far
`;
}

function commandCase({ name, options, argument }: CommandWords): string {
  const flags = options.map(({ long }) => `--${long}`).join(" ");
  const valued = options.filter(({ value }) => value.kind !== "none");
  return [
    `    ${name})`,
    `      options="${flags}"`,
    `      words="${wordList(argument)}"`,
    ...valued.length > 0 ? ['      case "$prev" in', ...cases(valued), "      esac"] : [],
    "      ;;",
  ].join("\n");
}

function wordList(value: Value): string {
  if (value.kind === "words") return value.words.join(" ");
  if (value.kind === "names") return `<${value.names}>`;
  return value.kind === "files" ? "<files>" : "";
}

/** One line per group of options with the same values. */
function cases(options: readonly OptionWords[]): string[] {
  const bySpelling = new Map<string, string[]>();
  for (const { long, short, value } of options) {
    const spellings = [`--${long}`, ...short ? [`-${short}`] : []];
    const key = value.kind === "files"
      ? "return"
      : value.kind === "names"
      ? `_far_names ${value.names}; return`
      : `_far_words "${wordList(value)}"; return`;
    bySpelling.getOrInsert(key, []).push(...spellings);
  }
  return [...bySpelling].map(([action, spellings]) =>
    `        ${spellings.join("|")}) ${action} ;;`
  );
}
