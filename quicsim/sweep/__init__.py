"""Sweeps: many points of one scenario, planned in a file, made anywhere, broken off and taken up again.

`quicsim.sweep(...)` runs one: it is this package itself that is called.

file.py     what a sweep file may say          axes.py  quantities.py  conditions.py   its parts
plan.py     every point, with its key          sample.py    designs        identity.py   what a key is made of
run.py      from plan to table                 worker.py    a batch of points       pilot.py   what it will take
execute.py  supervised workers here            store.py  parts.py    where results lie     table.py   the tidy table
"""
