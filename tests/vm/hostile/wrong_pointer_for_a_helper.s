# fill(buffer, size) is given a number for its buffer.
# refused: helper: r1 of fill() is a number; it takes a pointer to bytes that it fills
r1 = r5
r2 = 8
call 3
exit
