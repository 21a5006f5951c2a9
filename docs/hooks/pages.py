"""A hook of MkDocs: the pages whose text is elsewhere in the repository, and the links to them."""

from __future__ import annotations

import posixpath
import re
import sys
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

HOOKS = Path(__file__).parent
ROOT = HOOKS.parents[1]
sys.path.insert(0, str(HOOKS))

import command_line  # noqa: E402
import settings  # noqa: E402

PAGES = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "recipes/README.md": "recipes.md",
    "benchmarks/RESULTS.md": "benchmarks.md",
    "csrc/README.md": "kernels.md",
}
"""Files of the repository, and their pages in the site."""

SECTIONS = {"How to add a cell": "add-a-cell.md", "How to add a task": "add-a-task.md"}
"""Sections of CONTRIBUTING.md, and the pages in docs/ that show them in the place of the mark below."""

MARK = "<!-- The section of CONTRIBUTING.md is shown here. -->"

LINK = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^)\s#]*)(#[^)\s]*)?\)")
CODE = re.compile(r"(^```.*?^```$|`[^`\n]*`)", re.DOTALL | re.MULTILINE)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are copied or generated."""
    pages = {
        page: site_links((ROOT / source).read_text(), source, Path(page)) for source, page in PAGES.items()
    }
    pages["contributing.md"], _ = without_sections(pages["contributing.md"])
    pages["settings.md"] = settings.page()
    pages["command-line.md"] = command_line.page()
    for name, text in pages.items():
        files.append(File.generated(config, name, content=text))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """A page in docs/ links to files of the repository, so that it can be read there too."""
    if page.file.generated_by is not None:
        return markdown
    if MARK in markdown:
        _, sections = without_sections((ROOT / "CONTRIBUTING.md").read_text())
        markdown = markdown.replace(MARK, sections[page.file.src_uri])
    return site_links(markdown, f"docs/{page.file.src_uri}", Path(page.file.src_uri))


def without_sections(text: str) -> tuple[str, dict[str, str]]:
    """CONTRIBUTING.md with links in the place of the sections that are shown elsewhere, and these by page."""
    sections = {}
    for title, page in SECTIONS.items():
        before, _, rest = text.partition(f"\n## {title}\n")
        section, heading, after = rest.partition("\n## ")
        sections[page] = section.strip()
        text = f"{before}\n## {title}\n\nWorked through: [{title.lower()}]({page}).\n{heading}{after}"
    return text, sections


def site_links(text: str, source: str, page: Path) -> str:
    """`text` of the file `source` with its links as the page needs them.

    A link to a file that has no page becomes its text.
    """

    def replace(match: re.Match[str]) -> str:
        image, label, target, anchor = match.groups()
        if not target or ":" in target:
            return match[0]
        path = posixpath.normpath(posixpath.join(posixpath.dirname(source), target))
        if path in PAGES:
            path = PAGES[path]
        elif path.startswith("docs/"):
            path = path.removeprefix("docs/")
        elif (ROOT / path).exists():
            return label if "`" in label else f"`{label}`"
        relative = posixpath.relpath(path, page.parent.as_posix())
        return f"{image}[{label}]({relative}{anchor or ''})"

    parts = CODE.split(text)
    return "".join(part if CODE.fullmatch(part) else LINK.sub(replace, part) for part in parts)
