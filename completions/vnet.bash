# bash completion for vnet(1): `vnet complete` knows the commands, and asks the switch for its names.

_vnet() {
  local line word
  COMPREPLY=()
  while IFS= read -r line; do
    word=${line%%$'\t'*}
    if [[ $word == :files ]]; then
      compopt -o filenames 2>/dev/null
      while IFS= read -r word; do COMPREPLY+=("$word"); done < <(compgen -f -- "${COMP_WORDS[COMP_CWORD]}")
    else
      [[ $word != *= ]] || compopt -o nospace 2>/dev/null
      COMPREPLY+=("$word")
    fi
  done < <("${COMP_WORDS[0]}" complete "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
}

complete -F _vnet vnet
