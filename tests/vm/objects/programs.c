/* What compiled C leans on: loops, 32-bit arithmetic, byte order, frames passed to callees, a switch. */
typedef unsigned long long u64;
typedef unsigned int u32;
typedef unsigned char u8;
#define SEC(name) __attribute__((section(name), used))

SEC("main/sieve") u64 sieve(u64 limit)
{
    u8 composite[256];
    for (u64 i = 0; i < 256; i++)
        composite[i] = 0;
    u64 found = 0;
    for (u64 i = 2; i < 256 && i < limit; i++) {
        if (composite[i])
            continue;
        found++;
        for (u64 j = i * i; j < 256; j += i)
            composite[j] = 1;
    }
    return found;
}

SEC("main/checksum") u64 checksum(const u8 *bytes, u64 length)
{
    u32 hash = 2166136261u;
    for (u64 i = 0; i < length; i++)
        hash = (hash ^ bytes[i]) * 16777619u;
    return hash;
}

static __attribute__((noinline)) void fill(u64 *values, u64 count, u64 first)
{
    for (u64 i = 0; i < count; i++)
        values[i] = first + i;
}

SEC("main/frames") u64 frames(u64 first)
{
    u64 values[8];
    fill(values, 8, first);
    u64 sum = 0;
    for (u64 i = 0; i < 8; i++)
        sum += values[i];
    return sum;
}

static __attribute__((noinline)) u64 fibonacci(u64 n) { return n < 2 ? n : fibonacci(n - 1) + fibonacci(n - 2); }
SEC("main/fibonacci") u64 fibonacci_of(u64 n) { return fibonacci(n); }

SEC("main/network") u64 network(const u64 *value) { return __builtin_bswap64(*value) ^ __builtin_bswap32((u32)*value); }

SEC("main/switch") u64 choose(u64 kind)
{
    switch (kind) {
    case 0: return 10;
    case 1: return 21;
    case 2: return 35;
    case 3: return 49;
    case 4: return 5;
    default: return 99;
    }
}

u64 counter = 40;
SEC("main/count") u64 count(void) { return ++counter; }

SEC("host.parameters") const volatile u64 rate = 1000;
SEC("main/parameter") u64 parameter(void) { return rate; }

static u64 values[4] = {1, 2, 3, 4};
static u64 *volatile third = &values[2];
SEC("main/pointer") u64 pointer(u64 index) { values[2] += index; return *third; }
