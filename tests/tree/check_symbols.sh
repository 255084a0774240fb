#!/bin/sh
# SPDX-License-Identifier: MIT
# check_symbols.sh BUILD_FOLDER: the library never prints, ends the process or reads the
# environment; its object files say so. lib/cli alone may.
set -eu
build=$1
command -v nm >/dev/null || {
    echo "check_symbols: skipped, nm is not installed"
    exit 0
}
forbidden='printf|fprintf|vprintf|vfprintf|puts|fputs|putchar|fputc|fwrite|perror|exit|_exit|quick_exit'
forbidden="$forbidden|abort|getenv|secure_getenv|setenv|_ZSt4cout|_ZSt4cerr|_ZSt4clog|_ZSt3cin"
forbidden="$forbidden|__printf_chk|__fprintf_chk|__vfprintf_chk|__vprintf_chk|__assert_fail|setlocale"

# Without NDEBUG, headers of others (nlohmann/json) leave their assertions in our object files.
grep -q -e -DNDEBUG "$build/lib/base/CMakeFiles/clip_base.dir/flags.make" || forbidden=$(
    echo "$forbidden" | sed 's/|__assert_fail//'
)

found=$(find "$build/lib" -name 'libclip_*.a' ! -name 'libclip_cli.a' | sort | while IFS= read -r archive; do
    nm -AuP "$archive" 2>/dev/null | sed 's/: / /' |
        awk -v names="^($forbidden)\$" -v archive="$(basename "$archive")" '{
            symbol = $2
            sub(/@.*/, "", symbol)
            if (symbol ~ names) {
                file = $1
                sub(/.*\[/, "", file)
                sub(/\].*/, "", file)
                print archive ": " file ": uses " symbol
            }
        }'
done)
count=$(find "$build/lib" -name 'libclip_*.a' | wc -l)
if [ "$count" -eq 0 ]; then
    echo "check_symbols: no libraries under $build/lib"
    exit 1
fi
if [ -n "$found" ]; then
    echo "$found"
    exit 1
fi
