#!/bin/sh
# SeaweedFS as an S3 with one user, who may do everything; nobody else may do anything.
set -eu
umask 077
cat > /tmp/s3.json <<USERS
{"identities": [{
  "name": "ritm",
  "credentials": [{"accessKey": "$S3_ACCESS_KEY", "secretKey": "$S3_SECRET_KEY"}],
  "actions": ["Admin", "Read", "List", "Tagging", "Write"]
}]}
USERS
exec weed server -dir=/data -s3 -s3.config=/tmp/s3.json -s3.port=8333 -volume.max=0
