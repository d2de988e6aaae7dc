#!/bin/sh
# update.sh CRUFT [ARGUMENTS…]: take over the changes of the template since the project was
# baked or last updated. `.env` is left alone.
set -eu
cruft=$1
shift
if [ ! -f .cruft.json ]; then
  echo "It is not known which version of the template this project is from: there is no .cruft.json."
  echo "Link them once: build/tools/bin/cruft link ADDRESS-OF-THE-TEMPLATE"
  exit 1
fi
if ! git rev-parse --is-inside-work-tree >/dev/null 2>&1; then
  echo "The update merges with git. Put the project into a repository first: git init; git add .; git commit"
  exit 1
fi
if [ -n "$(git status --porcelain)" ]; then
  echo "Commit your changes first, so that the update can be told from them:"
  git status --short
  exit 1
fi
"$cruft" update --skip-apply-ask "$@"
conflicts=$(git diff --name-only --diff-filter=U; git ls-files --others --exclude-standard | grep '\.rej$' || true)
if [ -n "$conflicts" ]; then
  echo "You and the template changed the same lines. Correct these files, then commit:"
  echo "$conflicts"
  exit 1
fi
[ -z "$(git status --porcelain)" ] || echo "Next: read CHANGELOG.md of the template and \`git diff HEAD\`, run \`make install test\`, commit."
