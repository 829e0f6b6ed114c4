"""Does what must hold of every program hold of random ones? Each subject is tried for a time, from a seed.

`python -m vm.fuzz SUBJECT --minutes 1 --seed 7`. A subject is a function from a seed and a number of programs to what
it counted; the table is `SUBJECTS` of `vm.fuzz.__main__`.
"""
