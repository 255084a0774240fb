# SPDX-License-Identifier: MIT
# zsh -f zsh_matches.zsh FOLDER LINE: what zsh would offer at the end of LINE, one a line, with the
# completion functions of FOLDER. Completion only runs inside the line editor, so this starts a
# second zsh on a pseudo-terminal, where compadd is replaced by a function that prints matches.
zmodload zsh/zpty || exit 1
export MATCHES_FOLDER=$1
zpty inner zsh -f -i
send() { zpty -w inner "$1" }
send 'PS1= PS2= ; stty -echo; unsetopt zle_bracketed_paste; typeset -g ZLE_REMOVE_SUFFIX_CHARS='
send 'fpath=($MATCHES_FOLDER $fpath); autoload -Uz compinit; compinit -u -D'
send 'zstyle ":completion:*" list-prompt ""; zstyle ":completion:*" menu no'
send 'compadd() {
    local -a matches
    if [[ ${@[1,(i)(-|--)]} == *-(O|A|D)\ * ]]; then builtin compadd "$@"; return $?; fi
    builtin compadd -A matches "$@"
    local match
    for match in $matches; do print -r -- "MATCH:$match:" >>$MATCHES_FILE; done
    builtin compadd "$@"
}'
export MATCHES_FILE=$(mktemp)
send "MATCHES_FILE=$MATCHES_FILE"
send 'done-now() { print DONE >>$MATCHES_FILE; zle send-break }; zle -N done-now; bindkey "^X" done-now'
send 'print READY >>$MATCHES_FILE'
for i in {1..100}; do grep -q READY $MATCHES_FILE && break; sleep 0.05; done
zpty -w -n inner "$2"$'\t\x18'
for i in {1..100}; do grep -q DONE $MATCHES_FILE && break; sleep 0.05; done
sed -n 's/^MATCH:\(.*\):$/\1/p' $MATCHES_FILE | sort -u
zpty -d inner
rm -f $MATCHES_FILE
