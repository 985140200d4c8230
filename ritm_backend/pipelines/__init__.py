"""The models of pipelines, beside the one that answers all other projects."""

from ritm_backend.pipelines.hosts import MakeHost, ModelHosts, NoPipelineError

__all__ = ["MakeHost", "ModelHosts", "NoPipelineError"]
