#!/bin/sh
# SPDX-License-Identifier: MIT
# completions.sh CLI_TOY CLI_FAMILY: the generated completions, asked by the shells that are here.
set -u
here=$(realpath "$(dirname "$0")")
toy=$(realpath "$1")
family=$(realpath "$2")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/bin" "$work/zsh" "$work/d" "$work/d/sub"
touch "$work/d/a.jpg" "$work/d/a b.jpg"
ln -s "$toy" "$work/bin/cli-toy"
ln -s "$family" "$work/bin/cli-family"
for program in cli-toy cli-family; do
    "$work/bin/$program" --generate=bash >"$work/$program.bash" || exit 1
    "$work/bin/$program" --generate=zsh >"$work/zsh/_$program" || exit 1
    "$work/bin/$program" --generate=fish >"$work/$program.fish" || exit 1
done
PATH=$work/bin:$PATH
cd "$work/d" || exit 1
failures=0

# expect WHAT GOT WANT: both as words in any order.
expect() {
    got=$(printf '%s\n' "$2" | LC_ALL=C sort | tr '\n' ' ')
    want=$(printf '%s\n' "$3" | tr '|' '\n' | LC_ALL=C sort | tr '\n' ' ')
    if [ "$got" != "$want" ]; then
        echo "FAILED $1"
        echo "  got:  $got"
        echo "  want: $want"
        failures=$((failures + 1))
    fi
}

in_bash() {
    # The words of the line, split as readline splits them; the last is being completed.
    bash --norc -c '
        source "$1.bash"
        shift
        COMP_WORDS=("$@")
        COMP_CWORD=$(($# - 1))
        _${1//-/_}
        printf "%s\n" "${COMPREPLY[@]}"' bash "$work/$1" "$@"
}
if command -v bash >/dev/null; then
    for program in cli-toy cli-family; do
        bash -n "$work/$program.bash" || failures=$((failures + 1))
    done
    expect 'bash: long options' "$(in_bash cli-toy --pr)" '--precision|--progress'
    expect 'bash: the opposite of a switch' "$(in_bash cli-toy --no)" '--no-resume'
    expect 'bash: hidden options stay hidden' "$(in_bash cli-toy --a)" ''
    expect 'bash: words' "$(in_bash cli-toy --device '')" 'auto|cpu|cuda'
    expect 'bash: words after =' "$(in_bash cli-toy --format = j)" 'jsonl'
    expect 'bash: words after a bare =' "$(in_bash cli-toy --format =)" 'h5|jsonl|npy'
    expect 'bash: words of a short option' "$(in_bash cli-toy -f n)" 'npy'
    expect 'bash: free text' "$(in_bash cli-toy -l a)" ''
    expect 'bash: files' "$(in_bash cli-toy -o a)" 'a.jpg|a b.jpg'
    expect 'bash: a word or a file' "$(in_bash cli-toy --truth '')" 'folder|a.jpg|a b.jpg|sub'
    expect 'bash: operands' "$(in_bash cli-toy x a)" 'a.jpg|a b.jpg'
    expect 'bash: after --' "$(in_bash cli-toy -- -)" ''
    expect 'bash: a value after --' "$(in_bash cli-toy --format -- a)" 'a.jpg|a b.jpg'
    expect 'bash: subcommands' "$(in_bash cli-family '')" 'info|convert|tokens'
    expect 'bash: options of a subcommand' "$(in_bash cli-family convert --)" \
        '--output|--layout|--quiet|--progress|--verbose|--help'
    expect 'bash: folders' "$(in_bash cli-family --quiet convert --output '')" 'sub'
    expect 'bash: words of a subcommand' "$(in_bash cli-family convert --layout = h)" 'hf'
    expect 'bash: operands of a subcommand' "$(in_bash cli-family info a)" 'a.jpg|a b.jpg'
else
    echo 'skipped: bash is not installed'
fi

in_fish() {
    fish --no-config -c "source $work/cli-toy.fish; source $work/cli-family.fish
        complete -C '$1'" 2>&1 | sed 's/	.*//'
}
if command -v fish >/dev/null; then
    export HOME="$work" XDG_CONFIG_HOME="$work" XDG_DATA_HOME="$work"
    for program in cli-toy cli-family; do
        fish --no-execute "$work/$program.fish" || failures=$((failures + 1))
    done
    expect 'fish: long options' "$(in_fish 'cli-toy --pr')" '--precision|--progress'
    expect 'fish: words' "$(in_fish 'cli-toy --device ')" 'auto|cpu|cuda'
    expect 'fish: words after =' "$(in_fish 'cli-toy --format=j')" '--format=jsonl'
    expect 'fish: free text' "$(in_fish 'cli-toy -l a')" ''
    expect 'fish: files' "$(in_fish 'cli-toy -o a')" 'a.jpg|a b.jpg'
    expect 'fish: operands' "$(in_fish 'cli-toy a')" 'a.jpg|a b.jpg'
    expect 'fish: subcommands' "$(in_fish 'cli-family ')" 'info|convert|tokens'
    expect 'fish: folders' "$(in_fish 'cli-family convert -o ')" 'sub/'
    expect 'fish: words of a subcommand' "$(in_fish 'cli-family convert --layout h')" 'hf'
    expect 'fish: operands of a subcommand' "$(in_fish 'cli-family info a')" 'a.jpg|a b.jpg'
    expect 'fish: no files for texts' "$(in_fish 'cli-family tokens a')" ''
else
    echo 'skipped: fish is not installed'
fi

# A whole zsh on a terminal of its own, whose matches are caught as they are added.
in_zsh() {
    zsh -f "$here/zsh_matches.zsh" "$work/zsh" "$1" 2>&1
}
if command -v zsh >/dev/null; then
    for program in cli-toy cli-family; do
        zsh -n "$work/zsh/_$program" || failures=$((failures + 1))
    done
    expect 'zsh: long options' "$(in_zsh 'cli-toy --pr')" '--precision|--progress'
    expect 'zsh: words' "$(in_zsh 'cli-toy --device ')" 'auto|cpu|cuda'
    expect 'zsh: words after =' "$(in_zsh 'cli-toy --format=')" 'h5|jsonl|npy'
    expect 'zsh: files' "$(in_zsh 'cli-toy -o a')" 'a.jpg|a\ b.jpg'
    expect 'zsh: a word or a file' "$(in_zsh 'cli-toy --truth f')" 'folder'
    expect 'zsh: operands' "$(in_zsh 'cli-toy x a')" 'a.jpg|a\ b.jpg'
    expect 'zsh: an option is given once' "$(in_zsh 'cli-toy --precision=auto --pr')" '--progress'
    expect 'zsh: a list is given again' "$(in_zsh 'cli-toy --label=x --lab')" '--label'
    expect 'zsh: subcommands' "$(in_zsh 'cli-family ')" 'info|convert|tokens'
    expect 'zsh: folders' "$(in_zsh 'cli-family convert -o ')" 'sub'
    expect 'zsh: words of a subcommand' "$(in_zsh 'cli-family convert --layout ')" 'hf|open_clip'
    expect 'zsh: shared options of a subcommand' "$(in_zsh 'cli-family info --q')" '--quiet'
else
    echo 'skipped: zsh is not installed'
fi

[ $failures -eq 0 ] && echo 'completions: all as expected'
exit $((failures > 0))
