/* Every kind of section and relocation in one object; see tests/vm/test_elf.py. */
typedef unsigned long long u64;
#define SEC(name) __attribute__((section(name), used))

static u64 (*const add_one)(u64) = (void *)7;
extern u64 add_two(u64);

struct manifest { char name[8]; u64 version; };
SEC("host.manifest") const struct manifest manifest = {"linking", 3};
SEC("host.parameters") const volatile u64 rate = 1000;

static const u64 primes[8] = {2, 3, 5, 7, 11, 13, 17, 19};
static const char *volatile greeting = "hello";
static u64 *volatile pointer_into_bss;
u64 counter = 40;
u64 zeroed[4];

__attribute__((noinline)) u64 global_sum(const u64 *values, u64 count)
{
    u64 sum = 0;
    for (u64 i = 0; i < count; i++)
        sum += values[i];
    return sum;
}

static __attribute__((noinline)) u64 twice(u64 value) { asm volatile("" : "+r"(value)); return value * 2; }

SEC("replace/Sum") u64 sum(u64 count) { return global_sum(primes, count & 7); }
SEC("replace/Table") u64 table(u64 index) { return primes[index & 7]; }
SEC("replace/Text") u64 text(u64 index) { return greeting[index]; }
SEC("after/Count") u64 count(void) { return ++counter; }
SEC("after/Zeroed") u64 zero(u64 index, u64 value)
{
    pointer_into_bss = &zeroed[1];
    zeroed[index & 3] += value;
    return *pointer_into_bss;
}
SEC("before/Helpers") u64 helpers(u64 value) { return add_one(value) + add_two(value); }
static __attribute__((noinline, section("before/Static"))) u64 same_section(u64 value)
{
    asm volatile("" : "+r"(value));
    return twice(value) + 1;
}
SEC("before/Static") u64 statics(u64 value) { return same_section(value) + twice(value); }
SEC("before/Parameter") u64 parameter(void) { return rate; }
