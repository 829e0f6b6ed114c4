/* Tells in which order the programs of one operation run, and what each sees. */
#include "quicsim.h"

struct order {
    uint64_t calls;
};

QUICSIM_PLUGIN("order", "1.0", struct order);

SEC("before/SetTimer")
uint64_t before(struct set_timer *op, struct quic_connection *connection, struct order *my)
{
    (void)connection;
    my->calls++;
    log_value(1);
    log_value(op->result);
    return 11;
}

SEC("replace/SetTimer")
uint64_t replace(struct set_timer *op, struct quic_connection *connection, struct order *my)
{
    (void)connection;
    my->calls++;
    log_value(2);
    return op->now_ns + 123456789;
}

SEC("after/SetTimer")
uint64_t after(struct set_timer *op, struct quic_connection *connection, struct order *my)
{
    (void)connection;
    my->calls++;
    log_value(3);
    log_value(op->result);
    return 33;
}
