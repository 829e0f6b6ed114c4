/* Source lines: a loop, an inlined function, a call, in two sections. */
typedef unsigned long long u64;

static inline u64 clamped(u64 value, u64 most)
{
    return value > most
        ? most
        : value;
}

__attribute__((noinline)) u64 total(const u64 *values, u64 count)
{
    u64 sum = 0;

    for (u64 i = 0; i < count; i++)
        sum += clamped(values[i], 100);
    return sum;
}

__attribute__((section("main/lines"), used)) u64 lines(const u64 *values, u64 count)
{
    u64 first = values[0];

    return first * total(values, count);
}
