"""Every error message is one text of full sentences: what must be, what came and what to do, in the paper's words."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from chainrule.tables.columns import Facts, _Sentences
from chainrule.tables.table import Table

SOURCES = Path(__file__).parent.parent / "src" / "chainrule"

IS_ERROR = re.compile(r"(\w+\.)?(\w*Error|BadData|BadFile|fail)")

# Errors that are no sentence about an argument, by a part of their text, and why.
OTHER_FORMS = {
    "module 'chainrule' has no attribute": "Python's own words for its own error",
    "is damaged:": "about a file: what it is, and what to do",
    "is not a valid model file:": "about a file",
    "is not a Chainrule model file:": "about a file",
    "was written by a newer version": "about a file",
    "tuples, or keys that are not str": "the end of a sentence that is put together where it is caught",
    "what was read back is not what was written": "the reason in a sentence that is put together where it is caught",
    "It is a folder": "the reason in such a sentence",
    "It is not a regular file": "the reason in such a sentence",
    "It is write-protected": "the reason in such a sentence",
    "{otherwise}": "the reason in such a sentence",
    "validation {error}": "a sentence of the template, with the word of which it speaks in front",
    "{what.replace(": "a sentence that was made when the column was read, with other advice",
    "{kind.problem}": "a sentence that was made when the column was read, see below",
    "{unusable[0][1] + ": "the same, and which other columns",
    "{str(error)}": "a sentence of the template, which the command line says too",
}


class Message(NamedTuple):
    """An error that is built somewhere: where, how many arguments it gets, and every text that the last can be."""

    where: str
    arguments: int
    texts: list[str]


def texts_of(node: ast.expr, local: dict[str, list[ast.expr]]) -> list[str]:
    """Every text that an expression can be, names looked up in the function; what is not known is shown in braces."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return [node.value]
    if isinstance(node, ast.IfExp):
        return texts_of(node.body, local) + texts_of(node.orelse, local)
    if isinstance(node, ast.BoolOp):
        return [text for value in node.values for text in texts_of(value, local)]
    if isinstance(node, ast.Name) and node.id in local:
        return [text for value in local[node.id] for text in texts_of(value, {**local, node.id: []})]
    if isinstance(node, ast.JoinedStr):
        texts = [""]
        for part in node.values:
            ends = [str(part.value)] if isinstance(part, ast.Constant) else texts_of(part.value, local)  # type: ignore[attr-defined]
            texts = [text + end for text in texts for end in ends][:64]
        return texts
    return [f"{{{ast.unparse(node)}}}"]


def assignments(function: ast.AST) -> dict[str, list[ast.expr]]:
    """What each name of a function is set to."""
    found: dict[str, list[ast.expr]] = {}
    for node in ast.walk(function):
        if isinstance(node, ast.Assign):
            for target in node.targets:
                pairs = (
                    zip(target.elts, node.value.elts, strict=False)
                    if isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple)
                    else [(target, node.value)]
                )
                for name, value in pairs:
                    if isinstance(name, ast.Name):
                        found.setdefault(name.id, []).append(value)
    return found


def messages(source: str, name: str) -> Iterator[Message]:
    """Every error that a module builds, raised there or not."""
    functions = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.FunctionDef)]
    inner = {
        id(node)
        for function in functions
        for node in ast.walk(function)
        if isinstance(node, ast.FunctionDef) and node is not function
    }
    for function in functions:
        if id(function) in inner:
            continue
        local = assignments(function)
        for node in ast.walk(function):
            if isinstance(node, ast.Call) and IS_ERROR.fullmatch(ast.unparse(node.func)) and node.args:
                number = len(node.args) - (ast.unparse(node.args[0]).startswith("errno."))
                yield Message(f"{name}:{node.lineno}", number, texts_of(node.args[-1], local))


ALL = [
    message
    for path in sorted(SOURCES.rglob("*.py"))
    for message in messages(path.read_text(encoding="utf-8"), path.name)
]


def faults(message: Message) -> Iterator[str]:
    """What is wrong with a message."""
    if message.arguments != 1:
        yield "more than one argument: Python would show a tuple"
    for text in message.texts:
        if any(part in text for part in OTHER_FORMS):
            continue
        if not re.search(r"^\S.* must .+?; ", text, re.DOTALL):
            yield f"not '… must …; got …': {text}"
        # A hint that a function makes, like _did_you_mean, begins with its own space and ends with its own mark.
        if not re.search(r"[.?](\{\w*hint\}|\{_did_you_mean\(.*\)\})?$", text):
            yield f"no full stop at the end: {text}"
        if not re.search(r"; .+?[.?\]}] ?[A-Z-{`'\w].*[.?}]$", text, re.DOTALL):
            yield f"nothing to do: {text}"
        if re.search(r"\n|  |(?<!\.)\.\.(?!\.)|\bplease\b|\binvalid\b|!", text, re.IGNORECASE):
            yield f"a line break, two spaces, two full stops or an empty word: {text}"
        if re.search(r"; got \{\w+\}\.?$", text):
            yield f"no word about what to do: {text}"


def test_every_message_is_full_sentences_of_the_template() -> None:
    """Each error is one text: `<argument> must <requirement>; got <what came>. <What to do.>`"""
    assert len(ALL) > 100
    assert [f"{message.where}: {fault}" for message in ALL for fault in faults(message)] == []


def test_every_exception_to_the_template_is_needed() -> None:
    """The list of other forms holds nothing that no message uses."""
    everything = [text for message in ALL for text in message.texts]
    assert [part for part in OTHER_FORMS if not any(part in text for text in everything)] == []


def test_what_is_said_of_a_column_is_of_the_template() -> None:
    """The sentences that are kept until a column is used are like those that are said at once."""
    where = Table(("a",), None, first_row=1).where
    tallies = dict.fromkeys(("known", "comma", "large", "not ."), (3, 17, "x"))
    says = [_Sentences("a column", Facts("text", 20, tallies), where)]
    says.append(_Sentences("a column", Facts("text", 20, {"known": (3, 17, "x")}), where))
    said = [says[0].date(), says[0].other(), says[0].mixed(), says[0].ambiguous(), says[0].too_many()]
    said += [says[0].surrogate(), says[0].not_exact(), *(say.typo("not .") for say in says)]
    made = {name for name in vars(_Sentences) if not name.startswith("_") and callable(getattr(_Sentences, name))}
    assert made == {"date", "other", "mixed", "ambiguous", "too_many", "surrogate", "not_exact", "typo"}
    assert len(set(said)) == 9
    assert [fault for text in said for fault in faults(Message("columns.py", 1, [text]))] == []


BAD = {
    "two arguments": "raise ValueError('x must be 1; got', x)",
    "a tuple of texts": "raise ValueError(('x must be 1; ', f'got {x}. Correct it.'))",
    "no full stop": "raise ValueError(f'x must be 1; got {x}. Correct it')",
    "not what must be": "raise ValueError(f'x is wrong. Correct it.')",
    "not what came": "raise ValueError('x must be 1. Correct it.')",
    "nothing to do": "raise ValueError(f'x must be 1; got {x}.')",
    "a line break": "raise BadData(f'x must be 1; got {x}.\\nCorrect it.')",
    "no full stop in one of two hints": (
        "hint = 'Correct it.' if x else 'Correct it'\n    raise ValueError(f'x must be 1; got {x}. {hint}')"
    ),
    "returned, not raised": "return BadFile('bad file')",
    "from click": "raise click.UsageError('bad option')",
    "nothing said": "raise ValueError('')",
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_message_is_noticed(case: str) -> None:
    """The twin: a message that breaks the template in any way is found."""
    found = list(messages(f"def f(x):\n    {BAD[case]}\n", "twin.py"))
    assert len(found) == 1
    assert list(faults(found[0]))


def test_a_good_message_is_not_blamed() -> None:
    """A message of the template passes, with a hint that is worked out, too."""
    hint = "hint = f'Did you mean {x}?' if x else 'Choose one.'"
    code = f"def f(x):\n    {hint}\n    raise ValueError(f'x must be 1 or 2; got {{x!r}}. {{hint}}')"
    [message] = messages(code, "twin.py")
    assert list(faults(message)) == []


# ---------------------------------------------------------------------------------------------------------------- words

BANNED = re.compile(
    r"(?<![a-z])(samples?|sampled|sampling|neurons?|deltas?|blamed?|(hidden|input|output)[ _]units?|n_units)(?![a-z])",
    re.IGNORECASE,
)


SKLEARNS = r"\b(_check_)?sample_weight\b|\bensure_min_samples\b"
"""Names that are scikit-learn's."""


def words(source: str) -> Iterator[tuple[int, str]]:
    """Every name, text and comment of a module, with its line."""
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if (
            token.type in (tokenize.NAME, tokenize.STRING, tokenize.COMMENT)
            or token.string[:1] in "\"'"
            or tokenize.tok_name[token.type].startswith("FSTRING")
        ):
            yield token.start[0], token.string


def test_the_words_are_the_papers() -> None:
    """No name, message, docstring or comment says sample, unit (for a node), neuron, delta or blame.

    But the printers have to write the δ of Nielsen's notation, and estimators scikit-learn's names.
    """
    found = [
        f"{path.name}:{line}: {word[:80]}"
        for path in sorted(SOURCES.rglob("*.py"))
        for line, word in words(path.read_text(encoding="utf-8"))
        if BANNED.search(re.sub(SKLEARNS, "", word) if path.name == "estimators.py" else word)
        and not (path.parent.name == "printers" and word.strip('r"\\') == "delta")
    ]
    assert found == []


def test_other_words_would_be_noticed() -> None:
    """The twin: each banned word is found in a name, text, f-string or comment; words that contain one are not."""
    for word in ("sample", "n_samples", "neuron", "delta_w", "blame", "hidden_units"):
        for code in (f"{word} = 1", f"x = 'the {word} of'", f"x = f'{{y}} {word}'", f"x = 1  # {word}"):
            assert any(BANNED.search(found) for _, found in words(code + "\n")), code
    assert not any(
        BANNED.search(found) for _, found in words("timedelta = 'in the units of the target'  # a resample\n")
    )
