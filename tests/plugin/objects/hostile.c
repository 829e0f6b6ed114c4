/* Does what a program may not, or may do to an operation: the first word of its memory says what. 0: nothing. */
#include "quicsim.h"

struct hostile {
    uint64_t mode;
    uint64_t calls;
    uint64_t value;
};

QUICSIM_PLUGIN("hostile", "1.0", struct hostile);

enum {
    ENDLESS_LOOP = 1,
    WILD_READ,
    WILD_WRITE,
    NULL_READ,
    STACK_OVERFLOW,
    DEEP_CALLS,
    DEFAULT_TWICE,
    HELPER_NULL,
    DEADLINE_PAST,
    DISARM,
    WRITE_INPUT,
    WRITE_BEYOND_PATHS,
    WRITE_READ_ONLY,
    WRITE_STRADDLING,
    WRITE_PADDING,
    WINDOW_TOO_SMALL,
    WINDOW_TOO_LARGE,
    WINDOW_THEN_LOOP,
    WINDOW_THEN_DEFAULT_THEN_WILD_READ,
    WINDOW_HALVES,
    WINDOW_TOO_SMALL_THEN_DEFAULT,
    BEFORE_LOOPS = 40,
    AFTER_LOOPS,
    AFTER_RUNS_DEFAULT,
    BEFORE_READS_WILD,
    HOLD_BACK = 60,
    READ_WITHOUT_NOTE,
    NO_FRAMES,
    NO_BACK_OFF,
    HUGE_RTT,
    HUGE_WINDOW,
    LARGEST_HEADER,
    TINY_FRAMES,
    ALWAYS_REPEAT,
    ZERO_RTT,
    HUGE_THRESHOLD,
};

static __attribute__((noinline)) uint64_t deep(uint64_t n)
{
    volatile uint64_t kept = n;
    return n > 100 ? kept : deep(n + 1) + kept;
}

static __attribute__((noinline)) uint64_t overflow(uint64_t distance)
{
    volatile uint8_t frame[16];
    for (uint64_t i = 0; i < distance; i++)
        *(frame - i) = 1;
    return frame[0];
}

static void loop(struct hostile *my)
{
    for (;;)
        *(volatile uint64_t *)&my->calls += 1;
}

SEC("before/SetTimer")
uint64_t before(struct set_timer *op, struct quic_connection *connection, struct hostile *my)
{
    (void)op;
    (void)connection;
    if (my->mode == BEFORE_LOOPS)
        loop(my);
    if (my->mode == BEFORE_READS_WILD)
        return *(volatile uint64_t *)(my->value + (1ULL << 50));
    return 0;
}

SEC("after/SetTimer")
uint64_t after(struct set_timer *op, struct quic_connection *connection, struct hostile *my)
{
    (void)op;
    (void)connection;
    if (my->mode == AFTER_LOOPS)
        loop(my);
    return my->mode == AFTER_RUNS_DEFAULT ? run_default() : 0;
}

SEC("replace/SetTimer")
uint64_t replace(struct set_timer *op, struct quic_connection *connection, struct hostile *my)
{
    struct quic_path *path = connection->paths;
    uint64_t wild = (1ULL << 40) + my->value;

    my->calls++;
    switch (my->mode) {
    case ENDLESS_LOOP:
        loop(my);
        break;
    case WILD_READ:
        return *(volatile uint64_t *)wild;
    case WILD_WRITE:
        *(volatile uint64_t *)wild = 1;
        break;
    case NULL_READ:
        return *(volatile uint64_t *)my->value;
    case STACK_OVERFLOW:
        return overflow(my->value);
    case DEEP_CALLS:
        return deep(my->value);
    case DEFAULT_TWICE:
        run_default();
        break;
    case HELPER_NULL:
        outstanding(0, (struct quic_packet *)my->value);
        break;
    case DEADLINE_PAST:
        return op->now_ns - 1;
    case DISARM:
        return 0;
    case WRITE_INPUT:
        *(volatile uint64_t *)&op->smoothed_rtt_ns = 1;
        break;
    case WRITE_BEYOND_PATHS:
        connection->paths[1].cwnd_bytes = 100000;
        break;
    case WRITE_READ_ONLY:
        path->bytes_in_flight = 0;
        break;
    case WRITE_STRADDLING:
        *(volatile uint64_t *)((uint8_t *)path + 4) = 1;
        break;
    case WRITE_PADDING:
        ((volatile uint8_t *)(path + 1))[-1] = 1;
        break;
    case WINDOW_TOO_SMALL:
        path->cwnd_bytes = path->minimum_window_bytes - 1;
        break;
    case WINDOW_TOO_LARGE:
        path->cwnd_bytes = ~0ULL;
        break;
    case WINDOW_THEN_LOOP:
        path->cwnd_bytes = 777777;
        loop(my);
        break;
    case WINDOW_THEN_DEFAULT_THEN_WILD_READ:
        path->cwnd_bytes = 777777;
        log_value(run_default());
        log_value(path->cwnd_bytes);
        path->cwnd_bytes = 888888;
        return *(volatile uint64_t *)wild;
    case WINDOW_HALVES:
        *(volatile uint16_t *)&path->cwnd_bytes = 0x4321;
        break;
    case WINDOW_TOO_SMALL_THEN_DEFAULT:
        path->cwnd_bytes = 1;
        break;
    }
    return run_default();
}

SEC("replace/SendPacket")
uint64_t send(struct send_packet *op, struct quic_connection *connection, struct hostile *my)
{
    (void)op;
    (void)connection;
    return my->mode == HOLD_BACK ? 0 : run_default();
}

SEC("replace/ReadPacket")
uint64_t read(struct read_packet *op, struct quic_connection *connection, struct hostile *my)
{
    (void)op;
    (void)connection;
    return my->mode == READ_WITHOUT_NOTE ? 1 : run_default();
}

SEC("replace/GenerateHeader")
uint64_t header(struct generate_header *op, struct quic_connection *connection, struct hostile *my)
{
    (void)op;
    (void)connection;
    return my->mode == LARGEST_HEADER ? my->value : run_default();
}

SEC("replace/GenerateFrames")
uint64_t frames(struct generate_frames *op, struct quic_connection *connection, struct hostile *my)
{
    (void)op;
    (void)connection;
    if (my->mode == NO_FRAMES)
        return 0;
    if (my->mode == TINY_FRAMES) {
        run_default();
        return 1;
    }
    return run_default();
}

SEC("replace/RetransmissionTimeout")
uint64_t timeout(struct retransmission_timeout *op, struct quic_connection *connection, struct hostile *my)
{
    (void)connection;
    return my->mode == NO_BACK_OFF ? op->pto_count : run_default();
}

SEC("replace/SelectRetransmission")
uint64_t select(struct select_retransmission *op, struct quic_connection *connection, struct hostile *my)
{
    struct quic_packet first;
    (void)op;
    (void)connection;
    if (my->mode == ALWAYS_REPEAT && outstanding(0, &first))
        return first.number + 1;
    return run_default();
}

SEC("replace/UpdateRTT")
uint64_t rtt(struct update_rtt *op, struct quic_connection *connection, struct hostile *my)
{
    (void)connection;
    uint64_t result = run_default();

    if (my->mode == HUGE_RTT)
        op->smoothed_rtt_ns = op->rtt_variation_ns = ~0ULL;
    if (my->mode == ZERO_RTT)
        op->smoothed_rtt_ns = 0;
    return result;
}

SEC("replace/CongestionControl")
uint64_t control(struct congestion_control *op, struct quic_connection *connection, struct hostile *my)
{
    (void)connection;
    if (my->mode == HUGE_THRESHOLD)
        op->ssthresh_bytes = ~0ULL;
    return my->mode == HUGE_WINDOW ? ~0ULL : run_default();
}
