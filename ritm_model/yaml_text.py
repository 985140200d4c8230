"""YAML that people write: nothing in it is executed, and a key that stands there twice is a mistake."""

from __future__ import annotations

from typing import Any

import yaml
from yaml.constructor import ConstructorError


def read_yaml(text: str | bytes) -> object:
    """Read one document.

    Raises:
        ValueError: it is not YAML, or a key stands twice in one part; the message says where, without a
            full stop.
    """
    try:
        return _Loader(text).get_single_data()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"line {mark.line + 1}: " if mark else ""
        raise ValueError(f"{where}{error.problem or error.context}") from None
    except yaml.YAMLError:
        raise ValueError("it is not text") from None
    except RecursionError:
        raise ValueError("it has too many parts within parts") from None


class _Loader(yaml.SafeLoader):
    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        node = super().compose_mapping_node(anchor)
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                if key.value in seen:
                    raise ConstructorError(None, None, f"'{key.value}' stands there twice", key.start_mark)
                seen.add(key.value)
        return node
