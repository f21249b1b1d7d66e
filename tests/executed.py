"""What a call really ran: the nodes of the graphs that were executed, cut by device."""

from tensorflow.python.eager import context


def nodes(step, *arguments) -> list:
    """Calls a function; returns the NodeDefs of all graphs that it ran."""
    context.context().enable_run_metadata()
    try:
        context.context().export_run_metadata()  # drops what earlier tests have left
        step(*arguments)
        graphs = context.context().export_run_metadata().partition_graphs
    finally:
        context.context().disable_run_metadata()
    return [node for graph in graphs for node in graph.node]
