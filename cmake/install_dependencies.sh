#!/bin/sh
# SPDX-License-Identifier: MIT
# Installs what building and testing need, with apt, and only what is missing; and the packages that
# are named as arguments.
set -eu

packages="g++ cmake make pkg-config libcli11-dev nlohmann-json3-dev zlib1g-dev libjpeg-dev libpng-dev
libssl-dev libicu-dev libopencv-dev libhdf5-dev doctest-dev bats jq hdf5-tools groff $*"
# Asked for, but not everywhere: the build does without.
optional="libdnnl-dev liblbfgs-dev libopenmpi-dev openmpi-bin shellcheck"

if ! command -v apt-get >/dev/null; then
    echo "make deps: this system has no apt-get; what is needed: $packages $optional" >&2
    exit 1
fi
missing=
for package in $packages $optional; do
    dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null | grep -q '^installed' ||
        missing="$missing $package"
done
[ -n "$missing" ] || exit 0

as_root=
[ "$(id -u)" = 0 ] || as_root=sudo
echo "make deps: installing$missing"
$as_root apt-get update -qq
available=
for package in $missing; do
    if apt-cache show "$package" >/dev/null 2>&1; then
        available="$available $package"
    else
        echo "make deps: $package is not to be had here" >&2
    fi
done
# shellcheck disable=SC2086 # a list of words is meant
DEBIAN_FRONTEND=noninteractive $as_root apt-get install -y -qq --no-install-recommends $available
