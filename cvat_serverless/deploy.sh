#!/usr/bin/env bash
# Deploy RITM as an interactor of CVAT.
#
#   cvat_serverless/deploy.sh cpu|gpu [options of `nuctl deploy`]
#
# For example with a model of your own, and for a CVAT older than 2.62:
#
#   cvat_serverless/deploy.sh cpu --volume /data/models:/models \
#       --env RITM_MODEL=/models/ours.safetensors --env RITM_CVAT_ANSWER=mask
#
# TORCH_INDEX   package index with another build of torch (cpu: PyTorch's CPU index, gpu: none)
# CVAT_NETWORK  Docker network of CVAT's containers (cvat_cvat)

set -euo pipefail

fail() {
    echo "deploy.sh: $1" >&2
    exit 1
}

kind="${1:-}"
case "$kind" in
    cpu)
        definition=function.yaml
        torch_index="${TORCH_INDEX:-https://download.pytorch.org/whl/cpu}"
        ;;
    gpu)
        definition=function-gpu.yaml
        torch_index="${TORCH_INDEX:-}"
        ;;
    *) fail "Say which torch to deploy: deploy.sh cpu|gpu [options of 'nuctl deploy']." ;;
esac
shift

command -v docker >/dev/null || fail "docker is not installed."
command -v nuctl >/dev/null || fail "nuctl is not installed; take the version of CVAT's Nuclio dashboard."

here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"

# The context goes through a pipe: it holds what the image needs, and no virtual environment or history.
tar --create --directory "$here/.." --exclude __pycache__ \
    pyproject.toml constraints.txt README.md LICENSE ritm_model ritm_ops ritm_backend cvat_serverless training |
    docker build --file cvat_serverless/Dockerfile --build-arg "TORCH_INDEX=$torch_index" \
        --tag "ritm-cvat-base:$kind" -

nuctl get project cvat --platform local >/dev/null 2>&1 ||
    nuctl create project cvat --platform local

# Nuclio copies the whole folder beside its processor. The package is in the image already.
staging="$(mktemp -d)"
trap 'rm -rf "$staging"' EXIT
cp "$here/main.py" "$staging/main.py"
cp "$here/$definition" "$staging/function.yaml"

nuctl deploy --project-name cvat --path "$staging" --file "$staging/function.yaml" --platform local \
    --platform-config "{\"attributes\": {\"network\": \"${CVAT_NETWORK:-cvat_cvat}\"}}" "$@"

nuctl get function --platform local
