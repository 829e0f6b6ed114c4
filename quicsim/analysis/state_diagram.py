"""What does a state machine look like? Its table drawn as states on a ring and labelled arrows, as SVG.

networkx places and draws, matplotlib writes. The text stays text, and the same table gives the same bytes.
"""

from __future__ import annotations

import io
import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["state_diagram"]

NODE_SIZE = 6_600  # points squared: the longest state name fits
CURVE = "arc3,rad=0.06"
LABEL_AT = 0.28
"""Along the arrow, nearer to its state than to the one it leads to: in the middle of the ring the arrows cross."""


def state_diagram(title: str, states: Sequence[str], steps: Sequence[tuple[str, str, str]]) -> str:
    """The SVG of a machine: `states` in order, `steps` as (state, input, following state). The first state is bold."""
    import networkx
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    labels: dict[tuple[str, str], list[str]] = {}
    kept: dict[str, list[str]] = {}
    for state, given, following in steps:
        if state == following:
            kept.setdefault(state, []).append(given)
        else:
            labels.setdefault((state, following), []).append(given)
    graph = networkx.DiGraph()
    graph.add_nodes_from(states)
    graph.add_edges_from(labels)
    turn = 2 * math.pi / len(states)
    places = {state: (-1.6 * math.cos(turn * number), math.sin(turn * number)) for number, state in enumerate(states)}
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": title, "font.family": "sans-serif"}):
        figure = Figure(figsize=(14, 10), layout="constrained")
        axes = figure.add_subplot()
        axes.set_title(title)
        axes.set_axis_off()
        axes.margins(0.12)
        networkx.draw_networkx_nodes(
            graph, places, ax=axes, node_size=NODE_SIZE, node_color="#e8eef7", edgecolors="#33475b",
            linewidths=[2.5 if state == states[0] else 1.0 for state in states],
        )  # fmt: skip
        networkx.draw_networkx_labels(graph, places, _on_two_lines(states), font_size=10, ax=axes)
        for state, inputs in kept.items():  # a loop would hide behind its own state
            x, y = places[state]
            outside, side = (0.24, "bottom") if y > 0.1 else (-0.24, "top")
            axes.text(x, y + outside, "stays at\n" + "\n".join(inputs), fontsize=8, ha="center", va=side)
        networkx.draw_networkx_edges(
            graph, places, ax=axes, node_size=NODE_SIZE, connectionstyle=CURVE, arrowsize=14, edge_color="#33475b"
        )
        networkx.draw_networkx_edge_labels(
            graph, places, {edge: "\n".join(inputs) for edge, inputs in labels.items()}, ax=axes, font_size=8,
            label_pos=LABEL_AT, connectionstyle=CURVE, node_size=NODE_SIZE, bbox={"pad": 0.5, "fc": "w", "ec": "w"},
        )  # fmt: skip
        written = io.StringIO()
        figure.savefig(written, format="svg", metadata={"Date": None, "Creator": "quicsim"})
    return written.getvalue()


def _on_two_lines(states: Sequence[str]) -> dict[str, str]:
    return {state: state.replace(" ", "\n", 1) for state in states}
