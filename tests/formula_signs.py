"""How each format is cut into signs: names with their indices, numbers, brackets; the grammar is in formulas.py.

A sign is a Name, a number, a string, ("Σ", index), ("frac", signs, signs) or, where a matrix ends, ("]", indices).
"""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Name:
    """A letter with its indices: the kind is the letter of the paper's notation."""

    letter: str
    below: tuple[str, ...] = ()
    above: tuple[str, ...] = ()
    prime: bool = False
    bold: bool = False


BELOW = dict(zip("₀₁₂₃₄₅₆₇₈₉ᵢⱼₖₗₘₙₚₕ", "0123456789ijklmnph", strict=True))
ABOVE = dict(zip("⁰¹²³⁴⁵⁶⁷⁸⁹ᵖ", "0123456789p", strict=True))
GREEK = {"delta": "δ", "sigma": "σ", "lambda": "λ"}
VECTORS = {"matrix": True, "vector": True}


def indices(text):
    """Indices in a row, by commas if there are any, else sign by sign."""
    return tuple(text.split(",")) if "," in text else tuple(text)


def of_text(line, notation):
    """Signs of Unicode text."""
    matrices = notation == "matrix" and "∂" not in line
    sub, sup = "".join(BELOW), "".join(ABOVE)
    pattern = re.compile(
        rf"\s*(?:(log)|([A-Za-zδσλ1])([{sup}]+(?:,[{sup}]+)*)?([{sub}]+(?:,[{sub}]+)*)?(′?)"
        rf"|(Σ)([{sub}]+)?|(\d+\.\d+|\d|½)|(\])([{sub}]+(?:,[{sub}]+)*)|(.))"
    )
    signs = []
    for found in pattern.finditer(re.sub(r"\s+", " ", line).strip()):
        log, letter, above, below, prime, total, index, number, entry, of, other = found.groups()
        if log:
            signs.append(Name("log"))
        elif letter and letter != "1" and not (letter in "ijklmnh" and not below and not above):
            above = "".join(ABOVE.get(one, one) for one in above or "")
            if letter in "Wwb" and not below and above == "2":
                signs += [Name(letter), "²"]
                continue
            below = "".join(BELOW.get(one, one) for one in below or "")
            signs.append(name_of(letter, below, above, bool(prime), matrices))
        elif letter and letter != "1":
            signs.append(letter)
        elif total:
            signs.append(("Σ", "".join(BELOW[one] for one in index or "")))
        elif number or letter:
            signs.append(0.5 if number == "½" else float(number or letter))
        elif entry:
            signs.append(("]", indices("".join(BELOW.get(one, one) for one in of))))
        else:
            signs.append(other)
    return ones(signs)


def of_ascii(line, notation):
    """Signs of ASCII."""
    matrices = notation == "matrix" and not re.search(r"\bd ", line)
    pattern = re.compile(
        r"\s*(?:(log)(?=\()|sum_(\w+)|(sum) |(d) (?=[a-z(\[]|1/2)|(delta|sigma|lambda|[a-zA-Z])(\^[p\d,]+(?=_))?"
        r"(?:_([a-z0-9]+(?:,[a-z0-9]+)*))?(')?(?![a-z])|(1/2|\d+\.\d+|\d)(?!\d)|\]_([a-z0-9]+(?:,[a-z0-9]+)*)"
        r"|(\.\*|\^2|\^T|.))"
    )
    signs = []
    for found in pattern.finditer(re.sub(r"\s+", " ", line).strip()):
        log, total, squares, d, letter, above, below, prime, number, entry, other = found.groups()
        if log:
            signs.append(Name("log"))
        elif total or squares:
            signs.append(("Σ", total or ""))
        elif d:
            signs.append("∂")
        elif letter:
            if letter in "ijklmnh" and not below and not above:
                signs.append(letter)
                continue
            letter, of, below = GREEK.get(letter, letter), (above or "")[1:], below or ""
            signs.append(name_of(letter, below, of, bool(prime), matrices))
        elif number:
            signs.append(0.5 if number == "1/2" else float(number))
        elif entry:
            signs.append(("]", indices(entry)))
        else:
            signs.append({"-": "−", ".*": "∘", "^2": "²", "^T": "ᵀ"}.get(other, other))
    return ones(signs)


def name_of(letter, below, above, prime, matrices):
    """A name from its letter and its indices in a row; in a line of matrices it stands for a whole layer."""
    if matrices and letter in "Wbxyet":
        pattern, layer = re.fullmatch(r"(p?),?(\d*)", below).groups()
        return Name(letter, tuple(one for one in (pattern, layer) if one), (), prime, bold=True)
    if matrices and letter in "1I":
        return Name(letter, bold=True)
    alone = letter in "fσ" or (above and letter != "w")  # one layer, or one node, which may have several digits
    pattern, layer = re.fullmatch(r"(p?),?(.*)", above).groups()
    nodes = (below,) if alone and below else indices(below)
    return Name(letter, nodes, tuple(one for one in (pattern, layer) if one), prime)


def ones(signs):
    """1ᵀ is the vector of ones, I the unit matrix."""
    out = []
    for n, one in enumerate(signs):
        after = signs[n + 1] if n + 1 < len(signs) else None
        if (one == 1.0 and after == "ᵀ") or (one == 1.0 and isinstance(after, Name) and after.bold):
            out.append(Name("1", bold=True))
        else:
            out.append(one)
    return out


def of_latex(line, notation):
    """Signs of LaTeX."""
    line = re.sub(r"\\begin\{aligned\}|\\end\{aligned\}|&|\\quad|\\\\", " ", line)
    return ones(_Latex(line).signs())


class _Latex:
    def __init__(self, text):
        self.text, self.at = text, 0

    def signs(self):
        found = []
        while self.at < len(self.text) and self.text[self.at] != "}":
            found += self.one()
        return found

    def group(self):
        assert self.text[self.at] == "{", self.text[self.at :]
        depth, start = 0, self.at
        while True:
            depth += {"{": 1, "}": -1}.get(self.text[self.at], 0)
            self.at += 1
            if depth == 0:
                return self.text[start + 1 : self.at - 1]

    def script(self, sign):
        if self.text.startswith(sign + "{", self.at):
            self.at += 1
            return self.group()
        return None

    def one(self):
        rest = self.text[self.at :]
        command = re.match(r"\\([a-z]+)", rest)
        if command:
            self.at += command.end()
            return self.command(command[1])
        self.at += 1
        if rest[0].isalpha():
            return self.letter(rest[0])
        if rest[0] in ")]":
            below, above = self.script("_"), self.script("^")
            if below is not None:
                return [("]", indices(self.plain(below)))]
            return [rest[0], *({"2": ["²"], r"\mathsf{T}": ["ᵀ"], None: []}[above])]
        number = re.match(r"\d+(\.\d+)?", rest)
        if number:
            self.at += number.end() - 1
            return [float(number[0])]
        return [] if rest[0].isspace() else [{"-": "−"}.get(rest[0], rest[0])]

    def command(self, name):
        signs = {"partial": "∂", "circ": "∘", "cdot": "·", "log": Name("log")}
        if name == "frac":
            return [("frac", *(_Latex(self.group()).signs() for _ in range(2)))]
        if name == "sum":
            return [("Σ", self.plain(self.script("_") or ""))]
        if name == "mathbf":
            return self.name(self.group(), bold=True)
        return [signs[name]] if name in signs else self.name(GREEK[name])

    def letter(self, letter):
        following = self.text[self.at : self.at + 1]
        if letter in "ijklmnh" and following != "^":
            return [self.plain(letter + (f"_{{{self.script('_')}}}" if following == "_" else ""))]
        return self.name(letter)

    def plain(self, text):
        return re.sub(r"_\{(\d+)\}", r"\1", text)

    def name(self, letter, bold=False):
        above = self.script("^")
        below = self.script("_")
        after = self.script("^") if above is None else None
        prime = self.text.startswith("'", self.at)
        self.at += prime
        squared = above == "2" and below is None
        above = None if squared else above
        transposed = r"\mathsf{T}" in (above, after)
        above = None if above == r"\mathsf{T}" else above
        found = name_of(letter, self.plain(below or ""), above or "", prime, bold)
        return [found, *(["²"] if squared or after == "2" else []), *(["ᵀ"] if transposed else [])]


def of_mathml(element, notation):
    """Signs of MathML, from its elements."""
    return ones(_of_element(element))


def _of_element(element):
    text = (element.text or "").strip()
    if element.tag in ("math", "mrow"):
        return [sign for child in element for sign in _of_element(child)]
    if element.tag in ("mn", "mo", "mi"):
        return _of_token(element.tag, text, element.get("class") == "bold")
    if element.tag == "munder":
        return [("Σ", _row(element[1])[0])]
    if element.tag == "mfrac":
        return [("frac", *map(_of_element, element))]
    base = _of_element(element[0])
    if element.tag == "msup":
        return [*base, {"2": "²", "T": "ᵀ"}[element[1].text]]
    return _with_indices(base, _row(element[1]), _row(element[2]) if element.tag == "msubsup" else ())


def _of_token(tag, text, bold):
    if tag == "mn":
        return [float(text)]
    if tag == "mo":
        unseen = ("\N{INVISIBLE TIMES}", "\N{FUNCTION APPLICATION}")
        return [] if text in unseen else [("Σ", "") if text == "∑" else text]
    return ["∂" if text == "∂" else text if text in "ijklmnh" else Name(text, bold=bold)]


def _with_indices(base, below, above):
    if base[0] == "[":
        return [*base[:-1], ("]", below)]
    if isinstance(base[0], str):
        return [base[0] + "".join(below)]
    prime = above == ("′",)
    return [Name(base[0].letter, below, () if prime else above, prime, base[0].bold)]


def _row(element):
    """Indices of MathML, one by one."""
    if element.tag == "mrow":
        return tuple(name for child in element for name in _row(child) if child.get("separator") is None)
    if element.tag == "msub":
        return ("".join(_row(element[0]) + _row(element[1])),)
    return (element.text,)


INDEX = r"(?:[ijklmnhp]\d*|\d+)(?![\w.])"
ROW = rf"{INDEX}(?: {INDEX})*"
NAME = rf"(?:(?:matrix|vector) )?(?:delta|sigma|lambda|log|[a-zA-Z])(?: prime)?(?: super {ROW})?(?: sub {ROW})?"

SAID = {
    "the sum of all squared weights and biases": "Σ w ² + Σ b ²",
    "the sum of all squared weights": "Σ w ²",
    "the vector of ones": "vector 1",
    "the identity matrix": "matrix I",
    "times, node by node,": "∘",
    "the logarithm of": "log",
    ", end quantity": " )",
    "the quantity": "(",
    "one half": "½",
    "minus": "−",
    "plus": "+",
    "over ": "/ ",
    "squared": "²",
    "transposed": "ᵀ",
}


def of_speech(line, notation):
    """Signs of what is said."""
    line = re.sub(r"the indicator that (\w+) is (\w+)", r"[ \1 = \2 ]", line.replace("the sum over", "the sum of"))
    for said, sign in SAID.items():
        line = line.replace(said, sign)
    pattern = re.compile(
        rf"the sum of (?P<total>{INDEX}) of|the derivative by (?P<by>{NAME}) of|entry (?P<entry>{ROW}) of \("
        rf"|(?P<ones>vector 1|matrix I)|(?P<word>times|of)\b|(?P<alone>[ijklmnh]\d*)(?= [=\]])|(?P<name>{NAME})"
        r"|(?P<number>½|\d+)|(?P<other>\S)"
    )
    signs, entries = [], []
    for found in pattern.finditer(line):
        kind, text = found.lastgroup, found[found.lastgroup]
        depth = len([one for one in signs if one == "("]) - len([one for one in signs if one == ")"])
        if kind == "total":
            signs.append(("Σ", text))
        elif kind == "by":
            signs.append(("∂ by", _said_name(text)))
        elif kind == "entry":
            entries.append((depth, tuple(text.split())))
            signs.append("(")
        elif kind == "name":
            signs.append(_said_name(text))
        elif kind == "number":
            signs.append(0.5 if text == "½" else float(text))
        elif text == ")" and entries and entries[-1][0] == depth - 1:
            signs += [")", ("entry", entries.pop()[1])]
        elif kind != "word":
            signs.append(Name(text[-1], bold=True) if kind == "ones" else ("Σ", "") if text == "Σ" else text)
    return signs


def _said_name(text):
    found = re.fullmatch(rf"(matrix |vector )?(\w+)( prime)?(?: super ({ROW}))?(?: sub ({ROW}))?", text)
    kind, letter, prime, above, below = found.groups()
    rows = (tuple(one.split()) if one else () for one in (below, above))
    return Name(GREEK.get(letter, letter), *rows, bool(prime), bool(kind))


CUT = {
    "text": of_text,
    "ascii": of_ascii,
    "latex": of_latex,
    "tex": of_latex,
    "markdown": of_latex,
    "speech": of_speech,
    "html": of_mathml,
}
