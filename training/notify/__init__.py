"""Who asks to be told how jobs end, is told so by a webhook."""

from training.notify.sentences import tell_of_end, tell_of_failure

__all__ = ["tell_of_end", "tell_of_failure"]
