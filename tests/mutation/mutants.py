"""Mutants of a source file: the same file with one small change, made by mutmut's operators."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from libcst import matchers
from mutmut.mutation.file_mutation import create_mutations

_ALL = matchers.AssignTarget(matchers.Name("__all__"))
_PROSE = matchers.SimpleString(matchers.MatchRegex(".* .*")) | matchers.ConcatenatedString()
ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Mutant:
    """One change: what stood there, what stands there now, and which of the equal changes of this file it is."""

    file: str
    before: str
    after: str
    nth: int
    source: str

    @property
    def key(self):
        return self.file, self.before, self.after, self.nth

    def __str__(self):
        return f"{self.file}\n  - {self.before}\n  + {self.after}" + (f"   (number {self.nth})" if self.nth else "")


def mutants_of(path):
    """Return the mutants of a file, in its order; what it says in errors is left alone."""
    file, original = str(path.relative_to(ROOT)), path.read_text(encoding="utf-8")
    module, mutations, *_ = create_mutations(file, original)
    spared = _spared(module)
    seen, mutants = Counter(), []
    for mutation in mutations:
        if mutation.original_node in spared:
            continue
        source = module.deep_replace(mutation.original_node, mutation.mutated_node).code
        before, after = _difference(original, source)
        mutants.append(Mutant(file, before, after, seen[before, after], source))
        seen[before, after] += 1
    return mutants


def _spared(module):
    """Every node of an error that is raised, of ``__all__``, and of prose, which is a string with a space."""
    roots = matchers.findall(module, matchers.Raise() | matchers.Assign(targets=[_ALL]) | _PROSE)
    return {node for root in roots for node in _walk(root)}


def _walk(node):
    yield node
    for child in node.children:
        yield from _walk(child)


def _difference(original, source):
    """The lines between the first and the last that differ, before and after."""
    before, after = original.splitlines(), source.splitlines()
    while before and after and before[0] == after[0]:
        del before[0], after[0]
    while before and after and before[-1] == after[-1]:
        del before[-1], after[-1]
    return tuple(" ".join(line.strip() for line in lines) for lines in (before, after))
