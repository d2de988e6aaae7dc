#!/bin/sh
# Replaces the running containers of compose.yaml one after the other, without interrupting
# the service. `make deploy` builds the images and calls it; docs/deploying.md describes it.
#
# ANYWAY=1: apply migrations that the running version may not survive.
set -eu
cd "$(dirname "$0")/.."

say() { printf '%s  %s\n' "$(date +%T)" "$1"; }

start() { docker compose up --detach --no-build --no-deps --wait "$@"; }

# Stops containers of services as they are told to, and starts new ones.
replace() { start --force-recreate "$@"; }

# Servers, and what has a step of its own
replaced_apart="proxy|postgres|broker|migrate|web1|web2|model"

# failed SERVICE… SENTENCE: show the logs of services, and end.
failed() {
  while [ $# -gt 1 ]; do
    docker compose logs --tail 20 "$1"
    shift
  done
  say "$1 Correct the cause and run make deploy again."
  exit 1
}

# Other checks do not need the model's libraries: `prepare` runs them.
say "check of model.py"
docker compose run --rm --no-deps model python manage.py check --tag model --database default ||
  failed "Nothing was changed: the old version is still running."

say "database"
rolling=--rolling
[ -z "${ANYWAY:-}" ] || rolling=
docker compose run --rm --no-deps migrate python manage.py prepare $rolling ||
  failed "The database is not ready for the new version. The old version is still running."

# The new one takes over the socket when it has loaded what the old one has in memory. The
# old one still answers those who are connected to it, and if it restarts by itself, it
# does not take the socket back.
say "model process: start the new one"
old=$(docker compose ps --all --quiet model)
if ! start --no-recreate --scale "model=$(($(echo "$old" | grep -c .) + 1))" model; then
  docker compose logs --tail 20 model
  docker compose ps --all --quiet model | grep --invert-match --fixed-strings "${old:-none}" |
    xargs --no-run-if-empty docker rm --force
  # It may have taken over before it failed. A container of a version without take_back,
  # or whose process has stopped, takes over when it restarts.
  for container in $old; do
    docker exec "$container" python -m lsml.inference.serving.take_back ||
      docker restart "$container"
  done
  failed "The new model process does not start. The old version is still running."
fi

for replica in web1 web2; do
  say "$replica"
  # The proxy notices within a second, and sends it no more requests.
  ! docker compose exec -T "$replica" touch /tmp/drain || sleep 3
  replace "$replica" ||
    failed "$replica" "The new $replica does not start. The other replica answers."
  sleep 3 # until the proxy sends it requests again
done

# Each worker finishes what it does, or leaves it to the next one.
say "workers and beat"
workers=$(docker compose config --services |
  grep --invert-match --line-regexp --extended-regexp "$replaced_apart")
replace $workers ||
  failed $workers "Not all of these start. Web answers, with the new version."

say "model process: stop the old one"
[ -z "$old" ] || docker rm $(docker stop $old)

# Not those that run: compose would recreate all at once, proxy and replicas included.
say "what is new in compose.yaml"
docker compose up --detach --no-build --no-recreate --wait
say "deployed"
