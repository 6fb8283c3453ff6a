import type { CommandWords, OptionWords, Value } from "./words.ts";

/** Completions for zsh. */
export function zshCompletions(commands: readonly CommandWords[]): string {
  const list = commands.map(({ name, summary }) => `    ${quote(`${name}:${escape(summary)}`)}`);
  return `#compdef far
# zsh completions for far; to keep them: far completions zsh > "\${fpath[1]}/_far"
_far() {
  local -a commands
  commands=(
${list.join("\n")}
  )
  if (( CURRENT == 2 )); then
    _describe -t commands 'far command' commands
    _arguments '--help[print this help]' '--version[print the version]'
    return
  fi
  local name="$words[2]"
  shift words
  (( CURRENT-- ))
  case "$name" in
${commands.map(commandCase).join("\n")}
  esac
}
_far_names() {
  local -a names
  names=(\${(f)"$(far completions $1 -- $words 2> /dev/null)"})
  compadd -a names || _files
}
if [ "$funcstack[1]" = "_far" ]; then _far "$@"; else compdef _far far; fi
`;
}

function commandCase({ name, options, argument }: CommandWords): string {
  // a command without words must not mention them: zsh would explain that instead of completing
  const rest = argument.kind === "text" ? [] : [quote(`*:argument:${action(argument)}`)];
  const lines = [...options.map(optionLine), ...rest];
  return `    ${name})\n      _arguments ${
    lines.map((line) => `\\\n        ${line}`).join(" ")
  }\n      ;;`;
}

function optionLine({ long, short, help, repeatable, name, value }: OptionWords): string {
  const text = `[${escape(help)}]` +
    (value.kind === "none" ? "" : `:${escape(name)}:${action(value)}`);
  if (!short) return quote(`${repeatable ? "*" : ""}--${long}${text}`);
  const once = repeatable ? "'*'" : `'(-${short} --${long})'`;
  return `${once}{-${short},--${long}}${quote(text)}`;
}

function action(value: Value): string {
  if (value.kind === "words") return `(${value.words.join(" ")})`;
  if (value.kind === "names") return `{_far_names ${value.names}}`;
  return value.kind === "files" ? "_files" : " ";
}

/** Colons and brackets end a part of a specification. */
function escape(text: string): string {
  return text.replace(/[[\]:\\]/g, "\\$&");
}

function quote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
