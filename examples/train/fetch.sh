#!/bin/sh
# SPDX-License-Identifier: MIT
# Fetches the Debian 12 packages whose pictures the shipped model is trained and measured on.
#
#   examples/train/fetch.sh DATA [train|eval|all]
#
# Each package is downloaded by apt and unpacked below DATA/PACKAGE. Nothing is installed, and no
# root is needed; what is there already is kept. `train` is 464 MB of downloads, `all`, the
# default, 948.
set -eu

data=${1:?"usage: fetch.sh DATA [train|eval|all]"}
which=${2:-all}
train="openclipart-png openclipart-svg fonts-noto-color-emoji unicode-data unicode-cldr-core
    firefox-esr sweethome3d-furniture endless-sky-data tango-icon-theme fonts-dejavu-core
    fonts-liberation2 wamerican"
eval="ruby-gemojione iso-flags-png-320x240 iso-codes tuxpaint-stamps-default qabcs-data
    stellarium-data dataset-fashion-mnist endless-sky-data unicode-data unicode-cldr-core"
case $which in
train) packages=$train ;;
eval) packages=$eval ;;
all) packages="$train $eval" ;;
*)
    echo "fetch: what is '$which'? train, eval or all" >&2
    exit 2
    ;;
esac

mkdir -p "$data"
cd "$data"
status=0
for package in $packages; do
    [ ! -d "$package" ] || continue
    rm -rf "$package.part"
    mkdir "$package.part"
    if (cd "$package.part" && apt-get download -qq -o APT::Sandbox::User=root "$package") &&
        dpkg -x "$package.part"/*.deb "$package.part"; then
        rm "$package.part"/*.deb
        mv "$package.part" "$package"
        echo "fetch: $package"
    else
        rm -rf "$package.part"
        echo "fetch: $package: apt cannot fetch it here (is apt-get update needed?)" >&2
        status=1
    fi
done
exit $status
