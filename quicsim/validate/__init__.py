"""Does quicsim behave as what it simulates? Its runs beside measurements of others."""
