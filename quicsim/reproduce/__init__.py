"""How near do we come to the paper? Every figure and table of it, run again and laid beside the original.

reproduction.py   what one reproduction is: the runs it asks for, what it makes of them
figure3.py ...    one file a figure or table; catalogue.py lists them
run.py            all the runs, in one set of worker processes
studies.py        sweeps of a scenario's keys, and the rerun under jitter
parameters.py     what a scenario file says of its own numbers: given, derived or assumed
curves.py         the paper's curves, which come along in data/
document.py       the whole as plain data       page.py   the whole as one HTML file
"""
