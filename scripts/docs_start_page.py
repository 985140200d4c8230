"""Makes the README the start page of the documentation, so that it is written once. MkDocs calls it."""

from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

README = Path(__file__).parent.parent / "README.md"


def on_files(files: Files, config: MkDocsConfig) -> Files:
    text = README.read_text().replace("](docs/", "](").replace("[LICENSE](LICENSE)", "LICENSE")
    files.append(File.generated(config, "index.md", content=text))
    return files
