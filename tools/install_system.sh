#!/usr/bin/env bash
# Installs what pip cannot: Chromium, in which the tests open every page. Does nothing where one is there already.
set -euo pipefail

for name in chromium chromium-browser google-chrome google-chrome-stable chrome; do
  if command -v "$name" >/dev/null; then
    echo "found $(command -v "$name")"
    exit 0
  fi
done

if ! command -v apt-get >/dev/null; then
  echo "no Chromium here, and no apt-get to install it with: install chromium by hand, then run the tests again" >&2
  exit 1
fi

as_root=()
if [ "$(id -u)" -ne 0 ]; then
  if ! command -v sudo >/dev/null; then
    echo "no Chromium here, and neither root nor sudo to install it: ask for the package 'chromium'" >&2
    exit 1
  fi
  as_root=(sudo)
fi

export DEBIAN_FRONTEND=noninteractive
"${as_root[@]}" apt-get update -qq
# Debian's package; Ubuntu's of that name is a stub for a snap, which starts in few containers but is all it has.
"${as_root[@]}" apt-get install -y -qq --no-install-recommends chromium ||
  "${as_root[@]}" apt-get install -y -qq --no-install-recommends chromium-browser
