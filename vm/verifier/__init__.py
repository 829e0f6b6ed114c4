"""Is a program safe before it runs, and what can it do? The verifier: a contract in, a proof or a refusal out."""

from vm.verifier.check import verify
from vm.verifier.contract import (
    Array,
    Contract,
    Field,
    PointerTo,
    Range,
    RegionType,
    SizeOf,
    Terms,
)
from vm.verifier.proof import Effect, Proof
from vm.verifier.report import Category, Rejected

__all__ = [
    "Array",
    "Category",
    "Contract",
    "Effect",
    "Field",
    "PointerTo",
    "Proof",
    "Range",
    "RegionType",
    "Rejected",
    "SizeOf",
    "Terms",
    "verify",
]
