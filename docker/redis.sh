#!/bin/sh
# Redis with its password from a file, and through standard input, so that no list of processes shows it.
# Jobs outlive a restart. States of sessions are dropped first when memory is short: they all expire.
set -eu
exec docker-entrypoint.sh redis-server - <<SETTINGS
requirepass $(cat /run/secrets/redis-password)
dir /data
appendonly yes
maxmemory 1gb
maxmemory-policy volatile-lru
SETTINGS
