#!/bin/sh
# An overview of a repository: overview.sh [folder]
set -eu
cd "${1:-.}"
if ! git rev-parse --is-inside-work-tree >/dev/null 2>&1; then
  echo "$(pwd) is in no git repository." >&2
  exit 1
fi

echo "== Files by ending"
git ls-files | sed -n 's/.*\.\([A-Za-z0-9]\{1,10\}\)$/\1/p' | sort | uniq -c | sort -rn | head -12

echo "== Folders by number of files"
git ls-files | sed -n 's|^\([^/]*\)/.*|\1/|p' | sort | uniq -c | sort -rn | head -12

echo "== Documents and entry points"
git ls-files | grep -Ei '(^|/)(readme|architecture|contributing|agents|changelog)[^/]*$|(^|/)(main|index|app|cli|server|__main__)\.[a-z]+$|(^|/)(package\.json|pyproject\.toml|cargo\.toml|go\.mod|pom\.xml|makefile|dockerfile)$' | head -30 || true

echo "== Changed most often, in the last 500 commits"
git log -500 --format= --name-only 2>/dev/null | sed '/^$/d' | sort | uniq -c | sort -rn | head -12 || true
