/* Every kind of section, relocation and call that compilers make of ordinary C; see tests/vm/test_compilers.py. */
typedef unsigned long long u64;
typedef long long s64;
typedef unsigned int u32;
typedef unsigned char u8;
#define SEC(name) __attribute__((section(name), used))
#define NOINLINE __attribute__((noinline))
#define OPAQUE(value) asm volatile("" : "+r"(value))

/* Helpers: by number, and by name. */
#ifdef __clang__
static u64 (*const add_one)(u64) = (void *)7;
#else
extern u64 add_one(u64) __attribute__((kernel_helper(7)));
#endif
extern u64 add_two(u64);

struct point { u64 x, y; };
struct named { const char *name; u64 value; };

/* .rodata, .rodata.cst*, .rodata.str1.*, .data, .bss, sections of one's own; pointers in data and in read-only data. */
static const u32 squares[6] = {0, 1, 4, 9, 16, 25};
static const struct named table[3] = {{"one", 1}, {"two", 22}, {"three", 333}};
static u64 values[4] = {1, 2, 3, 4};
static u64 *third = &values[2];
static const char *message = "a string";
u64 before = 39, counter = 40;
u64 *also_counter = &counter;
static u64 cleared[5];
static u64 *into_cleared = &cleared[3];
u64 zero, zeros[3];
u64 *into_zeros = &zeros[1];
SEC("host.limits") const volatile u64 limits[2] = {1000, 2000};
SEC(".rodata.mine") const u32 mine[2] = {5, 6};
SEC(".data.mine") u32 my_own = 9;

u64 rodata(u64 i) { return squares[i]; }
u64 strings(u64 i) { return (u64)table[i].name[1] + table[i].value; }
u64 text(u64 i) { return (u8)message[i]; }
u64 data(u64 i) { values[2] += i; return *third; }
u64 globals(void) { return ++counter + *also_counter + before; }
u64 bss(u64 i) { cleared[i & 3] += 7; return *into_cleared; }
u64 global_bss(u64 i) { zeros[i % 3] += 3; return *into_zeros + zero++; }
u64 limit(u64 i) { return limits[i & 1]; }
u64 own(u64 i) { return mine[i & 1] + my_own++; }
u64 local(u64 i)
{
    static u64 calls;
    u64 powers[5] = {1, 10, 100, 1000, 10000}; /* copied from a constant */

    calls++;
    return powers[i] + calls;
}

/* Calls inside .text, from other sections into it, and inside those; of static, global and weak functions. */
NOINLINE u64 shared(u64 a, u64 b) { OPAQUE(a); return a * 3 + b; }
static NOINLINE u64 hidden(u64 a) { OPAQUE(a); return a + 100; }
NOINLINE u64 nested(u64 a) { return shared(a, 1) + hidden(a); }
__attribute__((weak)) NOINLINE u64 replaceable(u64 a) { OPAQUE(a); return a ^ 0xff; }
SEC("main/calls") u64 calls(u64 a) { return nested(a) + shared(a, 0) + replaceable(a); }
static NOINLINE SEC("main/section") u64 neighbour(u64 a) { OPAQUE(a); return a + 5; }
SEC("main/section") u64 same_section(u64 a) { return neighbour(a) + hidden(a); }
SEC("main/helpers") u64 helpers(u64 a) { return add_one(a) * 100 + add_two(a); }
static NOINLINE u64 fibonacci(u64 n) { return n < 2 ? n : fibonacci(n - 1) + fibonacci(n - 2); }
u64 recursion(u64 n) { return fibonacci(n); }

/* Arithmetic, memory and control flow. */
static NOINLINE void fill(struct point *points, u64 count)
{
    for (u64 i = 0; i < count; i++)
        points[i] = (struct point){i, i * i};
}
u64 stack(u64 count)
{
    struct point points[8];
    u64 sum = 0;

    fill(points, 8);
    for (u64 i = 0; i < count && i < 8; i++)
        sum += points[i].x * 1000 + points[i].y;
    return sum;
}
u64 constants(u64 a) { return (a ^ 0x123456789abcdef0ULL) + 0xfffffffff0000000ULL; }
u64 words(u64 a, u64 b)
{
    u32 low = (u32)a * (u32)b;
    int negative = (int)(u32)a - (int)(u32)b;

    return low + (u64)(negative < 0 ? -negative : negative) + (negative >> 1 == -1);
}
u64 bytes(const u8 *in, u64 length)
{
    u32 hash = 2166136261u;

    for (u64 i = 0; i < length; i++)
        hash = (hash ^ in[i]) * 16777619u;
    return hash;
}
u64 extended(const signed char *in)
{
    return (u64)((s64)in[0] * *(const short *)(in + 2) + (s64) * (const int *)(in + 4));
}
u64 divided(u64 a, u64 b) { return a / b * 1000 + a % b; }
u64 atomic(u64 a) { __sync_fetch_and_add(&zeros[0], a); return zeros[0]; }
u64 choose(u64 kind)
{
    switch (kind) {
    case 0: return 10;
    case 1: return 21;
    case 2: return counter;
    case 3: return 49;
    case 4: return 5;
    case 5: return 500;
    case 6: return 71;
    case 9: return 12;
    default: return 99;
    }
}
#ifdef __clang__ /* of this, gcc makes a call into its run-time library */
u64 swap(u64 a) { return __builtin_bswap64(a) ^ __builtin_bswap32((u32)a) ^ __builtin_bswap16((unsigned short)a); }
#endif
