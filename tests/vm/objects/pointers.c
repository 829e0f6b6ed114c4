/* Calls through a register: a helper's number and functions' addresses as values. gcc refuses them. */
typedef unsigned long long u64;
#define NOINLINE __attribute__((noinline))

static u64 (*volatile add_one)(u64) = (u64(*)(u64))7;
static NOINLINE u64 half(u64 a) { return a >> 1; }
static NOINLINE __attribute__((section("main/other"))) u64 twice(u64 a) { return a << 1; }
static u64 (*const operations[2])(u64) = {half, twice};
__attribute__((section("main/other"))) u64 other(u64 a) { return twice(a) + 1; }

u64 through_table(u64 i, u64 a) { return operations[i & 1](a); }
u64 through_variable(u64 a) { return add_one(a); }
u64 through_choice(u64 a)
{
    u64 (*chosen)(u64) = a > 5 ? half : twice;

    return chosen(a);
}
