"""Statistics and figures of plain tables of numbers. Knows nothing of scenarios or of the simulator."""
