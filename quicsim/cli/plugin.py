"""quicsim plugin: may a plugin run, and what can it touch? The verifier's verdict, and a plugin's effects."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from quicsim.cli.options import reported

if TYPE_CHECKING:
    from quicsim.plugin.package import Plugin
    from vm.verifier import Effect, Proof

group = typer.Typer(help="Verify a plugin, and see what it can do.", no_args_is_help=True)

Which = Annotated[str, typer.Argument(metavar="PLUGIN", help="A plugin's name, its directory, or its ELF object.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
REFUSED = 1


@group.command()
def verify(plugin: Which, as_json: AsJson = False) -> None:
    """Prove each program of a plugin safe, or say why not, and end with 1."""
    with reported():
        judged = _judged(plugin)
        accepted = all(isinstance(verdict, dict) for verdict in judged.values())
        if as_json:
            programs = [each if isinstance(each, dict) else each.as_json() for each in judged.values()]
            print(json.dumps({"accepted": accepted, "programs": programs}, indent=2))
        else:
            for section, verdict in judged.items():
                if not isinstance(verdict, dict):
                    print(verdict.text(is_coloured=sys.stdout.isatty()))
                    continue
                rules = verdict["rules"]
                proved = sum(rule["proved"] for rule in rules)
                asks = f"; {proved} of {len(rules)} rules proved, the others monitored" if rules else ""
                most = verdict["worst_case_instructions"]
                safe = verdict["safe_accesses"]
                print(
                    f"{_coloured('accepted', 32)} {section}: at most {most} instructions, "
                    f"{verdict['stack_bytes']} bytes of stack, {safe} access{'' if safe == 1 else 'es'} safe{asks}"
                )
    if not accepted:
        raise typer.Exit(REFUSED)


@group.command()
def inspect(plugin: Which, as_json: AsJson = False) -> None:
    """Show what a plugin can read, write and call, how long it can run, and how large it is beside the paper's."""
    with reported():
        from quicsim.plugin.verification import verified

        loaded = _loaded(plugin)
        proofs = verified(loaded)
        size = _size(loaded)
        if as_json:
            programs = [proof.as_json() for proof in proofs.values()]
            print(json.dumps({"name": loaded.name, "version": loaded.version, **size, "programs": programs}, indent=2))
            return
        print(f"{_coloured(loaded.name, 1)} {loaded.version}: {_size_text(size)}")
        for section, proof in proofs.items():
            print(_coloured(section, 1))
            for name, text in _lines(proof):
                print(f"    {name:<8} {text}")


def _lines(proof: Proof) -> list[tuple[str, str]]:
    lines = [("reads", _listed(proof.reads)), ("writes", _listed(proof.writes)), ("calls", ", ".join(proof.helpers))]
    lines.append(("budget", f"{proof.worst_case_instructions} instructions, the most that a run can take"))
    lines.append(("stack", f"{proof.stack_bytes} bytes in {proof.call_depth} frame(s)"))
    for rule in proof.rules:
        when = f" when {rule.when}" if rule.when else ""
        lines.append(("proved" if rule.is_proved else "monitors", rule.text + when))
    return [(name, text or "nothing") for name, text in lines]


def _listed(effects: tuple[Effect, ...]) -> str:
    return ", ".join(map(str, effects))


def _loaded(name: str) -> Plugin:
    """The plugin of a name, a directory or an object. Raises LocateError or PluginError."""
    from pathlib import Path

    from quicsim import locate
    from quicsim.plugin.package import PluginError, read_plugin

    file = Path(name)
    if file.suffix != ".o" and not file.is_dir():
        file = locate.plugin(name)
    if file.is_dir():
        file = file / f"{file.resolve().name}.o"
    try:
        return read_plugin(file)
    except OSError as error:
        raise PluginError(f"{file}: {error.strerror}; give a plugin's name, its directory or its ELF object") from None


def _judged(name: str) -> dict[str, Any]:
    """By section: what a proof says as data, or the refusal."""
    from quicsim.plugin.verification import contract_of
    from vm.verifier import Rejected
    from vm.verifier import verify as prove

    plugin = _loaded(name)
    judged: dict[str, Any] = {}
    spent = 0
    for anchor in plugin.anchors:
        try:
            proof = prove(plugin.program, anchor.section, contract_of(anchor, plugin), spent_steps=spent)
        except Rejected as refusal:
            judged[anchor.section] = refusal
        else:
            judged[anchor.section] = proof.as_json()
            spent += proof.steps
    return judged


def _size(plugin: Plugin) -> dict[str, Any]:
    from quicsim.reproduce.table2 import ROWS

    paper = next((row.paper_bytes for row in ROWS if row.plugin == plugin.name), None)
    return {
        "elf_bytes": len(plugin.data),
        "paper_bytes": paper,
        "instructions": len(plugin.program.instructions),
        "state_bytes": plugin.state_bytes,
    }


def _size_text(size: dict[str, Any]) -> str:
    paper = size["paper_bytes"]
    beside = f" (the paper's: {paper / 1000:.1f} kB)" if paper is not None else ""
    return (
        f"{size['elf_bytes']} bytes of ELF{beside}, {size['instructions']} instructions, "
        f"{size['state_bytes']} bytes of memory a connection"
    )


def _coloured(text: str, code: int) -> str:
    return f"\x1b[{code}m{text}\x1b[0m" if sys.stdout.isatty() else text
