"""The programs in examples/ run as README says, and are as short as the guide says."""

import ast
import io
import subprocess
import sys
import tokenize
from collections.abc import Iterator

import pytest

from tests.pages import ROOT, text_of

EXAMPLES = ROOT / "examples"
PROGRAMS = {
    "own_chain.py": [
        "lost: in step at height 20, 20 blocks came from peers",
        "back: in step at height 120, 100 blocks came from peers",
        "follower: in step at height 120, 120 blocks came from peers",
    ],
    "own_news.py": ["OwnNews holds in all ", "OwnNews does not hold in world own-news-locator, 7 actions", "  7  * "],
    "own_votes.py": [
        "four take turns: head 8, final: anna 8 ben 8 cleo 8 dora 8",
        "cleo is stopped: head 14, final: anna 14 ben 14 dora 14",
        "cleo is back: head 22, final: anna 22 ben 22 cleo 22 dora 22",
    ],
    "-m addresses": ["the second node is asked", "the first node learns 10.0.0.7:7000"],
}
"""How each is called, and how lines of what it prints begin, in order."""
NO_CODE = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}


@pytest.mark.parametrize("program", PROGRAMS)
def test_an_example_runs_and_prints_what_it_is_about(program: str) -> None:
    command = [sys.executable, *program.split()]
    result = subprocess.run(command, cwd=EXAMPLES, capture_output=True, text=True, timeout=60, check=False)
    assert (result.returncode, result.stderr) == (0, "")
    lines = iter(result.stdout.splitlines())
    for beginning in PROGRAMS[program]:
        assert any(line.startswith(beginning) for line in lines), f"{beginning!r} is missing in:\n{result.stdout}"


def test_readme_lists_every_example() -> None:
    there = {path.name for path in EXAMPLES.iterdir() if path.suffix == ".py" or (path / "__main__.py").is_file()}
    assert there == {program.removeprefix("-m ") for program in PROGRAMS}
    for program in PROGRAMS:
        assert f"| `python {program}` |" in text_of(ROOT / "README.md")


def code_lines(source: str) -> set[int]:
    """The lines of a module that have code on them: no comment, no docstring, not empty."""
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    code = {line for token in tokens if token.type not in NO_CODE for line in range(token.start[0], token.end[0] + 1)}
    return code - set(docstring_lines(ast.parse(source)))


def docstring_lines(module: ast.Module) -> Iterator[int]:
    for node in ast.walk(module):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0]
            if ast.get_docstring(node) is not None and first.end_lineno is not None:
                yield from range(first.lineno, first.end_lineno + 1)


def test_lines_of_code_are_counted_right() -> None:
    source = '"""Doc\n\nmore."""\n\nx = (\n    1\n)  # one\n# two\ndef f():\n    """Doc."""\n    return """a\n\nb"""\n'
    assert code_lines(source) == {5, 6, 7, 9, 11, 12, 13}


def test_an_integration_on_asyncio_is_sixty_lines_or_fewer() -> None:
    """With the chain, the nodes, the outage and the imports. The guide says so, and shows it."""
    source = (EXAMPLES / "own_chain.py").read_text(encoding="utf-8")
    assert len(code_lines(source)) <= 60
    assert max(map(len, source.splitlines())) <= 120
    guide = text_of(ROOT / "docs/integrating.md")
    assert "60 lines" in guide
    assert source.strip() in guide
