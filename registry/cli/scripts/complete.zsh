#compdef %(prog_name)s

%(complete_func)s() {
    local -a plain plain_shown open open_shown
    local type value help
    (( ! $+commands[%(prog_name)s] )) && return 1
    for type value help in "${(@f)$(env COMP_WORDS="${words[*]}" COMP_CWORD=$((CURRENT-1)) \
%(complete_var)s=zsh_complete %(prog_name)s 2>/dev/null)}"; do
        [[ $help != _ ]] && help="$value  -- $help" || help=$value
        case $type in
            plain) plain+=("$value"); plain_shown+=("$help") ;;
            open) open+=("$value"); open_shown+=("$help") ;;
            dir) _path_files -/ ;;
            file) _path_files -f ;;
        esac
    done
    (( $#open )) && compadd -U -S '' -l -V open -d open_shown -a open
    (( $#plain )) && compadd -U -l -V plain -d plain_shown -a plain
}

# Loaded from fpath, or evaluated.
[[ $zsh_eval_context[-1] == loadautofunc ]] && %(complete_func)s "$@" || compdef %(complete_func)s %(prog_name)s
