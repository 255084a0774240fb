# SPDX-License-Identifier: MIT
# Reading and running .case files: examples of the commands that are shown in the manual pages.
#
#   # name: NAME           begins a case
#   $ command              a line of a shell script; a case may have several
#   < text                 a line of its standard input
#   > text                 a line of its standard output
#   ? N                    its exit status; 0 where nothing is said

# What a case finds in its folder: pictures, and a tiny model whose weights are random numbers.
case_folder() {
    local tests
    tests=$(dirname "$(dirname "$(realpath "${BASH_SOURCE[0]}")")")
    rm -rf "$1"
    mkdir "$1"
    cp -r "$tests/tools/pictures" "$1"
    ln -s "$tests/golden/micro-vit-hf" "$1/model"
    export CLIP_MODEL=model
}

# case_names FILE
case_names() { sed -n 's/^# name: //p' "$1"; }

# case_part FILE NAME MARK: the lines with this mark, without it.
case_part() {
    awk -v name="$2" -v mark="$3" '
        /^# name: / { wanted = $0 == "# name: " name }
        wanted && index($0, mark " ") == 1 { print substr($0, 3) }
        wanted && $0 == mark { print "" }' "$1"
}

# run_case FILE NAME [OPTION...]: runs a case in the present folder; its output goes to the file
# `got`, its status to the variable `case_status`. Options are given to each command of the script
# that computes in batches.
run_case() {
    local script input
    script=$(case_part "$1" "$2" '$')
    input=$(case_part "$1" "$2" '<' && echo x)
    shift 2
    [ $# -eq 0 ] || script=$(sed -E "s/(^|[|;&( ])(clip-(embed|classify|rank)|clip-eval (zeroshot|retrieval)) /\1\2 $* /g" <<<"$script")
    case_status=0
    printf %s "${input%x}" | bash -c "$script" >got 2>messages || case_status=$?
}
